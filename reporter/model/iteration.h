/* What is known of over-long iterations: where the thread was when it was sampled, where the time
 * went, and what to call that in a few words. */
#ifndef STALLTRACE_ITERATION_H
#define STALLTRACE_ITERATION_H

#include "stacks/stackview.h"
#include "tasks.h"

/* Stacks that blame the same function. */
struct sample_group {
    uint64_t key; /* of the place */
    uint64_t count;
    struct sampled_stack {
        const struct stack_view *view;
        uint64_t count;
    } * stacks;
    size_t stack_count, stack_cap;
};

/* Sleep that no wrapper saw. */
struct blind_spot {
    const char *syscall_name; /* or NULL */
    const char *wait_channel; /* or NULL */
    uint64_t count;           /* samples */
};

enum { WAITS_KEPT = 16 };

/* What calls waited for that samples fell into. */
struct waits {
    struct wait {
        const char *detail;
        const char *wait_kind; /* or NULL */
        struct holder holder;
        uint64_t count; /* samples */
    } kept[WAITS_KEPT];
    size_t count;
    uint64_t others; /* samples of those beyond the kept */
};

/* Zero-initialised is empty. */
struct profile {
    struct sample_group *groups;
    size_t group_count, group_cap;
    uint64_t samples;
    struct tasks tasks; /* counted by sample */
    struct waits waits;
    struct blind_spot *spots;
    size_t spot_count, spot_cap;
    const char *no_stack;    /* why samples have none, or only Python's frames; or NULL */
    uint64_t no_stack_count; /* how many */
    bool timed;              /* the fields below are known */
    struct time_split time;
    struct call_sum *calls; /* most time first */
    size_t call_count, call_cap;
    uint64_t worst_ns; /* the longest iteration, which the words are about */
    struct breakdown worst;
};

void profile_sample(struct profile *profile, const struct sample *sample,
                    const struct stack_view *view);
void profile_time(struct profile *profile, const struct breakdown *breakdown, uint64_t elapsed_ns);
void profile_merge(struct profile *into, const struct profile *from);
/* Groups, calls and waits by weight, heaviest first; equal ones stay as they were. Groups whose
 * stacks broke off before they came to anybody's code are last. */
void profile_sort(struct profile *profile);
/* The heaviest; NULL where there are no samples. */
const struct sample_group *profile_dominant(const struct profile *profile);
/* What more than half of the samples waited for; NULL where there is no such thing. */
const struct wait *profile_wait(const struct profile *profile);
/* The stack that stands for a group: of the commonest line of its culprit. */
const struct stack_view *group_view(const struct sample_group *group);
void profile_free(struct profile *profile);

/* What most of the longest iteration's time was, apart from calls that are findings themselves. */
enum cause { CAUSE_UNKNOWN, CAUSE_MIXED, CAUSE_CALLS, CAUSE_CPU, CAUSE_RUNNABLE, CAUSE_ASLEEP };
enum cause profile_cause(const struct profile *profile);
/* Was the longest of these calls, which were part of `time`, a finding of its own? It was over its
 * threshold then, and it could have waited. */
bool call_sum_is_found(const struct time_split *time, const struct call_sum *sum);
/* Was most of the time of calls that are no findings in some that were told not to wait, and took
 * longer than their threshold all the same? The kernel was busy with them, or their thread not run.
 */
bool profile_calls_are_late(const struct profile *profile);
/* Calls that are no findings of their own in the longest iteration. */
void profile_small_calls(const struct profile *profile, uint64_t *count, uint64_t *total_ns);
/* `on CPU 97 %`; nothing where the time is not known. */
void describe_cause_of_time(struct strbuf *out, const struct profile *profile);
/* What more than half of the samples show that the runtime did for itself: `waiting for the GIL,
 * held by thread 7 (python3) at a.py:3 in f`, `garbage collection`. False: nothing of the kind. */
bool describe_runtime(struct strbuf *out, const struct profile *profile);
/* `futex`, `io_uring_enter`, `a page fault or other kernel work (folio_wait_bit)`. */
void describe_spot(struct strbuf *out, const struct blind_spot *spot);
/* Rounded to whole percent; 0 where `whole` is 0. */
unsigned int percent_of(uint64_t part, uint64_t whole);

#endif
