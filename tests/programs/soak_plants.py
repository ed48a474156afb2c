"""An asyncio loop for scripts/soak that plants stalls of every length, and between them does what stalls
nobody. It measures itself: for each plant how long it meant to last, how long it did, and for how much of
that its thread was ready to run and had no CPU. Says them at its end, a JSON object a line.

    soak_plants.py SECONDS CALL_THRESHOLD_MS ITERATION_THRESHOLD_MS"""
import asyncio
import json
import os
import random
import sys
import tempfile
import threading
import time

SECONDS, CALL_MS, ITERATION_MS = (float(x) for x in sys.argv[1:4])
reader, writer = os.pipe()
# What is planted: times its threshold, from and to.
LENGTHS = {"below": (0.6, 0.95), "near": (1.1, 1.5), "long": (3, 4)}
plants = []


def kept_waiting():
    with open("/proc/thread-self/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e6


def measured(name, length, meant_ms, call, *arguments):
    starved, began, clock = kept_waiting(), time.monotonic(), time.time_ns()
    call(*arguments)
    ended = time.monotonic()
    plants.append({"plant": name, "length": length, "meant_ms": meant_ms, "began_ns": clock,
                   "began": began, "ended": ended, "wall_ms": (ended - began) * 1e3,
                   "starved_ms": kept_waiting() - starved})


def answer_later(ms):
    """What is read from the pipe comes so late."""
    threading.Timer(ms / 1e3, os.write, (writer, b"x")).start()


# A function a plant, each with the line that blocks: a finding is a place, and they are told apart by it.
def plant_sleep_below(ms):
    time.sleep(ms / 1e3)


def plant_read_below(ms):
    answer_later(ms)
    os.read(reader, 1)


def plant_spin_below(ms):
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        pass


def plant_mixed_below(ms):
    """A long iteration that its call, which is under its threshold, does not explain."""
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        if end - time.thread_time() < ms / 2e3 and ms:
            time.sleep(CALL_MS / 4e3)
            ms = 0


def plant_sleep_near(ms):
    time.sleep(ms / 1e3)


def plant_read_near(ms):
    answer_later(ms)
    os.read(reader, 1)


def plant_spin_near(ms):
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        pass


def plant_mixed_near(ms):
    """A long iteration that its call, which is under its threshold, does not explain."""
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        if end - time.thread_time() < ms / 2e3 and ms:
            time.sleep(CALL_MS / 4e3)
            ms = 0


def plant_sleep_long(ms):
    time.sleep(ms / 1e3)


def plant_read_long(ms):
    answer_later(ms)
    os.read(reader, 1)


def plant_spin_long(ms):
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        pass


def plant_mixed_long(ms):
    """A long iteration that its call, which is under its threshold, does not explain."""
    end = time.thread_time() + ms / 1e3
    while time.thread_time() < end:
        if end - time.thread_time() < ms / 2e3 and ms:
            time.sleep(CALL_MS / 4e3)
            ms = 0


def plant():
    kind, length = random.choice(["sleep", "read", "spin", "mixed"]), random.choice(list(LENGTHS))
    meant = random.uniform(*LENGTHS[length]) * (CALL_MS if kind in ("sleep", "read") else ITERATION_MS)
    if kind == "mixed":
        meant -= CALL_MS / 4
    name = f"plant_{kind}_{length}"
    measured(name, length, meant, globals()[name], meant)


def clean(file):
    """What a program does all the time: some files, some work, a lock that nobody holds."""
    os.stat("/")
    file.seek(0)
    file.write(json.dumps(list(range(200))))
    file.flush()
    with open("/proc/self/stat", encoding="ascii") as own:
        own.read()
    with threading.Lock():
        sum(range(2000))


async def main():
    end = time.monotonic() + SECONDS
    turns = 0
    with tempfile.TemporaryFile("w") as file:
        while time.monotonic() < end:
            for _ in range(20):
                clean(file)
                turns += 1
                await asyncio.sleep(0.001)
            plant()
            await asyncio.sleep(0)  # the iteration of the plant ends here
    return turns


random.seed(os.environ.get("SOAK_SEED"))
print("pid", os.getpid(), flush=True)
count = asyncio.run(main())
for one in plants:
    print(json.dumps(one))
print(json.dumps({"turns": count}), flush=True)
