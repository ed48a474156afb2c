"""Processes that are killed in the middle of a stall, and traces that could not be written to their
end: what is said must not be less than what is known."""
import os
import signal

import pytest
from harness import PYTHON, command, until

HANGS = {
    "call": "import asyncio, time\nasync def main(): time.sleep(60)\nasyncio.run(main())\n",
    "iteration": "import asyncio\nasync def main():\n  while True: pass\nasyncio.run(main())\n",
}


@pytest.mark.parametrize("kind", HANGS)
def test_a_hang_that_ends_in_sigkill_has_its_length(start_preloaded, kind):
    """An orchestrator gives up on a process that hangs: how long it hung is what is to be known."""
    traced = start_preloaded(PYTHON, "-c", HANGS[kind])
    until(lambda: [r for r in traced.records("stall_still") if r["elapsed_ns"] > 500e6])
    os.kill(traced.process.pid, signal.SIGKILL)
    traced.wait()
    last = traced.records("stall_still")[-1]
    last = last["elapsed_ns"] - last.get("starved_ns", 0)
    assert not traced.records("stall_end")
    [finding] = [f for f in traced.findings if f["kind"] == kind]
    assert finding["in_progress"] is True
    assert abs(finding["max_ms"] - last / 1e6) < 1, traced.describe()


def test_a_short_stall_is_not_followed(run):
    traced = run(PYTHON, "-c", HANGS["call"].replace("60", "0.03"), options=("--threshold", "2ms"))
    assert traced.find("clock_nanosleep")["count"] == 1
    assert len(traced.records("stall_still")) <= 1, "more than a busy machine explains"


def test_a_trace_that_may_not_grow_is_not_clean(preload):
    """The stall itself found no room: nothing is known, and nobody may be told that all is well."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
    traced = preload(PYTHON, "-c", limit + HANGS["call"].replace("60", "0.5"))
    assert traced.exit == 0, traced
    [path] = traced.files()
    assert os.path.getsize(path) <= 1024
    result = command("check", traced.dir)
    assert result.returncode == 3, result
    assert "clean" not in result.stdout and "ulimit -f" in result.stdout, result
