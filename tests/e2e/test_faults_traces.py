"""A trace may come from anybody: what it says is bounded by what there can be, and what it names is
opened only where that can do no harm, and quoted only where it is the user's own."""
import json
import os
import resource
import subprocess
import threading

import pytest

import harness

HUGE = 18446744073709551615
PROCESS = {"type": "process", "format": "stalltrace.trace/1", "pid": 7, "exe": "/srv/app", "argv": ["a"], "start_ns": 1}
LOOP = {"type": "loop", "loop": 1, "tid": 7, "name": "l", "home": "epoll", "at_ns": 0}
END = {"type": "end", "at_ns": 99999999, "reason": "exit"}


def write(path, *records):
    path.write_text("".join(json.dumps(r) + "\n" for r in (PROCESS, LOOP, *records, END)))
    return path


def at_source(file, line, module="/usr/bin/true"):
    """A stall of 20 ms that a line of a Python file is to blame for."""
    return ({"type": "module", "module": 1, "path": str(module), "base": "0x1000"},
            {"type": "stack", "stack": 1, "frames": [{"pc": "0x2000", "vaddr": "0x1000", "module": 1, "eval": True}],
             "python": [{"function": "f", "file": str(file), "line": line, "entry": True}]},
            {"type": "stall", "stall": 1, "kind": "call", "loop": 1, "call": "read", "class": "net", "detail": "x",
             "stack": 1, "at_ns": 5, "elapsed_ns": 20000000, "ended": True})


def iteration(time, elapsed=200000000):
    return ({"type": "stall", "stall": 1, "kind": "iteration", "loop": 1, "call": "iteration", "class": "iteration",
             "at_ns": 5, "elapsed_ns": elapsed, "ended": False},
            {"type": "stall_end", "stall": 1, "elapsed_ns": elapsed, "time": time})


def bounded():
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))


def stalltrace(*args, **options):
    """With no more CPU than a small trace needs."""
    return harness.command(*args, preexec_fn=bounded, timeout=60, **options)


def report(*args, **options):
    result = stalltrace("report", *args, **options)
    assert result.returncode == 0, result.stderr
    assert len(result.stdout) < 20000
    assert "runtime error" not in result.stderr
    return result.stdout


@pytest.mark.parametrize("time", [
    {"calls_ns": HUGE, "found_ns": 0, "cpu_ns": 50000000, "runnable_ns": 100000000, "asleep_ns": 0},
    {"calls_ns": 0, "cpu_ns": 18000000000000000000, "runnable_ns": 0, "asleep_ns": 0},
    {"calls_ns": HUGE, "found_ns": HUGE, "cpu_ns": HUGE, "runnable_ns": HUGE, "asleep_ns": HUGE},
    {"calls_ns": -5, "cpu_ns": 1e308, "runnable_ns": float("nan"), "asleep_ns": float("inf")},
    {"calls_ns": "x", "cpu_ns": [1], "runnable_ns": {"a": 1}, "asleep_ns": True},
])
@pytest.mark.parametrize("elapsed", [1, 200000000, HUGE, -1, 1e308])
def test_times_are_no_longer_than_there_is(tmp_path, time, elapsed):
    trace = write(tmp_path / "t.jsonl", *iteration(time, elapsed))
    assert all(len(line) < 300 for line in report(trace).splitlines())
    [finding] = json.loads(report("--format", "json", trace))["findings"]
    assert finding["total_ms"] < 1e14


def test_counts_add_up_to_no_nonsense(tmp_path):
    more = {"type": "more", "kind": "call", "loop": 1, "call": "read", "class": "file", "stack": 1,
            "count": HUGE, "total_ns": HUGE, "max_ns": HUGE}
    stats = {"type": "stats", "loop": 1, "at_ns": HUGE, "iterations": HUGE, "max_iteration_ns": HUGE,
             "busy_ns": HUGE, "wait_ns": HUGE, "calls_ns": HUGE, "longest": [[HUGE, HUGE]] * 9,
             "iteration_hist": [[HUGE, HUGE], [0, HUGE]], "longest_calls": [HUGE]}
    trace = write(tmp_path / "t.jsonl", *at_source("/x", HUGE), *[more] * 20, *[stats] * 20)
    report(trace)
    assert stalltrace("stats", trace).returncode == 0
    assert stalltrace("check", trace).returncode == 1
    assert stalltrace("check", "--budget", "1s", trace).returncode == 1


@pytest.mark.parametrize("line", [2147483647, 2147483646, 2147483648, HUGE, -1, 0])
def test_lines_that_no_file_has(tmp_path, line):
    source = tmp_path / "s.py"
    source.write_text("pass\n" * 5)
    trace = write(tmp_path / "t.jsonl", *at_source(source, line))
    assert "|" not in report("--source-root", tmp_path, trace)


def test_a_histogram_of_any_order_is_read_in_one_go(tmp_path):
    hist = [[i * 7, 1] for i in range(300000, 0, -1)]
    moves = [[i * 7, i * 7 + 3, 1] for i in range(1, 100000)]
    trace = write(tmp_path / "t.jsonl",
                  {"type": "stats", "loop": 1, "at_ns": 5, "iterations": 5, "max_iteration_ns": 5,
                   "busy_ns": 5, "wait_ns": 5, "calls_ns": 0, "iteration_hist": hist},
                  {"type": "stats", "loop": 1, "at_ns": 6, "iterations": 6, "max_iteration_ns": 5,
                   "busy_ns": 5, "wait_ns": 5, "calls_ns": 0, "iteration_moves": moves})
    result = stalltrace("stats", "--format", "json", trace)
    assert result.returncode == 0, result.stderr
    iteration = json.loads(result.stdout)["loops"][0]["iteration"]
    assert iteration["count"] == sum(b["count"] for b in iteration["buckets"]) == 300000


# ---- what it names ----

SECRET = "root:$6$secret:19000"


def quoted(trace, *options, cwd):
    return SECRET in report(*options, trace, cwd=cwd)


def test_sources_are_quoted_below_the_project_alone(tmp_path):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for directory in (project / ".git", project / "sub", elsewhere):
        directory.mkdir(parents=True)
    (elsewhere / "shadow").write_text(SECRET + "\n")
    (project / "own.py").write_text(SECRET + "\n")
    (project / "link.py").symlink_to(elsewhere / "shadow")
    (project / "within.py").symlink_to("own.py")
    trace = tmp_path / "t.jsonl"

    write(trace, *at_source(project / "own.py", 1))
    assert quoted(trace, cwd=project / "sub")
    assert quoted(trace, "--source-root", project, cwd=elsewhere)
    assert quoted(trace, "--app-dir", project, cwd=elsewhere)
    assert not quoted(trace, cwd=elsewhere)
    assert not quoted(trace, "--no-source", cwd=project)
    assert "--source-root" in report(trace, cwd=elsewhere)
    assert "--source-root" not in report(trace, cwd=project)
    assert "--source-root" not in report("--no-source", trace, cwd=elsewhere)

    write(trace, *at_source(project / "within.py", 1))
    assert quoted(trace, cwd=project)
    for path in (elsewhere / "shadow", project / "link.py", project / ".." / "elsewhere" / "shadow"):
        write(trace, *at_source(path, 1))
        assert not quoted(trace, cwd=project)


def test_only_files_of_a_sensible_size_are_quoted(tmp_path):
    (tmp_path / "large.py").write_bytes(b"pass\n" + b"\0" * (17 << 20))
    os.mkfifo(tmp_path / "fifo.py")
    for name in ("large.py", "fifo.py", ".", "missing.py", "a" * 5000):
        trace = write(tmp_path / "t.jsonl", *at_source(tmp_path / name, 1))
        assert "|" not in report(trace, cwd=tmp_path)
    for path in ("/proc/self/pagemap", "/proc/kmsg", "/dev/zero", "/sys/kernel/debug/tracing/trace_pipe"):
        trace = write(tmp_path / "t.jsonl", *at_source(path, 1))
        assert "|" not in report("--source-root", "/dev", trace, cwd="/dev")


@pytest.mark.parametrize("module", ["fifo", ".", "/dev/zero", "/dev/tty", "/proc/self/mem", "/proc/kcore", "missing"])
def test_modules_are_regular_files(tmp_path, module):
    os.mkfifo(tmp_path / "fifo")
    trace = write(tmp_path / "t.jsonl", *at_source("/x.py", 1, tmp_path / module))
    assert "f  " in report(trace)


@pytest.mark.parametrize("command", ["report", "check", "stats"])
def test_what_is_no_file_is_no_trace(tmp_path, command):
    os.mkfifo(tmp_path / "fifo.jsonl")
    for path in (tmp_path / "fifo.jsonl", "/dev/zero"):
        result = stalltrace(command, path)
        assert result.returncode == 2
        assert f"{path}: is no regular file" in result.stderr
    result = stalltrace(command, tmp_path)
    assert "fifo.jsonl: is no regular file" in result.stderr


def test_a_fifo_that_comes_while_a_directory_is_read(tmp_path):
    """The path is looked at, and then opened: what is there then may be another thing."""
    path, done = tmp_path / "x.jsonl", threading.Event()

    def swap():
        while not done.is_set():
            for make in (lambda: os.mkfifo(tmp_path / "new"), lambda: write(tmp_path / "new")):
                make()
                os.replace(tmp_path / "new", path)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(50):
            assert stalltrace("report", tmp_path).returncode in (0, 2)
    finally:
        done.set()
        thread.join()


def test_deep_and_odd_json_is_a_damaged_line(tmp_path):
    trace = write(tmp_path / "t.jsonl", *at_source("/x", 1))
    with trace.open("a") as file:
        file.write("[" * 100000 + "\n")
        file.write('{"type":"stats","loop":1,"iteration_hist":' + "[" * 50000 + "]" * 50000 + "}\n")
        file.write('{"type":"stack","stack":9,"frames":{"pc":1},"python":"x"}\n')
        file.write('{"type":"stack","stack":1,"frames":[[1],null,{"pc":12,"module":-1}],"python":[null,{"line":1e300}]}\n')
        file.write('{"type":"stall","stall":1,"kind":"call","call":"read","stack":1,"ended":false}\n' * 3)
        file.write('{"type":"stall_end","stall":1}\n' * 3)
    result = subprocess.run([harness.STALLTRACE, "report", trace], capture_output=True, text=True,
                            preexec_fn=bounded, timeout=60, check=False)
    assert result.returncode == 0


def test_debug_files_beside_anothers_module_are_left_alone(tmp_path):
    """A module names its debug file, which is looked for beside it, too."""
    module = tmp_path / "module.so"
    tools = [["gcc", "-shared", "-o", module, "-x", "c", "-"], ["objcopy", "--add-gnu-debuglink=/dev/null", module]]
    if os.geteuid() != 0 or any(subprocess.run(t, input="int f(void) { return 0; }", text=True, check=False,
                                               stderr=subprocess.DEVNULL).returncode for t in tools):
        pytest.skip("needs root, gcc and objcopy")
    os.chown(module, 65534, 65534)
    (tmp_path / ".debug").mkdir()
    for directory in (tmp_path, tmp_path / ".debug"):
        os.mkfifo(directory / "null")
    trace = write(tmp_path / "t.jsonl", *at_source("/x.py", 1, module))
    report(trace)


HOSTILE = "::error::x\n::error::x ##[error]x ##vso[x]\x1b[2J\x9b2J\u202ex\u2066\u200f\u061c\x7f"


def hostile_trace(path):
    """Every word in it is meant for a terminal or for the machine that runs a CI job."""
    process = {**PROCESS, "exe": "/" + HOSTILE, "argv": [HOSTILE]}
    loop = {**LOOP, "name": HOSTILE, "home": HOSTILE}
    module, stack, stall = at_source(HOSTILE, 1)
    stack["python"][0]["function"] = HOSTILE
    stall.update({"call": HOSTILE, "detail": HOSTILE, "task": HOSTILE, "coroutine": HOSTILE, "class": HOSTILE})
    notice = {"type": "notice", "code": HOSTILE, "message": HOSTILE}
    loss = {"type": "loss", "code": HOSTILE, "message": HOSTILE, "count": 1}
    long = [dict(r) for r in iteration({"calls_ns": 1})]
    for record in long:
        record["stall"] = 2
    long[0]["ended"] = False
    sample = {"type": "sample", "stall": 2, "stack": 1, "syscall": HOSTILE, "wait_channel": HOSTILE}
    records = (process, loop, module, stack, stall, notice, loss, long[0], sample, long[1], END)
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.mark.parametrize("command", [["report"], ["report", "--full"], ["check"], ["check", "--show-suppressed"], ["stats"]])
def test_names_are_no_commands_to_a_terminal_or_a_ci_job(tmp_path, command):
    result = stalltrace(*command, hostile_trace(tmp_path / "t.jsonl"))
    text = result.stdout + result.stderr
    assert "error" in text
    assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
    assert "##[" not in text and "##vso[" not in text
    controls = [chr(c) for c in (*range(9), *range(11, 32), *range(0x7f, 0xa0), 0x200e, 0x200f, 0x61c,
                                 *range(0x202a, 0x202f), *range(0x2066, 0x206a))]
    assert not [c for c in controls if c in text]
