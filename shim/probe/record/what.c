/* What a call waited for: worked out on the thread that made the call, only when the call is about
 * to be reported. Raw bytes; the agent makes words of them. */
#include "probe/wrap/real.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>

/* The program's memory, which may not be where its arguments say: a call that failed with EFAULT is
 * a call all the same. False where it cannot be read, or where a filter forbids to ask. */
bool st_peek(void *to, const void *from, size_t n)
{
    struct iovec local = {to, n}, remote = {(void *)(uintptr_t)from, n};
    /* relaxed: a filter that this thread installed is known to this thread */
    if (!from || atomic_load_explicit(&st_filtered, memory_order_relaxed))
        return false;
    long pid = ST_RAW(SYS_getpid, 0, 0, 0, 0);
    return st_raw6(SYS_process_vm_readv, pid, (long)&local, 1, (long)&remote, 1, 0) == (long)n;
}

/* A string of the program's, as far as it fits: read page by page, it may end where they do. */
void st_what_string(struct st_what *w, const char *text)
{
    size_t n = 0;
    while (text && n < sizeof(w->bytes) - 1) {
        size_t part = 4096 - ((uintptr_t)(text + n) & 4095);
        if (part > sizeof(w->bytes) - 1 - n)
            part = sizeof(w->bytes) - 1 - n;
        if (!st_peek(w->bytes + n, text + n, part))
            break;
        for (size_t end = n + part; n < end && w->bytes[n]; n++)
            ;
        if (n < sizeof(w->bytes) - 1 && !w->bytes[n])
            break;
    }
    w->bytes[n] = 0;
    w->len = (uint16_t)n;
    w->kind = n ? ST_WHAT_TEXT : ST_WHAT_NONE;
}

uint8_t st_mode_class(unsigned mode, bool tty)
{
    if (S_ISSOCK(mode))
        return ST_NET;
    if (S_ISFIFO(mode))
        return ST_IPC;
    if (S_ISCHR(mode))
        return tty ? ST_TTY : ST_FILE;
    /* eventfd, timerfd and their like have no type at all */
    return S_ISREG(mode) || S_ISDIR(mode) || S_ISBLK(mode) ? ST_FILE : ST_IPC;
}

static bool st_set_connecting(struct st_what *w, struct st_connecting *table, int fd, bool listens);

static void set_socket(struct st_what *w, int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);
    st_raw6(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type, (long)&len, 0);
    w->protocol = (uint8_t)type;
    len = sizeof(w->bytes);
    long r = ST_RAW(SYS_getpeername, fd, w->bytes, &len, 0);
    if (r < 0) {
        int listens = 0;
        socklen_t size = sizeof(listens);
        st_raw6(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, (long)&listens, (long)&size, 0);
        w->kind = ST_WHAT_SOCKET;
        if (st_set_connecting(w, st_shared.connecting, fd, listens))
            return;
    }
    if (r < 0) { /* it listens, or is not connected: its own address is all there is */
        len = sizeof(w->bytes);
        r = ST_RAW(SYS_getsockname, fd, w->bytes, &len, 0);
        w->local = true;
    }
    w->len = r < 0 || len > sizeof(w->bytes) ? 0 : (uint16_t)len;
    w->kind = ST_WHAT_SOCKET;
}

/* Would the kernel wait for it? A file's contents whatever the flags say, memory that looks like a
 * device (/dev/null, /dev/zero) never, all else where it is blocking. */
static bool waits(const struct stat *st, bool blocking)
{
    enum { MEMORY_DEVICES = 1 };
    if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode))
        return true;
    return blocking && !(S_ISCHR(st->st_mode) && major(st->st_rdev) == MEMORY_DEVICES);
}

void st_what_fd(struct st_what *w, int fd)
{
    struct stat st;
    w->class = ST_IPC;
    /* relaxed: a filter that this thread installed is known to this thread */
    if (atomic_load_explicit(&st_filtered, memory_order_relaxed))
        return;
    if (ST_RAW(SYS_fstat, fd, &st, 0, 0) < 0)
        return;
    char termios[64];
    bool tty = S_ISCHR(st.st_mode) && ST_RAW(SYS_ioctl, fd, 0x5401 /* TCGETS */, termios, 0) == 0;
    w->class = st_mode_class(st.st_mode, tty);
    w->blocking = !(ST_RAW(SYS_fcntl, fd, F_GETFL, 0, 0) & O_NONBLOCK);
    w->waits = waits(&st, w->blocking);
    if (S_ISSOCK(st.st_mode)) {
        set_socket(w, fd);
        return;
    }
    char path[32] = "/proc/self/fd/", digits[12];
    int n = 0;
    unsigned v = (unsigned)fd;
    do {
        digits[n++] = (char)('0' + v % 10);
    } while (v /= 10);
    for (int i = 14; n; i++)
        path[i] = digits[--n];
    long r = ST_RAW(SYS_readlink, path, w->bytes, sizeof(w->bytes) - 1, 0);
    if (r > 0) {
        w->bytes[r] = 0;
        w->len = (uint16_t)r;
        w->kind = ST_WHAT_LINK;
    }
}

/* ---- what shim/contract/what_of.h asks for ---- */

static bool st_read(void *to, uint64_t from, size_t n)
{
    return st_peek(to, (const void *)from, n);
}

static void st_set_text(struct st_what *w, uint64_t from)
{
    st_what_string(w, (const char *)from);
}

static void st_set_fd(struct st_what *w, int fd)
{
    st_what_fd(w, fd);
}

/* To read what an epoll descriptor waits for takes files of /proc: the agent does. */
static void st_set_epoll(struct st_what *w, int epfd)
{
    (void)w, (void)epfd;
}

static uint64_t st_since_ns(uint64_t ticks)
{
    return (uint64_t)((double)(st_now() - ticks) * st_shared.ns_per_tick);
}

static int64_t st_clock(clockid_t clock)
{
    struct timespec now = {0, 0};
    if (!atomic_load_explicit(&st_filtered, memory_order_relaxed))
        ST_RAW(SYS_clock_gettime, clock, &now, 0, 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void st_set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args);

#include "contract/what_of.h"

static void st_set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args)
{
    if (c->class == ST_FD && args[2]) {
        *w = *(const struct st_what *)(uintptr_t)args[2];
    } else { /* what it was cannot be asked any more */
        w->class = ST_FILE;
        st_set_words(w, args[0], 0);
    }
}

void st_what_of(struct st_what *w, const struct st_call *c, const uint64_t *args, uint64_t t0)
{
    st_what_by_rule(w, c, args, t0);
}
