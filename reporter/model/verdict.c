/* See verdict.h. Findings come before what makes a verdict impossible: what was found is true
 * whatever is missing. */
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

#include "util/exit_status.h"
#include "util/quantities.h"
#include "losses.h"

static void add_reason(struct strbuf *reason, const char *text)
{
    sb_add(reason, reason->len > 0 ? ", " : "");
    sb_add(reason, text);
}

static void add_count(struct strbuf *reason, size_t count, const char *what)
{
    sb_add(reason, reason->len > 0 ? ", " : "");
    describe_count(reason, count, what);
}

static uint64_t starved_count(const struct model *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < model->trace_count; i++)
        count += model->traces[i]->starved_count;
    return count;
}

/* What is no finding of its own and yet fails. */
static void add_figures(struct strbuf *reason, const struct model *model,
                        const struct criteria *criteria, const struct model_totals *totals)
{
    if (criteria_have(criteria, ON_BUDGET) && totals->iterations_over_budget > 0)
        add_count(reason, totals->iterations_over_budget, "over-budget iteration");
    if (criteria_have(criteria, ON_UNUSED) && rules_unused(model->rules) > 0)
        add_count(reason, rules_unused(model->rules), "unused suppression");
    if (criteria_have(criteria, ON_STARVED) && starved_count(model) > 0)
        add_reason(reason, "threads were ready to run and had no CPU");
}

static const char *why_impossible(const struct model *model, const struct model_totals *totals,
                                  const char *missing, bool no_loop_is_fine)
{
    if (has_losses(model))
        return "something is missing in the recording (see LOST)";
    if (missing != NULL)
        return "nothing was recorded";
    if (totals->loops == 0 && !no_loop_is_fine)
        return "no event loop was seen";
    return NULL;
}

struct verdict judge(const struct model *model, const struct criteria *criteria,
                     const char *missing, bool no_loop_is_fine)
{
    struct verdict verdict = {.status = EXIT_CLEAN};
    struct model_totals totals = model_totals(model);
    struct strbuf reason = {0};
    size_t fresh = 0;
    for (size_t i = 0; i < model->count; i++) {
        bool fails = criteria_fail(criteria, model, model->findings[i], false);
        verdict.failing += fails;
        fresh += fails && model->findings[i]->baseline_state == BASELINE_NEW;
    }
    if (fresh > 0)
        add_count(&reason, fresh, "new finding");
    if (verdict.failing > fresh)
        add_count(&reason, verdict.failing - fresh,
                  model->baseline != NULL ? "known finding" : "finding");
    size_t starting = 0;
    for (size_t i = 0; i < model->startup_count; i++)
        starting += criteria_fail(criteria, model, model->startup[i], true);
    if (starting > 0)
        add_count(&reason, starting, "start-up finding");
    verdict.failing += starting;
    add_figures(&reason, model, criteria, &totals);
    if (reason.len > 0) {
        verdict.status = EXIT_FINDINGS;
    } else {
        const char *why = why_impossible(model, &totals, missing, no_loop_is_fine);
        verdict.status = why != NULL ? EXIT_NOTHING : EXIT_CLEAN;
        sb_add(&reason, why != NULL ? why : "");
    }
    verdict.reason = mem_strdup(reason.data);
    sb_free(&reason);
    return verdict;
}

void verdict_free(struct verdict *verdict)
{
    free(verdict->reason);
    verdict->reason = NULL;
}
