/* What calls.def expands to: the table, the pointers to libc's functions with the stubs that
 * resolve them, and the wrappers of the plain rows. Wrappers that need more are in body_*.c and
 * support.c. */
#include "real.h"

#include <stdarg.h>
#include <stdint.h>

/* ---- stubs: the first call of each function resolves it ---- */

static long missing(void)
{
    errno = ENOSYS;
    return -1;
}

void *st_resolve_row(enum st_call_id id)
{
    const struct st_call *c = &st_calls[id];
    void *p = st_resolve(c->symbol, c->version);
    if (!p)
        p = (void *)(uintptr_t)missing; /* this libc lacks it: nobody could have linked to it */
    /* relaxed: an aligned pointer; whoever sees the old value resolves again, to the same */
    __atomic_store_n(c->real, p, __ATOMIC_RELAXED);
    return p;
}

#define CALL(symbol, name, version, class, rule, result, parameters, arguments, ...)               \
    static result lazy_##symbol parameters                                                         \
    {                                                                                              \
        st_resolve_row(ST_CALL_##symbol);                                                          \
        return real_##symbol arguments;                                                            \
    }                                                                                              \
    result(*real_##symbol) parameters = lazy_##symbol;
#define BODY CALL
#define VARIADIC(symbol, name, version, class, rule, result, parameters, arguments)
#define NUMBER(...)
#define ALIAS(symbol, of)
#include "calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

static int lazy_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    long mode = va_arg(rest, long); /* a register that may hold anything, passed on as it is */
    va_end(rest);
    st_resolve_row(ST_CALL_open);
    return real_open(path, flags, mode);
}
int (*real_open)(const char *path, int flags, ...) = lazy_open;

static int lazy_openat(int dir, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    long mode = va_arg(rest, long);
    va_end(rest);
    st_resolve_row(ST_CALL_openat);
    return real_openat(dir, path, flags, mode);
}
int (*real_openat)(int dir, const char *path, int flags, ...) = lazy_openat;

static long lazy_syscall(long number, ...)
{
    va_list rest;
    va_start(rest, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    st_resolve_row(ST_CALL_syscall);
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
long (*real_syscall)(long number, ...) = lazy_syscall;

static int lazy_prctl(int option, ...)
{
    va_list rest;
    va_start(rest, option);
    long a[4];
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    st_resolve_row(ST_CALL_prctl);
    return real_prctl(option, a[0], a[1], a[2], a[3]);
}
int (*real_prctl)(int option, ...) = lazy_prctl;

/* Never called: their wrappers call the variant that takes an array. */
int (*real_execl)(const char *path, const char *first, ...);
int (*real_execlp)(const char *file, const char *first, ...);
int (*real_execle)(const char *path, const char *first, ...);

/* ---- the table ---- */

const struct st_call st_calls[ST_CALL_COUNT] = {
#define CALL(symbol, name, version, class, rule, ...)                                              \
    {#symbol, name, version, ST_##class, ST_RULE_##rule, (void **)&real_##symbol},
#define BODY     CALL
#define VARIADIC CALL
#define NUMBER(symbol, class, rule)                                                                \
    {"syscall", #symbol, NULL, ST_##class, ST_RULE_##rule, (void **)&real_syscall},
#define ALIAS(symbol, of) {#symbol, #of, NULL, ST_CLASS_SLOTS, ST_RULE_NONE, (void **)&real_##of},
#include "calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS
};

/* ---- the plain wrappers ---- */

#define CALL(symbol, name, version, class, rule, result, parameters, arguments, a0, a1, a2)        \
    ON_LOOP(symbol, result, parameters)                                                            \
    {                                                                                              \
        ST_PERSONALITY();                                                                          \
        struct st_slot *s = st_self;                                                               \
        uint32_t seq = st_enter(s, ST_CALL_##symbol, a0, a1, a2);                                  \
        if (!seq)                                                                                  \
            return real_##symbol arguments;                                                        \
        result r = real_##symbol arguments;                                                        \
        st_leave(s, seq, ST_##class);                                                              \
        return r;                                                                                  \
    }                                                                                              \
    WRAPPER(symbol, result, parameters)                                                            \
    {                                                                                              \
        if (ST_LIKELY(!st_self))                                                                   \
            return real_##symbol arguments;                                                        \
        return loop_##symbol arguments;                                                            \
    }
#define BODY(...)
#define VARIADIC(...)
#define NUMBER(...)
#define ALIAS(symbol, of)
#include "calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

/* ---- the other names of the wrappers, whichever file they are in ---- */

/* A jump, since an alias must stand in the file of what it names. The linker's -Bsymbolic-functions
 * makes it a direct one. */
#define CALL(...)
#define BODY(...)
#define VARIADIC(...)
#define NUMBER(...)
#define ALIAS(symbol, of)                                                                          \
    __asm__(".text\n\t.globl " #symbol "\n\t.type " #symbol ", @function\n" #symbol                \
            ":\t.cfi_startproc\n\tjmp " #of "\n\t.cfi_endproc\n\t.size " #symbol ", .-" #symbol);
#include "calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS
