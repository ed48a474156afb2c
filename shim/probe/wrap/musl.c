/* Two symbols by which musl's loader takes this library for a libc. It drops a libc that it is told
 * to load, so that a program of musl's runs unharmed under a preload that was meant for glibc;
 * without them it looks for our own libc.so.6, cannot use it, and ends the program. They have a
 * version of their own: nothing that was linked against glibc finds them. */
#include "probe/probe.h"
#include "stream.h"

#include <dlfcn.h>

int st_musl_start(int (*entry)(int, char **, char **), int argc, char **argv, void (*init)(void),
                  void (*fini)(void), void (*loader_fini)(void), void *stack_end);

/* A look-up by name without a version can still end here: it gets what glibc would have given. */
ST_EXPORT FILE *st_musl_stdin;

ST_EXPORT int st_musl_start(int (*entry)(int, char **, char **), int argc, char **argv,
                            void (*init)(void), void (*fini)(void), void (*loader_fini)(void),
                            void *stack_end)
{
    __typeof__(&st_musl_start) real =
        (__typeof__(&st_musl_start))st_resolve("__libc_start_main", NULL);
    return real(entry, argc, argv, init, fini, loader_fini, stack_end);
}

/* An executable may have a copy of libc's variable, which is then the one that counts. */
FILE *st_stdin(void)
{
    static FILE **_Atomic found;
    FILE **p = atomic_load_explicit(&found, memory_order_relaxed);
    if (ST_UNLIKELY(!p)) {
        p = dlvsym(RTLD_DEFAULT, "stdin", "GLIBC_2.2.5");
        atomic_store_explicit(&found, p, memory_order_relaxed);
    }
    return *p;
}

__attribute__((constructor)) static void look_like_a_libc(void)
{
    st_musl_stdin = st_stdin();
}

__asm__(".symver st_musl_stdin, stdin@@@STALLTRACE_MUSL");
__asm__(".symver st_musl_start, __libc_start_main@@@STALLTRACE_MUSL");
