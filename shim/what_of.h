/* What a call waits for, by the rule of its row: the same whether its own thread finds it out, or
 * the agent meanwhile. They differ in how they read memory and descriptors. Who includes this
 * defines, before:
 *
 *   static bool st_read(void *to, uint64_t from, size_t n);     the program's memory; false: cannot
 *   static void st_set_text(struct st_what *w, uint64_t from);  a string of the program's, or none
 *   static void st_set_fd(struct st_what *w, int fd);           kind, class and name of what it is
 *   static void st_set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args);
 *   static int64_t st_clock(clockid_t clock);                   ns */
#ifndef STALLTRACE_WHAT_OF_H
#define STALLTRACE_WHAT_OF_H

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "slot.h"

static inline void st_set_words(struct st_what *w, uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    __builtin_memcpy(w->bytes, words, sizeof(words));
    w->len = sizeof(words);
    w->kind = ST_WHAT_WORDS;
}

/* How long the caller asked to sleep, in ns. An absolute time counts from the start of the call,
 * `elapsed_ns` ago. */
static inline uint64_t st_asked_ns(const uint64_t *args, uint64_t elapsed_ns)
{
    struct timespec t;
    if (!st_read(&t, args[0], sizeof(t)))
        return 0;
    int64_t ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (args[1])
        ns += (int64_t)elapsed_ns - st_clock((clockid_t)args[2]);
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

static inline void st_what_by_rule(struct st_what *w, const struct st_call *c, const uint64_t *args,
                                   uint64_t elapsed_ns)
{
    w->kind = ST_WHAT_NONE;
    w->class = ST_IPC;
    w->protocol = 0;
    w->blocking = w->waits = w->local = false;
    w->len = 0;
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
        st_set_words(w, args[0] * 1000000000u, 0);
        break;
    case ST_RULE_USECONDS:
        st_set_words(w, args[0] * 1000u, 0);
        break;
    case ST_RULE_TIMESPEC:
        st_set_words(w, st_asked_ns(args, elapsed_ns), 0);
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
        if (args[1] == 1)
            st_set_fd_at(w, args[2]); /* struct pollfd begins with it */
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
