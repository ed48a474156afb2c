"""A trace that would grow without end is bounded, and says what is missing."""
import os


def test_a_full_trace_counts_on(run, program):
    traced = run("/usr/bin/python3", "-c", """
import asyncio, time
def stall(depth):  # a stack of its own each time
    if depth:
        stall(depth - 1)
    else:
        time.sleep(0.003)
async def main():
    for depth in range(150):
        stall(depth % 90)
        await asyncio.sleep(0.02)
asyncio.run(main())
""", options=["--strict=sleep", "--max-trace-size", "64K"])
    assert traced.exit == 0
    (path,) = traced.files()
    assert os.path.getsize(path) < 64 * 1024 + 64 * 1024 + 8 * 1024
    notices = [r["code"] for r in traced.records("notice")]
    assert notices == ["trace-full"]
    dropped = traced.report()["dropped"]["stalls"]
    counted = sum(f["count"] for f in traced.findings)
    assert dropped > 0
    assert dropped + counted >= 150
    assert traced.records("end"), "the end still fits"
