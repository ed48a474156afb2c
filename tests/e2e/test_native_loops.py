"""Event loops in C: what is found, with which detail, and what is no finding."""
import re

import pytest

import harness
from harness import CALM

LIBRARIES = [
    ("loop_uv", ("read", "readv", "pread", "preadv")),
    ("loop_event", ("poll",)),
    ("loop_ev", ("waitpid",)),
]


@pytest.mark.parametrize("name, calls", LIBRARIES)
def test_library_stall(run, program, name, calls):
    traced = run(program(name), "stall")
    assert traced.exit == 0, traced
    traced.only_at(calls, name + ".c")


@pytest.mark.parametrize("name, calls", LIBRARIES + [("loop_glib", ())])
def test_library_clean(run, program, name, calls):
    traced = run(program(name), "clean", options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_glib_waits_for_another_context(run, program):
    """A call of GDBus that waits for its answer stands in the same poll() as the main loop."""
    finding = run(program("loop_glib"), "private").only_at("poll", "loop_glib.c", "private")
    assert harness.wall_ms(finding, "total_ms") >= 250


def test_glib_runs_its_loop_again_for_a_dialog(run, program):
    traced = run(program("loop_glib"), "dialog", options=[*CALM])
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_glib_main_loop_of_timeouts_alone(run, program):
    """As Qt's on GLib: it waits for one descriptor, like any blocking client."""
    traced = run(program("loop_glib"), "stall", "timeouts")
    assert traced.exit == 0, traced
    traced.only_at(("clock_nanosleep", "nanosleep", "usleep"), "loop_glib.c")


def test_glib_main_loop_waits_with_poll(run, program):
    traced = run(program("loop_glib"), "stall")
    assert traced.exit == 0, traced
    traced.only_at(("clock_nanosleep", "nanosleep", "usleep"), "loop_glib.c")
    assert traced.report()["processes"][0]["loops"][0]["home"] == "poll"


# scenario of loop_epoll.c: the calls that will do, class, what the detail must contain
STALLS = [
    ("sleep", "usleep", "sleep", "300 ms"),
    ("read", "read", "ipc", "pipe"),
    ("poll", "poll", "wait", ""),
    ("mutex", "pthread_mutex_lock", "lock", "holder"),
    ("cond", "pthread_cond_wait", "lock", ""),
    ("sem", "sem_wait", "lock", ""),
    ("join", "pthread_join", "lock", ""),
    ("waitpid", "waitpid", "process", ""),
    ("system", "system", "process", "sleep 0.3"),
    ("nested", "epoll_wait", "wait", ""),
    ("futex", "futex", "raw", ""),
]


@pytest.mark.parametrize("scenario, call, kind, detail", STALLS)
def test_blocking_call(run, program, scenario, call, kind, detail):
    traced = run(program("loop_epoll"), scenario)
    assert traced.exit == 0, traced
    calls = (call, "syscall") if scenario == "futex" else call
    finding = traced.only_at(calls, "loop_epoll.c", scenario)
    if scenario not in ("futex", "join"):
        assert finding["class"] == kind
    assert detail in (finding["detail"] or "")
    assert 250 <= harness.wall_ms(finding) and finding["max_ms"] <= 1000
    assert finding["count"] == 1
    assert finding["strict"] is False


def test_file_lock(run, program, tmp_path):
    finding = run(program("loop_epoll"), "flock", tmp_path / "lock").only_at(
        "flock", "loop_epoll.c", "flock")
    assert re.search(r"/lock(, held by pid \d+ \(loop_epoll\))?$", finding["detail"]), finding["detail"]


@pytest.mark.parametrize("scenario", ["clean", "under", "worker", "before", "after"])
def test_no_finding(run, program, scenario):
    """under its threshold, in a worker, before the loop and after it."""
    traced = run(program("loop_epoll"), scenario, options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_thresholds_by_class(run, program):
    traced = run(program("loop_epoll"), "sleep", options=["--threshold", "10ms,sleep=400ms"])
    assert [f for f in traced.findings if f["kind"] == "call"] == []
    traced = run(program("loop_epoll"), "sleep", options=["--threshold", "900ms,sleep=100ms"])
    traced.only_at("usleep", "loop_epoll.c", "sleep")


def test_strict_finds_what_was_fast(run, program):
    calm = ["--threshold", "10s", "--iteration-threshold", "10s"]
    assert run(program("loop_epoll"), "under", options=calm).findings == []
    traced = run(program("loop_epoll"), "under", options=[*calm, "--strict"])
    finding = traced.find("nanosleep")
    assert finding["strict"] is True and finding["class"] == "sleep"
    traced = run(program("loop_epoll"), "dns", options=[*calm, "--strict=dns"])
    finding = traced.only_at("getaddrinfo", "loop_epoll.c", "dns")
    assert finding["strict"] is True and "localhost" in finding["detail"]
    traced = run(program("loop_epoll"), "under", options=[*calm, "--strict=dns"])
    traced.assert_clean()


def test_which_threads_are_loops(run, program):
    before = run(program("loop_epoll"), "before", options=["--loops", "main"])
    before.find(("nanosleep", "clock_nanosleep"))
    assert run(program("loop_epoll"), "sleep", options=["--loops", "api"]).findings == []
    named = run(program("loop_epoll"), "sleep", options=["--loops", "name=loop_*"])
    named.find_at("usleep", "loop_epoll.c", "sleep")


def test_hang_is_reported_while_it_hangs(start, program):
    traced = start(program("loop_epoll"), "hang")
    stall = traced.record("stall", call="read")
    assert stall["ended"] is False and stall["elapsed_ns"] < 60e6
    assert traced.process.poll() is None
    traced.stop()
    assert traced.exit == 128 + 15
    finding = traced.find_at("read", "loop_epoll.c", "hang")
    assert finding["max_ms"] >= 10
    assert traced.check() == 1
