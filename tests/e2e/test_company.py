"""In company: other preloaded libraries, before us and after; valgrind; a debugger. What they do
goes on as without us, and what blocks the loop is still found. (Allocators, libfaketime, stdbuf and
the sanitizers are in test_transparency_builds.py.)"""
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import harness

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
EVERYTHING = {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all"}
SCRIPT = harness.PROGRAMS / "company.py"


def accounts(directory):
    (directory / "hosts").write_text("10.11.12.13 no.such.host.invalid\n")
    (directory / "passwd").write_text("made-up:x:4711:4711::/:/bin/sh\n")
    (directory / "group").write_text("made-up:x:4711:\n")
    return {f"NSS_WRAPPER_{name.upper()}": str(directory / name)
            for name in ("hosts", "passwd", "group")}


def late_proxy(_):
    """A SOCKS proxy that says yes, and then hello for whoever was asked for; each time late."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = listener.accept()
        client.recv(client.recv(2)[1])
        client.sendall(b"\5\0")
        kind = client.recv(4)[3]  # of address: its length follows from it, or is the next byte
        client.recv(2 + ({1: 4, 4: 16}.get(kind) or client.recv(1)[0]))
        time.sleep(0.15)
        client.sendall(b"\5\0\0\1" + bytes(6))
        time.sleep(0.15)
        client.sendall(b"hello")
        client.close()
    threading.Thread(target=serve, daemon=True).start()
    return {"TORSOCKS_TOR_ADDRESS": "127.0.0.1", "TORSOCKS_TOR_PORT": str(listener.getsockname()[1])}


# library, what it needs in the environment, what company.py does, what that says
COMPANIONS = {
    "eatmydata": ("libeatmydata.so", lambda _: {}, "syncs", "None\n"),
    "nss_wrapper": ("libnss_wrapper.so", accounts, "names", "('10.11.12.13', 80)\n4711\n"),
    "socket_wrapper": ("libsocket_wrapper.so", lambda d: {"SOCKET_WRAPPER_DIR": str(d)}, "sockets",
                       "b'late' True\n"),
    "torsocks": ("torsocks/libtorsocks.so", late_proxy, "proxy", "b'hello'\n"),
}
# These look for libc's functions in libc itself, and so past whoever comes after them.
PAST_US = {"socket_wrapper": "asleep in recvfrom that no wrapper saw"}


def outcome(argv, env, cwd):
    result = subprocess.run(argv, env=harness.environment(env), cwd=cwd, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                            check=False)
    return result.returncode, result.stdout, result.stderr


def ours(directory, everything=False):
    (directory / "traces").mkdir(exist_ok=True)
    return {"STALLTRACE_OUTPUT": str(directory / "traces"), "STALLTRACE_QUIET": "1",
            **(EVERYTHING if everything else {})}


def assert_stall_is_found(directory, word="", least_ms=140):
    traces = harness.Traces(directory / "traces")
    assert [f for f in traces.findings if f["max_ms"] + f["starved_ms"] >= least_ms and word in (f.get("detail") or "")], \
        traces.describe()


@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", COMPANIONS)
def test_companion(tmp_path, name, first, everything):
    library, environment, action, says = COMPANIONS[name]
    library = f"{LIBRARIES}/{library}"
    if not os.path.exists(library):
        pytest.skip(f"{library} is not there")
    argv = [harness.PYTHON, SCRIPT, action]
    assert outcome(argv, {"LD_PRELOAD": library, **environment(tmp_path)}, tmp_path) == (0, says, "")
    order = [harness.PRELOAD, library] if first else [library, harness.PRELOAD]
    env = {"LD_PRELOAD": ":".join(order), **environment(tmp_path), **ours(tmp_path, everything)}
    assert outcome(argv, env, tmp_path) == (0, says, "")
    assert_stall_is_found(tmp_path, "" if first else PAST_US.get(name, ""))


@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_fakeroot(tmp_path, tool, first, everything):
    """fakeroot puts itself in front of the preloads that are there."""
    argv = [harness.PYTHON, SCRIPT, "owners"]
    fakeroot, expected = tool("fakeroot"), (0, "1234 1235\n", "")
    assert outcome([fakeroot, *argv], {}, tmp_path) == expected
    env = ours(tmp_path, everything)
    if first:
        argv = [fakeroot, "sh", "-c", f'LD_PRELOAD="{harness.PRELOAD}:$LD_PRELOAD" exec "$0" "$@"', *argv]
    else:
        argv, env["LD_PRELOAD"] = [fakeroot, *argv], harness.PRELOAD
    assert outcome(argv, env, tmp_path) == expected
    assert_stall_is_found(tmp_path)


# ---- valgrind ------------------------------------------------------------------------------------

TOOLS = {
    "memcheck": ["--leak-check=full", "--errors-for-leak-kinds=all", "--error-exitcode=9",
                 "--track-fds=yes"],
    "helgrind": ["--error-exitcode=9"],
    "drd": ["--error-exitcode=9"],
    "callgrind": ["--callgrind-out-file=/dev/null"],
}
NOT_TRACED = "stalltrace: nothing is recorded: valgrind runs the program, many times slower than it is\n"


@pytest.fixture(scope="module", name="small_loop")
def small_loop_program(tmp_path_factory):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    path = tmp_path_factory.mktemp("company") / "loop"
    subprocess.run(["gcc", "-O1", "-g", "-pthread", "-o", path,
                    harness.SOURCE / "tests" / "hostile" / "builds.c"], check=True)
    return path


@pytest.mark.parametrize("loops", ["auto", "main,auto"])
@pytest.mark.parametrize("checker", TOOLS)
def test_valgrind_finds_nothing_of_ours(tmp_path, tool, small_loop, checker, loops):
    """A clean program is one with us, too: we stand aside, and say so."""
    argv = [tool("valgrind"), "-q", f"--tool={checker}", *TOOLS[checker], small_loop, "8"]
    plain = outcome(argv, {}, tmp_path)
    assert plain[:2] == (7, "8 bytes, all well\n"), plain
    for quiet in "1", "":
        env = {**ours(tmp_path), "STALLTRACE_QUIET": quiet, "STALLTRACE_LOOPS": loops,
               "LD_PRELOAD": harness.PRELOAD}
        traced = outcome(argv, env, tmp_path)
        assert traced[:2] == plain[:2], traced
        assert (NOT_TRACED in traced[2]) == (quiet == "")
        said = traced[2].replace(NOT_TRACED, "")
        opened = [re.findall(r"Open .*?\d+:", text) for text in (plain[2], said)]
        assert opened[0] == opened[1]
        assert said == "" or checker == "memcheck"
    traces = harness.Traces(tmp_path / "traces")  # valgrind's own start may have left one
    assert not any(start["argv"][:1] == [str(small_loop)] for start in traces.records("process"))


def test_run_says_what_valgrind_does(tmp_path, tool, small_loop):
    result = harness.command("run", "-o", tmp_path / "traces", "--", tool("valgrind"), "-q",
                             small_loop, "8", timeout=120)
    assert (result.returncode, result.stdout) == (7, "8 bytes, all well\n"), result
    assert NOT_TRACED in result.stderr


# ---- a debugger ----------------------------------------------------------------------------------


def test_a_debugger_does_not_stop_for_us(tmp_path, tool):
    """The signal that takes a sample of a long iteration would stop the program there."""
    gdb = tool("gdb")
    env = " ".join(f"{k}={v}" for k, v in {**ours(tmp_path), "LD_PRELOAD": harness.PRELOAD}.items())
    argv = [gdb, "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", f"set exec-wrapper env {env}",
            "-ex", "run", "--args", harness.PYTHON, SCRIPT, "spin"]
    exit_, out, err = outcome(argv, {}, tmp_path)
    assert exit_ == 0 and "spun\n" in out and "exited normally" in out, (out, err)
    assert "received signal" not in out, out
    assert_stall_is_found(tmp_path, least_ms=400)
