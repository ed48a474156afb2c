/* A loop that stalls below code that lies in no object (as a compiler at run time makes it), so
 * that the agent looks for its name, and then forks. It begins when there is a line on stdin. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void stall(void)
{
    usleep(50000);
}

int main(void)
{
    /* push rbp; mov rbp,rsp; call rdi; pop rbp; ret */
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
    struct itimerspec every = {{0, 2000000}, {0, 2000000}};
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    uint64_t expirations;
    char word;
    void *made =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return 77;
    memcpy(made, code, sizeof(code));
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("code at %lx\n", (unsigned long)(uintptr_t)made);
    if (read(0, &word, 1) != 1)
        return 2;
    timerfd_settime(timer, 0, &every, NULL);
    epoll_ctl(epfd, EPOLL_CTL_ADD, timer, &event);
    for (int i = 0; i < 6; i++) {
        epoll_wait(epfd, &event, 1, -1);
        if (read(timer, &expirations, sizeof(expirations)) < 0)
            continue;
        if (i == 3)
            ((void (*)(void (*)(void)))(uintptr_t)made)(stall);
    }
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    puts("ok");
    return 0;
}
