"""Where a loop waits: with poll on its epoll descriptor, before its first callback, in a library of
main loops, by hand; and what polls without being a loop."""
import shutil
import subprocess

import pytest

from harness import PROGRAMS, PYTHON, command, stall_line, wall_ms

VERDICT = "verdict/"


@pytest.mark.parametrize("how", ["poll", "ppoll", "select"])
@pytest.mark.parametrize("options", [(), ("--strict",)], ids=["plain", "strict"])
def test_waits_on_its_epoll_descriptor(run, program, how, options):
    traces = run(program(VERDICT + "ppoll_on_epoll"), how, options=options)
    assert traces.exit == 0
    found = traces.find(how)
    assert found["count"] == 1 and found["max_ms"] > 350
    assert traces.check() == 1


@pytest.mark.parametrize("case, kind", [("start-spin", "iteration"), ("start-poll", "call"),
                                        ("start-spin-polls", "iteration")])
def test_before_the_first_wait_of_a_tagged_loop(run, program, case, kind):
    traces = run(program(VERDICT + "before_first_wait"), case, options=["--loops", "api"])
    assert traces.exit == 0
    assert [f["kind"] for f in traces.findings] == [kind], traces.describe()
    found = traces.findings[0]
    assert found["count"] == 1 and found["max_ms"] > 250
    frame = found["frames"][found["culprit"]]
    assert frame["function"] == ("main" if kind == "call" else "spin")


@pytest.mark.parametrize("case", ["none", "polls"])
def test_first_waits_of_a_tagged_loop_are_its_own(run, program, case):
    traces = run(program(VERDICT + "before_first_wait"), case, options=["--loops", "api"])
    assert traces.exit == 0
    traces.assert_clean()


@pytest.fixture(scope="module")
def qt(tmp_path_factory):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "Qt5Core"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, check=False) \
        if shutil.which("pkg-config") else None
    if not flags or flags.returncode != 0 or not shutil.which("g++"):
        pytest.skip("Qt (qtbase5-dev) is not installed")
    built = tmp_path_factory.mktemp("qt") / "first_callback"
    subprocess.run(["g++", "-g", "-fPIC", "-o", built, PROGRAMS / "verdict" / "qt_first_callback.cpp",
                    *flags.stdout.split()], check=True)
    return built


@pytest.mark.parametrize("glib", ["1", ""], ids=["own", "glib"])
@pytest.mark.parametrize("number", [0, 1, 5])
def test_first_callback_of_qt(run, qt, glib, number):
    traces = run(qt, number, env={"QT_NO_GLIB": glib} if glib else {})
    assert traces.exit == 0
    assert [(f["call"], f["count"]) for f in traces.findings] == [("nanosleep", 1)], traces.describe()


@pytest.mark.parametrize("how", ["select", "epoll"])
@pytest.mark.parametrize("number", [1, 11])
def test_callbacks_of_event_machine(run, script, tool, how, number):
    ruby = tool("ruby")
    if subprocess.run([ruby, "-e", 'require "eventmachine"'], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        pytest.skip("ruby-eventmachine is not installed")
    traces = run(ruby, script(VERDICT + "event_machine.rb"), how, number)
    assert traces.exit == 0
    assert [f["count"] for f in traces.findings] == [1], traces.describe()
    assert 150 < traces.findings[0]["max_ms"] < 1000


@pytest.mark.parametrize("how", ["poll", "select"])
def test_loop_written_by_hand(run, script, how):
    traces = run(PYTHON, script(VERDICT + "polls.py"), how)
    assert traces.exit == 0
    assert traces.find("clock_nanosleep")["count"] == 1
    assert len(traces.findings) == 1, traces.describe()


@pytest.mark.parametrize("how", ["poll", "select"])
@pytest.mark.parametrize("what, call, count", [
    ("sleeps", "nanosleep", 1), ("asks", "poll", 1), ("often", "nanosleep", 7),
    ("late", "nanosleep", 1), ("forks", "nanosleep", 1)])
def test_first_turns_of_a_loop_written_by_hand(run, program, how, what, call, count):
    """They are set aside, and count once the thread is known for a loop."""
    traces = run(program(VERDICT + "first_turns"), how, what)
    assert traces.exit == 0
    found = traces.find(call)
    assert found["count"] == count and len(traces.findings) == 1, traces.describe()
    assert wall_ms(found) > 250
    assert traces.check() == 1


@pytest.mark.parametrize("how", ["poll", "select"])
@pytest.mark.parametrize("what", ["few", "before", "done"])
def test_what_was_set_aside_for_nothing(run, program, how, what):
    """No loop, or not yet, or not any more."""
    traces = run(program(VERDICT + "first_turns"), how, what, options=["--strict"])
    assert traces.exit == 0
    assert traces.findings == [], traces.describe()
    assert traces.check() == (3 if what == "few" else 0)


@pytest.mark.parametrize("how", ["early-poll", "early-select"])
def test_first_turns_in_python(run, script, how):
    """With its frames: the agent is there before the first of them is copied."""
    traces = run(PYTHON, script(VERDICT + "polls.py"), how)
    assert traces.exit == 0
    found = traces.find("clock_nanosleep")
    assert found["count"] == 1 and len(traces.findings) == 1, traces.describe()
    frame = found["frames"][found["culprit"]]
    assert frame["line"] == stall_line(VERDICT + "polls.py", "loop")


@pytest.mark.parametrize("case", ["communicates", "clients"])
def test_what_polls_is_no_loop(run, script, case):
    traces = run(PYTHON, script(VERDICT + "polls.py"), case)
    assert traces.exit == 0
    assert traces.findings == [], traces.describe()
    assert command("check", traces.dir).returncode in (0, 3)


def test_script_in_ruby_is_no_loop(run, script, tool):
    traces = run(tool("ruby"), script(VERDICT + "plain.rb"))
    assert traces.exit == 0
    assert traces.findings == [], traces.describe()


@pytest.mark.parametrize("options, loops", [((), 1), (("--loops", "poll"), 3),
                                            (("--loops", "auto,name=ZMQbg*"), 3)])
def test_threads_of_a_library(run, script, python_with, options, loops):
    """ZeroMQ's own are no loops of the program's, unless they are asked for."""
    python_with("zmq")
    traces = run(PYTHON, script(VERDICT + "own_threads.py"), "block", options=options)
    assert traces.exit == 0
    seen = [loop["name"] for p in traces.report()["processes"] for loop in p["loops"]]
    # its reaper waits only if it has not ended before
    assert len(seen) == 1 if loops == 1 else "ZMQbg/IO/0" in seen, seen
    assert traces.find("clock_nanosleep")["count"] == 1
