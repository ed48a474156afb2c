"""stress-ng: one stressor at a time, with --verify and a bounded number of operations; compared by
its exit status and what it complains about."""
import os
import re
import shutil

import common

# By what they stress. Left out: those that measure time alone, and those that want hardware.
STRESSORS = {
    "scheduler": ["affinity", "daemon", "dnotify", "exec", "exit-group", "fork", "futex", "inotify",
                  "loadavg", "membarrier", "mq", "msg", "mutex", "nice", "poll", "prctl", "pthread",
                  "schedpolicy", "sem", "sem-sysv", "session", "sleep", "switch", "vfork", "wait",
                  "yield", "zombie", "spawn", "race-sched", "resched"],
    "socket": ["sock", "sockabuse", "sockdiag", "sockfd", "sockmany", "sockpair", "udp", "dccp", "epoll",
               "netdev", "netlink-proc", "udp-flood", "ping-sock"],
    "pipe": ["pipe", "pipeherd", "fifo", "splice", "tee", "vm-splice", "sigpipe", "pipeherd"],
    "file": ["access", "aio", "chdir", "chmod", "close", "copy-file", "dentry", "dir", "dup",
             "eventfd", "fallocate", "fcntl", "fiemap", "filename", "flock", "fpunch", "fstat", "getdent",
             "handle", "hdd", "inode-flags", "io", "io-uring", "iomix", "lease", "link", "locka",
             "lockf", "lockofd", "mknod", "open", "pidfd", "readahead", "rename", "seek",
             "sendfile", "sync-file", "touch", "utime", "verity", "xattr", "null", "zero", "full", "urandom"],
    "signal": ["itimer", "kill", "sigabrt", "sigchld", "sigfd", "sigfpe", "sigio", "signal", "signest",
               "sigpending", "sigq", "sigrt", "sigsegv", "sigsuspend", "sigtrap", "timer", "timerfd", "clock"],
    "clone": ["clone", "forkheavy", "unshare", "exec"],
    "vm": ["brk", "bigheap", "madvise", "malloc", "mlock", "mmap", "mmapfork", "mmapmany", "mprotect",
           "mremap", "msync", "shm", "shm-sysv", "stack", "stackmmap", "userfaultfd", "vm", "vm-rw",
           "context", "mincore", "munmap"],
}
QUICK = ["fork", "vfork", "epoll", "pthread", "sigsegv", "sigsuspend", "pipe", "sockpair", "clone",
         "stackmmap", "context"]
OPERATIONS = {"hdd": 200, "malloc": 2000, "stack": 50, "bigheap": 500, "forkheavy": 50}
# The disk is not ours to fill.
SIZES = {"hdd": "hdd-bytes", "fallocate": "fallocate-bytes", "iomix": "iomix-bytes", "seek": "seek-size",
         "sync-file": "sync-file-bytes", "readahead": "readahead-bytes",
         "mmap": "mmap-bytes", "sendfile": "sendfile-size", "vm": "vm-bytes",
         "mremap": "mremap-bytes", "msync": "msync-bytes", "shm": "shm-bytes", "shm-sysv": "shm-sysv-bytes"}
NOT_AS_ROOT = {"exec", "spawn"}
SECONDS = 4


def outcome(setting, configuration, stressor):
    place = setting.work / "stress" / f"{stressor}.{configuration}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "traces").mkdir(parents=True)
    log = place / "log"
    env = common.environment(setting, configuration, place / "traces")
    argv = ["stress-ng", f"--{stressor}", "1", f"--{stressor}-ops",
            str(OPERATIONS.get(stressor, 300)), "--timeout", str(SECONDS), "--verify",
            "--temp-path", str(place), "--oomable", "--seed", "7"]
    if SIZES.get(stressor):
        argv += [f"--{SIZES[stressor]}", "4M"]
    if stressor in NOT_AS_ROOT and os.geteuid() == 0:
        for directory in (place, place / "traces"):
            directory.chmod(0o777)
        argv = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] + argv
    status = common.run(argv, env, SECONDS * 8, log, cwd=place)
    text = log.read_text(errors="replace")
    common.lint(setting, place / "traces")
    complaints = {re.sub(r"\d+", "N", re.sub(r"^.*?\[\d+\] ", "", line)).strip()
                  for line in text.splitlines() if re.search(r"fail:|error:|warn:", line)}
    return f"exit {status}" + "".join(f"; {c}" for c in sorted(complaints))


def suite(setting, configurations):
    version = common.version_of("stress-ng")
    if not version:
        yield common.Row("stress-ng", "-", skipped="stress-ng is not installed")
        return
    groups = {"quick": QUICK} if setting.quick else STRESSORS
    for group, stressors in groups.items():
        chosen = [s for s in dict.fromkeys(stressors)
                  if not setting.only or s in setting.only or group in setting.only]
        if not chosen:
            continue
        plain = {s: outcome(setting, "plain", s) for s in chosen}
        for configuration in configurations:
            watch = common.Stopwatch()
            traced = {s: outcome(setting, configuration, s) for s in chosen}
            row = common.Row(f"stress-ng {version} {group}", configuration, len(traced))
            bad = [f"{s} ({o[:60]})" for s, o in plain.items() if o != "exit 0"]
            if bad:
                row.notes.append(f"not well without us, either: {', '.join(bad)}")
            found = common.differences(plain, traced)
            row.same = len(traced) - len(found)

            def again(side, test):
                return outcome(setting, "plain" if side == "plain" else configuration, test)

            common.settle(row, found, again, setting.retries)
            row.seconds = watch.seconds
            yield row
