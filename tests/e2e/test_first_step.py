"""uvloop runs the first step of main() before it first waits."""
import subprocess

import pytest

import harness

CODE = """
import asyncio, time, uvloop
time.sleep(0.1)
async def main():
    time.sleep(0.15)
    await asyncio.sleep(0.01)
uvloop.install()
asyncio.run(main())
time.sleep(0.1)
"""


def test_a_stall_before_the_first_wait_of_uvloop(run, tmp_path):
    if subprocess.run([harness.PYTHON, "-c", "import uvloop"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip("uvloop is missing")
    source = tmp_path / "first.py"
    source.write_text(CODE)
    traced = run(harness.PYTHON, source)
    assert traced.exit == 0, traced
    (finding,) = [f for f in traced.findings if f["kind"] == "call"]
    culprit = finding["frames"][finding["culprit"]]
    assert (finding["count"], culprit["line"]) == (1, 5)
    assert finding["max_ms"] > 140
