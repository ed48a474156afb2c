/* The findings: stalls of any number of traces, aggregated by fingerprint. The same model serves a
 * report afterwards and the live lines of `run`. */
#ifndef STALLTRACE_MODEL_H
#define STALLTRACE_MODEL_H

#include "stackview.h"
#include "suppress.h"
#include "symbols.h"
#include "trace.h"

struct finding {
    char fingerprint[FINGERPRINT_DIGITS + 1];
    size_t order; /* in which it was first seen */
    enum stall_kind kind;
    const char *call;
    const char *class_name;
    bool strict; /* all of its stalls are strict ones */
    uint64_t count;
    uint64_t total_ns;
    uint64_t max_ns;
    uint64_t in_progress;      /* stalls that had not ended when the trace was read */
    const char *suppressed_by; /* the rule, or NULL */
    /* The longest stall stands for all of them: */
    const char *detail;
    const struct trace *trace;
    const struct loop *loop; /* or NULL */
    const struct stack_view *view;
};

struct model {
    struct symbols *symbols;
    const struct rules *rules;
    struct trace **traces;
    size_t trace_count, trace_cap;
    struct finding **findings;
    size_t count, cap;
    struct map by_fingerprint; /* a suppressed finding stands beside one that is not */
    struct map by_stack; /* hash of (trace, stack, call, kind[, detail]) → struct seen_stack */
    bool by_detail;      /* some rule asks for the detail */
    struct stack_view **views;
    size_t view_count, view_cap;
    /* Called for each stall while a trace is followed, with the finding it went into; or NULL. */
    void (*on_stall)(void *ctx, const struct finding *finding, const struct trace *trace,
                     const struct stall *stall, bool is_new);
    void (*on_stall_end)(void *ctx, const struct finding *finding, const struct trace *trace,
                         const struct stall *stall);
    void *ctx;
};

/* `symbols` and `rules` stay the caller's. */
void model_init(struct model *model, struct symbols *symbols, const struct rules *rules);
void model_free(struct model *model);
/* Hands a trace over to the model. */
void model_add_trace(struct model *model, struct trace *trace);
/* What trace_read feeds the model through. */
struct trace_sink model_sink(struct model *model);
/* Findings by total time, longest first; equal ones in the order they were seen. */
void model_sort(struct model *model);

struct model_totals {
    size_t findings; /* without the suppressed */
    size_t suppressed;
    size_t processes, loops;
    uint64_t iterations;
    uint64_t total_ns, max_ns;
    uint64_t dropped_stalls;
};
struct model_totals model_totals(const struct model *model);

#endif
