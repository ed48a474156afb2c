/* Strict mode, case by case: what the files beside this one share. A case is a function with one
 * call in it, made on a loop thread, and named after the call and its situation; which of them
 * strict mode must report, and which it must not, says tests/e2e/test_strict.py.
 *
 * Each of them returns at once, or as soon as a helper has seen it wait: nothing here takes longer
 * than the threshold, so whatever is reported is reported because it could have blocked. */
#ifndef STRICT_CASES_H
#define STRICT_CASES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "stalltrace.h"

struct strict_case {
    const char *call, *situation;
    void (*run)(void);
    struct strict_case *next;
};
void add_case(struct strict_case *);

/* CASE(recv, waitall) { … NOW(recv(…)); … } */
#define CASE(call, situation)                                                                      \
    static void call##__##situation(void);                                                         \
    static struct strict_case case_##call##__##situation = {#call, #situation,                     \
                                                            call##__##situation, NULL};            \
    __attribute__((constructor)) static void add_##call##__##situation(void)                       \
    {                                                                                              \
        add_case(&case_##call##__##situation);                                                     \
    }                                                                                              \
    __attribute__((noinline)) static void call##__##situation(void)

/* All that a case does besides is allowed. */
#define ALLOWED "what a case needs around its call"
#define NOW(...)                                                                                   \
    do {                                                                                           \
        STALLTRACE_ALLOW_END();                                                                    \
        __VA_ARGS__;                                                                               \
        STALLTRACE_ALLOW_BEGIN(ALLOWED);                                                           \
    } while (0)

/* A case whose call did not do what it is named after proves nothing. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            dprintf(2, "%s:%d: %s: %s (errno %d)\n", __FILE__, __LINE__, __func__, #condition,     \
                    errno);                                                                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* This machine cannot make the case. */
#define CANNOT(why)                                                                                \
    do {                                                                                           \
        printf("cannot %s %s\n", __func__, why);                                                   \
        return;                                                                                    \
    } while (0)

static const struct timespec none __attribute__((unused)) = {0, 0};
static const struct timespec long_ago __attribute__((unused)) = {1, 0};
static const struct timespec a_while __attribute__((unused)) = {600, 0};

/* ---- fixtures.c ---- */

/* Pairs: the first end is read from, the second is written to (sockets: either). */
enum { BLOCKING = 0, NONBLOCKING = O_NONBLOCK };
int *make_pipe(int flags, const char *content);
int *make_tcp(int flags, const char *content);
int *make_pair(int type, int flags, const char *content);
int make_listener(int flags, bool with_client);
int make_file(const char *content, int flags);
const char *make_path(const char *name);
/* The ends of a terminal: [0] its master, [1] what programs see. */
int *make_terminal(int flags, const char *typed);
/* Leaves no room. */
void fill(int fd);
void set_nonblocking(int fd);

/* A helper that runs `release` as soon as the calling thread sleeps in the kernel. */
void when_asleep(void (*release)(void *), void *argument);
/* Runs `routine` in a thread, and returns when that thread sleeps. */
void start_sleeper(void *(*routine)(void *), void *argument);
/* As when_asleep, for a call that spins: when the thread has used up some time. */
void when_spinning(void (*release)(void *), void *argument);
struct timespec after(clockid_t clock, int seconds);

#endif
