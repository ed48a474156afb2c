"""An aiohttp server for scripts/soak. Plants a stall now and then, each kind in a function of its own,
and says at its end how many it planted. Says its port and pid first; GET /stop ends it."""
import asyncio
import fcntl
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

from aiohttp import web

sure, perhaps = {}, {}  # by plant: stalls that must be recorded, and that may be
lock_file = tempfile.NamedTemporaryFile()
near, far = socket.socketpair()
near.settimeout(None)


def duration():
    """Well over the threshold of 20 ms."""
    return random.uniform(0.035, 0.07)


def later(action):
    """Does it in another thread, which holds what the loop waits for until then."""
    threading.Timer(duration(), action).start()


def kept_waiting():
    """Seconds for which this thread was ready to run and did not."""
    with open("/proc/thread-self/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


def waits(call, *arguments):
    """The call of a plant that blocks. How long it really did is not for the plant to decide: the helper
    thread may have been early, or this one late. Innermost of the plant's Python frames."""
    name = sys._getframe(1).f_code.co_name
    before, delay = time.monotonic(), kept_waiting()
    call(*arguments)
    lasted, delay = time.monotonic() - before, kept_waiting() - delay
    if lasted - delay > 0.034:
        sure[name] = sure.get(name, 0) + 1
    elif lasted > 0.018:
        perhaps[name] = perhaps.get(name, 0) + 1


def plant_sleep():
    waits(time.sleep, duration())


def plant_recv():
    later(lambda: far.send(b"x"))
    waits(near.recv, 1)


def plant_flock():
    other = os.open(lock_file.name, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    later(lambda: os.close(other))
    waits(fcntl.flock, lock_file, fcntl.LOCK_EX)
    fcntl.flock(lock_file, fcntl.LOCK_UN)


def plant_child():
    child = subprocess.Popen(["sleep", f"{duration():.3f}"])
    waits(os.waitpid, child.pid, 0)


def plant_lock():
    lock = threading.Lock()
    lock.acquire()
    later(lock.release)
    waits(lock.acquire)


PLANTS = [plant_sleep, plant_recv, plant_flock, plant_child, plant_lock]


async def page(request):
    if random.random() < 0.004:
        random.choice(PLANTS)()
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
print(json.dumps({"sure": sure, "perhaps": perhaps}), flush=True)
