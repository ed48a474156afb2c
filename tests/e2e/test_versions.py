"""Programs that ask for versions of functions that libc keeps for old programs: each gets that
version's behaviour, and is timed where it waits. Beside these, every version has a row of its own
in the table, and so a trial (test_calls.py)."""
import os
import re
import shutil
import subprocess

import pytest

import harness

SOURCE = harness.PROGRAMS / "versions.c"
FLAGS = ["-std=gnu11", "-g", "-O1", "-fno-builtin", "-fno-optimize-sibling-calls", "-pthread"]
# what it prints, and how it is reported: the call, where, and for how long at the least
CALLS = {
    "realpath": ("nothing, Invalid argument\n", "realpath", "realpath", 0),
    "glob": ("0, asked 1\n", "glob", "glob", 140),
    "nftw": ("7\n", "nftw", "nftw", 140),
    "posix_spawn": ("Success, 7\n", "posix_spawn", "spawn", 140),
    "posix_spawnp": ("Success, 7\n", "posix_spawnp", "spawn", 140),
    "pthread_cond_wait": ("0, a pointer, and no more\n", "pthread_cond_wait", "pthread_cond_wait", 140),
    "pthread_cond_timedwait": ("0, a pointer, and no more\n", "pthread_cond_timedwait",
                               "pthread_cond_timedwait", 140),
    "vfscanf": ("1, 4711, error 0\n", "vfscanf", "vfscanf", 140),
    "lio_listio": ("0, 4711\n", "lio_listio", "lio_listio", 140),
    "lio_listio 2.2.5": ("0, did not wait, 4711\n", None, None, 0),
    "quick_exit": ("destroyed\n", "nanosleep", "nap", 140),
}
# As libc chooses where no version is asked for: the oldest of libc's first version, else the default.
UNVERSIONED = {name: what for name, what in CALLS.items()
               if name not in ("lio_listio 2.2.5", "quick_exit")}
UNVERSIONED["lio_listio"] = CALLS["lio_listio 2.2.5"]
UNVERSIONED["quick_exit"] = ("", *CALLS["quick_exit"][1:])
DATA = ("stdin", "stdout", "stderr", "environ", "__environ")


def compile_with(*argv):
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    subprocess.run(["gcc", *map(str, argv)], check=True)


def symbols(*argv):
    if not shutil.which("nm"):
        pytest.skip("nm is not installed")
    listed = subprocess.run(["nm", *map(str, argv)], stdout=subprocess.PIPE, text=True, check=True)
    return [line.split()[-1] for line in listed.stdout.splitlines()]


@pytest.fixture(scope="module", name="versioned")
def versioned_program(tmp_path_factory):
    directory = tmp_path_factory.mktemp("versioned")
    for version in "GLIBC_2.4", "GLIBC_2.2.5":
        compile_with(*FLAGS, f'-DLIO_VERSION="{version}"', "-o", directory / version, SOURCE)
        asked = symbols("-D", "--undefined-only", directory / version)
        assert {"realpath@GLIBC_2.2.5", f"lio_listio@{version}"} <= set(asked)
    return lambda name: directory / ("GLIBC_2.2.5" if name.endswith("2.2.5") else "GLIBC_2.4")


@pytest.fixture(scope="module", name="unversioned")
def unversioned_program(tmp_path_factory):
    """Linked with a libc that has no versions; what runs is the real one."""
    directory = tmp_path_factory.mktemp("unversioned")
    program, stub = directory / "program.o", directory / "stub.s"
    compile_with(*FLAGS, "-fPIE", "-DUNVERSIONED", "-c", "-o", program, SOURCE)
    wanted = {*symbols("-u", program), "__libc_start_main"} - {"_GLOBAL_OFFSET_TABLE_"}
    with open(stub, "w", encoding="ascii") as text:
        for name in sorted(wanted - set(DATA)):
            text.write(f".globl {name}\n.type {name}, @function\n{name}: ret\n")
        for name in DATA:
            text.write(f".data\n.globl {name}\n.type {name}, @object\n.size {name}, 8\n{name}: .quad 0\n")
        text.write('.section .note.GNU-stack,"",@progbits\n')
    compile_with("-shared", "-nostdlib", "-Wl,-soname,libc.so.6", "-o", directory / "libc.so", stub)
    compile_with("-nodefaultlibs", "-o", directory / "program", program, directory / "libc.so")
    asked = symbols("-D", "--undefined-only", directory / "program")
    assert "realpath" in asked and not any("@" in name for name in asked)
    return directory / "program"


def as_without_us(run, tmp_path, binary, name, expected):
    """Runs the call with and without the shim."""
    printed, call, where, least_ms = expected
    status = 7 if name == "quick_exit" else 0
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = tmp_path / "fifo.script"
    script.write_text("exit 7\n")
    script.chmod(0o700)
    argv = [binary, name.split()[0], *([fifo] if "spawn" in name else [])]
    plain = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env=harness.environment(), timeout=60, check=False)
    assert (plain.returncode, plain.stdout, plain.stderr) == (status, printed, ""), plain
    traced = run(*argv, options=["--threshold", "10ms,meta=0"])
    assert (traced.exit, traced.out.decode(), traced.err) == (status, printed, "")
    if call is None:
        assert not [f for f in traced.findings if f["call"] == name.split()[0]], traced.describe()
        return
    finding = traced.find_at(call, "versions.c", where)
    assert least_ms <= harness.wall_ms(finding) and finding["max_ms"] <= 2000


@pytest.mark.parametrize("name", CALLS)
def test_old_version(run, versioned, tmp_path, name):
    as_without_us(run, tmp_path, versioned(name), name, CALLS[name])


@pytest.mark.parametrize("name", UNVERSIONED)
def test_no_version(run, unversioned, tmp_path, name):
    as_without_us(run, tmp_path, unversioned, name, UNVERSIONED[name])


# ---- every version of every function that is interposed ------------------------------------------

# Asks for each as a program does that was linked with it: dlvsym leaves out what has no version.
WHOSE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
extern const struct { const char *symbol; void *found; } asked[];
int main(void)
{
    for (int i = 0; asked[i].symbol; i++) {
        Dl_info info = {0};
        printf("%s %s\\n", asked[i].symbol, dladdr(asked[i].found, &info) ? info.dli_fname : "nobody");
    }
}
"""


def ask_for(directory, asked):
    table = [".section .data.rel, \"aw\"", ".globl asked", "asked:"]
    for i, symbol in enumerate(asked):
        table += [f".symver a{i}, {symbol}", f".quad t{i}, a{i}"]
    table += [".quad 0, 0", *(f't{i}: .asciz "{symbol}"' for i, symbol in enumerate(asked)),
              '.section .note.GNU-stack,"",@progbits', ""]
    (directory / "table.s").write_text("\n".join(table))
    (directory / "whose.c").write_text(WHOSE)
    compile_with("-o", directory / "whose", directory / "whose.c", directory / "table.s")
    return directory / "whose"


def libc_versions():
    """name → {version: address}, and name → its default version."""
    path = re.search(r"=> (\S*/libc\.so\.6)", subprocess.run(
        ["ldd", harness.PYTHON], stdout=subprocess.PIPE, text=True, check=True).stdout)[1]
    versions, default = {}, {}
    listed = subprocess.run(["nm", "-D", "--defined-only", path], stdout=subprocess.PIPE, text=True,
                            check=True)
    for line in listed.stdout.splitlines():
        address, kind, symbol = line.split()
        name, _, version = symbol.partition("@")
        if kind in "TtWiV" and version and "PRIVATE" not in version:
            versions.setdefault(name, {})[version.lstrip("@")] = address
            if version.startswith("@"):
                default[name] = version[1:]
    return versions, default


def test_every_version_is_served(preload, tmp_path):
    """Whichever version of an interposed function a program asks for, it finds the shim."""
    versions, _ = libc_versions()
    ours = {symbol.split("@")[0] for symbol in symbols("-D", "--defined-only", harness.PRELOAD)
            if not symbol.endswith("@STALLTRACE_MUSL")}
    asked = [f"{name}@{version}" for name in sorted(ours & set(versions))
             for version in versions[name]]
    assert len(asked) > 600
    answer = preload(ask_for(tmp_path, asked))
    assert answer.exit == 0, answer
    owners = dict(line.split(" ", 1) for line in answer.out.decode().splitlines())
    assert set(owners) == set(asked)
    elsewhere = {symbol for symbol, file in owners.items()
                 if os.path.realpath(file) != os.path.realpath(harness.PRELOAD)}
    assert elsewhere == set(), elsewhere


def test_what_is_left_to_libc_is_listed():
    """A function with versions that behave differently (they are not one and the same code) is
    interposed with each of them, or each of its old ones is an exception with a reason."""
    versions, default = libc_versions()
    page = (harness.SOURCE / "doc" / "coverage-exceptions.tsv").read_text()
    listed = set(re.findall(r"[\w]+@GLIBC_[\d.]+", page))
    exported = set(symbols("-D", "--defined-only", harness.PRELOAD))
    old = {f"{name}@{version}" for name, found in versions.items() for version in found
           if name in default and found[version] != found[default[name]]}
    assert old - exported == listed
