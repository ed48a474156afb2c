/* Wrappers of what makes processes. From fork and its like the child returns, too: without a slot
 * (it runs no loop), and without having to touch the one that was its parent's. posix_spawn, popen
 * and system come back in the parent alone; vfork and clone are not wrapped at all, since their
 * child would return through the wrapper's frame before the parent does. */
#include "real.h"

#define FORKS(symbol, parameters, arguments, a0)                                                   \
    ON_LOOP(symbol, int, parameters)                                                               \
    {                                                                                              \
        ST_PERSONALITY();                                                                          \
        struct st_slot *s = st_self;                                                               \
        uint32_t seq = st_enter(s, ST_CALL_##symbol, (uintptr_t)(a0), 0, 0);                       \
        int r = real_##symbol arguments;                                                           \
        if (seq && st_self == s) {                                                                 \
            st_leave(s, seq, ST_PROCESS);                                                          \
            st_want_agent();                                                                       \
        }                                                                                          \
        return r;                                                                                  \
    }                                                                                              \
    ASK_LOOP(symbol, int, parameters, arguments)

FORKS(fork, (void), (), 0)
FORKS(forkpty,
      (int *master, char *name, const struct termios *settings, const struct winsize *size),
      (master, name, settings, size), 0)
FORKS(daemon, (int keep_dir, int keep_files), (keep_dir, keep_files), 0)
FORKS(wordexp, (const char *words, wordexp_t *result, int flags), (words, result, flags), words)
