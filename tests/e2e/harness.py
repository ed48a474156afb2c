"""What the end-to-end tests share: how to run a program under stalltrace, and what to ask of what
it wrote. The fixtures are in conftest.py."""
import contextlib
import glob
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time

SOURCE = pathlib.Path(os.environ.get("STALLTRACE_SOURCE") or pathlib.Path(__file__).parents[2])
BUILD = pathlib.Path(os.environ.get("STALLTRACE_BUILD") or SOURCE / "build")
PROGRAMS = SOURCE / "tests" / "programs"
BUILT_PROGRAMS = BUILD / "tests" / "programs"
STALLTRACE = os.environ.get("STALLTRACE_COMMAND") or str(BUILD / "stalltrace")
PRELOAD = os.environ.get("STALLTRACE_PRELOAD") or str(BUILD / ".libs" / "libstalltrace.so")
PYTHON = "/usr/bin/python3"
DEADLINE = 30

# A clean run must have no findings on a machine that is busy with other things, too: there, a
# call that does not block can take longer than the default of 10 ms for want of a processor.
CALM = ("--threshold", "80ms", "--iteration-threshold", "5s")


def stall_line(source, tag=None):
    """The line of tests/programs/SOURCE that is marked `STALL`, or `STALL:tag`."""
    mark = re.compile(r"(#|//|/\*) STALL" + (f":{re.escape(tag)}" if tag else "") + r"\b(?!:)")
    lines = (PROGRAMS / source).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if mark.search(line)]
    assert len(found) == 1, f"{source}: {len(found)} lines are marked STALL {tag}"
    return found[0]


def environment(extra=None):
    """The caller's environment, without what would change the outcome."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("STALLTRACE_", "LD_PRELOAD", "PYTHON", "ASAN_", "MALLOC_"))}
    env["NO_COLOR"] = "1"
    env.update(extra or {})
    return env


def command(*args, timeout=DEADLINE, **options):
    """Runs the stalltrace command itself."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options["env"] = environment(options.get("env"))
    return subprocess.run([STALLTRACE, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout, **options)


def until(attempt, deadline=DEADLINE):
    """Repeats what cannot be waited for, until it is true; an OSError is a no."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        try:
            result = attempt()
            if result:
                return result
        except OSError:
            pass
        time.sleep(0.005)
    raise AssertionError(f"not true after {deadline} s: {attempt}")


@contextlib.contextmanager
def busy(count):
    """So many busy loops beside what runs in the block."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def kept_waiting_ms(pid):
    """For how long all threads of a process were ready to run, and the machine had no CPU for them."""
    paths = glob.glob(f"/proc/{pid}/task/*/schedstat")
    return sum(int(pathlib.Path(path).read_text().split()[1]) for path in paths) / 1e6


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def trace_lint():
    """scripts/trace-lint, as a module."""
    path = str(SOURCE / "scripts" / "trace-lint")
    loader = importlib.machinery.SourceFileLoader("trace_lint", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("trace_lint", loader))
    loader.exec_module(module)
    return module


def wall_ms(finding, figure="max_ms"):
    """A figure as it was on the clock: the report leaves out what the machine had no CPU for, which on
    a busy one is taken for the machine's where it cannot be told."""
    return finding[figure] + finding["starved_ms"]


class Traces:
    """A directory of traces, and what the reporter says about it."""
    recorded = set()  # the directories of this test: conftest.py lints each

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        Traces.recorded.add(self.dir)
        self._report = None

    def files(self):
        return sorted(glob.glob(str(self.dir / "*.jsonl")))

    def records(self, kind=None):
        """Every complete record, of all files."""
        found = []
        for path in self.files():
            for line in pathlib.Path(path).read_bytes().split(b"\n")[:-1]:
                record = json.loads(line)
                if kind in (None, record["type"]):
                    found.append(record)
        return found

    def report(self):
        if self._report is None:
            result = command("report", "--format", "json", self.dir, timeout=120)
            assert result.returncode == 0, result.stderr
            self._report = json.loads(result.stdout)
        return self._report

    def text(self):
        return command("report", self.dir, timeout=120).stdout

    def check(self, *options):
        return command("check", *options, self.dir, timeout=120).returncode

    @property
    def findings(self):
        return self.report()["findings"]

    def describe(self):
        lines = []
        for finding in self.findings:
            lines.append(f"{finding['kind']} {finding['call']} {finding.get('detail')} "
                         f"x{finding['count']} max {finding['max_ms']} ms culprit {finding['culprit']}")
            for frame in finding["frames"][:12]:
                lines.append(f"    {frame['lang']} {frame['function']} {frame['module']} "
                             f"{frame['file']}:{frame['line']}")
        return "\n".join(lines) or "no findings"

    def find(self, call, **members):
        """The one finding of this call (a name, or several that will do)."""
        calls = (call,) if isinstance(call, str) else call
        found = [f for f in self.findings if f["kind"] == "call" and f["call"] in calls
                 and all(f.get(k) == v for k, v in members.items())]
        assert len(found) == 1, f"{len(found)} findings of {call} {members}:\n{self.describe()}"
        return found[0]

    def find_at(self, call, source, tag=None, **members):
        """The finding of this call, whose culprit must be the marked line of the program."""
        finding = self.find(call, **members)
        assert finding["culprit"] is not None, self.describe()
        frame = finding["frames"][finding["culprit"]]
        where = (os.path.basename(frame["file"] or "?"), frame["line"])
        assert where == (source, stall_line(source, tag)), self.describe()
        return finding

    def only_at(self, call, source, tag=None, **members):
        """The same, and there is no other finding of a call (but for a short one, which a busy
        machine can make of any call)."""
        finding = self.find_at(call, source, tag, **members)
        others = [f for f in self.findings
                  if f is not finding and f["kind"] == "call" and f["max_ms"] >= 60]
        assert others == [], self.describe()
        assert self.check() == 1
        return finding

    def assert_clean(self):
        assert self.findings == [], self.describe()
        assert self.check() == 0
        assert any(p["loops"] for p in self.report()["processes"]), "no loop was seen"


def default_signals():
    """In the child: a test that runs in the background must not hand ignored signals down."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)


class Running(Traces):
    """A program under stalltrace, while it runs and afterwards."""

    def __init__(self, argv, directory, env=None, stdin=subprocess.DEVNULL, **options):
        super().__init__(directory)
        self.argv = [str(a) for a in argv]
        self.process = subprocess.Popen(self.argv, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment(env),
                                        preexec_fn=default_signals, **options)
        self.pid = self.process.pid
        self._chunks = {}
        self._lines = {}
        self._readers = []
        for name in ("stdout", "stderr"):
            self._chunks[name], self._lines[name] = [], queue.Queue()
            reader = threading.Thread(target=self._read, args=(name,), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, name):
        for line in getattr(self.process, name):
            self._chunks[name].append(line)
            self._lines[name].put(line.decode(errors="replace"))
        self._lines[name].put(None)

    def line(self, pattern="", stream="stdout", deadline=DEADLINE):
        """The next line that matches; waits for it. Returns the match."""
        end = time.monotonic() + deadline
        while True:
            try:
                line = self._lines[stream].get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {pattern!r} on {stream} in {deadline} s: {self}") from None
            assert line is not None, f"{stream} ended before {pattern!r}: {self}"
            match = re.search(pattern, line)
            if match:
                return match

    def port(self):
        return int(self.line(r"port (\d+)")[1])

    def record(self, kind, deadline=DEADLINE, **members):
        """Waits for a record of the trace, while the program runs."""
        def attempt():
            return next((r for r in self.records(kind)
                         if all(r.get(k) == v for k, v in members.items())), None)
        return until(attempt, deadline)

    def wait(self, timeout=60):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {timeout} s: {self}") from None
        for reader in self._readers:
            reader.join(timeout)
            assert not reader.is_alive(), f"stdout or stderr is still open: {self}"
        return self

    def stop(self, number=signal.SIGTERM, timeout=30):
        self.process.send_signal(number)
        return self.wait(timeout)

    def kill(self):
        """For the fixtures: whatever is left of it goes."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def exit(self):
        return self.process.returncode

    @property
    def out(self):
        return b"".join(self._chunks["stdout"])

    @property
    def err(self):
        return b"".join(self._chunks["stderr"]).decode(errors="replace")

    def __repr__(self):
        return f"{' '.join(self.argv)}: exit {self.exit}\nstdout: {self.out[-2000:]}\nstderr: {self.err[-2000:]}"
