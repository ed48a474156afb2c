"""Who holds the semaphore that a loop waits for."""
import re

import harness


def test_holder_of_a_semaphore(run, program):
    """The thread that took it last; nobody where threads post what others take, or it is new."""
    traced = run(program("semaphores"), options=("--threshold", "80ms"))
    assert traced.exit == 0, traced
    keeper = re.search(rb"keeper (\d+)", traced.out)[1].decode()
    details = {}
    for finding in traced.findings:
        if finding["kind"] == "call":
            assert finding["call"] == "sem_timedwait"
            frame = next(f for f in finding["frames"] if f["file"] and f["function"].startswith("wait_for"))
            details[frame["line"]] = finding["detail"]
    assert details == {
        harness.stall_line("semaphores.c", "lock"): f"held by thread {keeper} (keeper)",
        harness.stall_line("semaphores.c", "signal"): None,
        harness.stall_line("semaphores.c", "anew"): None,
    }
    assert f"waited for a lock held by thread {keeper} (keeper), class lock\n" in \
        harness.command("report", traced.dir).stdout
