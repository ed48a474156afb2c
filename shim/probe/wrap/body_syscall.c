/* syscall(): the calls that programs make by number. Those that have a wrapper of their own behave
 * as that wrapper does; the rest pass through. */
#include "real.h"

#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define ARGUMENTS a[0], a[1], a[2], a[3], a[4], a[5]

/* Calls whose class is their row's, and whose words are three of their arguments, by position; NO
 * is 0, EVER a timeout that there is not. */
enum { NO = 6, EVER };
static const struct {
    uint16_t number, id;
    uint8_t words[3];
} others[] = {
    {SYS_pause, ST_CALL_pause, {EVER, NO, NO}},
    {SYS_rt_sigsuspend, ST_CALL_sigsuspend, {EVER, NO, NO}},
    {SYS_rt_sigtimedwait, ST_CALL_sigtimedwait, {2, NO, NO}},
    {SYS_open, ST_CALL_open, {0, NO, 1}},
    {SYS_openat, ST_CALL_openat, {1, 0, 2}},
    {SYS_openat2, ST_CALL_openat, {1, 0, NO}},
    {SYS_creat, ST_CALL_creat, {0, NO, NO}},
    {SYS_preadv, ST_CALL_preadv, {0, NO, NO}},
    {SYS_pwritev, ST_CALL_pwritev, {0, NO, NO}},
    {SYS_recvmmsg, ST_CALL_recvmmsg, {0, 3, NO}},
    {SYS_sendmmsg, ST_CALL_sendmmsg, {0, 3, NO}},
    {SYS_sendfile, ST_CALL_sendfile, {0, 1, NO}},
    {SYS_copy_file_range, ST_CALL_copy_file_range, {0, 2, NO}},
    {SYS_truncate, ST_CALL_truncate, {0, NO, NO}},
    {SYS_ftruncate, ST_CALL_ftruncate, {0, NO, NO}},
    {SYS_fallocate, ST_CALL_fallocate, {0, NO, NO}},
    {SYS_getrandom, ST_CALL_getrandom, {NO, NO, NO}},
    {SYS_syncfs, ST_CALL_syncfs, {0, NO, NO}},
    {SYS_sync, ST_CALL_sync, {NO, NO, NO}},
    {SYS_stat, ST_CALL_stat, {0, NO, NO}},
    {SYS_lstat, ST_CALL_lstat, {0, NO, NO}},
    {SYS_fstat, ST_CALL_fstat, {0, NO, NO}},
    {SYS_newfstatat, ST_CALL_fstatat, {1, 0, NO}},
    {SYS_statx, ST_CALL_statx, {1, 0, NO}},
    {SYS_statfs, ST_CALL_statfs, {0, NO, NO}},
    {SYS_fstatfs, ST_CALL_fstatfs, {0, NO, NO}},
    {SYS_access, ST_CALL_access, {0, NO, NO}},
    {SYS_faccessat, ST_CALL_faccessat, {1, 0, NO}},
    {SYS_faccessat2, ST_CALL_faccessat, {1, 0, NO}},
    {SYS_rename, ST_CALL_rename, {0, NO, NO}},
    {SYS_renameat2, ST_CALL_renameat2, {1, 0, NO}},
    {SYS_unlink, ST_CALL_unlink, {0, NO, NO}},
    {SYS_unlinkat, ST_CALL_unlinkat, {1, 0, NO}},
    {SYS_mkdir, ST_CALL_mkdir, {0, NO, NO}},
    {SYS_rmdir, ST_CALL_rmdir, {0, NO, NO}},
    {SYS_getdents64, ST_CALL_getdents64, {0, NO, NO}},
    {SYS_ioctl, ST_CALL_ioctl, {0, 1, NO}},
    {SYS_mq_timedreceive, ST_CALL_mq_timedreceive, {0, 4, NO}},
    {SYS_mq_timedsend, ST_CALL_mq_timedsend, {0, 4, NO}},
};

static bool describe_other(long number, const long *a, enum st_call_id *id, unsigned *class,
                           uintptr_t *w)
{
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i].number != number)
            continue;
        *id = others[i].id;
        *class = st_calls[others[i].id].class;
        for (int k = 0; k < 3; k++) {
            unsigned from = others[i].words[k];
            w[k] = from == EVER ? (uintptr_t)-1L : from == NO ? 0 : (uintptr_t)a[from];
        }
        return true;
    }
    return false;
}

/* Milliseconds of a timeout that the kernel reads itself: it need not be where the program says, so
 * it is read as a stranger's memory. -1: for ever, or it cannot be read. */
static uintptr_t timeout_of(long timespec)
{
    struct timespec t;
    if (!st_peek(&t, (const void *)timespec, sizeof(t)))
        return (uintptr_t)-1L;
    return (uintptr_t)(t.tv_sec * 1000 + (t.tv_nsec + 999999) / 1000000);
}

static uintptr_t select_timeout(long timeval)
{
    struct timeval t;
    if (!st_peek(&t, (const void *)timeval, sizeof(t)))
        return (uintptr_t)-1L;
    return (uintptr_t)(t.tv_sec * 1000 + (t.tv_usec + 999) / 1000);
}

/* io_uring_enter has none, or one among its further arguments. */
static uintptr_t uring_timeout(const long *a)
{
    struct io_uring_getevents_arg more;
    /* Who waits for no more than he submits need not wait for others. */
    if (a[1] >= a[2])
        return 0;
    if (!(a[3] & IORING_ENTER_EXT_ARG) || !st_peek(&more, (const void *)a[4], sizeof(more)))
        return (uintptr_t)-1L;
    return timeout_of((long)more.ts);
}

/* Waits with a timeout or a deadline. */
static bool describe_wait(long number, const long *a, enum st_call_id *id, unsigned *class,
                          uintptr_t *w)
{
    static const struct timespec at_once = {0, 0};
    *class = ST_WAIT;
    w[1] = (uintptr_t)a[1];
    w[2] = (uintptr_t)a[0];
    switch (number) {
    case SYS_poll:
    case SYS_ppoll:
        *id = number == SYS_poll ? ST_CALL_poll : ST_CALL_ppoll;
        *class = w[1] ? ST_WAIT : ST_SLEEP; /* for no descriptors */
        w[0] = number == SYS_poll ? (uintptr_t)a[2] : timeout_of(a[2]);
        return true;
    case SYS_select:
    case SYS_pselect6:
        *id = number == SYS_select ? ST_CALL_select : ST_CALL_pselect;
        w[0] = number == SYS_select ? select_timeout(a[4]) : timeout_of(a[4]);
        w[1] = a[1] || a[2] || a[3] ? (uintptr_t)a[0] : 0;
        w[2] = (uintptr_t)-1L;
        *class = w[1] ? ST_WAIT : ST_SLEEP;
        return true;
    case SYS_io_getevents:
    case SYS_io_pgetevents:
        *id = ST_CALL_io_getevents;
        w[0] = a[1] ? (uintptr_t)a[4] : (uintptr_t)&at_once; /* of none it does not wait */
        return true;
    case SYS_semop:
    case SYS_semtimedop:
        *id = number == SYS_semop ? ST_CALL_semop : ST_CALL_semtimedop;
        *class = ST_IPC;
        w[2] = st_pack(number == SYS_semop ? NULL : (const void *)a[3], (unsigned)a[2]);
        return true;
    case SYS_futex_waitv:
        *id = ST_CALL_futex_waitv;
        *class = ST_LOCK;
        w[2] = st_pack((const void *)a[3], (unsigned)a[4]);
        return true;
    default:
        return false;
    }
}

/* How the calls that can block are counted. */
static bool describe(long number, const long *a, enum st_call_id *id, unsigned *class, uintptr_t *w)
{
    w[0] = (uintptr_t)a[0];
    w[1] = w[2] = 0;
    *class = ST_FD;
    switch (number) {
    case SYS_futex: {
        int operation = (int)a[1] & FUTEX_CMD_MASK;
        if (operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET &&
            operation != FUTEX_LOCK_PI && operation != FUTEX_LOCK_PI2 &&
            operation != FUTEX_WAIT_REQUEUE_PI)
            return false;
        *id = ST_CALL_futex;
        *class = ST_LOCK;
        w[1] = (uintptr_t)a[1];
        w[2] = (uintptr_t)a[3];
        return true;
    }
    case SYS_read:
        *id = ST_CALL_read;
        return true;
    case SYS_write:
        *id = ST_CALL_write;
        return true;
    case SYS_readv:
        *id = ST_CALL_readv;
        return true;
    case SYS_writev:
        *id = ST_CALL_writev;
        return true;
    case SYS_pread64:
        *id = ST_CALL_pread;
        return true;
    case SYS_pwrite64:
        *id = ST_CALL_pwrite;
        return true;
    case SYS_recvfrom:
        *id = ST_CALL_recvfrom;
        *class = ST_NET;
        w[1] = (uintptr_t)a[3];
        return true;
    case SYS_sendto:
        *id = ST_CALL_sendto;
        *class = ST_NET;
        w[1] = (uintptr_t)a[3];
        return true;
    case SYS_recvmsg:
        *id = ST_CALL_recvmsg;
        *class = ST_NET;
        w[1] = (uintptr_t)a[2];
        return true;
    case SYS_sendmsg:
        *id = ST_CALL_sendmsg;
        *class = ST_NET;
        w[1] = (uintptr_t)a[2];
        return true;
    case SYS_connect:
        *id = ST_CALL_connect;
        *class = ST_NET;
        w[1] = (uintptr_t)a[1];
        w[2] = (uintptr_t)a[2];
        return true;
    case SYS_accept:
    case SYS_accept4:
        *id = ST_CALL_accept4;
        *class = ST_NET;
        return true;
    case SYS_fsync:
        *id = ST_CALL_fsync;
        *class = ST_SYNC;
        return true;
    case SYS_fdatasync:
        *id = ST_CALL_fdatasync;
        *class = ST_SYNC;
        return true;
    case SYS_flock:
        *id = ST_CALL_flock;
        *class = ST_LOCK;
        w[1] = (uintptr_t)a[1];
        return true;
    case SYS_nanosleep:
        *id = ST_CALL_nanosleep;
        *class = ST_SLEEP;
        return true;
    case SYS_clock_nanosleep:
        *id = ST_CALL_clock_nanosleep;
        *class = ST_SLEEP;
        w[0] = (uintptr_t)a[2];
        w[1] = (uintptr_t)(a[1] & TIMER_ABSTIME);
        w[2] = (uintptr_t)a[0];
        return true;
    case SYS_wait4:
        *id = ST_CALL_wait4;
        *class = ST_PROCESS;
        w[1] = (uintptr_t)st_wait_pid_options((int)a[0], (int)a[2]);
        return true;
    case SYS_waitid:
        *id = ST_CALL_waitid;
        *class = ST_PROCESS;
        w[0] = a[0] == P_ALL ? (uintptr_t)-1L : (uintptr_t)a[1];
        w[1] = (uintptr_t)st_wait_options((int)a[0], a[1], (int)a[3]);
        w[2] = (uintptr_t)a[0];
        return true;
    default:
        return describe_wait(number, a, id, class, w) || describe_other(number, a, id, class, w);
    }
}

/* Is this a wait for events that may be a loop's own? */
static bool event_wait(long number, const long *a, enum st_call_id *id, enum st_home *home)
{
    switch (number) {
    case SYS_epoll_wait:
        *id = ST_CALL_epoll_wait;
        break;
    case SYS_epoll_pwait:
        *id = ST_CALL_epoll_pwait;
        break;
    case SYS_epoll_pwait2:
        *id = ST_CALL_epoll_pwait2;
        break;
    case SYS_io_uring_enter:
        if (!(a[3] & IORING_ENTER_GETEVENTS) || a[2] == 0)
            return false; /* it submits, and waits for nothing */
        *id = ST_CALL_io_uring_enter;
        *home = ST_HOME_URING;
        return true;
    default:
        return false;
    }
    *home = ST_HOME_EPOLL;
    return true;
}

ON_LOOP(syscall, long, (long number, const long *a))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    enum st_call_id id = ST_CALL_COUNT; /* set wherever it is used */
    enum st_home home;
    unsigned class = ST_WAIT;
    uintptr_t w[3];
    long r;
    if (event_wait(number, a, &id, &home)) {
        bool asks = (number == SYS_epoll_wait || number == SYS_epoll_pwait) && (int)a[3] == 0;
        if (st_is_home(s, home, (int)a[0], 0, !asks)) {
            st_home_begin(s);
            r = real_syscall(number, ARGUMENTS);
            st_home_end(s);
            return r;
        }
        w[0] = number == SYS_io_uring_enter ? uring_timeout(a)
               : number == SYS_epoll_pwait2 ? timeout_of(a[3])
                                            : (uintptr_t)a[3];
        w[1] = 1;
        w[2] = (uintptr_t)a[0];
    } else if (!describe(number, a, &id, &class, w)) {
        return real_syscall(number, ARGUMENTS);
    }
    bool rests = id == ST_CALL_futex && st_rest_begin(s);
    uint32_t seq = st_enter(s, id, w[0], w[1], w[2]);
    r = real_syscall(number, ARGUMENTS);
    if (seq)
        st_leave(s, seq, class);
    st_rest_end(s, rests);
    return r;
}

WRAPPER(syscall, long, (long number, ...))
{
    va_list rest;
    long a[6];
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long); /* those that are not there are read as garbage, and ignored */
    va_end(rest);
    if (ST_UNLIKELY(!st_is_loop())) {
        enum st_call_id id;
        enum st_home home;
        if (event_wait(number, a, &id, &home)) {
            st_perhaps_not();
            if (st_loops & ST_LOOPS_AUTO && st_tag(home, (int)a[0], 0))
                return loop_syscall(number, a);
        }
    }
    switch (number) {
    case SYS_exit:
        if (!st_last_thread())
            break; /* other threads go on */
        if (st_same_process())
            st_agent_stop(ST_STOP_LAST);
        break;
    case SYS_exit_group:
        if (st_same_process())
            st_agent_stop(ST_STOP_EXIT);
        break;
    case SYS_seccomp: {
        /* the other operations, and a filter of NULL, only ask what there is */
        if (a[0] != SECCOMP_SET_MODE_STRICT && (a[0] != SECCOMP_SET_MODE_FILTER || !a[2]))
            break;
        if (a[0] == SECCOMP_SET_MODE_STRICT)
            st_without_time();
        bool all = a[1] & (long)SECCOMP_FILTER_FLAG_TSYNC;
        st_before_filter(all);
        long r = real_syscall(number, ARGUMENTS);
        st_after_filter(all, r >= 0);
        return r;
    }
    case SYS_prctl:
        if ((a[0] == PR_SET_SECCOMP && a[1] == SECCOMP_MODE_STRICT) ||
            (a[0] == PR_SET_TSC && a[1] == PR_TSC_SIGSEGV))
            st_without_time();
        if (a[0] == PR_SET_SECCOMP && (a[1] != SECCOMP_MODE_FILTER || a[2])) {
            st_before_filter(false);
            long r = real_syscall(number, ARGUMENTS);
            st_after_filter(false, r == 0);
            return r;
        }
        break;
    case SYS_close:
        if (st_fd_is_home((int)a[0]))
            st_fd_closed((int)a[0]);
        break;
    case SYS_execve:
    case SYS_execveat:
        st_before_exec();
        break;
    default:
        if (st_self)
            return loop_syscall(number, a);
        break;
    }
    return real_syscall(number, ARGUMENTS);
}
