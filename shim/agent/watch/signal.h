/* A signal to a thread, whose handler copies what it interrupted (probe/record/sample.c): only
 * where that can do no harm. */
#ifndef STALLTRACE_AGENT_SIGNAL_H
#define STALLTRACE_AGENT_SIGNAL_H

#include "contract/slot.h"

/* Sends it to the thread of the slot, in the iteration that began at `t0`, unless it is in a call.
 * NULL: it is under way. Else why no signal may be sent, in words for a report; empty: the thread
 * is in a call by now, or another is being sampled, and it can be tried again. */
const char *st_signal_send(struct st_slot *s, uint64_t t0);
/* To be called now and then, and before the agent ends: takes the signal back when its handler has
 * run, or when it has been waited for long enough. */
void st_signal_settle(bool at_once);
/* Forgets a parent's. */
void st_signal_reset(void);

#endif
