"""scripts/soak's web server under load: stalls at random in five kinds of calls, none missed, none
invented; memory and descriptors of the server stay flat, its throughput what it is without stalltrace."""
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.request

SERVER = pathlib.Path(__file__).resolve().parents[2] / "tests/programs/soak_server.py"
THRESHOLD_MS = 20


class Server:
    """The server, traced or plain, and what it said of itself at its end."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})})
        self.port = int(self.process.stdout.readline().split()[1])
        self.pid = int(self.process.stdout.readline().split()[1])

    def figures(self):
        """Resident memory in KiB, number of descriptors."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        rss = next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS"))
        return rss, len(os.listdir(f"/proc/{self.pid}/fd"))

    def kept_waiting(self):
        """ms for which its loop's thread was ready to run and did not."""
        path = f"/proc/{self.pid}/task/{self.pid}/schedstat"
        return int(pathlib.Path(path).read_text(encoding="ascii").split()[1]) / 1e6

    def stop(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stop", timeout=60) as answer:
            answer.read()
        planted = json.loads(self.process.stdout.readline())
        self.process.wait(60)
        return planted


def load(port, seconds, clients=4):
    """Asks for pages as fast as they come. Returns how many a second."""
    end = time.monotonic() + seconds
    counts = [0] * clients

    def client(number):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < end:
            connection.request("GET", "/page")
            connection.getresponse().read()
            counts[number] += 1

    threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def recorded(stalltrace, traces):
    """Stalls by the function that planted them, and those that nobody planted."""
    report = json.loads(subprocess.run([stalltrace, "report", "--format", "json", traces],
                                       stdout=subprocess.PIPE, check=True).stdout)
    planted, others, other_ms = {}, [], 0
    for finding in report["findings"]:
        names = [f["function"] for f in finding["frames"] if f["lang"] == "python"]
        # what a plant does besides (starting its helper thread) is not planted
        if names[:1] == ["waits"]:
            planted[names[1]] = planted.get(names[1], 0) + finding["count"]
        else:
            other_ms += finding["total_ms"]
            others.append(f'{finding["kind"]} {finding["call"]} x{finding["count"]} '
                          f'max {finding["max_ms"]:.1f} ms in {names[:3]}')
    return planted, others, other_ms, report["dropped"]["stalls"]


def soak(stalltrace, seconds, check):
    """Returns the directory of its traces."""
    traces = tempfile.mkdtemp(prefix="soak.") + "/traces"
    # In turns, since the machine's own speed drifts.
    server = Server([stalltrace, "run", "--quiet", f"--threshold={THRESHOLD_MS}ms",
                     "--iteration-threshold=10s", "-o", traces, "--", "/usr/bin/python3", SERVER])
    plain = Server(["/usr/bin/python3", SERVER])
    load(server.port, min(5, seconds / 10))
    before = server.figures()
    turn, rates = max(2.0, min(15.0, seconds / 12)), {"traced": [], "plain": []}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rates["traced"].append(load(server.port, turn))
        rates["plain"].append(load(plain.port, turn))
    after = server.figures()
    waited = server.kept_waiting()
    planted = server.stop()
    plain.stop()
    found, others, other_ms, dropped = recorded(stalltrace, traces)

    for name in sorted(planted["sure"]):
        least = planted["sure"][name]
        most = least + planted["perhaps"].get(name, 0)
        check(f"{name}: planted {least}, at most {most}, recorded {found.get(name, 0)}",
              least <= found.get(name, 0) <= most)
    check(f"kinds of stalls: {len(planted['sure'])}", len(planted["sure"]) == 5)
    # A thread that the machine does not let run is late in any call: real, but not planted.
    check(f"none invented: {others or 'none'} ({other_ms:.0f} ms; the machine kept the thread "
          f"waiting for {waited:.0f} ms)", other_ms <= waited)
    check(f"none dropped: {dropped}", dropped == 0)
    check(f"memory: {before[0]} KiB, then {after[0]} KiB", after[0] < before[0] + 4096)
    check(f"descriptors: {before[1]}, then {after[1]}", after[1] <= before[1] + 2)
    ratios = sorted(t / p for t, p in zip(rates["traced"], rates["plain"]))
    ratio = ratios[len(ratios) // 2]
    check(f"throughput: {ratio:.3f} of plain (median of {len(ratios)} turns)", ratio > 0.85)
    return traces
