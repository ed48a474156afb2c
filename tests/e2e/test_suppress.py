"""Suppressions: what is accepted is out of the verdict, and is shown with its rule."""
import json
import re

import pytest

from harness import PYTHON, command

PROGRAM = """
import asyncio, time
class Shop:
    def pay(self, seconds):
        time.sleep(seconds)
def helper(seconds):
    Shop().pay(seconds)
async def main():
    await asyncio.sleep(0.02)
    Shop().pay(0.12)
    await asyncio.sleep(0.02)
    helper(0.14)
    open("/dev/null").close()
    sum(i for i in range(9_000_000))
    await asyncio.sleep(0.02)
asyncio.run(main())
"""


@pytest.fixture
def recorded(run, tmp_path):
    program = tmp_path / "shop.py"
    program.write_text(PROGRAM)
    traced = run(PYTHON, program)
    assert traced.exit == 0 and len(traced.findings) >= 2, traced
    return traced


@pytest.fixture
def rules(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.write_text("".join(line + "\n" for line in lines))
        return path
    return write


def report_of(traced, *options):
    result = command("report", "--format", "json", *options, traced.dir)
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def test_what_suppress_writes_makes_check_clean(recorded, tmp_path):
    written = command("suppress", recorded.dir)
    assert written.returncode == 0 and not written.stderr, written
    assert len(written.stdout.splitlines()) == len({f["fingerprint"] for f in recorded.findings})
    file = tmp_path / "pasted"
    file.write_text(written.stdout)
    assert command("check", recorded.dir).returncode == 1
    result = command("check", "--suppressions", file, "--fail-on", "findings,unused", recorded.dir)
    assert result.returncode == 0, result
    again = command("suppress", "--suppressions", file, recorded.dir)
    assert again.returncode == 0 and not again.stdout and "no findings" in again.stderr, again


def test_with_app_dir_places_may_have_more_than_one_fingerprint(run, tmp_path):
    """The culprit is the line in the directory; the fingerprint is made of the natural one."""
    (tmp_path / "app").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "inner.py").write_text("import time\ndef one(): time.sleep(0.12)\n"
                                               "def two(): time.sleep(0.14)\n")
    program = tmp_path / "app" / "main.py"
    program.write_text("""
import asyncio, inner
def call(f):
    f()
async def main():
    await asyncio.sleep(0.02)
    for f in inner.one, inner.two:
        call(f)
    await asyncio.sleep(0.02)
asyncio.run(main())
""")
    traced = run(PYTHON, program, env={"PYTHONPATH": str(tmp_path / "lib")})
    assert traced.exit == 0
    here = ("--app-dir", tmp_path / "app")
    file = tmp_path / "pasted"
    written = command("suppress", *here, traced.dir)
    file.write_text(written.stdout)
    for options in (here, ()):
        result = command("check", "--suppressions", file, *options, traced.dir)
        assert result.returncode == 0, (written, result)


def test_reports_carry_rule_reason_and_hits(recorded, rules):
    first = rules("first", "# ours", "", "function:pay and class:sleep until=2999-12-31 # ticket 71")
    second = rules("second", "class:dns # no resolver here", "call:clock_nanosleep until=2001-01-01")
    options = ("--suppressions", first, "--suppressions", second)
    report = report_of(recorded, *options)
    (finding,) = [f for f in report["suppressed"] if f["class"] == "sleep"]
    assert finding["rule"] == "function:pay and class:sleep until=2999-12-31"
    assert finding["reason"] == "ticket 71" and finding["hits"] == finding["count"] == 2
    assert finding["suppressed_by"].endswith("(first:3)")
    assert [(r["file"], r["line"], r["rule"], r["expired"]) for r in report["unused_rules"]] == [
        (str(second), 1, "class:dns", False),
        (str(second), 2, "call:clock_nanosleep until=2001-01-01", True)]
    text = command("report", *options, "--show-suppressed", recorded.dir).stdout
    assert "(first:3), which covers 2 stalls: ticket 71" in text
    assert f"unused suppression: {second}:1: class:dns\n" in text
    assert "is over" in text
    check = command("check", *options, "--show-suppressed", recorded.dir)
    assert "ticket 71" in check.stdout and f"{second}:1" in check.stdout
    assert recorded.report()["unused_rules"] == []


def test_two_rules_of_one_place_have_their_own_hits(recorded, rules):
    file = rules("rules", 'detail:"120 ms" # the first', 'detail:"140 ms" # the second', "class:sleep # both")
    report = report_of(recorded, "--suppressions", file)
    assert {f["reason"]: f["hits"] for f in report["suppressed"]} == {"the first": 1, "the second": 1}
    assert report["unused_rules"] == [], "what a rule before it covered, it matched"


KINDS = {
    "stack:main>...>pay": 2, "stack:main>…>pay": 2, "stack:main>Shop.pay": 1, "stack:main>helper>Shop.pay": 1,
    "stack:helper>pay>clock_nanosleep": 1, "stack:pay>...>main": 0, "stack:helper>clock_nanosleep": 0,
    "!stack:helper>pay class:sleep": 1, "function:pay": 2, "function:Shop.*": 2, "function:helper": 0,
    "loop:python3 class:sleep": 2}


def test_kinds(recorded, rules):
    covered = {}
    for rule in KINDS:
        report = report_of(recorded, "--suppressions", rules("rules", rule))
        covered[rule] = sum(f["count"] for f in report["suppressed"] if f["class"] == "sleep")
    assert covered == KINDS


def test_bad_rules_are_2_with_file_line_and_column(recorded, rules, tmp_path):
    for line, column, word in (("cal:fsync", 1, "cal:fsync"), ("call:x  class:slep", 9, "slep"),
                               ('call:"x', 1, "quote"), ("stack:a>>b", 1, "step"), ("call:x until=soon", 8, "soon")):
        file = rules("rules", "# a comment", line)
        for arguments in (("check",), ("report",), ("suppress",), ("run", "-o", tmp_path / "never")):
            end = ("--", "true") if arguments[0] == "run" else (recorded.dir,)
            result = command(*arguments, "--suppressions", file, *end)
            assert result.returncode == 2, result
            assert re.fullmatch(rf"stalltrace: {file}:2:{column}: .*{word}.*\n", result.stderr), result
    assert not (tmp_path / "never").exists()
    for file in (tmp_path / "none", tmp_path):
        result = command("check", "--suppressions", file, recorded.dir)
        assert result.returncode == 2 and str(file) in result.stderr, result


def test_the_variable_takes_several_files(recorded, rules, tmp_path):
    one, two = rules("one", "class:sleep"), rules("two:colon", "class:iteration")
    three = rules("three", "call:*")
    check = ("check", recorded.dir)
    assert command(*check, env={"STALLTRACE_SUPPRESSIONS": f"{one}:{three}"}).returncode == 0
    assert command(*check, env={"STALLTRACE_SUPPRESSIONS": str(two)}).returncode == 1
    assert command(*check, env={"STALLTRACE_SUPPRESSIONS": f"{one}:{tmp_path}/none"}).returncode == 2
    result = command(*check, "--suppressions", three, env={"STALLTRACE_SUPPRESSIONS": f"{tmp_path}/none"})
    assert result.returncode == 0, "an option wins"
    files = ("--suppressions", one, "--suppressions", three)
    script = "import os; print(os.environ['STALLTRACE_SUPPRESSIONS'])"
    inner = command("run", "-o", tmp_path / "out", *files, "--", PYTHON, "-c", script)
    assert inner.stdout == f"{one}:{three}\n", inner


def test_the_built_in_rules_are_listed(recorded, tmp_path):
    listed = command("suppress", "--list")
    assert listed.returncode == 0 and "block_in_place" in listed.stdout
    assert all(" # " in line for line in listed.stdout.splitlines())
    file = tmp_path / "rules"
    file.write_text(listed.stdout)
    assert command("check", "--suppressions", file, recorded.dir).returncode == 1


def test_a_recording_with_nothing_to_read(tmp_path):
    assert command("suppress", tmp_path / "none").returncode == 2
    assert command("suppress", "--lst").returncode == 2
    assert command("suppress", "--help").returncode == 0
