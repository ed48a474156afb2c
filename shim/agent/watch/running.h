/* Whether a loop runs; see running.c. */
#ifndef STALLTRACE_RUNNING_H
#define STALLTRACE_RUNNING_H

#include "contract/slot.h"

#include <stdbool.h>

struct st_module;
struct st_stack;

/* Where a loop's thread was at a look. */
struct st_where {
    const struct st_stack *stack;
    const struct st_py_raw *py;
    int py_len; /* below 0: they could not be read */
    uint64_t sp;
    uint64_t t0;                /* when what it does there began */
    const struct st_call *call; /* that it was in; NULL: none */
    const uint64_t *args;       /* of it */
};

/* Did the loop of that slot run there? False: what the thread does there blocks no loop, and the
 * iteration that it is in is left out of the figures. */
bool st_runs(uint32_t index, uint32_t generation, const struct st_where *where);
/* Python ends, and the loop that waited below its frames with it: the iteration that began at `t0`
 * and goes on is none. Told where the stack cannot (greenlets, no native frames). */
bool st_interpreter_ends(uint32_t index, uint64_t t0);
/* The loop has stopped at that moment (in ticks), or before: written once a loop. */
void st_note_stopped(uint32_t index, uint32_t generation, uint64_t ticks);
/* The stack of a loop at its home wait, as its thread has copied it. */
void st_take_home(const struct st_capture *c);
/* A module that is seen for the first time. */
void st_running_learn(struct st_module *m, const char *path);
void st_running_reset(void);

#endif
