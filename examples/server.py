"""A small web shop on aiohttp with an accident in it: paying blocks the event loop, so every other
client waits, too. Says its port, and ends by itself after --requests requests."""
import argparse
import asyncio
import time

from aiohttp import web


def charge(amount):
    time.sleep(0.25)  # a payment service, asked with a client that blocks
    return amount


class Shop:
    def __init__(self, requests):
        self.left = requests
        self.done = asyncio.Event()

    @web.middleware
    async def count(self, request, handler):
        try:
            return await handler(request)
        finally:
            self.left -= 1
            if self.left == 0:
                self.done.set()

    async def orders(self, request):
        await asyncio.sleep(0.002)
        return web.json_response(["tea", "biscuits"])

    async def pay(self, request):
        return web.json_response({"charged": charge(499)})


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=-1)
    shop = Shop(parser.parse_args().requests)
    app = web.Application(middlewares=[shop.count])
    app.add_routes([web.get("/orders", shop.orders), web.get("/pay", shop.pay)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("port", runner.addresses[0][1], flush=True)
    await shop.done.wait()
    await runner.cleanup()


asyncio.run(main())
