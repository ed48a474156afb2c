"""A trace that would grow without end is bounded, and never goes blind: what comes again is counted,
and what is new is recorded with its stack."""
import os
import subprocess

import pytest

import harness
from harness import PYTHON, command, stall_line

PROGRAM = str(harness.PROGRAMS / "verdict" / "trace_size.py")
SIZE = 16 * 1024


def line(tag):
    return stall_line("verdict/trace_size.py", tag)


def places(traced):
    return {f["frames"][f["culprit"]]["line"]: f["count"] for f in traced.findings}


def assert_size(traced, size=SIZE):
    (path,) = traced.files()
    assert os.path.getsize(path) <= size * 1.1, os.path.getsize(path)
    return os.path.getsize(path)


def test_a_new_place_after_many_repetitions(run):
    traced = run(PYTHON, PROGRAM, "repeat", options=["--max-trace-size", "16K"])
    assert traced.exit == 0
    assert_size(traced)
    found = places(traced)
    assert found[line("new")] == 2, traced.describe()
    assert found[line("known")] > 100, traced.describe()
    assert traced.report()["losses"] == [] and traced.records("end")


def test_one_place_with_many_stacks_is_one_place(run):
    """A recursion of another depth each time: its stacks must not take the room of a new place."""
    traced = run(PYTHON, PROGRAM, "deep", options=["--strict=sleep", "--max-trace-size", "24K"])
    assert traced.exit == 0
    assert_size(traced, 24 * 1024)
    found = places(traced)
    # on a busy machine some may have been without a CPU for most of their time
    assert 120 <= found[line("deep")] <= 150, traced.describe()
    assert found[line("new")] == 2, traced.describe()
    assert traced.report()["losses"] == []


def test_iterations_that_come_again_are_counted(run):
    traced = run(PYTHON, PROGRAM, "spin", options=["--max-trace-size", "64K",
                                                   "--iteration-threshold", "5ms"])
    assert_size(traced, 64 * 1024)
    assert traced.records("more"), "counted, from the fiftieth on"
    count = sum(f["count"] for f in traced.findings if f["kind"] == "iteration")
    assert count > 60, traced.describe()
    new = [f for f in traced.findings if f["kind"] == "call"]
    assert [f["frames"][f["culprit"]]["line"] for f in new if f["max_ms"] > 250] == [line("new")]


def test_many_new_places_are_a_loss(run):
    """Even the eighth that is kept for them is full: they are counted by call, and check says so."""
    traced = run(PYTHON, PROGRAM, "places", options=["--strict=sleep", "--max-trace-size", "16K"])
    assert_size(traced)
    [loss] = traced.report()["losses"]
    assert loss["code"] == "trace-full" and "clock_nanosleep" in loss["message"], loss
    counted = loss["count"] + sum(f["count"] for f in traced.findings)
    assert 240 <= counted <= 300, traced.describe()
    rules = traced.dir / "rules"
    rules.write_text("call:*\nclass:*\n")
    assert command("check", "--suppressions", rules, traced.dir).returncode == 3


def test_an_idle_loop_costs_little(run):
    """Figures are written at growing intervals: 8 in the first 8 s, and then ever fewer."""
    traced = run(PYTHON, "-c", """
import asyncio, time
async def main():
    end = time.monotonic() + 6
    while time.monotonic() < end:
        await asyncio.sleep(0.01)
    time.sleep(0.2)
asyncio.run(main())
""", options=["--max-trace-size", "8K"])
    size = assert_size(traced, 8 * 1024)
    assert sum(len(str(r)) for r in traced.records("stats")) < size / 2
    assert traced.find("clock_nanosleep")["max_ms"] > 190
    stats = traced.records("stats")[-1]
    assert stats["at_ns"] > 6e9, "the last figures are there"


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "none", disk], check=False,
                      stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def on_a_small_disk(small_disk, program, mode):
    env = {"LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(small_disk / "out"),
           "STALLTRACE_THRESHOLD": "10ms,sleep=0", "STALLTRACE_MAX_TRACE_SIZE": "64K"}
    result = subprocess.run([program("verdict/full_disk"), mode, small_disk / "filler"], timeout=60,
                            env=harness.environment(env), check=False)
    assert result.returncode == 0
    return harness.Traces(small_disk / "out")


def test_a_disk_that_fills_and_empties(small_disk, program):
    """The loop hangs in a new place while the disk is full: that is written when there is room."""
    traced = on_a_small_disk(small_disk, program, "empties")
    assert traced.find("read")["max_ms"] > 70, traced.describe()
    assert traced.records("end")


def test_a_disk_that_stays_full_is_a_loss(small_disk, program):
    traced = on_a_small_disk(small_disk, program, "stays")
    losses = {loss["code"] for loss in traced.report()["losses"]}
    assert losses & {"write", "trace-full", "cut-short", "unreadable"}, traced.report()["losses"]
