"""The lines of `stalltrace run` while the program runs: once for what is known, again for what is
worse than what was said."""
import subprocess

from harness import PYTHON, stall_line

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
    traced = asking(start, script, "--threshold", "1ms")
    traced.record("stall_still")  # the first is the longest, whatever the machine does
    for _ in range(3):
        traced.record("stall", call="read")
        answer(traced)
        traced.line("asking")
    finish(traced)
    said = [line for line in lines_of(traced, "BLOCKED") if "  read (" in line]
    assert 1 <= len(said) <= 2, traced
