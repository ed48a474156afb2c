"""`doctor`: can this program be traced?"""
import os
import shutil
import subprocess

import pytest

from harness import PYTHON, command


def test_a_dynamic_program():
    result = command("doctor", PYTHON, timeout=120)
    assert result.returncode == 0, result
    assert "clock_nanosleep" in result.stdout or "calls" in result.stdout


def test_a_static_program(tmp_path):
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    static = tmp_path / "static"
    built = subprocess.run(["gcc", "-static", "-o", static, source], stderr=subprocess.PIPE,
                           check=False)
    if built.returncode != 0:
        pytest.skip("a static program cannot be built here")
    result = command("doctor", static)
    assert result.returncode != 0
    assert "static" in result.stdout + result.stderr


def test_a_setuid_program():
    program = next((p for p in ("/usr/bin/passwd", "/usr/bin/chsh", "/usr/bin/su", "/bin/mount")
                    if os.path.exists(p) and os.stat(p).st_mode & 0o4000), None)
    if not program:
        pytest.skip("no setuid program here")
    result = command("doctor", program)
    assert "setuid" in result.stdout + result.stderr
    if os.geteuid() != 0:
        assert result.returncode != 0


def test_a_go_program(tmp_path):
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    (tmp_path / "main.go").write_text("package main\nfunc main() {}\n")
    subprocess.run(["go", "build", "-o", "gone", "main.go"], cwd=tmp_path, check=True,
                   env={**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(tmp_path / "cache")})
    result = command("doctor", tmp_path / "gone")
    assert result.returncode != 0
    assert "Go" in result.stdout + result.stderr


def test_no_such_program():
    result = command("doctor", "no-such-command-here")
    assert result.returncode in (2, 127)
    assert len(result.stderr.splitlines()) == 1
