"""Node: native frames, whatever the version."""
import os

import harness
from harness import CALM


def node_calls(traced):
    return [f for f in traced.findings if f["kind"] == "call"]


def test_synchronous_child_is_a_nested_wait(run, script, tool):
    traced = run(tool("node"), script("node_loop.js"), "exec")
    assert traced.exit == 0, traced
    finding = traced.find(("epoll_wait", "epoll_pwait", "poll"))
    assert harness.wall_ms(finding) >= 250
    assert any("SyncProcessRunner" in (f["function"] or "") or "uv_run" in (f["function"] or "")
               for f in finding["frames"]), traced.describe()
    assert traced.check() == 1


def test_synchronous_read_of_a_fifo(run, script, tool, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    traced = run(tool("node"), script("node_loop.js"), "fifo", fifo)
    assert traced.exit == 0, traced
    finding = traced.find(("open", "openat"))
    assert finding["detail"] == str(fifo)
    assert harness.wall_ms(finding) >= 200


def test_clean(run, script, tool):
    traced = run(tool("node"), script("node_loop.js"), "clean", options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()
