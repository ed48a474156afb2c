/* Findings of a model: the stalls of one place each. Only model.c, which reads stalls out of
 * traces, adds to them. */
#ifndef STALLTRACE_FINDINGS_H
#define STALLTRACE_FINDINGS_H

#include "model.h"

/* One key for a place, which rule covers it, and whether it was in start-up. */
uint64_t finding_key(uint64_t place, const struct rule *rule, bool startup);

/* The finding that a stall belongs to, a new one where there is none. `rule`: what suppresses it,
 * or NULL. */
struct finding *finding_of(struct model *model, const struct stall *stall,
                           const struct stack_view *view, struct rule *rule);

/* Adds so many stalls, and so much time (modulo 2^64, without starved_ns). The stall is the longest
 * of them; its view stays the caller's. */
void finding_account(struct finding *finding, const struct stack_view *view,
                     const struct trace *trace, const struct stall *stall, uint64_t count,
                     uint64_t added_ns);

/* A stall that was accounted for while it lasted turned out to be none: the machine had no CPU for
 * it. `added_ns` is what its end would have added. */
void finding_take_back(struct finding *finding, const struct stall *stall, uint64_t added_ns);

/* By total time; those without stalls are freed. Rules are told how many stalls they cover. */
void findings_sort(struct model *model);
/* What finds findings by their place: after findings_sort, nothing is added any more. */
void findings_forget(struct model *model);
void findings_free(struct model *model);

#endif
