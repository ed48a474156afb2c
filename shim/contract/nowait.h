/* Calls that were told not to wait. One that takes long all the same was computing in the kernel,
 * or its thread was not run: no blocking call, however late the loop is for it. The iteration has
 * the time. */
#ifndef STALLTRACE_NOWAIT_H
#define STALLTRACE_NOWAIT_H

#include <sys/socket.h>
#include <sys/wait.h>

#include "slot.h"

/* `what` is that of the call. False where it cannot be told, and for files: O_NONBLOCK does not
 * keep a disk from being slow. */
static inline bool st_told_not_to_wait(const struct st_call *call, const uint64_t *args,
                                       const struct st_what *what)
{
    bool known = what->kind == ST_WHAT_SOCKET || what->kind == ST_WHAT_LINK;
    bool nonblocking = known && !what->blocking && what->class != ST_FILE;
    switch ((enum st_rule)call->rule) {
    case ST_RULE_FD:
        return nonblocking || (what->class == ST_NET && args[1] & MSG_DONTWAIT);
    case ST_RULE_CONNECT:
    case ST_RULE_MQ:
        return nonblocking;
    case ST_RULE_WAIT:
    case ST_RULE_SELECT:
    case ST_RULE_POLL:
        return (int)args[0] == 0;
    case ST_RULE_CHILD:
        return args[1] & WNOHANG;
    default:
        return false;
    }
}

/* A runtime's own log of what it compiles, for whoever samples it: nothing that the program asked
 * for. /tmp/perf-123.map (V8 and others), isolate-0x55d0-123-v8.log (V8). */
static inline bool st_is_code_log(const struct st_what *what)
{
    static const char perf[] = "/perf-", map[] = ".map", isolate[] = "/isolate-0x",
                      v8[] = "-v8.log";
    const char *text = what->bytes, *name = NULL;
    size_t n = what->len < sizeof(what->bytes) ? what->len : sizeof(what->bytes);
    if (what->kind != ST_WHAT_LINK && what->kind != ST_WHAT_TEXT)
        return false;
    while (n > 0 && !text[n - 1])
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '/')
            name = text + i;
    if (!name)
        return false;
    size_t left = (size_t)(text + n - name);
    return (left > sizeof(perf) + sizeof(map) && !__builtin_memcmp(name, perf, sizeof(perf) - 1) &&
            !__builtin_memcmp(text + n - (sizeof(map) - 1), map, sizeof(map) - 1)) ||
           (left > sizeof(isolate) + sizeof(v8) &&
            !__builtin_memcmp(name, isolate, sizeof(isolate) - 1) &&
            !__builtin_memcmp(text + n - (sizeof(v8) - 1), v8, sizeof(v8) - 1));
}

#endif
