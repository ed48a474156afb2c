/* What a call waited for: worked out on the thread that made the call, only when the call is about
 * to be reported. Raw bytes; the agent makes words of them. */
#include "real.h"

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

static void set_words(struct st_what *w, uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    st_copy(w->bytes, words, sizeof(words));
    w->len = sizeof(words);
    w->kind = ST_WHAT_WORDS;
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

static void set_socket(struct st_what *w, int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);
    st_raw6(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, (long)&type, (long)&len, 0);
    w->protocol = (uint8_t)type;
    len = sizeof(w->bytes);
    long r = ST_RAW(SYS_getpeername, fd, w->bytes, &len, 0);
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

/* How long the caller asked to sleep, in ns. An absolute time counts from the start of the call,
 * `ticks` ago. */
static uint64_t asked_ns(const uint64_t *args, uint64_t ticks)
{
    struct timespec t;
    if (!st_peek(&t, (const void *)args[0], sizeof(t)))
        return 0;
    int64_t ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (args[1]) {
        struct timespec now = {0, 0};
        if (!atomic_load_explicit(&st_filtered, memory_order_relaxed))
            ST_RAW(SYS_clock_gettime, args[2], &now, 0, 0);
        ns -= (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
        ns += (int64_t)((double)ticks * st_shared.ns_per_tick);
    }
    return ns > 0 ? (uint64_t)ns : 0;
}

/* Milliseconds of a relative timeout, as poll has them: -1 is for ever. */
static uint64_t timeout_ms(const void *timeout)
{
    struct timespec t;
    if (!timeout)
        return (uint64_t)-1L;
    if (!st_peek(&t, timeout, sizeof(t)))
        return 0;
    return (uint64_t)(t.tv_sec * 1000 + (t.tv_nsec + 999999) / 1000000);
}

static void set_address(struct st_what *w, uintptr_t address, uintptr_t len)
{
    w->local = false;
    w->len = len <= sizeof(w->bytes) && st_peek(w->bytes, (const void *)address, len)
                 ? (uint16_t)len
                 : 0;
    w->kind = ST_WHAT_SOCKET;
}

/* The first of getaddrinfo_a's names. */
static const char *first_name(const uint64_t *args)
{
    struct gaicb *first, request;
    if ((int)args[1] < 1 || !st_peek(&first, (const void *)args[2], sizeof(first)) ||
        !st_peek(&request, first, sizeof(request)))
        return NULL;
    return request.ar_name;
}

static void set_stream(struct st_what *w, const FILE *f)
{
    if (f && st_stream_has_file(f))
        st_what_fd(w, f->_fileno);
}

static void set_dir(struct st_what *w, const void *dir)
{
    int fd; /* glibc's struct __dirstream begins with it */
    if (st_peek(&fd, dir, sizeof(fd)))
        st_what_fd(w, fd);
}

/* The one descriptor that poll waits for. */
static void set_polled(struct st_what *w, uint64_t address)
{
    struct pollfd first;
    if (st_peek(&first, (const void *)address, sizeof(first)) && first.fd >= 0)
        st_what_fd(w, first.fd);
}

void st_what_of(struct st_what *w, const struct st_call *c, const uint64_t *args, uint64_t ticks)
{
    w->kind = ST_WHAT_NONE;
    w->class = ST_IPC;
    w->protocol = 0;
    w->blocking = w->waits = w->local = false;
    w->len = 0;
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
        set_words(w, args[0] * 1000000000ull, 0);
        break;
    case ST_RULE_USECONDS:
        set_words(w, args[0] * 1000ull, 0);
        break;
    case ST_RULE_TIMESPEC:
        set_words(w, asked_ns(args, ticks), 0);
        break;
    case ST_RULE_TIMEOUT:
        set_words(w, timeout_ms((const void *)args[0]), 0);
        break;
    case ST_RULE_FD:
    case ST_RULE_SYNC:
    case ST_RULE_FLOCK:
    case ST_RULE_INODE:
    case ST_RULE_TWO_FDS:
    case ST_RULE_IOCTL:
    case ST_RULE_DRAIN:
    case ST_RULE_MQ:
        st_what_fd(w, (int)args[0]);
        break;
    case ST_RULE_STREAM:
        set_stream(w, (const FILE *)args[0]);
        break;
    case ST_RULE_DIR:
        set_dir(w, (const void *)args[0]);
        break;
    case ST_RULE_CLOSE:
        if (c->class == ST_FD && args[2]) {
            *w = *(const struct st_what *)(uintptr_t)args[2];
        } else { /* what it was cannot be asked any more */
            w->class = ST_FILE;
            set_words(w, args[0], 0);
        }
        break;
    case ST_RULE_CONNECT:
        st_what_fd(w, (int)args[0]);
        set_address(w, args[1], args[2]);
        break;
    case ST_RULE_ADDRESS:
        set_address(w, args[0], args[1]);
        break;
    case ST_RULE_LIST:
        st_what_string(w, first_name(args));
        break;
    case ST_RULE_PATH:
    case ST_RULE_HOST:
    case ST_RULE_COMMAND:
    case ST_RULE_TEXT:
    case ST_RULE_SPAWN:
        st_what_string(w, (const char *)args[0]);
        break;
    case ST_RULE_POLL:
        set_words(w, args[0], args[1]);
        if (args[1] == 1)
            set_polled(w, args[2]);
        break;
    case ST_RULE_WAIT:
    case ST_RULE_SELECT:
    case ST_RULE_MUTEX:
    case ST_RULE_COND:
    case ST_RULE_THREAD:
    case ST_RULE_SEMAPHORE:
    case ST_RULE_FUTEX:
    case ST_RULE_ID:
    case ST_RULE_QUEUE:
    case ST_RULE_SEMOP:
        set_words(w, args[0], args[1]);
        break;
    case ST_RULE_CHILD:
        set_words(w, args[0], args[2]);
        break;
    case ST_RULE_NONE:
    case ST_RULE_ALWAYS:
    case ST_RULE_UNLESS:
    case ST_RULE_BARRIER:
        break;
    }
}
