"""An asyncio program that stops itself (SIGSTOP); the scenario is the first argument. Somebody else
has to let it go on."""
import asyncio
import os
import signal
import sys
import threading
import time


def stop():
    """To this thread, which so does not go on before the process is stopped."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def wait_until_in(tid, *system_calls):
    """Until the thread sleeps in one of them; waiting for the interpreter's lock is a futex."""
    while True:
        with open(f"/proc/self/task/{tid}/syscall", encoding="ascii") as now:
            if now.read().split()[0] in system_calls:
                return


def blocked(before, after):
    """Blocks for `before` seconds, is stopped, and blocks for `after` seconds more."""
    readable, writable = os.pipe()
    reader = threading.get_native_id()

    def other():
        wait_until_in(reader, "0")
        time.sleep(before)
        stop()
        time.sleep(after)
        os.write(writable, b"1")

    thread = threading.Thread(target=other)
    thread.start()
    os.read(readable, 1)  # STALL:call
    thread.join()


async def home():
    def other():
        wait_until_in(loop_thread, "232", "281")  # epoll_wait, epoll_pwait
        stop()

    loop_thread = threading.get_native_id()
    await asyncio.gather(asyncio.to_thread(other), asyncio.sleep(0.2))


async def iteration():
    burn(0.002)
    stop()
    burn(0.002)


async def call():
    blocked(0, 0)


async def long_iteration():
    burn(0.15)
    stop()
    burn(0.15)  # STALL:iteration


async def long_call():
    blocked(0.2, 0.2)


async def both():
    """Stopped in a short call, in an iteration that is too long without it."""
    blocked(0, 0)
    burn(0.3)


async def main():
    for _ in range(10):
        await asyncio.sleep(0.005)
    await globals()[sys.argv[1]]()
    for _ in range(10):
        await asyncio.sleep(0.005)


print("pid", os.getpid(), flush=True)
asyncio.run(main())
