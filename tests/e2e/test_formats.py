"""--format of report, check and stats: what it accepts, where it writes, and the status that stays."""
import json
import os

import pytest

from harness import command

@pytest.fixture(scope="module")
def blocked(tmp_path_factory):
    """A recording with one finding."""
    out = tmp_path_factory.mktemp("formats") / "out"
    script = "import asyncio, time\nasync def main():\n    time.sleep(0.05)\nasyncio.run(main())\n"
    assert command("run", "-o", out, "--", "/usr/bin/python3", "-c", script).returncode == 0
    return out


def findings(text):
    return [f["fingerprint"] for f in json.loads(text)["findings"]]


def test_check_writes_what_report_writes_and_keeps_its_status(blocked, tmp_path):
    report = command("report", "--format", "json", blocked)
    result = command("check", "--format", "json", blocked)
    assert result.returncode == 1
    assert findings(result.stdout) == findings(report.stdout) != []
    target = tmp_path / "r.json"
    result = command("check", "--format", f"json={target}", blocked)
    assert result.returncode == 1 and "1 finding" in result.stdout
    assert findings(target.read_text()) == findings(report.stdout)


def test_a_file_and_standard_output_at_once(blocked, tmp_path):
    target = tmp_path / "r.json"
    result = command("report", "-f", "text", "-f", f"json={target}", blocked)
    assert result.returncode == 0 and "time.sleep" in result.stdout
    assert findings(target.read_text())
    target = tmp_path / "check.txt"
    result = command("check", "-f", "json", "-f", f"text={target}", blocked)
    assert result.returncode == 1 and findings(result.stdout)
    assert target.read_text().startswith("stalltrace: 1 finding")


def test_a_file_that_cannot_be_made(blocked, tmp_path):
    target = tmp_path / "no" / "such" / "r.json"
    for subcommand in "report", "check", "stats":
        result = command(subcommand, "--format", f"json={target}", blocked)
        assert result.returncode == 2 and str(target) in result.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("subcommand", ["report", "check", "stats"])
@pytest.mark.parametrize("options, words", [
    (["--format", "bogus"], ["bogus", "text and json"]),
    (["--format", "jsno"], ["json"]),
    (["--format", ""], ["text and json"]),
    (["--format", "json="], ["FILE", "file"]),
    (["--format", "json", "--format", "text"], ["standard output", "json", "text"]),
    (["--format", "json=a", "--format", "text=a"], ["a"])])
def test_what_is_refused(subcommand, options, words):
    result = command(subcommand, *options)
    assert result.returncode == 2 and result.stdout == ""
    assert any(word in result.stderr for word in words), result.stderr
    assert "stalltrace.out" not in result.stderr


@pytest.mark.parametrize("subcommand", ["report", "check", "stats"])
def test_help_lists_the_formats(subcommand):
    text = command(subcommand, "--help").stdout.partition("\nFormats:\n")[2]
    assert [line.split()[0] for line in text.splitlines()] == ["text", "json"]
