"""What coroutines do to their loop. Arguments: the situation, the event loop (asyncio or uvloop),
and a path where the situation needs one."""
import asyncio
import sys
import time


def read_then_sleep(path):
    with open(path, encoding="utf-8") as file:
        file.read()
    time.sleep(0.3)  # STALL:gathered


async def reader(path):
    read_then_sleep(path)


async def gathered():
    await asyncio.gather(reader(sys.argv[3]), reader(sys.argv[3]))


async def executor():
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(None, read_then_sleep, sys.argv[3])
                           for _ in range(2)))


async def sleeps():
    await asyncio.gather(*(asyncio.sleep(0.2) for _ in range(10)))


async def short():
    await asyncio.sleep(0.0001)


def count(steps):
    total = 0
    for step in range(steps):
        total += step
    return total


async def compute():
    await asyncio.sleep(0.01)
    print("counted", count(10_000_000))


async def forgotten():
    time.sleep(0.3)


async def never_awaited():
    await asyncio.sleep(0.01)
    forgotten()
    await asyncio.sleep(0.01)


async def ticker():
    while True:
        await asyncio.sleep(0.01)


async def task():
    ticking = asyncio.create_task(ticker(), name="the ticker")
    print("sleeping", flush=True)
    time.sleep(5)  # STALL:task
    ticking.cancel()


async def one_after_another():
    for seconds in (0.1, 0.05, 0, 0.02):
        await asyncio.sleep(seconds)


async def stubborn():
    time.sleep(2)  # STALL:stubborn
    await asyncio.sleep(60)


async def threaded():
    await asyncio.to_thread(time.sleep, 1)
    await asyncio.sleep(60)


async def give_up_on(coroutine):
    """A timeout of 0.1 s, and how long it took."""
    begin = time.monotonic()
    try:
        async with asyncio.timeout(0.1):
            await coroutine
    except TimeoutError:
        print(f"gave up after {time.monotonic() - begin:.2f} s", flush=True)


async def cancel(coroutine):
    """The same, by hand."""
    begin = time.monotonic()
    victim = asyncio.create_task(coroutine, name="the victim")
    await asyncio.sleep(0.1)
    victim.cancel()
    try:
        await victim
    except asyncio.CancelledError:
        print(f"gave up after {time.monotonic() - begin:.2f} s", flush=True)


SITUATIONS = {
    "gathered": gathered, "executor": executor, "sleeps": sleeps, "short": short,
    "compute": compute, "never_awaited": never_awaited, "task": task,
    "one_after_another": one_after_another,
    "timeout": lambda: give_up_on(stubborn()), "timeout_thread": lambda: give_up_on(threaded()),
    "cancel": lambda: cancel(stubborn()), "cancel_thread": lambda: cancel(threaded()),
}

if sys.argv[2] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(SITUATIONS[sys.argv[1]]())
