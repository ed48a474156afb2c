"""nginx: its worker is the loop; a log whose reader has stopped reading blocks it."""
import fcntl
import os
import socket
import threading
import urllib.error
import urllib.request

import pytest

import harness

F_SETPIPE_SZ = 1031

CONFIG = """
daemon off;
{user}
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr;
events {{ worker_connections 128; }}
http {{
    access_log {log};
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen unix:{dir}/nginx.sock;
        listen 127.0.0.1:{port};
        location / {{ root {dir}/www; }}
    }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def get(port, path="/"):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as response:
            return response.read()
    except urllib.error.HTTPError as error:  # a worker that may not read the directory
        return error.read()


def wait_until_it_answers(path):
    """nginx does not say when it is ready: its socket takes connections when it is."""
    def attempt():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(harness.DEADLINE)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return client.recv(1000).startswith(b"HTTP/")
    harness.until(attempt)


@pytest.fixture
def nginx(start, tool, tmp_path):
    def start_nginx(log="off", user="", options=()):
        root = tmp_path / "nginx"
        (root / "www").mkdir(parents=True)
        (root / "www" / "index.html").write_text("hello\n")
        os.chmod(root, 0o755)
        port = free_port()
        (root / "nginx.conf").write_text(CONFIG.format(dir=root, port=port, log=log, user=user))
        traced = start(tool("nginx"), "-p", root, "-e", "stderr", "-c", root / "nginx.conf",
                       options=options)
        wait_until_it_answers(root / "nginx.sock")
        traced.port_number = port
        return traced
    return start_nginx


def as_root():
    return "user root;" if os.geteuid() == 0 else ""


def test_clean_under_load(nginx):
    traced = nginx(user=as_root(), options=harness.CALM)

    def client():
        for _ in range(100):
            assert get(traced.port_number) == b"hello\n"

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def stalled_log(nginx, tmp_path, user):
    fifo = tmp_path / "access.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, F_SETPIPE_SZ, 4096)
    traced = nginx(log=fifo, user=user)

    # The pipe takes 4 KiB of log lines; then the worker waits in write().
    def client():
        for _ in range(200):
            get(traced.port_number, "/?" + "x" * 1000)
    thread = threading.Thread(target=client)
    thread.start()
    try:
        stall = traced.record("stall", call="write")
        # until it is far over its threshold, of its own
        traced.record("stall_still", stall=stall["stall"])
    finally:
        os.set_blocking(reader, True)
        drain = threading.Thread(target=lambda: list(iter(lambda: os.read(reader, 65536), b"")))
        drain.start()
        thread.join()
        traced.stop()
        drain.join(harness.DEADLINE)
        os.close(reader)
    return traced, stall


def test_log_that_nobody_reads(nginx, tmp_path):
    traced, stall = stalled_log(nginx, tmp_path, as_root())
    assert traced.exit == 0, traced
    assert stall["detail"].endswith("access.fifo")
    finding = traced.find("write")
    assert "nginx" in [f["module"] for f in finding["frames"]], traced.describe()
    assert traced.check() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges up")
def test_worker_without_privileges(nginx, tmp_path):
    """The worker's user may not write into the output directory; its trace is there all the same."""
    traced, _ = stalled_log(nginx, tmp_path, "user nobody nogroup;")
    assert traced.find("write")["count"] >= 1
