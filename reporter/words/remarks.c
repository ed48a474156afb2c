/* Lines about a whole recording: the budget, and what the processes had to say. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <string.h>

#include "describe.h"
#include "model/baseline.h"
#include "model/losses.h"

void describe_budget(struct strbuf *out, const struct model *model,
                     const struct model_totals *totals, const char *prefix)
{
    if (model->budget_ns == 0 || totals->loops == 0)
        return;
    sb_add(out, prefix);
    if (totals->over_budget == 0 && totals->iterations_over_budget == 0) {
        sb_add(out, "nothing is over the budget of ");
        describe_duration(out, model->budget_ns);
        sb_add(out, "\n");
        return;
    }
    sb_add(out, "OVER BUDGET (");
    describe_duration(out, model->budget_ns);
    sb_add(out, "): ");
    if (totals->over_budget > 0)
        describe_count(out, totals->over_budget, "finding");
    if (totals->iterations_over_budget > 0) {
        sb_add(out, totals->over_budget > 0 ? ", " : "");
        describe_count(out, totals->iterations_over_budget, "iteration");
        sb_add(out, ", the longest ");
        describe_duration(out, totals->longest_over_budget_ns);
    }
    sb_add(out, "\n");
}

static void add_process(struct strbuf *out, const struct trace *trace, const char *prefix)
{
    sb_add(out, prefix);
    sb_add_clean(out, base_name(trace->exe));
    sb_addf(out, " (pid %" PRId64 "): ", trace->pid);
}

static bool has_nameless_code(const struct model *model, const struct trace *trace)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct finding *finding = model->findings[i];
        if (finding->trace == trace && finding->view->nameless)
            return true;
    }
    return false;
}

void describe_startup(struct strbuf *out, const struct model_totals *totals, const char *prefix)
{
    if (totals->startup == 0)
        return;
    sb_add(out, prefix);
    sb_add(out, "start-up: ");
    describe_count(out, totals->startup, "place");
    sb_add(out, " blocked the loop for ");
    describe_duration(out, totals->startup_ns);
    sb_add(out, " in all before the program served; no finding (--fail-on startup, `startup` in "
                "--format json)\n");
}

/* The machine's time, said once: it is in no finding. */
static void describe_starved(struct strbuf *out, const struct model_totals *totals,
                             const char *prefix)
{
    const uint64_t worth_a_word = 1000000;
    if (totals->starved_ns < worth_a_word)
        return;
    sb_add(out, prefix);
    sb_add(out, "starved: ");
    describe_duration(out, totals->starved_ns);
    sb_add(out, " without a CPU in ");
    sb_addf(out, "%llu calls and iterations; no finding's time (--fail-on starved)\n",
            (unsigned long long)totals->starved_count);
}

void describe_baseline_state(struct strbuf *out, const struct model *model,
                             const struct finding *finding)
{
    if (finding->baseline_state == BASELINE_NONE || model->baseline == NULL)
        return;
    uint64_t places = baseline_places(model->baseline, finding);
    sb_add(out, finding->baseline_state == BASELINE_NEW ? "  NEW" : "  known");
    if (finding->baseline_state == BASELINE_NEW && places > 0) {
        sb_add(out, " (the baseline has ");
        describe_count(out, places, "other place");
        sb_add(out, " of this function)");
    }
}

/* What is known, and what of the baseline was not seen: a line each. */
static void describe_baseline(struct strbuf *out, const struct model *model,
                              const struct model_totals *totals, const char *prefix)
{
    enum { NAMED = 3 };
    const struct baseline *baseline = model->baseline;
    if (baseline == NULL)
        return;
    sb_add(out, prefix);
    describe_count(out, totals->known, "known finding");
    sb_add(out, " (baseline ");
    sb_add_clean(out, baseline->path);
    sb_add(out, ")\n");
    size_t unseen = baseline_unseen(baseline), named = 0;
    if (unseen == 0)
        return;
    sb_add(out, prefix);
    sb_addf(out, "%zu of the baseline not seen in this run: ", unseen);
    for (size_t i = 0; i < baseline->count && named < NAMED; i++) {
        if (baseline->entries[i].seen)
            continue;
        sb_add(out, named++ > 0 ? "; " : "");
        sb_add_clean(out, baseline->entries[i].words);
    }
    if (unseen > named)
        sb_addf(out, "; and %zu more", unseen - named);
    sb_add(out, "\n");
}

void describe_remarks(struct strbuf *out, const struct model *model, const char *prefix)
{
    struct model_totals totals = model_totals(model);
    describe_baseline(out, model, &totals, prefix);
    describe_startup(out, &totals, prefix);
    describe_starved(out, &totals, prefix);
    bool hinted = false;
    describe_losses(out, model, prefix);
    describe_unused(out, model->rules, prefix);
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        for (size_t j = 0; j < trace->notice_count; j++) {
            if (is_loss_notice(trace->notices[j].code))
                continue;
            add_process(out, trace, prefix);
            sb_add_clean(out, trace->notices[j].message);
            sb_add(out, "\n");
        }
        if (!hinted && has_nameless_code(model, trace)) {
            add_process(out, trace, prefix);
            sb_add(out, hint_for_nameless(trace->exe));
            sb_add(out, "\n");
            hinted = true;
        }
    }
}
