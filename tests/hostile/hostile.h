/* What the hostile programs share: a loop to run in, a check that ends the program, a watchdog.
 *
 * Each program is a handful of cases, run one at a time by name: it exits with 0 and prints "ok"
 * where nothing disturbed it, with stalltrace and without. 77: this machine cannot run the case. */
#ifndef HOSTILE_H
#define HOSTILE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { HOSTILE_DEADLINE = 40, HOSTILE_SKIPPED = 77 };

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(2, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);           \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#define SKIP(why)                                                                                  \
    do {                                                                                           \
        dprintf(2, "skipped: %s\n", why);                                                          \
        _exit(HOSTILE_SKIPPED);                                                                    \
    } while (0)

struct hostile_case {
    const char *name;
    void (*run)(void);
};

static const char *hostile_argument __attribute__((unused));

/* Makes the calling thread a loop thread: it waits on an epoll fd of its own, which it returns. */
static inline int hostile_loop(void)
{
    struct epoll_event event;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    MUST(fd >= 0);
    MUST(epoll_wait(fd, &event, 1, 0) == 0);
    return fd;
}

/* The loop's home wait. */
static inline void hostile_turn(int fd)
{
    struct epoll_event event;
    MUST(epoll_wait(fd, &event, 1, 0) == 0);
}

static inline void hostile_stall(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
        ;
}

static inline double hostile_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* main(): runs the case that the first argument names. Not through stdio: a case may have closed
 * everything, or replaced the allocator. */
static inline int hostile_main(int argc, char **argv, const struct hostile_case *cases, size_t n)
{
    hostile_argument = argc > 2 ? argv[2] : "/tmp";
    alarm(HOSTILE_DEADLINE); /* the watchdog */
    for (size_t i = 0; argc > 1 && i < n; i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            return write(1, "ok\n", 3) == 3 ? 0 : 1;
        }
    for (size_t i = 0; i < n; i++) /* without a case: what there is */
        dprintf(1, "%s\n", cases[i].name);
    return argc > 1 ? 2 : 0;
}

#define HOSTILE_MAIN(cases)                                                                        \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return hostile_main(argc, argv, cases, sizeof(cases) / sizeof((cases)[0]));                \
    }

#endif
