/* The findings: stalls of any number of traces, aggregated by fingerprint. The same model serves a
 * report afterwards and the live lines of `run`. */
#ifndef STALLTRACE_MODEL_H
#define STALLTRACE_MODEL_H

#include "details.h"
#include "iteration.h"
#include "stacks/stackview.h"
#include "suppress.h"
#include "symbols/symbols.h"
#include "trace/trace.h"

enum { STACKS_KEPT = 4 };

enum baseline_state {
    BASELINE_NONE, /* there is no baseline, or it has no say (suppressed, start-up) */
    BASELINE_NEW,
    BASELINE_KNOWN,
};

/* The stalls of one place (place.h). */
struct finding {
    char fingerprint[FINGERPRINT_DIGITS + 1]; /* may be that of other places in the function, too */
    uint64_t place;                           /* this one's alone */
    size_t order;                             /* in which it was first seen */
    enum stall_kind kind;
    const char *call;
    const char *class_name;
    bool strict;  /* all of its stalls are strict ones */
    bool startup; /* all of them came before the process served */
    uint64_t count;
    uint64_t total_ns, max_ns; /* without starved_ns */
    uint64_t starved_ns;
    uint64_t ended_max_ns;      /* of those that have ended; max_ns may be one's that has not, */
    uint64_t max_stall;         /* with this number */
    uint64_t first_ns, last_ns; /* when the first and the last of them began (Unix); 0: not known */
    uint64_t in_progress;       /* stalls that had not ended when the trace was read */
    struct rule *suppressed_by; /* or NULL */
    enum baseline_state baseline_state;
    bool whole_function; /* of a function whose lines are not all known: takes all of them in */
    /* The longest stall stands for all of them: */
    const char *detail;
    const char *wait_kind; /* or NULL */
    struct holder holder;  /* of the longest stall of which one is known */
    uint64_t holder_ns;    /* how long that was */
    const struct trace *trace;
    const struct loop *loop;       /* or NULL */
    const struct stack_view *view; /* of an iteration: the stack that most samples have */
    struct profile *profile;       /* of an iteration, else NULL */
    struct tasks tasks;
    struct details details;                       /* of calls */
    const struct stack_view *stacks[STACKS_KEPT]; /* distinct ones, as they came */
    size_t stack_count;
    struct finding
        *joined; /* it is part of that one now, which is of the whole function; or NULL */
};

/* Time of a loop that a suppression excuses. */
struct excuse {
    const struct loop *loop;
    uint64_t from_ns, to_ns;
};

struct model {
    struct symbols *symbols;
    const struct rules *rules;
    const struct app_dirs *app_dirs; /* or NULL */
    uint64_t budget_ns;              /* 0: none */
    struct baseline *baseline;       /* or NULL; the caller's */
    struct trace **traces;
    size_t trace_count, trace_cap;
    struct finding **findings;
    size_t count, cap;
    struct loss *losses; /* that belong to no trace, see losses.h */
    size_t loss_count, loss_cap;
    struct finding **startup; /* what came before the processes served: of no account */
    size_t startup_count, startup_cap;
    struct map by_place;    /* a suppressed finding stands beside one that is not */
    struct map by_function; /* of code whose lines may not be known → struct function_places */
    struct map by_stack;    /* hash of (trace, stack, call, kind[, detail]) → struct seen_stack */
    struct map
        iterations; /* hash of (trace, stall) → struct profile, of those that have not ended */
    struct excuse *excuses;
    size_t excuse_count, excuse_cap;
    bool by_detail; /* some rule asks for the detail */
    struct stack_view **views;
    size_t view_count, view_cap;
    /* Called for each stall while a trace is followed, with the finding it went into; or NULL. An
     * iteration's is preliminary, made of its first sample, until it ends. */
    void (*on_stall)(void *ctx, const struct finding *finding, const struct trace *trace,
                     const struct stall *stall, bool is_new);
    /* The finding is NULL where an iteration turned out to be `nothing`. */
    void (*on_stall_end)(void *ctx, const struct finding *finding, const struct trace *trace,
                         const struct stall *stall);
    void *ctx;
};

/* Is it longer than the budget, if there is one? */
bool over_budget(const struct model *model, uint64_t ns);

/* `symbols` and `rules` stay the caller's. */
void model_init(struct model *model, struct symbols *symbols, const struct rules *rules);
void model_free(struct model *model);
/* Hands a trace over to the model. */
void model_add_trace(struct model *model, struct trace *trace);
/* Reads the traces of `from` again, now that they are complete, into `to`: what is start-up is
 * known from the beginning then. */
void model_read_again(struct model *to, const struct model *from);
/* What trace_read feeds the model through. */
struct trace_sink model_sink(struct model *model);
/* Findings by total time, longest first; equal ones in the order they were seen. */
void model_sort(struct model *model);

struct model_totals {
    size_t findings; /* without the suppressed */
    size_t known;    /* of those, that the baseline covers */
    size_t suppressed;
    size_t startup; /* findings of start-up, none of those above */
    uint64_t startup_ns;
    size_t processes, loops;
    uint64_t iterations;
    uint64_t total_ns, max_ns;
    uint64_t dropped_stalls;
    uint64_t starved_count, starved_ns; /* calls and iterations with time without a CPU */
    size_t over_budget;                 /* findings of those counted above */
    uint64_t iterations_over_budget, longest_over_budget_ns;
};
/* Iterations of a loop over the budget, and the longest of them, but for what suppressions excuse.
 * Those that findings explain count as well: the health check did not get its answer. */
uint64_t loop_over_budget(const struct model *model, const struct loop *loop, uint64_t *longest_ns);
struct model_totals model_totals(const struct model *model);

#endif
