"""CPython's own tests, from Debian's libpython3.11-testsuite: each module in a process of its own,
compared by the outcome of each test."""
import re
import shutil
import xml.etree.ElementTree as ElementTree

import common

PYTHON = "/usr/bin/python3"
PACKAGE = "libpython3.11-testsuite"
QUICK = ["test_threading", "test_selectors", "test_fork1", "test_thread", "test_fileio", "test_file",
         "test_pty", "test_mmap", "test_posix"]
MODULES = ["test_asyncio", "test_signal", "test_threading", "test_subprocess", "test_thread",
           "test_fork1", "test_selectors", "test_socket", "test_ssl", "test_os", "test_io",
           "test_fileio", "test_file", "test_pty", "test_multiprocessing_fork",
           "test_multiprocessing_spawn", "test_multiprocessing_forkserver", "test_faulthandler",
           "test_time", "test_mmap", "test_posix"]
# What does not end on some machines, without stalltrace: there is a /dev/vsock with nobody behind it.
IGNORED = {"test_socket": "*VSOCK*"}
DEADLINES = {"test_asyncio": 900, "test_io": 600, "test_multiprocessing_fork": 900,
             "test_multiprocessing_spawn": 1800, "test_multiprocessing_forkserver": 1800}
DEADLINE = 420


def outcome(case):
    for word in ("failure", "error", "skipped"):
        if case.find(word) is not None:
            return word
    return "ok"


def outcomes(xml, log, status):
    """{test: outcome} of a run; where it died, what its output tells, and that it died."""
    found = {}
    try:
        for case in ElementTree.parse(xml).iter("testcase"):
            # subtests and tests of one name: the worst counts
            name = case.get("name")
            worse = ["ok", "skipped", "failure", "error"]
            found[name] = max(outcome(case), found.get(name, "ok"), key=worse.index)
    except (OSError, ElementTree.ParseError):
        text = log.read_text(errors="replace")
        for test, result in re.findall(r"^\w+ \((\S+)\) \.\.\. (ok|FAIL|ERROR|skipped)", text, re.M):
            found[test] = {"FAIL": "failure", "ERROR": "error"}.get(result, result)
    if status is None:
        found["(the run)"] = "did not end"
    elif status not in (0, 2):  # 2: some tests failed, and they are named
        found["(the run)"] = f"exit {status}"
    else:
        found["(the run)"] = "ended"
    return found


def run_module(setting, configuration, module, match=None, tag=""):
    place = setting.work / "cpython" / f"{module}.{configuration}{tag}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "traces").mkdir(parents=True)
    (place / "tmp").mkdir()
    xml, log = place / "result.xml", place / "log"
    env = common.environment(setting, configuration, place / "traces")
    env["TMPDIR"] = "/tmp"
    argv = [PYTHON, "-m", "test", "-v", "--junit-xml", str(xml), "--tempdir", str(place / "tmp")]
    if module in IGNORED:
        argv += ["-i", IGNORED[module]]
    if match:
        argv += ["-m", match]
    status = common.run(argv + [module], env, DEADLINES.get(module, DEADLINE), log, cwd=place)
    common.lint(setting, place / "traces")
    return outcomes(xml, log, status)


def suite(setting, configurations):
    """Yields a row for each module and configuration."""
    version = common.version_of(PACKAGE)
    if not version:
        yield common.Row("CPython", "-", skipped=f"{PACKAGE} is not installed")
        return
    modules = QUICK if setting.quick else MODULES
    for module in [m for m in modules if not setting.only or m in setting.only]:
        plain = run_module(setting, "plain", module)
        for configuration in configurations:
            watch = common.Stopwatch()
            traced = run_module(setting, configuration, module)
            row = common.Row(f"CPython {version} {module}", configuration, len(traced))

            def again(side, test):
                which = "plain" if side == "plain" else configuration
                if test == "(the run)":
                    return run_module(setting, which, module, tag=".again").get(test)
                return run_module(setting, which, module, test, ".again").get(test, "missing")

            if plain["(the run)"] != "ended":
                row.notes.append(f"the plain run: {plain['(the run)']}")
            bad = [t for t, o in plain.items() if o in ("failure", "error")]
            if bad:
                row.notes.append(f"fail without us, too: {', '.join(bad)}")
            found = common.differences(plain, traced)
            row.same = len(set(plain) | set(traced)) - len(found)
            common.settle(row, found, again, setting.retries)
            row.seconds = watch.seconds
            yield row
