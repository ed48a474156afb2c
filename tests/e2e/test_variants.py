"""A program that was built otherwise imports other names: __read_chk, open64, __poll_chk, …"""
import os
import shutil
import subprocess

import pytest

import harness

FLAGS = {
    "plain": (["-O1"], {}),
    "fortified": (["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
                  {"read": "__read_chk", "recv": "__recv_chk", "recvfrom": "__recvfrom_chk",
                   "poll": "__poll_chk", "open": "__open_2"}),
    "large": (["-O1", "-D_FILE_OFFSET_BITS=64"], {"open": "open64"}),
    "fortified-large": (["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2",
                         "-D_FILE_OFFSET_BITS=64"], {"open": "__open64_2"}),
}
CALLS = ["read", "readv", "recv", "recvfrom", "recvmsg", "poll", "open"]


@pytest.fixture(scope="module")
def variant(tmp_path_factory):
    built = {}

    def build(name):
        if not shutil.which("gcc"):
            pytest.skip("gcc is not installed")
        if name not in built:
            built[name] = tmp_path_factory.mktemp(name) / "variants"
            subprocess.run(["gcc", "-std=gnu11", "-g", "-fno-optimize-sibling-calls", *FLAGS[name][0],
                            "-o", built[name], harness.PROGRAMS / "variants.c", "-pthread"],
                           check=True)
        return built[name]
    return build


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("call", CALLS)
def test_variant_is_reported_as_its_base(run, variant, tmp_path, name, call):
    binary = variant(name)
    imported = FLAGS[name][1].get(call)
    if imported and shutil.which("nm"):
        symbols = subprocess.run(["nm", "-D", binary], stdout=subprocess.PIPE, text=True,
                                 check=True).stdout
        assert f" {imported}@" in symbols, "the compiler chose another name"
    args = [call]
    if call == "open":
        os.mkfifo(tmp_path / "fifo")
        args.append(tmp_path / "fifo")
    traced = run(binary, *args)
    assert traced.exit == 0, traced
    finding = traced.only_at(call, "variants.c", call)
    assert 140 <= harness.wall_ms(finding) and finding["max_ms"] <= 1000


@pytest.mark.parametrize("name", ["__open_2", "__open64_2", "__openat_2", "__openat64_2"])
def test_last_words_are_the_variants_own(preload, name):
    """Each ends a program that forgot the mode, and says in what."""
    arguments = "-100, b'/nonexistent', 64" if "at" in name else "b'/nonexistent', 64"
    code = f"import ctypes; getattr(ctypes.CDLL(None), {name!r})({arguments})"
    plain = subprocess.run([harness.PYTHON, "-c", code], env=harness.environment(), check=False,
                           stderr=subprocess.PIPE, text=True)
    traced = preload(harness.PYTHON, "-c", code)
    assert "invalid open" in plain.stderr
    assert (traced.exit, traced.err) == (plain.returncode, plain.stderr)
