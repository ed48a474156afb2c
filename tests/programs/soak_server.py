"""An aiohttp server for scripts/soak. Plants a stall now and then, each kind in a function of its own,
and says at its end how many it planted. Says its port and pid first; GET /stop ends it."""
import asyncio
import fcntl
import json
import os
import random
import socket
import subprocess
import tempfile
import threading
import time

from aiohttp import web

planted = {}
lock_file = tempfile.NamedTemporaryFile()
near, far = socket.socketpair()
near.settimeout(None)


def duration():
    """Well over the threshold of 20 ms."""
    return random.uniform(0.035, 0.07)


def later(action):
    """Does it in another thread, which holds what the loop waits for until then."""
    threading.Timer(duration(), action).start()


def plant_sleep():
    time.sleep(duration())


def plant_recv():
    later(lambda: far.send(b"x"))
    near.recv(1)


def plant_flock():
    other = os.open(lock_file.name, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    later(lambda: os.close(other))
    fcntl.flock(lock_file, fcntl.LOCK_EX)
    fcntl.flock(lock_file, fcntl.LOCK_UN)


def plant_child():
    subprocess.run(["sleep", f"{duration():.3f}"], check=False)


def plant_lock():
    lock = threading.Lock()
    lock.acquire()
    later(lock.release)
    lock.acquire()


PLANTS = [plant_sleep, plant_recv, plant_flock, plant_child, plant_lock]


async def page(request):
    if random.random() < 0.004:
        plant = random.choice(PLANTS)
        plant()
        planted[plant.__name__] = planted.get(plant.__name__, 0) + 1
    await asyncio.sleep(0)
    return web.Response(text="page " * 200)


async def main():
    stopped = asyncio.Event()

    async def stop(request):
        stopped.set()
        return web.Response(text="bye")

    app = web.Application()
    app.add_routes([web.get("/page", page), web.get("/stop", stop)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("port", runner.addresses[0][1], flush=True)
    print("pid", os.getpid(), flush=True)
    await stopped.wait()
    await runner.cleanup()


asyncio.run(main())
print(json.dumps(planted), flush=True)
