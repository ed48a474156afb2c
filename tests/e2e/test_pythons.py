"""Every Python that is found, beside the system's own: on PATH and pyenv's. One that cannot be read is
refused, and says so."""
import glob
import os
import re
import subprocess

import pytest

from harness import stall_line

NAMES = [f"python3.{minor}{build}" for minor in range(7, 20) for build in ("", "d", "t")]
READABLE = range(8, 16)


def runs(path):
    return os.access(path, os.X_OK) and subprocess.run(
        [path, "-c", "import asyncio, _asyncio"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def find(name):
    directories = [*os.environ.get("PATH", "").split(":"),
                   *glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin"))]
    return next(filter(runs, (os.path.join(d, name) for d in directories)), None)


FOUND = {name: find(name) for name in NAMES}
OTHERS = [name for name in NAMES if FOUND[name] or name in ("python3.14", "python3.14t")]


def is_readable(name):
    return int(re.search(r"3\.(\d+)", name)[1]) in READABLE and not name.endswith("t")


@pytest.fixture(name="python")
def python_of(request):
    path = FOUND[request.param]
    if not path:
        pytest.skip(f"{request.param} is not installed")
    return path


@pytest.mark.parametrize("python", [n for n in OTHERS if is_readable(n)], indirect=True)
def test_frames_are_in_order(run, script, python):
    """Functions, lines, the task; what C called from Python calls back stands where it was called."""
    source = script("python_order.py")
    traced = run(python, source)
    assert traced.exit == 0 and not traced.records("notice"), traced
    call = "clock_nanosleep" if int(re.search(r"3\.(\d+)", python)[1]) > 10 else "select"
    finding = traced.find_at(call, "python_order.py", "sleep")
    assert {r.get("coroutine") for r in traced.records("stall")} == {"main"}
    assert {r.get("task") for r in traced.records("stall")} == {"Task-1"}
    frames = [f for f in finding["frames"] if f["lang"] == "python"
              and f["file"].endswith("python_order.py")]
    assert [f["line"] for f in frames] == [
        stall_line(source, tag) for tag in ("sleep", "reduced", "init", "default", "main", "module")]
    assert [f["function"].split(".")[-1] for f in frames] == [
        "pause", "<lambda>", "__init__", "default", "main", "<module>"]
    # native frames between every two of them, and libc's start below the last
    languages = "".join("P" if f in frames else "n" if f["lang"] == "native" else "p"
                        for f in finding["frames"])
    assert re.fullmatch(r"n+Pn*Pn+Pn*Pn[np]*Pn[np]*Pn+", languages), (languages, traced.describe())


@pytest.mark.parametrize("python", [n for n in OTHERS if not is_readable(n)], indirect=True)
def test_unknown_build_is_refused(run, script, python):
    traced = run(python, script("python_order.py"))
    assert traced.exit == 0, traced
    assert [r["code"] for r in traced.records("notice")] == ["python"]
    assert not [f for finding in traced.findings for f in finding["frames"] if f["lang"] == "python"]


# An interpreter that states offsets of its own (3.13 on), as a patched build might: those of thread
# states, frames, code, strings, bytes and dicts, each in its turn.
STATES_OFFSETS = """
import asyncio, ctypes, time
start = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
words = (ctypes.c_uint64 * 72).from_address(start)
words[WORD] = VALUE

async def main():
    for _ in range(3):
        await asyncio.sleep(.002)
        time.sleep(.012)

asyncio.run(main())
"""


@pytest.mark.parametrize("python", [n for n in OTHERS if FOUND[n] and is_readable(n)
                                    and int(re.search(r"3\.(\d+)", n)[1]) >= 13], indirect=True)
@pytest.mark.parametrize("value", ["2000", "200", "60000"])
def test_offsets_that_lead_nowhere_harm_nobody(preload, python, value):
    for word in range(4, 72, 3):
        program = STATES_OFFSETS.replace("WORD", str(word)).replace("VALUE", value)
        traces = preload(python, "-c", program)
        assert traces.exit == 0, f"word {word}: {traces}"
