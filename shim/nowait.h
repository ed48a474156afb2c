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

#endif
