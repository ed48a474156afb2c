"""scripts/bench has all its figures, and they are of what they say. How large they are is the machine's
matter: no test of that here."""
import json
import subprocess
import sys

import harness

CHEAP = ("--rounds", "1", "--few", "1", "--starts", "2", "--calls", "3", "--seconds", "0.3")


def bench(*options):
    argv = [sys.executable, harness.SOURCE / "scripts" / "bench", "--build", harness.BUILD, *options]
    return subprocess.run(list(map(str, argv)), env=harness.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=150,
                          check=False)


def names_of(figures):
    return {name: names_of(value) if isinstance(value, dict) else None
            for name, value in figures.items()}


def names(text):
    return dict.fromkeys(text.split())


def test_all_figures():
    result = bench("--json", *CHEAP)
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    side = names("ns ratio bar")
    call = {"plain_ns": None, "non_loop": side, "loop": side}
    sample = names("plain_step_us samples measured more_us max_us bar_us")
    assert names_of(figures) == {
        "calls": {"read": call, "mutex": call},
        "start": names("plain_us preloaded_us more_us bar_us runs"),
        "iteration": names("plain_ns traced_ns extra_ns stamps_ns stamps_added_plain_ns "
                           "stamps_added_traced_ns accounting_ns bar_ns"),
        "sample": {"native": sample, "python": sample},
        "python": {"frames": None,
                   "call": names("plain_us traced_us more_us bar_us recorded"),
                   "hang": names("plain_cpu_us traced_cpu_us more_us bar_us recorded")},
        "idle": names("plain_percent traced_percent more_percent bar_percent"),
        "strict": names("plain_per_second traced_per_second strict_per_second traced_throughput "
                        "strict_throughput bar"),
    }
    # What was measured took place, and on a stack of the size that is promised.
    assert figures["iteration"]["plain_ns"] > 0 and figures["strict"]["plain_per_second"] > 0
    for kind in ("native", "python"):
        assert figures["sample"][kind]["samples"] >= 1
        assert figures["sample"][kind]["measured"] >= 1
    assert figures["python"]["frames"] == 30
    assert figures["python"]["call"]["recorded"] >= 1
    assert figures["python"]["hang"]["recorded"] >= 1


def test_some_figures_as_text():
    result = bench("--only", "iteration,start", *CHEAP)
    assert result.returncode == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["/bin/true", "iteration"]


def test_a_part_that_does_not_exist():
    result = bench("--only", "iteration,lunch")
    assert result.returncode == 2
    assert "lunch: not one of calls, start, iteration" in result.stderr
