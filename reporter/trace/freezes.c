/* Time for which a process was stopped (SIGSTOP, a debugger, a frozen container) is no time of its
 * loops. Their threads cannot tell and have counted it; here it is taken out of their figures, once
 * all of the trace has been read. */
#include <stdlib.h>
#include <string.h>

#include "util/json_fields.h"
#include "trace.h"

bool trace_read_frozen(struct trace *trace, struct json_object *record)
{
    uint64_t elapsed = get_number(record, "elapsed_ns");
    add_to(&trace->frozen_count, member(record, "count") != NULL ? get_number(record, "count") : 1);
    add_to(&trace->frozen_ns, elapsed);
    if (member(record, "at_ns") == NULL)
        return true;
    GROW(trace->freezes, trace->freeze_count, trace->freeze_cap);
    trace->freezes[trace->freeze_count++] =
        (struct freeze){get_number(record, "at_ns"), get_number(record, "began_by_ns"),
                        get_number(record, "ended_by_ns"), elapsed};
    return true;
}

static uint64_t overlap(const struct freeze *freeze, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t from = freeze->from_ns > from_ns ? freeze->from_ns : from_ns;
    uint64_t to = freeze->to_ns < to_ns ? freeze->to_ns : to_ns;
    /* What ended before it must have begun had ended before it began. */
    if (from >= to || to_ns <= freeze->began_by_ns)
        return 0;
    return to - from < freeze->elapsed_ns ? to - from : freeze->elapsed_ns;
}

uint64_t trace_frozen_ns(const struct trace *trace, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t frozen = 0;
    for (size_t i = 0; i < trace->freeze_count; i++)
        frozen += overlap(&trace->freezes[i], from_ns, to_ns);
    return frozen < to_ns - from_ns ? frozen : to_ns - from_ns;
}

/* The loop's list of the longest forgets them: shorter freezes make way for longer ones. */
void trace_keep_frozen(const struct trace *trace, struct loop *loop)
{
    for (size_t i = 0; i < loop->longest_count; i++) {
        const struct long_iteration *it = &loop->longest[i];
        if (trace_frozen_ns(trace, it->at_ns, it->at_ns + it->elapsed_ns) == 0)
            continue;
        size_t at = 0;
        while (at < loop->frozen_count && loop->frozen[at].at_ns != it->at_ns)
            at++;
        if (at == loop->frozen_count) {
            GROW(loop->frozen, loop->frozen_count, loop->frozen_cap);
            loop->frozen_count++;
        }
        loop->frozen[at] = *it;
    }
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

/* Of the time in calls, the part that was not frozen: where it was stopped is not recorded, but
 * what is longer than all of the rest was stopped in a call. */
static uint64_t own_calls(const struct long_iteration *it)
{
    return it->calls_ns <= it->elapsed_ns ? it->calls_ns : less(it->calls_ns, it->frozen_ns);
}

/* Makes `it` one of the longest, if it is. */
static void add_longest(struct loop *loop, const struct long_iteration *it)
{
    size_t at = loop->longest_count;
    if (at == LONGEST_KEPT && loop->longest[at - 1].elapsed_ns >= it->elapsed_ns)
        return;
    at -= at == LONGEST_KEPT;
    loop->longest_count = at + 1;
    for (; at > 0 && loop->longest[at - 1].elapsed_ns < it->elapsed_ns; at--)
        loop->longest[at] = loop->longest[at - 1];
    loop->longest[at] = *it;
}

static void correct_iteration(const struct trace *trace, struct loop *loop,
                              struct long_iteration it)
{
    uint64_t whole = it.elapsed_ns, calls = it.calls_ns;
    it.frozen_ns = trace_frozen_ns(trace, it.at_ns, it.at_ns + whole);
    /* The figures are without what was not its own already. */
    whole = less(whole, it.not_own_ns);
    it.elapsed_ns = less(whole, it.frozen_ns);
    it.calls_ns = own_calls(&it);
    loop->busy_ns = less(loop->busy_ns, it.frozen_ns);
    loop->calls_ns = less(loop->calls_ns, calls - it.calls_ns);
    histogram_move(&loop->iteration_hist, whole, it.elapsed_ns);
    if (calls > 0)
        histogram_move(&loop->calls_hist, calls, it.calls_ns);
    add_longest(loop, &it);
}

/* What of a freeze was in none of the iterations that are known, and is longer than those that are
 * not, was in the home wait; which has been counted if it has ended. */
static void correct_wait(const struct trace *trace, struct loop *loop, uint64_t unknown_ns)
{
    uint64_t counted_to = loop->began_ns + loop->busy_ns + loop->wait_ns, frozen = 0;
    for (size_t i = 0; i < trace->freeze_count; i++) {
        const struct freeze *freeze = &trace->freezes[i];
        uint64_t left = overlap(freeze, loop->began_ns, counted_to);
        for (size_t j = 0; j < loop->frozen_count; j++) {
            const struct long_iteration *it = &loop->frozen[j];
            left = less(left, overlap(freeze, it->at_ns, it->at_ns + it->elapsed_ns));
        }
        if (left >= unknown_ns && freeze->to_ns <= counted_to)
            frozen += left;
    }
    loop->wait_ns = less(loop->wait_ns, frozen);
}

static void correct_loop(const struct trace *trace, struct loop *loop)
{
    bool is_full = loop->longest_count == LONGEST_KEPT;
    correct_wait(trace, loop, is_full ? loop->longest[LONGEST_KEPT - 1].elapsed_ns : 0);
    if (loop->frozen_count == 0)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < loop->longest_count; i++) {
        const struct long_iteration *it = &loop->longest[i];
        if (trace_frozen_ns(trace, it->at_ns, it->at_ns + it->elapsed_ns) == 0)
            loop->longest[kept++] = *it;
    }
    loop->longest_count = kept;
    for (size_t i = 0; i < loop->frozen_count; i++)
        correct_iteration(trace, loop, loop->frozen[i]);
    /* One that has made way for those that were frozen is only in the histogram. */
    uint64_t longest = loop->longest[0].elapsed_ns;
    bool is_listed = histogram_count_from(&loop->iteration_hist, longest + longest / 8) == 0;
    loop->max_iteration_ns =
        is_listed || !is_full
            ? longest
            : histogram_percentile(&loop->iteration_hist, 1000, loop->max_iteration_ns);
}

void trace_correct_frozen(struct trace *trace)
{
    for (size_t i = 0; trace->freeze_count > 0 && i < trace->loop_count; i++)
        correct_loop(trace, trace->loops[i]);
}
