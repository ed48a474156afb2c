/* Short stalls that come again and again on the same path (strict mode, thresholds near 0): after
 * the first few, their thread counts them here and copies nothing, so that a storm of one does not
 * leave another without a buffer. */
#ifndef STALLTRACE_REPEAT_H
#define STALLTRACE_REPEAT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { ST_REPEATS = 4096, ST_REPEAT_TRIES = 8 };

struct st_repeat {
    _Atomic uint64_t key;     /* 0: free; never freed */
    _Atomic uint32_t copied;  /* how many were copied */
    _Atomic uint32_t counter; /* the agent's, plus 1, once it has taken one of those */
    _Atomic uint64_t count;   /* of those that were not: how many, */
    _Atomic uint64_t ticks;   /* for how long in all, */
    _Atomic uint64_t longest; /* and the longest; the agent takes them */
};

/* The entry of a key, a new one where there is none; NULL: there is no room. Thread-safe. */
static inline struct st_repeat *st_repeat_of(struct st_repeat *table, uint64_t key)
{
    for (unsigned i = 0; i < ST_REPEAT_TRIES; i++) {
        struct st_repeat *r = &table[(key + i) % ST_REPEATS];
        uint64_t there = atomic_load_explicit(&r->key, memory_order_relaxed);
        if (there == 0)
            atomic_compare_exchange_strong(&r->key, &there, key);
        if (there == 0 || there == key)
            return r;
    }
    return NULL;
}

#endif
