/* A disk fills up, the loop hangs in a new place, and then the disk has room again, or has not. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int loop, timer;

static void turn(int times)
{
    for (int i = 0; i < times; i++) {
        struct epoll_event event;
        unsigned long expired;
        epoll_wait(loop, &event, 1, -1);
        if (read(timer, &expired, sizeof(expired)) < 0 && errno != EAGAIN)
            perror("read");
    }
}

/* One place, reached in many ways. */
static void known(int depth)
{
    if (depth > 0)
        known(depth - 1);
    else
        usleep(11000);
    __asm__ volatile("");
}

static void new_place(void)
{
    int ends[2];
    char byte;
    if (pipe(ends) < 0)
        return;
    if (fork() == 0) {
        usleep(80000);
        _exit(write(ends[1], "x", 1) != 1);
    }
    if (read(ends[0], &byte, 1) < 1)
        perror("pipe");
}

int main(int argc, char **argv)
{
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    struct epoll_event event = {.events = EPOLLIN};
    char block[4096] = {1};
    if (argc < 3)
        return 2;
    loop = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event);
    turn(3);
    int filler = open(argv[2], O_CREAT | O_WRONLY, 0600);
    while (write(filler, block, sizeof(block)) == (ssize_t)sizeof(block)) {
    }
    for (int depth = 0; depth < 40; depth++) {
        known(depth);
        turn(1);
    }
    new_place();
    turn(5);
    if (!strcmp(argv[1], "empties"))
        unlink(argv[2]);
    close(filler);
    turn(300);
    return 0;
}
