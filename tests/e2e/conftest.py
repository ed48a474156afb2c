"""Fixtures of the end-to-end tests. What is missing on a machine is a skipped test with a reason."""
import os
import shutil
import socket
import subprocess
import threading

import pytest

import harness

TRACE_LINT = harness.trace_lint()


def pytest_configure(config):
    config.addinivalue_line("markers", "damages_traces(reason): the traces of this test are not linted")


@pytest.fixture(autouse=True)
def lint(request):
    """No trace of any test holds what no trace may hold. Set up first, so that it looks last."""
    harness.Traces.recorded.clear()
    yield
    if os.environ.get("STALLTRACE_LINT") == "no":
        return  # .ci/run says where and why
    mark = request.node.get_closest_marker("damages_traces")
    if mark:
        assert mark.kwargs["reason"], "why are its traces not linted?"
        return
    wrong = [f"{path}: {sentence} [{rule}]"
             for path in TRACE_LINT.traces(d for d in sorted(harness.Traces.recorded) if d.is_dir())
             for rule, sentence in TRACE_LINT.lint(path)]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def start(tmp_path):
    """start(*argv, options=(), quiet=True, …): runs a program under `stalltrace run`, as a Running."""
    started = []

    def start_one(*argv, options=(), quiet=True, output=None, **popen):
        directory = output or tmp_path / f"traces{len(started)}"
        flags = ["--quiet"] if quiet else []
        run = harness.Running([harness.STALLTRACE, "run", "-o", directory, *flags, *options, "--",
                               *argv], directory, **popen)
        started.append(run)
        return run

    yield start_one
    for run in started:
        run.kill()


@pytest.fixture
def run(start):
    """The same, to its end."""
    def run_one(*argv, timeout=60, **options):
        return start(*argv, **options).wait(timeout)
    return run_one


@pytest.fixture
def start_preloaded(tmp_path):
    """The same without the command: LD_PRELOAD and environment variables alone."""
    started = []

    def start_one(*argv, env=None, output=None, **popen):
        directory = output or tmp_path / f"preloaded{len(started)}"
        os.makedirs(directory, exist_ok=True)
        env = {"LD_PRELOAD": harness.PRELOAD, "STALLTRACE_OUTPUT": str(directory),
               "STALLTRACE_QUIET": "1", **(env or {})}
        run = harness.Running(argv, directory, env=env, **popen)
        started.append(run)
        return run

    yield start_one
    for run in started:
        run.kill()


@pytest.fixture
def preload(start_preloaded):
    def run_one(*argv, timeout=60, **options):
        return start_preloaded(*argv, **options).wait(timeout)
    return run_one


@pytest.fixture
def program():
    """program(name): path of a built program of tests/programs."""
    def path_of(name):
        path = harness.BUILT_PROGRAMS / name
        if not path.exists():
            pytest.skip(f"{name} was not built: its library is missing")
        return path
    return path_of


@pytest.fixture
def compile_c(tmp_path, tool):
    """compile_c(source, *flags): the path of a program made of it."""
    def compile_one(source, *flags):
        (tmp_path / "program.c").write_text(source)
        subprocess.run([tool("gcc"), "-D_GNU_SOURCE", *flags, "-o", tmp_path / "program",
                        tmp_path / "program.c"], check=True)
        return tmp_path / "program"
    return compile_one


@pytest.fixture
def script():
    """script(name): path of a script of tests/programs."""
    return lambda name: harness.PROGRAMS / name


@pytest.fixture
def tool():
    """tool(name): path of a program of the system, or the test is skipped."""
    def path_of(name):
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if not path:
            pytest.skip(f"{name} is not installed")
        return path
    return path_of


@pytest.fixture
def python_with():
    """python_with(modules…): the system's python3, or the test is skipped."""
    def path_of(*modules):
        result = subprocess.run([harness.PYTHON, "-c", "import " + ",".join(modules or ["sys"])],
                                stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode != 0:
            pytest.skip(result.stderr.strip().splitlines()[-1])
        return harness.PYTHON
    return path_of


class SilentServer:
    """A TCP server that accepts, reads, and does not answer until it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answer = threading.Event()
        self.asked = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        try:
            client, _ = self.listener.accept()
            with client:
                client.recv(100)
                self.asked.set()
                self.answer.wait(harness.DEADLINE)
                client.sendall(b"42\n")
        except OSError:
            pass

    def close(self):
        self.answer.set()
        self.listener.close()


@pytest.fixture
def silent_server():
    server = SilentServer()
    yield server
    server.close()
