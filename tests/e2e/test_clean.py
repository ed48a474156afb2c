"""Good programs are clean: nothing is found in what waits as its runtime's documentation says, in
tests around a loop, in start-up, and in daemons that idle. Also beside busy loops."""
import os
import time

import pytest

import harness

# How often a service is asked, and beside busy loops.
TIMES = os.environ.get("STALLTRACE_TEST_REQUESTS", "1000")
TIMES_BUSY = str(min(int(TIMES), 200))
CLEAN = harness.PROGRAMS / "clean"
ASK = CLEAN / "ask.py"
MODES = {"asyncio_threads": [], "asyncio_runs": [], "threads": [], "trio": ["trio"],
         "anyio": ["anyio"], "tornado": ["tornado"], "twisted": ["twisted"], "gevent": ["gevent"],
         "gevent_ends": ["gevent"],
         "eventlet": ["eventlet"], "nest": ["nest_asyncio"]}
UVICORN = ["-m", "uvicorn", "service:app", "--port", "{port}", "--log-level", "warning"]
SERVICES = {
    "asyncio": [*UVICORN, "--loop", "asyncio"],
    "uvloop": [*UVICORN, "--loop", "uvloop"],
    "workers": [*UVICORN, "--workers", "2"],
    "reload": [*UVICORN, "--reload"],
    "gunicorn": ["-m", "gunicorn", "service:app", "-b", "127.0.0.1:{port}", "-w", "2", "-k",
                 "uvicorn.workers.UvicornWorker", "--log-level", "warning"],
}


@pytest.fixture(params=[(), ("--strict",)], ids=["default", "strict"])
def strictness(request):
    return request.param


def assert_clean(traced):
    assert traced.exit == 0, traced
    assert traced.findings == [], traced.describe()
    assert traced.check() == 0, harness.command("check", traced.dir).stdout


@pytest.mark.parametrize("mode", MODES)
def test_a_program_that_waits_as_documented(run, python_with, mode, strictness):
    python = python_with(*MODES[mode])
    assert_clean(run(python, CLEAN / "loops.py", mode, options=strictness))


def test_a_worker_of_celerys(run, python_with, tool, strictness):
    tool("redis-server")
    python = python_with("celery", "redis")
    traced = run(python, CLEAN / "celery_worker.py", harness.free_port(), options=strictness, timeout=120)
    # on its loop it talks to Redis by a blocking client: strict mode's rule
    traced.report()["findings"] = [f for f in traced.findings if not (f["strict"] and f["class"] == "net")]
    assert traced.exit == 0, traced
    assert traced.findings == [], traced.describe()
    assert any(loop["home"] == "epoll" for p in traced.report()["processes"] for loop in p["loops"])


def test_a_project_of_sync_and_async_tests(run, python_with, strictness):
    python = python_with("pytest", "pytest_asyncio", "fastapi", "httpx", "django")
    traced = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", options=strictness,
                 cwd=CLEAN / "project", timeout=120)
    assert_clean(traced)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_starts_is_asked_and_stops(run, python_with, service, strictness):
    python = python_with("fastapi", "uvicorn", "uvloop",
                         *(["gunicorn"] if service == "gunicorn" else []))
    traced = run(python, ASK, TIMES, "TERM", python, *SERVICES[service], options=strictness,
                 cwd=CLEAN, timeout=170 + int(TIMES) // 2)
    assert_clean(traced)


@pytest.mark.parametrize("options", [(), ("--strict",)],
                         ids=["default", "strict"])
def test_a_server_of_nodes_with_names(run, tool, options):
    traced = run(harness.PYTHON, ASK, TIMES, "TERM", tool("node"), CLEAN / "service.js", "{port}",
                 options=("--js", *options), timeout=170)
    assert_clean(traced)


@pytest.mark.parametrize("what", ["asyncio", "uvloop", "node", "project",
                                  "asyncio_threads"])
def test_beside_busy_loops(run, python_with, tool, what):
    """The machine has no CPU for the program most of the time: that is not the program's doing."""
    python = python_with("fastapi", "uvicorn", "uvloop", "pytest", "pytest_asyncio", "httpx", "django")
    if what in SERVICES:
        argv = [python, ASK, TIMES_BUSY, "TERM", python, *SERVICES[what]]
    elif what == "node":
        argv = [python, ASK, TIMES_BUSY, "TERM", tool("node"), "service.js", "{port}"]
    elif what == "project":
        argv = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    else:
        argv = [python, CLEAN / "loops.py", what]
    with harness.busy(6):
        traced = run(*argv, cwd=CLEAN / "project" if what == "project" else CLEAN, timeout=170)
    assert_clean(traced)


LIGHTTPD = """server.document-root = "{dir}"
server.port = {port}
server.bind = "127.0.0.1"
"""
UNBOUND = """server:
  interface: 127.0.0.1@{port}
  chroot: ""
  username: ""
  pidfile: ""
  do-daemonize: no
  use-syslog: no
remote-control:
  control-enable: no
"""
DBUS = """<busconfig><type>session</type><listen>unix:path={dir}/bus</listen>
<policy context="default"><allow send_destination="*"/><allow own="*"/></policy></busconfig>
"""
HAPROXY = """defaults
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend f
  mode tcp
  bind 127.0.0.1:{port}
"""
NGIRCD = """[Global]
Name = irc.test
Info = test
Listen = 127.0.0.1
Ports = {port}
ServerUID = root
ServerGID = root
PidFile =
[Options]
PAM = no
DNS = no
Ident = no
"""
PGBOUNCER = """[databases]
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
unix_socket_dir =
pidfile =
"""
NSD = """server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{dir}"
  pidfile: ""
  database: ""
  xfrdfile: "{dir}/xfrd"
  zonelistfile: "{dir}/zones"
  xfrdir: "{dir}"
  server-count: 1
remote-control:
  control-enable: no
"""
NGINX = """daemon off;
pid {dir}/nginx.pid;
error_log stderr;
events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {dir}; }} }}
"""
DAEMONS = {  # its configuration, and how it is started
    "nginx": (NGINX, ["-c", "{conf}"]),
    "redis-server": ("", ["--port", "{port}", "--bind", "127.0.0.1", "--save", ""]),
    "memcached": ("", ["-u", "root", "-l", "127.0.0.1", "-p", "{port}"]),
    "haproxy": (HAPROXY, ["-db", "-f", "{conf}"]),
    "lighttpd": (LIGHTTPD, ["-D", "-f", "{conf}"]),
    "mosquitto": ("listener {port} 127.0.0.1\n", ["-c", "{conf}"]),
    "unbound": (UNBOUND, ["-d", "-c", "{conf}"]),
    "beanstalkd": ("", ["-l", "127.0.0.1", "-p", "{port}"]),
    "ngircd": (NGIRCD, ["-n", "-f", "{conf}"]),
    # it refuses to run as root
    "pgbouncer": (PGBOUNCER, [*(["-u", "nobody"] if os.geteuid() == 0 else []), "{conf}"]),
    "nsd": (NSD, ["-d", "-c", "{conf}"]),
    "dbus-daemon": (DBUS, ["--nofork", "--config-file={conf}"]),
}


@pytest.mark.parametrize("name", DAEMONS)
def test_a_daemon_that_idles(start, tool, tmp_path, name):
    configuration, argv = DAEMONS[name]
    values = {"dir": tmp_path, "conf": tmp_path / "conf", "port": harness.free_port()}
    (tmp_path / "conf").write_text(configuration.format(**values))
    daemon = start(tool(name), *[a.format(**values) for a in argv], cwd=tmp_path)
    daemon.record("loop")
    time.sleep(1)  # it idles for that long
    daemon.stop()
    assert daemon.findings == [], daemon.describe()
    assert daemon.check() == 0
