/* What a thread does that the program has tagged, before its loop waits for the first time. */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "stalltrace.h"

/* Computes for that long, however busy the machine is. */
static void spin(int ms)
{
    struct timespec t = {0, 0};
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms); /* STALL:spin */
}

/* Waits for nothing, `n` times. */
static void turn(int epfd, struct pollfd *fds, int n)
{
    struct epoll_event event;
    for (int i = 0; i < n; i++)
        if (epfd >= 0)
            epoll_wait(epfd, &event, 1, 5);
        else
            poll(fds, 1, 30);
}

int main(int argc, char **argv)
{
    int ends[2];
    const char *what = argc > 1 ? argv[1] : "";
    if (pipe(ends) != 0)
        return 9;
    struct pollfd fds = {ends[0], POLLIN, 0};
    int epfd = strstr(what, "polls") ? -1 : epoll_create1(0);
    STALLTRACE_LOOP_BEGIN("mine");
    if (!strcmp(what, "start-poll"))
        poll(&fds, 1, 300); /* STALL:poll */
    if (strstr(what, "start-spin"))
        spin(300);
    turn(epfd, &fds, 20);
    STALLTRACE_LOOP_END();
    return 0;
}
