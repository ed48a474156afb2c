"""However a program was built, and whatever else is preloaded into it."""
import os
import shutil
import subprocess

import pytest

import harness

SOURCE = harness.SOURCE / "tests" / "hostile" / "builds.c"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
EVERYTHING = {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all", "STALLTRACE_LOOPS": "main,auto"}
EXPECTED = (7, "8 bytes, all well\n")

TRACED = {
    "gcc": ["gcc", "-O1"],
    "gcc fortified": ["gcc", "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
    "gcc fortified 3": ["gcc", "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"],
    "gcc non-PIE": ["gcc", "-O1", "-no-pie", "-fno-pie"],
    "gcc bind now": ["gcc", "-O1", "-Wl,-z,now"],
    "gcc without PLT": ["gcc", "-O1", "-fno-plt"],
    "gcc without frame pointers": ["gcc", "-O3", "-fomit-frame-pointer", "-fcf-protection=full"],
    "clang": ["clang", "-O1"],
    "clang fortified": ["clang", "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"],
    "clang non-PIE": ["clang", "-O1", "-no-pie", "-fno-pie"],
}
# and a word of what `run` has to say
UNTRACED = {
    "static": (["gcc", "-O1", "-static"], "static"),
    "static-PIE": (["gcc", "-O1", "-static-pie"], "static"),
    "musl": (["musl-gcc", "-O1"], "musl"),
    "static musl": (["musl-gcc", "-O1", "-static"], "static"),
    "32-bit": (["gcc", "-O1", "-m32"], "32"),
}


def build(tmp_path, argv, *more):
    if not shutil.which(argv[0]):
        pytest.skip(f"{argv[0]} is not installed")
    path = tmp_path / "program"
    result = subprocess.run([*argv, "-g", "-pthread", "-o", path, SOURCE, *more],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"{' '.join(argv)} cannot build: {result.stdout.splitlines()[-1]}")
    return path


def preloaded(path, tmp_path, preload, extra=None):
    traces = tmp_path / "traces"
    traces.mkdir(exist_ok=True)
    env = harness.environment({"LD_PRELOAD": preload, "STALLTRACE_OUTPUT": str(traces), **(extra or {})})
    result = subprocess.run([*path, "8"], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=60,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    return result, harness.Traces(traces)


@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
@pytest.mark.parametrize("name", TRACED)
def test_traced(tmp_path, name, everything):
    path = build(tmp_path, TRACED[name])
    result, traces = preloaded([path], tmp_path, harness.PRELOAD, EVERYTHING if everything else {})
    assert (result.returncode, result.stdout) == EXPECTED, result
    if everything:
        assert result.stderr == "", result
    found = {f["call"] for f in traces.findings}
    assert {"nanosleep", "pthread_mutex_lock"} <= found, traces.describe()


@pytest.mark.parametrize("name", UNTRACED)
def test_unharmed_and_untraced(tmp_path, name):
    argv, word = UNTRACED[name]
    path = build(tmp_path, argv)
    for argv in ([path], ["sh", "-c", '"$0" "$@"; exit $?', path]):  # and as a child of a traced one
        result, traces = preloaded(argv, tmp_path, harness.PRELOAD)
        assert (result.returncode, result.stdout) == EXPECTED, result
        assert not traces.files()
        if name != "32-bit":  # of which its loader says that it leaves the library alone
            assert result.stderr == "", result


def test_what_musl_knows_a_libc_by_is_right_for_glibc(preload, tmp_path):
    """A look-up without a version finds the shim's symbols."""
    code = """
#include <dlfcn.h>
#include <stdio.h>
int main(void)
{
    FILE **found = dlsym(RTLD_DEFAULT, "stdin");
    int (*get)(FILE *) = (int (*)(FILE *))dlsym(RTLD_DEFAULT, "getchar");
    printf("%d %d\\n", *found == stdin, get(stdin));
    return 0;
}
"""
    source = tmp_path / "stdin.c"
    source.write_text(code)
    subprocess.run(["gcc", "-o", tmp_path / "program", source], check=True)
    result = preload(tmp_path / "program")
    assert result.exit == 0 and result.out == b"1 -1\n", result


@pytest.mark.parametrize("name", UNTRACED)
def test_run_says_why_not(tmp_path, name):
    argv, word = UNTRACED[name]
    path = build(tmp_path, argv)
    result = harness.command("run", "-o", tmp_path / "traces", "--", path, "8", cwd=tmp_path)
    assert (result.returncode, result.stdout) == EXPECTED, result
    assert word in result.stderr, result.stderr


COMPANIONS = {
    "faketime": (f"{LIBRARIES}/faketime/libfaketimeMT.so.1", {"FAKETIME": "+2d"}),
    "jemalloc": (f"{LIBRARIES}/libjemalloc.so.2", {}),
    "tcmalloc": (f"{LIBRARIES}/libtcmalloc_minimal.so.4", {}),
    "stdbuf": ("/usr/libexec/coreutils/libstdbuf.so", {"_STDBUF_O": "0"}),
}


@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", COMPANIONS)
def test_other_preloads(tmp_path, name, first, everything):
    other, env = COMPANIONS[name]
    if not os.path.exists(other):
        pytest.skip(f"{other} is not there")
    path = build(tmp_path, TRACED["gcc"])
    order = [harness.PRELOAD, other] if first else [other, harness.PRELOAD]
    result, traces = preloaded([path], tmp_path, ":".join(order),
                               {**env, **(EVERYTHING if everything else {})})
    assert (result.returncode, result.stdout, result.stderr) == (*EXPECTED, ""), result
    assert "nanosleep" in {f["call"] for f in traces.findings}, traces.describe()


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_fake_time_stays_faked(tmp_path, first):
    """What it makes of the clock is what the program sees, and not what we measure with."""
    other = COMPANIONS["faketime"][0]
    if not os.path.exists(other):
        pytest.skip("faketime is not installed")
    code = ("import asyncio, datetime, time\n"
            "async def main(): await asyncio.sleep(0.01); time.sleep(0.06)\n"
            "asyncio.run(main()); print(datetime.datetime.now().year)")
    order = [harness.PRELOAD, other] if first else [other, harness.PRELOAD]
    result, traces = preloaded([harness.PYTHON, "-c", code], tmp_path, ":".join(order),
                               {"FAKETIME": "@2031-01-01 12:00:00"})
    assert (result.returncode, result.stdout, result.stderr) == (0, "2031\n", ""), result
    finding = traces.find("clock_nanosleep")
    assert 55 < harness.wall_ms(finding) and finding["max_ms"] < 1000


@pytest.mark.parametrize("everything", [False, True], ids=["default", "everything"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("sanitizer", ["address", "thread", "undefined"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_sanitizers(tmp_path, compiler, sanitizer, first, everything):
    """In a program that was built with a sanitizer, whose runtime interposes what we do."""
    flags = [f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    path = build(tmp_path, [compiler, "-O1", *flags])
    plain = subprocess.run([path, "8"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env=harness.environment(), timeout=60, check=False)
    if (plain.returncode, plain.stdout) != EXPECTED:
        pytest.skip(f"it does not run here: {plain.stderr[-200:]}")
    order, env = [harness.PRELOAD], {}
    if compiler == "gcc" and sanitizer != "undefined":
        short = {"address": "asan", "thread": "tsan"}[sanitizer]
        name = subprocess.run(["gcc", f"-print-file-name=lib{short}.so"], stdout=subprocess.PIPE,
                              text=True, check=True).stdout.strip()
        runtime = os.path.realpath(name)
        if first:  # it insists on being the first; that is a check of its own
            env = {"ASAN_OPTIONS": "verify_asan_link_order=0"}
        else:
            order.insert(0, runtime)
    elif not first:
        pytest.skip("the runtime is in the program itself: there is no order")
    result, traces = preloaded([path], tmp_path, ":".join(order),
                               {**env, **(EVERYTHING if everything else {})})
    assert (result.returncode, result.stdout, result.stderr) == (*EXPECTED, ""), result
    assert traces.findings, "nothing was recorded"


def test_stdbuf(tmp_path):
    """`stdbuf` adds itself to the preloads that are there."""
    if not shutil.which("stdbuf"):
        pytest.skip("stdbuf is not installed")
    path = build(tmp_path, TRACED["gcc"])
    result, traces = preloaded(["stdbuf", "-o0", path], tmp_path, harness.PRELOAD)
    assert (result.returncode, result.stdout) == EXPECTED, result
    traces.find("nanosleep")
