"""`run --error-exitcode=N`: N for findings; otherwise the program's own failure; otherwise 3 where
`check` would say 3. A message says which."""
import os

from harness import CALM, PYTHON, command

SLEEPS = "import asyncio, time\nasync def main(): time.sleep(0.15)\nasyncio.run(main())\n"


def ran(tmp_path, *argv, options=(), **keywords):
    result = command("run", "-q", "-o", tmp_path / "out", "--error-exitcode=9", *options, "--", *argv,
                     **keywords)
    return result.returncode, result.stderr


def test_findings_are_n_whatever_the_program_says(tmp_path):
    for end in "", "raise SystemExit(4)\n":
        status, said = ran(tmp_path, PYTHON, "-c", SLEEPS + end)
        assert status == 9 and "exit status 9: 1 finding" in said, said


def test_the_programs_own_failure_is_passed_on(tmp_path, program):
    status, said = ran(tmp_path, "sh", "-c", "exit 5")
    assert status == 5 and "exit status 5: the program's own" in said, said
    clean = f"{program('loop_epoll')} clean; kill -TERM $$"
    status, said = ran(tmp_path, "sh", "-c", clean, options=CALM)
    assert status == 128 + 15 and "the program's own" in said, said


def test_no_loop_is_3_unless_allowed(tmp_path):
    status, said = ran(tmp_path, "true")
    assert status == 3 and "no event loop" in said and "--allow-no-loop" in said, said
    assert ran(tmp_path, "true", options=["--allow-no-loop"]) == (0, "")


def test_clean_is_0_and_silent(tmp_path, program):
    assert ran(tmp_path, program("loop_epoll"), "clean", options=CALM) == (0, "")


def test_an_output_that_cannot_be_made_is_3(tmp_path):
    result = command("run", "-q", "-o", "/proc/nowhere", "--error-exitcode=9", "--allow-no-loop",
                     "--", "true")
    assert result.returncode == 3 and "nothing was recorded" in result.stderr, result


def test_a_loss_is_3(tmp_path):
    """The stall found no room: --allow-no-loop does not excuse that."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
    status, said = ran(tmp_path, PYTHON, "-c", limit + SLEEPS, options=["--allow-no-loop"])
    assert status == 3 and "missing in the recording" in said, said


def test_fail_on(tmp_path):
    sleeps = [PYTHON, "-c", SLEEPS]
    assert ran(tmp_path, *sleeps, options=["--fail-on", "class:sleep"])[0] == 9
    assert ran(tmp_path, *sleeps, options=["--fail-on", "class:dns,duration>10s"]) == (0, "")
    assert ran(tmp_path, *sleeps, options=["--fail-on", "budget"]) == (0, "")
    assert ran(tmp_path, *sleeps, options=["--fail-on", "budget", "--budget", "50ms"])[0] == 9
    assert ran(tmp_path, *sleeps, options=["--fail-on", "new"])[0] == 2
    assert ran(tmp_path, *sleeps, options=["--fail-on", "nonsense"])[0] == 2


def test_check_says_the_same_afterwards(tmp_path):
    assert ran(tmp_path, PYTHON, "-c", SLEEPS)[0] == 9
    assert command("check", tmp_path / "out").returncode == 1
    assert ran(tmp_path, "true")[0] == 3
    assert command("check", tmp_path / "out").returncode == 3
    assert os.path.isdir(tmp_path / "out.old")
