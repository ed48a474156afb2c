/* Cases: waiting for descriptors. None of these is the loop's own wait. */
#include "cases.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

/* Ready to be read from: no wait for it takes long. */
static struct pollfd *ready(void)
{
    static struct pollfd one;
    one = (struct pollfd){.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK), .events = POLLIN};
    MUST(one.fd >= 0);
    return &one;
}

/* An epoll fd that is not the loop's home. */
static int nested(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    MUST(epoll_ctl(fd, EPOLL_CTL_ADD, ready()->fd, &event) == 0);
    return fd;
}

static int unready(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    MUST(fd >= 0);
    return fd;
}

CASE(poll, timeout)
{
    struct pollfd *one = ready();
    NOW(poll(one, 1, 1000));
}

CASE(poll, for_ever)
{
    struct pollfd *one = ready();
    NOW(poll(one, 1, -1));
}

CASE(poll, zero)
{
    struct pollfd *one = ready();
    NOW(poll(one, 1, 0));
}

CASE(poll, nothing)
{
    NOW(poll(NULL, 0, 1));
}

CASE(poll, zero_by_number)
{
    struct pollfd *one = ready();
    NOW(syscall(SYS_poll, one, 1, 0));
}

CASE(poll, by_number)
{
    struct pollfd *one = ready();
    NOW(syscall(SYS_poll, one, 1, 1000));
}

CASE(ppoll, timeout)
{
    struct pollfd *one = ready();
    NOW(ppoll(one, 1, &a_while, NULL));
}

/* Less than the millisecond that timeouts are counted in. */
CASE(ppoll, nanosecond)
{
    static const struct timespec least = {0, 1};
    struct pollfd *one = ready();
    NOW(ppoll(one, 1, &least, NULL));
}

CASE(ppoll, for_ever)
{
    struct pollfd *one = ready();
    NOW(ppoll(one, 1, NULL, NULL));
}

CASE(ppoll, zero)
{
    struct pollfd *one = ready();
    NOW(ppoll(one, 1, &none, NULL));
}

CASE(ppoll, by_number)
{
    struct timespec t = a_while; /* the kernel writes into it */
    struct pollfd *one = ready();
    NOW(syscall(SYS_ppoll, one, 1, &t, NULL, 8L));
}

CASE(ppoll, zero_by_number)
{
    struct timespec t = none;
    struct pollfd *one = ready();
    NOW(syscall(SYS_ppoll, one, 1, &t, NULL, 8L));
}

static fd_set *ready_set(int *n)
{
    static fd_set set;
    int fd = ready()->fd;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    *n = fd + 1;
    return &set;
}

#define COMMA ,
#define SELECTS(call, situation, timeout, ...)                                                     \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        int n;                                                                                     \
        timeout;                                                                                   \
        fd_set *in = ready_set(&n);                                                                \
        NOW(__VA_ARGS__);                                                                          \
    }
SELECTS(select, timeout, struct timeval t = {1 COMMA 0}, select(n, in, NULL, NULL, &t))
SELECTS(select, microsecond, struct timeval t = {0 COMMA 1}, select(n, in, NULL, NULL, &t))
SELECTS(select, for_ever, (void)0, select(n, in, NULL, NULL, NULL))
SELECTS(select, zero, struct timeval t = {0 COMMA 0}, select(n, in, NULL, NULL, &t))
SELECTS(select, by_number, struct timeval t = {1 COMMA 0},
        syscall(SYS_select, n, in, NULL, NULL, &t))
SELECTS(select, zero_by_number, struct timeval t = {0 COMMA 0},
        syscall(SYS_select, n, in, NULL, NULL, &t))
SELECTS(pselect, timeout, (void)0, pselect(n, in, NULL, NULL, &a_while, NULL))
SELECTS(pselect, zero, (void)0, pselect(n, in, NULL, NULL, &none, NULL))
SELECTS(pselect, by_number, struct timespec t = a_while,
        syscall(SYS_pselect6, n, in, NULL, NULL, &t, NULL))
SELECTS(pselect, zero_by_number, struct timespec t = none,
        syscall(SYS_pselect6, n, in, NULL, NULL, &t, NULL))

CASE(select, sleep)
{
    struct timeval t = {0, 1};
    NOW(select(0, NULL, NULL, NULL, &t));
}

CASE(poll, nothing_by_number)
{
    NOW(syscall(SYS_poll, NULL, 0, 1));
}

CASE(select, sleep_by_number)
{
    struct timeval t = {0, 1};
    NOW(syscall(SYS_select, 0, NULL, NULL, NULL, &t));
}

CASE(select, no_sleep)
{
    struct timeval t = {0, 0};
    NOW(select(0, NULL, NULL, NULL, &t));
}

#define EPOLLS(call, situation, fd, ...)                                                           \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        struct epoll_event event;                                                                  \
        int epfd = fd;                                                                             \
        NOW(__VA_ARGS__);                                                                          \
    }
EPOLLS(epoll_wait, timeout, nested(), epoll_wait(epfd, &event, 1, 1000))
EPOLLS(epoll_wait, for_ever, nested(), epoll_wait(epfd, &event, 1, -1))
EPOLLS(epoll_wait, zero, unready(), epoll_wait(epfd, &event, 1, 0))
EPOLLS(epoll_wait, by_number, nested(), syscall(SYS_epoll_wait, epfd, &event, 1, -1))
EPOLLS(epoll_wait, zero_by_number, nested(), syscall(SYS_epoll_wait, epfd, &event, 1, 0))
EPOLLS(epoll_pwait, timeout, nested(), epoll_pwait(epfd, &event, 1, 1000, NULL))
EPOLLS(epoll_pwait, zero, unready(), epoll_pwait(epfd, &event, 1, 0, NULL))
EPOLLS(epoll_pwait2, timeout, nested(), epoll_pwait2(epfd, &event, 1, &a_while, NULL))
EPOLLS(epoll_pwait2, zero, unready(), epoll_pwait2(epfd, &event, 1, &none, NULL))
EPOLLS(epoll_pwait2, by_number, nested(),
       syscall(SYS_epoll_pwait2, epfd, &event, 1, &a_while, NULL, 8L))
EPOLLS(epoll_pwait2, zero_by_number, unready(),
       syscall(SYS_epoll_pwait2, epfd, &event, 1, &none, NULL, 8L))

/* ---- the kernel's two ways of asynchronous I/O
 * -------------------------------------------------*/

/* With an operation that has completed. */
static int make_ring(void)
{
    struct io_uring_params p = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 2, &p);
    return fd;
}

#define RINGS(situation, ...)                                                                      \
    CASE(io_uring_enter, situation)                                                                \
    {                                                                                              \
        int ring = make_ring();                                                                    \
        if (ring < 0)                                                                              \
            CANNOT("io_uring is not allowed here");                                                \
        NOW(__VA_ARGS__);                                                                          \
    }

/* Nothing is in the ring: the call waits until its timeout, or returns at once. */
static const struct __kernel_timespec soon = {0, 1000}, at_once = {0, 0};
static struct io_uring_getevents_arg until_soon, until_now;

__attribute__((constructor)) static void set_arguments(void)
{
    until_soon.ts = (uintptr_t)&soon;
    until_now.ts = (uintptr_t)&at_once;
}

RINGS(submit, syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0L))
RINGS(wait_for_none, syscall(SYS_io_uring_enter, ring, 0, 0, IORING_ENTER_GETEVENTS, NULL, 0L))
RINGS(wait, syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                    &until_soon, sizeof(until_soon)))
RINGS(zero, syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                    &until_now, sizeof(until_now)))

#define EVENTS(situation, ...)                                                                     \
    CASE(io_getevents, situation)                                                                  \
    {                                                                                              \
        aio_context_t context = 0;                                                                 \
        struct io_event event;                                                                     \
        struct timespec t = none, moment = {0, 1000};                                              \
        (void)t, (void)moment;                                                                     \
        if (syscall(SYS_io_setup, 1, &context) != 0)                                               \
            CANNOT("the kernel has no asynchronous I/O");                                          \
        NOW(syscall(SYS_io_getevents, context, __VA_ARGS__));                                      \
    }
EVENTS(timeout, 1L, 1L, &event, &moment)
EVENTS(zero, 1L, 1L, &event, &t)
EVENTS(at_least_none, 0L, 1L, &event, &moment)
