"""Strict mode, case by case: what could have blocked is reported, however fast it was, and what could
not is not. The cases are in tests/strict: a function each, with one call on a loop thread."""
import collections
import subprocess

import pytest

import harness

CASES_PROGRAM = harness.BUILD / "tests" / "strict" / "cases"
BY_DEFAULT = "sleep wait net dns sync process".split()
CLASSES = "sleep wait net dns file meta sync stdio lock process ipc tty raw".split()

# For each class (stdio+file: both must be asked for): the call, the situations in which it must be
# reported, and after the bar those in which it must not.
SPECIFICATION = {
    "sleep": """
        sleep: interrupted | zero
        usleep: some | zero
        nanosleep: some by_number | zero zero_by_number
        thrd_sleep: some | zero
        poll: nothing nothing_by_number |
        select: sleep sleep_by_number | no_sleep
        clock_nanosleep: some until_later | zero until_the_past until_now until_the_past_by_number
        """,
    "wait": """
        poll: timeout for_ever by_number | zero zero_by_number
        ppoll: timeout nanosecond for_ever by_number | zero zero_by_number
        select: timeout microsecond for_ever by_number | zero zero_by_number
        pselect: timeout by_number | zero zero_by_number
        epoll_wait: timeout for_ever by_number | zero zero_by_number
        epoll_pwait: timeout | zero
        epoll_pwait2: timeout by_number | zero zero_by_number
        sigwait: pending |
        sigwaitinfo: pending |
        sigtimedwait: pending for_ever | zero zero_by_number
        sigsuspend: pending |
        pause: interrupted |
        aio_suspend: done for_ever | zero
        lio_listio: wait | nowait
        io_getevents: timeout | zero at_least_none
        io_uring_enter: wait | submit wait_for_none zero
        """,
    "net": """
        connect: blocking by_number unix_stream | nonblocking datagram disconnect
        accept: blocking | nonblocking
        accept4: blocking for_nonblocking by_number | nonblocking
        read: blocking_socket blocking_socket_by_number |
            nonblocking_socket nonblocking_socket_by_number
        readv: blocking_socket | nonblocking_socket
        recv: blocking waitall peek datagram unix_errqueue |
            nonblocking nonblocking_waitall dontwait dontwait_waitall urgent
        recvfrom: blocking by_number | dontwait dontwait_by_number
        recvmsg: blocking | dontwait nonblocking errqueue
        recvmmsg: blocking zero waitforone | dontwait nonblocking
        write: blocking_socket | nonblocking_socket
        writev: blocking_socket | nonblocking_socket
        send: blocking nosignal urgent | nonblocking dontwait
        sendto: blocking | dontwait
        sendmsg: blocking | dontwait dontwait_by_number
        sendmmsg: blocking | dontwait nonblocking
        sendfile: to_blocking_socket |
        splice: to_blocking_socket from_blocking_socket to_blocking_socket_nonblock
            from_blocking_socket_nonblock |
            to_nonblocking_socket_nonblock from_nonblocking_socket_nonblock all_nonblocking
        close: lingering lingering_nonblocking |
            plain_socket abortive lingering_listener lingering_unix lingering_unconnected
        ioctl: | bytes_of_a_socket
        """,
    "dns": """
        getaddrinfo: name | numeric numeric_short numeric_six numeric_scoped own passive
            numeric_only numeric_with_service
        getnameinfo: name name_required | numeric service_only
        gethostbyname: name | numeric
        gethostbyname2: name | numeric
        gethostbyname_r: name | numeric
        gethostbyaddr: name |
        getaddrinfo_a: wait wait_for_second | wait_numeric nowait
        gai_suspend: timeout for_ever | zero
        res_nquery: name |
        getpwnam: name |
        getpwuid: number |
        getgrgid: number |
        getservbyname: name |
        """,
    "file": """
        read: regular regular_nonblocking regular_by_number | nothing zeros null urandom
        write: regular | null
        pread: regular regular_by_number |
        pwrite: regular |
        preadv: regular |
        preadv2: regular | nowait
        pwritev2: regular | nowait
        ftruncate: regular |
        posix_fallocate: regular |
        posix_fadvise: regular |
        copy_file_range: regular |
        sendfile: regular to_nonblocking_socket |
        splice: from_regular to_regular |
        mmap: populate | lazy anonymous
        open: regular fifo fifo_nonblocking |
        openat: regular regular_by_number |
        shm_open: | memory
        close: | regular
        getrandom: | after_boot nonblock
        getentropy: | after_boot
        """,
    "meta": """
        stat: regular |
        fstat: regular | pipe socket
        access: regular |
        realpath: regular |
        opendir: any |
        readdir: first | buffered
        getcwd: | any
        """,
    "sync": """
        fsync: any by_number |
        fdatasync: any |
        syncfs: any |
        msync: sync | async
        sync_file_range: wait | start
        """,
    "stdio": """
        fgets: pipe half_buffered half_buffered_at_its_beginning | nonblocking_pipe buffered
        fread: pipe | buffered memory
        getline: pipe | buffered
        getdelim: | buffered
        getc: pipe socket | nonblocking_pipe buffered pushed_back memory
        fgetc: | buffered
        fscanf: pipe | buffered
        fgetws: pipe |
        fwrite: full_buffer too_long unbuffered |
            buffer begun_buffer unbuffered_nonblocking memory growing_memory
        fputs: by_line by_line_and_more | buffer by_line_unended regular
        putc: unbuffered | buffer
        fprintf: full_buffer too_long by_line_and_more unbuffered | buffer nothing growing_memory
        fwprintf: by_line | buffer begun_buffer
        fputws: by_line | buffer
        vfprintf: too_long unbuffered | buffer
        __overflow: full_buffer | fresh
        fflush: begun all | begun_nonblocking empty all_empty memory
        fclose: begun | begun_nonblocking empty read_from growing_memory
        ftell: | begun
        dprintf: pipe | nonblocking_pipe
        """,
    "stdio+file": """
        getc: regular |
        fgets: regular |
        fflush: regular |
        dprintf: regular |
        fopen: regular |
        tmpfile: any |
        """,
    "lock": """
        pthread_mutex_lock: held | free recursive own
        pthread_mutex_trylock: | held
        pthread_mutex_timedlock: held | free until_the_past
        pthread_mutex_clocklock: held | until_the_past
        pthread_rwlock_rdlock: held | free
        pthread_rwlock_wrlock: held |
        pthread_rwlock_timedwrlock: | until_the_past
        pthread_rwlock_clockrdlock: | until_the_past
        pthread_spin_lock: held | free
        mtx_lock: held | free
        mtx_timedlock: | until_the_past
        sem_wait: zero | one
        sem_trywait: | zero
        sem_timedwait: zero | one until_the_past
        sem_clockwait: | until_the_past
        pthread_cond_wait: signalled |
        pthread_cond_timedwait: signalled | until_the_past until_the_monotonic_past
        pthread_cond_clockwait: | until_the_past
        cnd_timedwait: | until_the_past
        pthread_barrier_wait: first | last
        pthread_once: being_done | first
        pthread_join: running |
        pthread_timedjoin_np: | until_the_past
        pthread_clockjoin_np: | until_the_past
        flockfile: held | free own
        flock: exclusive shared by_number | nonblocking unlock
        fcntl: setlkw setlkw_of_description | setlkw_unlock setlk setfl setlease
        lockf: lock | tlock unlock
        futex: wait wait_private wait_timeout wait_bitset |
            wait_zero wait_bitset_past wait_bitset_realtime_past wake
        futex_waitv: until_later | until_the_past
        """,
    "process": """
        wait: running | ended
        waitpid: running | ended untraced nohang nohang_ended
        wait3: running | ended
        wait4: running running_by_number | ended ended_by_number nohang nohang_by_number
        waitid: running | ended pidfd nohang pidfd_nonblocking pidfd_nonblocking_by_number
        system: command | none
        pclose: ended |
        popen: | command
        posix_spawn: | program
        fork: | child
        """,
    "ipc": """
        read: pipe_with_data pipe_by_number eventfd timerfd signalfd inotify |
            nonblocking_pipe nothing_from_pipe nonblocking_eventfd nonblocking_timerfd
            nonblocking_signalfd nonblocking_inotify
        readv: pipe | nonblocking_pipe
        write: pipe_with_room | nonblocking_pipe full_nonblocking_pipe eventfd
        vmsplice: pipe nonblocking_pipe | nonblock
        close: | pipe
        splice: pipes nonblocking_socket_to_pipe | pipes_nonblock nonblocking_in nonblocking_out
        tee: pipes | pipes_nonblock nonblocking_in
        eventfd_read: blocking | nonblocking
        eventfd_write: | blocking
        msgrcv: blocking | nowait
        msgsnd: blocking | nowait
        semop: take by_number | give nowait
        semtimedop: timeout for_ever | zero zero_by_number
        mq_receive: blocking | nonblocking
        mq_send: blocking | nonblocking
        mq_timedreceive: until_later | until_the_past
        mq_timedsend: | until_the_past
        """,
    "tty": """
        read: terminal | nonblocking_terminal
        write: terminal | nonblocking_terminal
        tcdrain: any |
        tcsetattr: drain flush | now
        tcflush: | input
        ioctl: drain drain_by_number | size mode
        """,
    "raw": """
        syscall: | getpid
        """,
}
# What these are without their own class: the other descriptor may wait, too.
OTHERWISE = {"sendfile to_blocking_socket": "file", "splice to_blocking_socket": "ipc",
             "splice from_blocking_socket": "ipc"}
Case = collections.namedtuple("Case", "classes call situation reported")


def specified():
    cases = []
    for classes, text in SPECIFICATION.items():
        call, reported = None, True
        for word in text.replace("|", " | ").split():
            if word.endswith(":"):
                call, reported = word[:-1], True
            elif word == "|":
                reported = False
            else:
                cases.append(Case(tuple(classes.split("+")), call, word, reported))
    return cases


CASES = specified()


def name_of(case):
    return f"{case.call}__{case.situation}"


class Runs:
    """The cases of some classes under a setting of strict mode: run once, asked often."""

    def __init__(self, tmp_path_factory):
        self.tmp, self.known = tmp_path_factory, {}

    def of(self, classes, strict):
        if (classes, strict) not in self.known:
            self.known[classes, strict] = self.run(classes, strict)
        return self.known[classes, strict]

    def run(self, classes, strict):
        work = self.tmp.mktemp("strict")
        words = [w for c in CASES if c.classes == classes for w in (c.call, c.situation)]
        result = harness.command(
            "run", "--quiet", "-o", work / "traces", "--threshold", "10m", "--iteration-threshold",
            "10m", strict, "--", CASES_PROGRAM, *words, cwd=work, timeout=120)
        assert result.returncode == 0, f"{words}: {result.stderr}"
        traces = harness.Traces(work / "traces")
        assert traces.report()["dropped"]["stalls"] == 0, "a case may have been left out"
        assert all(p["loops"] for p in traces.report()["processes"]), "no loop was seen"
        cannot = dict(line.split(" ", 2)[1:] for line in result.stdout.splitlines()
                      if line.startswith("cannot "))
        return traces, cannot

    def found(self, case, strict):
        """What was reported in the function of the case: (call, class) each."""
        traces, cannot = self.of(case.classes, strict)
        if name_of(case) in cannot:
            pytest.skip(cannot[name_of(case)])
        # (one of the cases listens: what came before it is start-up)
        found = [f for f in traces.findings + traces.report().get("startup", [])
                 if any(frame["function"] == name_of(case) for stack in f["stacks"]
                        for frame in stack["frames"])]
        assert all(f["strict"] for f in found), traces.describe()
        return [(f["call"], f["class"]) for f in found]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory)


@pytest.mark.parametrize("case", CASES, ids=["-".join(("+".join(c.classes), c.call, c.situation))
                                             for c in CASES])
def test_case(runs, case):
    expected = [(case.call, case.classes[0])] if case.reported else []
    assert runs.found(case, "--strict=all") == expected
    # Its own class is enough …
    alone = "--strict" if set(case.classes) <= set(BY_DEFAULT) else \
        "--strict=" + ",".join(case.classes)
    assert runs.found(case, alone) == expected
    # … and without it nothing is reported.
    otherwise = OTHERWISE.get(f"{case.call} {case.situation}")
    for left_out in case.classes:
        others = ",".join(c for c in CLASSES if c != left_out)
        assert runs.found(case, f"--strict={others}") == (
            [(case.call, otherwise)] if otherwise else [])


def test_every_case_is_specified():
    listed = subprocess.run([CASES_PROGRAM], stdout=subprocess.PIPE, check=True, text=True)
    specified_names = sorted(f"{c.call} {c.situation}" for c in CASES)
    assert specified_names == sorted(listed.stdout.splitlines())
