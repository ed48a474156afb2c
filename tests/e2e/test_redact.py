"""What a trace must not hold: secrets; with --redact, paths, hosts and arguments."""
import glob
import os
import re

import pytest

import harness


def written(traced):
    return "".join(open(path).read() for path in glob.glob(os.path.join(traced.dir, "*")))


def details(traced, call):
    return [f["detail"] for f in traced.findings if f["call"] == call]


def argv_of(traced):
    """Of the Python that ran the loop."""
    return next(p["argv"] for p in traced.report()["processes"] if p["loops"])


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "letters"
    os.mkfifo(path)
    return str(path)


def test_secrets_are_not_recorded(run, fifo):
    """In arguments, in a child's command, in what a shell is told."""
    traced = run("python3", harness.PROGRAMS / "secrets.py", fifo, "--api-key", "Sesame", "--monkey=1",
                 "postgres://me:Sesame@host/shop")
    text = written(traced)
    assert "Sesame" not in text, re.findall(".{60}Sesame.{20}", text)
    assert "Sesame" not in str(traced.err), traced.err
    assert argv_of(traced)[-4:] == ["--api-key", "***", "--monkey=1", "postgres://me:***@host/shop"]
    assert details(traced, "system") == [
        "PASSWORD=*** sleep 0.3 && : mysql -p*** --url http://me:***@host/?token=***"]
    (child,) = [f["detail"] for f in traced.findings if "child" in (f["wait_kind"] or "")
                and f["call"] != "system"]
    assert re.search(r"pid \d+ \(sh -c sleep 0.3 --password \*\*\* --keyboard us\)", child), child
    assert details(traced, "open64") == [fifo] or details(traced, "open") == [fifo]


def test_hashes_instead_of_names(run, fifo):
    """The same name has the same hash; code and ports stay."""
    traced = run("python3", harness.PROGRAMS / "secrets.py", fifo, fifo, "--port", "80",
                 options=("--redact",))
    text = written(traced)
    assert "Sesame" not in text and fifo not in text and "127.0.0.1" not in text
    name, *arguments = argv_of(traced)
    assert name == "python3" and all(re.fullmatch("#[0-9a-f]{12}", a) for a in arguments), arguments
    assert arguments[1] == arguments[2] != arguments[3]
    assert details(traced, "open64") == [arguments[1]] or details(traced, "open") == [arguments[1]]
    (peer,) = details(traced, "recv")
    assert re.fullmatch(r"tcp #[0-9a-f]{12}:\d+", peer), peer
    (system,) = details(traced, "system")
    assert re.fullmatch("#[0-9a-f]{12}", system)
    finding = traced.find("recv")
    assert finding["frames"][finding["culprit"]]["file"].endswith("secrets.py")


def test_what_is_written_for_a_process_that_cannot_names_no_host(run):
    loop = "import asyncio; asyncio.run(asyncio.sleep(0.01))"
    for options, hosts in ((), {os.uname().nodename}), (("--redact",), {""}):
        traced = run("sh", "-c", f"ulimit -f 0; exec /usr/bin/python3 -c '{loop}'", options=options)
        assert [r["code"] for r in traced.records("loss")] == ["untraced"]
        assert {r["host"] for r in traced.records("process") if not r["ppid"]} == hosts
