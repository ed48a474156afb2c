"""Who may read a trace, who may write where, and whose traces count."""
import os
import stat
import subprocess

import pytest

import harness
from harness import PYTHON, command

SLEEPS = "import asyncio, time\nasync def main(): time.sleep(0.2)\nasyncio.run(main())\n"
AS_NOBODY = f"""
import os, sys
os.setgid(65534); os.setuid(65534)
os.execv({PYTHON!r}, [{PYTHON!r}, "-c", {SLEEPS!r}])
"""
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o377])
@pytest.mark.parametrize("how", ["run", "preload"])
def test_modes_whatever_the_umask(tmp_path, how, umask):
    directory = tmp_path / "out"
    argv = [PYTHON, "-c", f"import os; os.umask({umask})\n" + SLEEPS]
    if how == "run":
        command("run", "-q", "-o", directory, "--", *argv, umask=umask)
    else:
        env = {"LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(directory)}
        subprocess.run(argv, env=harness.environment(env), check=True, umask=umask, timeout=60)
    assert mode(directory) == 0o700
    files = harness.Traces(directory).files()
    assert files and all(mode(f) == 0o600 for f in files)


def test_a_directory_that_exists_keeps_its_mode(tmp_path):
    directory = tmp_path / "out"
    directory.mkdir(mode=0o755)
    assert command("run", "-q", "-o", directory, "--", PYTHON, "-c", SLEEPS).returncode == 0
    assert mode(directory) == 0o755
    [trace] = harness.Traces(directory).files()
    assert mode(trace) == 0o600


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_shared(tmp_path, umask):
    directory = tmp_path / "out"
    command("run", "-q", "--shared", "-o", directory, "--", PYTHON, "-c", SLEEPS, umask=umask)
    assert mode(directory) == 0o1733
    assert harness.Traces(directory).files()


@root
def test_another_users_process(tmp_path):
    """It cannot write into a directory that is root's alone, and says how it could."""
    os.chmod(tmp_path, 0o755)
    for above in tmp_path.parents:
        if mode(above) & 0o001 == 0:
            os.chmod(above, mode(above) | 0o011)
    options = ["-q", "-o", tmp_path / "out", "--error-exitcode=9"]
    shared = command("run", "--shared", *options, "--", PYTHON, "-c", AS_NOBODY)
    assert shared.returncode == 9, shared
    assert 65534 in [os.stat(f).st_uid for f in harness.Traces(tmp_path / "out").files()]
    alone = command("run", *options, "--", PYTHON, "-c", AS_NOBODY)
    assert alone.returncode == 3, alone


def write_trace(path, run=None):
    """A trace with a finding."""
    process = ('{"type":"process","format":"stalltrace.trace/1","version":"0.1.0","pid":7,"exe":"/x",'
               '"argv":["x"],"start_ns":1' + (f',"run":"{run}"' if run else "") + "}\n")
    path.write_text(process + '{"type":"loop","loop":1,"tid":7,"name":"x","home":"epoll","at_ns":1}\n'
                    '{"type":"stall","stall":1,"kind":"call","loop":1,"call":"read","class":"file",'
                    '"at_ns":1,"elapsed_ns":50000000,"ended":true,"strict":false}\n')


def test_traces_that_are_not_the_runs_do_not_count(tmp_path, program):
    """Another's file in the directory, as a run that goes on at the same time writes one."""
    directory = tmp_path / "out"
    other = tmp_path / "other.7.1.jsonl"
    for run in None, "somebody":
        write_trace(other, run)
        copy = f"cp {other} {directory}; exec {program('loop_epoll')} clean"
        result = command("run", "-q", "-o", directory, "--error-exitcode=9", *harness.CALM, "--", "sh", "-c",
                         copy)
        assert result.returncode == 0, result
        assert command("check", directory).returncode == 1, "what is in the directory counts there"


def test_two_runs_in_one_directory(tmp_path, program):
    """The second one says so, moves nothing away, and judges its own processes only."""
    directory = tmp_path / "out"
    inner = [harness.STALLTRACE, "run", "-q", "-o", directory, "--error-exitcode=9", *harness.CALM, "--",
             program("loop_epoll"), "clean"]
    script = tmp_path / "script"
    script.write_text(f"""
import os, subprocess, sys, time
for name in list(os.environ):
    if name.startswith(("STALLTRACE_", "LD_PRELOAD")):
        del os.environ[name]
before = os.listdir({str(directory)!r})
result = subprocess.run({list(map(str, inner))!r}, stderr=subprocess.PIPE, text=True)
sys.stdout.write(result.stderr)
assert set(before) <= set(os.listdir({str(directory)!r}))
raise SystemExit(result.returncode)
""")
    program_of_outer = f"{SLEEPS}\nimport runpy; runpy.run_path({str(script)!r})\n"
    result = command("run", "-q", "-o", directory, "--", PYTHON, "-c", program_of_outer)
    assert result.returncode == 0, result
    assert "another run is at work" in result.stdout, result
    assert not os.path.exists(f"{directory}.old")
    assert len(harness.Traces(directory).files()) >= 2


@root
def test_links_are_not_followed_by_a_chmod(tmp_path):
    """Another user owns what lies above the directory, and puts a link in its place."""
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.symlink(victim, theirs / "out")
    os.chown(theirs, 65534, 65534)
    env = {"LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(theirs / "out"),
           "STALLTRACE_SHARED": "1"}
    subprocess.run([PYTHON, "-c", SLEEPS], env=harness.environment(env), check=True, timeout=60)
    assert mode(victim) == 0o755
    assert all(mode(f) == 0o600 for f in harness.Traces(victim).files())
