"""What the tests of situations share: the verdict at the right line. The programs are in
tests/programs/situations."""
import os

from harness import PROGRAMS, stall_line, until


def situation(name):
    return PROGRAMS / "situations" / name


def blamed(traced, finding):
    assert finding["culprit"] is not None, traced.describe()
    return finding["frames"][finding["culprit"]]


def assert_at(traced, finding, source, tag=None):
    """The frame to blame is at the marked line; `source` may be below a directory."""
    frame = blamed(traced, finding)
    where = (os.path.basename(frame["file"] or "?"), frame["line"])
    expected = (os.path.basename(source), stall_line(f"situations/{source}", tag))
    assert where == expected, traced.describe()


def only_at(traced, call, source, tag=None, **members):
    """The one finding of this call, at the marked line, and no other worth naming."""
    traced._report = None
    finding = traced.find(call, **members)
    assert_at(traced, finding, source, tag)
    others = [f for f in traced.findings
              if f is not finding and f["kind"] == "call" and f["max_ms"] >= 60]
    assert others == [], traced.describe()
    return finding


def hanging(traced, call, source, tag=None, within_ms=500):
    """The finding of this call while it still hangs."""
    calls = (call,) if isinstance(call, str) else call

    def still_open():
        ended = {r["stall"] for r in traced.records("stall_end")}
        return next((r for r in traced.records("stall")
                     if r["call"] in calls and not r["ended"] and r["stall"] not in ended), None)

    stall = until(still_open)
    assert traced.process.poll() is None
    assert stall["elapsed_ns"] < within_ms * 1e6  # the default threshold is 10 ms
    return only_at(traced, call, source, tag, in_progress=True)


def tell(traced):
    """The line on stdin that ends the wait."""
    traced.process.stdin.write(b"\n")
    traced.process.stdin.close()
