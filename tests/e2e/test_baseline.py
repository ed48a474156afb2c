"""Baselines: what is known does not fail, what is new does; tried against what a project goes through."""
import json
import os

import pytest

from harness import CALM, PYTHON, SOURCE, command

SHOP = """
import asyncio, time
def pay(seconds):
    time.sleep(seconds)
async def main():
    await asyncio.sleep(0.02)
    pay(0.2)
    await asyncio.sleep(0.02)
    time.sleep(0.25)
    await asyncio.sleep(0.02)
asyncio.run(main())
"""

# Every place is one that a compiler could inline, duplicate or move.
NATIVE = """
#include <sys/epoll.h>
#include <unistd.h>
#include <poll.h>
static volatile int rounds = 1;
static inline void flush_log(void) { usleep(200000); rounds += 0; }
static int ask(int times)
{
    for (int i = 0; i < times; i++) {
        poll(0, 0, 200);
        rounds += 0;
    }
    return times;
}
static void handle(int what)
{
    if (what == 1)
        flush_log();
    else
        rounds += 0 * ask(rounds);
    rounds += 0;
}
int main(void)
{
    struct epoll_event event;
    int epoll = epoll_create1(0);
    for (int i = 0; i < 4; i++) {
        epoll_wait(epoll, &event, 1, 5);
        if (i == 1 || i == 2)
            handle(i);
    }
    return 0;
}
"""


def entries(file):
    return json.loads(file.read_text())["entries"]


@pytest.fixture
def shop(run, tmp_path):
    """shop(text, *argv, where=…): runs it; a Traces."""
    def run_it(text=SHOP, *python, where="checkout", **options):
        (tmp_path / where).mkdir(exist_ok=True)
        program = tmp_path / where / "shop.py"
        program.write_text(text)
        traced = run(*(python or [PYTHON]), program, options=CALM, **options)
        assert traced.exit == 0, traced
        return traced
    return run_it


@pytest.fixture
def baseline(tmp_path):
    """baseline(traces, *options): the file, written."""
    def write(traced, *options):
        file = tmp_path / "stalls.json"
        result = command("baseline", *options, file, traced.dir)
        assert result.returncode == 0 and not result.stderr, result
        return file
    return write


def check(file, traced, *options):
    return command("check", "--baseline", file, *options, traced.dir)


def test_what_is_written(shop, baseline):
    traced = shop()
    text = baseline(traced).read_text()
    lines = text.splitlines()
    assert len(lines) == 4 and lines[1].startswith('{"fingerprint": "') and lines[1] < lines[2], text
    assert [sorted(e) for e in entries(baseline(traced))] == [["fingerprint", "places", "what"]] * 2
    assert {e["fingerprint"] for e in json.loads(text)["entries"]} == {f["fingerprint"] for f in traced.findings}
    assert "in pay, shop.py" in text and "in main, shop.py" in text
    for no in ":4", ":9", "ms", str(traced.dir.parent), os.uname().nodename, "/":
        assert no not in text.replace("baseline/1", ""), no
    again = baseline(traced)  # is as it was
    assert again.read_text() == text and oct(again.stat().st_mode & 0o400) == "0o400"


def test_known_and_new(shop, baseline, tmp_path):
    traced = shop()
    file = baseline(traced)
    result = check(file, traced)
    assert result.returncode == 0 and f"2 known findings (baseline {file})" in result.stdout, result
    assert "nothing is new" in result.stdout and "shop.py:" not in result.stdout, result
    assert command("check", traced.dir).returncode == 1

    more = shop(SHOP.replace("    pay(0.2)\n", "    pay(0.2)\n    open(0, closefd=False)\n    import select\n"
                                                "    select.select([], [], [], 0.3)\n"))
    result = check(file, more)
    assert result.returncode == 1, result
    assert [("select" in line) for line in result.stdout.splitlines() if "shop.py:" in line] == [True]
    last = result.stdout.splitlines()[-1]
    assert "1 new finding" in last and f"stalltrace report --baseline {file} {more.dir}" in last, last

    text = command("report", "--baseline", file, more.dir).stdout
    assert text.count("  NEW") == 1 and text.count("  known") == 2 and "2 known findings (baseline" in text
    report = json.loads(command("report", "--format", "json", "--baseline", file, more.dir).stdout)
    states = {f["call"]: f["baseline_state"] for f in report["findings"]}
    assert states["select"] == "new" and sorted(states.values()) == ["known", "new"], states
    assert report["baseline"] == {"file": str(file), "new": 1, "known": 2, "not_seen": []}
    assert {f["baseline_state"] for f in more.findings} == {None} and more.report()["baseline"] is None


def test_fail_on_beside_a_baseline(shop, baseline):
    """`new` is the default; what is named otherwise looks at known findings, too."""
    traced = shop()
    file = baseline(traced)
    for what, status in (("new", 0), ("findings", 1), ("new,duration>150ms", 1), ("duration>30s", 0)):
        assert check(file, traced, "--fail-on", what).returncode == status, what
    result = command("check", "--fail-on", "new", traced.dir)
    assert result.returncode == 2 and "--baseline" in result.stderr


def test_an_entry_covers_as_many_places_as_it_counts(shop, baseline):
    file = baseline(shop())
    two = SHOP.replace("    time.sleep(seconds)\n", "    time.sleep(seconds)\n    time.sleep(seconds)\n")
    result = check(file, shop(two))
    assert result.returncode == 1 and "1 new finding" in result.stdout and "1 other place" in result.stdout, result
    file = baseline(shop(two))
    assert sorted(e["places"] for e in entries(file)) == [1, 2]
    assert check(file, shop(two)).returncode == 0
    assert check(file, shop()).returncode == 0
    assert sorted(e["places"] for e in entries(baseline(shop()))) == [1, 2]
    assert [e["places"] for e in entries(baseline(shop(), "--prune"))] == [1, 1]


def test_what_was_not_seen_fails_nothing_and_is_dropped_by_prune(shop, baseline, tmp_path):
    file = baseline(shop())
    less = shop(SHOP.replace("    pay(0.2)\n", ""))
    result = check(file, less)
    assert result.returncode == 0, result
    assert [line for line in result.stdout.splitlines() if "not seen in this run" in line and "in pay" in line]
    assert len(entries(baseline(less))) == 2
    assert len(entries(baseline(less, "--prune"))) == 1
    result = check(file, shop())
    assert result.returncode == 1 and "in pay" in result.stdout


@pytest.mark.parametrize("change", ["a caller", "lines", "another checkout", "-O", "a longer wait"])
def test_holds_when(shop, baseline, change):
    file = baseline(shop())
    text, python, where = SHOP, [PYTHON], "checkout"
    if change == "a caller":
        text = SHOP.replace("async def main", "def buy():\n    pay(0.2)\nasync def main").replace(
            "    pay(0.2)\n    await", "    buy()\n    await")
        assert "buy()" in text
    elif change == "lines":
        text = "# moved\n" * 20 + SHOP.replace("async def main", "\n\nasync def main")
    elif change == "another checkout":
        where = "elsewhere"
    elif change == "-O":
        python = [PYTHON, "-O"]
        text = SHOP.replace("def pay(seconds):\n", "def pay(seconds):\n    assert seconds > 0\n")
    else:
        text = SHOP.replace("pay(0.2)", "pay(0.5)")
    result = check(file, shop(text, *python, where=where))
    assert result.returncode == 0 and "2 known findings" in result.stdout, result


@pytest.mark.parametrize("debug", ["-g", "-g0"])
def test_holds_after_a_rebuild(run, baseline, compile_c, debug):
    """Another level of optimisation inlines functions and moves code. Without debug information it
    is the symbol table that names functions: what is inlined is gone, what has moved is not."""
    traced = run(compile_c(NATIVE, debug, "-O0"), options=CALM)
    file = baseline(traced)
    assert len(entries(file)) == 2, file.read_text()
    for level in ("-O1", "-O2", "-O3", "-Os") if debug == "-g" else ("-O0", "-fstack-protector-all"):
        more = "static volatile long table[64];\nlong before(int i) { return table[i] + table[i + 1]; }\n"
        result = check(file, run(compile_c(more + NATIVE, debug, level, "-fno-optimize-sibling-calls"),
                                 options=CALM))
        assert result.returncode == 0 and "2 known findings" in result.stdout, (level, result)


def test_suppressions_beside_a_baseline(shop, baseline, tmp_path):
    traced = shop()
    rules = tmp_path / "rules"
    rules.write_text("function:pay # ticket 71\n")
    file = baseline(traced, "--suppressions", rules)
    assert ["in main" in e["what"] for e in entries(file)] == [True]
    assert check(file, traced, "--suppressions", rules).returncode == 0
    result = check(file, traced)
    assert result.returncode == 1 and "1 new finding" in result.stdout, result
    # what a rule covers was seen: it is not said to be gone
    result = check(baseline(traced), traced, "--suppressions", rules, "--fail-on", "new,unused")
    assert result.returncode == 0 and "not seen" not in result.stdout, result


def lose(traced):
    path = traced.files()[0]
    with open(path, "a", encoding="utf-8") as trace:
        trace.write('{"type":"loss","code":"disk_full","message":"the disk was full","count":3}\n')


@pytest.mark.damages_traces(reason="a recording with losses")
def test_losses(shop, baseline, tmp_path):
    traced = shop()
    file = baseline(traced)
    lose(traced)
    assert check(file, traced).returncode == 3  # nothing is new, and something is missing
    other = tmp_path / "other.json"
    result = command("baseline", other, traced.dir)
    assert result.returncode == 3 and "--force" in result.stderr and not other.exists(), result
    result = command("baseline", "--force", other, traced.dir)
    assert result.returncode == 0 and len(entries(other)) == 2, result
    before = file.read_bytes()
    assert command("baseline", "--prune", file, traced.dir).returncode == 3 and file.read_bytes() == before


def test_nothing_recorded_makes_no_baseline(run, tmp_path):
    file = tmp_path / "b.json"
    (tmp_path / "empty").mkdir()
    assert command("baseline", file, tmp_path / "empty").returncode == 3
    assert command("baseline", file, run("true").dir).returncode == 3
    assert not file.exists()


def test_a_clean_recording_makes_an_empty_one(run, program, baseline, shop):
    file = baseline(run(program("loop_epoll"), "clean", options=CALM))
    assert entries(file) == []
    assert check(file, shop()).returncode == 1


def test_run(shop, baseline, tmp_path):
    file = baseline(shop())
    options = [*CALM, "--baseline", file, "--error-exitcode", "7"]
    program = tmp_path / "checkout" / "shop.py"
    result = command("run", "-o", tmp_path / "a", *options, "--", PYTHON, program)
    assert result.returncode == 0 and f"2 known findings (baseline {file})" in result.stderr, result
    program.write_text(SHOP.replace("def pay", "def owe(seconds):\n    time.sleep(seconds)\ndef pay").replace(
        "    pay(0.2)\n", "    pay(0.2)\n    owe(0.2)\n"))
    for quiet in [], ["-q"]:
        result = command("run", "-o", tmp_path / "b", *quiet, *options, "--", PYTHON, program)
        assert result.returncode == 7 and "1 new finding" in result.stderr, result
    result = command("run", "-q", "-o", tmp_path / "c", *CALM, "--error-exitcode", "7", "--fail-on", "new", "--",
                     PYTHON, program)
    assert result.returncode == 2 and "--baseline" in result.stderr


def test_app_dir_and_several_fingerprints_of_one_place(run, tmp_path):
    """Which stall of a place comes first is chance: all of its fingerprints are known."""
    (tmp_path / "app").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "inner.py").write_text("import time\ndef one(): time.sleep(0.2)\n"
                                               "def two(): time.sleep(0.2)\n")
    program, file = tmp_path / "app" / "main.py", tmp_path / "b.json"
    text = ("import asyncio, inner\ndef call(f):\n    f()\nasync def main():\n    await asyncio.sleep(0.02)\n"
            "    for f in inner.one, inner.two:\n        call(f)\n        await asyncio.sleep(0.02)\n"
            "asyncio.run(main())\n")
    app, env = ["--app-dir", tmp_path / "app"], {"PYTHONPATH": str(tmp_path / "lib")}
    for order in "inner.one, inner.two", "inner.two, inner.one":
        program.write_text(text.replace("inner.one, inner.two", order))
        traced = run(PYTHON, program, options=CALM, env=env)
        if not file.exists():
            assert command("baseline", *app, file, traced.dir).returncode == 0
        result = command("check", *app, "--baseline", file, traced.dir)
        assert result.returncode == 0, (file.read_text(), result)


def test_schema(shop, baseline, tool):
    """The report with a baseline is of the schema that stands beside the code."""
    jsonschema = pytest.importorskip("jsonschema")
    traced = shop()
    schema = json.loads((SOURCE / "reporter" / "formats" / "report.schema.json").read_text())
    for options in [], ["--baseline", baseline(traced)]:
        jsonschema.validate(json.loads(command("report", "-f", "json", *options, traced.dir).stdout), schema)
