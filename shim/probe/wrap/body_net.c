/* Wrapper of connect: where a nonblocking one goes to is kept for the wait that follows it. */
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
