"""Every row of calls.def: the wrapper saw the call and named it, result, errno and data are libc's,
and what can wait for ever is reported while it does. The rows come from `stalltrace-selftest
--list`, which is made of the table; what each does is in shim/selftest."""
import collections
import glob
import json
import os
import pathlib
import re
import subprocess
import threading

import pytest

import harness

SELFTEST = pathlib.Path(os.environ.get("STALLTRACE_SELFTEST") or
                        harness.BUILD / "stalltrace-selftest")
SHARDS = 4  # processes at a time: they wait, most of the time
Row = collections.namedtuple("Row", "symbol name class_ kind rule index")


def rows():
    listed = subprocess.run([SELFTEST, "--list"], stdout=subprocess.PIPE, check=True, text=True)
    return [Row(*line.split()) for line in listed.stdout.splitlines()]


ROWS = rows()
HANGING = [r for r in ROWS if r.kind == "hangs"]


def by_symbol(wanted):
    return pytest.mark.parametrize("row", wanted, ids=[r.symbol for r in wanted])


def preloaded(directory, **settings):
    return harness.environment({
        "LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(directory), "STALLTRACE_QUIET": "1",
        "STALLTRACE_LOOPS": "api", "STALLTRACE_ITERATION_THRESHOLD": "1m", **settings})


def in_parallel(tasks):
    problems = []

    def guarded(task):
        try:
            task()
        except Exception as problem:  # pylint: disable=broad-except
            problems.append(problem)
    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def shards(wanted):
    return [s for s in (wanted[i::SHARDS] for i in range(SHARDS)) if s]


class Outcomes:
    """What a run printed: the outcome of each symbol, and what it expects of the trace."""

    def __init__(self):
        self.lines, self.expected = {}, {}

    def take(self, line):
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "expect":
            symbol, class_, detail = rest.split(" ", 2)
            self.expected[symbol] = (class_, detail)
            return None
        self.lines[word] = rest
        return word


def run_rows(mode, env):
    outcomes = Outcomes()

    def run_shard(shard):
        result = subprocess.run([SELFTEST, mode, *(r.symbol for r in shard)], env=env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, timeout=150, check=False)
        for line in result.stdout.splitlines():
            outcomes.take(line)
        assert result.stderr == ""
    in_parallel([lambda s=s: run_shard(s) for s in shards(ROWS)])
    return outcomes


def stalls_by_row(directory):
    """Row number → its stalls. The loop of row N has the name `row N`."""
    found = collections.defaultdict(list)
    for path in glob.glob(f"{directory}/*.jsonl"):
        loops = {}
        for line in pathlib.Path(path).read_bytes().split(b"\n")[:-1]:
            record = json.loads(line)
            if record["type"] == "loop":
                loops[record["loop"]] = record["name"]
            elif record["type"] == "stall":
                found[loops[record["loop"]].removeprefix("row ")].append(record)
    return found


@pytest.fixture(scope="session")
def plain():
    return run_rows("--run", harness.environment())


@pytest.fixture(scope="session")
def traced(tmp_path_factory):
    directory = tmp_path_factory.mktemp("calls")
    env = preloaded(directory, STALLTRACE_THRESHOLD="0")
    outcomes = run_rows("--details", env)
    outcomes.stalls = stalls_by_row(directory)
    owners = subprocess.run([SELFTEST, "--owners"], stdout=subprocess.PIPE, env=env, check=True,
                            text=True)
    outcomes.owners = dict(line.split(" ", 1) for line in owners.stdout.splitlines())
    return outcomes


def assert_as_expected(stall, row, expected):
    class_, detail = expected or (row.class_, "")
    assert stall["call"] == row.name
    if row.class_ == "fd":
        assert stall["class"] in ("file", "net", "ipc", "tty")
    if class_ != "fd":
        assert stall["class"] == class_
    if detail.startswith("~"):
        assert detail[1:] in stall.get("detail", "")
    elif detail:
        # what was found while it lasted says who is waited for, too; and a wait names its pipe
        said = stall.get("detail", "")
        assert said == detail or (said, detail) == ("pipe", "no timeout") or \
            re.sub(r" \(.*\)$|, (held by|child|pid) .*$", "", said) == detail


@by_symbol(ROWS)
def test_transparent_and_seen(row, plain, traced):
    assert row.kind != "untested", "write a body for it: see shim/selftest/selftest.h"
    outcome = plain.lines.get(row.symbol, "no answer")
    if outcome.startswith("absent"):
        pytest.skip(f"{row.symbol}: {outcome}")
    assert not outcome.startswith(("FAIL", "no answer")), outcome
    assert traced.lines.get(row.symbol) == outcome
    assert traced.owners[row.symbol] == os.path.realpath(harness.PRELOAD)
    stalls = traced.stalls[row.index]
    if row.kind == "support":
        assert all(s["call"] != row.name for s in stalls), "it is there to watch, not to report"
        return
    assert len(stalls) == 1, f"one call, {len(stalls)} stalls: {stalls}"
    assert_as_expected(stalls[0], row, traced.expected.get(row.symbol))


# ---- while they hang -----------------------------------------------------------------------------


class Tail:
    """The trace of one process, read as it grows."""

    def __init__(self, directory, pid):
        self.pattern = f"{directory}/*.{pid}.*.jsonl"
        self.file, self.rest = None, b""
        self.loops, self.stalls = {}, collections.defaultdict(list)

    def read(self):
        if self.file is None:
            self.file = open(glob.glob(self.pattern)[0], "rb")
        *lines, self.rest = (self.rest + self.file.read()).split(b"\n")
        for record in map(json.loads, lines):
            if record["type"] == "loop":
                self.loops[record["loop"]] = record["name"]
            elif record["type"] == "stall":
                self.stalls[self.loops[record["loop"]].removeprefix("row ")].append(record)
            elif record["type"] == "stall_end":
                for stalls in self.stalls.values():
                    for stall in stalls:
                        if stall["stall"] == record["stall"]:
                            stall["whole_ns"] = record["elapsed_ns"]

    def stall_of(self, row):
        try:
            self.read()
        except IndexError:
            return None  # there is no file yet
        return next(iter(self.stalls[row.index]), None)


def cannot_hang(outcome):
    """The row is not there, or fails even without the preload: its byte would let the next one go."""
    return outcome is None or outcome.startswith(("absent", "FAIL"))


def hang(shard, directory, outcomes):
    env = preloaded(directory, STALLTRACE_THRESHOLD="2ms")
    with subprocess.Popen([SELFTEST, "--hang", *(r.symbol for r in shard)], text=True, env=env,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        tail = Tail(directory, process.pid)
        for row in shard:
            try:
                harness.until(lambda r=row: tail.stall_of(r), 10)
            except AssertionError:
                pass  # the row's own test says so
            process.stdin.write("\n")
            process.stdin.flush()
            line = ""
            while outcomes.take(line) != row.symbol:
                line = process.stdout.readline()
                assert line, f"the self-test died in {row.symbol}: {process.wait()}"
            # its end was written before the outcome was printed
            stall = tail.stall_of(row)
            if stall:
                outcomes.seen[row.symbol] = stall
        process.stdin.close()


@pytest.fixture(scope="session")
def hanging(plain, tmp_path_factory):
    """Each row starts its call, and is let go only when the trace has it."""
    directory = tmp_path_factory.mktemp("hanging")
    outcomes = Outcomes()
    outcomes.seen = {}
    wanted = [r for r in HANGING if not cannot_hang(plain.lines.get(r.symbol))]
    in_parallel([lambda s=s: hang(s, directory, outcomes) for s in shards(wanted)])
    return outcomes


@by_symbol(HANGING)
def test_reported_while_it_hangs(row, hanging, plain):
    outcome = plain.lines.get(row.symbol)
    if cannot_hang(outcome):
        pytest.skip(f"{row.symbol}: {outcome}")
    assert row.symbol in hanging.seen, "it hung, and the trace did not say so"
    stall = hanging.seen[row.symbol]
    assert stall["ended"] is False
    assert_as_expected(stall, row, hanging.expected.get(row.symbol))
    assert hanging.lines[row.symbol] == outcome
    assert stall.get("whole_ns", 0) >= stall["elapsed_ns"], "its end is not in the trace"


def test_every_kind_is_there():
    assert {r.kind for r in ROWS} == {"hangs", "timed", "quick", "support"}
    assert len({r.symbol for r in ROWS}) == len(ROWS)
