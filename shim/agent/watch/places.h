/* Places: what of a stack tells where it was, however it was reached. A trace that is nearly full
 * still takes the first stack of a new place, and no further ones of a known one. */
#ifndef STALLTRACE_PLACES_H
#define STALLTRACE_PLACES_H

#include "agent/agent.h"

struct st_place {
    uint64_t key;    /* 0: free */
    uint32_t stack;  /* the first one's number in the trace; 0: none has been written */
    uint32_t stacks; /* written */
    bool told;       /* a stall of it has been */
};

/* The place of a stack; one that is not known yet has `stack` 0. */
struct st_place *st_place_of(const struct st_call *call, const struct st_stack *stack,
                             const struct st_py_raw *py, int py_len);
void st_places_reset(void);

#endif
