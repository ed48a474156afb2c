/* The allocator of the agent and of libunwind. The agent is loaded with RTLD_DEEPBIND, so that
 * these come before the program's: that one may hold its lock while its thread hangs, or use
 * descriptors that the agent does not share. libunwind asks for a few objects once; nothing is ever
 * given back. */
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

enum { ARENA = 512 * 1024, HEADER = 16 };

static alignas(16) unsigned char arena[ARENA];
static _Atomic size_t used;

EXPORT void *malloc(size_t n)
{
    if (n > ARENA - HEADER)
        return NULL;
    size_t all = HEADER + ((n + 15) & ~(size_t)15);
    size_t at = atomic_fetch_add(&used, all);
    if (at + all > ARENA)
        return NULL;
    memcpy(arena + at, &n, sizeof(n)); /* for realloc */
    return arena + at + HEADER;
}

EXPORT void *calloc(size_t n, size_t size)
{
    if (size && n > ARENA / size)
        return NULL;
    return malloc(n * size); /* fresh memory is zero */
}

EXPORT void *realloc(void *old, size_t n)
{
    size_t had = 0;
    void *p = malloc(n);
    if (old)
        memcpy(&had, (unsigned char *)old - HEADER, sizeof(had));
    if (p && had)
        memcpy(p, old, had < n ? had : n);
    return p;
}

EXPORT void free(void *p)
{
    (void)p;
}
