"""Situations in C and C++: what a callback of libuv, GLib, sd-event or Boost.Asio waits for."""
import fcntl
import shutil
import subprocess

import pytest

from harness import BUILT_PROGRAMS, CALM
from situations import hanging, only_at, situation, tell


def test_libuv_timer_that_sleeps(run, program):
    """The first timer, before the loop has ever waited."""
    traced = run(program("situations/uv_timer"))
    assert traced.exit == 0, traced
    finding = only_at(traced, "nanosleep", "uv_timer.c")
    assert (finding["class"], finding["detail"]) == ("sleep", "300 ms")


def test_glib_main_loop_reads_a_pipe(start, program):
    traced = start(program("situations/glib_pipe"), stdin=subprocess.PIPE)
    finding = hanging(traced, "read", "glib_pipe.c")
    assert (finding["class"], finding["detail"]) == ("ipc", "pipe")
    assert finding["frames"][finding["culprit"]]["function"] == "read_answer"
    tell(traced)
    traced.line("read 5 bytes")
    assert traced.wait().exit == 0, traced


def test_sd_event_timer_that_runs_a_program(run, program):
    traced = run(program("situations/sd_event"))
    assert traced.exit == 0, traced
    finding = only_at(traced, "system", "sd_event.c")
    assert (finding["class"], finding["detail"]) == ("process", "exec sleep 0.3")


@pytest.fixture(scope="module")
def asio():
    """The program, compiled once: the first test of all that run at the same time does it."""
    compiler = shutil.which("g++")
    if not compiler:
        pytest.skip("g++ is not installed")
    source, target = situation("asio.cc"), BUILT_PROGRAMS / "situations" / "asio"
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{target}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            header = subprocess.run([compiler, "-E", "-x", "c++", "-include", "boost/asio.hpp",
                                     "/dev/null"], capture_output=True, check=False)
            if header.returncode != 0:
                pytest.skip("Boost.Asio (libboost-dev) is not installed")
            subprocess.run([compiler, "-std=c++17", "-g", "-pthread", "-o", target, source],
                           check=True)
    return target


def test_asio_handler_that_looks_a_name_up(run, asio):
    """However fast the resolver was today."""
    traced = run(asio, "sync", "localhost", options=("--strict=dns",))
    assert traced.exit == 0, traced
    finding = only_at(traced, "getaddrinfo", "asio.cc")
    assert (finding["class"], finding["detail"]) == ("dns", "localhost")
    assert finding["frames"][finding["culprit"]]["function"] == "Shop::look_up"


def test_asio_names_are_short(run, asio):
    """A template's name goes on for 900 characters."""
    traced = run(asio, "sync", "localhost", options=("--strict=dns",), quiet=False)
    line = next(l for l in traced.err.splitlines() if "getaddrinfo" in l)
    assert "boost::asio::ip::basic_resolver<…>::resolve → getaddrinfo (localhost)" in line
    assert len(line) < 300


def test_asio_resolver_of_its_own_is_clean(run, asio):
    traced = run(asio, "async", "localhost", options=("--strict=dns", *CALM))
    assert traced.exit == 0, traced
    traced.assert_clean()


@pytest.mark.parametrize("options", [("--strict",), ("--threshold", "1s,lock=0")])
def test_asio_threads_that_share_a_loop_may_wait_for_it(run, asio, options):
    """One waits for events, the others on a condition: that ends their iteration, too, which else
    would be made of eight bursts of 50 ms."""
    traced = run(asio, "idle", options=(*options, "--iteration-threshold", "300ms"))
    assert traced.exit == 0, traced
    waits = [f for f in traced.report()["suppressed"] if f["call"] == "pthread_cond_wait"]
    assert waits and max(f["max_ms"] for f in waits) > 1000, "the threads had too much to do"
    # The handlers sleep for an instant, and Asio's own mutex is held for one.
    found = [f for f in traced.findings if f["kind"] == "iteration" or f["max_ms"] > 500]
    assert found == [], traced.describe()
