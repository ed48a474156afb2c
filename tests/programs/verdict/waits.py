"""Waits of an asyncio program, each of which can be told what for: connections, children, locks."""
import asyncio
import fcntl
import os
import select
import socket
import subprocess
import sys
import tempfile

HOLD = "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.%s(f, 2); print(flush=True); time.sleep(.3)"


def full_listener():
    """a listener whose queue is full: it does not answer"""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for s in waiting:
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
    return listener, waiting


def connect():
    listener, _waiting = full_listener()
    print("full", listener.getsockname()[1])
    try:
        socket.create_connection(listener.getsockname(), timeout=0.2)
    except OSError:
        pass


def several():
    server = socket.create_server(("127.0.0.1", 0))
    print("server", server.getsockname()[1])
    ours = [socket.create_connection(server.getsockname()) for _ in range(3)]
    theirs = [server.accept()[0] for _ in ours]
    wake, _other_end = os.pipe()
    select.select([wake, *ours], [], [], 0.15)
    both = select.poll()
    both.register(wake, select.POLLIN)
    both.register(ours[0], select.POLLIN)
    both.poll(150)
    with select.epoll() as inner:
        inner.register(wake, select.EPOLLIN)
        inner.register(ours[0], select.EPOLLIN)
        inner.poll(0.15)
    del theirs


def children():
    subprocess.run(["sleep", "0.2"])
    subprocess.run(["sh", "-c", "sleep 0.2; echo"], capture_output=True)
    child = subprocess.Popen(["sleep", "0.21"])
    ended = select.poll()
    ended.register(os.pidfd_open(child.pid), select.POLLIN)
    ended.poll()
    child.wait()


def locks():
    with tempfile.NamedTemporaryFile() as file:
        for how in "flock", "lockf":
            holder = subprocess.Popen([sys.executable, "-c", HOLD % how, file.name], stdout=subprocess.PIPE)
            holder.stdout.readline()
            print(how, holder.pid)
            getattr(fcntl, how)(file, fcntl.LOCK_EX)
            holder.wait()


async def main():
    for step in connect, several, children, locks:
        await asyncio.sleep(0.02)
        step()
    await asyncio.sleep(0.02)


sys.stdout.reconfigure(line_buffering=True)
asyncio.run(main())
