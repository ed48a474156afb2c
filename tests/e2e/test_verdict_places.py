"""Each finding is at the line that a person would change, and each line is a finding."""
import datetime
import glob
import os
import subprocess
import sys

import pytest

from harness import PYTHON, stall_line


def culprit(finding):
    frame = finding["frames"][finding["culprit"]]
    return frame["file"].rsplit("/", 1)[-1], frame["line"]


def test_an_import_is_blamed_on_the_line_that_imports(run, script):
    """Code of modules is freed right after it ran: none may be named after what came in its place."""
    traced = run(PYTHON, "-B", script("verdict/lazy_import.py"), options=("--strict=file,meta",))
    assert traced.exit == 0, traced
    here = ("lazy_import.py", stall_line("verdict/lazy_import.py"))
    found = [f for f in traced.findings if f["kind"] == "call" and any(
        "importlib" in (frame["file"] or "") for frame in f["frames"])]
    assert found, traced.describe()
    assert {culprit(f) for f in found} == {here}, traced.describe()
    assert {f["callee"] for f in found} == {"import"}
    for finding in found:
        assert not [f for f in finding["frames"] if f["lang"] == "python" and not f["function"]]


PLACES = """
import asyncio, time, dataclasses
def twice():
    time.sleep(0.09)
    time.sleep(0.12)
def called():
    for _ in range(2): twice()
def comprehension():
    return [time.sleep(0.06) for _ in range(2)]
nap = lambda: time.sleep(0.15)
def stamp():
    return time.sleep(0.18)
exec("def generated(): time.sleep(0.21)", {"time": time}, made := {})
@dataclasses.dataclass
class Order:
    at: int = dataclasses.field(default_factory=stamp)
class A:
    def same(self): time.sleep(0.24)
class B:
    def same(self): time.sleep(0.27)
def both(): A().same(); B().same()
async def main():
    await asyncio.sleep(0.02)
    twice(); called(); comprehension(); nap(); Order()
    made["generated"]()
    both()
    eval("time.sleep(0.33)")
    await asyncio.sleep(0.02)
asyncio.run(main())
"""


def test_a_line_is_a_finding_and_so_is_the_next(run, tmp_path):
    program = tmp_path / "places.py"
    program.write_text(PLACES)
    traced = run(PYTHON, program, options=("--iteration-threshold", "10s"))
    assert traced.exit == 0, traced
    found = {culprit(f)[1]: f["count"] for f in traced.findings}
    assert found == {4: 3, 5: 3, 9: 2, 10: 1, 12: 1, 18: 1, 20: 1, 25: 1, 27: 1}, traced.describe()
    fingerprints = {f["fingerprint"] for f in traced.findings if culprit(f)[1] in (4, 5)}
    assert len(fingerprints) == 1, "the two lines are of one function"


@pytest.mark.parametrize("debug", ["-g", "-g0"])
def test_two_lines_of_c(run, compile_c, debug):
    program = compile_c("""
#include <sys/epoll.h>
#include <time.h>
static void nap(long ms) { struct timespec t = {0, ms * 1000000}; nanosleep(&t, 0); }
__attribute__((noinline)) void handler(void)
{
    nap(30);
    nap(50);
}
int main(void)
{
    int e = epoll_create1(0);
    struct epoll_event event;
    epoll_wait(e, &event, 1, 10);
    handler();
    handler();
    epoll_wait(e, &event, 1, 10);
    return 0;
}
""", debug, "-O1", "-fno-inline", "-fno-optimize-sibling-calls")
    traced = run(program)
    assert traced.exit == 0, traced
    assert [f["count"] for f in traced.findings] in ([4], [2, 2]), traced.describe()


def test_who_called_and_what_was_waited_for_are_kept(run, tmp_path):
    program = tmp_path / "details.py"
    program.write_text("""
import asyncio, time
def nap(seconds): time.sleep(seconds)
def one(): nap(0.03)
def two(): nap(0.05)
async def main():
    await asyncio.sleep(0.02)
    one(); two(); two()
    await asyncio.sleep(0.02)
asyncio.run(main())
""")
    traced = run(PYTHON, program)
    (finding,) = [f for f in traced.findings if f["kind"] == "call"]
    assert {d["detail"]: d["count"] for d in finding["details"]} == {"30 ms": 1, "50 ms": 2}
    assert abs(sum(d["total_ms"] for d in finding["details"]) - finding["total_ms"]) < 0.1
    assert len(finding["stacks"]) == 2 and finding["count"] == 3
    assert finding["first_at"] < finding["last_at"]
    process = traced.report()["processes"][0]
    assert process["complete"] and process["began_at"] < finding["first_at"] < process["ended_at"]


def test_a_line_of_a_template_is_one_place(run, tmp_path, tool):
    """Whatever it was instantiated for, and so is its fingerprint."""
    source, program = tmp_path / "template.cc", tmp_path / "template"
    source.write_text("""
#include <sys/epoll.h>
#include <unistd.h>
template <int N> __attribute__((noinline)) void nap() {
    usleep(N * 1000);
    asm volatile("");
}
template <class T> struct Box {
    __attribute__((noinline)) void slow(T ms) {
        usleep(1000 * ms);
        asm volatile("");
    }
};
int main() {
    int e = epoll_create1(0);
    struct epoll_event event;
    epoll_wait(e, &event, 1, 10);
    nap<120>(); nap<140>();
    Box<int>().slow(120); Box<long>().slow(140);
    epoll_wait(e, &event, 1, 10);
}
""")
    subprocess.run([tool("g++"), "-g", "-O1", "-fno-optimize-sibling-calls", "-o", program, source], check=True)
    traced = run(program)
    assert traced.exit == 0, traced
    assert {culprit(f)[1]: f["count"] for f in traced.findings} == {5: 2, 10: 2}, traced.describe()


def test_a_comprehension_is_part_of_its_function(run, tmp_path):
    """In Python 3.12 it is, and where it was not it makes no other place of the same computing."""
    program = tmp_path / "computing.py"
    program.write_text("""
import asyncio
async def main():
    await asyncio.sleep(0.02)
    for part in (1, 4), (4, 1):
        for i in range(part[0] * 2_000_000): i * i
        [i * i for i in range(part[1] * 2_000_000)]
        await asyncio.sleep(0.02)
asyncio.run(main())
""")
    traced = run(PYTHON, program, options=("--threshold", "5s"))
    assert traced.exit == 0, traced
    assert [f["count"] for f in traced.findings] == [2], traced.describe()


STABLE = """
import asyncio, os, select, socket, subprocess, time
def deco(f):
    def inner(*a): return f(*a)
    return inner
@deco
def decorated(): time.sleep(0.15)
class Shop:
    async def pay(self): time.sleep(0.15)
async def handler():
    ours, theirs = socket.socketpair()
    select.select([ours], [], [], 0.15)
    subprocess.run(["sleep", "0.15"])
    os.system("sleep 0.15")
    decorated()
    await Shop().pay()
    {i: time.sleep(0.1) for i in range(2)}
async def main():
    await asyncio.sleep(0.02)
    await handler()
    await asyncio.sleep(0.02)
asyncio.run(main())
"""


def test_fingerprints_are_stable(run, tmp_path):
    """A caller more, a line above, optimising, another path, a module, another CPython of the same version."""
    def fingerprints(directory, source, *arguments, python=PYTHON):
        (tmp_path / directory).mkdir(parents=True)
        (tmp_path / directory / "app.py").write_text(source)
        traced = run(python, *(arguments or ("app.py",)), cwd=tmp_path / directory,
                     options=("--iteration-threshold", "30s"))
        assert traced.exit == 0, traced
        return {f["fingerprint"] for f in traced.findings if "app.py" in str(f["frames"])}
    first = fingerprints("first", STABLE)
    assert len(first) == 6, first
    called = STABLE.replace("await handler()", "await more()").replace(
        "async def main", "async def more():\n    await handler()\nasync def main")
    assert fingerprints("caller", called) == first
    assert fingerprints("line", "# one more\n\n" + STABLE) == first
    assert fingerprints("optimised", STABLE, "-OO", "-B", "app.py") == first
    assert fingerprints("deep/er", STABLE, tmp_path / "deep/er/app.py") == first
    assert fingerprints("module", STABLE, "-m", "app") == first
    if sys.executable != PYTHON:
        return
    version = "%d.%d" % sys.version_info[:2]
    for number, other in enumerate(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python3"))):
        assert fingerprints(f"build{number}", STABLE, python=other) == first


def test_what_is_counted_is_in_the_figures(run, tmp_path):
    """After fifty of a place they are counted: until when, and how many of the details, is known all the same."""
    program = tmp_path / "many.py"
    program.write_text("""
import asyncio, time
async def main():
    await asyncio.sleep(0.02)
    for _ in range(80):
        time.sleep(0.03)
        await asyncio.sleep(0)
asyncio.run(main())
""")
    traced = run(PYTHON, program, options=("--iteration-threshold", "30s"))
    finding = traced.find("clock_nanosleep")
    assert sum(d["count"] for d in finding["details"]) == finding["count"], finding["details"]
    assert abs(sum(d["total_ms"] for d in finding["details"]) - finding["total_ms"]) < 0.1
    began, last = (datetime.datetime.fromisoformat(finding[k][:-1]) for k in ("first_at", "last_at"))
    assert (last - began).total_seconds() > 70 * 0.03, finding
