/* What a call waits for, by the rule of its row: the same whether its own thread finds it out, or
 * the agent meanwhile. They differ in how they read memory and descriptors. Who includes this
 * defines, before:
 *
 *   static bool st_read(void *to, uint64_t from, size_t n);     the program's memory; false: cannot
 *   static void st_set_text(struct st_what *w, uint64_t from);  a string of the program's, or none
 *   static void st_set_fd(struct st_what *w, int fd);           kind, class and name of what it is
 *   static void st_set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args);
 *   static void st_set_epoll(struct st_what *w, int epfd);      what it waits for
 *   static int64_t st_clock(clockid_t clock);                   ns
 *   static uint64_t st_since_ns(uint64_t ticks);                */
#ifndef STALLTRACE_WHAT_OF_H
#define STALLTRACE_WHAT_OF_H

#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "slot.h"

static inline void st_set_words(struct st_what *w, uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    __builtin_memcpy(w->bytes, words, sizeof(words));
    w->len = sizeof(words);
    w->kind = ST_WHAT_WORDS;
}

/* How long the caller asked to sleep, in ns. An absolute time counts from the start of the call, at
 * `t0`: both clocks are read at once, however long after it. */
static inline uint64_t st_asked_ns(const uint64_t *args, uint64_t t0)
{
    struct timespec t;
    if (!st_read(&t, args[0], sizeof(t)))
        return 0;
    int64_t ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (args[1])
        ns += (int64_t)st_since_ns(t0) - st_clock((clockid_t)args[2]);
    return ns > 0 ? (uint64_t)ns : 0;
}

/* Milliseconds of a relative timeout, as poll has them: -1 is for ever. */
static inline uint64_t st_timeout_ms(uint64_t address)
{
    struct timespec t;
    if (!address)
        return (uint64_t)-1L;
    if (!st_read(&t, address, sizeof(t)))
        return 0;
    return (uint64_t)(t.tv_sec * 1000 + (t.tv_nsec + 999999) / 1000000);
}

/* The descriptor that lies in memory there. */
static inline void st_set_fd_at(struct st_what *w, uint64_t address)
{
    int fd = -1;
    if (st_read(&fd, address, sizeof(fd)) && fd >= 0)
        st_set_fd(w, fd);
}

/* That of a stream, if it is a file's: others have no such member, only garbage in its place. */
static inline void st_set_stream(struct st_what *w, uint64_t address)
{
    enum { IS_FILEBUF = 0x2000 };
    int flags = 0;
    if (address && st_read(&flags, address, sizeof(flags)) && flags & IS_FILEBUF)
        st_set_fd_at(w, address + offsetof(FILE, _fileno));
}

/* The first of getaddrinfo_a's names. */
static inline void st_set_first_name(struct st_what *w, const uint64_t *args)
{
    uint64_t request, name;
    if ((int)args[1] > 0 && st_read(&request, args[2], sizeof(request)) &&
        st_read(&name, request + offsetof(struct gaicb, ar_name), sizeof(name)))
        st_set_text(w, name);
}

static inline void st_set_address(struct st_what *w, uint64_t address, uint64_t len)
{
    w->kind = ST_WHAT_SOCKET;
    w->local = false;
    w->len = len <= sizeof(w->bytes) && st_read(w->bytes, address, len) ? (uint16_t)len : 0;
}

/* How much a descriptor tells of what a call waits for: a socket most; what can only wake a loop
 * up, an eventfd or a pair of sockets without a name, nothing. */
static inline unsigned st_telling(const struct st_what *w)
{
    enum { NOTHING, PIPE, ANOTHER, LOCAL, NETWORK };
    static const char *const wakes[] = {"anon_inode:[eventfd]", "anon_inode:[timerfd]",
                                        "anon_inode:[signalfd]", "anon_inode:[eventpoll]"};
    uint16_t family = 0;
    if (w->kind == ST_WHAT_SOCKET && w->len >= sizeof(family)) {
        __builtin_memcpy(&family, w->bytes, sizeof(family));
        if (family == AF_UNIX)
            return w->len > sizeof(family) ? LOCAL : NOTHING;
        return family == AF_INET || family == AF_INET6 ? NETWORK : ANOTHER;
    }
    if (w->kind != ST_WHAT_LINK)
        return NOTHING;
    for (size_t i = 0; i < sizeof(wakes) / sizeof(wakes[0]); i++)
        if (!__builtin_strcmp(w->bytes, wakes[i]))
            return NOTHING;
    return __builtin_strncmp(w->bytes, "pipe:", 5) ? ANOTHER : PIPE;
}

/* Keeps of two descriptors that are waited for the one that tells more. */
static inline void st_set_either(struct st_what *w, unsigned *best, int fd)
{
    struct st_what other = {.kind = ST_WHAT_NONE};
    st_set_fd(&other, fd);
    unsigned telling = st_telling(&other);
    if (telling > *best) {
        *w = other;
        *best = telling;
    } else if (telling && telling == *best && w->others < UINT8_MAX) {
        w->others++;
    }
}

enum { ST_POLLED = 32 };

static inline void st_set_polled(struct st_what *w, const uint64_t *args)
{
    unsigned best = 0;
    struct pollfd polled;
    if (args[1] == 1) {
        st_set_fd_at(w, args[2]); /* struct pollfd begins with it */
        return;
    }
    for (uint64_t i = 0; i < args[1] && i < ST_POLLED; i++)
        if (st_read(&polled, args[2] + i * sizeof(polled), sizeof(polled)) && polled.fd >= 0)
            st_set_either(w, &best, polled.fd);
}

static inline void st_set_selected(struct st_what *w, const uint64_t *args)
{
    unsigned best = 0;
    int fds[ST_SELECTED];
    if (!args[1] || !st_read(fds, args[2], sizeof(fds)))
        return;
    if (fds[0] >= 0 && fds[1] < 0) {
        st_set_fd(w, fds[0]);
        return;
    }
    for (int i = 0; i < ST_SELECTED && fds[i] >= 0; i++)
        st_set_either(w, &best, fds[i]);
}

/* Where a connect that is not done yet goes to; false: it is no such socket. */
static inline bool st_set_connecting(struct st_what *w, struct st_connecting *table, int fd,
                                     bool listens)
{
    struct st_connecting *c = &table[(unsigned)fd % ST_CONNECTING];
    /* acquire: the address is there before its descriptor is */
    if (listens || w->protocol != SOCK_STREAM || fd <= 0 ||
        atomic_load_explicit(&c->fd, memory_order_acquire) != fd || c->len > sizeof(c->address))
        return false;
    w->len = c->len;
    __builtin_memcpy(w->bytes, c->address, c->len);
    return true;
}

static inline void st_what_by_rule(struct st_what *w, const struct st_call *c, const uint64_t *args,
                                   uint64_t t0)
{
    w->kind = ST_WHAT_NONE;
    w->class = ST_IPC;
    w->protocol = 0;
    w->blocking = w->waits = w->local = false;
    w->len = 0;
    w->others = 0;
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
        st_set_words(w, args[0] * 1000000000u, 0);
        break;
    case ST_RULE_USECONDS:
        st_set_words(w, args[0] * 1000u, 0);
        break;
    case ST_RULE_TIMESPEC:
        st_set_words(w, st_asked_ns(args, t0), 0);
        break;
    case ST_RULE_TIMEOUT:
        st_set_words(w, st_timeout_ms(args[0]), 0);
        break;
    case ST_RULE_FD:
    case ST_RULE_SYNC:
    case ST_RULE_FLOCK:
    case ST_RULE_INODE:
    case ST_RULE_TWO_FDS:
    case ST_RULE_IOCTL:
    case ST_RULE_DRAIN:
    case ST_RULE_MQ:
        st_set_fd(w, (int)args[0]);
        break;
    case ST_RULE_STREAM:
        st_set_stream(w, args[0]);
        break;
    case ST_RULE_DIR:
        st_set_fd_at(w, args[0]); /* glibc's struct __dirstream begins with it */
        break;
    case ST_RULE_CLOSE:
        st_set_closed(w, c, args);
        break;
    case ST_RULE_CONNECT:
        st_set_fd(w, (int)args[0]);
        st_set_address(w, args[1], args[2]);
        break;
    case ST_RULE_ADDRESS:
        st_set_address(w, args[0], args[1]);
        break;
    case ST_RULE_LIST:
        st_set_first_name(w, args);
        break;
    case ST_RULE_PATH:
    case ST_RULE_HOST:
    case ST_RULE_COMMAND:
    case ST_RULE_TEXT:
    case ST_RULE_SPAWN:
        st_set_text(w, args[0]);
        break;
    case ST_RULE_POLL:
        st_set_words(w, args[0], args[1]);
        st_set_polled(w, args);
        break;
    case ST_RULE_SELECT:
        st_set_words(w, args[0], args[1]);
        st_set_selected(w, args);
        break;
    case ST_RULE_WAIT:
        st_set_words(w, args[0], args[1]);
        st_set_epoll(w, (int)args[2]);
        break;
    case ST_RULE_MUTEX:
    case ST_RULE_COND:
    case ST_RULE_THREAD:
    case ST_RULE_SEMAPHORE:
    case ST_RULE_FUTEX:
    case ST_RULE_ID:
    case ST_RULE_QUEUE:
    case ST_RULE_SEMOP:
        st_set_words(w, args[0], args[1]);
        break;
    case ST_RULE_CHILD:
        st_set_words(w, args[0], args[2]);
        break;
    case ST_RULE_NONE:
    case ST_RULE_ALWAYS:
    case ST_RULE_UNLESS:
    case ST_RULE_BARRIER:
        break;
    }
}

#endif
