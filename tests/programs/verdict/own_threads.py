"""ZeroMQ runs an I/O thread of its own beside the program's loop, which blocks where it is told to."""
import asyncio
import sys
import time

import zmq
import zmq.asyncio


async def main():
    context = zmq.asyncio.Context()
    ours, theirs = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    port = ours.bind_to_random_port("tcp://127.0.0.1")
    theirs.connect(f"tcp://127.0.0.1:{port}")
    for i in range(20):
        await ours.send(b"hello")
        await theirs.recv()
    if sys.argv[1:] == ["block"]:
        time.sleep(0.15)  # STALL:loop
    ours.close()
    theirs.close()
    context.term()

asyncio.run(main())
