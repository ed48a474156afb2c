/* The figures of loops as text and JSON. */
#ifndef STALLTRACE_FORMAT_STATS_H
#define STALLTRACE_FORMAT_STATS_H

#include "model/model.h"

void format_stats_text(struct strbuf *out, const struct model *model, bool color);
void format_stats_json(struct strbuf *out, const struct model *model);

/* The share of its time that a loop was not in its home wait, and iterations a second. */
double loop_busy_share(const struct loop *loop);
double loop_rate(const struct loop *loop);
/* Wall clock time of a trace's moment: `2026-11-21 08:04:51.932` in local time, or with `iso` as
 * `2026-11-21T08:04:51.932+0100`. */
void format_moment(struct strbuf *out, const struct trace *trace, uint64_t at_ns, bool iso);

#endif
