/* Cases: waiting for other threads. */
#include "cases.h"

#include <pthread.h>
#include <semaphore.h>
#include <threads.h>

/* ---- locks: `held` is another thread's until this one waits for it, `kept` for ever
 * ------------*/

static pthread_mutex_t free_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t free_lock = PTHREAD_RWLOCK_INITIALIZER;
static mtx_t free_mtx;

/* Each case has its own. */
static struct locks {
    pthread_mutex_t held, kept;
    pthread_rwlock_t held_lock, kept_lock;
    pthread_spinlock_t spin;
    mtx_t held_mtx, kept_mtx;
    sem_t taken, until;
} * locks;

static void *hold(void *of_case)
{
    struct locks *l = of_case;
    pthread_mutex_lock(&l->held);
    pthread_mutex_lock(&l->kept);
    pthread_rwlock_wrlock(&l->held_lock);
    pthread_rwlock_wrlock(&l->kept_lock);
    pthread_spin_lock(&l->spin);
    mtx_lock(&l->held_mtx);
    mtx_lock(&l->kept_mtx);
    sem_post(&l->taken);
    sem_wait(&l->until);
    pthread_mutex_unlock(&l->held);
    pthread_rwlock_unlock(&l->held_lock);
    pthread_spin_unlock(&l->spin);
    mtx_unlock(&l->held_mtx);
    pause(); /* a thread that ends would leave its mutexes to nobody */
    return NULL;
}

static void let_go(void *until)
{
    sem_post(until);
}

static struct locks *make_holder(void)
{
    struct locks *l = calloc(1, sizeof(*l));
    pthread_t thread;
    MUST(l);
    pthread_mutex_init(&l->held, NULL);
    pthread_mutex_init(&l->kept, NULL);
    pthread_rwlock_init(&l->held_lock, NULL);
    pthread_rwlock_init(&l->kept_lock, NULL);
    pthread_spin_init(&l->spin, 0);
    mtx_init(&l->held_mtx, mtx_timed);
    mtx_init(&l->kept_mtx, mtx_timed);
    sem_init(&l->taken, 0, 0);
    sem_init(&l->until, 0, 0);
    mtx_init(&free_mtx, mtx_timed);
    MUST(pthread_create(&thread, NULL, hold, l) == 0);
    sem_wait(&l->taken);
    return l;
}

#define LOCKS(call, situation, helper, ...)                                                        \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        struct timespec later = after(CLOCK_REALTIME, 600);                                        \
        locks = make_holder();                                                                     \
        (void)later;                                                                               \
        helper;                                                                                    \
        NOW(__VA_ARGS__);                                                                          \
    }
#define RELEASED      when_asleep(let_go, &locks->until)
#define RELEASED_SPIN when_spinning(let_go, &locks->until)
#define AS_IT_IS      (void)0
LOCKS(pthread_mutex_lock, held, RELEASED, pthread_mutex_lock(&locks->held))
LOCKS(pthread_mutex_lock, free, AS_IT_IS,
      (pthread_mutex_lock(&free_mutex), pthread_mutex_unlock(&free_mutex)))
LOCKS(pthread_mutex_trylock, held, AS_IT_IS, pthread_mutex_trylock(&locks->held))
LOCKS(pthread_mutex_timedlock, held, RELEASED, pthread_mutex_timedlock(&locks->held, &later))
LOCKS(pthread_mutex_timedlock, free, AS_IT_IS,
      (pthread_mutex_timedlock(&free_mutex, &later), pthread_mutex_unlock(&free_mutex)))
LOCKS(pthread_mutex_timedlock, until_the_past, AS_IT_IS,
      pthread_mutex_timedlock(&locks->kept, &long_ago))
LOCKS(pthread_mutex_clocklock, until_the_past, AS_IT_IS,
      pthread_mutex_clocklock(&locks->kept, CLOCK_MONOTONIC, &none))
LOCKS(pthread_mutex_clocklock, held, RELEASED,
      pthread_mutex_clocklock(&locks->held, CLOCK_REALTIME, &later))
LOCKS(pthread_rwlock_rdlock, held, RELEASED, pthread_rwlock_rdlock(&locks->held_lock))
LOCKS(pthread_rwlock_rdlock, free, AS_IT_IS,
      (pthread_rwlock_rdlock(&free_lock), pthread_rwlock_unlock(&free_lock)))
LOCKS(pthread_rwlock_wrlock, held, RELEASED, pthread_rwlock_wrlock(&locks->held_lock))
LOCKS(pthread_rwlock_timedwrlock, until_the_past, AS_IT_IS,
      pthread_rwlock_timedwrlock(&locks->kept_lock, &long_ago))
LOCKS(pthread_rwlock_clockrdlock, until_the_past, AS_IT_IS,
      pthread_rwlock_clockrdlock(&locks->kept_lock, CLOCK_MONOTONIC, &none))
LOCKS(pthread_spin_lock, held, RELEASED_SPIN, pthread_spin_lock(&locks->spin))
LOCKS(mtx_lock, held, RELEASED, mtx_lock(&locks->held_mtx))
LOCKS(mtx_lock, free, AS_IT_IS, (mtx_lock(&free_mtx), mtx_unlock(&free_mtx)))
LOCKS(mtx_timedlock, until_the_past, AS_IT_IS, mtx_timedlock(&locks->kept_mtx, &long_ago))

CASE(pthread_spin_lock, free)
{
    pthread_spinlock_t own;
    pthread_spin_init(&own, 0);
    NOW(pthread_spin_lock(&own));
}

#define OWN_MUTEX(situation, type, result)                                                         \
    CASE(pthread_mutex_lock, situation)                                                            \
    {                                                                                              \
        pthread_mutex_t mutex;                                                                     \
        pthread_mutexattr_t kind;                                                                  \
        int r;                                                                                     \
        pthread_mutexattr_init(&kind);                                                             \
        pthread_mutexattr_settype(&kind, type);                                                    \
        pthread_mutex_init(&mutex, &kind);                                                         \
        pthread_mutex_lock(&mutex);                                                                \
        NOW(r = pthread_mutex_lock(&mutex));                                                       \
        MUST(r == result);                                                                         \
    }
OWN_MUTEX(recursive, PTHREAD_MUTEX_RECURSIVE, 0)
/* Refused, and not waited for. */
OWN_MUTEX(own, PTHREAD_MUTEX_ERRORCHECK, EDEADLK)

/* ---- semaphores -------------------------------------------------------------------------------*/

static sem_t semaphore;

static void post(void *unused)
{
    (void)unused;
    sem_post(&semaphore);
}

#define SEMAPHORES(call, situation, value, helper, ...)                                            \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        struct timespec later = after(CLOCK_REALTIME, 600);                                        \
        (void)later;                                                                               \
        sem_init(&semaphore, 0, value);                                                            \
        helper;                                                                                    \
        NOW(__VA_ARGS__);                                                                          \
    }
#define POSTED when_asleep(post, NULL)
SEMAPHORES(sem_wait, zero, 0, POSTED, sem_wait(&semaphore))
SEMAPHORES(sem_wait, one, 1, AS_IT_IS, sem_wait(&semaphore))
SEMAPHORES(sem_trywait, zero, 0, AS_IT_IS, sem_trywait(&semaphore))
SEMAPHORES(sem_timedwait, zero, 0, POSTED, sem_timedwait(&semaphore, &later))
SEMAPHORES(sem_timedwait, one, 1, AS_IT_IS, sem_timedwait(&semaphore, &later))
SEMAPHORES(sem_timedwait, until_the_past, 0, AS_IT_IS, sem_timedwait(&semaphore, &long_ago))
SEMAPHORES(sem_clockwait, until_the_past, 0, AS_IT_IS,
           sem_clockwait(&semaphore, CLOCK_MONOTONIC, &none))

/* ---- conditions -------------------------------------------------------------------------------*/

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static cnd_t simple;

static void wake(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&cond);
    cnd_broadcast(&simple);
    pthread_mutex_unlock(&mutex);
}

#define CONDITIONS(call, situation, helper, ...)                                                   \
    CASE(call, situation)                                                                          \
    {                                                                                              \
        struct timespec later = after(CLOCK_REALTIME, 600);                                        \
        (void)later;                                                                               \
        cnd_init(&simple);                                                                         \
        pthread_mutex_lock(&mutex);                                                                \
        helper;                                                                                    \
        NOW(__VA_ARGS__);                                                                          \
        pthread_mutex_unlock(&mutex);                                                              \
    }
#define WOKEN when_asleep(wake, NULL)
CONDITIONS(pthread_cond_wait, signalled, WOKEN, pthread_cond_wait(&cond, &mutex))
CONDITIONS(pthread_cond_timedwait, signalled, WOKEN, pthread_cond_timedwait(&cond, &mutex, &later))
CONDITIONS(pthread_cond_timedwait, until_the_past, AS_IT_IS,
           pthread_cond_timedwait(&cond, &mutex, &long_ago))
CONDITIONS(pthread_cond_clockwait, until_the_past, AS_IT_IS,
           pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &none))
CONDITIONS(cnd_timedwait, until_the_past, AS_IT_IS,
           cnd_timedwait(&simple, (mtx_t *)&mutex, &long_ago))

/* Its clock is the condition's own: a second of it was over long ago, or is still to come. */
static struct timespec monotonic_past(void)
{
    pthread_condattr_t of_clock;
    pthread_condattr_init(&of_clock);
    pthread_condattr_setclock(&of_clock, CLOCK_MONOTONIC);
    pthread_cond_init(&cond, &of_clock);
    return after(CLOCK_MONOTONIC, -1);
}

CASE(pthread_cond_timedwait, until_the_monotonic_past)
{
    struct timespec past = monotonic_past();
    pthread_mutex_lock(&mutex);
    NOW(pthread_cond_timedwait(&cond, &mutex, &past));
    pthread_mutex_unlock(&mutex);
    pthread_cond_init(&cond, NULL);
}

/* ---- all that is left -------------------------------------------------------------------------*/

static pthread_barrier_t barrier;

static void *meet(void *unused)
{
    pthread_barrier_wait(&barrier);
    return unused;
}

static void meet_there(void *unused)
{
    meet(unused);
}

CASE(pthread_barrier_wait, first)
{
    pthread_barrier_init(&barrier, NULL, 2);
    when_asleep(meet_there, NULL);
    NOW(pthread_barrier_wait(&barrier));
}

CASE(pthread_barrier_wait, last)
{
    pthread_barrier_init(&barrier, NULL, 2);
    start_sleeper(meet, NULL);
    NOW(pthread_barrier_wait(&barrier));
}

static pthread_once_t being_done;
static sem_t finish;

static void slow(void)
{
    sem_wait(&finish);
}

static void *do_once(void *unused)
{
    pthread_once(&being_done, slow);
    return unused;
}

CASE(pthread_once, being_done)
{
    being_done = PTHREAD_ONCE_INIT;
    sem_init(&finish, 0, 0);
    start_sleeper(do_once, NULL);
    when_asleep(let_go, &finish);
    NOW(pthread_once(&being_done, slow));
}

static void nothing(void)
{
}

CASE(pthread_once, first)
{
    pthread_once_t once = PTHREAD_ONCE_INIT;
    NOW(pthread_once(&once, nothing));
}

static void *wait_for_finish(void *unused)
{
    sem_wait(&finish);
    return unused;
}

static pthread_t running(void)
{
    pthread_t thread;
    sem_init(&finish, 0, 0);
    MUST(pthread_create(&thread, NULL, wait_for_finish, NULL) == 0);
    return thread;
}

CASE(pthread_join, running)
{
    pthread_t thread = running();
    when_asleep(let_go, &finish);
    NOW(pthread_join(thread, NULL));
}

CASE(pthread_timedjoin_np, until_the_past)
{
    pthread_t thread = running();
    NOW(pthread_timedjoin_np(thread, NULL, &long_ago));
    let_go(&finish);
    pthread_join(thread, NULL);
}

CASE(pthread_clockjoin_np, until_the_past)
{
    pthread_t thread = running();
    NOW(pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &none));
    let_go(&finish);
    pthread_join(thread, NULL);
}

CASE(flockfile, free)
{
    NOW(flockfile(stderr));
    funlockfile(stderr);
}

CASE(flockfile, own)
{
    flockfile(stderr);
    NOW(flockfile(stderr));
    funlockfile(stderr);
    funlockfile(stderr);
}

static void *lock_stream(void *unused)
{
    flockfile(stderr);
    sem_wait(&finish);
    funlockfile(stderr);
    return unused;
}

CASE(flockfile, held)
{
    sem_init(&finish, 0, 0);
    start_sleeper(lock_stream, NULL);
    when_asleep(let_go, &finish);
    NOW(flockfile(stderr));
    funlockfile(stderr);
}
