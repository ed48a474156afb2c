"""A loop in the company of another preloaded library: the first argument says which. Prints what
that library makes of it, and waits for 150 ms."""
import asyncio
import os
import pwd
import socket
import sys
import threading
import time

WAIT_S = 0.15


def answer_late(listener):
    client, _ = listener.accept()
    time.sleep(WAIT_S)
    client.sendall(b"late")


def sockets():
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=answer_late, args=(listener,), daemon=True).start()
    with socket.create_connection(listener.getsockname()) as connection:
        print(connection.recv(10), connection.getpeername() == listener.getsockname())


def names():
    print(socket.getaddrinfo("no.such.host.invalid", 80, type=socket.SOCK_STREAM)[0][4])
    print(pwd.getpwnam("made-up").pw_uid)
    time.sleep(WAIT_S)


def owners():
    with open("owned", "wb") as f:
        os.chown("owned", 1234, 1235)
        print(os.stat("owned").st_uid, os.fstat(f.fileno()).st_gid)
    time.sleep(WAIT_S)


def syncs():
    ends = os.pipe()
    print(os.fsync(ends[0]))  # which no pipe can do
    time.sleep(WAIT_S)


def proxy():
    """Through a proxy that takes its time for the connection, and for the answer."""
    with socket.create_connection(("198.51.100.7", 80)) as connection:
        print(connection.recv(10))


def spin():
    end = time.monotonic() + 3 * WAIT_S
    while time.monotonic() < end:
        pass
    print("spun")


async def main():
    await asyncio.sleep(0.001)
    globals()[sys.argv[1]]()


asyncio.run(main())
