"""What the machine does to the program meanwhile (scripts/soak). Each mode is a context; it may say in what
directory the traces go, what the command is put behind, and what is done each second."""
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time


class CannotBeHad(Exception):
    """This machine, or this user, has not what the mode needs."""


class Mode:
    """What an idle machine does: nothing."""
    name = "idle"
    exact = False     # what nothing kept waiting is recorded from 1.1 times its threshold on
    may_lose = False  # records may be missing, where a loss says so
    prefix = ()       # in front of the command

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="soak.") + "/traces"
        self.stops = []  # (from, to), on the monotonic clock

    def act(self, pid):
        """Called again and again while the program runs."""
        time.sleep(0.5)


@contextlib.contextmanager
def idle():
    mode = Mode()
    mode.exact = True
    yield mode


@contextlib.contextmanager
def busy():
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(6)]
    mode = Mode()
    mode.name = "busy"
    try:
        yield mode
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def quota_files():
    """The directory of a new cgroup, and what to write into which of its files for a third of a CPU."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        root, settings = pathlib.Path("/sys/fs/cgroup"), {"cpu.max": "33000 100000"}
        with contextlib.suppress(OSError):
            (root / "cgroup.subtree_control").write_text("+cpu", encoding="ascii")
    else:
        root = pathlib.Path("/sys/fs/cgroup/cpu")
        settings = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "33000"}
    return root / f"stalltrace-soak-{os.getpid()}", settings


@contextlib.contextmanager
def quota():
    group, settings = quota_files()
    try:
        group.mkdir()
    except OSError as error:
        raise CannotBeHad(f"no cgroup can be made: {error}") from None
    try:
        for name, value in settings.items():
            try:
                (group / name).write_text(value, encoding="ascii")
            except OSError as error:
                raise CannotBeHad(f"no quota can be set: {error}") from None
        mode = Mode()
        mode.name = "quota"
        mode.prefix = ("sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh")
        yield mode
    finally:
        for _ in range(50):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


class Stopping(Mode):
    name = "stop"

    def act(self, pid):
        time.sleep(random.uniform(1, 3))
        with contextlib.suppress(ProcessLookupError):
            began = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            time.sleep(random.uniform(0.1, 0.5))
            os.kill(pid, signal.SIGCONT)
            self.stops.append((began, time.monotonic()))


@contextlib.contextmanager
def stop():
    yield Stopping()


class Filling(Mode):
    """A file system of 256 KiB: full for a second, empty for two."""
    name, may_lose = "disk", True

    def __init__(self, mount):
        super().__init__()
        self.mount, self.directory = mount, str(mount / "traces")

    def act(self, pid):
        time.sleep(2)
        with contextlib.suppress(OSError), open(self.mount / "filler", "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        time.sleep(1)
        with contextlib.suppress(OSError):
            (self.mount / "filler").unlink()


@contextlib.contextmanager
def disk():
    mount = pathlib.Path(tempfile.mkdtemp(prefix="soak.")) / "disk"
    mount.mkdir()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "soak", mount],
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise CannotBeHad(result.stderr.strip())
    mode = Filling(mount)
    try:
        yield mode
    finally:
        with contextlib.suppress(OSError):
            kept = tempfile.mkdtemp(prefix="soak.") + "/traces"
            subprocess.run(["cp", "-r", mode.directory, kept], check=False)
            mode.directory = kept
        subprocess.run(["umount", mount], check=False)
        mount.rmdir()
        mount.parent.rmdir()


MODES = {"idle": idle, "busy": busy, "quota": quota, "stop": stop, "disk": disk}
