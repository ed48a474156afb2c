/* See summary.h. */
#include "summary.h"

#include <string.h>
#include <unistd.h>

#include "describe.h"
#include "model/baseline.h"
#include "next_step.h"
#include "util/output.h"

enum { SHOWN = 5 };

static void add_line(struct strbuf *out, const struct strbuf *line)
{
    sb_add(out, "stalltrace: ");
    sb_addn(out, line->data, line->len);
    sb_add(out, "\n");
}

static void add_scope(struct strbuf *line, const struct model_totals *totals)
{
    describe_count(line, totals->loops, "loop");
    sb_add(line, ", ");
    describe_count(line, totals->iterations, "iteration");
}

static void add_findings(struct strbuf *out, const struct model *model,
                         const struct model_totals *totals)
{
    struct strbuf line = {0};
    describe_count(&line, totals->findings, "finding");
    sb_add(&line, " in ");
    add_scope(&line, totals);
    sb_add(&line, ": blocked for ");
    describe_duration(&line, totals->total_ns);
    sb_add(&line, " in all, worst ");
    describe_duration(&line, totals->max_ns);
    add_line(out, &line);
    size_t shown = 0;
    for (size_t i = 0; i < model->count && shown < SHOWN; i++) {
        const struct finding *finding = model->findings[i];
        if (finding->suppressed_by != NULL || finding->baseline_state == BASELINE_KNOWN)
            continue;
        sb_clear(&line);
        sb_addf(&line, "%3zu. ", ++shown);
        describe_finding(&line, finding);
        sb_add(&line, over_budget(model, finding->max_ns) ? "  OVER BUDGET" : "");
        describe_baseline_state(&line, model, finding);
        add_line(out, &line);
    }
    if (totals->findings - totals->known > shown) {
        sb_clear(&line);
        sb_addf(&line, "     and %zu more", totals->findings - totals->known - shown);
        add_line(out, &line);
    }
    sb_free(&line);
}

static void add_no_loop(struct strbuf *out, const struct model_totals *totals, char **argv)
{
    struct strbuf line = {0};
    sb_add(&line, "no event loop was seen: ");
    sb_add(&line, totals->processes == 0
                      ? "no process waited for events while it could be traced"
                      : "the processes that could be traced waited for no events");
    add_line(out, &line);
    sb_clear(&line);
    sb_add(&line, "try: stalltrace doctor ");
    sb_add_clean(&line, argv[0]);
    sb_add(&line, ", or widen what counts as a loop with --loops poll or --loops main");
    add_line(out, &line);
    sb_free(&line);
}

void print_summary(const struct model *model, const char *directory, char **argv)
{
    struct model_totals totals = model_totals(model);
    struct strbuf out = {0}, line = {0};
    if (totals.findings > 0) {
        add_findings(&out, model, &totals);
    } else if (totals.loops > 0) {
        sb_add(&line, "no blocking calls found in ");
        add_scope(&line, &totals);
        add_line(&out, &line);
    } else {
        add_no_loop(&out, &totals, argv);
    }
    sb_clear(&line);
    if (totals.suppressed > 0) {
        describe_count(&line, totals.suppressed, "finding");
        sb_add(&line, " suppressed; --show-suppressed of `stalltrace report` shows them");
        add_line(&out, &line);
    }
    describe_budget(&out, model, &totals, "stalltrace: ");
    describe_remarks(&out, model, "stalltrace: ");
    if (totals.findings > 0) {
        sb_clear(&line);
        sb_add(&line, "look closer: ");
        describe_command(&line, "report", "--baseline",
                         model->baseline != NULL ? model->baseline->path : NULL,
                         (char *const *)&directory, directory != NULL);
        add_line(&out, &line);
    }
    if (!output_is_utf8())
        text_to_ascii(&out);
    (void)write_all(STDERR_FILENO, out.data, out.len);
    sb_free(&line);
    sb_free(&out);
}
