"""Test suites that Debian ships as packages: GLib's, systemd's, Twisted's and tornado's. GLib's and
systemd's programs run one at a time; Python's are compared by what they say of each test."""
import os
import pathlib
import re
import shlex
import shutil

import common

PYTHON = "/usr/bin/python3"
GLIB = pathlib.Path("/usr/share/installed-tests/glib")
SYSTEMD = pathlib.Path("/usr/lib/systemd/tests")
# test-fileio: expects that its process has one thread, as /proc/self/status says; test-execute: hours
SYSTEMD_LEFT_OUT = {"test-fileio", "test-execute"}
TWISTED = {
    "internet.test": "asyncioreactor base core endpoints epollreactor fdset glibbase inotify main "
                     "posixprocess process sigchld socket stdio tcp threads time tls udp unix",
    "test": "application ftp internet iutils log pb process ssl stdio tcp threadpool threads twistd "
            "udp unix",
    "web.test": "http webclient", "conch.test": "cftp", "names.test": "names", "runner.test": "procmon",
}
QUICK = {"systemd": ["test-event"]}


def glib():
    """{test: argv}: each in a session bus of its own, as its runner does it."""
    found = {}
    for path in sorted(GLIB.glob("*.test")):
        line = re.search(r"^Exec=(.*)$", path.read_text(), re.M)
        if "performance" in path.name:
            continue  # they measure time alone
        found[path.name] = ["dbus-run-session", "--", *shlex.split(line[1])]
    return found


def systemd():
    return {p.name: ["unshare", "--mount", "--propagation", "private", str(p)]
            for p in sorted(SYSTEMD.glob("test-*"))
            if p.is_file() and os.access(p, os.X_OK) and p.name not in SYSTEMD_LEFT_OUT}


def twisted():
    modules = [f"twisted.{package}.test_{name}" for package, names in TWISTED.items()
               for name in names.split()]
    return {m: [PYTHON, "-m", "twisted.trial", "--reporter=verbose", "--temp-directory=trial", m]
            for m in modules}


def tornado():
    return {"tornado.test": [PYTHON, "-m", "tornado.test", "--verbose"]}


SUITES = {"glib": ("libglib2.0-tests", glib), "systemd": ("systemd-tests", systemd),
          "twisted": ("python3-twisted", twisted), "tornado": ("python3-tornado", tornado)}


def outcomes(test, status, text):
    """{part of the test: outcome}, by the lines of TAP, of trial's reporter and of unittest's."""
    found = {test: f"exit {status}"}
    place = ""
    for line in text.splitlines():
        tap = re.match(r"\s*(ok|not ok) \d+ (\S+)(.*# SKIP)?", line)
        trial = re.match(r"\s+(\w+) \.\.\.\s+\[(\w+)", line)
        python = re.match(r"(\w+) \(([\w.]+)\).* \.\.\. (\w+)", line)
        if tap:
            name = re.sub(r"seed:\d+", "seed", tap[2])
            found[f"{test}:{name}"] = tap[1] + (" skipped" if tap[3] else "")
        elif trial:
            found[f"{test}:{place}.{trial[1]}"] = trial[2]
        elif python:
            found[f"{test}:{python[2]}.{python[1]}"] = python[3]
        elif re.match(r"\s+\w+$", line):
            place = line.strip()
    return found


def run(setting, configuration, test, argv):
    place = setting.work / "installed" / f"{test}.{configuration}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "traces").mkdir(parents=True)
    env = common.environment(setting, configuration, place / "traces")
    env.update(HOME=str(place), XDG_RUNTIME_DIR=str(place))
    status = common.run(argv, env, setting.deadline, place / "log", cwd=place)
    text = (place / "log").read_text(errors="replace")
    common.lint(setting, place / "traces")
    return outcomes(test, status, text)


def suite(setting, configurations):
    for name, (package, tests_of) in SUITES.items():
        if setting.quick and name not in QUICK:
            continue
        version = common.version_of(package)
        if not version:
            yield common.Row(name, "-", skipped=f"{package} is not installed")
            continue
        tests = tests_of()
        wanted = setting.only or (QUICK[name] if setting.quick else ())
        if wanted:
            tests = {t: argv for t, argv in tests.items() if t in wanted or name in wanted}
        if not tests:
            continue
        plain = {}
        for test, argv in tests.items():
            plain.update(run(setting, "plain", test, argv))
        for configuration in configurations:
            watch = common.Stopwatch()
            traced = {}
            for test, argv in tests.items():
                traced.update(run(setting, configuration, test, argv))
            row = common.Row(f"{name} {version}", configuration, len(set(plain) | set(traced)))
            found = common.differences(plain, traced)
            row.same = row.tests - len(found)

            def again(side, part):
                test = part.partition(":")[0]
                where = "plain" if side == "plain" else configuration
                return run(setting, where, test, tests[test]).get(part, "missing")

            common.settle(row, found, again, setting.retries)
            row.seconds = watch.seconds
            yield row
