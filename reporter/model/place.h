/* What makes two stalls the same finding: the place in the user's code. A call, the library
 * function through which it was reached, and the line; of an iteration the function. */
#ifndef STALLTRACE_PLACE_H
#define STALLTRACE_PLACE_H

#include "stacks/stackview.h"

/* Identifies the place of a stall. `call` is NULL for an iteration. */
uint64_t place_key(const struct stack_view *view, enum stall_kind kind, const char *call);
/* Where the lines are an interpreter's that has no names for them, one place may be any number of
 * them: what is known of the wait tells some apart. Either may be NULL. */
uint64_t place_key_of_wait(const struct stack_view *view, uint64_t place, const char *class_name,
                           const char *wait_kind);

/* The line to blame is where the function begins and not the call's own (code that V8 or the JVM
 * has compiled): the place is the function, with all of its lines. */
bool place_is_function(const struct stack_view *view);
/* The same key for all lines of the culprit's function. */
uint64_t place_function_key(const struct stack_view *view, enum stall_kind kind, const char *call);

#endif
