/* A loop that does what it reads from stdin: `s` stalls below code that lies in no object, `t`
 * below other such code, `c` puts other code in the place of the first, `q` ends. Whoever starts it
 * writes the perf map, when it likes. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

static void stall(void)
{
    usleep(50000);
}

/* push rbp; mov rbp,rsp; call rdi; pop rbp; ret */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3};
/* The same, and nops behind it. */
static const unsigned char other[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7,
                                      0x90, 0x90, 0x90, 0x5d, 0xc3};

int main(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    char word;
    unsigned char *made =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        return 77;
    memcpy(made, code, sizeof(code));
    memcpy(made + 4096, code, sizeof(code));
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("code at %lx\n", (unsigned long)(uintptr_t)made);
    epoll_ctl(epfd, EPOLL_CTL_ADD, 0, &event);
    while (epoll_wait(epfd, &event, 1, 20000) == 1 && read(0, &word, 1) == 1 && word != 'q') {
        if (word == 's' || word == 't')
            ((void (*)(void (*)(void)))(uintptr_t)(made + (word == 't' ? 4096 : 0)))(stall);
        else if (word == 'c')
            memcpy(made, other, sizeof(other));
        printf("did %c\n", word);
    }
    puts("ok");
    return 0;
}
