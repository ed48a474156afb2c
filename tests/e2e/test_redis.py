"""redis-server: clean under load, and found when it is told to sleep."""
import socket
import subprocess

import pytest

import harness
from harness import CALM, DEADLINE


class Client:
    """As much of the protocol as is needed."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")

    def ask(self, *words):
        self.file.write(b"*%d\r\n" % len(words))
        for word in words:
            self.file.write(b"$%d\r\n%s\r\n" % (len(word), word.encode()))
        self.file.flush()
        return self.file.readline().strip()


@pytest.fixture
def redis(start, tool, tmp_path):
    def start_redis(options=()):
        path = tmp_path / "redis.sock"
        traced = start(tool("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                       "--appendonly", "no", "--dir", tmp_path, "--enable-debug-command", "yes",
                       options=options)
        traced.line("ready to accept connections|The server is now ready")
        traced.path = path
        return traced
    return start_redis


def test_clean_under_load(redis, tool):
    traced = redis(CALM)
    subprocess.run([tool("redis-benchmark"), "-s", traced.path, "-n", "5000", "-c", "20", "-q",
                    "-t", "set,get,lpush"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    traced.stop()
    assert traced.exit == 0, traced
    traced.assert_clean()


def test_sleep(redis):
    traced = redis()
    client = Client(traced.path)
    assert client.ask("SET", "a", "b") == b"+OK"
    assert client.ask("DEBUG", "SLEEP", "0.3") == b"+OK"
    traced.stop()
    assert traced.exit == 0, traced
    finding = traced.find(("nanosleep", "clock_nanosleep", "usleep"))
    assert finding["class"] == "sleep" and 295 <= harness.wall_ms(finding) and finding["max_ms"] <= 600
    # Redis comes without debug information, so the module is as near as it gets.
    modules = [f["module"] for f in finding["frames"]]
    assert modules[0] == "libc.so.6" and "redis-server" in modules[1] + modules[2] or \
        "redis" in modules[1]
    assert traced.check() == 1
