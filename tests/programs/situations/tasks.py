"""Tasks with names. The first argument: named (each kind of task sleeps), numbered, unnamed (a callback of
the loop, which no task runs), turnover DIR (many short tasks, each flushes a file that is called
what the task is called). The second of the first three: the event loop."""
import asyncio
import os
import sys
import time


class OwnTask(asyncio.Task):
    """Some frameworks make their own."""


class Shop:
    async def serve(self):
        await asyncio.sleep(0)
        await self.pay()

    async def pay(self):
        time.sleep(0.1)  # STALL:pay


async def named():
    await asyncio.create_task(Shop().serve(), name="customer Zoë")
    asyncio.get_running_loop().set_task_factory(
        lambda loop, coroutine, **options: OwnTask(coroutine, loop=loop, **options))
    await asyncio.create_task(Shop().serve(), name="own")


async def numbered():
    await asyncio.gather(*(Shop().serve() for _ in range(3)))


async def unnamed():
    asyncio.get_running_loop().call_soon(time.sleep, 0.1)
    await asyncio.sleep(0.01)


async def flush(path):
    with open(path, "w", encoding="utf-8") as file:
        os.fsync(file.fileno())


async def turnover():
    for number in range(200):
        name = f"flush-{number}"
        await asyncio.create_task(flush(os.path.join(sys.argv[2], name)), name=name)


if sys.argv[2] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(globals()[sys.argv[1]]())
