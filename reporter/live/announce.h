/* The live lines of `run`: a finding when it is new, a stall that goes on and on, its end. */
#ifndef STALLTRACE_ANNOUNCE_H
#define STALLTRACE_ANNOUNCE_H

#include "model/model.h"

struct announcer;

/* Writes a line to stderr for what `model` is told of from now on. */
struct announcer *announcer_new(struct model *model);
/* Ends that. NULL is allowed. */
void announcer_free(struct announcer *announcer);
/* Milliseconds until announcer_tick has something to say of the stalls that have not ended; -1:
 * none of them. */
int announcer_timeout(const struct announcer *announcer);
/* Tells of the stalls that are still going on and have become worth another line. */
void announcer_tick(struct announcer *announcer);

#endif
