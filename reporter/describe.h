/* One line about a finding, and durations for people: shared by live lines, summary, `check` and
 * the text report. */
#ifndef STALLTRACE_DESCRIBE_H
#define STALLTRACE_DESCRIBE_H

#include "model.h"

/* `850 µs`, `12.3 ms`, `312 ms`, `1.25 s`, `2 min 5 s`. */
void describe_duration(struct strbuf *out, uint64_t ns);
/* `312 ms  clock_nanosleep (300 ms)  at /srv/app.py:4 in blocker`. */
void describe_finding(struct strbuf *out, const struct finding *finding);
/* `time.sleep → clock_nanosleep (300 ms)`, or what an iteration is. */
void describe_cause(struct strbuf *out, enum stall_kind kind, const char *call, const char *detail,
                    const struct stack_view *view);
/* `/srv/app.py:4 in blocker`, `redis-server+0x4f21`. */
void describe_frame(struct strbuf *out, const struct frame *frame);
/* A number with its noun: `1 finding`, `3 findings`. */
void describe_count(struct strbuf *out, uint64_t count, const char *noun);

#endif
