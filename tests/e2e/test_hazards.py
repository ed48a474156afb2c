"""What has bitten tools like this one. Each program checks its own behaviour (tests/programs/
hazards.c), and most of them must be found out all the same."""
import json
import os
import shutil
import subprocess

import pytest

import harness

# hazard: stalls that must be recorded, at the least
HAZARDS = {"variadics": 0, "longjmp": 1, "cancel": 1, "fork": 2, "vfork": 1, "close_all": 2,
           "descriptors": 2, "errno": 1, "uninterrupted": 1, "small_stacks": 4, "no_threads": 0,
           "no_files": 0}


@pytest.mark.parametrize("hazard", HAZARDS)
def test_undisturbed(preload, program, tmp_path, hazard):
    traced = preload(program("hazards"), hazard, tmp_path)
    assert traced.exit == 0, traced
    assert traced.out == b"ok\n"
    if HAZARDS[hazard]:
        calls = [f for f in traced.findings if f["kind"] == "call"]
        assert sum(f["count"] for f in calls) >= HAZARDS[hazard], traced.describe()


@pytest.mark.parametrize("hazard", HAZARDS)
def test_undisturbed_without_us(program, tmp_path, hazard):
    """The programs themselves are right."""
    result = subprocess.run([program("hazards"), hazard, tmp_path], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stdout) == (0, b"ok\n"), result.stderr


def test_the_probe_needs_libc_only():
    if not shutil.which("readelf"):
        pytest.skip("readelf is missing")
    dynamic = subprocess.run(["readelf", "-d", harness.PRELOAD], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
    needed = [x for x in dynamic.splitlines() if "(NEEDED)" in x]
    assert len(needed) == 1 and "libc.so.6" in needed[0]
    assert "TEXTREL" not in dynamic


def test_nothing_of_libunwind_is_global(preload):
    """The unwinder of C++ exceptions stays libgcc's in a program that has a loop."""
    code = """
import ctypes, select
loop = select.epoll(); loop.poll(0.001)
print(ctypes.CDLL(None).__getattr__("_Unwind_Resume") and "found")
"""
    traced = preload(harness.PYTHON, "-c", code)
    assert b"found" not in traced.out and b"AttributeError" in traced.err.encode()


def test_allocator_that_calls_us_while_it_starts(preload, tool):
    """Hazard 1: an allocator in front of libc's may read files from its constructor."""
    for name in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libtcmalloc.so.4"):
        path = f"/usr/lib/x86_64-linux-gnu/{name}"
        if os.path.exists(path):
            break
    else:
        pytest.skip("neither jemalloc nor tcmalloc is installed")
    for order in (f"{harness.PRELOAD}:{path}", f"{path}:{harness.PRELOAD}"):
        traced = preload(harness.BUILT_PROGRAMS / "loop_epoll", "sleep", env={"LD_PRELOAD": order})
        assert traced.exit == 0, traced
        traced.find("usleep")


def test_fork_without_exec_does_not_warn(preload):
    """A Python that forks stays single-threaded across the fork."""
    code = """
import asyncio, os, threading
async def main():
    await asyncio.sleep(0.02)
    pid = os.fork()
    if pid == 0:
        os._exit(len(os.listdir("/proc/self/task")))
    os.waitpid(pid, 0)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    await asyncio.sleep(0.02)
asyncio.run(main())
"""
    traced = preload(harness.PYTHON, "-W", "error", "-c", code)
    assert traced.exit == 0, traced
    assert traced.out == b"0\n" and traced.err == ""


def test_many_forks(preload):
    """No child hangs in a lock that the agent held."""
    code = """
import asyncio, os, time
async def main():
    for _ in range(60):
        await asyncio.sleep(0.001)
        time.sleep(0.011)
        pid = os.fork()
        if pid == 0:
            list(range(1000))
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
asyncio.run(main())
"""
    traced = preload(harness.PYTHON, "-c", code)
    assert traced.exit == 0, traced


def test_a_process_made_past_the_hooks_is_traced(preload):
    """Its first loop starts an agent of its own, which comes back after a fork, in its child too."""
    code = """
import ctypes, os, select, time
def turn():
    with select.epoll() as home:
        home.poll(0.001)
        time.sleep(0.05)
        home.poll(0.001)
pid = ctypes.PyDLL(None)._Fork()
if pid == 0:
    turn()
    child = os.fork()
    if child == 0:
        turn()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    turn()
    time.sleep(1)  # the agent has time to write: such a process waits for no end of it
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    traced = preload(harness.PYTHON, "-c", code)
    assert traced.exit == 0, traced
    sleeps = [f for f in traced.findings if f["call"] == "clock_nanosleep"]
    assert sum(f["count"] for f in sleeps) == 4, traced.describe()


def test_daemon_goes_on_being_traced(preload, program, tmp_path):
    """It forks, leaves its session, closes everything, and is still found."""
    code = f"""
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/"); os.closerange(3, 1024)
os.execv("{program('loop_epoll')}", ["loop_epoll", "sleep"])
"""
    traced = preload(harness.PYTHON, "-c", code)  # its stdout is open until the daemon's end
    traced.find_at("usleep", "loop_epoll.c", "sleep")


def test_output_is_found_after_chdir(preload, program, tmp_path):
    """STALLTRACE_OUTPUT may be relative: to where the process was when it started."""
    (tmp_path / "rel").mkdir()
    code = "import os,select,time; os.chdir('/'); e=select.epoll(); e.poll(.001); time.sleep(.1); e.poll(.001)"
    preload(harness.PYTHON, "-c", code, env={"STALLTRACE_OUTPUT": "rel"}, cwd=tmp_path)
    assert harness.Traces(tmp_path / "rel").find("clock_nanosleep")


def test_a_relative_preload_is_found_after_chdir(preload):
    directory, name = os.path.split(os.path.dirname(harness.PRELOAD))
    code = "import os,select,time; os.chdir('/'); e=select.epoll(); e.poll(.001); time.sleep(.1); e.poll(.001)"
    traced = preload(harness.PYTHON, "-c", code, cwd=directory,
                     env={"LD_PRELOAD": f"{name}/{os.path.basename(harness.PRELOAD)}"})
    assert traced.exit == 0 and traced.err == "", traced
    traced.find("clock_nanosleep")


def test_the_agent_is_no_realtime_thread(preload):
    """Unwinding must not come before other programs' deadlines."""
    if subprocess.run(["chrt", "-f", "5", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("chrt -f: not allowed here, or not installed")
    code = """
import os, select, time
loop = select.epoll(); loop.poll(0.001); time.sleep(.1)
print(sorted(os.sched_getscheduler(int(tid)) for tid in os.listdir("/proc/self/task")), flush=True)
loop.poll(0.001)
"""
    traced = preload("chrt", "-f", "5", harness.PYTHON, "-c", code)
    assert traced.out.split(b"\n")[0] == b"[0, 1]", traced  # SCHED_OTHER, SCHED_FIFO
    traced.find("clock_nanosleep")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to change ids")
def test_ids_change_while_the_agent_starts(preload):
    """glibc hands new ids to all threads, and aborts where one is refused what another got: the
    agent must not be among them, however long it takes to load."""
    if not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    change = "setpriv --reuid 65534 --regid 65534 --clear-groups id -u || exit"
    traced = preload("sh", "-c", f"for i in $(seq 50); do {change}; done",
                     env={"STALLTRACE_LOOPS": "main"})
    assert (traced.exit, traced.out, traced.err) == (0, b"65534\n" * 50, ""), traced


def test_without_proc(tmp_path):
    """A minimal chroot, say: nothing but the names of other threads is lost."""
    script = tmp_path / "blocks.py"
    script.write_text("import asyncio, time\n"
                      "async def blocks():\n"
                      "    time.sleep(0.2)\n"
                      "asyncio.run(blocks())\n")
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    prepare = "mount --make-rprivate / && umount -l /proc"
    probe = subprocess.run([*unshare, "sh", "-c", prepare], stderr=subprocess.PIPE, check=False)
    if probe.returncode != 0:
        pytest.skip("no mount namespaces, or /proc cannot be unmounted in one")
    result = subprocess.run(
        [*unshare, "sh", "-c", f'{prepare} && "$0" run -o "$1" -- {harness.PYTHON} "$2" && '
         '"$0" report --format json "$1"', harness.STALLTRACE, tmp_path / "out", script],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        env=harness.environment(), check=False)
    assert result.returncode == 0, result
    report = json.loads(result.stdout)
    finding, = [f for f in report["findings"] if f["call"] == "clock_nanosleep"]
    frame = finding["frames"][finding["culprit"]]
    assert (frame["function"], frame["file"], frame["line"]) == ("blocks", str(script), 3)
    assert finding["task"] == "Task-1"
    process, = report["processes"]
    assert process["exe"].startswith("/usr/bin/python3")
    assert [loop["name"] for loop in process["loops"]] == ["python3"]
