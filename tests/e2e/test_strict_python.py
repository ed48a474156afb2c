"""Strict mode as somebody sees it who writes Python: each line stands in a function of its own, run
on a loop thread, and the calls beside it are all that may be found there."""
import pytest

import harness

PREPARE = """
import fcntl, logging, os, pathlib, queue, random, select, shutil, signal, socket, sqlite3
import subprocess, tempfile, threading, time, uuid
a, b = socket.socketpair()
b.send(b"x" * 100)
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
file = open("a file", "w")
held = threading.Lock()
held.acquire()
pipe = os.pipe()
os.write(pipe[1], b"x" * 10)
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)  # until this process ends
loop = select.epoll()
loop.poll(0.001)
"""

CLEAN = {
    "sleep_nothing": "time.sleep(0)",
    "free_lock": "threading.Lock().acquire()",
    "held_lock_at_once": "held.acquire(blocking=False); held.acquire(timeout=0)",
    "recursive_lock": "l = threading.RLock(); l.acquire(); l.acquire()",
    "event_that_is_set": "e = threading.Event(); e.set(); e.wait()",
    "queue_with_something": "q = queue.Queue(); q.put(1); q.get()",
    "recv_dontwait": "a.recv(1, socket.MSG_DONTWAIT)",
    "recv_nonblocking": "a.setblocking(False); a.recv(1); a.setblocking(True)",
    "send_nonblocking": "a.setblocking(False); a.send(b'x'); a.setblocking(True)",
    "udp_connect": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('127.0.0.1', 9))",
    "numeric_host": "socket.getaddrinfo('127.0.0.1', 80); socket.getaddrinfo('::1', 80)",
    "own_address": "socket.getaddrinfo(None, 80, flags=socket.AI_PASSIVE)",
    "numeric_name": "socket.getnameinfo(('127.0.0.1', 80), socket.NI_NUMERICHOST)",
    "own_name": "socket.gethostname()",
    "select_at_once": "select.select([a], [], [], 0)",
    "poll_at_once": "p = select.poll(); p.register(a); p.poll(0)",
    "nested_epoll_at_once": "e = select.epoll(); e.register(a); e.poll(0)",
    "signal_at_once": "signal.sigtimedwait([signal.SIGUSR1], 0)",
    "child_at_once": "child.poll(); os.waitpid(child.pid, os.WNOHANG)",
    "start_of_a_child": "subprocess.Popen(['true'])",
    "start_of_a_thread": "threading.Thread(target=int).start()",
    "random_numbers": "uuid.uuid4(); os.urandom(8); random.SystemRandom().random()",
    # asked for by class file, meta, ipc or lock
    "file": "open('/etc/passwd').read(); open('another', 'w').write('x')",
    "log": "logging.warning('on standard error')",
    "copy": "shutil.copyfile('/etc/passwd', 'a copy')",
    "temporary_file": "tempfile.TemporaryFile().write(b'x')",
    "directory": "list(os.walk('/etc/ssl')); pathlib.Path('/etc').exists()",
    "database_in_memory": "sqlite3.connect(':memory:').execute('create table t(a)')",
    "pipe": "os.read(pipe[0], 1)",
    "file_lock": "fcntl.flock(file, fcntl.LOCK_EX)",
}
FOUND = {
    "sleep": ("time.sleep(0.2)", "clock_nanosleep"),
    "sleep_by_select": ("select.select([], [], [], 1e-5)", "select"),
    "recv": ("a.recv(1)", "recv"),
    "recv_all": ("a.recv(10, socket.MSG_WAITALL)", "recv"),
    "recv_timeout": ("a.settimeout(5); a.recv(1); a.settimeout(None)", "poll"),
    "send": ("b.send(b'x')", "send"),
    "connect_here": ("socket.create_connection(('127.0.0.1', port))", "connect"),
    "accept": ("server.accept()", "accept4"),
    "name": ("socket.getaddrinfo('localhost', 80)", "getaddrinfo"),
    "old_name": ("socket.gethostbyname('localhost')", "getaddrinfo"),
    "name_of_an_address": ("socket.getfqdn('127.0.0.1')", "gethostbyaddr_r"),
    "home_of_root": ("os.path.expanduser('~root')", "getpwnam_r"),
    "select_a_second": ("select.select([a], [], [], 1)", "select"),
    "nested_epoll": ("e = select.epoll(); e.register(a); e.poll(1)", "epoll_wait"),
    "fsync": ("os.fsync(file.fileno())", "fsync"),
    "database": ("sqlite3.connect('db').execute('create table t(a)')", "fdatasync"),
    "run": ("subprocess.run(['sleep', '0.2'])", "waitpid"),
    "system": ("os.system('true')", "system"),
}


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    work = tmp_path_factory.mktemp("strict")
    lines = [PREPARE]
    for name, code in [*CLEAN.items(), *((n, c) for n, (c, _) in FOUND.items())]:
        lines += [f"def case_{name}():", f"    {code}", f"case_{name}()", "loop.poll(0)"]
    (work / "program.py").write_text("\n".join(lines))
    result = harness.command("run", "--quiet", "-o", "traces", "--strict", "--threshold", "10m",
                             "--iteration-threshold", "10m", "--", harness.PYTHON, "program.py",
                             cwd=work, timeout=120)
    assert result.returncode == 0, result.stderr
    traces = harness.Traces(work / "traces")
    assert traces.report()["dropped"]["stalls"] == 0
    return traces


def calls_in(traces, name):
    return {f["call"] for f in traces.findings
            if any(x["function"] == f"case_{name}" for stack in f["stacks"]
                   for x in stack["frames"])}


@pytest.mark.parametrize("name", CLEAN)
def test_clean(traced, name):
    assert calls_in(traced, name) == set()


@pytest.mark.parametrize("name", FOUND)
def test_found(traced, name):
    assert calls_in(traced, name) == {FOUND[name][1]}
