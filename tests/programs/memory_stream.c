/* A stream in memory, which another thread has locked, is waited for. It has no descriptor: what
 * open_memstream leaves in its place is whatever was in that memory before. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

static FILE *stream;
static sem_t locked;

static void *hold(void *unused)
{
    const struct timespec while_it_waits = {0, 300000000};
    (void)unused;
    flockfile(stream);
    sem_post(&locked);
    nanosleep(&while_it_waits, NULL);
    funlockfile(stream);
    return NULL;
}

int main(void)
{
    struct epoll_event event;
    pthread_t thread;
    char *text;
    size_t size;
    stream = open_memstream(&text, &size);
    stream->_fileno = epoll_create1(EPOLL_CLOEXEC);
    sem_init(&locked, 0, 0);
    pthread_create(&thread, NULL, hold, NULL);
    while (sem_wait(&locked) != 0)
        ;
    epoll_wait(stream->_fileno, &event, 1, 0);
    fwrite("text", 4, 1, stream); // STALL
    epoll_wait(stream->_fileno, &event, 1, 0);
    pthread_join(thread, NULL);
    return 0;
}
