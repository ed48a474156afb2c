/* Loops of every kind that is recognised: the first argument says how the loop waits. Each turns 12
 * times, sleeps for 100 ms in the line that is marked STALL, and turns once more. */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stalltrace.h"

static int ready, other, epfd;
static bool threaded, allowed, no_stall;
static void (*wait_once)(void);

static void wait_epoll(void)
{
    struct epoll_event event;
    epoll_wait(epfd, &event, 1, -1);
}

static void wait_epoll_pwait(void)
{
    struct epoll_event event;
    epoll_pwait(epfd, &event, 1, -1, NULL);
}

static void wait_epoll_pwait2(void)
{
    struct epoll_event event;
    struct timespec second = {1, 0};
    epoll_pwait2(epfd, &event, 1, &second, NULL);
}

static void wait_syscall(void)
{
    struct epoll_event event;
    syscall(SYS_epoll_wait, epfd, &event, 1, -1);
}

/* As libuv does since 1.46: what epoll is to know goes through an io_uring, which has done it when
 * the call returns; then it waits. */
static void wait_after_uring(void)
{
    static int ring = -1;
    static unsigned *tail;
    if (ring < 0) {
        struct io_uring_params p = {0};
        ring = (int)syscall(SYS_io_uring_setup, 32, &p);
        if (ring < 0) {
            exit(77);
        }
        size_t size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
        char *queue =
            mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
        struct io_uring_sqe *entries =
            mmap(NULL, p.sq_entries * sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                 IORING_OFF_SQES);
        if (queue == MAP_FAILED || entries == MAP_FAILED) {
            exit(9);
        }
        entries[0].opcode = IORING_OP_NOP; /* each turn submits the same entry */
        tail = (unsigned *)(void *)(queue + p.sq_off.tail);
    }
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1) {
        exit(9);
    }
    wait_epoll();
}

static void wait_poll(void)
{
    struct pollfd fds[] = {{ready, POLLIN, 0}, {other, POLLIN, 0}};
    poll(fds, 2, -1);
}

static void wait_ppoll(void)
{
    struct pollfd fds[] = {{ready, POLLIN, 0}, {other, POLLIN, 0}};
    ppoll(fds, 2, NULL, NULL);
}

static void wait_select(void)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ready, &in);
    FD_SET(other, &in);
    select((ready > other ? ready : other) + 1, &in, NULL, NULL, NULL);
}

static void wait_pselect(void)
{
    fd_set in;
    FD_ZERO(&in);
    FD_SET(ready, &in);
    FD_SET(other, &in);
    pselect((ready > other ? ready : other) + 1, &in, NULL, NULL, NULL, NULL);
}

/* An own loop that waits for nothing that could be recognised. */
static void wait_own(void)
{
    sched_yield();
}

static sem_t named;

static void *loop(void *unused)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct timespec t = {0, 100 * 1000000};
    if (threaded) {
        sem_wait(&named);
    }
    epfd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(epfd, EPOLL_CTL_ADD, ready, &event);
    if (wait_once == wait_own) {
        STALLTRACE_LOOP_BEGIN("mine");
    }
    for (int i = 0; i < 12; i++) {
        wait_once();
    }
    if (allowed) {
        STALLTRACE_ALLOW_BEGIN("a test");
    }
    if (!no_stall) {
        nanosleep(&t, NULL); /* STALL */
    }
    if (allowed) {
        STALLTRACE_ALLOW_END();
    }
    wait_once();
    if (wait_once == wait_own) {
        STALLTRACE_LOOP_END();
        nanosleep(&t, NULL);
    }
    close(epfd);
    return unused;
}

static const struct {
    const char *name;
    void (*wait)(void);
} waits[] = {
    {"epoll_wait", wait_epoll},
    {"epoll_pwait", wait_epoll_pwait},
    {"epoll_pwait2", wait_epoll_pwait2},
    {"syscall", wait_syscall},
    {"uring", wait_after_uring},
    {"poll", wait_poll},
    {"ppoll", wait_ppoll},
    {"select", wait_select},
    {"pselect", wait_pselect},
    {"api", wait_own},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(waits) / sizeof(waits[0]); i++) {
        if (strcmp(waits[i].name, argv[1]) == 0) {
            wait_once = waits[i].wait;
        }
    }
    for (int i = 2; i < argc; i++) {
        threaded |= strcmp(argv[i], "thread") == 0;
        allowed |= strcmp(argv[i], "allowed") == 0;
        no_stall |= strcmp(argv[i], "clean") == 0;
    }
    if (!wait_once) {
        return 2;
    }
    ready = eventfd(1, EFD_CLOEXEC);
    other = eventfd(0, EFD_CLOEXEC);
    if (threaded) {
        pthread_t thread;
        sem_init(&named, 0, 0);
        if (pthread_create(&thread, NULL, loop, NULL) != 0) {
            return 3;
        }
        pthread_setname_np(thread, "looper");
        sem_post(&named);
        return pthread_join(thread, NULL);
    }
    loop(NULL);
    return 0;
}
