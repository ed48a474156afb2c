"""What the shim does on the program's threads is never reported as the program's."""
import harness


def test_joining_the_agent_is_no_call_of_the_program(preload):
    code = """
import ctypes, os, select
loop = select.epoll(); loop.poll(0.001)
for i in range(3):
    ctypes.CDLL(None).unshare(0); loop.poll(0.001)
    if os.fork() == 0: os._exit(0)
    os.wait(); loop.poll(0.001)
"""
    traced = preload(harness.PYTHON, "-c", code,
                     env={"STALLTRACE_THRESHOLD": "0", "STALLTRACE_STRICT": "all"})
    assert traced.exit == 0, traced
    assert traced.findings
    for finding in traced.findings:
        assert finding["call"] not in ("pthread_join", "pthread_create", "dlopen"), traced.describe()
        assert "stalltrace" not in (finding["detail"] or "")
