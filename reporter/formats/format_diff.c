/* See format_diff.h. */
#include "format_diff.h"

#include <inttypes.h>

#include "model/losses.h"
#include "util/json_writer.h"
#include "words/describe.h"

static const char *const figure_names[] = {"total", "max", "count"};

void describe_worse(struct strbuf *out, unsigned int worse_by)
{
    const char *between = "";
    for (size_t i = 0; i < COUNT_OF(figure_names); i++) {
        if ((worse_by & 1U << i) == 0)
            continue;
        sb_add(out, between);
        sb_add(out, figure_names[i]);
        between = ", ";
    }
}

static void add_title(struct strbuf *out, const struct change *change)
{
    const struct finding *finding = change->finding;
    if (finding == NULL) {
        sb_add_clean(out, change->words);
        return;
    }
    if (finding->kind == STALL_CALL)
        describe_cause(out, finding->call, NULL, finding->view);
    else
        sb_add(out, "slow iteration");
    if (finding->view->culprit >= 0) {
        sb_add(out, "  at ");
        describe_frame(out, &finding->view->frames[finding->view->culprit]);
    }
}

/* `  before  12 times (720/h), 1.2 s (72 s/h), 300 ms at worst` */
static void add_figures(struct strbuf *out, const char *when, const struct side *side,
                        const struct side_figures *figures)
{
    if (figures->places == 0 || side->model == NULL)
        return;
    sb_addf(out, "         %-6s  ", when);
    describe_count(out, figures->count, "time");
    if (side->life_ns > 0)
        sb_addf(out, " (%" PRIu64 "/h)", per_hour(figures->count, side->life_ns));
    sb_add(out, ", ");
    describe_duration(out, figures->total_ns);
    if (side->life_ns > 0) {
        sb_add(out, " (");
        describe_duration(out, per_hour(figures->total_ns, side->life_ns));
        sb_add(out, "/h)");
    }
    sb_add(out, ", ");
    describe_duration(out, figures->max_ns);
    sb_add(out, " at worst\n");
}

static void add_change(struct strbuf *out, const struct comparison *comparison,
                       const struct change *change)
{
    sb_addf(out, "  %-5s  ", change_state_name(change->state));
    add_title(out, change);
    sb_addf(out, "  [%s]\n", change->fingerprint);
    if (change->state == CHANGE_WORSE) {
        sb_add(out, "         worse by ");
        describe_worse(out, change->worse_by);
        sb_add(out, "\n");
    } else if (change->state == CHANGE_NEW && change->before.places > 0) {
        sb_add(out, "         ");
        describe_count(out, change->now.places, "place");
        sb_addf(out, " of this function, %" PRIu64 " before\n", change->before.places);
    }
    add_figures(out, "before", &comparison->before, &change->before);
    add_figures(out, "now", &comparison->now, &change->now);
}

static void add_side(struct strbuf *out, const char *when, const struct side *side,
                     const char *name)
{
    sb_addf(out, "  %-6s  ", when);
    sb_add_clean(out, name);
    if (side->model == NULL) {
        sb_add(out, ": a baseline, ");
        describe_count(out, side->baseline->count, "known finding");
    } else {
        struct model_totals totals = model_totals(side->model);
        sb_add(out, ": ");
        describe_count(out, totals.loops, "loop");
        sb_add(out, ", alive for ");
        describe_duration(out, side->life_ns);
        sb_add(out, " in all, ");
        describe_count(out, totals.findings, "finding");
    }
    sb_add(out, "\n");
    if (side->model != NULL)
        describe_losses(out, side->model, "          ");
}

void format_diff_text(struct strbuf *out, const struct comparison *comparison,
                      const char *const names[2])
{
    const size_t *counts = comparison->counts;
    sb_addf(out, "stalltrace: %zu new, %zu worse, %zu gone, %zu as before\n", counts[CHANGE_NEW],
            counts[CHANGE_WORSE], counts[CHANGE_GONE], counts[CHANGE_NONE]);
    add_side(out, "before", &comparison->before, names[0]);
    add_side(out, "now", &comparison->now, names[1]);
    for (size_t i = 0; i < comparison->count; i++) {
        if (comparison->changes[i].state != CHANGE_NONE)
            add_change(out, comparison, &comparison->changes[i]);
    }
}

static void write_side(struct json_writer *w, const char *key, const struct side *side,
                       const char *name)
{
    json_begin_object(w, key);
    json_string(w, "path", name);
    json_string(w, "kind", side->model != NULL ? "recording" : "baseline");
    if (side->model != NULL) {
        struct model_totals totals = model_totals(side->model);
        json_uint(w, "loops", totals.loops);
        json_uint(w, "iterations", totals.iterations);
        json_ms(w, "loop_life_ms", side->life_ns);
        json_uint(w, "findings", totals.findings);
        json_bool(w, "complete", !has_losses(side->model));
    } else {
        json_uint(w, "findings", side->baseline->count);
    }
    json_end_object(w);
}

static void write_figures(struct json_writer *w, const char *key, const struct side *side,
                          const struct side_figures *figures)
{
    if (figures->places == 0) {
        json_null(w, key);
        return;
    }
    json_begin_object(w, key);
    json_uint(w, "places", figures->places);
    if (side->model != NULL) {
        json_uint(w, "count", figures->count);
        json_ms(w, "total_ms", figures->total_ns);
        json_ms(w, "max_ms", figures->max_ns);
        json_uint(w, "count_per_hour", per_hour(figures->count, side->life_ns));
        json_ms(w, "total_ms_per_hour", per_hour(figures->total_ns, side->life_ns));
    }
    json_end_object(w);
}

static void write_change(struct json_writer *w, const struct comparison *comparison,
                         const struct change *change)
{
    const struct finding *finding = change->finding;
    const struct frame *culprit = NULL;
    struct strbuf title = {0};
    sb_add(&title, "");
    if (finding != NULL)
        describe_place(&title, finding);
    else
        sb_add(&title, change->words);
    if (finding != NULL && finding->view->culprit >= 0)
        culprit = &finding->view->frames[finding->view->culprit];
    json_begin_object(w, NULL);
    json_string(w, "fingerprint", change->fingerprint);
    json_string(w, "state", change_state_name(change->state));
    json_begin_array(w, "worse_by");
    for (size_t i = 0; change->state == CHANGE_WORSE && i < COUNT_OF(figure_names); i++) {
        if ((change->worse_by & 1U << i) != 0)
            json_string(w, NULL, figure_names[i]);
    }
    json_end_array(w);
    json_string(w, "what", title.data);
    json_string(w, "class", finding != NULL ? finding->class_name : NULL);
    json_string(w, "file", culprit != NULL ? culprit->file : NULL);
    json_int(w, "line", culprit != NULL ? culprit->line : 0);
    json_string(w, "function", culprit != NULL ? culprit->function : NULL);
    write_figures(w, "old", &comparison->before, &change->before);
    write_figures(w, "new", &comparison->now, &change->now);
    json_end_object(w);
    sb_free(&title);
}

void format_diff_json(struct strbuf *out, const struct comparison *comparison,
                      const char *const names[2])
{
    struct json_writer writer = {.out = out}, *w = &writer;
    json_begin_document(w, "stalltrace.diff/1");
    json_uint(w, "noise_percent", comparison->noise_percent);
    json_string(w, "per", comparison->per_run ? "run" : "hour");
    write_side(w, "old", &comparison->before, names[0]);
    write_side(w, "new", &comparison->now, names[1]);
    json_begin_object(w, "counts");
    for (int i = 0; i < CHANGE_STATES; i++)
        json_uint(w, change_state_name((enum change_state)i), comparison->counts[i]);
    json_end_object(w);
    json_begin_array(w, "findings");
    for (size_t i = 0; i < comparison->count; i++)
        write_change(w, comparison, &comparison->changes[i]);
    json_end_array(w);
    json_end_object(w);
    sb_add(out, "\n");
}
