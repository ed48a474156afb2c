"""The program cannot tell that we are there: hostile programs that check themselves, plain and under
the preload, as a user would have it and where every call takes the wrappers' long way."""
import glob
import os
import re
import subprocess

import pytest

import harness

HOSTILE = harness.SOURCE / "tests" / "hostile"
BUILT = harness.BUILD / "tests" / "hostile"
EVERYTHING = {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all"}
CONFIGURATIONS = {"plain": None, "default": {}, "strict": EVERYTHING,
                  "main": {**EVERYTHING, "STALLTRACE_LOOPS": "main,auto"}}
# A sleep of 15 ms is over the default, too, but beside busy loops some of it is no fault of its own.
LOW = {"STALLTRACE_THRESHOLD": "3ms"}
# CI runs a part of them with its second build.
CHOSEN = os.environ.get("HOSTILE_CONFIGURATIONS", ",".join(CONFIGURATIONS)).split(",")
SKIPPED = 77


def cases():
    """(program, case), as the table at the end of each source has them."""
    for source in sorted(glob.glob(str(HOSTILE / "*.c")) + glob.glob(str(HOSTILE / "*.cc"))):
        text = harness.pathlib.Path(source).read_text()
        table = text.partition("hostile_case cases[] = {")[2]
        for name in re.findall(r'\{"(\w+)",', table):
            yield os.path.splitext(os.path.basename(source))[0], name


def hostile(program, case, configuration, tmp_path):
    """Runs one case. The result, and what was traced."""
    path = BUILT / program  # which is `program` where that is a path from the root
    if not path.exists():
        pytest.skip(f"{program} was not built")
    traces = tmp_path / "traces"
    traces.mkdir(mode=0o777)
    traces.chmod(0o777)
    env = harness.environment()
    settings = LOW if configuration == "low" else CONFIGURATIONS[configuration]
    if settings is not None:
        env.update(settings, LD_PRELOAD=harness.PRELOAD,
                   STALLTRACE_OUTPUT=str(traces), STALLTRACE_QUIET="1")
    result = subprocess.run([path, case, tmp_path], env=env, cwd=tmp_path, timeout=100,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == SKIPPED:
        pytest.skip(result.stderr.strip())
    assert (result.returncode, result.stdout, result.stderr) == (0, "ok\n", ""), result
    return harness.Traces(traces)


@pytest.mark.parametrize("configuration", CHOSEN)
@pytest.mark.parametrize("program, case", cases())
def test_hostile(tmp_path, program, case, configuration):
    hostile(program, case, configuration, tmp_path)


def stalls_of(traces):
    """The detail of every stall that was recorded, ended or not."""
    return [r.get("detail") for r in traces.records("stall")]


def test_a_filter_for_all_threads_is_said(tmp_path):
    traces = hostile("seccomp", "on_all_threads", "low", tmp_path)
    assert "15 ms" in stalls_of(traces)
    assert [r["code"] for r in traces.records("notice")].count("seccomp") == 1
    assert traces.records("end")[-1]["reason"] == "stopped"


def test_loops_that_are_over_at_once_are_in_the_trace(tmp_path):
    traces = hostile("threads", "one_after_another", "default", tmp_path)
    loops = [r["loop"] for kind in ("loop", "stats", "loop_end") for r in traces.records(kind)]
    assert len(loops) > 200 and min(loops) == 1  # 0: of a loop that was not written


def test_asking_about_filters_is_no_filter(tmp_path):
    traces = hostile("seccomp", "asks_only", "low", tmp_path)
    assert "15 ms" in stalls_of(traces)
    assert not [r for r in traces.records("notice") if r["code"] == "seccomp"]
    assert traces.records("end")[-1]["reason"] == "exit"


def test_tracing_goes_on_under_a_filter_for_one_thread(tmp_path):
    traces = hostile("seccomp", "by_prctl", "low", tmp_path)
    assert len(stalls_of(traces)) >= 4


@pytest.mark.parametrize("way", ["exit", "exit_elsewhere", "_exit", "quick_exit", "abort", "sigkill",
                                 "sigterm", "sigsegv", "exit_group", "exec"])
def test_nothing_recorded_is_lost(tmp_path, way):
    """However it ends: the stall that was over, and, where it had hung for long enough to be seen,
    the one that was not."""
    traces = hostile("ends", way, "low", tmp_path)
    found = stalls_of(traces)
    if way == "exit_elsewhere":
        return  # it ends at once: it is the ending that counts
    assert "15 ms" in found and "40 ms" in found, found
    assert [r for r in traces.records("stall") if r.get("detail") == "60 s" and not r["ended"]]


def test_the_storm_is_recorded(tmp_path):
    """Of ten thousand threads, those that stalled are found; what was not captured is counted."""
    traces = hostile("threads", "storm", "default", tmp_path)
    counted = sum(f["count"] for f in traces.findings if f["kind"] == "call")
    dropped = traces.report()["dropped"]["stalls"]
    assert counted + dropped >= 10000 // 64, (counted, dropped)
