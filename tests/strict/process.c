/* Cases: waiting for other processes, for the locks of files, and for words in memory. */
#include "cases.h"

#include <linux/futex.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/wait.h>

extern char **environ;

/* ---- processes --------------------------------------------------------------------------------*/

/* One that has ended, and waits for nobody but us. */
static pid_t ended(void)
{
    siginfo_t info;
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0)
        _exit(0);
    MUST(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
    return child;
}

/* One that ends soon: it may be waited for. */
static pid_t ending(void)
{
    const struct timespec soon = {0, 20000000};
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        nanosleep(&soon, NULL);
        _exit(0);
    }
    return child;
}

/* One that goes on until this process ends. */
static pid_t running(void)
{
    int *fds = make_pipe(BLOCKING, NULL);
    char c;
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        close(fds[1]);
        _exit((int)read(fds[0], &c, 1));
    }
    return child;
}

static int status;
static siginfo_t information;

#define WITH_CHILD(call, situation, child, ...)                                                    \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        pid_t pid = child;                                                                         \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_CHILD(wait, running, ending(), MUST(wait(NULL) == pid))
WITH_CHILD(waitpid, running, ending(), waitpid(pid, &status, 0))
WITH_CHILD(wait3, running, ending(), MUST(wait3(&status, 0, NULL) == pid))
WITH_CHILD(wait4, running, ending(), wait4(pid, &status, 0, NULL))
WITH_CHILD(wait4, running_by_number, ending(), syscall(SYS_wait4, pid, &status, 0, NULL))
WITH_CHILD(waitid, running, ending(), waitid(P_PID, (id_t)pid, &information, WEXITED))
WITH_CHILD(wait, ended, ended(), MUST(wait(NULL) == pid))
WITH_CHILD(waitpid, ended, ended(), waitpid(pid, &status, 0))
WITH_CHILD(waitpid, untraced, ended(), waitpid(pid, &status, WUNTRACED))
WITH_CHILD(waitpid, nohang, running(), waitpid(pid, &status, WNOHANG))
WITH_CHILD(waitpid, nohang_ended, ended(), waitpid(pid, &status, WNOHANG | WUNTRACED))
WITH_CHILD(wait3, ended, ended(), MUST(wait3(&status, 0, NULL) == pid))
WITH_CHILD(wait4, ended, ended(), wait4(pid, &status, 0, NULL))
WITH_CHILD(wait4, nohang, running(), wait4(pid, &status, WNOHANG, NULL))
WITH_CHILD(wait4, ended_by_number, ended(), syscall(SYS_wait4, pid, &status, 0, NULL))
WITH_CHILD(wait4, nohang_by_number, running(), syscall(SYS_wait4, pid, &status, WNOHANG, NULL))
WITH_CHILD(waitid, ended, ended(), waitid(P_PID, (id_t)pid, &information, WEXITED))
WITH_CHILD(waitid, nohang, running(), waitid(P_PID, (id_t)pid, &information, WEXITED | WNOHANG))

#define WITH_PIDFD(call, situation, child, flags, ...)                                             \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = (int)syscall(SYS_pidfd_open, child, flags);                                       \
        if (fd < 0)                                                                                \
            CANNOT("there are no descriptors of processes");                                       \
        NOW(__VA_ARGS__);                                                                          \
    }
#define PROCESS_BY_FD (idtype_t)3 /* P_PIDFD */
WITH_PIDFD(waitid, pidfd, ended(), BLOCKING, waitid(PROCESS_BY_FD, (id_t)fd, &information, WEXITED))
WITH_PIDFD(waitid, pidfd_nonblocking, running(), NONBLOCKING,
           waitid(PROCESS_BY_FD, (id_t)fd, &information, WEXITED))
WITH_PIDFD(waitid, pidfd_nonblocking_by_number, running(), NONBLOCKING,
           syscall(SYS_waitid, PROCESS_BY_FD, fd, &information, WEXITED, NULL))

CASE(system, command)
{
    NOW((void)!system("true"));
}

CASE(system, none)
{
    NOW((void)!system(NULL));
}

CASE(popen, command)
{
    FILE *f;
    NOW(f = popen("true", "r"));
    pclose(f);
}

CASE(pclose, ended)
{
    FILE *f = popen("true", "r");
    MUST(f);
    NOW(pclose(f));
}

CASE(posix_spawn, program)
{
    char *argv[] = {"true", NULL};
    pid_t child;
    NOW(posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ));
    waitpid(child, NULL, 0);
}

CASE(fork, child)
{
    pid_t child;
    NOW(child = fork());
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
}

/* ---- the locks of files: another process may have them at any time
 * -----------------------------*/

static struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET},
                    unlocked = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

#define WITH_FILE(call, situation, ...)                                                            \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int fd = make_file("content", 0);                                                          \
        NOW(__VA_ARGS__);                                                                          \
    }
WITH_FILE(flock, exclusive, flock(fd, LOCK_EX))
WITH_FILE(flock, shared, flock(fd, LOCK_SH))
WITH_FILE(flock, nonblocking, flock(fd, LOCK_EX | LOCK_NB))
WITH_FILE(flock, unlock, flock(fd, LOCK_UN))
WITH_FILE(flock, by_number, syscall(SYS_flock, fd, LOCK_EX))
WITH_FILE(fcntl, setlkw, fcntl(fd, F_SETLKW, &whole))
WITH_FILE(fcntl, setlkw_of_description, fcntl(fd, F_OFD_SETLKW, &whole))
WITH_FILE(fcntl, setlkw_unlock, fcntl(fd, F_SETLKW, &unlocked))
WITH_FILE(fcntl, setlk, fcntl(fd, F_SETLK, &whole))
WITH_FILE(fcntl, setfl, fcntl(fd, F_SETFL, O_NONBLOCK))
/* It is granted or refused. */
WITH_FILE(fcntl, setlease, fcntl(fd, F_SETLEASE, F_UNLCK))
WITH_FILE(lockf, lock, lockf(fd, F_LOCK, 0))
WITH_FILE(lockf, tlock, lockf(fd, F_TLOCK, 0))
WITH_FILE(lockf, unlock, lockf(fd, F_ULOCK, 0))

/* ---- words in memory: none of them is what the call was told, and it returns at once
 * -----------*/

static int word = 1;
#define FUTEXES(situation, ...)                                                                    \
    CASE(futex, situation)                                                                         \
    {                                                                                              \
        NOW(syscall(SYS_futex, &word, __VA_ARGS__));                                               \
    }
FUTEXES(wait, FUTEX_WAIT, 2, NULL)
FUTEXES(wait_private, FUTEX_WAIT_PRIVATE, 2, NULL)
FUTEXES(wait_timeout, FUTEX_WAIT, 2, &a_while)
FUTEXES(wait_zero, FUTEX_WAIT, 1, &none)
FUTEXES(wait_bitset, FUTEX_WAIT_BITSET, 2, NULL, NULL, FUTEX_BITSET_MATCH_ANY)
FUTEXES(wait_bitset_past, FUTEX_WAIT_BITSET, 1, &none, NULL, FUTEX_BITSET_MATCH_ANY)
FUTEXES(wait_bitset_realtime_past, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &long_ago, NULL,
        FUTEX_BITSET_MATCH_ANY)
FUTEXES(wake, FUTEX_WAKE, 1)

CASE(futex_waitv, until_later)
{
    struct futex_waitv one = {.val = 2, .uaddr = (uintptr_t)&word, .flags = FUTEX_32};
    struct timespec later = after(CLOCK_MONOTONIC, 600);
    NOW(syscall(SYS_futex_waitv, &one, 1, 0, &later, CLOCK_MONOTONIC));
}

CASE(futex_waitv, until_the_past)
{
    struct futex_waitv one = {.val = 1, .uaddr = (uintptr_t)&word, .flags = FUTEX_32};
    NOW(syscall(SYS_futex_waitv, &one, 1, 0, &none, CLOCK_MONOTONIC));
}

CASE(syscall, getpid)
{
    NOW(syscall(SYS_getpid));
}
