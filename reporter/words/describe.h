/* One line about a finding, and durations for people: shared by live lines, summary, `check` and
 * the text report. */
#ifndef STALLTRACE_DESCRIBE_H
#define STALLTRACE_DESCRIBE_H

#include "model/model.h"
#include "util/quantities.h"

/* Lines, each with `prefix` before it and a newline at its end: */
/* - what is over the budget, where there is one; */
void describe_budget(struct strbuf *out, const struct model *model,
                     const struct model_totals *totals, const char *prefix);
/* - how much blocked before the processes served: one line, or nothing; part of the next; */
void describe_startup(struct strbuf *out, const struct model_totals *totals, const char *prefix);
/* - what the processes had to say, and what would have made the recording better. */
void describe_remarks(struct strbuf *out, const struct model *model, const char *prefix);
/* `312 ms  clock_nanosleep (300 ms)  at /srv/app.py:4 in blocker`. */
void describe_finding(struct strbuf *out, const struct finding *finding);
/* `time.sleep → clock_nanosleep (300 ms)`. */
void describe_cause(struct strbuf *out, const char *call, const char *detail,
                    const struct stack_view *view);
/* What a call waited for: `for 300 ms`, `for a lock held by thread 7`, `without a timeout`. */
void describe_wait(struct strbuf *out, const char *detail);
/* `120 small blocking calls`, `a long iteration`: what kept the loop. */
void describe_iteration(struct strbuf *out, const struct profile *profile);
/* A function's name; a long one without the arguments of templates: `boost::f<…>::g`. */
void describe_function(struct strbuf *out, const char *name);
/* `time.sleep → clock_nanosleep in charge, server.py`: no line, time or address, which would not
 * stay true. */
void describe_place(struct strbuf *out, const struct finding *finding);
/* What a baseline says of a finding: `  NEW`; nothing where there is none. */
void describe_baseline_state(struct strbuf *out, const struct model *model,
                             const struct finding *finding);
/* `/srv/app.py:4 in blocker`, `redis-server+0x4f21`. */
void describe_frame(struct strbuf *out, const struct frame *frame);

#endif
