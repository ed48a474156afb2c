/* The asyncio tasks that a finding's stalls were in, counted. */
#ifndef STALLTRACE_TASKS_H
#define STALLTRACE_TASKS_H

#include <stddef.h>
#include <stdint.h>

#include "util/util.h"

enum { TASKS_KEPT = 16 };

struct task_count {
    const char *name;      /* NULL: several that asyncio numbered (Task-7), of one coroutine */
    const char *coroutine; /* qualified name, or NULL */
    uint64_t count;        /* stalls; of an iteration: samples */
};

/* Zero-initialised is none. The names stay the caller's. */
struct tasks {
    struct task_count kept[TASKS_KEPT];
    size_t count;
    uint64_t others; /* stalls in tasks beyond those kept */
};

/* A name of NULL counts nothing. */
void tasks_add(struct tasks *tasks, const char *name, const char *coroutine, uint64_t count);
void tasks_merge(struct tasks *into, const struct tasks *from);
/* Most stalls first. */
void tasks_sort(struct tasks *tasks);
/* "task NAME (coroutine X), …"; nothing where there are none. `counted`: and how often each. */
void tasks_describe(struct strbuf *out, const struct tasks *tasks, bool counted);

#endif
