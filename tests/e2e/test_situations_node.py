"""Situations in Node: JavaScript's function, file and line (`run --js`), whatever the version."""
import glob
import os
import re
import urllib.request

import pytest

import harness
from harness import CALM, command
from situations import assert_at, blamed, hanging, situation

JS = "waits.js"


@pytest.fixture
def node(tool):
    return tool("node")


def test_synchronous_read_of_a_fifo_while_it_hangs(start, node, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    traced = start(node, situation(JS), "fifo", fifo, options=("--js",), cwd=tmp_path)
    traced.line("reading")
    finding = hanging(traced, "open", JS, "fifo")
    assert blamed(traced, finding)["function"] == "readOrders"
    assert finding["detail"] == str(fifo)
    fifo.write_text("an order")
    assert traced.wait().exit == 0, traced


# what it does: the calls that will do, JavaScript's function, class
WAITS = {
    "exec": (("epoll_wait", "epoll_pwait", "poll"), "runTool", "wait"),
    "atomics": (("pthread_cond_timedwait", "futex"), "waitForTurn", "lock"),
}


@pytest.mark.parametrize("name", WAITS)
def test_call_that_waits(run, node, tmp_path, name):
    calls, function, kind = WAITS[name]
    traced = run(node, situation(JS), name, options=("--js",), cwd=tmp_path)
    assert traced.exit == 0, traced
    finding = traced.find(calls)  # fork(), on a busy machine, may be another
    assert_at(traced, finding, JS, name)
    assert blamed(traced, finding)["function"] == function
    assert finding["class"] == kind
    assert harness.wall_ms(finding) >= 390
    assert traced.check() == 1


@pytest.mark.parametrize("name, function", [("pbkdf2", "hashPassword"), ("regexp", "isValid"),
                                            ("json", "parseCatalogue")])
def test_call_that_computes(run, node, tmp_path, name, function):
    traced = run(node, situation(JS), name, cwd=tmp_path,
                 options=("--js", "--threshold", "80ms", "--iteration-threshold", "60ms"))
    assert traced.exit == 0, traced
    found = [f for f in traced.findings if f["kind"] == "iteration" and f["culprit"] is not None
             and blamed(traced, f)["function"] == function]
    assert len(found) == 1, traced.describe()
    if name != "json":  # which makes the text first
        assert_at(traced, found[0], JS, name)
    assert found[0]["time"]["calls_ms"] < 0.2 * found[0]["max_ms"]


def test_lookup_of_a_name_is_the_thread_pools(run, node, tmp_path):
    traced = run(node, situation(JS), "dns", options=("--js", "--strict=dns", *CALM), cwd=tmp_path)
    assert traced.exit == 0, traced
    assert traced.out.strip() in (b"127.0.0.1", b"::1")
    traced.assert_clean()


def test_worker_may_block_and_compute(run, node, tmp_path):
    """It has a loop of its own, but is there so that the main loop need not wait."""
    traced = run(node, situation(JS), "worker", cwd=tmp_path,
                 options=("--js", "--threshold", "80ms", "--iteration-threshold", "400ms"))
    assert traced.exit == 0, traced
    traced.assert_clean()
    kinds = {f["kind"] for f in traced.report()["suppressed"]}
    assert "call" in kinds and kinds <= {"call", "iteration"}, "they are shown when asked for"
    assert all("node::worker::Worker::Run" in f["suppressed_by"]
               for f in traced.report()["suppressed"])


def test_http_server_is_clean(start, node, tmp_path):
    traced = start(node, situation(JS), "server", options=("--js", *CALM), cwd=tmp_path)
    port = traced.port()
    for _ in range(20):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            assert response.read() == b'"done"'
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_nothing_is_left_behind(run, node, tmp_path):
    """V8 writes a map, and a log for each isolate where the process was started; others stay."""
    other = tmp_path / "isolate-0x1234-1-v8.log"
    other.write_text("somebody's profile")
    traced = run(node, situation(JS), "worker", options=("--js",), cwd=tmp_path)
    pid = traced.report()["processes"][0]["pid"]
    assert not os.path.exists(f"/tmp/perf-{pid}.map")
    assert glob.glob(str(tmp_path / "isolate-*")) == [str(other)]


# In every way of calling, each call names the line that it stands on.
SHAPES = ["""function plain@() {
  const a = 1;
  CALL;
  return a;
}
run(plain@);""", """const arrow@ = () =>
  CALL;
run(arrow@);""", """function twice@() {
  CALL; const b = 1;
  for (let i = 0; i < 2; i++) {
    if (i === 1)
      CALL;
  }
  return b;
}
run(twice@);""", """class Shop@ {
  sell() {
    try {
      this.#fail();
    } catch {
      CALL;
    } finally {
      CALL;
    }
  }
  #fail() {
    CALL;
    throw new Error('sold out');
  }
}
run(() => new Shop@().sell());""", """function* generate@() {
  yield 1;
  yield [
    1,
    CALL,
    `${
      CALL
    }`,
  ];
}
run(() => [...generate@()]);""", """async function later@() {
  CALL;
  await null;
  return [1, 2].map((x) => {
    return x +
      CALL;
  });
}
run(later@);""", """function spread@() {
  return Math.max(
    1,
    Number(CALL),
    ...[CALL].map(Number),
  );
}
run(spread@);"""]
TIMES = 6


def lines_script():
    source = "const fs = require('fs');\nconst all = [];\nconst run = (f) => all.push(f);\n"
    source += "\n".join(shape.replace("@", str(n)) for n in range(TIMES) for shape in SHAPES) + """
let garbage = [];
const timer = setInterval(() => {
  for (const f of all.splice(0, 4)) f();
  for (let i = 0; i < 1000; i++) garbage.push(new Array(100).fill({}));
  if (garbage.length > 5000) garbage = [];
  if (all.length === 0) clearInterval(timer);
}, 10);
setTimeout(() => {}, 600);
"""
    return "\n".join(line.replace("CALL", f"fs.existsSync('/nowhere/{number}')")
                     for number, line in enumerate(source.split("\n"), 1))


def test_lines_are_the_calls_own(run, node, tmp_path):
    """Read out of V8's heap, mostly after the call is over, while the program goes on and its
    garbage is collected: each line is right or is not given."""
    script = tmp_path / "lines.js"
    script.write_text(lines_script())
    traced = run(node, script, options=("--js", "--threshold", "1s,meta=0"), cwd=tmp_path)
    assert traced.exit == 0, traced
    stacks = {r["stack"]: r for r in traced.records("stack")}
    right, none = 0, 0
    for stall in traced.records("stall"):
        match = re.fullmatch(r"/nowhere/(\d+)", stall.get("detail", ""))
        if not match:
            continue
        frame = next(f for f in stacks[stall["stack"]]["frames"] if str(script) in f.get("symbol", ""))
        if "line" in frame:
            assert frame["line"] == int(match[1]), frame
            right += 1
        else:
            none += 1
    assert right >= 20, f"{right} lines were given, {none} were not"
    assert none <= right, f"{right} lines were given, {none} were not"


def test_report_says_when_the_line_is_the_functions(run, node, tmp_path):
    """A compiled function's line is where it begins, and the report says so of no other."""
    traced = run(node, situation(JS), "atomics", options=("--js",), cwd=tmp_path)
    text = command("report", traced.dir).stdout
    assert "Atomics.wait(sleeper" in text
    assert "where the function begins" not in text
