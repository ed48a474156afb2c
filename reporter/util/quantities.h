/* Durations and counts as people read them. */
#ifndef STALLTRACE_QUANTITIES_H
#define STALLTRACE_QUANTITIES_H

#include "util.h"

/* `850 µs`, `12.3 ms`, `312 ms`, `1.25 s`, `2 min 5 s`. */
void describe_duration(struct strbuf *out, uint64_t ns);
/* A number with its noun: `1 finding`, `3 findings`. */
void describe_count(struct strbuf *out, uint64_t count, const char *noun);

#endif
