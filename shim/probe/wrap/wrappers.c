/* What calls.def expands to: the table, the pointers to libc's functions with the stubs that
 * resolve them, and the wrappers of the plain rows. Wrappers that need more are in body_*.c and
 * support.c. */
#include "real.h"

#include <stdint.h>

/* ---- stubs: the first call of each function resolves it
 * ----------------------------------------*/

static long missing(void)
{
    errno = ENOSYS;
    return -1;
}

static void resolve(const struct st_call *c)
{
    void *p = st_resolve(c->symbol, c->version);
    if (!p && c->version) /* this libc has only one, under another version */
        p = st_resolve(c->symbol, NULL);
    if (!p)
        p = (void *)(uintptr_t)missing; /* this libc lacks it: nobody could have linked to it */
    /* relaxed: an aligned pointer; whoever sees the old value resolves again, to the same */
    __atomic_store_n(c->real, p, __ATOMIC_RELAXED);
}

void *st_resolve_row(enum st_call_id id)
{
    resolve(&st_calls[id]);
    return *st_calls[id].real;
}

void st_resolve_all(void)
{
    for (int id = 0; id < ST_CALL_COUNT; id++)
        if (st_calls[id].class != ST_CLASS_SLOTS) /* an alias is the other row's */
            resolve(&st_calls[id]);
}

/* Called by st_lazy with the address of the pointer that it came through. */
__attribute__((used)) void st_resolve_pointer(void **real)
{
    bool bare = st_is_bare();
    int error = bare ? 0 : errno;
    for (int id = 0; id < ST_CALL_COUNT; id++)
        if (st_calls[id].real == real) {
            resolve(&st_calls[id]);
            break;
        }
    if (!bare)
        errno = error;
}

/* Resolves, and goes on to the function with all that it was given: every register that can carry
 * an argument, whether or not the function is variadic. */
ST_LAZY_COMMON

#define CALL(symbol, name, version, class, rule, result, parameters, ...)                          \
    ST_LAZY(symbol, result, parameters)                                                            \
    result(*real_##symbol) parameters = lazy_##symbol;
#define BODY     CALL
#define VARIADIC CALL
#define NUMBER(...)
#define ALIAS(symbol, of)
#include "probe/calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

/* ---- the table ---- */

const struct st_call st_calls[ST_CALL_COUNT] = {
#define CALL(symbol, name, version, class, rule, ...)                                              \
    {#symbol, name, version, ST_##class, ST_RULE_##rule, (void **)&real_##symbol},
#define BODY     CALL
#define VARIADIC CALL
#define NUMBER(symbol, class, rule)                                                                \
    {"syscall", #symbol, NULL, ST_##class, ST_RULE_##rule, (void **)&real_syscall},
#define ALIAS(symbol, of) {#symbol, #of, NULL, ST_CLASS_SLOTS, ST_RULE_NONE, (void **)&real_##of},
#define OLD(symbol, of, name, version, class, rule, ...)                                           \
    {#of, name, version, ST_##class, ST_RULE_##rule, (void **)&real_##symbol},
#define OLDBODY OLD
#include "probe/calls.def"
#undef OLD
#undef OLDBODY
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
        struct st_slot *slot = st_self;                                                            \
        uint32_t seq = st_enter(slot, ST_CALL_##symbol, a0, a1, a2);                               \
        if (!seq)                                                                                  \
            return real_##symbol arguments;                                                        \
        result r = real_##symbol arguments;                                                        \
        st_leave(slot, seq, ST_##class);                                                           \
        return r;                                                                                  \
    }                                                                                              \
    ASK_LOOP(symbol, result, parameters, arguments)
#define VOIDCALL(symbol, name, version, class, rule, result, parameters, arguments, a0, a1, a2)    \
    ON_LOOP(symbol, void, parameters)                                                              \
    {                                                                                              \
        ST_PERSONALITY();                                                                          \
        struct st_slot *slot = st_self;                                                            \
        uint32_t seq = st_enter(slot, ST_CALL_##symbol, a0, a1, a2);                               \
        real_##symbol arguments;                                                                   \
        if (seq)                                                                                   \
            st_leave(slot, seq, ST_##class);                                                       \
    }                                                                                              \
    WRAPPER(symbol, void, parameters)                                                              \
    {                                                                                              \
        if (ST_LIKELY(!st_self))                                                                   \
            real_##symbol arguments;                                                               \
        else                                                                                       \
            loop_##symbol arguments;                                                               \
    }
#define BODY(...)
#define VARIADIC(...)
#define NUMBER(...)
#define ALIAS(symbol, of)
#include "probe/calls.def"
#undef CALL
#undef VOIDCALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

/* ---- the other names of the wrappers, whichever file they are in ---- */

#define CALL(...)
#define BODY(...)
#define VARIADIC(...)
#define NUMBER(...)
#define ALIAS(symbol, of) ST_OTHER_NAME(symbol, of)
#include "probe/calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS

/* ---- older versions ---------------------------------------------------------------------------*/

#define CALL(...)
#define BODY(...)
#define VARIADIC(...)
#define NUMBER(...)
#define ALIAS(symbol, of)
#define OLD(symbol, of, name, version, ...) OLD_VERSION(symbol, #of "@" version);
#define OLDBODY(...)
#include "probe/calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS
#undef OLD
#undef OLDBODY
