"""ask.py TIMES STOP COMMAND...: starts a server, asks it TIMES, stops it (by a signal, e.g. TERM) and
passes its status on. {port} in COMMAND is a free port."""
import http.client
import signal
import socket
import subprocess
import sys
import time

PATHS = ("/", "/hash", "/sync")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def wait_until_up(port, server):
    end = time.monotonic() + 90
    while time.monotonic() < end and server.poll() is None:
        try:
            return ask(port, "/")
        except OSError:
            time.sleep(0.05)
    sys.exit(f"the server did not come up: {server.args}")


def main():
    times, stop, port = int(sys.argv[1]), sys.argv[2], free_port()
    server = subprocess.Popen([a.replace("{port}", str(port)) for a in sys.argv[3:]])
    try:
        wait_until_up(port, server)
        for i in range(times):
            ask(port, PATHS[i % len(PATHS)])
        server.send_signal(getattr(signal, "SIG" + stop))
        server.wait(60)
    finally:
        server.kill()
    print("asked", times, "status", server.returncode)
    return 0 if server.returncode in (0, -getattr(signal, "SIG" + stop)) else 1


if __name__ == "__main__":
    sys.exit(main())
