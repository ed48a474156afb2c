"""Programs that end in ways that a thread of ours could spoil (tests/programs/endings.c)."""
import pytest


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
