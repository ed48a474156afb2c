"""Interpreters of whose functions nothing is known: waits of different kinds stay apart, and the report
says why there are no names."""
import subprocess

import pytest

from harness import command

SAID = {"Ruby": "Ruby's methods have no names here", "Perl": "Perl's functions have no names here"}


@pytest.mark.parametrize("language, interpreter, file, needs, waits", [
    ("Ruby", "ruby", "nameless.rb", ("-e", 'require "eventmachine"'),
     [("ppoll", "child", 3), ("ppoll", "event", 3), ("ppoll", "event", 3), ("select", "socket", 3)]),
    ("Perl", "perl", "nameless.pl", ("-MEV", "-e", "1"),
     [("select", "socket", 3), ("select", "time", 3), ("usleep", "time", 3), ("waitpid", "child", 3)])])
def test_waits_of_different_kinds_stay_apart(run, script, tool, language, interpreter, file, needs, waits):
    if subprocess.run([tool(interpreter), *needs], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip(f"{language} has no event loop")
    traced = run(tool(interpreter), script("verdict/" + file), options=("--threshold", "40ms"))
    assert traced.exit == 0, traced
    # a machine that is busy makes others of what the interpreter does to start a child
    calls = [f for f in traced.findings if f["call"] in {wait[0] for wait in waits}]
    assert sorted((f["call"], f["wait_kind"], f["count"]) for f in calls) == waits, traced.describe()
    computing = [f for f in traced.findings if f["kind"] == "iteration"]
    assert len(computing) <= 1, "one place, wherever the interpreter had got to"
    loops = ("EV.so", "rubyeventmachine.so")
    for finding in traced.findings:
        assert SAID[language] in finding["hint"]
        assert finding["frames"][finding["culprit"]]["module"] not in loops, traced.describe()
    text = command("report", traced.dir).stdout
    assert text.count(SAID[language]) == len(traced.findings)


def test_a_version_of_the_interpreter_is_in_no_fingerprint(tmp_path):
    """Nor is a function of its own, which has a name or not."""
    def fingerprint(module, vaddr):
        trace = tmp_path / "x.1.1.jsonl"
        trace.write_text(
            '{"type":"process","format":"stalltrace.trace/1","pid":1,"exe":"/usr/bin/ruby","argv":[],"start_ns":1}\n'
            '{"type":"loop","loop":1,"tid":1,"name":"ruby","home":"epoll","at_ns":0}\n'
            f'{{"type":"module","module":1,"path":"/usr/lib/{module}","base":"0x0"}}\n'
            f'{{"type":"stack","stack":1,"frames":[{{"pc":"0x1","module":1,"vaddr":"0x1"}},'
            f'{{"pc":"{vaddr}","module":1,"vaddr":"{vaddr}"}}]}}\n'
            '{"type":"stall","stall":1,"kind":"call","loop":1,"call":"ppoll","class":"wait","stack":1,'
            '"at_ns":1,"elapsed_ns":90000000,"ended":true,"strict":false}\n')
        result = command("check", trace)
        assert result.returncode == 1, result
        return result.stdout.rsplit("[", 1)[1]
    assert fingerprint("libruby-3.1.so.3.1", "0x20") == fingerprint("libruby-3.3.so.3.3", "0x50")
    assert fingerprint("libruby-3.1.so.3.1", "0x20") != fingerprint("libperl.so.5.36", "0x20")
