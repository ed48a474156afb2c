/* Bodies: waits for other threads. */
#include "selftest.h"

#include <dlfcn.h>

enum { FAR_MS = 600000 };

static void lock_mutex(void *mutex)
{
    pthread_mutex_lock(mutex);
}

static void unlock_mutex(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

TEST(pthread_mutex_lock, HANGS)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pid_t holder = hold_until(t, lock_mutex, unlock_mutex, &mutex);
    expect(t, ST_LOCK, "~held by thread %d", (int)holder);
    CALLED(t, call(&mutex));
    pthread_mutex_unlock(&mutex);
}

/* ---- condition variables ----------------------------------------------------------------------*/

struct condition {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
};
#define CONDITION_INITIALIZER                                                                      \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER                                        \
    }

static void signal_condition(void *condition)
{
    struct condition *c = condition;
    pthread_mutex_lock(&c->mutex);
    pthread_cond_signal(&c->cond);
    pthread_mutex_unlock(&c->mutex);
}

TEST(pthread_cond_wait, HANGS)
{
    struct condition c = CONDITION_INITIALIZER;
    pthread_mutex_lock(&c.mutex);
    release_by(t, signal_condition, &c);
    CALLED(t, call(&c.cond, &c.mutex));
    pthread_mutex_unlock(&c.mutex);
}

TEST(pthread_cond_timedwait, HANGS)
{
    struct condition c = CONDITION_INITIALIZER;
    struct timespec until;
    pthread_mutex_lock(&c.mutex);
    release_by(t, signal_condition, &c);
    in_ms(&until, CLOCK_REALTIME, FAR_MS);
    CALLED(t, call(&c.cond, &c.mutex, &until));
    pthread_mutex_unlock(&c.mutex);
}

/* Before 2.3.2 the object was one word: a pointer to the condition, which the first call made. */
struct old_condition {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int (*signal)(pthread_cond_t *), (*destroy)(pthread_cond_t *);
};

static struct old_condition old_condition(void)
{
    struct old_condition c = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, NULL};
    *(void **)&c.signal = dlvsym(RTLD_DEFAULT, "pthread_cond_signal", "GLIBC_2.2.5");
    *(void **)&c.destroy = dlvsym(RTLD_DEFAULT, "pthread_cond_destroy", "GLIBC_2.2.5");
    pthread_mutex_lock(&c.mutex);
    return c;
}

static void signal_old_condition(void *condition)
{
    struct old_condition *c = condition;
    pthread_mutex_lock(&c->mutex);
    c->signal(&c->cond);
    pthread_mutex_unlock(&c->mutex);
}

static void need_old_condition(struct trial *t, const struct old_condition *c)
{
    static const pthread_cond_t untouched = PTHREAD_COND_INITIALIZER;
    const char *rest = (const char *)&c->cond + sizeof(void *);
    NEED(t, *(void *const *)&c->cond != NULL);
    NEED(t, memcmp(rest, &untouched, sizeof(untouched) - sizeof(void *)) == 0);
}

static void undo_old_condition(struct trial *t, struct old_condition *c)
{
    pthread_mutex_unlock(&c->mutex);
    need_old_condition(t, c);
    c->destroy(&c->cond);
}

TEST(pthread_cond_wait_2_2_5, HANGS)
{
    struct old_condition c = old_condition();
    NEED(t, c.signal && c.destroy);
    release_by(t, signal_old_condition, &c);
    CALLED(t, call(&c.cond, &c.mutex));
    undo_old_condition(t, &c);
}

TEST(pthread_cond_timedwait_2_2_5, HANGS)
{
    struct old_condition c = old_condition();
    struct timespec until;
    NEED(t, c.signal && c.destroy);
    release_by(t, signal_old_condition, &c);
    in_ms(&until, CLOCK_REALTIME, FAR_MS);
    CALLED(t, call(&c.cond, &c.mutex, &until));
    undo_old_condition(t, &c);
}

TEST(pthread_cond_destroy_2_2_5, QUICK)
{
    struct old_condition c = old_condition();
    NEED(t, c.signal && c.destroy);
    c.signal(&c.cond);
    pthread_mutex_unlock(&c.mutex);
    need_old_condition(t, &c);
    CALLED(t, call(&c.cond));
}

TEST(pthread_cond_clockwait, HANGS)
{
    struct condition c = CONDITION_INITIALIZER;
    struct timespec until;
    pthread_mutex_lock(&c.mutex);
    release_by(t, signal_condition, &c);
    in_ms(&until, CLOCK_MONOTONIC, FAR_MS);
    CALLED(t, call(&c.cond, &c.mutex, CLOCK_MONOTONIC, &until));
    pthread_mutex_unlock(&c.mutex);
}

/* ---- threads and semaphores -------------------------------------------------------------------*/

struct joined {
    sem_t started, go;
    pid_t tid;
};

static void *wait_for_go(void *joined)
{
    struct joined *j = joined;
    j->tid = own_tid();
    sem_post(&j->started);
    while (sem_wait(&j->go) != 0)
        ;
    return (void *)42;
}

static void post(void *sem)
{
    sem_post(sem);
}

TEST(pthread_join, HANGS)
{
    struct joined j = {.tid = 0};
    pthread_t thread;
    void *result = NULL;
    sem_init(&j.started, 0, 0);
    sem_init(&j.go, 0, 0);
    NEED(t, pthread_create(&thread, NULL, wait_for_go, &j) == 0);
    sem_wait(&j.started);
    release_by(t, post, &j.go);
    expect(t, ST_LOCK, "~thread %d", (int)j.tid);
    CALLED(t, call(thread, &result));
    digest_number(t, (long long)(intptr_t)result);
}

static void take(void *sem)
{
    sem_wait(sem);
}

TEST(sem_wait, HANGS)
{
    sem_t sem;
    sem_init(&sem, 0, 1);
    pid_t holder = hold_until(t, take, post, &sem);
    expect(t, ST_LOCK, "~held by thread %d", (int)holder);
    CALLED(t, call(&sem));
}

TEST(sem_timedwait, HANGS)
{
    sem_t sem;
    struct timespec until;
    sem_init(&sem, 0, 0);
    release_by(t, post, &sem);
    in_ms(&until, CLOCK_REALTIME, FAR_MS);
    CALLED(t, call(&sem, &until));
}

TEST(sem_clockwait, HANGS)
{
    sem_t sem;
    struct timespec until;
    sem_init(&sem, 0, 0);
    release_by(t, post, &sem);
    in_ms(&until, CLOCK_MONOTONIC, FAR_MS);
    CALLED(t, call(&sem, CLOCK_MONOTONIC, &until));
}
