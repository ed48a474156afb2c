/* Programs that end, or go on, in ways that a thread of somebody else's could spoil. Each is a loop
 * with one stall and prints "ok" as its last act. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say_ok(void)
{
    puts("ok");
}

static void *loop(void *argument)
{
    struct epoll_event event;
    int epfd = epoll_create1(0);
    for (int i = 0; i < 3; i++)
        epoll_wait(epfd, &event, 1, 5);
    usleep(50000);
    epoll_wait(epfd, &event, 1, 5);
    close(epfd);
    return argument;
}

/* The process ends when its last thread returns; main is gone by then. */
static void main_leaves(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, loop, NULL);
    pthread_detach(thread);
    loop(NULL);
    pthread_exit(NULL);
}

/* The only thread ends by the raw system call. */
static void raw_exit(void)
{
    loop(NULL);
    say_ok();
    fflush(stdout);
    syscall(SYS_exit, 0);
}

/* The loop's own descriptor is 0, where others have their standard input. */
static void low_descriptors(void)
{
    close(0);
    loop(NULL);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    if (!strcmp(how, "main_leaves")) {
        atexit(say_ok);
        main_leaves();
    } else if (!strcmp(how, "raw_exit")) {
        raw_exit();
    } else if (!strcmp(how, "low_descriptors")) {
        low_descriptors();
        say_ok();
    } else {
        return 2;
    }
    return 0;
}
