/* A small loop for every way of building a program: it is compiled by the tests themselves, for
 * other libcs and word sizes, too. It prints what must not change, and ends with 7. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t held;

static void *holder(void *unused)
{
    pthread_mutex_lock(&mutex);
    sem_post(&held);
    usleep(150000);
    pthread_mutex_unlock(&mutex);
    return unused;
}

int main(int argc, char **argv)
{
    int ends[2], sockets[2], loop = epoll_create1(EPOLL_CLOEXEC);
    size_t n =
        argc > 1 ? (size_t)atoi(argv[1]) : 8; /* not known to the compiler: checked at run time */
    char buffer[64];
    struct epoll_event event = {.events = EPOLLIN};
    struct timespec t = {0, 30 * 1000000};
    struct pollfd p;
    pthread_t thread;

    MUST(loop >= 0 && pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    MUST(epoll_ctl(loop, EPOLL_CTL_ADD, ends[0], &event) == 0);
    for (int i = 0; i < 3; i++) {
        MUST(write(ends[1], "12345678", 8) == 8);
        MUST(epoll_wait(loop, &event, 1, -1) == 1);
        MUST(read(ends[0], buffer, n) == 8);
        MUST(send(sockets[0], buffer, n, 0) == 8 && recv(sockets[1], buffer, n, 0) == 8);
        p = (struct pollfd){ends[0], POLLIN, 0};
        MUST(poll(&p, (nfds_t)(n > 1), 1) == 0);
        MUST(nanosleep(&t, NULL) == 0);
    }
    MUST(sem_init(&held, 0, 0) == 0 && pthread_create(&thread, NULL, holder, NULL) == 0);
    MUST(sem_wait(&held) == 0);
    MUST(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    MUST(pthread_join(thread, NULL) == 0);
    FILE *f = fopen("/dev/zero", "r");
    MUST(f && fread(buffer, 1, n, f) == n && fgets(buffer, (int)n, f) && fclose(f) == 0);
    printf("%zu bytes, all well\n", n);
    return 7;
}
