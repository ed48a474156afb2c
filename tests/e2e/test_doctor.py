"""`doctor`: can this program be traced? Each answer with a program that provokes it."""
import json
import os
import pathlib
import re
import shutil
import stat
import struct
import subprocess

import pytest

from harness import PYTHON, SOURCE, STALLTRACE, command, environment

TRUE = "/bin/true"


def doctor(*args, **options):
    """The statements, by code, and the exit status."""
    result = command("doctor", "--json", *args, timeout=120, **options)
    assert result.stderr == "", result
    said = json.loads(result.stdout)
    said["codes"] = {s["code"]: s for s in said["statements"]}
    said["exit"] = result.returncode
    return said


def quick(*args, **options):
    return doctor("--no-selftest", *args, **options)


def build(tmp_path, *flags, compiler="gcc", source="int main(void) { return 0; }\n"):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    (tmp_path / "p.c").write_text(source)
    program = tmp_path / "p"
    built = subprocess.run([compiler, *flags, "-o", program, tmp_path / "p.c"],
                           stderr=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        pytest.skip(f"{compiler} {' '.join(flags)} does not work here: {built.stderr[-200:]}")
    return program


def as_nobody(*args):
    """The same for somebody who is not root."""
    if os.geteuid() != 0:
        return quick(*args)
    result = subprocess.run([STALLTRACE, "doctor", "--json", "--no-selftest", "-o", "/tmp/none",
                             *map(str, args)], stdout=subprocess.PIPE, text=True, user=65534,
                            group=65534, extra_groups=[], env=environment(), check=False)
    if not result.stdout:
        pytest.skip("nobody cannot run what is built here")
    said = json.loads(result.stdout)
    said["codes"] = {s["code"]: s for s in said["statements"]}
    said["exit"] = result.returncode
    return said


# ---- the whole ----------------------------------------------------------------------------------


def test_a_program_that_can_be_traced(tmp_path):
    result = command("doctor", PYTHON, "server.py", timeout=120, cwd=tmp_path)
    assert result.returncode == 0, result
    found = re.search(r"self-test: (\d+) of (\d+) functions seen, results\s+equal", result.stdout)
    assert found and found[1] == found[2] and int(found[1]) > 90, result.stdout
    assert f"stalltrace run -- {PYTHON} server.py" in result.stdout
    assert "CPython" in result.stdout


def test_the_machine_alone(tmp_path):
    said = doctor(cwd=tmp_path)
    assert said["exit"] == 0, said
    assert said["program"] is None and said["traceable"] == "yes"
    assert said["selftest"]["seen"] == said["selftest"]["functions"]
    assert said["selftest"]["seen_while_hanging"] > 40
    assert not said["selftest"]["problems"]
    assert {"parts", "output", "memory", "kernel", "clock", "selftest"} <= set(said["codes"])


def test_it_leaves_nothing_behind(tmp_path):
    scratch = tmp_path / "t"
    scratch.mkdir()
    doctor(cwd=tmp_path, env={"TMPDIR": str(scratch)[:19] if len(str(scratch)) < 20 else "/tmp"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t"]


def test_marks_without_utf8(tmp_path):
    plain = command("doctor", "--no-selftest", cwd=tmp_path, env={"LC_ALL": "C"})
    assert plain.stdout.isascii() and plain.stdout.startswith("ok")
    utf8 = command("doctor", "--no-selftest", cwd=tmp_path, env={"LC_ALL": "C.UTF-8"})
    assert "\u2713" in utf8.stdout


# ---- programs that cannot be traced -------------------------------------------------------------


@pytest.mark.parametrize("flags, word", [(["-static"], "static"),
                                         (["-static-pie"], "static-PIE")])
def test_a_static_program(tmp_path, flags, word):
    said = quick(build(tmp_path, *flags))
    assert said["exit"] == 1 and said["traceable"] == "no"
    assert f" {word} program" in said["codes"]["static"]["text"]


def test_a_static_program_in_words(tmp_path):
    result = command("doctor", build(tmp_path, "-static"))
    assert result.returncode == 1
    assert "cannot be traced" in result.stdout and "self-test" not in result.stdout


def test_a_musl_program(tmp_path):
    said = quick(build(tmp_path, compiler="musl-gcc"))
    assert said["exit"] == 1 and "musl" in said["codes"]


def test_a_32_bit_program(tmp_path):
    said = quick(build(tmp_path, "-m32"))
    assert said["exit"] == 1 and "32-bit" in said["codes"]["machine"]["text"]


def test_a_program_for_another_machine(tmp_path):
    image = bytearray(pathlib.Path(TRUE).read_bytes())
    image[18:20] = struct.pack("<H", 183)  # e_machine: EM_AARCH64
    program = tmp_path / "p"
    program.write_bytes(image)
    program.chmod(0o755)
    said = quick(program)
    assert said["exit"] == 1 and "ARM64" in said["codes"]["machine"]["text"]


def test_a_go_program(tmp_path):
    if not shutil.which("go"):
        # the section by which Go's programs are known
        program = build(tmp_path, "-static", source="__attribute__((section(\".go.buildinfo\"))) "
                                                    "char i[64] = {1}; int main(void) { return 0; }")
    else:
        (tmp_path / "main.go").write_text("package main\nfunc main() {}\n")
        program = tmp_path / "gone"
        subprocess.run(["go", "build", "-o", program, "main.go"], cwd=tmp_path, check=True,
                       env={**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(tmp_path / "cache")})
    said = quick(program)
    assert said["exit"] == 1 and "Go" in said["codes"]["go"]["text"]


def test_a_go_program_with_c(tmp_path):
    program = build(tmp_path, source="__attribute__((section(\".go.buildinfo\"))) "
                                     "char i[64] = {1}; int main(void) { return 0; }")
    said = quick(program)
    assert said["exit"] == 1 and said["traceable"] == "partly" and "go" in said["codes"]


def test_a_setuid_program(tmp_path):
    program = shutil.copy(TRUE, tmp_path / "p")
    try:
        os.chmod(program, 0o4755)
    except OSError as error:
        pytest.skip(str(error))
    if not os.stat(program).st_mode & stat.S_ISUID:
        pytest.skip("no setuid bit here")
    said = quick(program)
    assert said["exit"] == 0 and said["codes"]["setuid"]["verdict"] == "hint"
    if os.geteuid() == 0:
        for directory in (tmp_path, *tmp_path.parents):
            if directory.is_relative_to("/tmp") and directory != pathlib.Path("/tmp"):
                directory.chmod(0o755)
        said = as_nobody(program)
        assert said["exit"] == 1 and "LD_PRELOAD" in said["codes"]["setuid"]["text"]


# ---- which file ---------------------------------------------------------------------------------


def script(tmp_path, line, name="script"):
    path = tmp_path / name
    path.write_text(f"{line}\nexit 0\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("line", ["#!/usr/bin/python3 -u", "#! /usr/bin/env python3",
                                  "#!/usr/bin/env -S A=1 python3 -u"])
def test_a_script(tmp_path, line):
    path = os.path.dirname(PYTHON) + ":" + os.environ["PATH"]
    said = quick(script(tmp_path, line), env={"PATH": path})
    assert os.path.basename(said["program"]) == "python3"
    assert "python" in said["codes"] and said["exit"] == 0


def test_a_shell_script(tmp_path):
    said = quick(script(tmp_path, "#!/bin/sh"))
    assert said["exit"] == 0 and "shell" in said["codes"]


def test_a_script_without_its_interpreter(tmp_path):
    said = quick(script(tmp_path, "#!/no/such/interpreter"))
    assert said["exit"] == 1 and "/no/such/interpreter" in said["codes"]["interpreter"]["text"]


@pytest.mark.parametrize("content, code, words", [
    (b"#!/usr/bin/python3\r\nexit(0)\r\n", "interpreter", "Windows"),
    (b"#!/usr/bin/env\n", "interpreter", "names no interpreter"),
    (b"#!\n", "interpreter", "names no interpreter"),
    (pathlib.Path(TRUE).read_bytes()[:100], "damaged", "no complete program"),
    (pathlib.Path(TRUE).read_bytes()[:3000], "damaged", "no complete program"),
    (b"\0\1\2\3" * 100, "format", "no program"),
])
def test_what_cannot_be_started(tmp_path, content, code, words):
    program = tmp_path / "p"
    program.write_bytes(content)
    program.chmod(0o755)
    said = quick(program)
    assert said["exit"] == 1 and words in said["codes"][code]["text"]


def test_a_script_without_a_first_line(tmp_path):
    assert "/bin/sh" in quick(script(tmp_path, "echo hello"))["codes"]["script"]["text"]


def test_a_script_that_runs_itself(tmp_path):
    path = tmp_path / "script"
    assert "too deep" in quick(script(tmp_path, f"#!{path}"))["codes"]["interpreter"]["text"]


def test_found_through_path(tmp_path):
    shutil.copy(TRUE, tmp_path / "mine")
    said = quick("mine", env={"PATH": f"/nowhere:{tmp_path}"})
    assert said["program"] == str(tmp_path / "mine")


@pytest.mark.parametrize("name, word", [("no-such-command-here", "not found"),
                                        ("/no/such/file", "not found"),
                                        ("/etc/passwd", "cannot be executed"), ("", "not found")])
def test_no_such_program(name, word):
    result = command("doctor", name)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1 and word in result.stderr
    assert result.stdout == ""


def test_unknown_option():
    result = command("doctor", "--jsn")
    assert result.returncode == 2 and "did you mean --json" in result.stderr


# ---- what it links ------------------------------------------------------------------------------


@pytest.mark.parametrize("program, code", [("node", "node"), ("nginx", "nginx"),
                                           ("redis-server", "redis"), (PYTHON, "python")])
def test_runtimes_are_known(tool, program, code):
    said = quick(tool(program))
    assert code in said["codes"] and "tokio" not in said["codes"]


def test_imports_that_are_not_watched(tmp_path):
    """Names that look like libc's, from a library of the program's own."""
    known = re.findall(r'"(\w+)"', (SOURCE / "reporter" / "doctor" / "doctor_names.c").read_text())
    assert known == sorted(known) and len(known) > 250
    said = quick(build(tmp_path, source="#include <unistd.h>\nint main(void) { return sleep(0); }"))
    assert "imports" in said["codes"]
    assert "sleep" not in said["codes"]["imports"]["text"]


def test_calls_by_number(tmp_path):
    program = build(tmp_path, source="#include <unistd.h>\nint main(void) { return syscall(39) < 0; }")
    assert "syscall" in quick(program)["codes"]


# ---- the machine --------------------------------------------------------------------------------


def test_an_output_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    said = quick("-o", tmp_path / "file", TRUE)
    assert said["exit"] == 1 and "is a file" in said["codes"]["output"]["text"]
    said = quick("-o", tmp_path / "no" / "such" / "directory", TRUE)
    assert said["exit"] == 1 and said["codes"]["output"]["verdict"] == "never"


def test_no_new_privileges():
    setpriv = shutil.which("setpriv")
    if not setpriv:
        pytest.skip("setpriv is not installed")
    result = subprocess.run([setpriv, "--no-new-privs", STALLTRACE, "doctor", "--json",
                             "--no-selftest"], stdout=subprocess.PIPE, text=True, check=False,
                            env=environment())
    assert "no-new-privs" in [s["code"] for s in json.loads(result.stdout)["statements"]]


def test_a_broken_preload_is_told(tmp_path):
    """A copy of the command beside an object that wraps nothing."""
    shutil.copy(STALLTRACE, tmp_path / "stalltrace")
    shutil.copy(os.path.join(os.path.dirname(STALLTRACE), "stalltrace-selftest"), tmp_path)
    (tmp_path / "empty.c").write_text("")
    for name in ("libstalltrace.so", "stalltrace-agent.so"):
        built = subprocess.run(["gcc", "-shared", "-o", tmp_path / name, tmp_path / "empty.c"],
                               check=False)
        if built.returncode != 0:
            pytest.skip("gcc does not work here")
    result = subprocess.run([tmp_path / "stalltrace", "doctor", "--json", "-o", tmp_path / "out"],
                            stdout=subprocess.PIPE, text=True, env=environment(), check=False)
    said = json.loads(result.stdout)
    assert result.returncode == 1 and said["traceable"] == "no"
    assert said["selftest"]["seen"] == 0
    assert "is not in the trace" in said["selftest"]["problems"][0]["problem"]
