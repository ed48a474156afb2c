/* Wrappers of connect: where a nonblocking one goes to is kept for the wait that follows it; and of
 * accept: the first of the first loop's thread is when the process begins to serve, if it has
 * inherited the socket that listens (shim/agent/watch/serving.c). */
#include "real.h"

/* The kernel has just read the address, so it can be read. Loops of several threads may meet here;
 * the worst that comes of it is a name of another connect. */
static void ST_COLD note_connecting(int fd, const struct sockaddr *address, socklen_t len)
{
    struct st_connecting *c = &st_shared.connecting[(unsigned)fd % ST_CONNECTING];
    if (len > sizeof(c->address))
        return;
    atomic_store_explicit(&c->fd, 0, memory_order_release);
    __builtin_memcpy(c->address, address, len);
    c->len = (uint16_t)len;
    /* release: the address is there before its descriptor is */
    atomic_store_explicit(&c->fd, fd, memory_order_release);
}

ON_LOOP(connect, int, (int fd, const struct sockaddr *address, socklen_t len))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    uint32_t seq = st_enter(s, ST_CALL_connect, (uintptr_t)fd, (uintptr_t)address, len);
    int r = real_connect(fd, address, len);
    if (r < 0 && errno == EINPROGRESS)
        note_connecting(fd, address, len);
    if (seq)
        st_leave(s, seq, ST_NET);
    return r;
}

ASK_LOOP(connect, int, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len))

static inline void note_accepted(const struct st_slot *s)
{
    uint64_t never = 0;
    if (ST_LIKELY(atomic_load_explicit(&st_shared.accepted, memory_order_relaxed)) ||
        s->generation != atomic_load_explicit(&st_shared.first_loop, memory_order_relaxed))
        return;
    atomic_compare_exchange_strong(&st_shared.accepted, &never, s->t0);
}

ON_LOOP(accept, int, (int fd, struct sockaddr *address, socklen_t *len))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    uint32_t seq = st_enter(s, ST_CALL_accept, (uintptr_t)fd, 0, 0);
    int r = real_accept(fd, address, len);
    if (r >= 0)
        note_accepted(s);
    if (seq)
        st_leave(s, seq, ST_NET);
    return r;
}

ON_LOOP(accept4, int, (int fd, struct sockaddr *address, socklen_t *len, int flags))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    uint32_t seq = st_enter(s, ST_CALL_accept4, (uintptr_t)fd, 0, 0);
    int r = real_accept4(fd, address, len, flags);
    if (r >= 0)
        note_accepted(s);
    if (seq)
        st_leave(s, seq, ST_NET);
    return r;
}

ASK_LOOP(accept, int, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len))
ASK_LOOP(accept4, int, (int fd, struct sockaddr *address, socklen_t *len, int flags),
         (fd, address, len, flags))
