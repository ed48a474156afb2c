"""A sample of a long iteration never harms the program: tests/programs/faults/sampling.c checks
itself, in states in which a signal would kill it, write where nothing may be written, or be seen."""
import pytest

import harness

PROGRAM = harness.BUILT_PROGRAMS / "faults" / "sampling"
# Every iteration of 15 ms is sampled; all that is bound lazily is bound before, as it would use
# the stack that is about to be nearly full.
SAMPLED = {"STALLTRACE_ITERATION_THRESHOLD": "10ms", "LD_BIND_NOW": "1"}


def traced(preload, *args):
    traces = preload(PROGRAM, *args, env=SAMPLED)
    assert (traces.exit, traces.out) == (0, b"ok\n"), traces
    return traces


@pytest.mark.parametrize("size", [2048, 4096, 8192])
def test_a_small_signal_stack(preload, size):
    traced(preload, "altstack", size)


@pytest.mark.parametrize("size", [6144, 8192, 65536])
def test_in_a_handler_on_the_signal_stack(preload, size):
    traced(preload, "in_handler", size)


@pytest.mark.parametrize("size", [1024, 2048, 3072])
def test_on_a_stack_of_the_programs_making(preload, size):
    traced(preload, "context", size)


@pytest.mark.parametrize("left", [700, 1000, 2000, 3000])
def test_nearly_no_stack_left(preload, left):
    traced(preload, "edge", left)


@pytest.mark.parametrize("case", ["to_default", "save_and_restore", "own_handler", "blocked"])
def test_the_signals_are_the_programs(preload, case):
    traced(preload, case, 150)


def test_none_is_sent_where_the_program_uses_both(preload):
    traces = traced(preload, "both_used", 20)
    assert not traces.records("stack")
    why = "the program uses SIGURG and SIGWINCH itself, or blocks them"
    said = {r.get("no_stack") for r in traces.records("stall")}
    assert why in said and said <= {why, None}  # one that was over before the agent looked has no reason
    assert f"samples: {why}\n" in traces.text()
    assert {f["no_stack"] for f in traces.findings} == {why}


@pytest.mark.parametrize("case", [("calm", 200), ("altstack", 65536)])
def test_where_there_is_room_it_is_sampled(preload, case):
    traces = traced(preload, *case)
    assert any("stack" in r for r in traces.records("sample"))


PYTHON_LOOP = """
import asyncio, signal, time
for number in (signal.SIGURG, signal.SIGWINCH):
    signal.signal(number, lambda *_: None)

def inner(end):
    while time.thread_time() < end:
        sum(range(100))

async def main():
    await asyncio.sleep(0.01)
    inner(time.thread_time() + 0.5)
    await asyncio.sleep(0.01)

asyncio.run(main())
"""


def test_pythons_frames_are_read_where_no_signal_may_be_sent(preload):
    traces = preload(harness.PYTHON, "-c", PYTHON_LOOP)
    assert traces.exit == 0
    [finding] = [f for f in traces.findings if f["kind"] == "iteration" and f["max_ms"] > 400]
    functions = [frame["function"] for frame in finding["frames"] if frame["lang"] == "python"]
    assert functions[:2] == ["inner", "main"] and "run_forever" in "".join(functions)
    assert "SIGURG" in finding["no_stack"]
