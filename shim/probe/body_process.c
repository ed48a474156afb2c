/* Wrappers of what makes processes. From fork and its like the child returns, too: without a slot
 * (it runs no loop), and without having to touch the one that was its parent's. posix_spawn, popen
 * and system come back in the parent alone; vfork and clone are not wrapped at all, since their
 * child would return through the wrapper's frame before the parent does. */
#include "real.h"

/* fork has stopped the agent. The next call takes the slow path, and may bring it back: the parent
 * is likely to wait for its child next. What after_fork_in_parent (host.c) does where the thread is
 * not inside a call. */
static void ST_COLD want_agent(struct st_slot *s)
{
    if (atomic_load(&st_agent_wanted) && !(atomic_load_explicit(&s->seq, memory_order_relaxed) & 1))
        atomic_fetch_or(&s->seq, ST_SEQ_SERVICE);
}

#define FORKS(symbol, parameters, arguments, a0)                                                   \
    ON_LOOP(symbol, int, parameters)                                                               \
    {                                                                                              \
        ST_PERSONALITY();                                                                          \
        struct st_slot *s = st_self;                                                               \
        uint32_t seq = st_enter(s, ST_CALL_##symbol, (uintptr_t)(a0), 0, 0);                       \
        int r = real_##symbol arguments;                                                           \
        if (seq && st_self == s) {                                                                 \
            st_leave(s, seq, ST_PROCESS);                                                          \
            want_agent(s);                                                                         \
        }                                                                                          \
        return r;                                                                                  \
    }                                                                                              \
    WRAPPER(symbol, int, parameters)                                                               \
    {                                                                                              \
        if (ST_LIKELY(!st_self))                                                                   \
            return real_##symbol arguments;                                                        \
        return loop_##symbol arguments;                                                            \
    }

FORKS(fork, (void), (), 0)
FORKS(forkpty,
      (int *master, char *name, const struct termios *settings, const struct winsize *size),
      (master, name, settings, size), 0)
FORKS(daemon, (int keep_dir, int keep_files), (keep_dir, keep_files), 0)
FORKS(wordexp, (const char *words, wordexp_t *result, int flags), (words, result, flags), words)
