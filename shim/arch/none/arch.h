/* No processor: compiles everywhere, and nothing works. See ../arch.h. */
#ifndef STALLTRACE_ARCH_NONE_H
#define STALLTRACE_ARCH_NONE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ST_FP, ST_SP, ST_PC, ST_REGS };

#define ST_COUNTER_NAME  ""
#define ST_PERSONALITY() ((void)0)

static inline void st_save_registers(uint64_t *regs)
{
    for (int i = 0; i < ST_REGS; i++)
        regs[i] = 0;
}

static inline uint64_t st_counter(void)
{
    return 0;
}

static inline bool st_counter_is_steady(void)
{
    return false;
}

static inline long st_raw6(long n, long a, long b, long c, long d, long e, long f)
{
    (void)n, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return -ENOSYS;
}

static inline void st_pause(void)
{
}

static inline void *st_thread_block(void)
{
    return NULL;
}

static inline uint64_t st_pthread_self(void)
{
    return 0;
}

static inline void st_copy_bytes(void *to, const void *from, size_t n)
{
    volatile char *out = to;
    for (size_t i = 0; i < n; i++)
        out[i] = ((const volatile char *)from)[i];
}

/* The number is lost. */
static inline uintptr_t st_pack(const void *p, unsigned n)
{
    (void)n;
    return (uintptr_t)p;
}

static inline const void *st_packed_pointer(uint64_t word)
{
    return (const void *)(uintptr_t)word;
}

static inline int st_packed_number(uint64_t word)
{
    (void)word;
    return 0;
}

static inline uint64_t st_ask_valgrind(const volatile uint64_t request[6], uint64_t answer)
{
    (void)request;
    return answer;
}

#endif
