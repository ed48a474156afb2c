"""Blocks its loop at one place: so often, so long, and then once for longer; in a call that sleeps or by
computing."""
import asyncio
import sys
import time

WAY, COUNT, SHORT, LONG = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])


def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:  # STALL:compute
        pass


def call(seconds):
    time.sleep(seconds)  # STALL:call


async def main():
    for seconds in [SHORT] * COUNT + [LONG]:
        await asyncio.sleep(0.001)
        (call if WAY == "call" else compute)(seconds)


asyncio.run(main())
