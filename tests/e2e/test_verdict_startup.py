"""What the first loop does in one go until it listens is start-up: told apart, and no finding. A loop
that stops before it listens, a process that never serves, a socket of another thread's have none."""
import os
import signal
import socket
import urllib.request

import pytest

from harness import PYTHON, command, until

PROGRAM = "verdict/starting.py"


def lines(findings):
    found = set()
    for finding in findings:
        frame = finding["frames"][finding["culprit"]]
        found.add(frame["function"])
    return found


@pytest.mark.parametrize("case", ["service", "uvloop", "computes"])
def test_startup_is_no_finding(run, script, python_with, case):
    python_with(*(["uvloop"] if case == "uvloop" else []))
    traces = run(PYTHON, script(PROGRAM), case, quiet=False)
    assert traces.exit == 0
    traces.assert_clean()
    report = traces.report()
    assert lines(report["startup"]) == {"computes" if case == "computes" else "slow_start"}
    assert report["processes"][0]["serving_at"].endswith("Z")
    check = command("check", traces.dir)
    assert "start-up: 1 place" in check.stdout
    assert "start-up: 1 place" in traces.err and "no blocking calls found" in traces.err
    assert "starting]" in traces.err
    # nor does it fail a budget
    assert command("check", "--fail-on", "budget", "--budget", "120ms", traces.dir).returncode == 0


def test_a_place_with_both(run, script):
    traces = run(PYTHON, script(PROGRAM), "blocks")
    assert lines(traces.report()["startup"]) == {"slow_start"}
    assert lines(traces.findings) == {"slow_start", "service_that_blocks"}
    assert all(f["count"] == 1 for f in traces.findings + traces.report()["startup"])
    assert traces.check() == 1


@pytest.mark.parametrize("case", ["consumer", "listens-first", "runs-before", "runs-often", "runs-another",
                                  "thread-listens", "uvloop-runs-before"])
def test_none(run, script, python_with, case):
    python_with(*(["uvloop"] if case.startswith("uvloop") else []))
    traces = run(PYTHON, script(PROGRAM), case)
    assert traces.exit == 0
    report = traces.report()
    assert report["startup"] == [], traces.describe()
    assert lines(traces.findings) == {"slow_start"}
    served = case not in ("consumer", "thread-listens")
    assert (report["processes"][0]["serving_at"] is not None) == served
    assert traces.check() == 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
        return answer.read()


SERVERS = {
    "asyncio": ["uvicorn", "--loop", "asyncio"],
    "uvloop": ["uvicorn", "--loop", "uvloop"],
    "workers": ["uvicorn", "--workers", "2"],
    "reload": ["uvicorn", "--reload"],
    "gunicorn": ["gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-w", "2"],
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("path", ["ok", "bad"])
def test_servers(start, script, python_with, server, path):
    name, *options = SERVERS[server]
    python_with("fastapi", "uvicorn", name, *(["uvloop"] if server == "uvloop" else []))
    port = free_port()
    bind = ["-b", f"127.0.0.1:{port}"] if name == "gunicorn" else ["--port", str(port)]
    traces = start(PYTHON, "-m", name, *options, *bind, "slow_app:app", cwd=script("verdict"),
                   env={"PYTHONDONTWRITEBYTECODE": "1"})
    until(lambda: ask(port, "ok"))
    # each of them: one that is killed before it serves has no start-up
    workers = 2 if "2" in options else 1
    until(lambda: len(traces.records("serving")) == workers)
    for _ in range(20):
        ask(port, "ok")
    if path == "bad":
        ask(port, "bad")
    traces.stop(signal.SIGTERM)
    found = [f for f in traces.findings if f["call"] == "clock_nanosleep"]
    if path == "ok":
        traces.assert_clean()
    else:
        assert lines(found) == {"bad"}, traces.describe()
        assert traces.check() == 1
    # gunicorn imports the application before there is a loop
    expected = {"prepare"} if server == "gunicorn" else {"prepare", "<module>"}
    assert expected <= lines(traces.report()["startup"])


def test_what_is_asked_of_a_worker_at_once(run, script):
    """It serves from the first connection that it accepts, however late the agent looks."""
    traces = run(PYTHON, script(PROGRAM), "inherits")
    assert lines(traces.report()["startup"]) == {"slow_start"}
    assert lines(traces.findings) == {"request"}, traces.describe()


def test_inherited_socket(start, tool, tmp_path):
    """nginx's workers never listen: their master did."""
    port = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; worker_processes 1;\n"
        f"events {{}} http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200; }} }} }}\n")
    if os.geteuid() == 0:
        os.chmod(tmp_path, 0o755)
    traces = start(tool("nginx"), "-e", tmp_path / "log", "-c", tmp_path / "nginx.conf")
    until(lambda: ask(port, "") == b"")
    traces.record("serving")
    traces.stop(signal.SIGTERM)
    traces.assert_clean()
    serving = [p["serving_at"] for p in traces.report()["processes"] if p["loops"]]
    assert serving and None not in serving
