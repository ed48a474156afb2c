"""Good programs are clean: nothing is found in what waits as its runtime's documentation says, in
tests around a loop, in start-up, and in daemons that idle. Also beside busy loops."""
import time

import pytest

import harness

CLEAN = harness.PROGRAMS / "clean"
ASK = CLEAN / "ask.py"
MODES = {"asyncio_threads": [], "asyncio_runs": [], "threads": [], "trio": ["trio"],
         "anyio": ["anyio"], "tornado": ["tornado"], "twisted": ["twisted"], "gevent": ["gevent"],
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
    # Python takes its objects apart at the end: with greenlets the stack does not tell that
    patience = ("--iteration-threshold", "2s") if mode in ("gevent", "eventlet") else ()
    assert_clean(run(python, CLEAN / "loops.py", mode, options=(*strictness, *patience)))


def test_a_project_of_sync_and_async_tests(run, python_with, strictness):
    python = python_with("pytest", "pytest_asyncio", "fastapi", "httpx", "django")
    traced = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", options=strictness,
                 cwd=CLEAN / "project", timeout=120)
    assert_clean(traced)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_starts_is_asked_and_stops(run, python_with, service, strictness):
    python = python_with("fastapi", "uvicorn", "uvloop",
                         *(["gunicorn"] if service == "gunicorn" else []))
    traced = run(python, ASK, "100", "TERM", python, *SERVICES[service], options=strictness,
                 cwd=CLEAN, timeout=170)
    assert_clean(traced)


@pytest.mark.parametrize("options", [(), ("--strict",)],
                         ids=["default", "strict"])
def test_a_server_of_nodes_with_names(run, tool, options):
    traced = run(harness.PYTHON, ASK, "100", "TERM", tool("node"), CLEAN / "service.js", "{port}",
                 options=("--js", *options), timeout=170)
    assert_clean(traced)


@pytest.mark.parametrize("what", ["asyncio", "uvloop", "node", "project",
                                  "asyncio_threads"])
def test_beside_busy_loops(run, python_with, tool, what):
    """The machine has no CPU for the program most of the time: that is not the program's doing."""
    python = python_with("fastapi", "uvicorn", "uvloop", "pytest", "pytest_asyncio", "httpx", "django")
    if what in SERVICES:
        argv = [python, ASK, "30", "TERM", python, *SERVICES[what]]
    elif what == "node":
        argv = [python, ASK, "30", "TERM", tool("node"), "service.js", "{port}"]
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
