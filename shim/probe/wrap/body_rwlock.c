/* Wrappers of read-write locks, timed locks, C11's locks, and of what waits for another thread only
 * at certain moments. Locks are tried first, as in body_lock.c. */
#include "real.h"

/* ---- trying first -----------------------------------------------------------------------------*/

/* The functions that try are nobody's rows: a pointer each, filled at the first use. */
#define TRY(function, type)                                                                        \
    static int try_##function(type *lock)                                                          \
    {                                                                                              \
        static int (*real)(type *);                                                                \
        if (ST_UNLIKELY(!real))                                                                    \
            real = (int (*)(type *))st_resolve("pthread_" #function, NULL);                        \
        return real ? real(lock) : EBUSY;                                                          \
    }
TRY(mutex_trylock, pthread_mutex_t)
TRY(rwlock_tryrdlock, pthread_rwlock_t)
TRY(rwlock_trywrlock, pthread_rwlock_t)
TRY(spin_trylock, pthread_spinlock_t)

/* Some of libc's timed locks refuse a bad time even where the lock is free: let them say so. */
static bool good_time(clockid_t clock, const struct timespec *t)
{
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && t->tv_nsec >= 0 &&
           t->tv_nsec < 1000000000;
}

/* A lock that was had by trying is no call at all. `done`: what trying says that the real function
 * would have said as well; anything else ("held", a protocol's refusal) it is left to say. */
#define LOCK(symbol, parameters, arguments, trial, done, had, a0, a1, deadline)                    \
    ON_LOOP(symbol, int, parameters)                                                               \
    {                                                                                              \
        int r = (trial);                                                                           \
        if (done)                                                                                  \
            return had;                                                                            \
        TIMED(symbol, ST_LOCK, a0, a1, deadline, r = real_##symbol arguments);                     \
        return r;                                                                                  \
    }                                                                                              \
    ASK_LOOP(symbol, int, parameters, arguments)

#define GOT_MUTEX (r == 0 || r == EOWNERDEAD || r == ENOTRECOVERABLE)
LOCK(pthread_mutex_timedlock, (pthread_mutex_t * mutex, const struct timespec *until),
     (mutex, until), good_time(CLOCK_REALTIME, until) ? try_mutex_trylock(mutex) : EBUSY, GOT_MUTEX,
     r, mutex, mutex->__data.__owner, st_pack(until, CLOCK_REALTIME))
LOCK(pthread_mutex_clocklock,
     (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until),
     (mutex, clock, until), good_time(clock, until) ? try_mutex_trylock(mutex) : EBUSY, GOT_MUTEX,
     r, mutex, mutex->__data.__owner, st_pack(until, (unsigned)clock))

#define RWLOCK(symbol, parameters, arguments, trial, deadline)                                     \
    LOCK(symbol, parameters, arguments, trial, r == 0, 0, lock, lock->__data.__cur_writer, deadline)
RWLOCK(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock), try_rwlock_tryrdlock(lock), 0)
RWLOCK(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock), try_rwlock_trywrlock(lock), 0)
RWLOCK(pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const struct timespec *until),
       (lock, until), good_time(CLOCK_REALTIME, until) ? try_rwlock_tryrdlock(lock) : EBUSY,
       st_pack(until, CLOCK_REALTIME))
RWLOCK(pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const struct timespec *until),
       (lock, until), good_time(CLOCK_REALTIME, until) ? try_rwlock_trywrlock(lock) : EBUSY,
       st_pack(until, CLOCK_REALTIME))
RWLOCK(pthread_rwlock_clockrdlock,
       (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
       (lock, clock, until), good_time(clock, until) ? try_rwlock_tryrdlock(lock) : EBUSY,
       st_pack(until, (unsigned)clock))
RWLOCK(pthread_rwlock_clockwrlock,
       (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
       (lock, clock, until), good_time(clock, until) ? try_rwlock_trywrlock(lock) : EBUSY,
       st_pack(until, (unsigned)clock))

LOCK(pthread_spin_lock, (pthread_spinlock_t * lock), (lock), try_spin_trylock(lock), r == 0, 0,
     lock, 0, 0)

/* glibc's mtx_t is a pthread_mutex_t, and its functions are pthread's with other result codes. */
#define MTX(mutex) ((pthread_mutex_t *)(mutex))
LOCK(mtx_lock, (mtx_t * mutex), (mutex), try_mutex_trylock(MTX(mutex)), r == 0, thrd_success, mutex,
     MTX(mutex)->__data.__owner, 0)
LOCK(mtx_timedlock, (mtx_t * mutex, const struct timespec *until), (mutex, until),
     good_time(CLOCK_REALTIME, until) ? try_mutex_trylock(MTX(mutex)) : EBUSY, r == 0, thrd_success,
     mutex, MTX(mutex)->__data.__owner, st_pack(until, CLOCK_REALTIME))

/* ---- waiting at certain moments only ----------------------------------------------------------*/

#define SOMETIMES(symbol, result, parameters, arguments, waits, assign, give, a0, a1)              \
    ON_LOOP(symbol, result, parameters)                                                            \
    {                                                                                              \
        assign TIMED(symbol, ST_LOCK, a0, a1, 0, give real_##symbol arguments);                    \
        return r;                                                                                  \
    }                                                                                              \
    WRAPPER(symbol, result, parameters)                                                            \
    {                                                                                              \
        if (ST_LIKELY(!st_self) || ST_LIKELY(!(waits)))                                            \
            return real_##symbol arguments;                                                        \
        return loop_##symbol arguments;                                                            \
    }

/* The routine that runs here is not ours to time: what it calls is. Only waiting for another
 * thread's is. glibc: bit 0 while it runs, bit 1 once it has. */
static bool being_done(const void *once)
{
    return (__atomic_load_n((const int *)once, __ATOMIC_RELAXED) & 3) == 1;
}

SOMETIMES(pthread_once, int, (pthread_once_t * once, void (*routine)(void)), (once, routine),
          being_done(once), int r;
          , r =, once, 0)
/* glibc ≥ 2.25: waiters count in steps of 8 */
SOMETIMES(pthread_cond_destroy, int, (pthread_cond_t * cond), (cond),
          __atomic_load_n(&cond->__data.__wrefs, __ATOMIC_RELAXED) >> 3 != 0, int r;
          , r =, cond, 0)

ON_LOOP(call_once, void, (once_flag * once, void (*routine)(void)))
{
    TIMED(call_once, ST_LOCK, once, 0, 0, real_call_once(once, routine));
}

WRAPPER(call_once, void, (once_flag * once, void (*routine)(void)))
{
    if (ST_LIKELY(!st_self) || ST_LIKELY(!being_done(once)))
        real_call_once(once, routine);
    else
        loop_call_once(once, routine);
}

ON_LOOP(flockfile, void, (FILE * stream))
{
    TIMED(flockfile, ST_LOCK, stream, 0, 0, real_flockfile(stream));
}

WRAPPER(flockfile, void, (FILE * stream))
{
    if (ST_LIKELY(!st_self) || ST_LIKELY(!st_stream_locked(stream)))
        real_flockfile(stream);
    else
        loop_flockfile(stream);
}
