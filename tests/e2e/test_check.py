"""`check`'s verdict: 0 clean, 1 findings, 2 an error, 3 nothing was recorded or no loop was seen."""
import json
import os

from harness import CALM, Traces, command


def test_clean_is_0(run, program):
    assert run(program("loop_epoll"), "clean", options=CALM).check() == 0


def test_findings_are_1(run, program):
    traced = run(program("loop_epoll"), "sleep")
    result = command("check", traced.dir)
    assert result.returncode == 1
    assert "usleep" in result.stdout + result.stderr


def test_errors_are_2(tmp_path):
    assert command("check", "--no-such-option", tmp_path).returncode == 2
    other = tmp_path / "other.jsonl"
    other.write_text('{"hello": "world"}\n')
    assert command("check", other).returncode == 2


def test_nothing_recorded_is_3(tmp_path):
    assert command("check", tmp_path).returncode == 3
    assert command("check", tmp_path / "missing").returncode == 3
    assert command("check", cwd=tmp_path).returncode == 3


def test_no_loop_is_3(run):
    traced = run("true")
    assert traced.exit == 0
    assert traced.check() == 3


def test_a_preload_that_failed_is_3(tmp_path, program):
    """LD_PRELOAD of a file that is not there: the program runs, and the CI job must not be green."""
    import subprocess
    result = subprocess.run([program("loop_epoll"), "sleep"], stderr=subprocess.PIPE, check=False,
                            env={"LD_PRELOAD": str(tmp_path / "none.so"),
                                 "STALLTRACE_OUTPUT": str(tmp_path)})
    assert result.returncode == 0
    assert command("check", tmp_path).returncode == 3


def test_several_traces_and_single_files(run, program):
    clean = run(program("loop_epoll"), "clean", options=CALM)
    found = run(program("loop_epoll"), "sleep")
    assert command("check", clean.dir, found.dir).returncode == 1
    assert command("check", *clean.files()).returncode == 0
    assert command("check", *found.files()).returncode == 1


def test_report_is_json_of_the_schema(run, program):
    traced = run(program("loop_epoll"), "sleep")
    report = traced.report()
    assert report["schema"] == "stalltrace.report/1"
    assert report["tool"]["name"] == "stalltrace"
    assert set(report) >= {"schema", "tool", "processes", "findings", "suppressed", "dropped"}
    process = report["processes"][0]
    assert process["exe"] == os.path.realpath(program("loop_epoll"))
    assert process["argv"][1:] == ["sleep"]
    assert process["ended"] is True
    loop = process["loops"][0]
    assert loop["home"] == "epoll" and loop["name"] == "loop_epoll" and loop["iterations"] >= 18
    assert loop["max_iteration_ms"] >= 200  # of 300, less what the thread was starved for
    finding = report["findings"][0]
    assert set(finding) >= {"fingerprint", "kind", "call", "class", "detail", "strict", "count",
                            "total_ms", "max_ms", "in_progress", "loop", "culprit", "frames"}
    for frame in finding["frames"]:
        assert set(frame) >= {"lang", "function", "module", "file", "line", "address"}
        assert frame["lang"] in ("native", "python", "javascript", "jit")
        assert "stalltrace" not in (frame["module"] or "")


def test_fingerprint_is_stable(run, program, script):
    first, second = run(program("loop_epoll"), "sleep"), run(program("loop_epoll"), "sleep")
    assert first.find("usleep")["fingerprint"] == second.find("usleep")["fingerprint"]
    other = run(program("loop_epoll"), "poll")
    assert other.find("poll")["fingerprint"] != first.find("usleep")["fingerprint"]


def test_report_to_a_file(run, program, tmp_path):
    traced = run(program("loop_epoll"), "sleep")
    target = tmp_path / "report.json"
    result = command("report", "--format", "json", "-o", target, traced.dir)
    assert result.returncode == 0 and result.stdout == ""
    assert json.loads(target.read_text())["findings"] == traced.findings


def test_report_text_says_where(run, program):
    from harness import stall_line
    traced = run(program("loop_epoll"), "sleep")
    text = command("report", traced.dir).stdout
    assert f"loop_epoll.c:{stall_line('loop_epoll.c', 'sleep')}" in text
    assert "\x1b[" not in text


def test_traces_can_be_moved(run, program, tmp_path):
    traced = run(program("loop_epoll"), "sleep")
    moved = tmp_path / "elsewhere"
    os.rename(traced.dir, moved)
    Traces(moved).only_at("usleep", "loop_epoll.c", "sleep")


def passes(options, *paths):
    return command("check", *options, *paths).returncode


def test_fail_on(run, program):
    """Any of what the lists name, and nothing else; what is found is shown all the same."""
    traced = run(program("loop_epoll"), "sleep")  # usleep(300 ms) in loop_epoll.c
    for what in ("finding", "findings", "class:sleep", "class:dns,class:sleep", "duration>100ms",
                 "file:*loop_epoll.c", "file:loop_epoll.c", "budget,duration>10ms"):
        assert passes(["--fail-on", what], traced.dir) == 1, what
    for what in ("class:dns", "duration>30s", "file:*other.c", "budget", "unused", "startup"):
        result = command("check", "--fail-on", what, traced.dir)
        assert result.returncode == 0 and "usleep" in result.stdout, result
    assert passes(["--fail-on", "class:dns", "--fail-on", "class:sleep"], traced.dir) == 1
    assert passes(["--fail-on", "budget", "--budget", "100ms"], traced.dir) == 1


def test_fail_on_unused(run, program, tmp_path):
    traced = run(program("loop_epoll"), "sleep")
    rules = tmp_path / "rules"
    rules.write_text("call:usleep\n")
    options = ["--suppressions", rules, "--fail-on", "unused"]
    assert passes(options, traced.dir) == 0
    rules.write_text("call:usleep\ncall:getaddrinfo\n")
    assert passes(options, traced.dir) == 1


def test_fail_on_what_is_not_understood(run, program):
    traced = run(program("loop_epoll"), "sleep")
    for what in ("", "findngs", "class:", "class:nonsense", "duration>", "duration>5", "file:",
                 "findings,", "new", "findings,new"):
        result = command("check", "--fail-on", what, traced.dir)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1, result
    assert "--baseline" in command("check", "--fail-on", "new", traced.dir).stderr


def test_an_empty_directory_among_others_is_3(run, program, tmp_path):
    clean = run(program("loop_epoll"), "clean", options=CALM)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command("check", clean.dir, empty).returncode == 3
    assert command("check", clean.dir, tmp_path / "none").returncode == 3
