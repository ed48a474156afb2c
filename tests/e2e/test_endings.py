"""Programs that end in ways that a thread of ours could spoil (tests/programs/endings.c)."""
import pytest
from harness import PYTHON, command

# Its loop is over, though its epoll fd is not closed, and Python takes 300 ms to end.
SLOW_END = """
import atexit, select, time
def compute():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass
atexit.register(compute)
loop = select.epoll()
loop.poll(0.01)
"""


@pytest.mark.parametrize("how, stalls", [("main_leaves", 2), ("raw_exit", 1),
                                         ("low_descriptors", 1)])
def test_ends_as_it_would(preload, program, how, stalls):
    traced = preload(program("endings"), how, timeout=20)
    assert (traced.exit, traced.out) == (0, b"ok\n"), traced
    assert sum(f["count"] for f in traced.findings if f["call"] == "usleep") == stalls
    assert traced.records("end"), "the trace has no end record"


def test_a_loop_on_a_low_descriptor_goes_on(preload, program):
    """The agent closes descriptors of its own that bear the same number."""
    traced = preload(program("endings"), "low_descriptors")
    assert [r["reason"] for r in traced.records("loop_end")] == ["closed"]


def test_a_hang_whose_loop_ends_with_it_has_an_end(run, program):
    """The loop may end while its hang is being written."""
    traced = run(program("short_loops"))
    assert traced.exit == 0, traced
    hangs = {r["stall"] for r in traced.records("stall") if not r["ended"]}
    assert len(hangs) > 100
    assert hangs == {r["stall"] for r in traced.records("stall_end")}


def test_the_end_of_python_is_no_iteration(run):
    traced = run(PYTHON, "-c", SLOW_END)
    assert traced.findings == [], traced.describe()
    assert "Py_FinalizeEx" in command("check", "--show-suppressed", traced.dir).stdout
