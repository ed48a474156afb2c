"""An asyncio program with a planted stall; the scenario is the first argument."""
import asyncio
import sys
import time


def load_config():
    time.sleep(0.3)  # STALL:sleep


async def ticking(count=20):
    for _ in range(count):
        await asyncio.sleep(0.005)


async def clean():
    await ticking()


async def sleep():
    await ticking(3)
    load_config()
    await ticking(3)


async def first():
    time.sleep(0.3)  # STALL:first


async def mixed():
    """An iteration that is too long even without the call in it that is."""
    await ticking(3)
    for seconds in (0, 0.4, 0):
        time.sleep(seconds)  # STALL:mixed
    end = time.thread_time() + 0.25
    while time.thread_time() < end:
        pass
    await ticking(3)


async def thread():
    await asyncio.gather(ticking(), asyncio.to_thread(time.sleep, 1))


async def twice():
    for _ in range(2):
        await ticking(3)
        load_config()


async def nested():
    def level(depth):
        if depth:
            return level(depth - 1)
        return time.sleep(0.3)  # STALL:nested

    await ticking(3)
    level(30)


asyncio.run({"clean": clean, "sleep": sleep, "first": first, "thread": thread, "mixed": mixed, "twice": twice,
             "nested": nested}[sys.argv[1]]())
