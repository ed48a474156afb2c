"""Debian's servers: started as they would be (a private directory, a free port of the loopback, an
unprivileged user where they insist), driven under load, reloaded, stopped. Compared by what each step
said, the exit status, and what the logs complain about."""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import common

SECONDS = 3
NODE = """
const http = require('http'), fs = require('fs'), dns = require('dns'), cp = require('child_process');
const server = http.createServer((request, response) => {
  fs.readFile(__filename, (error, data) => dns.lookup('localhost', () => response.end(error ? 'no' : 'yes')));
});
server.listen(PORT, '127.0.0.1', () => console.log(cp.execSync('echo started').toString().trim()));
process.on('SIGHUP', () => console.log('reloaded'));
process.on('SIGTERM', () => server.close(() => { console.log('stopped'); process.exit(7); }));
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def until(attempt, what, deadline=20):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        with contextlib.suppress(OSError, AssertionError):
            if attempt():
                return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {deadline} s")


class Server:
    """One server in one configuration. `steps` is what came of it."""

    def __init__(self, setting, configuration, name):
        self.setting, self.name = setting, name
        self.dir = setting.work / "servers" / f"{name}.{configuration}"
        shutil.rmtree(self.dir, ignore_errors=True)
        (self.dir / "traces").mkdir(parents=True)
        for directory in (self.dir, self.dir / "traces"):
            directory.chmod(0o777)
        self.env = common.environment(setting, configuration, self.dir / "traces")
        self.plain = common.environment(setting, "plain", "")
        self.port = free_port()
        self.steps = {}
        self.process = None

    def start(self, *argv, user=None, env=None):
        with open(self.dir / "output", "ab") as out:
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
            self.process = subprocess.Popen([str(a) for a in argv], env=env or self.env, cwd=self.dir,
                                            stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, start_new_session=True,
                                            preexec_fn=common.usual_signals, **options)

    def connects(self):
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def tool(self, *argv, env=None, timeout=60):
        """Runs a client, without stalltrace."""
        return subprocess.run([str(a) for a in argv], env=env or self.plain, cwd=self.dir, timeout=timeout,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)

    def http_load(self, step):
        if shutil.which("wrk"):
            result = self.tool("wrk", "-t1", "-c16", f"-d{SECONDS}s", f"http://127.0.0.1:{self.port}/")
            # a connection that is reset while the server reloads is reset without us, too
            bad = re.findall(r"^ *(Socket errors: connect [1-9]|Non-2xx)", result.stdout, re.M)
            self.steps[step] = f"exit {result.returncode} {bad}"
        else:
            result = self.tool("ab", "-q", "-n", "2000", "-c", "16", f"http://127.0.0.1:{self.port}/")
            failed = re.findall(r"^(Failed requests|Non-2xx responses): +(\d+)", result.stdout, re.M)
            self.steps[step] = f"exit {result.returncode} {failed}"

    def stop(self, number=signal.SIGTERM, step="stop"):
        self.process.send_signal(number)
        try:
            self.steps[step] = f"exit {self.process.wait(20)}"
        except subprocess.TimeoutExpired:
            self.steps[step] = "did not end"

    def complaints(self, log, pattern):
        text = pathlib.Path(log).read_text(errors="replace") if pathlib.Path(log).exists() else ""
        found = {re.sub(r"0x[0-9a-f]+|\d+", "N", line) for line in text.splitlines()
                 if re.search(pattern, line, re.I)}
        self.steps["complaints of " + pathlib.Path(log).name] = sorted(found)

    def traces_are_sane(self):
        """The reporter reads every trace, to its end."""
        files = list((self.dir / "traces").glob("*.jsonl"))
        if not files:
            return
        common.lint(self.setting, self.dir / "traces", remove=False)
        result = self.tool(self.setting.command, "check", self.dir / "traces", timeout=180)
        self.steps["traces"] = "read" if result.returncode in (0, 1, 3) else result.stdout[-300:]

    def kill(self):
        if self.process:
            common.stop(self.process)


def nginx(s):
    (s.dir / "nginx.conf").write_text(f"""
daemon off; master_process on; worker_processes 2; pid {s.dir}/pid; error_log {s.dir}/error.log info;
{'user www-data;' if os.geteuid() == 0 else ''}
events {{ worker_connections 256; }}
http {{ access_log {s.dir}/access.log; client_body_temp_path {s.dir}/a; proxy_temp_path {s.dir}/b;
 fastcgi_temp_path {s.dir}/c; uwsgi_temp_path {s.dir}/d; scgi_temp_path {s.dir}/e;
 server {{ listen 127.0.0.1:{s.port}; root {s.dir}/www; sendfile on; aio off; }} }}
""")
    (s.dir / "www").mkdir()
    (s.dir / "www" / "index.html").write_text("x" * 20000)
    common_args = ("/usr/sbin/nginx", "-p", s.dir, "-c", s.dir / "nginx.conf")
    s.start(*common_args)
    until(s.connects, "nginx answers")
    s.http_load("load")
    s.steps["reload"] = s.tool(*common_args, "-s", "reload", env=s.env).returncode
    s.http_load("load after the reload")
    s.process.send_signal(signal.SIGUSR1)
    s.http_load("load after the logs were opened again")
    s.stop(signal.SIGQUIT)
    s.complaints(s.dir / "error.log", r"\[(emerg|alert|crit|error)\]")


def redis(s):
    (s.dir / "redis.conf").write_text(f"bind 127.0.0.1\nport {s.port}\ndir {s.dir}\nlogfile {s.dir}/log\n"
                                      "appendonly yes\nsave 1 1\n")
    s.start("/usr/bin/redis-server", s.dir / "redis.conf")
    until(s.connects, "redis answers")
    client = ("redis-cli", "-p", str(s.port))
    result = s.tool("redis-benchmark", "-p", s.port, "-q", "-n", "5000", "-c", "20", "-t", "set,get,lpush,incr")
    s.steps["load"] = f"exit {result.returncode} {re.findall('(?i)error', result.stdout)}"
    s.steps["bgsave"] = s.tool(*client, "bgsave").stdout
    until(lambda: "rdb_bgsave_in_progress:0" in s.tool(*client, "info", "persistence").stdout, "saved")
    s.steps["rewrite"] = s.tool(*client, "bgrewriteaof").stdout
    until(lambda: "aof_rewrite_in_progress:0" in s.tool(*client, "info", "persistence").stdout, "rewritten")
    info = s.tool(*client, "info", "persistence").stdout
    s.steps["persistence"] = re.findall(r"(?:rdb_last_bgsave_status|aof_last_\w+_status):\w+", info)
    s.steps["keys"] = s.tool(*client, "dbsize").stdout
    s.tool(*client, "shutdown", "save")
    s.steps["stop"] = f"exit {s.process.wait(20)}"
    s.complaints(s.dir / "log", r" # .*(err|fail|crash|bug)")


def memcached(s):
    s.start("/usr/bin/memcached", "-l", "127.0.0.1", "-p", str(s.port), "-U", "0", "-t", "2", "-v",
            *(["-u", "nobody"] if os.geteuid() == 0 else []))
    until(s.connects, "memcached answers")
    wrong = []

    def client(number):
        with socket.create_connection(("127.0.0.1", s.port), 10) as c:
            f = c.makefile("rwb")
            for i in range(1500):
                value = f"{number}-{i}".encode() * 20
                f.write(b"set k%d-%d 0 0 %d\r\n%s\r\nget k%d-%d\r\n" % (number, i, len(value), value, number, i))
                f.flush()
                answer = [f.readline() for _ in range(4)]
                if answer[0] != b"STORED\r\n" or answer[2] != value + b"\r\n":
                    wrong.append(answer)

    clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for c in clients:
        c.start()
    for c in clients:
        c.join()
    s.steps["load"] = wrong[:3]
    s.process.send_signal(signal.SIGHUP)
    s.steps["answers after SIGHUP"] = s.connects()
    s.stop()
    s.complaints(s.dir / "output", r"fail|error")


def haproxy(s):
    behind = Server(s.setting, "plain", "haproxy-behind")
    behind.env = behind.plain
    (behind.dir / "server.js").write_text(
        "require('http').createServer((q,r)=>r.end('yes')).listen(%d,'127.0.0.1')" % behind.port)
    behind.start("node", behind.dir / "server.js")
    try:
        until(behind.connects, "the server behind answers")
        (s.dir / "haproxy.cfg").write_text(f"""
global
  nbthread 2
  log {s.dir}/none local0
  stats socket {s.dir}/admin level admin expose-fd listeners
{'  user nobody' + chr(10) + '  group nogroup' if os.geteuid() == 0 else ''}
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen front
  bind 127.0.0.1:{s.port}
  server behind 127.0.0.1:{behind.port}
""".replace(f"  log {s.dir}/none local0\n", ""))
        s.start("/usr/sbin/haproxy", "-W", "-db", "-f", s.dir / "haproxy.cfg")
        until(s.connects, "haproxy answers")
        s.http_load("load")
        s.process.send_signal(signal.SIGUSR2)
        time.sleep(0.5)
        s.http_load("load after the reload")
        s.steps["lives after the reload"] = s.process.poll() is None
        s.stop()
    finally:
        behind.kill()
    s.complaints(s.dir / "output", r"\[(ALERT|WARNING)\]")


def node(s):
    (s.dir / "server.js").write_text(NODE.replace("PORT", str(s.port)))
    s.start("node", s.dir / "server.js")
    until(s.connects, "node answers")
    s.http_load("load")
    s.process.send_signal(signal.SIGHUP)
    until(lambda: "reloaded" in (s.dir / "output").read_text(), "SIGHUP is handled")
    s.http_load("load after SIGHUP")
    s.stop()
    s.steps["output"] = (s.dir / "output").read_text()


def postgresql(s):
    programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    data = s.dir / "data"
    as_user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if user else []
    for parent in [s.setting.work, *s.setting.work.parents]:
        if not os.access(parent, os.X_OK):
            raise AssertionError(f"{parent} cannot be reached by postgres")
    init = s.tool(*as_user, programs / "initdb", "-D", data, "-A", "trust", "-N", env=s.env, timeout=240)
    s.steps["initdb"] = f"exit {init.returncode}" + ("" if init.returncode == 0 else init.stdout[-400:])
    with open(data / "postgresql.conf", "a", encoding="utf-8") as f:
        f.write(f"port={s.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{s.dir}'\n"
                "fsync=on\nlogging_collector=off\n")
    s.start(programs / "postgres", "-D", data, user=user)
    address = ["-h", "127.0.0.1", "-p", str(s.port), "-U", "postgres"]
    until(lambda: s.tool("pg_isready", *address).returncode == 0, "postgres answers", 60)
    s.steps["pgbench -i"] = s.tool("pgbench", *address, "-i", "-q", "postgres").returncode
    result = s.tool("pgbench", *address, "-n", "-c", "4", "-t", "200", "postgres", timeout=120)
    s.steps["load"] = re.findall(r"number of (?:transactions actually processed|failed transactions).*", result.stdout)
    s.process.send_signal(signal.SIGHUP)
    result = s.tool("psql", *address, "-Atc", "select count(*) from pgbench_accounts; vacuum; checkpoint;"
                    "select count(*) from pgbench_history", "postgres")
    s.steps["queries"] = result.stdout.strip().splitlines()
    # a backend ends itself, and its client learns why
    s.steps["cancel"] = s.tool("psql", *address, "-Atc", "set statement_timeout='200ms'; select pg_sleep(5)",
                               "postgres").stdout.strip()
    s.stop(signal.SIGINT)
    # who asks too early is told so
    s.complaints(s.dir / "output", r"(FATAL(?!.*starting up)|PANIC|WARNING|terminated by signal)")


SERVERS = {
    "nginx": (nginx, "nginx", "/usr/sbin/nginx"),
    "redis": (redis, "redis-server", "/usr/bin/redis-server"),
    "memcached": (memcached, "memcached", "/usr/bin/memcached"),
    "haproxy": (haproxy, "haproxy", "/usr/sbin/haproxy"),
    "node": (node, "nodejs", "/usr/bin/node"),
    "postgresql": (postgresql, "postgresql-15", "/usr/lib/postgresql"),
}


def outcome(setting, configuration, name):
    server = Server(setting, configuration, name)
    try:
        SERVERS[name][0](server)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        server.steps["(ended by)"] = re.sub(r"\d+", "N", str(error))
    finally:
        server.kill()
    if configuration != "plain":
        server.traces_are_sane()
    return {k: str(v) for k, v in server.steps.items()}


def suite(setting, configurations):
    for name, (_, package, path) in SERVERS.items():
        if setting.only and name not in setting.only or setting.quick and name == "postgresql":
            continue
        if not os.path.exists(path):
            yield common.Row(name, "-", skipped=f"{path} is not there")
            continue
        version = common.version_of(package)
        plain = outcome(setting, "plain", name)
        if "(ended by)" in plain:
            yield common.Row(f"{name} {version}", "-", skipped=f"plain: {plain['(ended by)']}")
            continue
        for configuration in configurations:
            watch = common.Stopwatch()
            traced = outcome(setting, configuration, name)
            traces = traced.pop("traces", "read")
            row = common.Row(f"{name} {version}", configuration, len(traced) + 1)
            found = common.differences(plain, traced)
            row.same = row.tests - len(found)

            def again(side, test):
                return outcome(setting, "plain" if side == "plain" else configuration, name).get(test)

            common.settle(row, found, again, min(setting.retries, 2))
            if traces != "read":
                row.differences.append(("traces", "-", traces))
            row.seconds = watch.seconds
            yield row
