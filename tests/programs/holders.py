"""What a loop waits for that another thread of Python's holds: `lock`, or `gil`."""
import asyncio
import re
import sys
import threading
import time

lock = threading.Lock()
taken = threading.Event()


def keep():
    with lock:
        taken.set()
        time.sleep(0.4)  # STALL:keep


def burn():
    """The interpreter lets go of the GIL between two lines, not inside a match."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        re.match("(a+)+$", "a" * 22 + "b")  # STALL:burn


async def wait_for_lock():
    threading.Thread(target=keep).start()
    taken.wait()
    await asyncio.sleep(0.05)
    with lock:  # STALL:lock
        pass


async def wait_for_gil():
    threading.Thread(target=burn).start()
    for _ in range(100):
        await asyncio.sleep(0.001)


asyncio.run({"lock": wait_for_lock, "gil": wait_for_gil}[sys.argv[1]]())
