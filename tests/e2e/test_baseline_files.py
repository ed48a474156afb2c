"""The file of a baseline: what is written, and what is refused in one clear line."""
import json
import os

import pytest

from harness import CALM, PYTHON, command

GOOD = {"schema": "stalltrace.baseline/1", "fingerprint_scheme": 2, "entries": [
    {"fingerprint": "0123456789abcdef", "places": 1, "what": "sleep in f, x.py"}]}


def changed(**members):
    return json.dumps({**GOOD, **members})


def with_entry(**members):
    return changed(entries=[{**GOOD["entries"][0], **members}])


HOSTILE = {
    "empty": "", "null": "null", "a number": "7", "a list": "[]", "no members": "{}",
    "truncated": json.dumps(GOOD)[:90], "something behind": json.dumps(GOOD) + "{}",
    "a conflict": "<<<<<<< HEAD\n" + json.dumps(GOOD), "not JSON": "call:fsync # accepted\n",
    "not UTF-8": b'{"schema": "\xff\xfe"}', "a NUL": json.dumps(GOOD).encode() + b"\0",
    "deep": "[" * 100_000, "another schema": changed(schema="stalltrace.report/1"),
    "no scheme": changed(fingerprint_scheme=None), "scheme is text": changed(fingerprint_scheme="2"),
    "scheme 0": changed(fingerprint_scheme=0), "entries is an object": changed(entries={}),
    "no entries": changed(entries=None), "an entry is text": changed(entries=["x"]),
    "places is text": with_entry(places="1"), "places is 0": with_entry(places=0),
    "places is negative": with_entry(places=-1), "places is 1.5": with_entry(places=1.5),
    "fingerprint is short": with_entry(fingerprint="12"), "fingerprint is a number": with_entry(fingerprint=1),
    "fingerprint is no number": with_entry(fingerprint="x" * 16), "what is a list": with_entry(what=[]),
    "any_number is text": with_entry(any_number="yes"),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recording with one finding: clean ones are elsewhere."""
    directory = tmp_path_factory.mktemp("recorded")
    (directory / "x.py").write_text("import asyncio, time\nasync def main():\n    await asyncio.sleep(0.01)\n"
                                    "    time.sleep(0.2)\nasyncio.run(main())\n")
    result = command("run", "-q", "-o", directory / "traces", *CALM, "--", PYTHON, directory / "x.py")
    assert result.returncode == 0, result
    return directory / "traces"


def refused(result):
    assert result.returncode == 2, result
    assert len(result.stderr.splitlines()) == 1 and len(result.stderr) < 300, result.stderr
    return result.stderr


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_baseline_is_refused_and_left_alone(recorded, tmp_path, what):
    file, text = tmp_path / "b.json", HOSTILE[what]
    text = text if isinstance(text, bytes) else text.encode()
    file.write_bytes(text)
    assert "no baseline" in refused(command("check", "--baseline", file, recorded))
    assert "no baseline" in refused(command("baseline", file, recorded))
    assert "no baseline" in refused(command("baseline", "--force", "--prune", file, recorded))
    assert "no baseline" in refused(command("run", "-o", tmp_path / "o", "--baseline", file, "--", "true"))
    assert file.read_bytes() == text and os.listdir(tmp_path) == ["b.json"]


def test_no_file_says_what_to_type(recorded, tmp_path):
    file = tmp_path / "none.json"
    for result in (command("check", "--baseline", file, recorded),
                   command("run", "-o", tmp_path / "o", "--baseline", file, "--", "touch", tmp_path / "ran")):
        assert f"stalltrace baseline {file}" in refused(result)
    assert os.listdir(tmp_path) == []


def test_a_scheme_of_another_version(recorded, tmp_path):
    file = tmp_path / "b.json"
    file.write_text(changed(fingerprint_scheme=1))
    assert f"stalltrace baseline {file}" in refused(command("check", "--baseline", file, recorded))
    for newer in changed(fingerprint_scheme=3), changed(schema="stalltrace.baseline/2"):
        file.write_text(newer)
        assert "newer" in refused(command("check", "--baseline", file, recorded))
        assert "newer" in refused(command("baseline", file, recorded))
        assert file.read_text() == newer
    file.write_text(changed(fingerprint_scheme=1))
    result = command("baseline", file, recorded)
    assert result.returncode == 0 and "scheme 1" in result.stdout, result
    assert command("check", "--baseline", file, recorded).returncode == 0


def test_what_is_no_regular_file_is_refused_at_once(recorded, tmp_path):
    fifo, directory = tmp_path / "fifo", tmp_path / "directory"
    os.mkfifo(fifo)
    directory.mkdir()
    for file in fifo, directory, "/dev/null", "/dev/full", "/dev/stdout":
        refused(command("check", "--baseline", file, recorded))
        refused(command("baseline", file, recorded))
    assert not os.listdir(directory)


def test_a_huge_file_is_not_read(recorded, tmp_path):
    file = tmp_path / "huge"
    with open(file, "wb") as huge:
        huge.truncate(100 << 30)  # a hole
    assert "too large" in refused(command("check", "--baseline", file, recorded))
    assert "too large" in refused(command("baseline", file, recorded))


def test_links(recorded, tmp_path):
    """A link is followed and stays one; one that leads nowhere is refused."""
    (tmp_path / "real").mkdir()
    link, file = tmp_path / "link", tmp_path / "real" / "b.json"
    link.symlink_to("real/b.json")
    assert "nowhere" in refused(command("baseline", link, recorded))
    assert command("baseline", file, recorded).returncode == 0
    file.write_text(json.dumps(GOOD))
    assert command("baseline", link, recorded).returncode == 0
    assert link.is_symlink() and len(json.loads(file.read_text())["entries"]) == 2
    assert command("check", "--baseline", link, recorded).returncode == 0


def test_what_cannot_be_written_leaves_nothing(recorded, tmp_path):
    assert "nothing was changed" in refused(command("baseline", tmp_path / "no" / "b.json", recorded))
    assert os.listdir(tmp_path) == []
    refused(command("baseline", tmp_path / "b.json", tmp_path / "no.out"))
    refused(command("baseline"))
    refused(command("baseline", "--purne", tmp_path / "b.json"))
    assert os.listdir(tmp_path) == []


def test_a_merge_of_two(recorded, tmp_path):
    """Entries out of order, and one twice: the one that covers more counts."""
    file = tmp_path / "b.json"
    command("baseline", file, recorded)
    mine = json.loads(file.read_text())["entries"]
    assert len(mine) == 1
    file.write_text(changed(entries=[{**GOOD["entries"][0], "fingerprint": "f" * 16}, *mine,
                                     *GOOD["entries"], {**mine[0], "places": 3}], reviewed_by="somebody"))
    assert command("check", "--baseline", file, recorded).returncode == 0
    assert command("baseline", file, recorded).returncode == 0
    entries = json.loads(file.read_text())["entries"]
    assert [e["fingerprint"] for e in entries] == sorted({*(e["fingerprint"] for e in entries)})
    assert [e["places"] for e in entries if e["fingerprint"] == mine[0]["fingerprint"]] == [3]
