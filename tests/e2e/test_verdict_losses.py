"""No green over a loss: `check` is 3 wherever something is known to be missing, and says what and
what to do about it. Findings come before, and errors before those."""
import json

import pytest

from harness import command

PROCESS = {"type": "process", "format": "stalltrace.trace/1", "version": "0.1.0", "pid": 7, "ppid": 1,
           "host": "h", "exe": "/srv/app", "argv": ["app"], "start_ns": 10**18}
LOOP = {"type": "loop", "loop": 1, "tid": 7, "name": "app", "home": "epoll", "at_ns": 1000}
STATS = {"type": "stats", "loop": 1, "at_ns": 10**9, "iterations": 10, "max_iteration_ns": 1000,
         "busy_ns": 10000, "wait_ns": 10**9, "calls_ns": 0}
STALL = {"type": "stall", "stall": 1, "kind": "call", "loop": 1, "call": "usleep", "class": "sleep",
         "at_ns": 5000, "elapsed_ns": 50000000, "ended": True, "strict": False}
END = {"type": "end", "at_ns": 10**9, "reason": "exit"}
CLEAN = [PROCESS, LOOP, STATS, END]
NAME = "app.7.1000000000000.jsonl"

LOSSES = {
    "loss record": ({"type": "loss", "code": "loops", "message": "loops were not watched: X",
                     "count": 3}, "(3): loops were not watched: X"),
    "dropped": ({"type": "dropped", "stalls": 4}, "(4): stalls could not be captured"),
    "damaged": ('{"type":"stats","loop":1,"at_ns":123,"iter', "damaged lines"),
    "binary": ("\0\0\0\0", "damaged lines"),
    "full, told by a notice": ({"type": "notice", "code": "trace-full", "message": "full"},
                               "--max-trace-size"),
}


def text(*records):
    return "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records)


def checked(path):
    result = command("check", path)
    return result.returncode, result.stdout


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "traces"
    made.mkdir()
    return made


def test_without_a_loss_it_is_clean(directory):
    (directory / NAME).write_text(text(*CLEAN))
    status, out = checked(directory)
    assert status == 0 and "clean" in out, out


@pytest.mark.parametrize("kind", LOSSES)
def test_a_loss_is_3_and_findings_are_1(directory, kind):
    loss, words = LOSSES[kind]
    path = directory / NAME
    path.write_text(text(PROCESS, LOOP, loss, STATS, END))
    for what in directory, path:
        status, out = checked(what)
        assert status == 3 and words in out and "clean" not in out, out
    report = json.loads(command("report", "--format", "json", directory).stdout)
    assert report["losses"], report
    path.write_text(text(PROCESS, LOOP, STALL, loss, STATS, END))
    assert checked(directory)[0] == 1


def test_losses_of_a_code_count_once_and_of_processes_add_up(directory):
    loss = {"type": "loss", "code": "loops", "message": "m", "count": 3}
    for pid in 7, 8:
        (directory / f"app.{pid}.1.jsonl").write_text(
            text({**PROCESS, "pid": pid}, LOOP, loss, {**loss, "count": 5}, STATS, END))
    report = json.loads(command("report", "--format", "json", directory).stdout)
    assert report["losses"] == [{"code": "loops", "message": "m", "count": 10}]


@pytest.mark.parametrize("begun", ["", json.dumps(PROCESS)[:60], '{"type":"process","form',
                                   text(PROCESS)[:-9] + "\n" + text(*CLEAN[1:])])
def test_a_process_that_could_not_write_is_a_loss(directory, begun):
    """A disk that was full from the first line on: another process's clean trace excuses nothing."""
    (directory / NAME).write_text(text(*CLEAN))
    compact = begun.replace('": ', '":').replace(", ", ",")
    (directory / "other.8.1000000000001.jsonl").write_text(compact)
    status, out = checked(directory)
    assert status == 3 and "other.8" in out, out


@pytest.mark.parametrize("name, content", [("notes.txt", "hello\n"), ("other.jsonl", '{"a": 1}\n'),
                                           ("empty.jsonl", ""), (".hidden.jsonl", "x")])
def test_other_files_of_a_directory_are_ignored(directory, name, content):
    (directory / NAME).write_text(text(*CLEAN))
    (directory / name).write_text(content)
    assert checked(directory)[0] == 0
    if not name.startswith("."):
        assert checked(directory / name)[0] == 2


def test_killed_is_no_loss(directory):
    """Every line that was written is there."""
    (directory / NAME).write_text(text(*CLEAN[:-1]))
    assert checked(directory)[0] == 0


def test_an_error_comes_before_findings_and_losses(directory, tmp_path):
    (directory / NAME).write_text(text(PROCESS, LOOP, STALL, "damaged", STATS, END))
    other = tmp_path / "other.jsonl"
    other.write_text("no trace\n")
    assert command("check", directory, other).returncode == 2
    assert command("check", directory, tmp_path / "missing").returncode == 1
    (directory / NAME).write_text(text(*CLEAN))
    assert command("check", directory, tmp_path / "missing").returncode == 3
