"""A runtime's stubs are no place: the line, or the method, that called them is."""
import json
import os
import shutil
import subprocess

import pytest

from harness import BUILT_PROGRAMS, PROGRAMS, command, environment

OCAML = "/usr/lib/ocaml"


@pytest.fixture(scope="module")
def lwt_waits():
    compiler = shutil.which("ocamlopt")
    if not compiler or not os.path.exists(f"{OCAML}/lwt/unix/lwt_unix.cmxa"):
        pytest.skip("OCaml and its Lwt (ocaml-nox, liblwt-ocaml-dev) are not installed")
    built = BUILT_PROGRAMS / "verdict" / "lwt_waits"
    built.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROGRAMS / "verdict" / "lwt_waits.ml", built / "lwt_waits.ml")
    folders = [x for name in ("lwt", "lwt/unix", "ocplib-endian", "ocplib-endian/bigstring", "threads")
               for x in ("-I", "+" + name)]
    libraries = [name + ".cmxa" for name in
                 ("unix", "threads", "ocplib_endian", "ocplib_endian_bigstring", "lwt", "lwt_unix")]
    subprocess.run([compiler, "-g", "-thread", *folders, *libraries, "lwt_waits.ml", "-o", "lwt_waits"],
                   check=True, cwd=built, env=environment())
    return built / "lwt_waits"


def test_ocaml(run, lwt_waits):
    traces = run(lwt_waits)
    assert traces.exit == 0
    found = {(f["frames"][f["culprit"]]["function"].split("__")[1].split("_")[0], f["frames"][f["culprit"]]["line"])
             for f in traces.findings}
    assert {("charge", 3), ("query", 7)} <= found, traces.describe()
    assert {x for x in found if x[0] == "lines"} >= {("lines", 12)}, traces.describe()
    assert {name for name, _ in found} == {"charge", "query", "lines"}, traces.describe()


def java_trace(directory, stacks):
    records = [
        {"type": "process", "format": "stalltrace.trace/1", "version": "0.1.0", "pid": 7, "ppid": 1,
         "exe": "/usr/bin/java", "argv": ["java"], "start_ns": 1, "threshold_ns": {},
         "iteration_threshold_ns": 100000000, "strict": [], "loops": "auto"},
        {"type": "loop", "loop": 1, "tid": 7, "name": "java", "home": "epoll", "at_ns": 0},
        {"type": "module", "module": 1, "path": "/nowhere/libjvm.so", "base": "0x100000"}]
    for number, symbols in enumerate(stacks, 1):
        frames = [{"pc": hex(0x100000 + i), "module": 1, "vaddr": hex(16 + i)} for i in range(3)]
        frames += [{"pc": hex(pc), **({"symbol": name} if name else {})} for pc, name in symbols]
        records += [
            {"type": "stack", "stack": number, "frames": [{"pc": "0x10", "exact": True}, *frames]},
            {"type": "stall", "stall": number, "kind": "call", "loop": 1, "call": "pthread_cond_timedwait",
             "class": "lock", "stack": number, "at_ns": number * 100000000, "elapsed_ns": 60000000,
             "ended": True, "strict": False}]
    records.append({"type": "end", "at_ns": 900000000, "reason": "exit"})
    (directory / "java.7.1.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return json.loads(command("report", "--format", "json", directory).stdout)["findings"]


INTERPRETED = [(0x7000, "Interpreter"), (0x7100, "Interpreter")]


@pytest.mark.parametrize("callers, count", [
    ([(0x9000, None), (0x9000, None)], 1), ([(0x9000, None), (0x9400, None)], 2),
    ([(0x9000, "void Two.main(java.lang.String[])"), (0x9000, "void Two.main(java.lang.String[])")], 1),
    ([(0x9000, "void Two.main(java.lang.String[])"), (0x9040, "void Two.main(java.lang.String[])")], 2)])
def test_interpreted_java_is_told_apart(tmp_path, callers, count):
    findings = java_trace(tmp_path, [[*INTERPRETED, caller, (0x6000, "StubRoutines (1)")] for caller in callers])
    assert len(findings) == count
    assert "Java methods that the JVM interprets have no names" in command("report", tmp_path).stdout


def test_compiled_java_is_the_place(tmp_path):
    findings = java_trace(tmp_path, [[(0x7000, "Interpreter"), (0x9000, "void Two.chargeB(long)"),
                                      (0x9100, "void Two.onRequestB(long)"), (0x6000, "StubRoutines (1)")]])
    assert [f["frames"][f["culprit"]]["function"] for f in findings] == ["Two.chargeB"]
