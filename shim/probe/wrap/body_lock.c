/* Wrappers of the waits for other threads. A lock is tried first: one that is free costs nothing
 * more and is never a finding, so whatever reaches st_enter could have blocked. */
#include "real.h"

static int (*real_trylock)(pthread_mutex_t *);

static int try_mutex(pthread_mutex_t *mutex)
{
    if (ST_UNLIKELY(!real_trylock)) {
        real_trylock = (int (*)(pthread_mutex_t *))st_resolve("pthread_mutex_trylock", NULL);
        if (!real_trylock)
            return EBUSY;
    }
    return real_trylock(mutex);
}

/* Apart, so that a lock that is free needs no stack frame of this size. */
static __attribute__((noinline)) int held_mutex(pthread_mutex_t *mutex)
{
    ST_PERSONALITY();
    struct st_slot *s = st_self;
    uint32_t seq = st_enter(s, ST_CALL_pthread_mutex_lock, (uintptr_t)mutex,
                            (uintptr_t)mutex->__data.__owner, 0);
    int r = real_pthread_mutex_lock(mutex);
    if (seq)
        st_leave(s, seq, ST_LOCK);
    return r;
}

ON_LOOP(pthread_mutex_lock, int, (pthread_mutex_t * mutex))
{
    /* Nobody can take it between this look and the call. */
    if (st_single_threaded && *st_single_threaded && !mutex->__data.__lock)
        return real_pthread_mutex_lock(mutex);
    /* Anything but "held" is what lock itself would have said, too: success, a dead owner. Not so
     * with protocols (a priority ceiling may be refused): let lock speak. */
    int r = try_mutex(mutex);
    if (r == 0 || r == EOWNERDEAD || r == ENOTRECOVERABLE)
        return r;
    return held_mutex(mutex);
}

WRAPPER(pthread_mutex_lock, int, (pthread_mutex_t * mutex))
{
    if (ST_LIKELY(!st_self))
        return real_pthread_mutex_lock(mutex);
    return loop_pthread_mutex_lock(mutex);
}

#define COND(symbol, parameters, arguments, deadline)                                              \
    ON_LOOP(symbol, int, parameters)                                                               \
    {                                                                                              \
        ST_PERSONALITY();                                                                          \
        struct st_slot *s = st_self;                                                               \
        bool rests = st_rest_begin(s);                                                             \
        uint32_t seq = st_enter(s, ST_CALL_##symbol, (uintptr_t)cond, (uintptr_t)mutex, deadline); \
        int r = real_##symbol arguments;                                                           \
        if (seq)                                                                                   \
            st_leave(s, seq, ST_LOCK);                                                             \
        st_rest_end(s, rests);                                                                     \
        return r;                                                                                  \
    }                                                                                              \
    ASK_LOOP(symbol, int, parameters, arguments)

/* glibc ≥ 2.25: one of the flags beside the count of waiters */
static unsigned clock_of(const pthread_cond_t *cond)
{
    return cond->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

COND(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex), 0)
COND(pthread_cond_timedwait,
     (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until),
     (cond, mutex, until), st_pack(until, clock_of(cond)))
COND(pthread_cond_clockwait,
     (pthread_cond_t * cond, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
     (cond, mutex, clock, until), st_pack(until, (unsigned)clock))

COND(cnd_wait, (cnd_t * cond, mtx_t *mutex), (cond, mutex), 0)
COND(cnd_timedwait, (cnd_t * cond, mtx_t *mutex, const struct timespec *until),
     (cond, mutex, until), st_pack(until, CLOCK_REALTIME))
