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
__asm__(".text\n\t.p2align 4\n\t.type st_lazy, @function\nst_lazy:\n\t"
        ".cfi_startproc\n\t"
        "pushq %rbp\n\t.cfi_def_cfa_offset 16\n\t.cfi_offset %rbp, -16\n\t"
        "movq %rsp, %rbp\n\t.cfi_def_cfa_register %rbp\n\t"
        "subq $192, %rsp\n\tandq $-16, %rsp\n\t"
        "movq %rdi, (%rsp)\n\tmovq %rsi, 8(%rsp)\n\tmovq %rdx, 16(%rsp)\n\t"
        "movq %rcx, 24(%rsp)\n\tmovq %r8, 32(%rsp)\n\tmovq %r9, 40(%rsp)\n\t"
        "movq %rax, 48(%rsp)\n\tmovq %r11, 56(%rsp)\n\t"
        "movaps %xmm0, 64(%rsp)\n\tmovaps %xmm1, 80(%rsp)\n\tmovaps %xmm2, 96(%rsp)\n\t"
        "movaps %xmm3, 112(%rsp)\n\tmovaps %xmm4, 128(%rsp)\n\tmovaps %xmm5, 144(%rsp)\n\t"
        "movaps %xmm6, 160(%rsp)\n\tmovaps %xmm7, 176(%rsp)\n\t"
        "movq %r11, %rdi\n\tcall st_resolve_pointer\n\t"
        "movq (%rsp), %rdi\n\tmovq 8(%rsp), %rsi\n\tmovq 16(%rsp), %rdx\n\t"
        "movq 24(%rsp), %rcx\n\tmovq 32(%rsp), %r8\n\tmovq 40(%rsp), %r9\n\t"
        "movq 48(%rsp), %rax\n\tmovq 56(%rsp), %r11\n\t"
        "movaps 64(%rsp), %xmm0\n\tmovaps 80(%rsp), %xmm1\n\tmovaps 96(%rsp), %xmm2\n\t"
        "movaps 112(%rsp), %xmm3\n\tmovaps 128(%rsp), %xmm4\n\tmovaps 144(%rsp), %xmm5\n\t"
        "movaps 160(%rsp), %xmm6\n\tmovaps 176(%rsp), %xmm7\n\t"
        "leave\n\t.cfi_def_cfa %rsp, 8\n\tjmp *(%r11)\n\t"
        ".cfi_endproc\n\t.size st_lazy, .-st_lazy");

#define CALL(symbol, name, version, class, rule, result, parameters, ...)                          \
    __asm__(".text\n\t.type lazy_" #symbol ", @function\nlazy_" #symbol                            \
            ":\n\t.cfi_startproc\n\tleaq real_" #symbol "(%rip), %r11\n\tjmp st_lazy\n\t"          \
            ".cfi_endproc\n\t.size lazy_" #symbol ", .-lazy_" #symbol);                            \
    result lazy_##symbol parameters;                                                               \
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

/* A jump, since an alias must stand in the file of what it names. The linker's -Bsymbolic-functions
 * makes it a direct one. */
#define CALL(...)
#define BODY(...)
#define VARIADIC(...)
#define NUMBER(...)
#define ALIAS(symbol, of)                                                                          \
    __asm__(".text\n\t.globl " #symbol "\n\t.type " #symbol ", @function\n" #symbol                \
            ":\t.cfi_startproc\n\tjmp " #of "\n\t.cfi_endproc\n\t.size " #symbol ", .-" #symbol);
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
