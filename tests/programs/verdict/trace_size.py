"""Stalls that come again and again, and then one in a new place."""
import asyncio
import sys
import time


def known(seconds):
    time.sleep(seconds)  # STALL:known


def new(seconds):
    time.sleep(seconds)  # STALL:new


def deep(depth):
    if depth:
        deep(depth - 1)
    else:
        time.sleep(0.003)  # STALL:deep


def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


async def main(mode):
    if mode == "repeat":
        for _ in range(400):
            await asyncio.sleep(0.0001)
            known(0.012)
    elif mode == "deep":
        for depth in range(150):
            deep(depth % 90)
            await asyncio.sleep(0.001)
    elif mode == "spin":
        for _ in range(150):
            spin(0.015)
            await asyncio.sleep(0.001)
    elif mode == "places":
        for number in range(300):
            source = "\n" * number + "def place(): time.sleep(0.002)\n"
            scope = {"time": time}
            exec(compile(source, "/srv/places.py", "exec"), scope)
            scope["place"]()
            await asyncio.sleep(0.001)
        return
    new(0.3)
    await asyncio.sleep(0.01)
    new(0.3)
    await asyncio.sleep(0.01)

asyncio.run(main(sys.argv[1]))
