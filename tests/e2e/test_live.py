"""The lines of `stalltrace run` while the program runs: for a place that is new, and whatever was said of
it, at 1 s, 10 s, 1 min, ..., past the budget, and at the end of what was told of."""
import json
import os
import subprocess

import pytest

from harness import PYTHON, STALLTRACE, Traces, environment, stall_line

OPTIONS = ("--threshold", "80ms", "--iteration-threshold", "60s")


def asking(start, script, *options):
    traced = start(PYTHON, script("asyncio_stdin.py"), quiet=False, stdin=subprocess.PIPE,
                   options=(*OPTIONS, *options))
    traced.line("asking")
    return traced


def answer(traced):
    traced.process.stdin.write(b".")
    traced.process.stdin.flush()


def lines_of(traced, *words):
    return [line for line in traced.err.splitlines()
            if line.startswith("stalltrace: ") and any(word in line for word in words)]


def finish(traced):
    traced.process.stdin.close()
    assert traced.wait().exit == 0, traced


def test_a_later_hang_of_a_known_finding_has_a_line(start, script):
    """The first hang was short, the second one does not end."""
    traced = asking(start, script)
    where = rf"read .*asyncio_stdin\.py:{stall_line('asyncio_stdin.py')} in ask"
    traced.line(rf"STILL BLOCKED after \d+\.?\d* ms +{where}", stream="stderr")
    answer(traced)
    traced.line("asking")
    traced.line(rf"STILL BLOCKED after \d\.\d+ s +{where}", stream="stderr")
    answer(traced)
    traced.line(rf"UNBLOCKED after \d+\.\d+ s +{where}", stream="stderr")
    traced.line("asking")
    finish(traced)


def test_a_hang_that_goes_on_has_further_lines(start, script):
    traced = asking(start, script)
    traced.line(r"STILL BLOCKED after \d+\.?\d* ms", stream="stderr")
    traced.line(r"STILL BLOCKED after \d\.\d+ s", stream="stderr")
    finish(traced)
    assert len(lines_of(traced, "UNBLOCKED")) == 1, traced
    assert len(lines_of(traced, "STILL BLOCKED")) == 2, traced


def test_a_hang_that_passes_the_budget_has_a_line(start, script):
    traced = asking(start, script, "--budget", "300ms")
    traced.line(r"STILL BLOCKED after \d+\.?\d* ms +read", stream="stderr")
    traced.line(r"STILL BLOCKED after \d+\.?\d* ms OVER BUDGET of 300 ms +read", stream="stderr")
    finish(traced)


def test_the_same_again_has_no_line(start, script):
    """Some short reads of one place: the first has a line, and one at its end."""
    traced = asking(start, script, "--threshold", "1ms")
    for _ in range(3):
        traced.record("stall", call="read")
        answer(traced)
        traced.line("asking")
    finish(traced)
    said = [line for line in lines_of(traced, "BLOCKED") if "  read (" in line]
    short = [line for line in said if " ms  read" in line]
    assert 1 <= len(short) <= 2, traced


@pytest.mark.parametrize("way", ["call", "compute"])
@pytest.mark.parametrize("count, short", [(3, 0.4), (60, 0.02)])
def test_a_known_place_that_hangs_has_a_line(start, script, way, count, short):
    """Also where it has stalled so often that its stalls are counted, and not written one by one."""
    traced = start(PYTHON, script("verdict/known_place.py"), way, count, short, 2.2, quiet=False,
                   options=("--iteration-threshold", "15ms"))
    assert traced.wait(120).exit == 0, traced
    where = f"known_place.py:{stall_line('verdict/known_place.py', way)}"
    said = [line for line in lines_of(traced, "STILL", "so far") if where in line]
    assert len([line for line in said if " s  " in line]) == 1, traced
    ends = [line for line in lines_of(traced, "UNBLOCKED", "ENDED") if where in line]
    assert len([line for line in ends if " s  " in line]) == 1, traced
    assert len(said) + len(ends) <= 8, traced  # a busy machine may make several places of it


def test_a_known_place_that_passes_the_budget_has_a_line(start, script):
    traced = start(PYTHON, script("verdict/known_place.py"), "call", 60, 0.02, 0.8, quiet=False,
                   options=("--budget", "300ms"))
    assert traced.wait(120).exit == 0, traced
    over = lines_of(traced, "OVER BUDGET of")
    assert len([line for line in over if "STILL BLOCKED" in line and "known_place.py" in line]) == 1, traced
    assert len([line for line in over if "UNBLOCKED" in line and "known_place.py" in line]) == 1, traced


# ---- what a process might write ----

PROCESS = {"type": "process", "format": "stalltrace.trace/1", "version": "0.1.0", "pid": "$PID",
           "ppid": 1, "host": "h", "exe": "/srv/writer", "argv": ["writer"], "start_ns": 10**18,
           "run": "$RUN", "iteration_threshold_ns": 10**8}
LOOP = {"type": "loop", "loop": 1, "tid": "$PID", "name": "writer", "home": "epoll", "at_ns": 1000}
STALL = {"type": "stall", "kind": "call", "loop": 1, "call": "usleep", "class": "sleep",
         "ended": False, "strict": False}
MS, SECOND = 10**6, 10**9


@pytest.fixture
def writer(start, script):
    traced = start(PYTHON, script("verdict/writes_trace.py"), quiet=False, stdin=subprocess.PIPE)

    def write(*records):
        for record in records:
            line = json.dumps(record).replace('"$PID"', "$PID") + "\n"
            traced.process.stdin.write(line.encode())
        traced.process.stdin.flush()
    traced.write = write
    write(PROCESS, LOOP)
    return traced


def short(number, **members):
    return {**STALL, "stall": number, "at_ns": number * SECOND, "elapsed_ns": 20 * MS, "ended": True,
            **members}


@pytest.mark.damages_traces(reason="stalls of minutes, made up")
@pytest.mark.parametrize("begun, said", [(0.99, "1.00 s"), (9.99, "10.00 s"), (59.99, "1 min 0 s"),
                                         (599.99, "10 min 0 s"), (3599.99, "60 min 0 s")])
def test_a_hang_is_told_of_at_each_age(writer, begun, said):
    """A known place, and a stall of it that is nearly so old when it is first heard of."""
    writer.write(short(1))
    writer.line("BLOCKED 20.0 ms", stream="stderr")
    writer.write(short(2), {**STALL, "stall": 3, "at_ns": 9 * SECOND, "elapsed_ns": int(begun * SECOND)})
    if begun > 1:
        writer.line(r"STILL BLOCKED after", stream="stderr")
    writer.line(rf"STILL BLOCKED after {said}", stream="stderr")
    writer.write({"type": "stall_end", "stall": 3, "elapsed_ns": int(begun * SECOND) + SECOND})
    writer.line(r"UNBLOCKED after", stream="stderr")
    finish(writer)
    assert len(lines_of(writer, "BLOCKED")) == (4 if begun > 1 else 3), writer


@pytest.mark.damages_traces(reason="made up, and short")
@pytest.mark.parametrize("ended", [True, False])
def test_what_was_over_when_it_was_heard_of_has_a_line(writer, ended):
    writer.write(short(1))
    writer.line("BLOCKED 20.0 ms", stream="stderr")
    long = {**STALL, "stall": 2, "at_ns": 2 * SECOND, "elapsed_ns": 3 * SECOND, "ended": True}
    if ended:
        writer.write(long)
    else:
        writer.write({**long, "elapsed_ns": 10 * MS, "ended": False},
                     {"type": "stall_end", "stall": 2, "elapsed_ns": 3 * SECOND})
    writer.line(r"BLOCKED (after )?3.00 s", stream="stderr")
    finish(writer)


@pytest.mark.damages_traces(reason="made up, and short")
@pytest.mark.parametrize("kind", ["call", "iteration"])
def test_what_turns_out_to_be_starved_is_said_to_be_none(writer, kind):
    """And the next stall of that place is new."""
    like = {**STALL, "kind": kind, "call": "iteration" if kind == "iteration" else "usleep"}
    writer.write({**like, "stall": 1, "at_ns": SECOND, "elapsed_ns": 150 * MS})
    writer.line(r"150 ms", stream="stderr")
    writer.write({"type": "stall_end", "stall": 1, "elapsed_ns": 160 * MS, "starved_ns": 159 * MS})
    writer.line(r"(UNBLOCKED|ENDED) after 1.0 ms.*no finding: the machine had no CPU", stream="stderr")
    writer.write({**like, "stall": 2, "at_ns": 2 * SECOND, "elapsed_ns": 300 * MS})
    writer.line(r"300 ms", stream="stderr")
    writer.write({"type": "stall_end", "stall": 2, "elapsed_ns": 310 * MS})
    writer.line(r"(UNBLOCKED|ENDED) after 310 ms", stream="stderr")
    finish(writer)
    assert len(lines_of(writer, "BLOCKED", "ITERATION")) == 4, writer


@pytest.mark.damages_traces(reason="made up, and short")
def test_starved_time_makes_no_stall_older(writer):
    """3 s on the clock, of which 2.9 s were the machine's: not yet 1 s."""
    writer.write(short(1))
    writer.line("BLOCKED 20.0 ms", stream="stderr")
    writer.write({**STALL, "stall": 2, "at_ns": 2 * SECOND, "elapsed_ns": 2910 * MS,
                  "starved_ns": 2900 * MS},
                 {"type": "stall_still", "stall": 2, "elapsed_ns": 3000 * MS, "starved_ns": 2900 * MS},
                 {"type": "stall_end", "stall": 2, "elapsed_ns": 3010 * MS, "starved_ns": 2900 * MS},
                 short(9))
    finish(writer)
    assert len(lines_of(writer, "BLOCKED")) == 1, writer


def test_nobody_reads_the_lines(script, tmp_path):
    """stderr is a pipe whose reader has gone: the program runs to its end, and its status is told."""
    reader, writer = os.pipe()
    os.close(reader)
    done = tmp_path / "done"
    result = subprocess.run(
        [STALLTRACE, "run", "-o", tmp_path / "out", "--", "sh", "-c",
         f'"$@"; echo done > {done}; exit 7', "sh", PYTHON, script("verdict/known_place.py"),
         "call", "1", "0.1", "0.1"], stderr=writer, env=environment(), timeout=60, check=False)
    os.close(writer)
    assert result.returncode == 7 and done.read_text() == "done\n"


@pytest.mark.parametrize("closed, left", [("2>&-", "01"), ("<&- 2>&-", "1"), (">&- 2>&-", "0"),
                                          ("<&- >&- 2>&-", "none")])
def test_standard_descriptors_that_are_closed(script, tmp_path, closed, left):
    """They are closed for the program, too, and no file of ours takes their place."""
    traced = Traces(tmp_path / "out")
    shown = tmp_path / "shown"
    program = ('for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && open="$open$n"; done; '
               f'echo "${{open:-none}}" > {shown}; exec "$@"')
    result = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", STALLTRACE, "run", "-o", traced.dir, "--", "sh",
         "-c", program, "sh", PYTHON, script("verdict/known_place.py"), "call", "1", "0.1", "0.1"],
        env=environment(), timeout=60, check=False)
    assert result.returncode == 0
    assert shown.read_text().strip() == left
    assert traced.check() == 1
