/* Wrappers of open and other functions whose last arguments are there only sometimes, of those that
 * wait for some commands only, and of the look-ups whose arguments say whether a name has to be
 * looked up at all. */
#include "real.h"

/* Where there is no mode libc does not look at it, and a missing variadic argument is what a
 * register held: passed on as it is. */
VARIADIC_ON_LOOP(open, int, (const char *path, int flags, ...))
{
    va_list rest;
    va_start(rest, flags);
    long mode = va_arg(rest, long);
    va_end(rest);
    int r;
    TIMED(open, ST_FILE, path, AT_FDCWD, flags, r = real_open(path, flags, mode));
    return r;
}

VARIADIC_ON_LOOP(openat, int, (int dir, const char *path, int flags, ...))
{
    va_list rest;
    va_start(rest, flags);
    long mode = va_arg(rest, long);
    va_end(rest);
    int r;
    TIMED(openat, ST_FILE, path, dir, flags, r = real_openat(dir, path, flags, mode));
    return r;
}

/* ---- commands: only some of them wait ---------------------------------------------------------*/

VARIADIC_ON_LOOP(fcntl, int, (int fd, int command, ...))
{
    va_list rest;
    va_start(rest, command);
    long argument = va_arg(rest, long);
    va_end(rest);
    if (command != F_SETLKW && command != F_OFD_SETLKW && command != F_SETLEASE)
        return real_fcntl(fd, command, argument);
    int r;
    bool lease = command == F_SETLEASE; /* takes a while, but is granted or refused */
    TIMED(fcntl, ST_LOCK, fd, lease ? LOCK_NB : 0, lease ? 0 : argument,
          r = real_fcntl(fd, command, argument));
    return r;
}

VARIADIC_ON_LOOP(ioctl, int, (int fd, unsigned long request, ...))
{
    va_list rest;
    va_start(rest, request);
    long argument = va_arg(rest, long);
    va_end(rest);
    int r;
    TIMED(ioctl, ST_FD, fd, request, 0, r = real_ioctl(fd, request, argument));
    return r;
}

#define MMAP_PARAMETERS (void *address, size_t len, int protection, int flags, int fd, off_t at)

ON_LOOP(mmap, void *, MMAP_PARAMETERS)
{
    void *r;
    TIMED(mmap, ST_FILE, fd, 0, 0, r = real_mmap(address, len, protection, flags, fd, at));
    return r;
}

WRAPPER(mmap, void *, MMAP_PARAMETERS)
{
    if (ST_LIKELY(!st_self) || ST_LIKELY(!(flags & (MAP_POPULATE | MAP_LOCKED))))
        return real_mmap(address, len, protection, flags, fd, at);
    return loop_mmap(address, len, protection, flags, fd, at);
}

/* ---- close: waits where a socket lingers, and where a file system writes back what is left
 * -----*/

/* The kernel takes the descriptor out of the table before it waits: what it was can only be asked
 * before. That takes longer than most closes do (a system call 0.5 µs, a path 5 µs), so it is done
 * for what may linger, in a program that has asked for that. */
bool st_lingering;

WRAPPER(setsockopt, int, (int fd, int level, int option, const void *value, socklen_t len))
{
    if (ST_LIKELY(option != SO_LINGER || level != SOL_SOCKET))
        return real_setsockopt(fd, level, option, value, len);
    int r = real_setsockopt(fd, level, option, value, len);
    const struct linger *l = value;
    if (r == 0 && l->l_onoff && l->l_linger > 0)
        st_lingering = true;
    return r;
}

static __attribute__((noinline)) int close_what_may_linger(int fd)
{
    int r;
    struct st_what peer;
    bool lingers = st_lingers(fd, &peer);
    TIMED(close, ST_FD, fd, lingers, lingers ? &peer : NULL, r = real_close(fd));
    return r;
}

ON_LOOP(close, int, (int fd))
{
    int r;
    if (ST_UNLIKELY(st_lingering || st_is_strict(ST_NET)))
        return close_what_may_linger(fd);
    TIMED(close, ST_FD, fd, 0, 0, r = real_close(fd));
    return r;
}

WRAPPER(close, int, (int fd))
{
    if (ST_UNLIKELY(fd >= 0 && st_fd_is_home(fd)))
        st_fd_closed(fd); /* may end this thread's loop */
    if (ST_LIKELY(!st_self))
        return real_close(fd);
    return loop_close(fd);
}

/* ---- objects with names -----------------------------------------------------------------------*/

VARIADIC_ON_LOOP(mq_open, mqd_t, (const char *name, int flags, ...))
{
    va_list rest;
    va_start(rest, flags);
    long mode = va_arg(rest, long), attributes = va_arg(rest, long);
    va_end(rest);
    mqd_t r;
    TIMED(mq_open, ST_IPC, name, 0, 0, r = real_mq_open(name, flags, mode, attributes));
    return r;
}

VARIADIC_ON_LOOP(sem_open, sem_t *, (const char *name, int flags, ...))
{
    va_list rest;
    va_start(rest, flags);
    long mode = va_arg(rest, long), value = va_arg(rest, long);
    va_end(rest);
    sem_t *r;
    TIMED(sem_open, ST_IPC, name, 0, 0, r = real_sem_open(name, flags, mode, value));
    return r;
}

VARIADIC_ON_LOOP(syslog, void, (int priority, const char *format, ...))
{
    va_list list;
    st_want_address(ST_CALL_syslog);
    va_start(list, format);
    TIMED(syslog, ST_IPC, format, 0, 0, real_vsyslog(priority, format, list));
    va_end(list);
}

VARIADIC_ON_LOOP(__syslog_chk, void, (int priority, int check, const char *format, ...))
{
    va_list list;
    st_want_address(ST_CALL___syslog_chk);
    va_start(list, format);
    TIMED(__syslog_chk, ST_IPC, format, 0, 0, real___vsyslog_chk(priority, check, format, list));
    va_end(list);
}

/* ---- look-ups ---------------------------------------------------------------------------------*/

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
