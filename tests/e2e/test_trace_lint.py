"""scripts/trace-lint finds what no trace may hold: for each of its rules a small trace that it must name."""
import copy
import json
import subprocess

import pytest

import harness

LINT = harness.SOURCE / "scripts" / "trace-lint"
CLASSES = ("sleep", "net", "file")
PROCESS = {"type": "process", "format": "stalltrace.trace/1", "version": "0", "pid": 1, "exe": "/bin/x",
           "argv": ["x"], "start_ns": 10**18, "threshold_ns": dict.fromkeys(CLASSES, 10_000_000),
           "iteration_threshold_ns": 100_000_000, "strict": [], "loops": "auto"}
MS = 1_000_000


def call(stall, at, took, **members):
    return {"type": "stall", "stall": stall, "kind": "call", "loop": 1, "call": "nanosleep", "class": "sleep",
            "stack": 1, "at_ns": at * MS, "elapsed_ns": took * MS, "ended": True, "strict": False, **members}


def iteration(stall, at, took, **members):
    return call(stall, at, took, **{"kind": "iteration", "call": "iteration", "class": "iteration",
                                    "ended": False, **members})


def ends(stall, took, **members):
    return {"type": "stall_end", "stall": stall, "elapsed_ns": took * MS, **members}


def stats(at, busy, wait=0, **members):
    return {"type": "stats", "loop": 1, "at_ns": at * MS, "iterations": 10, "max_iteration_ns": busy * MS,
            "busy_ns": busy * MS, "wait_ns": wait * MS, "calls_ns": 0, **members}


def more(count, total, longest, **members):
    return {"type": "more", "kind": "call", "loop": 1, "call": "nanosleep", "class": "sleep", "stack": 1,
            "strict": False, "count": count, "total_ns": total * MS, "max_ns": longest * MS, **members}


LOOP = {"type": "loop", "loop": 1, "tid": 1, "name": "x", "home": "epoll", "at_ns": 0}
CLOSED = {"type": "loop_end", "loop": 1, "at_ns": 600 * MS, "reason": "closed"}
MODULE = {"type": "module", "module": 1, "path": "/bin/x", "base": "0x1000"}
STACK = {"type": "stack", "stack": 1, "frames": [{"pc": "0x1234", "module": 1, "vaddr": "0x234"}]}
END = {"type": "end", "at_ns": 1000 * MS, "reason": "exit"}
TIME = {"calls_ns": 0, "found_ns": 0, "cpu_ns": 0, "runnable_ns": 0, "asleep_ns": 0}
HEAD = [PROCESS, LOOP, MODULE, STACK]
GOOD = [*HEAD, call(1, 100, 50), iteration(2, 200, 110), {"type": "sample", "stall": 2, "stack": 1},
        {"type": "stall_still", "stall": 2, "elapsed_ns": 150 * MS},
        ends(2, 200, time={**TIME, "cpu_ns": 190 * MS}), more(3, 90, 40), stats(600, 300, 200),
        {"type": "starved", "count": 1, "elapsed_ns": 5}, {"type": "dropped", "stalls": 1},
        {"type": "loss", "code": "loops", "message": "m", "count": 1}, call(3, 700, 10, elapsed_ns=20 * MS),
        {"type": "a later version's"}, stats(900, 400, 400), END]


def lint(tmp_path, records, tail=b""):
    """The names of the rules that it finds broken."""
    path = tmp_path / "x.1.1.jsonl"
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines) + tail)
    result = subprocess.run([harness.PYTHON, LINT, path], stdout=subprocess.PIPE, text=True, check=False)
    lines = result.stdout.splitlines()
    assert result.returncode == (1 if lines else 0), result.stdout
    return [line.rsplit("[", 1)[1].rstrip("]") for line in lines]


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


def test_a_good_trace_is_good(tmp_path):
    assert lint(tmp_path, GOOD) == []


def test_a_line_that_was_cut_off_is_no_fault(tmp_path):
    assert lint(tmp_path, GOOD[:-1], tail=b'{"type":"sta') == []
    assert lint(tmp_path, [], tail=b'{"type":"proc') == []
    assert lint(tmp_path, []) == []


def test_a_hang_to_the_end_is_no_fault(tmp_path):
    assert lint(tmp_path, [*HEAD, call(1, 100, 50, ended=False)]) == []


BROKEN = {
    "parses": ("parses", [*HEAD, b'{"type":"sta']),
    "a list": ("parses", [*HEAD, b"[]"]),
    "no process": ("first", HEAD[1:]),
    "another format": ("first", [{**PROCESS, "format": "other/1"}]),
    "process twice": ("first", [PROCESS, PROCESS]),
    "no member": ("members", [PROCESS, without(LOOP, "tid")]),
    "a member of another type": ("members", [PROCESS, {**LOOP, "tid": "1"}]),
    "a time below zero": ("members", [PROCESS, {**LOOP, "at_ns": -1}]),
    "an optional time below zero": ("members", [*HEAD, call(1, 1, 50, starved_ns=-1)]),
    "a time that wrapped": ("members", [*HEAD, call(1, 1, 50, elapsed_ns=2**64 - 5)]),
    "an unknown home": ("members", [PROCESS, {**LOOP, "home": "kqueue"}]),
    "an unknown kind": ("members", [*HEAD, call(1, 1, 50, kind="other")]),
    "an iteration that is written as ended": ("members", [*HEAD, iteration(1, 1, 110, ended=True)]),
    "a stack of nothing": ("members", [PROCESS, LOOP, {**STACK, "frames": []}]),
    "loop not defined": ("defined", [PROCESS, MODULE, STACK, call(1, 1, 50)]),
    "module not defined": ("defined", [PROCESS, LOOP, STACK]),
    "late name of no stack": ("defined", [*HEAD, {"type": "names", "stack": 1, "names": [
        {"pc": "0xffff", "name": "f", "since": 1}]}]),
    "stack not defined": ("defined", [PROCESS, LOOP, MODULE, call(1, 1, 50)]),
    "end of a stall not defined": ("defined", [*HEAD, ends(1, 50)]),
    "stall twice": ("once", [*HEAD, call(1, 1, 50), call(1, 100, 50)]),
    "stack twice": ("once", [*HEAD, STACK]),
    "module twice": ("once", [*HEAD, MODULE]),
    "loop ends twice": ("once", [*HEAD, CLOSED, CLOSED]),
    "loop of another thread": ("once", [*HEAD, {**LOOP, "tid": 2}]),
    "stall counts down": ("counts-up", [*HEAD, call(2, 1, 50), call(1, 100, 50)]),
    "same iteration": ("same-iteration", [*HEAD, iteration(1, 1, 110), iteration(2, 1, 110),
                                          ends(2, 110)]),
    "a short iteration": ("threshold", [*HEAD, iteration(1, 1, 20), ends(1, 20)]),
    "a short call": ("threshold", [*HEAD, call(1, 1, 2)]),
    "more starved than it lasted": ("starved", [*HEAD, call(1, 1, 50, starved_ns=51 * MS)]),
    "more starved at its end": ("starved", [*HEAD, call(1, 1, 50, ended=False),
                                            ends(1, 60, starved_ns=61 * MS)]),
    "many, more starved than they lasted": ("starved", [*HEAD, more(2, 30, 20, starved_ns=31 * MS)]),
    "an iteration, more starved": ("starved", [*HEAD, stats(600, 300, longest_own=[[1, 5, 6]])]),
    "ends twice": ("end", [*HEAD, call(1, 1, 50, ended=False), ends(1, 60), ends(1, 60)]),
    "ends after it had ended": ("end", [*HEAD, call(1, 1, 50), ends(1, 60)]),
    "ends earlier than it lasted": ("end", [*HEAD, call(1, 1, 50, ended=False), ends(1, 40)]),
    "lasts after its end": ("end", [*HEAD, call(1, 1, 50, ended=False), ends(1, 60),
                                    {"type": "stall_still", "stall": 1, "elapsed_ns": 70 * MS}]),
    "lasts ever shorter": ("end", [*HEAD, call(1, 1, 50, ended=False),
                                   {"type": "stall_still", "stall": 1, "elapsed_ns": 40 * MS}]),
    "sample of a call": ("sample", [*HEAD, call(1, 1, 50), {"type": "sample", "stall": 1, "stack": 1}]),
    "a late sample": ("sample", [*HEAD, iteration(1, 1, 110), ends(1, 110),
                                 {"type": "sample", "stall": 1, "stack": 1}]),
    "sample taken never": ("count", [*HEAD, iteration(1, 1, 110),
                                     {"type": "sample", "stall": 1, "stack": 1, "count": 0}]),
    "more found than calls": ("time", [*HEAD, iteration(1, 1, 110), ends(1, 110, time={
        **TIME, "calls_ns": 10, "found_ns": 11})]),
    "more parts than the whole": ("time", [*HEAD, iteration(1, 1, 110), ends(1, 110, time={
        **TIME, "calls_ns": 60 * MS, "cpu_ns": 60 * MS})]),
    "none more": ("count", [*HEAD, more(0, 0, 0)]),
    "longest longer than all": ("count", [*HEAD, more(2, 30, 31)]),
    "more than count of the longest": ("count", [*HEAD, more(2, 50, 20)]),
    "a loss of nothing": ("count", [PROCESS, {"type": "loss", "code": "c", "message": "m", "count": 0}]),
    "an empty bucket": ("count", [*HEAD, stats(600, 300, wait_hist=[[1, 0]])]),
    "statistics shrink": ("stats", [*HEAD, stats(600, 300, iterations=11), stats(700, 300)]),
    "statistics go back": ("stats", [*HEAD, stats(600, 300), stats(500, 300)]),
    "an iteration longer than all": ("stats", [*HEAD, stats(600, 300, max_iteration_ns=400 * MS)]),
    "more calls than life": ("stats", [*HEAD, stats(600, 300, calls_ns=700 * MS)]),
    "more turns than life": ("stats", [*HEAD, stats(600, 300, 400)]),
    "longest not in order": ("stats", [*HEAD, stats(600, 300, longest=[[1, 5], [2, 6]])]),
    "longest longer than the longest": ("stats", [*HEAD, stats(600, 300, longest=[[1, 301 * MS]])]),
    "losses shrink": ("grows", [PROCESS, {"type": "loss", "code": "c", "message": "m", "count": 2},
                                {"type": "loss", "code": "c", "message": "m", "count": 1}]),
    "drops shrink": ("grows", [PROCESS, {"type": "dropped", "stalls": 2}, {"type": "dropped", "stalls": 1}]),
    "starved shrinks": ("grows", [PROCESS, {"type": "starved", "count": 2, "elapsed_ns": 2},
                                  {"type": "starved", "count": 2, "elapsed_ns": 1}]),
    "after the end": ("last", [*HEAD, END, call(1, 1, 50)]),
    "later than the end": ("last", [*HEAD, call(1, 1100, 50), END]),
    "longer than the longest": ("longest", [*HEAD, iteration(1, 1, 310), ends(1, 310), stats(600, 300)]),
    "open, though the loop went on": ("open", [*HEAD, call(1, 100, 50, ended=False), call(2, 300, 50)]),
    "iteration open, though the loop went on": ("open", [*HEAD, iteration(1, 100, 110),
                                                         iteration(2, 300, 110), ends(2, 110)]),
    "open, though the loop ended": ("open", [*HEAD, call(1, 100, 50, ended=False), CLOSED]),
    "calls overlap": ("overlap", [*HEAD, call(1, 100, 50), call(2, 140, 50)]),
    "iterations overlap": ("overlap", [*HEAD, iteration(1, 100, 110), ends(1, 110), iteration(2, 200, 110),
                                       ends(2, 110)]),
    "more than its life": ("total", [*HEAD, more(3, 1100, 400), END]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_no_trace_may_hold_is_named(tmp_path, name):
    rule, records = BROKEN[name]
    found = lint(tmp_path, copy.deepcopy(records))
    assert found[0] == rule
    # an iteration that is there twice is open, and overlaps, too
    assert len(found) == 1 or name == "same iteration"


def test_every_rule_has_a_trace_that_breaks_it():
    source = LINT.read_text()
    rules = {part.split('"')[1] for part in source.split("self.flag(")[1:] if part.startswith('"')}
    assert rules == {rule for rule, _ in BROKEN.values()}


def test_where_records_are_missing_what_refers_to_them_is_no_fault(tmp_path):
    full = {"type": "loss", "code": "write", "message": "m", "count": 3}
    assert lint(tmp_path, [PROCESS, LOOP, b'{"type":"st', STACK, full, call(1, 100, 50, ended=False), call(2, 300, 50)]) == []


def test_nothing_to_look_at_is_an_error(tmp_path):
    for arguments in ([], [tmp_path]):
        result = subprocess.run([harness.PYTHON, LINT, *arguments], stderr=subprocess.PIPE, check=False)
        assert result.returncode == 2 and result.stderr
