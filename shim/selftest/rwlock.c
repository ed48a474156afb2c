/* Bodies: read-write locks, timed locks, C11's threads, and waits for threads that are rare. */
#include "selftest.h"

enum { FAR_MS = 600000 };

/* ---- locks that somebody holds ----------------------------------------------------------------*/

static void hold_mutex(void *mutex)
{
    pthread_mutex_lock(mutex);
}

static void free_mutex(void *mutex)
{
    pthread_mutex_unlock(mutex);
}

static void hold_rwlock(void *lock)
{
    pthread_rwlock_wrlock(lock);
}

static void free_rwlock(void *lock)
{
    pthread_rwlock_unlock(lock);
}

#define HELD(symbol, type, initial, hold, release, clock_id, ...)                                  \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        type lock = initial;                                                                       \
        struct timespec until;                                                                     \
        pid_t holder = hold_until(t, hold, release, &lock);                                        \
        in_ms(&until, clock_id, FAR_MS);                                                           \
        expect(t, ST_LOCK, "~held by thread %d", (int)holder);                                     \
        CALLED(t, call(__VA_ARGS__));                                                              \
        release(&lock);                                                                            \
    }
#define MUTEX(symbol, clock_id, ...)                                                               \
    HELD(symbol, pthread_mutex_t, PTHREAD_MUTEX_INITIALIZER, hold_mutex, free_mutex, clock_id,     \
         __VA_ARGS__)
#define RWLOCK(symbol, clock_id, ...)                                                              \
    HELD(symbol, pthread_rwlock_t, PTHREAD_RWLOCK_INITIALIZER, hold_rwlock, free_rwlock, clock_id, \
         __VA_ARGS__)
MUTEX(pthread_mutex_timedlock, CLOCK_REALTIME, &lock, &until)
MUTEX(pthread_mutex_clocklock, CLOCK_MONOTONIC, &lock, CLOCK_MONOTONIC, &until)
RWLOCK(pthread_rwlock_rdlock, CLOCK_REALTIME, &lock)
RWLOCK(pthread_rwlock_wrlock, CLOCK_REALTIME, &lock)
RWLOCK(pthread_rwlock_timedrdlock, CLOCK_REALTIME, &lock, &until)
RWLOCK(pthread_rwlock_timedwrlock, CLOCK_REALTIME, &lock, &until)
RWLOCK(pthread_rwlock_clockrdlock, CLOCK_MONOTONIC, &lock, CLOCK_MONOTONIC, &until)
RWLOCK(pthread_rwlock_clockwrlock, CLOCK_MONOTONIC, &lock, CLOCK_MONOTONIC, &until)

static void hold_mtx(void *mutex)
{
    mtx_lock(mutex);
}

static void free_mtx(void *mutex)
{
    mtx_unlock(mutex);
}

#define MTX(symbol, how, ...)                                                                      \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        mtx_t lock;                                                                                \
        struct timespec until;                                                                     \
        mtx_init(&lock, how);                                                                      \
        pid_t holder = hold_until(t, hold_mtx, free_mtx, &lock);                                   \
        in_ms(&until, CLOCK_REALTIME, FAR_MS);                                                     \
        expect(t, ST_LOCK, "~held by thread %d", (int)holder);                                     \
        CALLED(t, call(__VA_ARGS__));                                                              \
        mtx_unlock(&lock);                                                                         \
    }
MTX(mtx_lock, mtx_plain, &lock)
MTX(mtx_timedlock, mtx_timed, &lock, &until)

static void hold_stream(void *stream)
{
    flockfile(stream);
}

static void free_stream(void *stream)
{
    funlockfile(stream);
}

TEST(flockfile, HANGS)
{
    FILE *f = fopen("/dev/null", "r");
    hold_until(t, hold_stream, free_stream, f);
    CALLED_VOID(t, call(f));
    funlockfile(f);
    fclose(f);
}

/* Waiting for it burns time rather than passing it. A lock that nobody holds is no call at all. */
static void let_spin_go(void *lock)
{
    usleep(WAIT_MS * 1000);
    pthread_spin_unlock(lock);
}

static void *spin_holder(void *lock)
{
    let_spin_go(lock);
    return NULL;
}

TEST(pthread_spin_lock, TIMED)
{
    pthread_spinlock_t lock;
    pthread_t thread;
    pthread_spin_init(&lock, 0);
    pthread_spin_lock(&lock);
    NEED(t, pthread_create(&thread, NULL, spin_holder, (void *)(uintptr_t)&lock) == 0);
    CALLED(t, call(&lock));
    pthread_join(thread, NULL);
    pthread_spin_unlock(&lock);
}

/* ---- conditions and barriers ------------------------------------------------------------------*/

struct condition {
    mtx_t mutex;
    cnd_t cond;
};

static void signal_condition(void *condition)
{
    struct condition *c = condition;
    mtx_lock(&c->mutex);
    cnd_signal(&c->cond);
    mtx_unlock(&c->mutex);
}

#define CND(symbol, ...)                                                                           \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        struct condition c;                                                                        \
        struct timespec until;                                                                     \
        mtx_init(&c.mutex, mtx_plain);                                                             \
        cnd_init(&c.cond);                                                                         \
        mtx_lock(&c.mutex);                                                                        \
        release_by(t, signal_condition, &c);                                                       \
        in_ms(&until, CLOCK_REALTIME, FAR_MS);                                                     \
        CALLED(t, call(__VA_ARGS__));                                                              \
        mtx_unlock(&c.mutex);                                                                      \
    }
CND(cnd_wait, &c.cond, &c.mutex)
CND(cnd_timedwait, &c.cond, &c.mutex, &until)

static void come_too(void *barrier)
{
    pthread_barrier_wait(barrier);
}

TEST(pthread_barrier_wait, HANGS)
{
    static pthread_barrier_t barrier;
    NEED(t, pthread_barrier_init(&barrier, NULL, 2) == 0);
    release_by(t, come_too, &barrier);
    CALLED(t, call(&barrier));
}

/* A waiter that has been woken, but has not left yet: the mutex keeps it in. */
struct leaving {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    _Atomic bool waiting;
};

static void *wait_and_leave(void *argument)
{
    struct leaving *l = argument;
    pthread_mutex_lock(&l->mutex);
    l->waiting = true;
    pthread_cond_wait(&l->cond, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static void wake_all(void *argument)
{
    struct leaving *l = argument;
    pthread_cond_broadcast(&l->cond);
}

TEST(pthread_cond_destroy, HANGS)
{
    static struct leaving l;
    pthread_t thread;
    l = (struct leaving){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    NEED(t, pthread_create(&thread, NULL, wait_and_leave, &l) == 0);
    while (!l.waiting)
        sched_yield();
    pthread_mutex_lock(&l.mutex); /* it waits: it let go of the mutex */
    pthread_mutex_unlock(&l.mutex);
    release_by(t, wake_all, &l);
    CALLED(t, call(&l.cond));
    pthread_join(thread, NULL);
}

/* ---- once: while another thread is at it ------------------------------------------------------*/

static int go[2];
static _Atomic bool at_it;

static void slow_routine(void)
{
    char byte;
    at_it = true;
    if (read(go[0], &byte, 1) < 0)
        abort();
}

static void *first_once(void *once)
{
    pthread_once(once, slow_routine);
    return NULL;
}

static void *first_call_once(void *once)
{
    call_once(once, slow_routine);
    return NULL;
}

static pthread_t begin_once(struct trial *t, void *(*first)(void *), void *once)
{
    pthread_t thread;
    make_pipe(t, go);
    at_it = false;
    if (pthread_create(&thread, NULL, first, once) != 0)
        fail(t, "no thread");
    while (!at_it)
        sched_yield();
    write_later(t, go[1], "x");
    return thread;
}

TEST(pthread_once, HANGS)
{
    pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_t thread = begin_once(t, first_once, &once);
    CALLED(t, call(&once, slow_routine));
    pthread_join(thread, NULL);
}

TEST(call_once, HANGS)
{
    once_flag once = ONCE_FLAG_INIT;
    pthread_t thread = begin_once(t, first_call_once, &once);
    CALLED_VOID(t, call(&once, slow_routine));
    pthread_join(thread, NULL);
}

/* ---- ends of threads --------------------------------------------------------------------------*/

static void *until_told(void *fd)
{
    char byte;
    return read(*(int *)fd, &byte, 1) < 0 ? fd : NULL;
}

#define JOIN(symbol, clock_id, ...)                                                                \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        static int fds[2];                                                                         \
        struct timespec until;                                                                     \
        pthread_t thread;                                                                          \
        make_pipe(t, fds);                                                                         \
        NEED(t, pthread_create(&thread, NULL, until_told, &fds[0]) == 0);                          \
        write_later(t, fds[1], "x");                                                               \
        in_ms(&until, clock_id, FAR_MS);                                                           \
        CALLED(t, call(thread, __VA_ARGS__));                                                      \
    }
JOIN(pthread_timedjoin_np, CLOCK_REALTIME, NULL, &until)
JOIN(pthread_clockjoin_np, CLOCK_MONOTONIC, NULL, CLOCK_MONOTONIC, &until)

static int thrd_until_told(void *fd)
{
    return until_told(fd) != NULL;
}

TEST(thrd_join, HANGS)
{
    static int fds[2];
    thrd_t thread;
    int result = -1;
    make_pipe(t, fds);
    NEED(t, thrd_create(&thread, thrd_until_told, &fds[0]) == thrd_success);
    write_later(t, fds[1], "x");
    CALLED(t, call(thread, &result));
    digest_number(t, result);
}

/* ---- the rest ---------------------------------------------------------------------------------*/

TEST(lckpwdf, QUICK)
{
    CALLED(t, call());
    ulckpwdf();
}

static int count_objects(struct dl_phdr_info *info, size_t size, void *count)
{
    (void)info, (void)size;
    *(int *)count = 1;
    return 0;
}

TEST(dl_iterate_phdr, SUPPORT)
{
    int seen = 0;
    CALLED(t, call(count_objects, &seen));
    digest_number(t, seen);
}
