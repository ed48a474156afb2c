/* Threads whose loops end right after a stall of about the time after which a hang is written. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ROUNDS = 150, THREADS = 4, DEPTH = 120, LEAST_US = 10000, SPREAD_US = 12000 };

/* A deep stack takes long to unwind: the stall may end meanwhile, and its loop. */
static void stall(int depth)
{
    char frame[256];
    __asm__ volatile("" : : "r"(frame) : "memory");
    if (depth > 0) {
        stall(depth - 1);
    } else {
        usleep(LEAST_US + (unsigned)rand() % SPREAD_US);
    }
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static void *run_loop(void *unused)
{
    struct epoll_event event;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    epoll_wait(loop, &event, 1, 1);
    stall(DEPTH);
    close(loop);
    return unused;
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t threads[THREADS];
        for (int k = 0; k < THREADS; k++) {
            if (pthread_create(&threads[k], NULL, run_loop, NULL) != 0) {
                return 3;
            }
        }
        for (int k = 0; k < THREADS; k++) {
            pthread_join(threads[k], NULL);
        }
    }
    return 0;
}
