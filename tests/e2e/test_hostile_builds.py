"""The hostile programs once more, as other compilers and options make them: other imports (checked
variants, longjmp's too), other stack frames, other addresses."""
import glob
import os
import shutil
import subprocess

import pytest

import harness
from test_transparency import HOSTILE, SKIPPED, cases, hostile

BUILDS = {
    "gcc fortified 3": (["gcc", "g++"], ["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]),
    "gcc non-PIE": (["gcc", "g++"], ["-O2", "-fno-pie", "-no-pie", "-fomit-frame-pointer"]),
    "clang fortified 2": (["clang", "clang++"], ["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]),
}
SPECIAL = {"alloc": ["-fno-builtin"], "limits": ["-fno-builtin"],
           "exceptions": ["-fnon-call-exceptions", "-std=gnu++17"]}
NOT_OF_CLANG = {("exceptions", "from_a_cookie")}
# Thousands of threads or processes: how they were compiled makes no difference, and they take long.
LEFT_OUT = ("storm", "storm_of_10000", "spawns", "vforks")


@pytest.fixture(scope="module", name="built")
def hostile_programs(tmp_path_factory):
    directories = {}

    def build(name):
        if name in directories:
            return directories[name]
        compilers, flags = BUILDS[name]
        directory = directories[name] = tmp_path_factory.mktemp("hostile")
        for source in glob.glob(f"{HOSTILE}/*.c*"):
            program, kind = os.path.splitext(os.path.basename(source))
            compiler = compilers[kind == ".cc"]
            if program == "builds" or not shutil.which(compiler):
                continue
            more = SPECIAL.get(program, [] if kind == ".cc" else ["-std=gnu11"])
            if program == "plugin":
                more, program = [*more, "-shared", "-fPIC"], "plugin.so"
            elif "-no-pie" not in flags:
                more = [*more, "-fPIE", "-pie"]
            subprocess.run([compiler, *flags, *more, "-g", "-w", "-pthread", "-Wl,-rpath,$ORIGIN",
                            "-o", directory / program, source], check=True)
        return directory
    return build


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("program, case", [c for c in cases() if c[1] not in LEFT_OUT])
def test_hostile(tmp_path, built, build, program, case):
    if build.startswith("clang") and (program, case) in NOT_OF_CLANG:
        pytest.skip("clang takes it for certain that no exception comes out of libc's functions")
    path = built(build) / program
    if not path.exists():
        pytest.skip(f"{BUILDS[build][0]} is not installed")
    plain = subprocess.run([path, case, tmp_path], env=harness.environment(), cwd=tmp_path, timeout=100,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True, check=False)
    if plain.returncode == SKIPPED:
        pytest.skip(plain.stderr.strip())
    assert (plain.returncode, plain.stdout) == (0, "ok\n"), plain
    hostile(path, case, "strict", tmp_path)
