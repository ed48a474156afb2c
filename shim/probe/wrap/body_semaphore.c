/* Wrappers of semaphores, and who holds them. A semaphore does not know who took it, and Python's
 * locks are semaphores; so the probe keeps, on all threads, who took which one last and has not
 * posted it since. */
#include "real.h"

enum { INDEX_BITS = 12, HOLDERS = 1 << INDEX_BITS };

/* One for each semaphore, or rather for each hash of an address: what is older gives way. The
 * pthread_t is a multiple of 64 below 2^47; the bits around it are a tag of the address. Without a
 * pthread_t: a semaphore that a thread has posted which had not taken it, so that it is a signal
 * and nobody's lock. */
static _Atomic uint64_t holders[HOLDERS];

static const uint64_t holder_mask = 0x7fffffffffc0;

static inline uint64_t hash_of(const void *sem)
{
    return ((uint64_t)(uintptr_t)sem >> 4) * 0x9e3779b97f4a7c15;
}

static inline _Atomic uint64_t *holder_of(uint64_t hash)
{
    return &holders[hash >> (64 - INDEX_BITS)];
}

static inline uint64_t tag_of(uint64_t hash)
{
    return (hash << 16 | hash >> 48) & ~holder_mask; /* other bits than the index */
}

static inline uint64_t own_pthread(void)
{
    return st_pthread_self() & holder_mask;
}

static inline void taken(const void *sem)
{
    uint64_t hash = hash_of(sem), tag = tag_of(hash);
    _Atomic uint64_t *holder = holder_of(hash);
    if (atomic_load_explicit(holder, memory_order_relaxed) != tag)
        atomic_store_explicit(holder, tag | own_pthread(), memory_order_relaxed);
}

static inline void posted(const void *sem)
{
    uint64_t hash = hash_of(sem), tag = tag_of(hash);
    _Atomic uint64_t *holder = holder_of(hash);
    bool own = atomic_load_explicit(holder, memory_order_relaxed) == (tag | own_pthread());
    atomic_store_explicit(holder, own ? 0 : tag, memory_order_relaxed);
}

/* Another thread's pthread_t, or 0. */
static inline uint64_t held_by(const void *sem)
{
    uint64_t hash = hash_of(sem);
    uint64_t now = atomic_load_explicit(holder_of(hash), memory_order_relaxed);
    uint64_t holder = now & holder_mask;
    return (now & ~holder_mask) == tag_of(hash) && holder != own_pthread() ? holder : 0;
}

WRAPPER(sem_init, int, (sem_t * sem, int shared, unsigned value))
{
    int r = real_sem_init(sem, shared, value);
    uint64_t hash = hash_of(sem);
    if ((atomic_load_explicit(holder_of(hash), memory_order_relaxed) & ~holder_mask) ==
        tag_of(hash))
        atomic_store_explicit(holder_of(hash), 0, memory_order_relaxed);
    return r;
}

WRAPPER(sem_trywait, int, (sem_t * sem))
{
    int r = real_sem_trywait(sem);
    if (r == 0)
        taken(sem);
    return r;
}

/* Before the call: after it, the semaphore may be taken by the next, or gone. */
WRAPPER(sem_post, int, (sem_t * sem))
{
    posted(sem);
    return real_sem_post(sem);
}

/* Not tried first, unlike a mutex: sem_wait acts on a pending cancellation even where it need not
 * wait, and sem_trywait does not. Whether it was 0 is kept for strict mode. */
#define SEMAPHORE(symbol, parameters, arguments, deadline)                                         \
    ON_LOOP(symbol, int, parameters)                                                               \
    {                                                                                              \
        ST_PERSONALITY();                                                                          \
        struct st_slot *s = st_self;                                                               \
        /* glibc ≥ 2.21: the value is the low half of the first word */                          \
        bool zero = __atomic_load_n((const unsigned *)sem, __ATOMIC_RELAXED) == 0;                 \
        uint32_t seq =                                                                             \
            st_enter(s, ST_CALL_##symbol, (uintptr_t)sem, held_by(sem) | zero, deadline);          \
        int r = real_##symbol arguments;                                                           \
        if (r == 0)                                                                                \
            taken(sem);                                                                            \
        if (seq)                                                                                   \
            st_leave(s, seq, ST_LOCK);                                                             \
        return r;                                                                                  \
    }                                                                                              \
    WRAPPER(symbol, int, parameters)                                                               \
    {                                                                                              \
        if (ST_UNLIKELY(st_self != NULL))                                                          \
            return loop_##symbol arguments;                                                        \
        int r = real_##symbol arguments;                                                           \
        if (r == 0)                                                                                \
            taken(sem);                                                                            \
        return r;                                                                                  \
    }

SEMAPHORE(sem_wait, (sem_t * sem), (sem), 0)
SEMAPHORE(sem_timedwait, (sem_t * sem, const struct timespec *until), (sem, until),
          st_pack(until, CLOCK_REALTIME))
SEMAPHORE(sem_clockwait, (sem_t * sem, clockid_t clock, const struct timespec *until),
          (sem, clock, until), st_pack(until, (unsigned)clock))
