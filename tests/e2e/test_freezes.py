"""A process that is stopped (SIGSTOP, as by a debugger or a frozen container): the time for which it
was is no fault of the program, and what it does itself around that keeps its own time."""
import json
import os
import pathlib
import signal
import time

import pytest

import harness
from harness import PYTHON, command, until

STOPPED = 4
# Far from what a busy machine makes of the few milliseconds, or the few hundred, of the program.
OPTIONS = ("--threshold", "60ms", "--iteration-threshold", "100ms", "--budget", "3500ms")
MOST_MS = 3000


@pytest.fixture
def freeze(start, script):
    """freeze(scenario): runs it, and lets it go on when it has been stopped for a while."""
    def run(scenario):
        program = start(PYTHON, script("freezes.py"), scenario, options=OPTIONS, quiet=False)
        pid = int(program.line(r"pid (\d+)")[1])
        stat = pathlib.Path(f"/proc/{pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")
        time.sleep(STOPPED)  # what is tested, not a wait for something
        os.kill(pid, signal.SIGCONT)
        program.wait()
        assert program.exit == 0, program
        return program
    return run


def stats_of(traces):
    result = command("stats", "--format", "json", traces.dir)
    assert result.returncode == 0, result.stderr
    (loop,) = json.loads(result.stdout)["loops"]
    return loop


def assert_figures(traces):
    """No figure of the loop holds the time for which it was stopped."""
    loop = stats_of(traces)
    assert loop["frozen"]["count"] == 1, loop
    assert STOPPED * 900 < loop["frozen"]["total_ms"] < STOPPED * 1000 + MOST_MS, loop
    assert loop["iteration"]["max_ms"] < MOST_MS, loop
    assert all(entry["ms"] < MOST_MS for entry in loop["longest"]), loop
    assert loop["busy_ms"] < MOST_MS and loop["calls_ms"] < MOST_MS, loop
    assert loop["wait_ms"] < STOPPED * 900, loop
    for histogram in ("iteration", "calls"):
        assert all(b["from_ms"] < MOST_MS for b in loop[histogram]["buckets"]), loop
    reported = traces.report()["processes"][0]["loops"][0]
    assert reported["max_iteration_ms"] < MOST_MS, reported
    assert reported["iterations_over_budget"] == 0, reported
    text = command("stats", traces.dir).stdout
    assert "the process was stopped (1 time)" in text, text


@pytest.mark.parametrize("scenario", ["home", "iteration", "call"])
def test_a_freeze_is_not_blamed_on_the_program(freeze, scenario):
    traces = freeze(scenario)
    traces.assert_clean()
    assert traces.check("--fail-on", "budget") == 0
    assert "nothing is over the budget" in traces.text()
    assert "BLOCKED" not in traces.err and "SLOW" not in traces.err
    assert_figures(traces)


def test_a_long_iteration_keeps_its_own_time(freeze):
    traces = freeze("long_iteration")
    (finding,) = traces.findings
    assert finding["kind"] == "iteration"
    assert 200 < harness.wall_ms(finding) and finding["max_ms"] < MOST_MS, traces.describe()
    assert STOPPED * 900 < finding["time"]["frozen_ms"] < STOPPED * 1000 + MOST_MS
    assert finding["time"]["cpu_ms"] > 150, finding["time"]
    assert finding["time"]["asleep_ms"] < 200, finding["time"]
    assert traces.check() == 1
    assert traces.check("--fail-on", "budget") == 0
    assert stats_of(traces)["iteration"]["max_ms"] > 200
    assert_figures(traces)


def test_a_long_call_keeps_its_own_time(freeze):
    traces = freeze("long_call")
    finding = traces.only_at("read", "freezes.py", "call")
    assert 280 < harness.wall_ms(finding) and finding["max_ms"] < MOST_MS, traces.describe()
    assert "BLOCKED after" in traces.err and "OVER BUDGET" not in traces.err
    assert traces.check("--fail-on", "budget") == 0
    assert_figures(traces)


def test_a_freeze_in_a_short_call_of_a_long_iteration_is_no_time_of_calls(freeze):
    traces = freeze("both")
    (finding,) = traces.findings
    assert finding["kind"] == "iteration"
    assert 200 < harness.wall_ms(finding) and finding["max_ms"] < MOST_MS, traces.describe()
    assert finding["time"]["cpu_ms"] > 150, finding["time"]
    assert finding["time"]["calls_ms"] < 200, finding["time"]
    assert all(call["total_ms"] < 200 for call in finding["calls"]), finding["calls"]
    assert finding["samples"], "it was not sampled while it ran"
    assert traces.check("--fail-on", "budget") == 0
    assert_figures(traces)
