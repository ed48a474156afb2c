"""Who polls again and again: a hand-written loop, and programs that have none."""
import selectors
import socket
import subprocess
import sys
import time

TALKS = "for i in 1 2 3 4 5 6 7 8 9 10; do echo a; echo b >&2; sleep 0.005; done"


def hand_written(selector, turn=30):
    ends = [socket.socketpair(), socket.socketpair()]
    for end, _ in ends:
        selector.register(end, selectors.EVENT_READ)
    for i in range(40):
        selector.select(0.02)
        if i == turn:
            time.sleep(0.5)  # STALL:loop


def communicates():
    for _ in range(3):
        subprocess.run(["sh", "-c", TALKS], capture_output=True, check=True)
    time.sleep(0.1)
    subprocess.run(["sleep", "0.1"], check=True)


def clients():
    """Each waits for its own socket, and no longer than that lasts."""
    for _ in range(12):
        ours, theirs = socket.socketpair()
        wake_up, other = socket.socketpair()
        with ours, theirs, wake_up, other, selectors.PollSelector() as selector:
            selector.register(ours, selectors.EVENT_READ)
            selector.register(wake_up, selectors.EVENT_READ)
            selector.select(0.02)
    time.sleep(0.1)


{"poll": lambda: hand_written(selectors.PollSelector()),
 "select": lambda: hand_written(selectors.SelectSelector()),
 "early-poll": lambda: hand_written(selectors.PollSelector(), 2),
 "early-select": lambda: hand_written(selectors.SelectSelector(), 2),
 "communicates": communicates, "clients": clients}[sys.argv[1]]()
