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
    assert harness.wall_ms(finding) > 140


def test_setting_up_is_no_part_of_the_loop(run, tmp_path):
    """A pointer to the loop's function on the stack is no frame of it."""
    source = tmp_path / "before.py"
    source.write_text(CODE.replace("uvloop.install()\nasyncio.run(main())", """
loop = uvloop.new_event_loop()
time.sleep(0.2)
loop.run_until_complete(main())
loop.close()
"""))
    if subprocess.run([harness.PYTHON, "-c", "import uvloop"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        pytest.skip("uvloop is missing")
    traced = run(harness.PYTHON, source)
    assert [f["count"] for f in traced.findings if f["kind"] == "call"] == [1], traced.describe()
