"""Who holds what a loop waits for: a semaphore, one of Python's locks, Python's GIL."""
import glob
import os
import re

import pytest

import harness

# One of each version: Debian's, and what pyenv has.
PYTHONS = sorted({os.path.basename(path): path for path in
                  glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3.*[0-9]"))
                  + glob.glob("/usr/bin/python3.*[0-9]")
                  if re.search(r"python3\.(8|9|1[0-9])$", path)}.values())


def test_holder_of_a_semaphore(run, program):
    """The thread that took it last; nobody where threads post what others take, or it is new."""
    traced = run(program("semaphores"), options=("--threshold", "80ms"))
    assert traced.exit == 0, traced
    keeper = re.search(rb"keeper (\d+)", traced.out)[1].decode()
    (finding,) = [f for f in traced.findings if f["kind"] == "call"]  # one line, called from three
    assert finding["call"] == "sem_timedwait" and finding["count"] == 3
    assert [(d["detail"], d["count"]) for d in finding["details"]] == [
        (f"held by thread {keeper} (keeper)", 1)]
    holder = finding["holder"]
    assert (holder["tid"], holder["name"], holder["file"]) == (int(keeper), "keeper", None), finding
    assert finding["wait_kind"] == "lock" and holder["pid"] == finding["loop"]["pid"]
    lines = {next(f["line"] for f in stack["frames"] if f["file"] and f["function"].startswith("wait_for"))
             for stack in finding["stacks"]}
    assert lines == {harness.stall_line("semaphores.c", tag) for tag in ("lock", "signal", "anew")}
    assert f"waited for a lock held by thread {keeper} (keeper), class lock\n" in \
        harness.command("report", traced.dir).stdout


def place(tag, function):
    return rf"holders\.py:{harness.stall_line('holders.py', tag)} in {function}$"


@pytest.mark.parametrize("python", PYTHONS, ids=os.path.basename)
def test_holder_of_a_lock(run, python):
    traced = run(python, harness.PROGRAMS / "holders.py", "lock",
                 options=("--threshold", "100ms"))
    assert traced.exit == 0, traced
    finding = traced.find("sem_wait")
    if finding["detail"] is None and int(re.search(r"3\.(\d+)$", python)[1]) >= 13:
        pytest.skip("this Python's locks are no semaphores")
    assert finding["frames"][finding["culprit"]]["line"] == \
        harness.stall_line("holders.py", "lock")
    assert re.match(r"held by thread \d+ \([^)]+\) at .*/" + place("keep", "keep"),
                    finding["detail"]), finding["detail"]
    holder = finding["holder"]
    assert finding["wait_kind"] == "lock" and holder["tid"] != holder["pid"] == finding["loop"]["pid"]
    assert (os.path.basename(holder["file"]), holder["line"], holder["function"]) == (
        "holders.py", harness.stall_line("holders.py", "keep"), "keep")


@pytest.mark.parametrize("python", PYTHONS, ids=os.path.basename)
def test_holder_of_the_gil(run, python):
    """Its waits are of 5 ms: an iteration finding."""
    traced = run(python, harness.PROGRAMS / "holders.py", "gil",
                 options=("--threshold", "5s"))
    assert traced.exit == 0, traced
    waits = {}
    for finding in traced.findings:
        assert finding["kind"] == "iteration"
        for wait in finding["waited_for"]:
            waits[wait["detail"]] = waits.get(wait["detail"], 0) + wait["count"]
    assert {wait["wait_kind"] for f in traced.findings for wait in f["waited_for"]} <= {"gil", "time", "lock"}
    worst = max(traced.findings, key=lambda f: f["total_ms"])
    assert worst["wait_kind"] == "gil" and worst["holder"]["function"] == "burn", traced.describe()
    most = max(waits, key=waits.get)
    assert re.match(r"the GIL, held by thread \d+ \(.+\) at .*/" + place("burn", "burn"),
                    most), traced.describe()
    text = harness.command("report", traced.dir).stdout
    assert re.search(r"waiting for the GIL, held by .* kept the loop for ", text)
    assert f"waited for {most}, in " in text


def test_a_stream_in_memory_has_no_descriptor(run, program):
    """What stands where a file's stream has one is garbage."""
    traced = run(program("memory_stream"), options=("--threshold", "80ms"))
    assert traced.exit == 0, traced
    finding = traced.only_at("fwrite", "memory_stream.c")
    assert finding["detail"] is None


SHARED_MUTEX = """
import asyncio, ctypes, mmap, os, time
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 4096)
mutex = ctypes.byref(ctypes.c_char.from_buffer(memory))
attributes = ctypes.create_string_buffer(64)
libc.pthread_mutexattr_init(attributes)
assert libc.pthread_mutexattr_setpshared(attributes, 1) == 0
assert libc.pthread_mutex_init(mutex, attributes) == 0
locked, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    libc.pthread_mutex_lock(mutex)
    os.write(locked[1], b"1")
    os.read(go[0], 1)
    time.sleep(0.6)
    libc.pthread_mutex_unlock(mutex)
    os._exit(0)
os.read(locked[0], 1)
async def main():
    await asyncio.sleep(0.05)
    os.write(go[1], b"1")
    assert libc.pthread_mutex_lock(mutex) == 0
asyncio.run(main())
os.waitpid(child, 0)
print(child)
"""


def test_holder_of_a_mutex_is_another_process(run):
    traced = run(harness.PYTHON, "-c", SHARED_MUTEX, options=("--threshold", "100ms"))
    assert traced.exit == 0, traced
    child = int(traced.out)
    finding = traced.find("pthread_mutex_lock")
    assert re.fullmatch(rf"held by pid {child} \(python3.*\)", finding["detail"]), finding["detail"]
    assert (finding["holder"]["pid"], finding["holder"]["tid"]) == (child, None), finding["holder"]
    assert finding["wait_kind"] == "lock" and finding["class"] == "lock"
