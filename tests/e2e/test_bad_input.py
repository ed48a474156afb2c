"""Bad input: one clear line on stderr, the right exit status, and the program runs where one was
to run."""
import os
import shutil
import subprocess

import pytest

import harness
from harness import command


def one_line(result, *words):
    """stderr is one line of the tool's own that contains the words."""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("stalltrace: "), lines
    for word in words:
        assert word in lines[0], lines
    assert result.stdout == ""


@pytest.mark.parametrize("args, words", [
    (["--no-such-option"], ["--no-such-option"]),
    (["frobnicate"], ["frobnicate"]),
    (["run", "--no-such-option", "--", "true"], ["--no-such-option"]),
    (["report", "--no-such-option"], ["--no-such-option"]),
    (["report", "--format", "bogus"], ["bogus", "text", "json"]),
    (["check", "--no-such-option"], ["--no-such-option"]),
    (["doctor", "--no-such-option"], ["--no-such-option"]),
    (["run"], []),
    (["run", "--"], []),
    (["run", "--threshold"], ["threshold"]),
    (["run", "--threshold", "10", "--", "true"], ["threshold", "10"]),
    (["run", "--threshold", "abc", "--", "true"], ["threshold", "abc"]),
    (["run", "--threshold", "-5ms", "--", "true"], ["threshold", "-5ms"]),
    (["run", "--threshold", "10parsecs", "--", "true"], ["threshold", "10parsecs"]),
    (["run", "--threshold", "bogus=1ms", "--", "true"], ["threshold", "bogus"]),
    (["run", "--threshold", "", "--", "true"], ["threshold"]),
    (["run", "--threshold", "99999999999999999999s", "--", "true"], ["threshold"]),
    (["run", "--iteration-threshold", "soon", "--", "true"], ["iteration-threshold", "soon"]),
    (["run", "--strict=bogus", "--", "true"], ["strict", "bogus"]),
    (["run", "--loops", "bogus", "--", "true"], ["loops", "bogus"]),
    (["run", "--error-exitcode=1000", "--", "true"], ["error-exitcode"]),
    (["run", "--error-exitcode=x", "--", "true"], ["error-exitcode"]),
])
def test_usage(tmp_path, args, words):
    result = command(*args, cwd=tmp_path)
    assert result.returncode == 2, result
    one_line(result, *words)
    assert not (tmp_path / "stalltrace.out").exists(), "nothing ran"


@pytest.mark.parametrize("variable, value", [
    ("STALLTRACE_THRESHOLD", "abc"), ("STALLTRACE_ITERATION_THRESHOLD", "abc"),
    ("STALLTRACE_STRICT", "bogus"), ("STALLTRACE_LOOPS", "bogus"),
])
def test_bad_variable(tmp_path, preload, program, variable, value):
    """Under `run`: an error before the program starts. Under a bare preload the program runs with
    the default, is told so, and the trace says so."""
    ran = tmp_path / "ran"
    result = command("run", "-o", tmp_path / "out", "--", "touch", ran, env={variable: value})
    assert result.returncode == 2
    one_line(result, variable, value)
    assert not ran.exists()

    traced = preload(program("loop_epoll"), "sleep", env={variable: value, "STALLTRACE_QUIET": ""})
    assert traced.exit == 0 and traced.out == b""
    complaints = [x for x in traced.err.splitlines() if variable in x]
    assert len(complaints) == 1 and value in complaints[0], traced.err
    traced.find_at("usleep", "loop_epoll.c", "sleep")
    assert any(variable in n["message"] for n in traced.records("notice"))


def test_command_not_found(tmp_path):
    result = command("run", "-o", tmp_path / "out", "--", "no-such-command-here")
    assert result.returncode == 127
    one_line(result, "no-such-command-here")
    result = command("run", "-o", tmp_path / "out", "--", tmp_path / "missing")
    assert result.returncode == 127


def test_command_not_executable(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("echo no\n")
    result = command("run", "-o", tmp_path / "out", "--", plain)
    assert result.returncode == 126
    one_line(result, "plain")
    assert command("run", "-o", tmp_path / "out", "--", tmp_path).returncode == 126


def complained_once(stderr):
    lines = [x for x in stderr.splitlines() if x.startswith("stalltrace: ")]
    assert len(lines) >= 1, stderr
    assert len(lines) == len(set(lines)), stderr


def test_output_directory_cannot_be_made(tmp_path, program):
    """A file stands where the directory should be."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    result = command("run", "-o", blocker / "out", "--", program("loop_epoll"), "exec")
    assert result.returncode == 0, result
    complained_once(result.stderr)
    assert "file" in result.stderr
    assert harness.command("check", blocker / "out").returncode in (2, 3)


def test_preload_with_an_output_directory_that_cannot_be_made(preload, program, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    traced = preload(program("loop_epoll"), "sleep", env={
        "STALLTRACE_OUTPUT": str(blocker / "out"), "STALLTRACE_QUIET": ""})
    assert traced.exit == 0 and traced.out == b""
    assert len([x for x in traced.err.splitlines() if "stalltrace" in x]) == 1, traced.err


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="setpriv is missing")
def test_preload_without_the_agent(preload, program, tmp_path):
    """The library alone, copied somewhere: it says what is missing, and the program runs."""
    if os.path.exists("/usr/local/lib/stalltrace/stalltrace-agent.so"):
        pytest.skip("stalltrace is installed: its agent is found there")
    library = shutil.copy(harness.PRELOAD, tmp_path)
    traced = preload(program("loop_epoll"), "sleep",
                     env={"LD_PRELOAD": library, "STALLTRACE_QUIET": ""})
    assert traced.exit == 0, traced
    assert traced.err.count("\n") == 1 and "stalltrace-agent.so" in traced.err, traced
    assert str(tmp_path) in traced.err
    [mark] = traced.files()  # for whoever checks the directory
    assert os.path.getsize(mark) == 0 and traced.check() == 3


def test_output_directory_is_not_writable(tmp_path, program):
    """Not even root writes here without its capabilities."""
    directory = tmp_path / "locked"
    directory.mkdir(mode=0o555)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    result = subprocess.run(
        [*drop, harness.STALLTRACE, "run", "-o", directory / "out", "--", program("loop_epoll"),
         "sleep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        env=harness.environment(), check=False)
    assert result.returncode == 0, result
    complained_once(result.stderr)


def test_full_output_directory(tmp_path, program):
    """A file system without room: the program runs to its end, and nothing of ours is in its way."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=16k none {disk}"
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    probe = subprocess.run([*unshare, "sh", "-c", mount], stderr=subprocess.PIPE, check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces, or no mounts in them")
    result = subprocess.run(
        [*unshare, "sh", "-c",
         f"{mount} && mkdir {disk}/out && {{ cat /dev/zero > {disk}/fill; "
         f"LD_PRELOAD={harness.PRELOAD} STALLTRACE_OUTPUT={disk}/out exec {program('loop_epoll')} sleep; }}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
        env=harness.environment(), check=False)
    assert result.returncode == 0, result
    assert result.stdout == ""


@pytest.fixture
def trace(run, program):
    return run(program("loop_epoll"), "sleep").files()[0]


def test_empty_trace(tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    for name in ("report", "check"):
        result = command(name, empty)
        assert result.returncode == {"report": 2, "check": 2}[name] or (
            name == "check" and result.returncode == 3)
        assert len(result.stderr.splitlines()) == 1 and "empty.jsonl" in result.stderr


@pytest.mark.parametrize("content", [
    b"hello\n", b"{}\n", b'{"type": "process"}\n', b"\x7fELF\0\0\0\n", b"[1, 2]\n",
    b'{"traceEvents": []}\n', b"\xff\xfe\n",
])
def test_another_tools_file(tmp_path, content):
    other = tmp_path / "other.jsonl"
    other.write_bytes(content)
    for name in ("report", "check"):
        result = command(name, other)
        assert result.returncode == 2, (name, result)
        one_line(result, "other.jsonl")


def test_another_version(tmp_path):
    other = tmp_path / "future.jsonl"
    other.write_text('{"type":"process","format":"stalltrace.trace/9","version":"9.0.0","pid":1}\n')
    for name in ("report", "check"):
        result = command(name, other)
        assert result.returncode == 2
        one_line(result, "future.jsonl", "stalltrace.trace/9")


def test_missing_file(tmp_path):
    result = command("report", tmp_path / "missing.jsonl")
    assert result.returncode == 2
    one_line(result, "missing.jsonl")


def test_a_truncated_last_line_is_no_error(trace, tmp_path):
    """Cut anywhere after its first line, a trace is read as far as it goes."""
    data = open(trace, "rb").read()
    lines = data.splitlines(keepends=True)
    stall = next(i for i, x in enumerate(lines) if b'"stall"' in x and b'"type":"stall"' in x)
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(lines[:stall + 1]) + b'{"type":"stall_end","sta')
    result = command("check", cut)
    assert result.returncode == 1, result
    assert result.stderr == "" or "cut.jsonl" in result.stderr
    for end in range(len(lines[0]), len(data), max(1, len(data) // 40)):
        cut.write_bytes(data[:end])
        assert command("report", cut).returncode == 0
        assert command("check", cut).returncode in (0, 1, 3)


def test_functions_without_names(tmp_path):
    nameless = tmp_path / "nameless.jsonl"
    nameless.write_text(
        '{"type":"process","format":"stalltrace.trace/1","version":"0.1.0","pid":1,"exe":"/bin/x",'
        '"argv":["x"],"start_ns":1}\n'
        '{"type":"loop","loop":1,"tid":1,"name":"x","home":"epoll","at_ns":1}\n'
        '{"type":"stack","stack":1,"frames":[{"pc":"0x10"}],"python":[{"function":"","file":"/a.py",'
        '"line":1,"entry":true},{"function":"","file":"","line":0}]}\n'
        '{"type":"stall","stall":1,"kind":"call","loop":1,"call":"read","class":"file","stack":1,'
        '"at_ns":1,"elapsed_ns":50000000,"ended":true,"strict":false}\n')
    assert command("report", nameless).returncode == 0
    assert command("report", "--format", "json", nameless).returncode == 0
    assert command("check", nameless).returncode == 1


def test_unknown_records_and_broken_lines_are_skipped(trace, tmp_path):
    lines = open(trace, "rb").read().splitlines(keepends=True)
    noise = [b'{"type":"weather","rain":true}\n', b'{"type":"stall"\n', b"\xff\xff\xff\n", b"\n",
             b'{"type":"stall_end","stall":"many"}\n', b'[]\n', b'null\n', b'{"type":5}\n']
    noisy = tmp_path / "noisy.jsonl"
    noisy.write_bytes(lines[0] + b"".join(noise) + b"".join(lines[1:]) + b"".join(noise))
    traces = harness.Traces(noisy)
    traces.find_at("usleep", "loop_epoll.c", "sleep")


def test_a_directory_with_other_files(trace, tmp_path):
    directory = tmp_path / "mixed"
    directory.mkdir()
    shutil.copy(trace, directory)
    (directory / "notes.txt").write_text("not a trace\n")
    assert command("check", directory).returncode == 1


def test_write_error_of_a_report(trace):
    with open("/dev/full", "w") as full:
        result = subprocess.run([harness.STALLTRACE, "report", trace], stdout=full, text=True,
                                stderr=subprocess.PIPE, env=harness.environment(), timeout=60,
                                check=False)
    assert result.returncode == 2, result
    assert len(result.stderr.splitlines()) == 1


def test_help_and_version():
    version = command("--version")
    assert version.returncode == 0 and version.stdout.startswith("stalltrace 0.1.0")
    text = command("--help")
    assert text.returncode == 0 and "stalltrace run" in text.stdout
    for name in ("run", "report", "check", "doctor"):
        result = command(name, "--help")
        assert result.returncode == 0 and name in result.stdout and result.stderr == ""
