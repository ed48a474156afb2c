"""asyncio on the system's python3: the culprit is a line of the user's Python."""
import re

import pytest

import harness
from harness import CALM, PYTHON, kept_waiting_ms


@pytest.mark.parametrize("scenario", ["sleep", "first", "nested"])
def test_blocking_call_is_found(run, script, scenario):
    """`first` sleeps in the very first callback, before the loop has waited a second time."""
    traced = run(PYTHON, script("asyncio_loop.py"), scenario)
    assert traced.exit == 0, traced
    finding = traced.only_at("clock_nanosleep", "asyncio_loop.py", scenario)
    assert finding["class"] == "sleep"
    assert 295 <= harness.wall_ms(finding) and finding["max_ms"] <= 600
    assert finding["frames"][0]["function"] == "clock_nanosleep"
    assert finding["frames"][0]["module"] == "libc.so.6"
    assert "300" in finding["detail"]


def test_call_chain_is_whole(run, script):
    traced = run(PYTHON, script("asyncio_loop.py"), "nested")
    finding = traced.find("clock_nanosleep")
    python = [f["function"] for f in finding["frames"] if f["lang"] == "python"]
    assert python.count("nested.<locals>.level") == 31
    assert "nested" in python and "<module>" in python
    assert any(f["function"] == "main" or f["function"] == "_start" for f in finding["frames"]
               if f["lang"] == "native"), traced.describe()


def test_same_place_twice_is_one_finding(run, script):
    finding = run(PYTHON, script("asyncio_loop.py"), "twice").find("clock_nanosleep")
    assert finding["count"] == 2
    assert harness.wall_ms(finding, "total_ms") >= 590


def test_a_call_in_a_long_iteration_is_counted_once(run, script):
    """Three sleeps, one of them of 400 ms, and code that runs for 250 ms: 650 ms, not a second."""
    traced = run(PYTHON, script("asyncio_loop.py"), "mixed", options=("--threshold", "100ms"))
    call = traced.find("clock_nanosleep")
    (iteration,) = [f for f in traced.findings if f["kind"] == "iteration"]
    assert 395 <= iteration["time"]["found_ms"] <= iteration["time"]["calls_ms"]
    assert abs(iteration["time"]["found_ms"] - harness.wall_ms(call, "total_ms")) < 1
    (sleeps,) = [c for c in iteration["calls"] if c["call"] == "clock_nanosleep"]
    assert sleeps["count"] == 3
    assert abs(sleeps["max_ms"] - harness.wall_ms(call)) < 1
    assert re.search(r"the longest \d+ ms \(a finding of its own\)", traced.text()), traced.text()
    total = re.search(r"blocked for ([\d.]+) (ms|s) in all", traced.text())
    total_ms = float(total[1]) * (1000 if total[2] == "s" else 1)
    assert abs(total_ms - iteration["max_ms"]) < 150, traced.text()


@pytest.mark.parametrize("scenario", ["clean", "thread"])
def test_well_behaved_is_clean(run, script, scenario):
    """`thread` sleeps in a worker: `await asyncio.to_thread(time.sleep, 1)`."""
    traced = run(PYTHON, script("asyncio_loop.py"), scenario, options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_under_a_bare_preload(preload, script):
    traced = preload(PYTHON, script("asyncio_loop.py"), "sleep")
    assert traced.exit == 0, traced
    traced.only_at("clock_nanosleep", "asyncio_loop.py", "sleep")


def test_silent_database_is_reported_while_it_hangs(start, script, silent_server):
    traced = start(PYTHON, script("asyncio_silent.py"), silent_server.port, quiet=False)
    traced.line("asking")
    # on a busy machine the connect may have a line of its own
    traced.line(rf"recv.*127\.0\.0\.1:{silent_server.port}", stream="stderr")
    stall = traced.record("stall", call="recv")
    assert stall["detail"] == f"tcp 127.0.0.1:{silent_server.port}"
    assert stall["ended"] is False
    assert traced.process.poll() is None
    assert not any(r["stall"] == stall["stall"] for r in traced.records("stall_end"))
    # Its stack is there already, and so is its report.
    hanging = traced.find_at("recv", "asyncio_silent.py")
    assert hanging["in_progress"] is True

    silent_server.answer.set()
    traced.line("answer 42")
    traced.wait()
    assert traced.exit == 0
    traced._report = None
    finding = traced.find_at("recv", "asyncio_silent.py")
    assert finding["in_progress"] is False
    assert finding["class"] == "net"
    assert [r["stall"] for r in traced.records("stall_end")].count(stall["stall"]) == 1


def test_reported_soon_after_the_threshold(start, script, silent_server):
    """No later than threshold + 20 ms after it began, as the trace itself has it, and what the machine kept
    the process's threads waiting for (twice that here)."""
    traced = start(PYTHON, script("asyncio_silent.py"), silent_server.port,
                   options=["--threshold", "100ms"])
    traced.line("asking")
    stall = traced.record("stall", call="recv")
    late = kept_waiting_ms(traced.record("process")["pid"])
    silent_server.answer.set()
    traced.wait()
    assert 100 <= stall["elapsed_ns"] / 1e6 <= 140 + 2 * late
