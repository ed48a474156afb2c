"""uvloop: the loop is libuv's, inside a Cython module."""
import asyncio
import sys
import time

import uvloop


async def main():
    for tick in range(20):
        await asyncio.sleep(0.005)
        if tick == 3 and sys.argv[1] == "stall":
            time.sleep(0.3)  # STALL


uvloop.install()
asyncio.run(main())
