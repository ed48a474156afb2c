"""Faultless programs of many runtimes, one a mode: each waits as its runtime's documentation says."""
import sys
import threading
import time


def slow():
    """Blocks, in a thread that runs no loop."""
    time.sleep(0.15)
    return 42


def asyncio_threads():
    import asyncio

    async def main():
        results = await asyncio.gather(*(asyncio.to_thread(slow) for _ in range(4)))
        loop = asyncio.get_running_loop()
        results.append(await loop.run_in_executor(None, slow))
        await loop.getaddrinfo("localhost", 80)
        process = await asyncio.create_subprocess_exec("true")
        assert await process.wait() == 0
        return results

    assert asyncio.run(main()) == [42] * 5


def asyncio_runs():
    """Blocks between two runs of the loop: that keeps nobody waiting."""
    import asyncio

    async def step():
        await asyncio.sleep(0.01)

    loop = asyncio.new_event_loop()
    for _ in range(5):
        loop.run_until_complete(step())
        slow()
    loop.close()
    for _ in range(3):
        asyncio.run(step())
        slow()


def trio():
    import trio as runtime

    async def main():
        async with runtime.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(runtime.to_thread.run_sync, slow)
            nursery.start_soon(runtime.sleep, 0.1)

    runtime.run(main)


def anyio():
    import anyio as runtime

    async def main():
        async with runtime.create_task_group() as group:
            for _ in range(3):
                group.start_soon(runtime.to_thread.run_sync, slow)
            group.start_soon(runtime.sleep, 0.1)
        await runtime.run_process(["true"])

    runtime.run(main)


def tornado():
    import tornado.httpclient
    import tornado.ioloop
    import tornado.web

    class Handler(tornado.web.RequestHandler):
        async def get(self):
            value = await tornado.ioloop.IOLoop.current().run_in_executor(None, slow)
            self.write(str(value))

    async def main():
        server = tornado.web.Application([("/", Handler)]).listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = tornado.httpclient.AsyncHTTPClient()
        for _ in range(3):
            assert (await client.fetch(f"http://127.0.0.1:{port}/")).body == b"42"
        server.stop()

    tornado.ioloop.IOLoop.current().run_sync(main)


def twisted():
    from twisted.internet import reactor, threads

    def done(value):
        assert value == 42
        reactor.callLater(0.05, reactor.stop)

    reactor.callWhenRunning(lambda: threads.deferToThread(slow).addCallback(done))
    reactor.run()


def gevent():
    from gevent import monkey
    monkey.patch_all()
    import gevent as runtime
    import socket

    def serve(listener):
        connection, _ = listener.accept()
        connection.sendall(connection.recv(10))

    listener = socket.create_server(("127.0.0.1", 0))
    server = runtime.spawn(serve, listener)
    client = socket.create_connection(listener.getsockname())
    client.sendall(b"hello")
    assert client.recv(10) == b"hello"
    time.sleep(0.1)
    runtime.joinall([server, runtime.spawn(time.sleep, 0.1)])


def gevent_ends():
    """Python takes its objects apart at the end: with greenlets the stack does not tell that."""
    import gevent as runtime

    class Slow:
        def __del__(self):
            end = time.perf_counter() + 0.4
            while time.perf_counter() < end:
                pass

    runtime.sleep(0.01)
    sys.modules["slow"] = Slow()


def eventlet():
    import eventlet as runtime
    runtime.monkey_patch()
    listener = runtime.listen(("127.0.0.1", 0))

    def serve():
        for _ in range(3):
            connection, _ = listener.accept()
            connection.sendall(connection.recv(10))

    pool = runtime.GreenPool()
    pool.spawn(serve)
    for _ in range(3):
        client = runtime.connect(listener.getsockname())
        client.sendall(b"hello")
        assert client.recv(10) == b"hello"
        pool.spawn(time.sleep, 0.1)
    pool.waitall()


def nest():
    """A callback that runs its own loop on keeps nobody waiting."""
    import asyncio
    import nest_asyncio

    async def inner():
        await asyncio.sleep(0.05)

    async def main():
        asyncio.get_event_loop().run_until_complete(inner())

    nest_asyncio.apply()
    for _ in range(3):
        asyncio.run(main())
        slow()


def threads():
    """A loop beside threads that block, start and end."""
    import asyncio

    async def main():
        for _ in range(10):
            thread = threading.Thread(target=slow)
            thread.start()
            await asyncio.sleep(0.01)
        while threading.active_count() > 1:
            await asyncio.sleep(0.01)

    asyncio.run(main())


globals()[sys.argv[1]]()
