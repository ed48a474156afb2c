"""The program goes on where the agent cannot: its disk hangs, say. Here its thread alone is stopped,
as a debugger would do it, which is what a frozen file system looks like from inside."""
import contextlib
import ctypes
import os
import threading
import time

import pytest

import harness

PROGRAM = harness.BUILT_PROGRAMS / "faults" / "waits"
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def agent_of(pid):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as name:
            if name.read() == "stalltrace\n":
                return int(tid)
    return None


@contextlib.contextmanager
def stopped(pid, reap=False):
    """The agent's thread does nothing meanwhile. `reap`: it is to end so, and an exec or the end of
    the process waits until its tracer has seen that."""
    tid = harness.until(lambda: agent_of(pid))
    if LIBC.ptrace(PTRACE_SEIZE, tid, None, None) != 0:
        pytest.skip("no process may be traced here")
    assert LIBC.ptrace(PTRACE_INTERRUPT, tid, None, None) == 0
    os.waitpid(tid, WALL)
    if reap:
        threading.Thread(target=os.waitpid, args=(tid, WALL)).start()
    try:
        yield
    finally:
        if not reap:
            assert LIBC.ptrace(PTRACE_DETACH, tid, None, None) == 0


def took(program):
    match = program.line(r"took (\d+) ms, (\d+) signals")
    return int(match[1]), int(match[2])


def start(start_preloaded, what):
    program = start_preloaded(PROGRAM, what, stdin=-1)
    program.line("ready")
    return program


def say(program):
    program.process.stdin.write(b"x")
    program.process.stdin.flush()


# 200 ms, and what a busy machine adds.
PATIENCE_MS = 900


@pytest.mark.parametrize("what", ["fork", "filter"])
def test_it_is_not_waited_for_for_long(start_preloaded, what):
    program = start(start_preloaded, what)
    with stopped(program.pid):
        say(program)
        ms, signals = took(program)
        assert 100 < ms < PATIENCE_MS
        assert signals >= 3, "signals were blocked meanwhile"
    say(program)
    program.wait()
    assert (program.exit, program.out.splitlines()[-1]) == (0, b"ok")


def test_what_comes_later_is_recorded_and_what_is_not_is_said(start_preloaded):
    program = start(start_preloaded, "fork")
    with stopped(program.pid):
        say(program)
        took(program)
    say(program)
    program.wait()
    assert program.exit == 0
    # the child's stall is nowhere, and it is said that there was a child
    assert "40 ms" in [r["detail"] for r in program.records("stall")]
    losses = {r["code"]: r["count"] for r in program.records("loss")}
    assert losses == {"child": 1}
    assert program.records("end")


def test_an_exec_goes_on(start_preloaded):
    program = start(start_preloaded, "exec")
    with stopped(program.pid, reap=True):
        say(program)
        ms, _ = took(program)
        assert ms < PATIENCE_MS
        program.wait()
    assert program.exit == 0


def test_the_end_comes(start_preloaded):
    program = start(start_preloaded, "exit")
    with stopped(program.pid, reap=True):
        say(program)
        begun = int(program.line(r"exits at (\d+)")[1])
        program.wait()
        assert time.monotonic() * 1000 - begun < PATIENCE_MS
    assert program.exit == 0


@pytest.mark.parametrize("steps", ["cus", "cfs", "cufs", "scufs", "csus", "ns", "ncus", "fcus"])
def test_a_trace_is_kept_through_another_root_and_user(preload, tmp_path, steps):
    (tmp_path / "jail").mkdir()
    traces = preload(harness.BUILT_PROGRAMS / "faults" / "roots", steps, tmp_path / "jail")
    if traces.exit == 77:
        pytest.skip("this user may not change its root or user")
    assert traces.exit == 0
    stalls = [r for r in traces.records("stall") if r["call"] == "usleep"]
    assert len(stalls) == steps.count("s")
    assert [r["reason"] for r in traces.records("end")] == ["exit"]


@pytest.mark.parametrize("kind", ["own", "fifo", "foreign", "link"])
def test_a_perf_map_may_be_anybodys(start_preloaded, tmp_path, kind):
    program = start_preloaded(harness.BUILT_PROGRAMS / "faults" / "jitmap", stdin=-1)
    start_of_code = program.line(r"code at ([0-9a-f]+)")[1]
    line, path = f"{start_of_code} 10 made_at_run_time\n", f"/tmp/perf-{program.pid}.map"
    try:
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "link":
            (tmp_path / "map").write_text(line)
            os.symlink(tmp_path / "map", path)
        else:
            with open(path, "x") as file:
                file.write(line)
        if kind == "foreign":
            if os.geteuid() != 0:
                pytest.skip("only root can give a file away")
            os.chown(path, 65534, 65534)
        say(program)
        program.wait(20)
    finally:
        os.unlink(path)
    assert (program.exit, program.out.splitlines()[-1]) == (0, b"ok")
    names = {f.get("symbol") for r in program.records("stack") for f in r["frames"]} - {None}
    assert names == ({"made_at_run_time"} if kind == "own" else set())
