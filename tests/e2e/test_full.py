"""Streams that take nothing more (/dev/full): the program fails as it does without us, or does not."""
import subprocess

import pytest

import harness

LOOP = """
import asyncio, sys, time
async def main():
    await asyncio.sleep(0.001)
    time.sleep(0.15)
    for name in "stdout", "stderr":
        try:
            getattr(sys, name).write("x" * 9000)
            getattr(sys, name).flush()
            said = "fine"
        except OSError as error:
            said = error.strerror
        with open("said", "a") as f:
            f.write(f"{name}: {said}\\n")
asyncio.run(main())
"""
PROGRAMS = {
    "loop": [harness.PYTHON, "-c", LOOP],
    "unflushed": [harness.PYTHON, "-c", "print('at exit')"],
    "shell": ["sh", "-c", "echo one; echo $? > said; echo two >&2; echo $? >> said"],
    "cat": ["cat", "/etc/passwd"],
}
EVERYTHING = {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all", "STALLTRACE_LOOPS": "main,auto"}


def outcome(directory, full, argv, env=None):
    """Exit status, what it wrote to the stream that is not full, and what it found out."""
    directory.mkdir()
    with open("/dev/full", "wb") as nothing_fits:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, full: nothing_fits}
        result = subprocess.run(argv, env=harness.environment(env), cwd=directory, timeout=60,
                                stdin=subprocess.DEVNULL, check=False, **streams)
    said = directory / "said"
    return (result.returncode, result.stdout, result.stderr, said.read_text() if said.exists() else "")


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("full", ["stdout", "stderr"])
def test_as_without_us(tmp_path, full, name):
    argv = PROGRAMS[name]
    plain = outcome(tmp_path / "plain", full, argv)
    traces = tmp_path / "traces"
    traces.mkdir()
    env = {"LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(traces)}
    assert outcome(tmp_path / "default", full, argv, env) == plain
    assert outcome(tmp_path / "everything", full, argv, {**env, **EVERYTHING}) == plain
    run = [harness.STALLTRACE, "run", "--quiet", "-o", tmp_path / "run", "--"]
    assert outcome(tmp_path / "under run", full, [*run, *argv]) == plain
    if name == "loop":
        for directory in traces, tmp_path / "run":
            found = harness.Traces(directory).findings
            assert [f for f in found if f["call"] == "clock_nanosleep" and harness.wall_ms(f) >= 140], directory


def test_nowhere_to_say_it(tmp_path):
    """The live lines and the summary do not fit either: the program's status stays its own."""
    plain = outcome(tmp_path / "plain", "stderr", PROGRAMS["loop"])
    run = [harness.STALLTRACE, "run", "-o", tmp_path / "run", "--"]
    assert outcome(tmp_path / "traced", "stderr", [*run, *PROGRAMS["loop"]]) == plain
