"""Situations in Rust: futures on tokio. The program is built from the crates that Debian ships."""
import glob
import os
import shutil
import subprocess

import pytest

from harness import BUILT_PROGRAMS, CALM, environment
from situations import hanging, only_at, situation, tell

CRATES = "/usr/share/cargo/registry"
RUNTIMES = ("current", "multi")
MAIN = "tokio/src/main.rs"


@pytest.fixture(scope="module")
def waits():
    """The program. cargo itself sees to it that one test builds and the others wait."""
    cargo = shutil.which("cargo", path="/usr/bin:" + os.environ.get("PATH", ""))
    if not cargo:
        pytest.skip("cargo is not installed")
    if not glob.glob(f"{CRATES}/tokio-1.*"):
        pytest.skip("tokio (librust-tokio-dev) is not installed")
    # cargo writes its lock file beside the manifest, and the sources may be read-only.
    crate, built = BUILT_PROGRAMS / "situations" / "tokio", BUILT_PROGRAMS / "situations" / "target"
    (crate / "src").mkdir(parents=True, exist_ok=True)
    for name in ("Cargo.toml", "src/main.rs"):
        source, copy = situation("tokio") / name, crate / name
        if not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copyfile(source, copy)
    rustc = os.path.join(os.path.dirname(cargo), "rustc")
    subprocess.run([cargo, "build", "--quiet", "--offline", "--target-dir", built,
                    "--config", 'source.crates-io.replace-with = "debian"',
                    "--config", f'source.debian.directory = "{CRATES}"'], check=True, cwd=crate,
                   env=environment({"CARGO_HOME": str(built / "home"), "RUSTC": rustc}))
    return built / "debug" / "waits"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_future_waits_for_a_mutex(start, waits, runtime):
    """std::sync::Mutex, held by a thread of the program's: Rust's has no owner to name."""
    traced = start(waits, runtime, "mutex", stdin=subprocess.PIPE)
    finding = hanging(traced, ("futex", "pthread_mutex_lock"), MAIN, "mutex")
    assert finding["class"] == "lock"
    frame = finding["frames"][finding["culprit"]]
    assert frame["function"] == "waits::Shop::sell::{{closure}}"
    assert os.path.isabs(frame["file"]), "cargo's files are relative to their crate"
    tell(traced)
    traced.line("41 left")
    assert traced.wait().exit == 0, traced


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_future_sleeps(run, waits, runtime):
    traced = run(waits, runtime, "sleep", quiet=False)
    assert traced.exit == 0, traced
    finding = only_at(traced, ("nanosleep", "clock_nanosleep"), MAIN, "sleep")
    assert finding["class"] == "sleep"
    assert finding["frames"][finding["culprit"]]["function"] == "waits::sleep::{{closure}}"
    assert "sleep → " in traced.err


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_spawn_blocking_is_clean(run, waits, runtime):
    traced = run(waits, runtime, "pool", options=("--strict", *CALM))
    assert traced.exit == 0, traced
    traced.assert_clean()


def longest_park(traced):
    return max((f["max_ms"] for f in traced.report()["suppressed"] if f["class"] == "lock"), default=0)


def run_parked(run, *argv, options):
    """Which workers have their turn at the events, and are loops then, is a matter of chance: on a
    busy machine it may be a single one, which never parks."""
    for _ in range(3):
        traced = run(*argv, options=options)
        assert traced.exit == 0, traced
        if longest_park(traced) > 1000:
            break
    return traced


@pytest.mark.parametrize("runtime, strict", [("current", ("--strict",)), ("multi", ()),
                                             ("multi", ("--strict",))])
def test_idle_runtime_is_clean(run, waits, runtime, strict):
    """The workers of the multi-threaded one have parked for seconds, and more than one of them has
    had its turn at the events."""
    traced = run(waits, runtime, "idle", options=(*strict, "--threshold", "80ms,lock=10ms",
                                                  "--iteration-threshold", "5s"))
    assert traced.exit == 0, traced
    traced.assert_clean()
    if runtime == "multi":
        assert longest_park(traced) > 1000


def test_parked_worker_is_no_finding_at_any_threshold(run, waits):
    """What is left is tokio's own locks, each held for an instant."""
    traced = run_parked(run, waits, "multi", "idle", options=("--threshold", "80ms,lock=0",
                                                              "--iteration-threshold", "5s"))
    assert longest_park(traced) > 1000
    assert [f for f in traced.findings if f["max_ms"] > 500] == [], traced.describe()
    names = [frame["function"] or "" for f in traced.findings for frame in f["frames"]]
    assert not any("park" in name or "Condvar" in name for name in names), traced.describe()


def test_parked_worker_without_symbols(run, waits, tmp_path):
    """Nothing tells its wait from another for a lock."""
    if not shutil.which("strip"):
        pytest.skip("strip is not installed")
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, waits], check=True)
    traced = run(stripped, "multi", "idle", options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()
    assert longest_park(traced) > 1000
