"""`stalltrace run`: a program behaves as it would without it."""
import os
import signal
import subprocess

import pytest

import harness
from harness import STALLTRACE, environment


def sh(run, text, **options):
    return run("sh", "-c", text, **options)


@pytest.mark.parametrize("status", [0, 1, 3, 77, 126, 127, 255])
def test_exit_status_passes_through(run, status):
    assert sh(run, f"exit {status}").exit == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGUSR1])
def test_signal_is_128_plus_its_number(run, number):
    assert sh(run, f"ulimit -c 0; kill -{int(number)} $$").exit == 128 + number


def test_exit_status_of_a_traced_loop(run, program):
    assert run(program("loop_epoll"), "abort").exit == 128 + signal.SIGABRT
    assert run(program("loop_epoll"), "kill").exit == 128 + signal.SIGKILL


def test_standard_streams_are_untouched(tmp_path):
    data = bytes(range(256)) * 4096
    result = subprocess.run(
        [STALLTRACE, "run", "-o", tmp_path / "out", "--quiet", "--", "sh", "-c", "cat; echo err >&2"],
        input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), timeout=60,
        check=False)
    assert result.returncode == 0
    assert result.stdout == data
    assert result.stderr == b"err\n"


def test_standard_input_of_a_terminal_stays_one(tmp_path):
    import pty
    leader, follower = pty.openpty()
    result = subprocess.run([STALLTRACE, "run", "-o", tmp_path / "out", "--quiet", "--", "sh", "-c",
                             "test -t 0 && test -t 1"], stdin=follower, stdout=follower,
                            stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    os.close(leader)
    os.close(follower)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_forwarded(start, number):
    traced = start("sh", "-c", f"trap 'echo caught; exit 5' {int(number)}; echo ready;"
                   "while :; do sleep 0.02; done")
    traced.line("ready")
    traced.stop(number)
    assert traced.exit == 5, traced
    assert b"caught" in traced.out


def test_sigterm_ends_a_program_that_does_not_catch_it(start, program):
    traced = start(program("loop_epoll"), "hang")
    traced.record("loop")
    traced.stop(signal.SIGTERM)
    assert traced.exit == 128 + signal.SIGTERM


def test_without_the_word_run(tmp_path, program):
    result = harness.command("-o", tmp_path / "out", "--", program("loop_epoll"), "sleep")
    if result.returncode == 2:  # the short form takes the command alone
        result = harness.command("--", program("loop_epoll"), "sleep", cwd=tmp_path)
        traces = harness.Traces(tmp_path / "stalltrace.out")
    else:
        traces = harness.Traces(tmp_path / "out")
    assert result.returncode == 0, result.stderr
    traces.only_at("usleep", "loop_epoll.c", "sleep")


def test_default_directory_and_the_one_before(tmp_path, program):
    for _ in range(2):
        result = harness.command("run", "--", program("loop_epoll"), "sleep", cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    new = harness.Traces(tmp_path / "stalltrace.out").files()
    old = harness.Traces(tmp_path / "stalltrace.out.old").files()
    assert len(new) == 1 and len(old) == 1 and os.path.basename(new[0]) != os.path.basename(old[0])
    report = harness.command("report", cwd=tmp_path)
    assert report.returncode == 0 and "usleep" in report.stdout
    assert harness.command("check", cwd=tmp_path).returncode == 1


def test_options_of_the_program_are_its_own(run):
    traced = run("printf", "%s", "--threshold")
    assert traced.exit == 0 and traced.out == b"--threshold"


def test_live_lines_and_summary(run, program):
    traced = run(program("loop_epoll"), "sleep", quiet=False)
    assert traced.exit == 0
    assert traced.out == b""
    line = harness.stall_line("loop_epoll.c", "sleep")
    assert f"loop_epoll.c:{line}" in traced.err, traced.err
    assert "usleep" in traced.err
    assert "stalltrace report" in traced.err, "the summary names the next command"


def test_summary_of_a_clean_run_says_so(run, program):
    traced = run(program("loop_epoll"), "clean", quiet=False, options=harness.CALM)
    assert traced.exit == 0
    assert traced.err.strip() != ""
    assert "usleep" not in traced.err


def test_quiet_says_nothing(run, program):
    assert run(program("loop_epoll"), "sleep").err == ""


def test_error_exitcode(run, program):
    found = run(program("loop_epoll"), "sleep", options=["--error-exitcode=9"])
    assert found.exit == 9
    clean = run(program("loop_epoll"), "clean", options=["--error-exitcode=9", *harness.CALM])
    assert clean.exit == 0


def test_children_are_followed(run, program):
    traced = run("sh", "-c", '"$0" sleep & "$0" read; wait; "$0" clean', program("loop_epoll"))
    assert traced.exit == 0, traced
    traced.find_at("usleep", "loop_epoll.c", "sleep")
    traced.find_at("read", "loop_epoll.c", "read")
    assert len([p for p in traced.report()["processes"] if p["loops"]]) == 3


def test_forked_child_with_a_loop_writes_its_own(run, program):
    traced = run(program("loop_epoll"), "fork")
    assert traced.exit == 0, traced
    traced.find_at("usleep", "loop_epoll.c", "fork")
    assert len(traced.files()) == 2
    assert len({p["pid"] for p in traced.report()["processes"]}) == 2


def test_exec_begins_a_new_trace(run, program):
    traced = run(program("loop_epoll"), "exec")
    assert traced.exit == 0, traced
    # The same place in both programs; the first stall has its end, for all that exec followed.
    (finding,) = traced.findings
    assert finding["call"] == "usleep" and finding["count"] == 2, traced.describe()
    assert harness.wall_ms(finding, "total_ms") >= 2 * 295 and not finding["in_progress"], traced.describe()
    assert len(traced.files()) == 2
    assert len({p["pid"] for p in traced.report()["processes"]}) == 1


@pytest.mark.parametrize("way", ["kill", "_exit", "abort"])
def test_nothing_is_lost(run, program, way):
    """SIGKILL, _exit and a fatal signal right after the stall."""
    traced = run(program("loop_epoll"), way)
    traced.find_at("usleep", "loop_epoll.c", "sleep")
    assert traced.check() == 1


def test_killed_while_it_hangs(start, program):
    traced = start(program("loop_epoll"), "hang")
    traced.record("stall", call="read")
    pid = traced.records("process")[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    traced.wait()
    assert traced.exit == 128 + signal.SIGKILL
    traced.find_at("read", "loop_epoll.c", "hang")
    assert traced.report()["processes"][0]["ended"] is False


def test_environment_reaches_the_program_otherwise_unchanged(run):
    traced = run("env", env={"SOME_VALUE": "as it was"})
    lines = traced.out.decode().splitlines()
    assert "SOME_VALUE=as it was" in lines
    assert [x for x in lines if x.startswith("LD_PRELOAD=")] != []


def test_an_earlier_preload_is_kept(run, tool):
    libc = "/lib/x86_64-linux-gnu/libm.so.6"
    traced = run("env", env={"LD_PRELOAD": libc})
    value = next(x for x in traced.out.decode().splitlines() if x.startswith("LD_PRELOAD="))
    assert libc in value and "libstalltrace.so" in value


def test_options_and_variables_are_the_same(preload, program):
    traced = preload(program("loop_epoll"), "sleep", env={"STALLTRACE_THRESHOLD": "10ms,sleep=500ms"})
    assert [f for f in traced.findings if f["kind"] == "call"] == []
    traced = preload(program("loop_epoll"), "sleep", env={"STALLTRACE_LOOPS": "api"})
    assert traced.findings == []
    traced = preload(program("loop_epoll"), "sleep")
    traced.only_at("usleep", "loop_epoll.c", "sleep")


def test_a_process_without_a_loop_costs_no_agent(preload):
    traced = preload("/bin/cat", "/proc/self/maps")
    assert b"libstalltrace.so" in traced.out
    assert b"stalltrace-agent" not in traced.out and b"libunwind" not in traced.out
    assert sum(os.path.getsize(f) for f in traced.files()) < 4096
