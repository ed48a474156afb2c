"""The words that bash offers are those of the command."""
import os
import subprocess

import pytest

from harness import SOURCE, STALLTRACE


def offered(*words):
    script = f"""
source {SOURCE}/completions/stalltrace
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_stalltrace
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(["bash", "-c", script, "bash", STALLTRACE, *words], stdout=subprocess.PIPE,
                            text=True, check=True, env={"PATH": os.environ["PATH"]})
    return set(result.stdout.split())


@pytest.mark.parametrize("words, wanted, unwanted", [
    (("",), {"run", "report", "check", "stats", "suppress", "doctor"}, {"--help"}),
    (("su",), {"suppress"}, {"run"}),
    (("ba",), {"baseline"}, {"run"}),
    (("baseline", "--"), {"--prune", "--force", "--suppressions"}, {"--strict"}),
    (("diff", "--"), {"--noise", "--by", "--per", "--format"}, {"--strict"}),
    (("diff", "--by", ""), {"total", "max", "count"}, set()),
    (("check", "--ba"), {"--baseline"}, {"--fail-on"}),
    (("-",), {"--help", "--version"}, {"run"}),
    (("suppress", "--"), {"--list", "--suppressions", "--output"}, {"--strict"}),
    (("run", "--st"), {"--strict"}, {"--list"}),
    (("check", "-"), {"--fail-on", "--suppressions", "--help"}, {"--full"}),
    (("report", "--format", ""), {"text", "json"}, set()),
    (("check", "-f", "j"), {"json"}, {"text"})])
def test_words(words, wanted, unwanted):
    found = offered(*words)
    assert wanted <= found and not unwanted & found, found
