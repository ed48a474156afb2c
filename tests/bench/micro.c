/* What one wrapped call costs: `micro read|mutex [loop]` prints nanoseconds a call, the median of
 * several batches. With `loop` the thread has run an event loop before. scripts/bench runs it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCHES = 21, CALLS = 20000 };

static int zero;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void read_zero(void)
{
    char byte;
    for (int i = 0; i < CALLS; i++) {
        if (read(zero, &byte, 1) != 1) {
            abort();
        }
    }
}

static void lock_and_unlock(void)
{
    for (int i = 0; i < CALLS; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
}

/* Leaves the thread inside an iteration, where its calls are watched. */
static void run_a_loop(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epfd = epoll_create1(EPOLL_CLOEXEC), ready = eventfd(1, EFD_CLOEXEC);
    epoll_ctl(epfd, EPOLL_CTL_ADD, ready, &event);
    for (int i = 0; i < 3; i++) {
        epoll_wait(epfd, &event, 1, -1);
        usleep(1000); /* the watcher settles */
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    double took[BATCHES];
    void (*batch)(void) = argc > 1 && strcmp(argv[1], "mutex") == 0 ? lock_and_unlock : read_zero;

    zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    if (argc > 2 && strcmp(argv[2], "loop") == 0) {
        run_a_loop();
    }
    batch(); /* caches */
    for (int i = 0; i < BATCHES; i++) {
        double start = now_ns();
        batch();
        took[i] = (now_ns() - start) / CALLS;
    }
    qsort(took, BATCHES, sizeof(took[0]), by_value);
    printf("%.3f\n", took[BATCHES / 2]);
    return 0;
}
