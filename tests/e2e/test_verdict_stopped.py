"""A loop that does not run is blocked by nothing: what happens between two run_until_complete, in a
synchronous test, in setUp, is no finding. What happens while it runs is one."""
import pytest

from harness import PYTHON, Traces

VERDICT = "verdict/"


def assert_no_long_iteration(traces: Traces):
    """An iteration in which the loop was seen not to run is none: those here last for 0.5 s."""
    for process in traces.report()["processes"]:
        for loop in process["loops"]:
            assert loop["max_iteration_ms"] < 300, process


@pytest.mark.parametrize("options", [(), ("--strict",)], ids=["plain", "strict"])
def test_between_two_runs(run, script, options):
    traces = run(PYTHON, script(VERDICT + "stopped_loop.py"), options=options)
    assert traces.exit == 0
    traces.assert_clean()


@pytest.mark.parametrize("case", ["short", "long", "deep", "left-open", "runner", "run-again", "thread",
                                  "uvloop", "trio", "glib"])
@pytest.mark.parametrize("options", [(), ("--strict",)], ids=["plain", "strict"])
def test_clean(run, script, python_with, case, options):
    python_with(*{"uvloop": ["uvloop"], "trio": ["trio"], "glib": ["gi"]}.get(case, []))
    traces = run(PYTHON, script(VERDICT + "stopped_loops.py"), case, options=options)
    assert traces.exit == 0, traces
    traces.assert_clean()
    assert_no_long_iteration(traces)


@pytest.mark.parametrize("case", ["inside", "uvloop-inside"])
@pytest.mark.parametrize("options", [(), ("--strict",)], ids=["plain", "strict"])
def test_found_while_it_runs(run, script, python_with, case, options):
    python_with(*(["uvloop"] if case.startswith("uvloop") else []))
    traces = run(PYTHON, script(VERDICT + "stopped_loops.py"), case, options=options)
    found = traces.find("clock_nanosleep")
    assert found["frames"][found["culprit"]]["function"] == "blocked"
    assert traces.findings == [found]
    assert found["count"] == 1


def test_setup_and_teardown(run, script):
    traces = run(PYTHON, script(VERDICT + "stopped_loop_unittest.py"), options=("--strict",))
    assert traces.exit == 0
    traces.assert_clean()


@pytest.mark.parametrize("loop", ["function", "session"])
def test_pytest_project(run, script, python_with, loop):
    python_with("pytest_asyncio")
    traces = run(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", script(VERDICT + "pytest_project"),
                 options=("--strict",), env={"SHOP_LOOP": loop})
    assert traces.exit == 0, traces
    traces.assert_clean()


@pytest.mark.parametrize("loop", ["function", "session"])
def test_pytest_project_that_blocks(run, script, python_with, loop):
    python_with("pytest_asyncio")
    traces = run(PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", script(VERDICT + "pytest_project"),
                 options=("--strict",), env={"SHOP_LOOP": loop, "SHOP_ORDERS": "1"})
    assert traces.exit == 0, traces
    found = traces.find("clock_nanosleep")
    frame = found["frames"][found["culprit"]]
    assert (frame["function"], frame["file"].rsplit("/", 1)[1]) == ("price", "shop.py")
    assert traces.findings == [found]
    assert traces.check() == 1
