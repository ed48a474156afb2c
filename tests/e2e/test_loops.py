"""When is a thread a loop thread? Every kind of home wait, the API, and what is interposed."""
import re
import shutil
import subprocess

import pytest

import harness
from harness import CALM

EPOLLS = ["epoll_wait", "epoll_pwait", "epoll_pwait2", "syscall"]
POLLS = ["poll", "ppoll", "select", "pselect"]
HOMES = {"ppoll": "poll", "pselect": "select", **{name: "epoll" for name in EPOLLS}}


@pytest.mark.parametrize("wait", EPOLLS + POLLS)
def test_home_wait_of_the_main_thread(run, program, wait):
    traced = run(program("homes"), wait)
    assert traced.exit == 0, traced
    traced.only_at("nanosleep", "homes.c")
    loop, = traced.report()["processes"][0]["loops"]
    assert loop["home"] == HOMES.get(wait, wait)


@pytest.mark.parametrize("wait", EPOLLS + POLLS)
def test_home_wait_is_no_finding(run, program, wait):
    traced = run(program("homes"), wait, "clean", options=[*CALM])
    assert traced.exit == 0, traced
    traced.assert_clean()


@pytest.mark.parametrize("wait", EPOLLS)
def test_epoll_in_any_thread(run, program, wait):
    traced = run(program("homes"), wait, "thread")
    finding = traced.only_at("nanosleep", "homes.c")
    assert finding["loop"]["tid"] != finding["loop"]["pid"]


@pytest.mark.parametrize("wait", POLLS)
def test_poll_in_another_thread_only_where_asked_for(run, program, wait):
    traced = run(program("homes"), wait, "thread")
    assert traced.findings == []
    assert traced.check() == 3
    traced = run(program("homes"), wait, "thread", options=["--loops", "poll"])
    traced.find_at("nanosleep", "homes.c")


def test_a_nested_loop_does_not_take_the_home_over(run, program):
    """However often it waits, until that is past belief."""
    traced = run(program("nested"), "nested")
    finding = traced.only_at("epoll_wait", "nested.c")
    assert harness.wall_ms(finding, "total_ms") >= 39 * 20, traced.describe()
    loop, = traced.report()["processes"][0]["loops"]
    assert loop["iterations"] < 20


def test_a_poll_of_the_home_epoll_fd_is_the_home_wait(run, program):
    traced = run(program("nested"), "polled", options=["--strict=wait", *CALM])
    assert traced.exit == 0, traced
    traced.assert_clean()


@pytest.mark.parametrize("how", ["asked", "driven"])
def test_an_epoll_fd_that_is_only_asked_is_not_the_home(run, program, how):
    """A library's, of which the loop fetches events with a timeout of 0, though it came first."""
    traced = run(program("nested"), how, options=["--strict=wait", *CALM])
    assert traced.exit == 0, traced
    traced.assert_clean()
    loop, = traced.report()["processes"][0]["loops"]
    assert loop["iterations"] < 20, loop


def test_epoll_that_is_told_by_io_uring(run, program):
    """libuv's since 1.46, so Node's since 22: the first call that waits is not the loop's wait."""
    traced = run(program("homes"), "uring", "clean", options=["--strict=wait,lock", *CALM])
    if traced.exit == 77:
        pytest.skip("io_uring is not allowed here")
    assert traced.exit == 0, traced
    traced.assert_clean()
    loop, = traced.report()["processes"][0]["loops"]
    assert loop["home"] == "epoll"
    run(program("homes"), "uring").only_at("nanosleep", "homes.c")


def test_loop_by_the_name_of_its_thread(run, program):
    traced = run(program("homes"), "poll", "thread", options=["--loops", "name=loop*"])
    finding = traced.find_at("nanosleep", "homes.c")
    assert finding["loop"]["name"] == "looper"
    traced = run(program("homes"), "epoll_wait", options=["--loops", "name=other"])
    assert traced.findings == []


def test_api(run, program):
    """A loop that says so itself; after its end the thread may sleep again."""
    for options in ([], ["--loops", "api"]):
        traced = run(program("homes"), "api", options=options)
        finding = traced.only_at("nanosleep", "homes.c")
        assert finding["count"] == 1
        assert finding["loop"]["name"] == "mine"


def test_allowed_block(run, program):
    traced = run(program("homes"), "epoll_wait", "allowed")
    assert [f for f in traced.findings if f["kind"] == "call"] == []


def test_api_costs_nothing_without_us(program):
    result = subprocess.run([program("homes"), "api", "allowed"], check=False)
    assert result.returncode == 0


def exported():
    if not shutil.which("nm"):
        pytest.skip("nm is missing")
    symbols = subprocess.run(["nm", "-D", "--defined-only", harness.PRELOAD], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[2].split("@")[0] for line in symbols.splitlines()}


def test_every_row_of_the_table_is_exported():
    """calls.def is the single source: what stands there is interposed, and nothing else is."""
    probe = harness.SOURCE / "shim" / "probe"
    table = "".join(path.read_text() for path in sorted(probe.glob("**/*.def")))
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    rows = set(re.findall(r"^(?:CALL|VOIDCALL|BODY|VARIADIC|ALIAS)\(\s*(\w+)\s*,", table, flags=re.M))
    assert len(rows) > 50
    assert rows - exported() == set()
    internal = {name for name in exported() - rows if name.startswith(("st_", "real_"))}
    assert internal == set(), "internal names are visible"


EXPECTED_CALLS = """
sleep usleep nanosleep clock_nanosleep poll ppoll select pselect epoll_wait epoll_pwait
epoll_pwait2 connect accept accept4 recv recvfrom recvmsg send sendto sendmsg read write readv
writev pread pwrite open openat fsync fdatasync flock getaddrinfo getnameinfo gethostbyname
gethostbyname2 gethostbyname_r gethostbyname2_r pthread_mutex_lock pthread_cond_wait
pthread_cond_timedwait pthread_join sem_wait wait waitpid waitid system syscall close
pthread_setname_np __read_chk __recv_chk __recvfrom_chk __poll_chk __ppoll_chk __pread_chk
__pread64_chk __open_2 __open64_2 __openat_2 __openat64_2 open64 openat64 pread64 pwrite64
"""


def test_what_must_be_interposed():
    assert set(EXPECTED_CALLS.split()) - exported() == set()


def test_no_stall_is_missed(run, program):
    """A hundred calls over the threshold: the watcher sees some, their own end the rest."""
    traced = run(program("loop_epoll"), "many", options=["--threshold=5ms", "--iteration-threshold=10s"])
    assert traced.exit == 0, traced
    calls = [f for f in traced.findings if f["kind"] == "call"]
    seen = sum(f["count"] for f in calls) + traced.report()["dropped"]["stalls"]
    starved = max([0, *(r["count"] for r in traced.records("starved"))])  # some of these are under it
    assert seen <= 100 <= seen + starved, traced.describe()
    assert len(calls) == 1 and seen >= 80


STORM = """
import os, select
loop = select.epoll(); loop.poll(0.001)
read, write = os.pipe()
def byte():
    os.write(write, b"x"); os.read(read, 1)
def often():
    for _ in range(20000):
        byte()
def once():
    os.write(write, b"x"); os.read(read, 1)
often(); once(); loop.poll(0.001)
"""


@pytest.mark.parametrize("language", ["c", "python"])
@pytest.mark.parametrize("options", [("--strict=ipc",), ("--threshold", "60s,ipc=0")],
                         ids=["strict", "threshold"])
def test_a_storm_hides_nothing(run, program, language, options):
    """Far more than can be copied: all are counted, and the one call elsewhere is found."""
    argv = (program("loop_epoll"), "storm") if language == "c" else (harness.PYTHON, "-c", STORM)
    traced = run(*argv, options=(*options, "--iteration-threshold", "60s"))
    assert traced.exit == 0, traced
    assert traced.report()["dropped"]["stalls"] == 0
    names = {"c": ("reads_once", "reads_often")}.get(language, ("once", "often"))
    for call in "read", "write":
        counts = dict.fromkeys(names, 0)
        for finding in traced.findings:
            callers = [f["function"] for f in finding["frames"]]
            caller = next((n for n in names if n in callers), None)
            if finding["call"] == call and caller:
                counts[caller] += finding["count"]
        assert list(counts.values()) == [1, 20000], traced.describe()


WAIT_FOR_NOTHING = {
    "select": "select.select([], [], [], 0.2)",
    "poll": "select.poll().poll(200)",
    "pselect": "libc.pselect(0, None, None, None, ctypes.byref(fifth), None)",
    "ppoll": "libc.ppoll(None, 0, ctypes.byref(fifth), None)",
    "select by syscall": "libc.syscall(23, 0, 0, 0, 0, ctypes.byref(fifth_us))",
}


@pytest.mark.parametrize("call", WAIT_FOR_NOTHING)
def test_a_wait_for_no_descriptor_is_a_sleep(run, call):
    """As time.sleep was up to Python 3.10: its threshold, its strict mode, are those of class sleep."""
    code = f"""
import ctypes, select
class Pair(ctypes.Structure):
    _fields_ = [("s", ctypes.c_long), ("f", ctypes.c_long)]
fifth, fifth_us, libc = Pair(0, 200000000), Pair(0, 200000), ctypes.CDLL(None)
loop = select.epoll(); loop.poll(0.001)
{WAIT_FOR_NOTHING[call]}
loop.poll(0.001)
"""
    traced = run(harness.PYTHON, "-c", code, options=("--threshold", "60s,sleep=80ms"))
    finding = traced.find(call.split()[0])
    assert finding["class"] == "sleep", traced.describe()
    if "syscall" not in call:
        assert finding["detail"] == "200 ms", traced.describe()


TOLD_NOT_TO_WAIT = {
    "recv": ("near.setblocking(False); near.recv(1)", "near.recv(1)"),
    "send": ("near.setblocking(False); near.send(b'x')", "near.send(b'x')"),
    "recvmsg": ("near.recvmsg(1, 0, socket.MSG_DONTWAIT)", "near.recvmsg(1)"),
    "read": ("os.set_blocking(pipe[0], False); os.read(pipe[0], 1)", "os.read(pipe[0], 1)"),
    "poll": ("poll.poll(0)", "poll.poll(1000)"),
    "epoll_wait": ("other.poll(0)", "other.poll(1)"),
    "wait4": ("os.wait4(child.pid, os.WNOHANG)", "os.wait4(child.pid, 0)"),
}


@pytest.mark.parametrize("call", TOLD_NOT_TO_WAIT)
@pytest.mark.parametrize("waits", [False, True], ids=["nonblocking", "blocking"])
def test_a_call_that_cannot_wait_is_no_stall_however_long_it_took(run, call, waits):
    """Where the machine does not run a thread, any call is long; the threshold here makes all of
    them so."""
    code = f"""
import os, select, socket, subprocess
loop = select.epoll(); loop.poll(0.001)
near, far = socket.socketpair(); pipe = os.pipe()
far.send(b"x"); os.write(pipe[1], b"x")
poll = select.poll(); poll.register(near, select.POLLIN)
other = select.epoll(); other.register(near, select.EPOLLIN)
child = subprocess.Popen(["true"])
def stall():
    {TOLD_NOT_TO_WAIT[call][waits]}
stall()
loop.poll(0.001)
"""
    traced = run(harness.PYTHON, "-c", code, options=("--threshold", "1ns"))
    assert traced.exit == 0, traced
    found = [f["call"] for f in traced.findings
             if f["kind"] == "call" and "stall" in [x["function"] for x in f["frames"]]]
    assert (call in found) == waits, traced.describe()


def test_a_thousand_loops_are_watched(run):
    """The table grows with them; the last one is watched like the first."""
    code = """
import select, threading, time
threading.stack_size(65536)
def loop(many):
    poll = select.epoll(); poll.poll(0)
    many.wait(); many.wait()
barrier = threading.Barrier(1001)
threads = [threading.Thread(target=loop, args=(barrier,)) for _ in range(1000)]
for thread in threads: thread.start()
barrier.wait()
poll = select.epoll(); poll.poll(0); time.sleep(0.3); poll.poll(0)
barrier.wait()
for thread in threads: thread.join()
"""
    traced = run(harness.PYTHON, "-c", code, options=("--threshold", "60s,sleep=200ms",
                                                      "--iteration-threshold", "60s"))
    assert traced.exit == 0, traced
    assert traced.report()["losses"] == []
    assert len(traced.records("loop")) >= 1001
    traced.find("clock_nanosleep")
