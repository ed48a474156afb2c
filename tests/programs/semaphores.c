/* Semaphores that a loop waits for: one that a thread holds like a lock, one that is a signal
 * between threads, one that has been made anew. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static sem_t lock, items, ready, leave;

static void wait_in_vain(sem_t *sem)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 300000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    sem_timedwait(sem, &until);
}

static void wait_for_lock(void)
{
    wait_in_vain(&lock); // STALL:lock
}

static void wait_for_signal(void)
{
    wait_in_vain(&items); // STALL:signal
}

static void wait_for_new(void)
{
    sem_init(&lock, 0, 0);
    wait_in_vain(&lock); // STALL:anew
}

static void *keep(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "keeper");
    sem_wait(&lock);
    printf("keeper %d\n", (int)gettid());
    fflush(stdout);
    sem_wait(&items); /* what main has posted: it is nobody's now */
    sem_post(&ready);
    sem_wait(&leave);
    sem_post(&lock);
    return NULL;
}

int main(void)
{
    struct epoll_event event;
    pthread_t keeper;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    sem_init(&lock, 0, 1);
    sem_init(&items, 0, 0);
    sem_init(&ready, 0, 0);
    sem_init(&leave, 0, 0);
    pthread_create(&keeper, NULL, keep, NULL);
    sem_post(&items);
    sem_wait(&ready);
    epoll_wait(loop, &event, 1, 0);
    wait_for_lock();
    epoll_wait(loop, &event, 1, 0);
    wait_for_signal();
    epoll_wait(loop, &event, 1, 0);
    wait_for_new();
    epoll_wait(loop, &event, 1, 0);
    sem_post(&leave);
    pthread_join(keeper, NULL);
    return 0;
}
