"""The situations that a Python programmer meets, each with its verdict at the right line. The
programs are in tests/programs/situations."""
import json
import os
import re
import socket
import sqlite3
import struct
import subprocess
import threading
import urllib.request

import pytest

import harness
from harness import CALM, DEADLINE, PYTHON, environment, stall_line
from situations import assert_at, blamed, hanging, only_at, situation, tell

LOOPS = ("asyncio", "uvloop")
WAITS = "situations/waits.py"

# Thread.start() waits until the new thread runs, which on a busy machine is no short wait.
CALM_WITH_THREADS = ("--threshold", "200ms,lock=5s", "--iteration-threshold", "5s")


def needs(*modules):
    result = subprocess.run([PYTHON, "-c", "import " + ",".join(modules)], stderr=subprocess.PIPE,
                            text=True, check=False)
    if result.returncode != 0:
        pytest.skip(result.stderr.strip().splitlines()[-1])


@pytest.fixture(params=LOOPS)
def loop(request):
    if request.param == "uvloop":
        needs("uvloop")
    return request.param


# What coroutines do to their loop.

def test_read_then_sleep_gathered_twice(run, loop):
    traced = run(PYTHON, situation("coroutines.py"), "gathered", loop, __file__)
    assert traced.exit == 0, traced
    finding = only_at(traced, "clock_nanosleep", "coroutines.py", "gathered")
    assert finding["count"] == 2
    assert harness.wall_ms(finding, "total_ms") >= 590
    assert traced.check() == 1


@pytest.mark.parametrize("name", ["executor", "sleeps", "short", "one_after_another"])
def test_well_behaved_is_clean(run, loop, name):
    traced = run(PYTHON, situation("coroutines.py"), name, loop, __file__,
                 options=CALM_WITH_THREADS)
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_cpu_bound_loop(run, loop):
    """The interpreter runs the two lines of the loop: the samples are at either."""
    traced = run(PYTHON, situation("coroutines.py"), "compute", loop)
    assert traced.exit == 0, traced
    found = [f for f in traced.findings if f["kind"] == "iteration"]
    assert len(found) == 1, traced.describe()
    frame = blamed(traced, found[0])
    assert frame["function"] == "count", traced.describe()
    source = situation("coroutines.py").read_text().splitlines()
    assert source[frame["line"] - 1].strip() in ("for step in range(steps):", "total += step")
    assert found[0]["count"] == 1
    assert found[0]["time"]["calls_ms"] < 0.2 * found[0]["max_ms"]
    assert traced.check() == 1


def test_coroutine_never_awaited(run, loop):
    """Python says so, and neither more nor less than without stalltrace."""
    argv = [PYTHON, situation("coroutines.py"), "never_awaited", loop]
    plain = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           env=environment(), check=True)
    assert "was never awaited" in plain.stderr
    traced = run(*argv, options=CALM)
    assert (traced.exit, traced.out.decode(), traced.err) == (0, plain.stdout, plain.stderr)
    traced.assert_clean()


def test_sleep_beside_a_task_is_found_while_it_sleeps(start, loop):
    traced = start(PYTHON, situation("coroutines.py"), "task", loop)
    traced.line("sleeping")
    finding = hanging(traced, "clock_nanosleep", "coroutines.py", "task")
    # Python computes the moment to wake up at, and a busy machine may let some time pass then.
    assert re.fullmatch(r"5 s|4\.\d+ s", finding["detail"])


@pytest.mark.parametrize("name", ["timeout", "cancel"])
def test_timeout_is_powerless(start, name):
    """Reported after milliseconds; the program's own timeout of 0.1 s acts after two seconds."""
    traced = start(PYTHON, situation("coroutines.py"), name, "asyncio")
    stall = traced.record("stall", call="clock_nanosleep")
    assert traced.out == b"", "the timeout had its way"
    assert stall["ended"] is False
    assert stall["elapsed_ns"] < 5e8  # the default threshold is 10 ms
    seconds = float(traced.line(r"gave up after ([\d.]+) s")[1])
    assert seconds >= 1.95
    traced.wait()
    assert harness.wall_ms(only_at(traced, "clock_nanosleep", "coroutines.py", "stubborn")) >= 1950


@pytest.mark.parametrize("name", ["timeout_thread", "cancel_thread"])
def test_timeout_of_a_thread_is_clean(run, name):
    traced = run(PYTHON, situation("coroutines.py"), name, "asyncio", options=CALM_WITH_THREADS)
    assert traced.exit == 0, traced
    assert b"gave up after" in traced.out
    traced.assert_clean()


# A web service and its liveness probe.

def get(port, path, timeout=DEADLINE):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as response:
        return json.loads(response.read())


class Request(threading.Thread):
    """A request that is under way while the test goes on."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.port, self.path, self.answer = port, path, None
        self.start()

    def run(self):
        self.answer = get(self.port, self.path)


@pytest.mark.parametrize("path", ["sleeps", "computes"])
def test_liveness_probe_fails_with_a_finding_over_the_budget(start, loop, path):
    needs("fastapi", "uvicorn")
    traced = start(PYTHON, situation("liveness.py"), loop, options=("--budget", "1s"))
    port = traced.port()
    assert get(port, "/live") == "live"
    slow = Request(port, f"/{path}")
    traced.line("in the endpoint")
    with pytest.raises(OSError):  # timed out
        get(port, "/live", timeout=1)
    assert slow.answer is None, "the probe failed, but not because of the endpoint"
    slow.join(DEADLINE)
    traced.stop()
    kind = "call" if path == "sleeps" else "iteration"
    found = [f for f in traced.findings if f["over_budget"]]
    assert len(found) == 1 and found[0]["kind"] == kind, traced.describe()
    assert found[0]["max_ms"] > 1000
    if path == "sleeps":
        assert_at(traced, found[0], "liveness.py")
    else:
        assert blamed(traced, found[0])["function"] == "busy", traced.describe()
    assert traced.check("--fail-on", "budget") == 1


@pytest.mark.parametrize("path", ["sleeps-in-thread", "computes-in-thread"])
def test_liveness_probe_succeeds_beside_the_thread_pool(start, loop, path):
    needs("fastapi", "uvicorn")
    traced = start(PYTHON, situation("liveness.py"), loop,
                   options=("--threshold", "1s", "--iteration-threshold", "5s"))
    port = traced.port()
    slow = Request(port, f"/{path}")
    while slow.answer is None:
        assert get(port, "/live") == "live"
    traced.stop()
    traced.assert_clean()


# What a coroutine waits for.

class SilentDatabase(threading.Thread):
    """Speaks as much of PostgreSQL's protocol as it takes to log in; a query is never answered."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lost = threading.Event()
        self.start()

    @staticmethod
    def message(kind, body):
        return kind + struct.pack("!I", len(body) + 4) + body

    def run(self):
        client, _ = self.listener.accept()
        with client, client.makefile("rb") as stream:
            stream.read(struct.unpack("!I", stream.read(4))[0] - 4)  # the start-up message
            hello = self.message(b"R", struct.pack("!I", 0))
            for name, value in (("client_encoding", "UTF8"), ("server_encoding", "UTF8"),
                                ("DateStyle", "ISO, MDY"), ("server_version", "15.0"),
                                ("standard_conforming_strings", "on"), ("TimeZone", "UTC")):
                hello += self.message(b"S", f"{name}\0{value}\0".encode())
            client.sendall(hello + self.message(b"Z", b"I"))
            self.lost.wait(DEADLINE)


@pytest.fixture
def silent_database():
    server = SilentDatabase()
    yield server
    server.lost.set()
    server.listener.close()


def test_database_goes_silent_in_mid_query(start, silent_database):
    needs("psycopg2")
    traced = start(PYTHON, situation("waits.py"), "database", silent_database.port, quiet=False)
    traced.line("connected")
    line = stall_line("situations/waits.py", "database")
    traced.line(rf"STILL BLOCKED.*waits\.py:{line}", stream="stderr")
    finding = hanging(traced, "poll", "waits.py", "database")
    assert f"tcp 127.0.0.1:{silent_database.port}" in finding["detail"]
    silent_database.lost.set()
    traced.line("connection lost")
    assert traced.wait().exit == 0, traced


def test_requests_get(start, silent_server):
    needs("requests")
    traced = start(PYTHON, situation("waits.py"), "http", silent_server.port)
    finding = hanging(traced, "recv", "waits.py", "http")
    assert finding["detail"] == f"tcp 127.0.0.1:{silent_server.port}"
    assert finding["class"] == "net"
    silent_server.answer.set()  # which is not HTTP
    traced.line("connection lost")
    assert traced.wait().exit == 0, traced


def test_name_looked_up(run):
    """However fast the resolver was today."""
    traced = run(PYTHON, situation("waits.py"), "dns", options=("--strict=dns",))
    assert traced.exit == 0, traced
    finding = only_at(traced, "getaddrinfo", "waits.py", "dns")
    assert "localhost" in finding["detail"]
    assert finding["class"] == "dns"


def test_name_looked_up_in_a_thread(run):
    traced = run(PYTHON, situation("waits.py"), "dns_thread", options=("--strict=dns", *CALM_WITH_THREADS))
    assert traced.exit == 0, traced
    traced.assert_clean()


@pytest.mark.parametrize("name, call", [("child", "waitpid"), ("child_output", "poll")])
def test_subprocess_run(run, name, call):
    traced = run(PYTHON, situation("waits.py"), name)
    assert traced.exit == 0, traced
    finding = only_at(traced, call, "waits.py", name)
    assert harness.wall_ms(finding) >= 300
    assert re.search(r"pid \d+", finding["detail"]) or call == "poll"


def test_sqlite_behind_another_process(start, tmp_path):
    """SQLite polls the lock: many short sleeps, one finding."""
    path = tmp_path / "shop.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE sold (number)")
    other.execute("BEGIN EXCLUSIVE")
    traced = start(PYTHON, situation("waits.py"), "sqlite", path)
    traced.line("writing")
    traced.record("stall")
    assert traced.process.poll() is None
    other.execute("COMMIT")
    other.close()
    assert traced.wait().exit == 0, traced
    finding = traced.find(("usleep", "nanosleep", "clock_nanosleep"))
    assert finding["class"] == "sleep"
    assert_at(traced, finding, "waits.py", "sqlite")


def test_logging_to_a_full_pipe(start):
    traced = start(PYTHON, situation("waits.py"), "log", stdin=subprocess.PIPE)
    finding = hanging(traced, "write", "waits.py", "log")
    assert "pipe" in finding["detail"]
    assert finding["class"] == "ipc"
    tell(traced)
    assert traced.wait().exit == 0, traced


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_threading_lock_held_by_a_worker(start, kind):
    """Python's lock is a semaphore, which does not know its owner: the probe does. What the owner
    is about is told, too."""
    traced = start(PYTHON, situation("waits.py"), "lock", kind, stdin=subprocess.PIPE)
    owner = traced.line(r"owner (\d+)")[1]
    finding = hanging(traced, "sem_wait", "waits.py", "lock")
    assert finding["class"] == "lock"
    place = f"{situation('waits.py')}:{stall_line(WAITS, 'told')} in told"
    assert finding["detail"] == f"held by thread {owner} (python3) at {place}"
    tell(traced)
    assert traced.wait().exit == 0, traced


def test_result_of_a_worker(start):
    """What the loop's thread waits for with a lock of its own is held by nobody."""
    traced = start(PYTHON, situation("waits.py"), "result", stdin=subprocess.PIPE)
    finding = hanging(traced, "sem_wait", "waits.py", "result")
    assert (finding["class"], finding["detail"]) == ("lock", None)
    tell(traced)
    assert traced.wait().exit == 0, traced


def test_mutex_held_by_a_worker(start):
    traced = start(PYTHON, situation("waits.py"), "mutex", stdin=subprocess.PIPE)
    owner = traced.line(r"owner (\d+)")[1]
    finding = hanging(traced, "pthread_mutex_lock", "waits.py", "mutex")
    assert finding["detail"].startswith(f"held by thread {owner} (cashier) at ")
    assert finding["detail"].endswith(f"waits.py:{stall_line(WAITS, 'told')} in told")
    tell(traced)
    assert traced.wait().exit == 0, traced


# Which task it was.

def test_task_is_named(run, loop):
    traced = run(PYTHON, situation("tasks.py"), "named", loop)
    assert traced.exit == 0, traced
    only_at(traced, "clock_nanosleep", "tasks.py", "pay")
    assert [(r["task"], r["coroutine"]) for r in traced.records("stall")
            if r["call"] == "clock_nanosleep"] == [("customer Zoë", "Shop.serve"),
                                                   ("own", "Shop.serve")]
    assert traced.find("clock_nanosleep")["tasks"] == [
        {"name": "customer Zoë", "coroutine": "Shop.serve", "count": 1},
        {"name": "own", "coroutine": "Shop.serve", "count": 1}]
    text = traced.text()
    assert "in task customer Zoë (coroutine Shop.serve), task own (coroutine Shop.serve)\n" in text


def test_iteration_has_its_task(run, loop):
    traced = run(PYTHON, situation("coroutines.py"), "compute", loop)
    stall = next(r for r in traced.records("stall") if r["kind"] == "iteration")
    assert (stall["task"], stall["coroutine"]) == ("Task-1", "compute")
    finding = next(f for f in traced.findings if f["kind"] == "iteration")
    assert [(t["name"], t["coroutine"]) for t in finding["tasks"]] == [("Task-1", "compute")]
    assert "in task Task-1 (coroutine compute)\n" in traced.text()  # not how many samples


def test_numbered_tasks_are_counted_by_their_coroutine(run, loop):
    """A server has a task a request: a list of numbers would tell nobody anything."""
    traced = run(PYTHON, situation("tasks.py"), "numbered", loop)
    assert traced.exit == 0, traced
    finding = only_at(traced, "clock_nanosleep", "tasks.py", "pay")
    assert finding["tasks"] == [{"name": None, "coroutine": "Shop.serve", "count": 3}]
    assert "task" not in finding
    text = traced.text()
    assert "in tasks of coroutine Shop.serve 3 times\n" in text


def test_callback_has_no_task(run, loop):
    traced = run(PYTHON, situation("tasks.py"), "unnamed", loop)
    stall = next(r for r in traced.records("stall") if r["call"] == "clock_nanosleep")
    assert "task" not in stall


def test_task_is_the_right_one_or_none(run, tmp_path):
    """Each call is over, and mostly its task too, before the agent looks who it was; the next task
    is where the last one was."""
    traced = run(PYTHON, situation("tasks.py"), "turnover", tmp_path, options=("--strict=sync",))
    assert traced.exit == 0, traced
    stalls = [r for r in traced.records("stall") if r["call"] == "fsync"]
    assert len(stalls) >= 20
    for stall in stalls:
        name = os.path.basename(stall["detail"])
        assert name.startswith("flush-")
        assert stall.get("task", name) == name, stall


# gevent.

def test_greenlet_that_blocks(run):
    needs("gevent")
    traced = run(PYTHON, situation("gevent_hub.py"), "blocks")
    assert traced.exit == 0, traced
    finding = only_at(traced, "clock_nanosleep", "gevent_hub.py", "greenlet")
    assert finding["count"] == 2


def test_greenlet_with_patched_sleep_is_clean(run):
    needs("gevent")
    traced = run(PYTHON, situation("gevent_hub.py"), "patched", options=CALM)
    assert traced.exit == 0, traced
    traced.assert_clean()


@pytest.mark.parametrize("path", ["slow", "fast"])
def test_gevent_server(start, path):
    needs("gevent")
    traced = start(PYTHON, situation("gevent_hub.py"), "server",
                   options=CALM if path == "fast" else ())
    port = traced.port()
    for _ in range(3):
        assert get(port, f"/{path}") == "done"
    traced.stop()
    assert traced.exit == 0, traced
    if path == "fast":
        traced.assert_clean()
    else:
        assert only_at(traced, "clock_nanosleep", "gevent_hub.py", "handler")["count"] == 3
