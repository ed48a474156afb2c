"""A process that cannot be recorded says so in one line on stderr, where that is nobody else's, and the
run, and whoever checks the directory, know it. The program always runs."""
import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

import harness
from harness import PYTHON, Traces, command, environment

LIMITS = harness.PROGRAMS / "limits.py"
INSTALLED = pathlib.Path("/usr/local/lib/stalltrace/stalltrace-agent.so").exists()
needs_no_installed = pytest.mark.skipif(INSTALLED, reason="stalltrace is installed: its agent is found")


@pytest.fixture
def alone(tmp_path):
    """The probe, without its agent."""
    (tmp_path / "alone").mkdir()
    return shutil.copy(harness.PRELOAD, tmp_path / "alone")


def traced(how, *args, library=harness.PRELOAD, output, env=None, **options):
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run(
        [PYTHON, LIMITS, how, *args], stdout=subprocess.PIPE, timeout=60, check=False,
        env=environment({"LD_PRELOAD": str(library), "STALLTRACE_OUTPUT": str(output), **(env or {})}),
        **options)


def one_line(result, *words):
    assert result.returncode == 0 and result.stdout == b"done\n", result
    [line] = result.stderr.decode().splitlines()
    assert line.startswith("stalltrace: ") and all(word in line for word in words), line


def in_run(tmp_path, *argv, options=("--allow-no-loop",)):
    """Its status, and what `check` and JSON say of the directory afterwards."""
    out = Traces(tmp_path / "out").dir  # to be linted
    result = command("run", "-q", "-o", out, "--error-exitcode=9", *options, "--", *argv)
    losses = json.loads(command("report", "--format", "json", out).stdout)["losses"]
    return result, command("check", out), losses


# ---- a bare preload's one line ----

@needs_no_installed
def test_without_an_agent(alone, tmp_path):
    one_line(traced("plain", library=alone, output=tmp_path / "out"), "stalltrace-agent.so is not beside",
             str(tmp_path / "alone"))


@needs_no_installed
@pytest.mark.parametrize("quiet", ["1", "yes"])
def test_quiet(alone, tmp_path, quiet):
    result = traced("plain", library=alone, output=tmp_path / "out", env={"STALLTRACE_QUIET": quiet})
    assert result.stderr == b"" and result.returncode == 0


@needs_no_installed
def test_a_process_without_a_loop_says_nothing(alone, tmp_path):
    result = subprocess.run(
        ["sh", "-c", "true; ls / > /dev/null"], stderr=subprocess.PIPE, check=False,
        env=environment({"LD_PRELOAD": alone, "STALLTRACE_OUTPUT": "/proc/x", "STALLTRACE_BOGUS": "1",
                         "STALLTRACE_THRESHOLD": "soon"}))
    assert result.returncode == 0 and result.stderr == b"", result


def test_output_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    one_line(traced("plain", output=tmp_path / "file" / "out"), "cannot write to", "STALLTRACE_OUTPUT")


def test_output_none_is_no_mistake(tmp_path):
    result = traced("plain", output="none", cwd=tmp_path)
    assert result.returncode == 0 and result.stderr == b"", result
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("env", [{"STALLTRACE_THRESHOLD": "ten\nlines"}, {"STALLTRACE_TRESHOLD": "1ms"}])
def test_a_bad_setting_is_named_by_the_loop_alone(tmp_path, env):
    out = Traces(tmp_path / "out")
    result = subprocess.run(
        ["sh", "-c", f"sh -c true; {PYTHON} -c 1; exec {PYTHON} {LIMITS} plain"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60,
        env=environment({"LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(out.dir), **env}))
    one_line(result, next(iter(env)))
    assert out.check() == 1 and out.records("notice")


@needs_no_installed
def test_once_in_parent_and_child(alone, tmp_path):
    """Each of them runs a loop of its own, the child first."""
    one_line(traced("fork", library=alone, output=tmp_path / "out"), "stalltrace-agent.so")


def test_an_unknown_setting_is_named_once_a_run(tmp_path):
    script = f"{PYTHON} {LIMITS} fork; {harness.STALLTRACE} run -- {PYTHON} {LIMITS} plain"
    result = command("run", "-o", tmp_path / "out", "--", "sh", "-c", script,
                     env={"STALLTRACE_TRESHOLD": "1ms"})
    assert result.returncode == 0 and result.stderr.count("STALLTRACE_TRESHOLD") == 1, result


def test_descriptors_are_taken(tmp_path):
    """The agent has a table of its own, and needs none of the program's."""
    out = Traces(tmp_path / "out")
    result = traced("descriptors-taken", output=out.dir)
    assert result.returncode == 0 and result.stderr == b"", result
    assert out.find_at("clock_nanosleep", "limits.py")["count"] >= 1


def test_no_descriptor_may_be_opened(tmp_path):
    one_line(traced("no-descriptors", output=tmp_path / "out"), "Too many open files", "ulimit -n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_no_thread_may_be_made(tmp_path):
    one_line(traced("no-threads", output=tmp_path / "out"), "thread", "ulimit -u")


def test_files_may_not_grow(tmp_path):
    (tmp_path / "out").mkdir()
    one_line(traced("file-size=100", output=tmp_path / "out"), "File too large", "ulimit -f")
    checked = command("check", tmp_path / "out")
    assert checked.returncode == 3 and "ulimit -f" in checked.stdout, checked


def namespace(script):
    """Runs it where mounts are its own; skips where that is not to be had."""
    prefix = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("no mount namespace can be made")
    return [*prefix, "sh", "-ec", script]


def libraries(of):
    """The libraries that it needs, but libc's own."""
    lines = subprocess.run(["ldd", of], stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    paths = [line.split("=>")[1].split()[0] for line in lines if "=>" in line]
    return [p for p in paths if not os.path.basename(p).startswith(("libc.", "ld-"))]


@pytest.mark.parametrize("beside", [False, True])
def test_libunwind_is_missing_in_the_image(tmp_path, beside):
    """Beside the agent it is found: such a directory works in any image."""
    moved = tmp_path / "moved"
    moved.mkdir()
    agent = pathlib.Path(harness.PRELOAD).parent / "stalltrace-agent.so"
    if not agent.exists():
        pytest.skip("the agent is not beside the probe: an installed tree")
    needed = [p for p in libraries(agent)]
    assert any("unwind" in p for p in needed), needed
    for path in [harness.PRELOAD, agent, *(needed if beside else [])]:
        shutil.copy(path, moved)
    out = Traces(tmp_path / "out")
    hide = "".join(f"mount --bind /dev/null {p}; " for p in needed if "unwind" in p)
    result = subprocess.run(
        namespace(f"{hide} exec env LD_PRELOAD={moved}/libstalltrace.so STALLTRACE_OUTPUT={out.dir} "
                  f"{PYTHON} {LIMITS} plain"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    if beside:
        assert result.returncode == 0 and result.stderr == b"", result
        out.find_at("clock_nanosleep", "limits.py")
    else:
        one_line(result, "the agent cannot be loaded", "unwind")


# ---- where it may not be written ----

@needs_no_installed
@pytest.mark.parametrize("how", ["stderr-closed", "stderr-replaced"])
def test_stderr_is_not_what_it_was(alone, tmp_path, how):
    theirs = tmp_path / "theirs"
    result = traced(how, theirs, library=alone, output=tmp_path / "out")
    assert result.returncode == 0 and result.stderr == b"", result
    assert not theirs.exists() or theirs.read_bytes() == b""


@needs_no_installed
def test_stderr_is_a_socket(alone, tmp_path):
    ours, theirs = socket.socketpair()
    result = traced("plain", library=alone, output=tmp_path / "out", stderr=theirs)
    theirs.close()
    assert result.returncode == 0 and ours.recv(100) == b""


@needs_no_installed
@pytest.mark.parametrize("full", [False, True])
def test_stderr_is_a_pipe_without_a_reader_or_full(alone, tmp_path, full):
    reader, writer = os.pipe()
    if full:
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
    else:
        os.close(reader)
    result = traced("plain", library=alone, output=tmp_path / "out", stderr=writer)
    os.close(writer)
    assert result.returncode == 0, result


@needs_no_installed
def test_stderr_is_a_file_that_may_not_grow(alone, tmp_path):
    """SIGXFSZ would end the program."""
    with open(tmp_path / "err", "wb") as err:
        result = traced("file-size=0", library=alone, output=tmp_path / "out", stderr=err)
    assert result.returncode == 0, result


def test_stderr_is_a_full_disk(tmp_path):
    with open("/dev/full", "wb") as err:
        result = traced("no-descriptors", output=tmp_path / "out", stderr=err)
    assert result.returncode == 0, result


# ---- the run knows ----

@pytest.mark.parametrize("how, word", [
    ("no-descriptors", "ulimit -n"), ("file-size=0", "ulimit -f"), ("file-size=600", "ulimit -f"),
    ("file-size=4000", "ulimit -f"), pytest.param("no-threads", "ulimit -u", marks=pytest.mark.skipif(
        os.geteuid() != 0, reason="needs root, to become another user"))])
def test_the_run_knows_who_has_no_trace(tmp_path, how, word):
    """A process beside it is clean."""
    result, checked, losses = in_run(
        tmp_path, "sh", "-c", f"{PYTHON} -c 'import asyncio; asyncio.run(asyncio.sleep(0.01))'; "
        f"exec {PYTHON} {LIMITS} {how}")
    assert result.returncode == 3 and "missing in the recording" in result.stderr, result
    assert checked.returncode == 3, checked
    assert any(word in loss["message"] for loss in losses), losses


@pytest.mark.parametrize("size", [0, 1, 8])
def test_the_run_itself_may_write_no_files(tmp_path, size):
    """`ulimit -f` holds for the command, too: no signal ends it."""
    result = subprocess.run(
        ["sh", "-c", f'ulimit -f {size}; exec "$@"', "sh", harness.STALLTRACE, "run", "-q", "-o",
         tmp_path / "out", "--error-exitcode=9", "--allow-no-loop", "--", PYTHON, LIMITS, "plain"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    assert result.returncode == 3 and result.stdout == b"done\n", result


def test_output_of_a_child_that_cannot_be_made(tmp_path):
    result, checked, losses = in_run(
        tmp_path, "sh", "-c", f"STALLTRACE_OUTPUT=/proc/nowhere exec {PYTHON} {LIMITS} plain")
    assert (result.returncode, checked.returncode) == (3, 3), result
    assert "nothing is recorded: cannot write to /proc/nowhere" in losses[0]["message"], losses


def test_a_program_that_becomes_another_user_tells_its_run(tmp_path, tool):
    """root's directory is not open to it, nor is the memory that they share, but for root's word."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    other = f"{tool('setpriv')} --reuid 65534 --regid 65534 --clear-groups"
    if subprocess.run([*other.split(), "test", "-r", harness.PRELOAD], check=False).returncode:
        pytest.skip("another user cannot read the library")
    stall = "import asyncio, time\nasync def main():\n    time.sleep(0.1)\nasyncio.run(main())\n"
    clean = f"{PYTHON} -c 'import asyncio; asyncio.run(asyncio.sleep(0.01))'"
    result, checked, losses = in_run(tmp_path, "sh", "-c", f'cd /; {clean}; exec {other} {PYTHON} -c "$0"',
                                     stall, options=())
    assert (result.returncode, checked.returncode) == (3, 3), result
    assert "Permission denied" in losses[0]["message"] and "--shared" in losses[0]["message"], losses
    result, _, losses = in_run(tmp_path, "sh", "-c", f'cd /; exec {other} {PYTHON} -c "$0"', stall,
                               options=("--shared",))
    if not losses:  # the directories above it may be closed to that user
        assert result.returncode == 9, result


def test_a_run_in_a_run_tells_both(tmp_path):
    script = (f"{harness.STALLTRACE} run -q --error-exitcode=9 --allow-no-loop -- "
              f"{PYTHON} {LIMITS} no-descriptors; echo inner $? > {tmp_path}/inner")
    result, checked, losses = in_run(tmp_path, "sh", "-c", script)
    assert (result.returncode, checked.returncode) == (3, 3), result
    assert (tmp_path / "inner").read_text() == "inner 3\n" and len(losses) == 1, losses


def test_a_program_that_loads_nothing_is_no_clean_run(tmp_path, tool):
    """Static: nobody has looked. --allow-no-loop is for programs without a loop."""
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    if subprocess.run([tool("gcc"), "-static", "-o", tmp_path / "static", source],
                      stderr=subprocess.PIPE, check=False).returncode:
        pytest.skip("no static libc")
    result = command("run", "-q", "-o", tmp_path / "out", "--error-exitcode=9", "--allow-no-loop", "--",
                     tmp_path / "static")
    assert result.returncode == 3, result
    for name in "true", "sh":
        assert command("run", "-q", "-o", tmp_path / "out", "--error-exitcode=9", "--allow-no-loop",
                       "--", name, *(["-c", "true"] if name == "sh" else [])).returncode == 0


def test_the_pages_go_with_their_run(tmp_path):
    def segments():
        return pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    if not os.path.exists("/proc/sysvipc/shm"):
        pytest.skip("no System V shared memory")
    before = {line.split()[1] for line in segments()}
    command("run", "-q", "-o", tmp_path / "out", "--", "true")
    mine = [line for line in segments() if line.split()[1] not in before
            and int(line.split()[6]) == 0]  # nobody has it
    assert mine == [], mine
