"""Native frames: names, lines, inlined frames, and binaries that say less or have changed."""
import os
import shutil
import subprocess

import pytest

import harness


@pytest.fixture
def build(tmp_path):
    """build(flags…): tests/programs/symbols.cc, compiled."""
    def compile_it(*flags, name="symbols"):
        if not shutil.which("g++"):
            pytest.skip("g++ is not installed")
        target = tmp_path / name
        subprocess.run(["g++", *flags, "-o", target, harness.PROGRAMS / "symbols.cc"], check=True)
        return target
    return compile_it


@pytest.mark.parametrize("flags", [("-g", "-O2"), ("-g", "-O2", "-no-pie"), ("-g", "-O0"),
                                   ("-g", "-O2", "-gdwarf-4"), ("-g", "-O2", "-fomit-frame-pointer")])
def test_demangled_and_inlined(run, build, flags):
    traced = run(build(*flags))
    assert traced.exit == 0, traced
    finding = traced.only_at("nanosleep", "symbols.cc")
    names = [f["function"] for f in finding["frames"]]
    inlined = next(i for i, name in enumerate(names) if "inlined_wait" in name)
    assert finding["culprit"] == inlined
    assert names[inlined].startswith("shop::Till<int>::inlined_wait")
    assert names[inlined + 1].startswith("shop::Till<int>::pay"), names
    assert names[inlined + 2] == "main"


def test_without_debug_information(run, build):
    traced = run(build("-O1"))
    finding = traced.find("nanosleep")
    assert any("shop::Till<int>::pay" in (f["function"] or "") for f in finding["frames"])


def test_stripped(run, build):
    """Module and offset are left."""
    traced = run(build("-O1", "-s"))
    finding = traced.find("nanosleep")
    frame = finding["frames"][1]
    assert frame["module"] == "symbols"
    assert frame["file"] is None
    assert "+0x" in (frame["function"] or "") or frame["address"].startswith("0x")
    assert "symbols" in harness.command("report", traced.dir).stdout


def test_a_binary_that_has_changed_is_not_believed(run, build):
    binary = build("-g", "-O2")
    traced = run(binary)
    before = traced.find_at("nanosleep", "symbols.cc")
    os.rename(binary, f"{binary}.old")
    build("-g", "-O0", "-DCHANGED")
    traced._report = None
    finding = traced.find("nanosleep")
    frames = [f for f in finding["frames"] if f["module"] == "symbols"]
    assert frames and all(f["file"] is None for f in frames), traced.describe()
    text = harness.command("report", traced.dir)
    assert "has changed" in text.stdout + text.stderr
    assert before["call"] == finding["call"]


def test_a_binary_that_is_gone(run, build):
    binary = build("-g", "-O2")
    traced = run(binary)
    os.remove(binary)
    finding = traced.find("nanosleep")
    assert any(f["module"] == "symbols" for f in finding["frames"])
    assert traced.check() == 1


def test_fingerprint_does_not_move_with_lines(run, build, tmp_path):
    first = run(build("-g", "-O2")).find("nanosleep")["fingerprint"]
    source = (harness.PROGRAMS / "symbols.cc").read_text()
    (tmp_path / "moved.cc").write_text("// one\n// two\n// three\n" + source)
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "symbols"
    subprocess.run(["g++", "-g", "-O2", "-o", moved, tmp_path / "moved.cc"], check=True)
    assert run(moved).find("nanosleep")["fingerprint"] == first
