"""What a process does before it serves, and what only looks like it. The first argument says which."""
import asyncio
import socket
import sys
import time


def slow_start():
    time.sleep(0.15)  # STALL:start


async def serve(port=0):
    return await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", port)


async def service():
    slow_start()
    await asyncio.sleep(0.01)
    slow_start()
    async with await serve():
        await asyncio.sleep(0.05)


async def service_that_blocks():
    slow_start()
    async with await serve():
        await asyncio.sleep(0.05)
        slow_start()
        time.sleep(0.1)  # STALL:serving


async def computes():
    end = time.thread_time() + 0.4  # however busy the machine is
    while time.thread_time() < end:
        pass
    async with await serve():
        await asyncio.sleep(0.05)


async def consumer():
    slow_start()
    await asyncio.sleep(0.05)


def listens_first():
    """It listens, and only then prepares."""
    listener = socket.create_server(("127.0.0.1", 0))

    async def main():
        slow_start()
        async with await asyncio.start_server(lambda r, w: w.close(), sock=listener):
            await asyncio.sleep(0.05)
    asyncio.run(main())


def runs_before():
    """The loop has stopped between its two runs."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(consumer())
    loop.run_until_complete(service())


def runs_often():
    loop = asyncio.new_event_loop()
    for step in (consumer, service):
        loop.run_until_complete(step())


def runs_another():
    asyncio.run(consumer())
    asyncio.run(service())


def thread_listens():
    """Another thread's socket says nothing about the loop."""
    import threading

    def listen():
        socket.create_server(("127.0.0.1", 0)).close()

    async def main():
        await asyncio.sleep(0.01)
        slow_start()
        await asyncio.to_thread(listen)
        await asyncio.sleep(0.05)
    asyncio.run(main())


def request(listener, done):
    listener.accept()[0].close()
    time.sleep(0.1)
    done.set()


def inherits():
    """A worker of a server that listened, and connections that wait already: it is in a request
    before it has been seen to wait for one."""
    import os
    listener = socket.create_server(("127.0.0.1", 0))
    clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]

    async def main():
        slow_start()
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(listener, request, listener, done)
        await done.wait()
    child = os.fork()
    if not child:
        asyncio.run(main())
    else:
        os.waitpid(child, 0)
    del clients


def uses_uvloop():
    import uvloop
    uvloop.install()
    asyncio.run(service())


def uvloop_runs_before():
    import uvloop
    uvloop.install()
    runs_before()


CASES = {
    "service": lambda: asyncio.run(service()),
    "blocks": lambda: asyncio.run(service_that_blocks()),
    "computes": lambda: asyncio.run(computes()),
    "consumer": lambda: asyncio.run(consumer()),
    "listens-first": listens_first, "runs-before": runs_before, "runs-often": runs_often,
    "runs-another": runs_another, "inherits": inherits, "thread-listens": thread_listens, "uvloop": uses_uvloop,
    "uvloop-runs-before": uvloop_runs_before,
}
CASES[sys.argv[1]]()
