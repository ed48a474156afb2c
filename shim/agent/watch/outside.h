/* Where a thread is that may not be interrupted, as far as its memory and the kernel tell. */
#ifndef STALLTRACE_AGENT_OUTSIDE_H
#define STALLTRACE_AGENT_OUTSIDE_H

#include "agent/agent.h"
#include "agent/base/kernel.h"

enum { ST_OUTSIDE_STACK = 128 * 1024 };

/* A thread's stack and Python frames, read from outside. */
struct st_outside {
    uint32_t len;
    int py_len;
    struct st_py_task task;
    struct st_py_raw py[ST_PY_MAX];
    uint8_t bytes[ST_OUTSIDE_STACK];
};

/* Of a thread that sleeps, or slept while this read. Its stack is where `sleep` says; nothing is
 * read where the kernel does not tell. */
void st_outside_asleep(const struct st_slot *s, const struct st_sleep *sleep,
                       struct st_outside *out);
/* Of a thread that runs: those of its Python frames that are in progress and did not change in
 * between two reads, the outermost ones. The stack is not read. */
void st_outside_running(const struct st_slot *s, struct st_outside *out);

#endif
