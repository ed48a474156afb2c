/* What a call waited for, and whether it could have waited: worked out on the thread that made the
 * call, only when the call is about to be reported. Raw bytes; the agent makes words of them. */
#include "real.h"

#include <arpa/inet.h>
#include <sys/syscall.h>

static void copy_text(struct st_what *w, const char *text)
{
    size_t n = 0;
    while (text && n < sizeof(w->bytes) - 1 && text[n])
        n++;
    st_copy(w->bytes, text, n);
    w->bytes[n] = 0;
    w->len = (uint16_t)n;
    w->kind = text ? ST_WHAT_TEXT : ST_WHAT_NONE;
}

static void set_words(struct st_what *w, uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    st_copy(w->bytes, words, sizeof(words));
    w->len = sizeof(words);
    w->kind = ST_WHAT_WORDS;
}

static uint64_t word(const struct st_what *w, int i)
{
    uint64_t v;
    st_copy(&v, w->bytes + 8 * i, sizeof(v));
    return v;
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

static void set_fd(struct st_what *w, int fd)
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
    const struct timespec *t = (const struct timespec *)args[0];
    if (!t)
        return 0;
    int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
    if (args[1]) {
        struct timespec now = {0, 0};
        if (!atomic_load_explicit(&st_filtered, memory_order_relaxed))
            ST_RAW(SYS_clock_gettime, args[2], &now, 0, 0);
        ns -= (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
        ns += (int64_t)((double)ticks * st_shared.ns_per_tick);
    }
    return ns > 0 ? (uint64_t)ns : 0;
}

void st_what_of(struct st_what *w, const struct st_call *c, const uint64_t *args, uint64_t ticks)
{
    w->kind = ST_WHAT_NONE;
    w->class = ST_IPC;
    w->protocol = 0;
    w->blocking = w->local = false;
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
    case ST_RULE_FD:
    case ST_RULE_SYNC:
    case ST_RULE_FLOCK:
        set_fd(w, (int)args[0]);
        break;
    case ST_RULE_CONNECT:
        set_fd(w, (int)args[0]);
        w->local = false;
        w->len = args[2] < sizeof(w->bytes) ? (uint16_t)args[2] : 0;
        st_copy(w->bytes, (const void *)args[1], args[1] ? w->len : 0);
        w->kind = ST_WHAT_SOCKET;
        break;
    case ST_RULE_ADDRESS:
        w->len = args[1] < sizeof(w->bytes) ? (uint16_t)args[1] : 0;
        st_copy(w->bytes, (const void *)args[0], args[0] ? w->len : 0);
        w->kind = ST_WHAT_SOCKET;
        break;
    case ST_RULE_PATH:
    case ST_RULE_HOST:
    case ST_RULE_COMMAND:
        copy_text(w, (const char *)args[0]);
        break;
    case ST_RULE_WAIT:
    case ST_RULE_CHILD:
    case ST_RULE_MUTEX:
    case ST_RULE_COND:
    case ST_RULE_THREAD:
    case ST_RULE_SEMAPHORE:
    case ST_RULE_FUTEX:
        set_words(w, args[0], args[1]);
        break;
    case ST_RULE_NONE:
    case ST_RULE_ALWAYS:
        break;
    }
}

static bool numeric_host(const char *name)
{
    struct in_addr v4;
    struct in6_addr v6;
    char copy[64];
    size_t n = 0;
    if (!name || inet_aton(name, &v4))
        return true;
    for (; name[n] && name[n] != '%' && n < sizeof(copy) - 1; n++)
        copy[n] = name[n];
    copy[n] = 0;
    return inet_pton(AF_INET6, copy, &v6) == 1;
}

/* Strict mode: could this call have blocked, however fast it was? */
bool st_could_block(const struct st_call *c, const uint64_t *args, const struct st_what *w)
{
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
    case ST_RULE_USECONDS:
    case ST_RULE_TIMESPEC:
        return word(w, 0) > 0;
    case ST_RULE_FD:
        if (args[1] & MSG_DONTWAIT && w->class == ST_NET)
            return false;
        /* a regular file blocks whatever its flags say; it is here only if class file was asked for
         */
        return w->class == ST_FILE ? w->kind == ST_WHAT_LINK : w->blocking;
    case ST_RULE_CONNECT:
        return w->blocking;
    case ST_RULE_HOST:
        return args[0] && !args[2] && !numeric_host((const char *)args[0]);
    case ST_RULE_ADDRESS:
        return !args[2];
    case ST_RULE_WAIT:
        return (int)args[0] != 0;
    case ST_RULE_CHILD:
        return !(args[1] & WNOHANG);
    case ST_RULE_COMMAND:
        return args[0] != 0;
    case ST_RULE_FLOCK:
        return !(args[1] & (LOCK_NB | LOCK_UN));
    case ST_RULE_SEMAPHORE:
        return args[1] != 0;
    case ST_RULE_SYNC:
    case ST_RULE_PATH:
    case ST_RULE_MUTEX:
    case ST_RULE_COND:
    case ST_RULE_THREAD:
    case ST_RULE_FUTEX:
    case ST_RULE_ALWAYS:
        return true;
    case ST_RULE_NONE:
        break;
    }
    return false;
}
