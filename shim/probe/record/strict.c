/* Strict mode: could a call have blocked, however fast it was? Worked out on the thread that made
 * the call, after it. What cannot be asked any more by then (a closed descriptor, a full buffer) is
 * asked before it, in strict mode alone. */
#include "probe/wrap/real.h"

#include <arpa/inet.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

static uint64_t word(const struct st_what *w, int i)
{
    uint64_t v;
    st_copy(&v, w->bytes + 8 * i, sizeof(v));
    return v;
}

/* A filter forbids to ask. Relaxed: one that this thread installed is known to this thread. */
static bool is_filtered(void)
{
    return atomic_load_explicit(&st_filtered, memory_order_relaxed);
}

static bool is_called(const struct st_call *c, const char *start)
{
    return !strncmp(c->name, start, strlen(start));
}

/* ---- times ------------------------------------------------------------------------------------*/

static bool is_zero(uint64_t timeout)
{
    struct timespec t;
    return st_peek(&t, (const void *)(uintptr_t)timeout, sizeof(t)) && !t.tv_sec && !t.tv_nsec;
}

/* Was it over before the call began, `ticks` ago? Then the call looked, and did not wait. */
static bool is_over(uint64_t deadline, uint64_t ticks)
{
    struct timespec until, now;
    if (!deadline || !st_peek(&until, st_packed_pointer(deadline), sizeof(until)) ||
        ST_RAW(SYS_clock_gettime, st_packed_number(deadline), &now, 0, 0) < 0)
        return false;
    int64_t left = (until.tv_sec - now.tv_sec) * 1000000000 + until.tv_nsec - now.tv_nsec;
    return left + (int64_t)((double)ticks * st_shared.ns_per_tick) <= 0;
}

static bool futex_waits(const uint64_t *args, uint64_t ticks)
{
    int operation = (int)args[1] & FUTEX_CMD_MASK;
    bool real_time = args[1] & FUTEX_CLOCK_REALTIME || operation == FUTEX_LOCK_PI;
    if (operation == FUTEX_WAIT) /* relative, unlike the others */
        return !is_zero(args[2]);
    return !args[2] || !is_over(st_pack((const void *)(uintptr_t)args[2],
                                        real_time ? CLOCK_REALTIME : CLOCK_MONOTONIC),
                                ticks);
}

/* ---- names ------------------------------------------------------------------------------------*/

static bool is_numeric(const char *name)
{
    struct in_addr v4;
    struct in6_addr v6;
    char copy[64];
    size_t n = 0;
    if (inet_aton(name, &v4))
        return true;
    for (; name[n] && name[n] != '%' && n < sizeof(copy) - 1; n++)
        copy[n] = name[n];
    copy[n] = 0;
    return inet_pton(AF_INET6, copy, &v6) == 1;
}

/* No name at all is this host's own. */
static bool host_waits(const struct st_what *w)
{
    return w->kind == ST_WHAT_TEXT && !is_numeric(w->bytes);
}

/* getaddrinfo_a: any of its names. */
static bool list_waits(const uint64_t *args)
{
    struct gaicb *const *list = (struct gaicb *const *)args[2], *one;
    struct gaicb request;
    struct st_what name;
    for (int i = 0; i < (int)args[1] && i < 64; i++) {
        if (!st_peek(&one, &list[i], sizeof(one)) || !st_peek(&request, one, sizeof(request)))
            continue;
        st_what_string(&name, request.ar_name);
        if (host_waits(&name))
            return true;
    }
    return false;
}

/* ---- descriptors ------------------------------------------------------------------------------*/

/* A file's contents are waited for only if class file was asked for. */
static bool fd_waits(const struct st_what *w)
{
    return w->waits && (w->class != ST_FILE || st_is_strict(ST_FILE));
}

static bool is_link(const struct st_what *w, const char *link)
{
    return w->kind == ST_WHAT_LINK && !strcmp(w->bytes, link);
}

static sa_family_t family_of(const struct st_what *w)
{
    sa_family_t family = AF_UNSPEC;
    if (w->kind == ST_WHAT_SOCKET && w->len >= sizeof(family))
        st_copy(&family, w->bytes, sizeof(family));
    return family;
}

/* Flags with which a socket does not wait. The error queue of those that have one, and what is
 * urgent, is there or is not. */
static bool flags_forbid(const struct st_call *c, unsigned flags, const struct st_what *w)
{
    sa_family_t family = family_of(w);
    return flags & MSG_DONTWAIT || (flags & MSG_OOB && is_called(c, "recv")) ||
           (flags & MSG_ERRQUEUE && (family == AF_INET || family == AF_INET6));
}

static bool call_waits(const struct st_call *c, const uint64_t *args, const struct st_what *w)
{
    /* an event's counter is full after 2⁶⁴ wake-ups */
    if (is_link(w, "anon_inode:[eventfd]") && (is_called(c, "write") || is_called(c, "eventfd_w")))
        return false;
    return fd_waits(w) && !flags_forbid(c, (unsigned)args[1], w);
}

/* Of a datagram socket it sets the address, and AF_UNSPEC takes it away. */
static bool connect_waits(const struct st_what *w)
{
    return w->blocking && (w->protocol == SOCK_STREAM || w->protocol == SOCK_SEQPACKET) &&
           family_of(w) != AF_UNSPEC;
}

static bool is_pipe(const struct st_what *w)
{
    return w->class == ST_IPC && w->kind == ST_WHAT_LINK && strncmp(w->bytes, "anon_inode:", 11);
}

/* Data moves between two descriptors, either of which may be waited for: `w` becomes what it was.
 * SPLICE_F_NONBLOCK is for pipes alone, and between two pipes one that is nonblocking is enough. */
static bool either_waits(const uint64_t *args, struct st_what *w)
{
    struct st_what other = {.kind = ST_WHAT_NONE};
    st_what_fd(&other, (int)args[1]);
    bool told = args[2] || (is_pipe(w) && is_pipe(&other) && !(w->blocking && other.blocking));
    bool first = w->waits && st_is_strict(w->class) && !(told && is_pipe(w));
    bool second = other.waits && st_is_strict(other.class) && !(told && is_pipe(&other));
    if (second && (!first || other.class == ST_NET))
        *w = other;
    return first || second;
}

/* Unlocking waits for nobody. */
static bool file_lock_waits(const uint64_t *args)
{
    struct flock lock;
    return !(args[1] & (LOCK_NB | LOCK_UN)) &&
           !(args[2] && st_peek(&lock, (const void *)(uintptr_t)args[2], sizeof(lock)) &&
             lock.l_type == F_UNLCK);
}

/* The requests that wait for a terminal's output. Of any other nobody knows what its driver does.
 */
static bool ioctl_waits(unsigned request, const struct st_what *w)
{
    return w->class == ST_TTY && (request == TCSBRK || request == TCSBRKP || request == TCSETSW ||
                                  request == TCSETSF || request == TCSETAW || request == TCSETAF);
}

static bool child_waits(const uint64_t *args)
{
    enum { BY_PIDFD = 3 }; /* P_PIDFD, Linux 5.4 */
    if (args[1] & WNOHANG)
        return false;
    if (args[2] != BY_PIDFD || is_filtered())
        return true;
    return !(ST_RAW(SYS_fcntl, (int)args[0], F_GETFL, 0, 0) & O_NONBLOCK); /* since Linux 5.10 */
}

/* semop waits for an operation that takes or waits for zero, unless that was told not to. */
static bool semop_waits(const uint64_t *args)
{
    const struct sembuf *operations = (const struct sembuf *)(uintptr_t)args[1];
    struct sembuf operation;
    if (is_zero((uintptr_t)st_packed_pointer(args[2])))
        return false;
    for (int i = 0; i < st_packed_number(args[2]) && i < 64; i++)
        if (st_peek(&operation, operations + i, sizeof(operation)) && operation.sem_op <= 0 &&
            !(operation.sem_flg & IPC_NOWAIT))
            return true;
    return false;
}

/* ---- streams ----------------------------------------------------------------------------------*/

static bool stream_waits(const uint64_t *args, const struct st_what *w)
{
    const FILE *f = (const FILE *)args[0];
    if (!f)
        return args[1] != 0; /* fflush(NULL): all of them */
    return st_stream_has_file(f) && fd_waits(w) && st_stream_went_out(f, args[1], args[2]);
}

/* ---- all of them ------------------------------------------------------------------------------*/

/* `w` is what the call waited for; where that was one of two descriptors, it becomes the one. */
bool st_could_block(const struct st_call *c, const uint64_t *args, struct st_what *w,
                    uint64_t ticks)
{
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
    case ST_RULE_USECONDS:
    case ST_RULE_TIMESPEC:
        return word(w, 0) > 0;
    case ST_RULE_FD:
        return call_waits(c, args, w);
    case ST_RULE_TWO_FDS:
        return either_waits(args, w);
    case ST_RULE_STREAM:
        return stream_waits(args, w);
    case ST_RULE_INODE:
        return w->class == ST_FILE && w->kind == ST_WHAT_LINK;
    case ST_RULE_IOCTL:
        return ioctl_waits((unsigned)args[1], w);
    case ST_RULE_CONNECT:
        return connect_waits(w);
    case ST_RULE_MQ:
        return w->blocking && !is_over(args[1], ticks);
    case ST_RULE_HOST:
        return args[0] && !args[2] && host_waits(w);
    case ST_RULE_LIST:
        return (int)args[0] == GAI_WAIT && list_waits(args);
    case ST_RULE_ADDRESS:
        return !args[2];
    case ST_RULE_WAIT:
    case ST_RULE_SELECT:
    case ST_RULE_POLL:
        return (int)args[0] != 0;
    case ST_RULE_TIMEOUT:
        return word(w, 0) != 0;
    case ST_RULE_CHILD:
        return child_waits(args);
    case ST_RULE_COMMAND:
        return args[0] != 0;
    case ST_RULE_FLOCK:
        return file_lock_waits(args);
    case ST_RULE_MUTEX:
        /* where its owner was this thread, it was refused */
        return args[1] != (uint64_t)st_self->tid && !is_over(args[2], ticks);
    case ST_RULE_COND:
        return !is_over(args[2], ticks);
    case ST_RULE_THREAD:
        return !is_over(args[1], ticks);
    case ST_RULE_SEMAPHORE:
        return args[1] & 1 && !is_over(args[2], ticks);
    case ST_RULE_FUTEX:
        return futex_waits(args, ticks);
    case ST_RULE_BARRIER:
    case ST_RULE_CLOSE:
        return args[1] != 0;
    case ST_RULE_SEMOP:
        return semop_waits(args);
    case ST_RULE_SYNC:
    case ST_RULE_UNLESS:
    case ST_RULE_QUEUE:
    case ST_RULE_DRAIN:
    case ST_RULE_DIR:
        return args[1] == 0;
    case ST_RULE_PATH:
        /* a stream's path is a regular file's, as far as anybody knows */
        return c->class != ST_STDIO || st_is_strict(ST_FILE);
    case ST_RULE_ALWAYS:
    case ST_RULE_TEXT:
    case ST_RULE_ID:
        return true;
    case ST_RULE_NONE:
    case ST_RULE_SPAWN:
        break;
    }
    return false;
}

/* ---- before a call ----------------------------------------------------------------------------*/

int ST_COLD st_ended_already(int type, long id, int options)
{
    siginfo_t info = {.si_signo = 0};
    if (options & WNOHANG || is_filtered())
        return options;
    long r = st_raw6(SYS_waitid, type, id, (long)&info, WEXITED | WNOHANG | WNOWAIT, 0, 0);
    return r == 0 && info.si_pid != 0 ? options | WNOHANG : options;
}

/* Will closing wait for what is still to be sent? Only a connection of the network's has that, and
 * it waits whatever the descriptor's flags say. */
bool st_lingers(int fd, struct st_what *peer)
{
    struct linger l = {0, 0};
    socklen_t len = sizeof(l);
    if (is_filtered() ||
        st_raw6(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, (long)&l, (long)&len, 0) < 0 ||
        !l.l_onoff || l.l_linger <= 0)
        return false;
    *peer = (struct st_what){.kind = ST_WHAT_NONE};
    st_what_fd(peer, fd);
    return peer->protocol == SOCK_STREAM && !peer->local && family_of(peer) != AF_UNIX;
}

static bool writes_wait(const FILE *f)
{
    struct st_what w = {.kind = ST_WHAT_NONE};
    if (!st_stream_has_file(f))
        return false;
    st_what_fd(&w, f->_fileno);
    return fd_waits(&w);
}

/* Will closing the stream write out what is left in its buffer, to what may be waited for? */
bool st_closing_writes(const FILE *f)
{
    return st_unwritten(f) && writes_wait(f);
}

/* Of all streams, has one something to write out? Read as a stranger's memory: another thread may
 * close one while this looks. */
bool st_any_unwritten(void)
{
    enum { MANY = 256 };
    static FILE *const *all;
    FILE copy;
    if (!st_is_strict(ST_STDIO))
        return false;
    if (!all && !(all = st_resolve_libc("_IO_list_all")))
        return true;
    const FILE *f = *all;
    for (int i = 0; i < MANY && f && st_peek(&copy, f, sizeof(copy)); i++, f = copy._chain)
        if (copy._IO_write_ptr > copy._IO_write_base && writes_wait(&copy))
            return true;
    return false;
}
