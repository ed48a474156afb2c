/* Wrappers of open, whose mode is there only sometimes, and of the look-ups whose arguments say
 * whether a name has to be looked up at all. */
#include "real.h"

#include <stdarg.h>

/* The mode is passed on whether or not it is there: where it is not, libc does not look at it.
 * Reading a missing variadic argument reads a register. */
#define MODE(after)                                                                                \
    va_list rest;                                                                                  \
    va_start(rest, after);                                                                         \
    mode_t mode =                                                                                  \
        (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;          \
    va_end(rest)

ON_LOOP(open, int, (const char *path, int flags, mode_t mode))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    uint32_t seq =
        st_enter(s, ST_CALL_open, (uintptr_t)path, (uintptr_t)AT_FDCWD, (uintptr_t)flags);
    int r = real_open(path, flags, mode);
    if (seq)
        st_leave(s, seq, ST_FILE);
    return r;
}

WRAPPER(open, int, (const char *path, int flags, ...))
{
    MODE(flags);
    if (ST_LIKELY(!st_self))
        return real_open(path, flags, mode);
    return loop_open(path, flags, mode);
}

ON_LOOP(openat, int, (int dir, const char *path, int flags, mode_t mode))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    uint32_t seq =
        st_enter(s, ST_CALL_openat, (uintptr_t)path, (uintptr_t)(long)dir, (uintptr_t)flags);
    int r = real_openat(dir, path, flags, mode);
    if (seq)
        st_leave(s, seq, ST_FILE);
    return r;
}

WRAPPER(openat, int, (int dir, const char *path, int flags, ...))
{
    MODE(flags);
    if (ST_LIKELY(!st_self))
        return real_openat(dir, path, flags, mode);
    return loop_openat(dir, path, flags, mode);
}

ON_LOOP(getaddrinfo, int,
        (const char *name, const char *service, const struct addrinfo *hints,
         struct addrinfo **list))
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    bool numeric = hints && hints->ai_flags & AI_NUMERICHOST;
    uint32_t seq = st_enter(s, ST_CALL_getaddrinfo, (uintptr_t)name, (uintptr_t)service, numeric);
    int r = real_getaddrinfo(name, service, hints, list);
    if (seq)
        st_leave(s, seq, ST_DNS);
    return r;
}

WRAPPER(getaddrinfo, int,
        (const char *name, const char *service, const struct addrinfo *hints,
         struct addrinfo **list))
{
    if (ST_LIKELY(!st_self))
        return real_getaddrinfo(name, service, hints, list);
    return loop_getaddrinfo(name, service, hints, list);
}

#define GETNAMEINFO_PARAMETERS                                                                     \
    (const struct sockaddr *address, socklen_t len, char *host, socklen_t host_len, char *service, \
     socklen_t service_len, int flags)

ON_LOOP(getnameinfo, int, GETNAMEINFO_PARAMETERS)
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    bool numeric = !host || !host_len || flags & NI_NUMERICHOST;
    uint32_t seq = st_enter(s, ST_CALL_getnameinfo, (uintptr_t)address, len, numeric);
    int r = real_getnameinfo(address, len, host, host_len, service, service_len, flags);
    if (seq)
        st_leave(s, seq, ST_DNS);
    return r;
}

WRAPPER(getnameinfo, int, GETNAMEINFO_PARAMETERS)
{
    if (ST_LIKELY(!st_self))
        return real_getnameinfo(address, len, host, host_len, service, service_len, flags);
    return loop_getnameinfo(address, len, host, host_len, service, service_len, flags);
}
