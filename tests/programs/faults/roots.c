/* A loop that changes what its trace's path leads to, and what it may open. Each letter of the
 * first argument is a step: c chroot to the second argument, u the user nobody, n a mount namespace
 * of its own, f a fork, s a stall of 25 ms. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534, REFUSED = 77 };

static int epfd, timer;

static void turn(int n)
{
    struct epoll_event event;
    uint64_t expirations;
    while (n--) {
        if (read(timer, &expirations, sizeof(expirations)) < 0)
            expirations = 0;
        epoll_wait(epfd, &event, 1, -1);
    }
}

static void need(int result)
{
    if (result != 0)
        exit(REFUSED);
}

static void step(char what, const char *root)
{
    switch (what) {
    case 'c':
        need(chroot(root));
        need(chdir("/"));
        break;
    case 'u':
        need(setgid(NOBODY));
        need(setuid(NOBODY));
        break;
    case 'n':
        need(unshare(CLONE_NEWNS));
        break;
    case 'f':
        if (fork() == 0)
            _exit(0);
        wait(NULL);
        turn(2);
        break;
    default:
        usleep(25000);
        turn(2);
    }
}

int main(int argc, char **argv)
{
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    struct epoll_event event = {.events = EPOLLIN};
    if (argc != 3)
        return 2;
    epfd = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(epfd, EPOLL_CTL_ADD, timer, &event);
    turn(3);
    for (const char *p = argv[1]; *p; p++)
        step(*p, argv[2]);
    return 0;
}
