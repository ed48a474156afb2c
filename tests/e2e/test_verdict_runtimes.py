"""What runtimes do for themselves is no call's fault: a child that has ended is reaped, a thread is
started, the GIL is waited for, a loop is handed over, Node writes what it has compiled."""
import glob
import os
import shutil
import subprocess

import pytest

from harness import BUILT_PROGRAMS, PROGRAMS, PYTHON, environment

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
