"""What a stack of Python frames costs the loop thread that is inside it. scripts/bench runs this, plain
and preloaded.

    frames.py calls TIMES      ns a read takes, and ns of CPU a sleep of 30 ms takes
    frames.py long SECONDS     an iteration that computes: ns of CPU a step, then each signal
"""
import ctypes
import mmap
import os
import select
import statistics
import sys
import time

DEPTH = 30  # Python frames
OTHERS = 5  # of those: the module, main(), its function, what that calls, and deep(0)
SETTLE = 0.015  # the agent looks around every 10 ms
HANG = 0.03


def deep(depth, function):
    return deep(depth - 1, function) if depth > 0 else function()


class Stack(ctypes.Structure):
    _fields_ = [("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


class SignalStack:
    """The alternative stack. A signal leaves its trace there, so a gap between two steps that a
    signal made is told from one that the machine made."""
    SIZE, FRAME = 65536, 4096

    def __init__(self):
        self.memory = mmap.mmap(-1, self.SIZE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        stack = Stack(address, 0, self.SIZE)
        if ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) != 0:
            sys.exit("frames.py: no alternative signal stack")
        self.clean = b"\xa5" * self.FRAME
        self.signal_came()

    def signal_came(self):
        came = self.memory[-self.FRAME:] != self.clean
        self.memory[-self.FRAME:] = self.clean
        return came


def long_iteration(seconds):
    """Times are of the thread's CPU: what another process takes does not count."""
    stack, gaps, step = SignalStack(), [], []

    def compute():
        noticed_ns, steps = 3000, 0
        wall, cpu = time.perf_counter, time.thread_time_ns
        end, start = wall() + seconds, cpu()
        last = start
        while wall() < end:
            t = cpu()
            if t - last > noticed_ns and stack.signal_came():
                gaps.append(t - last)
                t = cpu()
            last = t
            steps += 1
        step.append((last - start) / steps)

    deep(DEPTH - OTHERS, compute)
    return step + gaps


def calls(loop, times):
    fd = os.open(__file__, os.O_RDONLY)
    reads, sleeps = [], []

    def read():
        start = time.perf_counter_ns()
        os.pread(fd, 1, 0)
        reads.append(time.perf_counter_ns() - start)

    def sleep():
        start = time.thread_time_ns()
        time.sleep(HANG)
        sleeps.append(time.thread_time_ns() - start)

    for function in (read, sleep):
        for _ in range(times):
            deep(DEPTH - OTHERS, function)
            loop.poll(SETTLE)
    os.close(fd)
    return [statistics.median(reads), statistics.median(sleeps)]


def main():
    loop = select.epoll()
    for _ in range(5):
        loop.poll(SETTLE)
    what, how = sys.argv[1:]
    figures = calls(loop, int(how)) if what == "calls" else long_iteration(float(how))
    loop.close()  # what follows is no loop's
    print(*figures, sep="\n")


main()
