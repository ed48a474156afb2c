/* What a recording adds up to, and what of it is over the budget. */
#include "model.h"

bool over_budget(const struct model *model, uint64_t ns)
{
    return model->budget_ns > 0 && ns > model->budget_ns;
}

/* An iteration's time without what suppressed stalls took of it. */
static uint64_t unexcused(const struct model *model, const struct loop *loop,
                          const struct long_iteration *iteration)
{
    uint64_t left = iteration->elapsed_ns;
    uint64_t end = iteration->at_ns + iteration->elapsed_ns + iteration->frozen_ns;
    for (size_t i = 0; i < model->excuse_count; i++) {
        const struct excuse *excuse = &model->excuses[i];
        if (excuse->loop != loop || excuse->to_ns <= iteration->at_ns || excuse->from_ns >= end)
            continue;
        uint64_t from = excuse->from_ns > iteration->at_ns ? excuse->from_ns : iteration->at_ns;
        uint64_t to = excuse->to_ns < end ? excuse->to_ns : end;
        left -= to - from < left ? to - from : left;
    }
    return left;
}

uint64_t loop_over_budget(const struct model *model, const struct loop *loop, uint64_t *longest_ns)
{
    uint64_t count = 0, excused = 0;
    *longest_ns = 0;
    if (!over_budget(model, loop->max_iteration_ns))
        return 0;
    for (size_t i = 0; i < loop->longest_count; i++) {
        if (!over_budget(model, loop->longest[i].elapsed_ns))
            continue;
        uint64_t left = unexcused(model, loop, &loop->longest[i]);
        if (!over_budget(model, left)) {
            excused++;
            continue;
        }
        count++;
        if (left > *longest_ns)
            *longest_ns = left;
    }
    /* More than the list holds: the histogram knows them to within a bucket. */
    uint64_t counted = histogram_count_from(&loop->iteration_hist, model->budget_ns);
    if (loop->longest_count == LONGEST_KEPT && counted > count + excused)
        count = counted - excused;
    if (loop->longest_count == 0) {
        count = counted > 0 ? counted : 1;
        *longest_ns = loop->max_iteration_ns;
    }
    return count;
}

/* A finding's time without that of calls in it, which are findings of their own. */
static uint64_t own_time(const struct finding *finding)
{
    uint64_t found = finding->profile != NULL ? finding->profile->time.found_ns : 0;
    return finding->total_ns > found ? finding->total_ns - found : 0;
}

struct model_totals model_totals(const struct model *model)
{
    struct model_totals totals = {.processes = model->trace_count};
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        add_to(&totals.dropped_stalls, trace->dropped_stalls);
        add_to(&totals.starved_count, trace->starved_count);
        add_to(&totals.starved_ns, trace->starved_ns);
        totals.loops += trace->loop_count;
        for (size_t j = 0; j < trace->loop_count; j++) {
            uint64_t longest = 0;
            add_to(&totals.iterations, trace->loops[j]->iterations);
            totals.iterations_over_budget += loop_over_budget(model, trace->loops[j], &longest);
            if (longest > totals.longest_over_budget_ns)
                totals.longest_over_budget_ns = longest;
        }
    }
    for (size_t i = 0; i < model->startup_count; i++) {
        const struct finding *finding = model->startup[i];
        if (finding->suppressed_by == NULL) {
            totals.startup++;
            add_to(&totals.startup_ns, own_time(finding));
        }
    }
    for (size_t i = 0; i < model->count; i++) {
        const struct finding *finding = model->findings[i];
        if (finding->suppressed_by != NULL) {
            totals.suppressed++;
            continue;
        }
        totals.findings++;
        totals.known += finding->baseline_state == BASELINE_KNOWN;
        totals.over_budget += over_budget(model, finding->max_ns);
        add_to(&totals.total_ns, own_time(finding));
        if (finding->max_ns > totals.max_ns)
            totals.max_ns = finding->max_ns;
    }
    return totals;
}
