"""A coroutine that reads from its standard input with a read that blocks, again and again."""
import asyncio
import os


def ask():
    return os.read(0, 1)  # STALL


async def main():
    answer = b"?"
    while answer:
        await asyncio.sleep(0.01)
        print("asking", flush=True)
        answer = ask()


asyncio.run(main())
