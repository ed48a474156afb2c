"""Each stall has one beginning and one end, and none is made of time for which the machine had no
CPU for the program."""
import subprocess
import time

import pytest

from harness import PRELOAD, Traces, busy, environment


def stalls_of(run, kind):
    """[(at, elapsed, starved)] in ms of the stalls of this kind; each has ended, once."""
    ends = {}
    for end in run.records("stall_end"):
        assert end["stall"] not in ends, f"stall {end['stall']} ends twice"
        ends[end["stall"]] = end
    found = []
    for stall in run.records("stall"):
        assert stall["ended"] or stall["stall"] in ends, f"{stall} has no end"
        if stall["kind"] == kind:
            last = ends.get(stall["stall"], stall)
            found.append((stall["at_ns"] / 1e6, last["elapsed_ns"] / 1e6,
                          last.get("starved_ns", 0) / 1e6))
    assert len({at for at, _, _ in found}) == len(found), f"one iteration is written twice: {found}"
    return found


def test_an_iteration_whose_call_is_found_late_ends(run, program):
    done = run(program("verdict/stalls"), "found-late")
    assert [157 <= elapsed < 1000 for _, elapsed, _ in stalls_of(done, "iteration")] in ([True], [])
    (_, elapsed, _), = stalls_of(done, "call")
    assert 60 <= elapsed < 500


@pytest.mark.parametrize("mode", ["closes", "thread-ends", "thread-exits", "closed-by-other", "exits"])
def test_the_last_iteration_ends_with_its_loop(run, program, mode):
    done = run(program("verdict/stalls"), mode)
    (_, elapsed, starved), = stalls_of(done, "iteration")
    assert 160 <= elapsed, "it computes for 0.2 s"
    assert elapsed - starved < 700, "the loop has ended, and the program lives on for 1 s"


def test_iterations_at_their_threshold_are_written_once(run, program):
    done = run(program("verdict/stalls"), "at-threshold", "30")
    found = stalls_of(done, "iteration")
    assert len(found) <= 30
    assert all(elapsed - starved < 1000 for _, elapsed, starved in found)


def test_no_sample_opens_an_iteration_that_has_ended(run, program):
    done = run(program("verdict/stalls"), "dense", "15")
    found = stalls_of(done, "iteration")
    assert len(found) == 15
    assert sum(elapsed - starved for _, elapsed, starved in found) < 15 * 170 * 1.5


def test_an_iteration_after_a_jump_out_of_the_home_wait_is_its_own(run, program):
    done = run(program("verdict/stalls"), "jumps")
    assert stalls_of(done, "iteration") == []


def test_beside_busy_loops_a_sleep_is_as_long_as_was_asked_for(run):
    """However late it wakes up: that is the machine's, and what it slept is its own."""
    program = ("import asyncio, time\nasync def main():\n for i in range(30):\n"
               "  time.sleep(0.013)\n  await asyncio.sleep(0)\nasyncio.run(main())")
    with busy(6):
        done = run("/usr/bin/python3", "-c", program)
    finding = done.find("clock_nanosleep")
    assert finding["count"] == 30
    assert 30 * 12.9 <= finding["total_ms"] < 30 * 15


def test_beside_busy_loops_no_iteration_grows(run, program):
    with busy(5):
        done = run(program("verdict/stalls"), "dense", "12")
    found = stalls_of(done, "iteration")
    assert len(found) == 12
    work = sum(105 + 65 * i / 12 for i in range(12))
    assert sum(elapsed - starved for _, elapsed, starved in found) < work * 1.2 + 50
    assert done.records("starved"), "nothing was starved beside five busy loops"
    (loop,) = done.report()["processes"][0]["loops"]
    assert loop["max_iteration_ms"] < 170 * 1.2 + 30, "the figures hold time without a CPU"


def test_beside_busy_loops_calls_that_cannot_wait_are_no_findings(run, program):
    with busy(5):
        done = run("nice", "-n", "5", program("verdict/stalls"), "short", "6")
    assert [(e, s) for _, e, s in stalls_of(done, "call") if e - s >= 10] == []


def test_beside_busy_loops_sleeps_are_found_as_long_as_they_are(run, program):
    with busy(5):
        done = run(program("loop_epoll"), "sleep")
    assert any(e - s >= 15 for _, e, s in stalls_of(done, "call"))


def test_a_hang_is_ended_before_what_came_after_it_is_written(tmp_path):
    """Whenever the process is killed: the traces are linted."""
    setting = {"LD_PRELOAD": PRELOAD, "STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all",
               "STALLTRACE_LOOPS": "main"}
    program = ("import os, time\nos.write(1, b'x')\n"
               "while True:\n time.sleep(0.002)\n for i in range(20): os.access('/', 0)")
    for moment in range(100):
        traces = Traces(tmp_path / str(moment))
        with subprocess.Popen(["/usr/bin/python3", "-c", program], stdout=subprocess.PIPE,
                              env=environment(setting | {"STALLTRACE_OUTPUT": str(traces.dir)})) as p:
            p.stdout.read(1)
            time.sleep(moment * 0.0004)  # any moment will do
            p.kill()


def test_beside_busy_loops_no_wait_for_the_gil_is_a_call(run):
    """Neither for the lock, nor for another thread to take it after it was asked for, nor for its mutex; also
    where the thread that had it last is gone."""
    program = """
import asyncio, threading, time
def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
async def main():
    other = threading.Thread(target=compute, args=(0.2,))
    other.start()
    for _ in range(10):
        compute(0.02)
        await asyncio.sleep(0)
    while other.is_alive():
        compute(0.01)
asyncio.run(main())
"""
    with busy(5):
        done = run("/usr/bin/python3", "-c", program, options=["--strict=lock", "--threshold", "1ms"])
    assert [s for s in done.records("stall") if s["call"].startswith("pthread_")] == []
