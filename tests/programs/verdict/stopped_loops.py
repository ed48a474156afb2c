"""A loop that stops and runs again, in one of several ways; nothing blocks it while it runs, but what
is marked. The first argument says which."""
import asyncio
import subprocess
import sys
import time


async def short():
    await asyncio.sleep(0.001)


async def long():
    await asyncio.sleep(0.06)


async def blocked():
    await asyncio.sleep(0.001)
    time.sleep(0.15)  # STALL:inside
    await asyncio.sleep(0.001)


def between():
    """What no loop waits for: a call, a command, computing."""
    time.sleep(0.15)
    subprocess.run(["sleep", "0.05"], check=True)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass


def kept(loop, first=short):
    """One loop, which is run again and again, too shortly to be looked at."""
    loop.run_until_complete(first())
    between()
    loop.run_until_complete(short())
    between()


def left_open():
    """The loop before is never closed: another one runs."""
    kept(asyncio.new_event_loop())
    second = asyncio.new_event_loop()
    second.run_until_complete(long())
    between()
    second.run_until_complete(long())
    time.sleep(0.1)


def deep(n, function, *args):
    """Below many frames."""
    return deep(n - 1, function, *args) if n else function(*args)


def runner():
    with asyncio.Runner() as run:
        for _ in range(3):
            run.run(short())
            between()


def run_again():
    for _ in range(3):
        asyncio.run(short())
        between()


def inside():
    """What blocks while the loop runs is found, whatever came before."""
    loop = asyncio.new_event_loop()
    kept(loop)
    loop.run_until_complete(blocked())


def in_a_thread():
    import threading
    thread = threading.Thread(target=lambda: kept(asyncio.new_event_loop()))
    thread.start()
    thread.join()


def uvloop_kept():
    import uvloop
    kept(uvloop.new_event_loop())


def uvloop_inside():
    import uvloop
    loop = uvloop.new_event_loop()
    kept(loop)
    loop.run_until_complete(blocked())


def by_trio():
    import trio
    async def wait():
        await trio.sleep(0.01)
    trio.run(wait)
    between()
    trio.run(wait)
    between()


def by_glib():
    """Nothing of Python's tells that this loop runs, but GLib's function does."""
    from gi.repository import GLib
    loop = GLib.MainLoop()
    for _ in range(3):
        for ms in range(1, 12):
            GLib.timeout_add(ms * 5, lambda: None)
        GLib.timeout_add(80, loop.quit)
        loop.run()
        between()


CASES = {
    "short": lambda: kept(asyncio.new_event_loop()),
    "long": lambda: kept(asyncio.new_event_loop(), long),
    "deep": lambda: deep(70, kept, asyncio.new_event_loop()),
    "left-open": left_open, "runner": runner, "run-again": run_again, "inside": inside,
    "thread": in_a_thread, "uvloop": uvloop_kept, "uvloop-inside": uvloop_inside, "trio": by_trio,
    "glib": by_glib,
}
CASES[sys.argv[1]]()
