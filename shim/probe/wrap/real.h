/* Pointers to libc's own functions, one for each row of calls.def, and what wrappers are made of.
 * Each pointer starts out at a stub that resolves it, so a wrapper never has to ask whether it has
 * been. */
#ifndef STALLTRACE_REAL_H
#define STALLTRACE_REAL_H

#include <aio.h>
#include <aliases.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <ifaddrs.h>
#include <link.h>
#include <mntent.h>
#include <mqueue.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <pwd.h>
#include <rpc/netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <shadow.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <termios.h>
#include <threads.h>
#include <ucontext.h>
#include <unistd.h>
#include <utime.h>
#include <utmp.h>
#include <utmpx.h>
#include <wchar.h>
#include <wordexp.h>

#include "arch/stubs.h"
#include "probe/probe.h"
#include "stream.h"

struct __res_state; /* resolv.h defines macros with everybody's names (STATUS, p_type) */

#define CALL(symbol, name, version, class, rule, result, parameters, ...)                          \
    extern result(*real_##symbol) parameters;
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

/* Finds what each pointer is to point to, at once. */
void st_resolve_all(void);

/* A wrapper is a C function of another name than the one it is linked under: no clash with the
 * declarations in libc's headers. */
#define WRAPPER(symbol, result, parameters)                                                        \
    ST_EXPORT result wrap_##symbol parameters __asm__(#symbol);                                    \
    result wrap_##symbol parameters

/* A wrapper of this file that is exported as name@VERSION instead of under its own name. */
#define OLD_VERSION(symbol, exported) __asm__(".symver " #symbol ", " exported ", remove")

/* The part of a wrapper that runs on loop threads alone, out of line so that the other path needs
 * no stack frame. */
#define ON_LOOP(symbol, result, parameters)                                                        \
    static __attribute__((noinline)) result loop_##symbol parameters

/* The wrapper of a function whose loop_##symbol does all the rest. */
#define ASK_LOOP(symbol, result, parameters, arguments)                                            \
    WRAPPER(symbol, result, parameters)                                                            \
    {                                                                                              \
        if (ST_LIKELY(!st_self))                                                                   \
            return real_##symbol arguments;                                                        \
        return loop_##symbol arguments;                                                            \
    }

/* A wrapper that, off the loop threads, passes on all that it was given without looking at it (see
 * ST_PASS_ON); on a loop thread it is the function that follows. */
#define VARIADIC_ON_LOOP(symbol, result, parameters)                                               \
    ST_PASS_ON(symbol)                                                                             \
    result pass_##symbol parameters;                                                               \
    __attribute__((used, noinline)) result pass_##symbol parameters

/* A call of a wrapper on a loop thread; `call` is the statement that makes it. */
#define TIMED(symbol, class, a0, a1, a2, call)                                                     \
    do {                                                                                           \
        ST_PERSONALITY();                                                                          \
        struct st_slot *slot_ = st_self;                                                           \
        uint32_t seq_ =                                                                            \
            st_enter(slot_, ST_CALL_##symbol, (uintptr_t)(a0), (uintptr_t)(a1), (uintptr_t)(a2));  \
        call;                                                                                      \
        if (seq_)                                                                                  \
            st_leave(slot_, seq_, class);                                                          \
    } while (0)

/* Reading or writing no bytes at all returns at once. */
#define ST_FOR_NOTHING(n) W((n) ? 0 : MSG_DONTWAIT)

/* Are there entries left in the buffer of a directory? */
static inline bool st_has_entries(const DIR *dir)
{
    /* glibc's struct __dirstream, the same since 2.0 but for the lock's size */
    const struct {
        int fd, lock;
        size_t allocation, size, offset;
    } *d = (const void *)dir;
    return d->offset < d->size;
}

/* Of a wrapper that calls another function in place of its own: the agent wants its address, too.
 */
static inline void st_want_address(enum st_call_id id)
{
    uintptr_t p = (uintptr_t)*st_calls[id].real;
    if (ST_UNLIKELY(p - st_shared.probe_lo < st_shared.probe_hi - st_shared.probe_lo))
        st_resolve_row(id);
}

static inline uintptr_t st_barrier_waits(const pthread_barrier_t *barrier)
{
    /* glibc ≥ 2.24: { in, current_round, count, … }; the last to come in does not wait */
    const unsigned *b = (const unsigned *)barrier;
    unsigned in = __atomic_load_n(&b[0], __ATOMIC_RELAXED);
    unsigned round = __atomic_load_n(&b[1], __ATOMIC_RELAXED);
    return b[2] > 1 && (in + 1 - round) % b[2] != 0;
}

#endif
