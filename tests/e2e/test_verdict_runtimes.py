"""What runtimes do for themselves is no call's fault: a child that has ended is reaped, a thread is
started, the GIL is waited for, a loop is handed over, Node writes what it has compiled."""
import glob
import json
import os
import shutil
import subprocess

import pytest

from harness import BUILT_PROGRAMS, PROGRAMS, PYTHON, command, environment

VERDICT = "verdict/"
CRATES = "/usr/share/cargo/registry"


@pytest.mark.parametrize("case", ["ended", "any-ended", "runs", "another-ended"])
def test_waits_for_children(run, script, case):
    traces = run(PYTHON, script(VERDICT + "child_ended.py"), case, options=("--strict=process",))
    assert traces.exit == 0, traces
    waits = [f for f in traces.findings if f["call"].startswith("wait")]
    if "ended" in case and case != "another-ended":
        assert waits == [], traces.describe()
    else:
        assert [f["count"] for f in waits] == [1], traces.describe()


def test_trio_process(run, script, python_with):
    python_with("trio")
    traces = run(PYTHON, script(VERDICT + "trio_process.py"), options=("--strict",))
    assert traces.exit == 0
    traces.assert_clean()


def test_node_writes_its_perf_map(run, script, tool):
    traces = run(tool("node"), script(VERDICT + "node_clean.js"), options=("--js", "--strict=file,stdio"))
    assert traces.exit == 0
    traces.assert_clean()


def test_libuv_starts_a_child(run, tool):
    """It reads from a pipe until the child has begun its program: no longer than the machine lets that wait."""
    traces = run(tool("node"), "-e", "setTimeout(() => require('child_process').spawn('true'), 20)",
                 options=("--threshold", "60s,ipc=0"))
    assert traces.exit == 0
    own = [f for part in ("findings", "suppressed") for f in traces.report()[part]
           if f["call"] == "read" and any(x["function"] == "uv_spawn" for x in f["frames"])]
    assert own, traces.describe()
    assert [f for f in own if f in traces.findings] == []


@pytest.mark.parametrize("callers, status", [
    (["uv_mutex_lock", "uv__work_done"], 0), (["uv_mutex_lock", "post", "uv__work_submit", "uv_fs_read"], 0),
    (["uv_mutex_lock", "uv__work_submit", "uv_fs_read"], 0),
    (["uv_mutex_lock", "after_work", "uv__work_done"], 1), (["on_request"], 1)])
def test_libuv_waits_for_its_pool(tmp_path, callers, status):
    """The mutex that they share is held for no longer than the machine has no CPU for its holder. A
    program's own is another."""
    frames = [{"pc": hex(4096 + i), "symbol": name, "exact": i == 0}
              for i, name in enumerate(["pthread_mutex_lock", *callers, "uv__io_poll", "uv_run"])]
    records = [
        {"type": "process", "format": "stalltrace.trace/1", "version": "0.1.0", "pid": 7, "ppid": 1, "exe": "/bin/x",
         "argv": ["x"], "start_ns": 1, "threshold_ns": {}, "iteration_threshold_ns": 100000000,
         "strict": [], "loops": "auto"},
        {"type": "loop", "loop": 1, "tid": 7, "name": "x", "home": "epoll", "at_ns": 0},
        {"type": "stack", "stack": 1, "frames": frames},
        {"type": "stall", "stall": 1, "kind": "call", "loop": 1, "call": "pthread_mutex_lock", "class": "lock",
         "stack": 1, "at_ns": 1000, "elapsed_ns": 13000000, "ended": True, "strict": False},
        {"type": "end", "at_ns": 20000000, "reason": "exit"}]
    (tmp_path / "x.7.1.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    assert command("check", tmp_path).returncode == status


@pytest.fixture(scope="module")
def handed_over():
    cargo = shutil.which("cargo", path="/usr/bin:" + os.environ.get("PATH", ""))
    if not cargo:
        pytest.skip("cargo is not installed")
    if not glob.glob(f"{CRATES}/tokio-1.*"):
        pytest.skip("tokio (librust-tokio-dev) is not installed")
    source = PROGRAMS / "verdict" / "block_in_place"
    crate, built = BUILT_PROGRAMS / "verdict" / "block_in_place", BUILT_PROGRAMS / "verdict" / "target"
    (crate / "src").mkdir(parents=True, exist_ok=True)
    for name in ("Cargo.toml", "src/main.rs"):
        copy = crate / name
        if not copy.exists() or copy.read_bytes() != (source / name).read_bytes():
            shutil.copyfile(source / name, copy)
    rustc = os.path.join(os.path.dirname(cargo), "rustc")
    subprocess.run([cargo, "build", "--quiet", "--offline", "--target-dir", built,
                    "--config", 'source.crates-io.replace-with = "debian"',
                    "--config", f'source.debian.directory = "{CRATES}"'], check=True, cwd=crate,
                   env=environment({"CARGO_HOME": str(built / "home"), "RUSTC": rustc}))
    return built / "debug" / "block_in_place"


@pytest.mark.parametrize("options", [(), ("--strict",)], ids=["plain", "strict"])
def test_tokio_block_in_place(run, handed_over, options):
    traces = run(handed_over, options=options)
    assert traces.exit == 0
    traces.assert_clean()
