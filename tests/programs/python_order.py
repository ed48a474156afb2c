"""Python and C take turns below a coroutine; at the end of it all it sleeps."""
import asyncio
import functools
import json
import time


def pause():
    time.sleep(  # STALL:sleep
        0.2)


class Whole:
    def __init__(self):
        functools.reduce(  # STALL:init
            lambda a, b:
                a or pause(),  # STALL:reduced
            [0, 1])


def default(unknown):
    Whole()  # STALL:default
    return 1


async def main():
    json.dumps(object(), default=default)  # STALL:main
    await asyncio.sleep(0)


asyncio.run(main())  # STALL:module
