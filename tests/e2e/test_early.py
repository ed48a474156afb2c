"""Loops that begin before the shim's own constructor has run: it starts itself."""
import shutil
import subprocess

import pytest

import harness

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-fno-optimize-sibling-calls"]
SETTINGS = {"STALLTRACE_THRESHOLD": "80ms"}


def compile_early(directory, name, *argv):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    subprocess.run(["gcc", *FLAGS, "-I", harness.SOURCE / "shim", "-o", directory / name,
                    harness.PROGRAMS / "early.c", *argv], check=True)
    return directory / name


def early(directory, where, *flags):
    """A program that has its loop in a constructor that comes before ours, or before all."""
    if where == "preinit":
        return compile_early(directory, "early", "-DEARLY_PREINIT", *flags)
    library = compile_early(directory, "libearly.so", "-DEARLY_LIBRARY", "-shared", "-fPIC", *flags)
    return compile_early(directory, "early", "-DEARLY_PROGRAM", "-Wl,--no-as-needed", library,
                         "-Wl,-rpath,$ORIGIN")


def comes_before_us(binary):
    """The order in which the loader runs the constructors: the library's, then the shim's."""
    env = harness.environment({"LD_PRELOAD": harness.PRELOAD, "LD_DEBUG": "files",
                               "STALLTRACE_OUTPUT": "/dev/null/none", "STALLTRACE_QUIET": "1"})
    said = subprocess.run([binary], env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          text=True, check=False).stderr
    return -1 < said.find("calling init: " + str(binary.parent / "libearly.so")) < \
        said.find("calling init: " + harness.PRELOAD)


@pytest.mark.parametrize("where", ["library", "preinit"])
@pytest.mark.parametrize("known_by", ["api", "epoll_wait"])
def test_loop_begins_before_us(preload, tmp_path, where, known_by):
    """It has the settings, its name, and what it waits for from then on is found."""
    binary = early(tmp_path, where, *(["-DEARLY_API"] if known_by == "api" else []))
    assert where == "preinit" or comes_before_us(binary)
    traced = preload(binary, "an argument", env=SETTINGS)
    assert (traced.exit, traced.out, traced.err) == (7, b"well\n", "")
    (found,) = [f for f in traced.findings if f["kind"] == "call"]  # one line, called from two
    assert (found["call"], found["count"]) == ("nanosleep", 2)
    assert harness.wall_ms(found, "total_ms") >= 300
    callers = {frame["line"] for stack in found["stacks"] for frame in stack["frames"] if frame["file"]}
    assert {harness.stall_line("early.c", tag) for tag in ("early", "main")} <= callers
    process, = traced.report()["processes"]
    assert process["argv"] == [str(binary), "an argument"]
    assert len(process["loops"]) == 1
    assert process["loops"][0]["name"] == "early"
