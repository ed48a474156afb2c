"""Writes the lines of its standard input, as they come, into a trace of its own, as one of the run's
processes. `$PID` and `$RUN` are replaced."""
import os
import sys

path = os.path.join(os.environ["STALLTRACE_OUTPUT"], f"writer.{os.getpid()}.1.jsonl")
trace = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
for line in sys.stdin:
    line = line.replace("$PID", str(os.getpid())).replace("$RUN", os.environ["STALLTRACE_RUN"])
    os.write(trace, line.encode())
