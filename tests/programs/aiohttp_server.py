"""An aiohttp server: /fast is well-behaved, /slow is not. Says its port; SIGTERM ends it."""
import asyncio
import signal
import time

from aiohttp import web


def charge_card():
    time.sleep(0.3)  # STALL


async def fast(request):
    await asyncio.sleep(0.001)
    return web.Response(text="fast")


async def slow(request):
    charge_card()
    return web.Response(text="slow")


async def main():
    app = web.Application()
    app.add_routes([web.get("/fast", fast), web.get("/slow", slow)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("port", runner.addresses[0][1], flush=True)
    await stopped.wait()
    await runner.cleanup()


asyncio.run(main())
