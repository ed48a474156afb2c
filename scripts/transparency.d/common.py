"""What the suites of scripts/transparency share: the configurations, how a command is run under one
of them, and the comparison of results, test by test."""
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# What is set besides the preload. `plain` is the program as it is; in `main` the main thread is a
# loop thread from the start, so that every call takes the wrappers' long way; in `forks` the thread
# of a forked child is one as well.
CONFIGURATIONS = {
    "plain": None,
    "default": {},
    "strict": {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all"},
    "main": {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all", "STALLTRACE_LOOPS": "main"},
    "forks": {"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all", "STALLTRACE_LOOPS": "main"},
}


@dataclasses.dataclass
class Setting:
    """Where things are, and what was asked for."""
    preload: str
    command: str
    work: pathlib.Path
    quick: bool
    retries: int
    deadline: float
    only: tuple = ()
    lint: list = dataclasses.field(default_factory=list)  # what no trace may hold, and one did


def environment(setting, configuration, traces):
    """The caller's environment with one configuration of stalltrace, or none."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("STALLTRACE_", "LD_PRELOAD", "PYTHON"))}
    env["LC_ALL"] = "C.UTF-8"
    settings = CONFIGURATIONS[configuration]
    if settings is not None:
        env.update(settings, LD_PRELOAD=setting.preload, STALLTRACE_OUTPUT=str(traces),
                   STALLTRACE_QUIET="1")
    if configuration == "forks":
        # in front, so that its constructor runs after ours
        env["LD_PRELOAD"] = loops_everywhere(setting) + ":" + env["LD_PRELOAD"]
    return env


def loops_everywhere(setting):
    """The second preload, built when it is first wanted."""
    built = setting.work / "loops_everywhere.so"
    source = pathlib.Path(__file__).with_name("loops_everywhere.c")
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, source, "-pthread"],
                       check=True)
    return str(built)


def stop(process):
    """Ends a process and its group, by its own id."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            continue


def usual_signals():
    """What nohup and a shell's `&` leave ignored, tests expect to be as usual."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)


def run(argv, env, deadline, log, cwd=None):
    """Runs a command to its end or its deadline, its output in `log`. The exit status, or None."""
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   preexec_fn=usual_signals)
        try:
            return process.wait(deadline)
        except subprocess.TimeoutExpired:
            return None
        finally:
            stop(process)


def lint(setting, traces, remove=True):
    """Notes what the traces of a run hold that no trace may hold; such traces are kept."""
    files = sorted(traces.glob("*.jsonl"))
    if files:
        result = subprocess.run([SOURCE / "scripts" / "trace-lint", *files], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False)
        setting.lint += result.stdout.splitlines()
        remove = remove and result.returncode == 0
    if remove:
        shutil.rmtree(traces, ignore_errors=True)


def version_of(package):
    """The installed version of a Debian package, or None."""
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            check=False)
    return result.stdout or None


@dataclasses.dataclass
class Row:
    """One line of the table: a suite in one configuration, against the plain run."""
    suite: str
    configuration: str
    tests: int = 0
    same: int = 0
    seconds: float = 0
    differences: list = dataclasses.field(default_factory=list)  # (test, plain, traced)
    flaky: list = dataclasses.field(default_factory=list)        # test
    skipped: str = ""                                            # why nothing was compared
    notes: list = dataclasses.field(default_factory=list)        # what is not well without us, either


def differences(plain, traced):
    """[(test, plain outcome, traced outcome)], of two {test: outcome}."""
    names = sorted(set(plain) | set(traced))
    return [(n, plain.get(n, "missing"), traced.get(n, "missing"))
            for n in names if plain.get(n) != traced.get(n)]


def settle(row, found, again, retries):
    """Runs what differs again, on both sides: what can come out either way without us is flaky,
    what comes out the same on both sides in every further run was a matter of time."""
    for test, plain, traced in found:
        sides = {"plain": {plain}, "traced": {traced}}
        agreed = 0
        for _ in range(retries):
            outcome = {side: again(side, test) for side in sides}
            agreed += outcome["plain"] == outcome["traced"]
            for side, result in outcome.items():
                sides[side].add(result)
        if retries and (agreed == retries or sides["traced"] <= sides["plain"]):
            row.flaky.append((test, sorted(map(str, sides["plain"])), sorted(map(str, sides["traced"]))))
        else:
            row.differences.append((test, plain, traced))


class Stopwatch:
    def __init__(self):
        self.start = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.start
