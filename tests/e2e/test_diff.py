"""`stalltrace diff`: what is new, gone or worse, also where runs differ in length."""
import json
import os

import pytest

from harness import CALM, PYTHON, command

PROGRAM = """
import asyncio, time
def pay(seconds):
    time.sleep(seconds)
def owe(seconds):
    time.sleep(seconds)
async def main():
    for _ in range({times}):
        await asyncio.sleep({pause})
        {what}({seconds})
    await asyncio.sleep({pause})
asyncio.run(main())
"""


@pytest.fixture
def recorded(run, tmp_path):
    def record(times=3, seconds=0.12, what="pay", pause=0.2):
        program = tmp_path / "shop.py"
        program.write_text(PROGRAM.format(times=times, seconds=seconds, what=what, pause=pause))
        traced = run(PYTHON, program, options=CALM)
        assert traced.exit == 0, traced
        return traced
    return record


def diff(old, new, *options):
    return command("diff", *options, getattr(old, "dir", old), getattr(new, "dir", new))


def states(old, new, *options):
    """{state: [(function, worse_by)]}; the exit status must be of it, and the text's too."""
    result = diff(old, new, "--format", "json", *options)
    report = json.loads(result.stdout)
    assert report["schema"] == "stalltrace.diff/1" and len(result.stderr.splitlines()) == 1, result
    found = {}
    for finding in report["findings"]:
        found.setdefault(finding["state"], []).append((finding["function"], finding["worse_by"]))
    assert {s: len(f) for s, f in found.items()} == {s: n for s, n in report["counts"].items() if n}
    wanted = 1 if "new" in found or "worse" in found else 0
    text = diff(old, new, *options)
    assert result.returncode == text.returncode == wanted, (result, text)
    assert f"{report['counts']['new']} new, {report['counts']['worse']} worse" in text.stdout, text
    return found


def test_new_and_gone(recorded):
    old, new = recorded(what="pay"), recorded(what="owe")
    assert states(old, new) == {"new": [("owe", [])], "gone": [("pay", [])]}
    text = diff(old, new).stdout
    assert f"look closer: stalltrace report {new.dir}" in text.splitlines()[-1] and "shop.py:6 in owe" in text, text
    assert states(old, old) == {"same": [("pay", [])]}


def test_runs_of_another_length_are_compared_per_hour(recorded):
    """Three times as long, three times as often: that is no worse. As they are, it is."""
    old, new = recorded(times=3), recorded(times=12)
    assert states(old, new, "--noise", "100%") == {"same": [("pay", [])]}
    assert states(old, new, "--noise", "100%", "--per", "run") == {"worse": [("pay", ["total", "count"])]}
    assert states(new, old, "--per", "run") == {"same": [("pay", [])]}


def test_worse(recorded):
    old, longer = recorded(), recorded(seconds=0.9)
    assert "max" in states(old, longer)["worse"][0][1]
    assert states(old, longer, "--by", "max") == {"worse": [("pay", ["max"])]}
    assert states(old, longer, "--noise", "100000") == {"same": [("pay", [])]}
    assert states(longer, old, "--by", "max") == {"same": [("pay", [])]}
    often = recorded(times=30, pause=0.005)
    assert states(old, often, "--by", "count") == {"worse": [("pay", ["count"])]}
    text = diff(old, often, "--by", "count").stdout
    assert "worse by count" in text and "30 times (" in text and "/h)" in text, text


def test_baselines_are_sides(recorded, tmp_path):
    old, new, file, other = recorded(), recorded(what="owe"), tmp_path / "old.json", tmp_path / "new.json"
    assert command("baseline", file, old.dir).returncode == 0
    assert command("baseline", other, new.dir).returncode == 0
    result = diff(file, new)
    assert result.returncode == 1 and f"report --baseline {file} {new.dir}" in result.stdout, result
    assert diff(file, old).returncode == 0 and diff(old, file).returncode == 0
    result = diff(file, other)
    assert result.returncode == 1 and "in owe, shop.py" in result.stdout, result
    for left, right in (file, file), (other, new):
        assert states(left, right).keys() == {"same"}
    file.write_text(file.read_text()[:100])
    result = diff(file, new)
    assert result.returncode == 2 and "no baseline" in result.stderr, result


def test_suppressions(recorded, tmp_path):
    rules = tmp_path / "rules"
    rules.write_text("function:owe\n")
    assert states(recorded(), recorded(what="owe"), "--suppressions", rules) == {"gone": [("pay", [])]}


@pytest.mark.damages_traces(reason="a side with losses")
def test_no_verdict(recorded, run, tmp_path):
    old, new = recorded(), recorded()
    (tmp_path / "empty").mkdir()
    none = run("true")
    for side in none, tmp_path / "empty":
        assert diff(old, side).returncode == 3
        result = diff(side, new)
        assert result.returncode == 3 and "no verdict" in result.stdout, result
    with open(new.files()[0], "a", encoding="utf-8") as trace:
        trace.write('{"type":"loss","code":"disk_full","message":"the disk was full","count":3}\n')
    for sides in (old, new), (new, old):
        result = diff(*sides)
        assert result.returncode == 3 and "LOST" in result.stdout, result
    assert diff(recorded(what="owe"), new).returncode == 1  # what was found is true


def test_errors(recorded, tmp_path):
    traced, fifo, other = recorded(), tmp_path / "fifo", tmp_path / "other.jsonl"
    os.mkfifo(fifo)
    other.write_text('{"hello": "world"}\n')
    for left, right in (traced.dir, tmp_path / "no"), (tmp_path / "no", traced.dir), (fifo, traced.dir), \
            (traced.dir, fifo), (other, traced.dir):
        result = command("diff", left, right)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1, result
    for arguments in ([], [traced.dir], [traced.dir] * 3, ["--noise", "much", traced.dir, traced.dir],
                      ["--noise", "-5", traced.dir, traced.dir], ["--by", "max,", traced.dir, traced.dir],
                      ["--per", "day", traced.dir, traced.dir], ["--format", "xml", traced.dir, traced.dir],
                      ["--niose", "5", traced.dir, traced.dir]):
        result = command("diff", *arguments)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1, result


def test_output(recorded, tmp_path):
    traced, file = recorded(), tmp_path / "diff.json"
    result = diff(traced, traced, "--format", "json", "-o", file)
    assert result.returncode == 0 and not result.stdout and json.loads(file.read_text())["counts"]["same"] == 1
    assert diff(traced, traced, "-o", tmp_path / "no" / "file").returncode == 2
