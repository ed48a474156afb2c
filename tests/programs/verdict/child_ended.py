"""waitpid of a child that has ended already cannot wait; of one that has not, it does."""
import asyncio
import os
import subprocess
import sys


async def ended():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    while not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        await asyncio.sleep(0.005)
    os.waitpid(child.pid, 0)


async def any_ended():
    child = subprocess.Popen(["true"])
    while not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        await asyncio.sleep(0.005)
    os.wait()


async def runs():
    child = subprocess.Popen(["sleep", "0.05"])
    os.waitpid(child.pid, 0)


async def another_ended():
    """Of two children the one that has ended is not the one that is waited for."""
    first, second = subprocess.Popen(["true"]), subprocess.Popen(["sleep", "0.1"])
    while not os.waitid(os.P_PID, first.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        await asyncio.sleep(0.005)
    os.waitpid(second.pid, 0)
    os.waitpid(first.pid, 0)


CASES = {"ended": ended, "any-ended": any_ended, "runs": runs, "another-ended": another_ended}
asyncio.run(CASES[sys.argv[1]]())
