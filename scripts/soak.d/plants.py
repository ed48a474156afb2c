"""Plants stalls (tests/programs/soak_plants.py) and compares what was recorded with them (scripts/soak)."""
import collections
import glob
import json
import pathlib
import subprocess
import threading

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "tests/programs/soak_plants.py"
CALL_MS, ITERATION_MS = 20, 100
# A thread that is given its CPU late is late by up to this much without having been kept waiting: the
# timer's slack, the way out of the kernel and back into the interpreter.
SLACK_MS = 2


def run(stalltrace, seconds, mode):
    """Runs the program to its end. Its plants."""
    argv = [*mode.prefix, stalltrace, "run", "--quiet", f"--threshold={CALL_MS}ms",
            f"--iteration-threshold={ITERATION_MS}ms", "-o", mode.directory, "--", "/usr/bin/python3", PROGRAM,
            str(seconds), str(CALL_MS), str(ITERATION_MS)]
    with subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline().split()[1])
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout))
        reader.start()
        while reader.is_alive():
            mode.act(pid)
        reader.join()
    if process.returncode != 0:
        raise RuntimeError(f"the program ended with {process.returncode}")
    said = [json.loads(line) for line in lines]
    return [x for x in said if "plant" in x], said[-1]["turns"]


def frozen_ms(plant, stops):
    return sum(max(0.0, min(plant["ended"], to) - max(plant["began"], since)) for since, to in stops) * 1e3


class Recorded:
    """What the trace has: of each plant's function how many findings, and how long they are in all."""

    def __init__(self, directory):
        self.count, self.total_ms, self.stray = {}, {}, []
        self.stacks, self.stalls = {}, {}
        (path,) = glob.glob(directory + "/python*.jsonl")
        with open(path, "rb") as file:
            for line in file:
                try:
                    self.take(json.loads(line))
                except ValueError:
                    pass  # of a disk that was full; trace-lint has an eye on it
        for stall in self.stalls.values():
            own = (stall["elapsed_ns"] - stall.get("starved_ns", 0)) / 1e6
            if own >= (ITERATION_MS if stall["kind"] == "iteration" else CALL_MS):
                self.add(stall, 1, own)

    def take(self, record):
        kind = record["type"]
        if kind == "stack":
            self.stacks[record["stack"]] = [f["function"].split(".")[-1] for f in record.get("python", [])]
        elif kind == "stall":
            self.stalls[record["stall"]] = dict(record, samples=[record.get("stack")])
        elif kind == "sample" and record["stall"] in self.stalls:
            self.stalls[record["stall"]]["samples"].append(record.get("stack"))
        elif kind == "stall_end" and record["stall"] in self.stalls:
            self.stalls[record["stall"]].update({k: record[k] for k in ("elapsed_ns", "starved_ns")
                                                 if k in record})
        elif kind == "more":
            self.add(dict(record, samples=[record["stack"]]), record["count"],
                     (record["total_ns"] - record.get("starved_ns", 0)) / 1e6)
        elif kind == "process":
            self.start_ns = record["start_ns"]

    def add(self, stall, count, own_ms):
        # what most samples show: the stall's own stack may be another's of the same place
        stacks = collections.Counter(stall["samples"][1:] or stall["samples"]).most_common()
        names = [n for s, _ in stacks for n in self.stacks.get(s, []) if n.startswith("plant_")]
        if not names and stall["kind"] == "iteration":
            names = self.plant_at(self.start_ns + stall["at_ns"], stall["elapsed_ns"])
        if not names:
            self.stray.append(f'{stall["call"]} of {own_ms:.1f} ms x{count} in '
                              f'{self.stacks.get(stall["samples"][0], [])[:3]}')
            return
        self.count[names[0]] = self.count.get(names[0], 0) + count
        self.total_ms[names[0]] = self.total_ms.get(names[0], 0) + own_ms

    planted = ()

    def plant_at(self, at_ns, elapsed_ns):
        """An iteration that could not be sampled is told by its time."""
        return [p["plant"] for p in self.planted
                if at_ns - 5e6 <= p["began_ns"] <= at_ns + elapsed_ns]


def threshold_of(plant):
    return ITERATION_MS if "spin" in plant["plant"] or "mixed" in plant["plant"] else CALL_MS


def own_ms(plant, frozen):
    """For how long it lasted of its own. Its wait for a CPU is measured around it, and may be more
    than was in it; what it slept or computed it meant to, all of it."""
    lasted = plant["wall_ms"] - frozen
    least = 0 if "read" in plant["plant"] else min(plant["meant_ms"], lasted)
    return max(lasted - plant["starved_ms"], least)


def judge(name, planted, recorded, mode, lost, check):
    """One plant's function."""
    found, own, sure = recorded.count.get(name, 0), 0.0, 0
    possible = 0  # of those, how many are as long as their threshold
    for p in planted:
        frozen = frozen_ms(p, mode.stops)
        mine = own_ms(p, frozen)
        own += mine
        possible += mine + SLACK_MS >= threshold_of(p)
        calm = mode.exact and p["starved_ms"] < 0.05 * threshold_of(p) and p["length"] == "near"
        sure += not frozen and (p["length"] == "long" or calm)
    total = recorded.total_ms.get(name, 0)
    said = f"{name}: planted {len(planted)} ({possible} of them over the threshold, {sure} must be found), " \
           f"found {found}; {own:.0f} ms, found {total:.0f} ms"
    check(said, (sure <= found or lost) and found <= possible and
          total <= own * 1.02 + SLACK_MS * len(planted))


def soak(stalltrace, seconds, mode, check):
    """Plants for so long, and judges."""
    planted, turns = run(stalltrace, seconds, mode)
    report = json.loads(subprocess.run([stalltrace, "report", "--format", "json", mode.directory],
                                       stdout=subprocess.PIPE, check=True).stdout)
    status = subprocess.run([stalltrace, "check", mode.directory], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, check=False).returncode
    Recorded.planted = planted
    recorded = Recorded(mode.directory)
    losses = [loss["code"] for loss in report.get("losses", [])]
    lost = mode.may_lose and losses
    starved = sum(p["starved_ms"] for p in planted)
    # doubt about who had the time goes to the machine: what is near its threshold is sure where it was idle
    mode.exact = mode.exact and starved < 0.05 * sum(p["wall_ms"] for p in planted)
    print(f"mode {mode.name}: {turns} clean turns, {len(planted)} plants, {len(mode.stops)} stops; the "
          f"plants' thread was kept waiting for {starved:.0f} of {sum(p['wall_ms'] for p in planted):.0f} ms")
    for name in sorted({p["plant"] for p in planted}):
        judge(name, [p for p in planted if p["plant"] == name], recorded, mode, lost, check)
    findings = report["findings"]
    strange = [f"{f['kind']} {f['call']} x{f['count']} max {f['max_ms']:.1f} ms" for f in findings
               if f["frames"] and not any((x["function"] or "").startswith("plant_") for x in f["frames"])]
    check(f"invented: {recorded.stray + strange or 'none'}", not recorded.stray and not strange)
    check(f"open: {sum(f['in_progress'] for f in findings)}", not any(f["in_progress"] for f in findings))
    counted = sum(f["count"] for f in findings)
    check(f"the report counts {counted}, the trace {sum(recorded.count.values())}",
          counted == sum(recorded.count.values()))
    total = sum(f["total_ms"] for f in findings)
    own = sum(own_ms(p, frozen_ms(p, mode.stops)) for p in planted)
    check(f"in all {total:.0f} ms of {own:.0f} ms planted", total <= own * 1.02)
    if not mode.may_lose:
        check(f"losses: {losses or 'none'}", not losses)
    check(f"check: {status}", status == (1 if findings else 3 if losses else 0))
