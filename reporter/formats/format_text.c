/* `report --format text`: one block a finding, in the manner of compilers' diagnostics: what
 * happened, the line to blame with its source, what it waited for, how often, and the stack with
 * the frames of libc, interpreters and standard libraries folded. */
#include <inttypes.h>
#include <string.h>

#include "words/describe.h"
#include "formats.h"
#include "text.h"

static const struct palette plain = {"", "", "", "", "", ""};
static const struct palette colored = {.error = "\033[1;31m",
                                       .place = "\033[1m",
                                       .gutter = "\033[1;34m",
                                       .dim = "\033[2m",
                                       .strong = "\033[1m",
                                       .reset = "\033[0m"};

void text_note(const struct text *t)
{
    sb_addf(t->out, "   %s=%s ", t->palette->gutter, t->palette->reset);
}

static void add_headline(const struct text *t, const struct finding *finding, size_t number)
{
    struct strbuf *out = t->out;
    sb_addf(out, "%s%zu. ", t->palette->error, number);
    if (finding->profile != NULL)
        describe_iteration(out, finding->profile);
    else
        describe_cause(out, finding->call, NULL, finding->view);
    if (finding->strict)
        sb_add(out, " could have blocked the loop; it took ");
    else if (finding->in_progress > 0 && finding->kind == STALL_ITERATION)
        sb_add(out, " keeps the loop, so far for ");
    else if (finding->in_progress > 0)
        sb_add(out, " blocks the loop, so far for ");
    else
        sb_add(out, finding->kind == STALL_CALL ? " blocked the loop for " : " kept the loop for ");
    describe_duration(out, finding->max_ns);
    if (over_budget(t->model, finding->max_ns))
        sb_add(out, "  OVER BUDGET");
    describe_baseline_state(out, t->model, finding);
    sb_addf(out, "%s  %s[%s]%s\n", t->palette->reset, t->palette->dim, finding->fingerprint,
            t->palette->reset);
}

static void add_culprit(const struct text *t, const struct stack_view *view)
{
    if (view->culprit < 0)
        return;
    const struct frame *frame = &view->frames[view->culprit];
    sb_addf(t->out, "  %s-->%s %s", t->palette->gutter, t->palette->reset, t->palette->place);
    describe_frame(t->out, frame);
    sb_addf(t->out, "%s\n", t->palette->reset);
    if (frame->file != NULL && t->sources != NULL)
        excerpt(t->out, t->palette, t->sources, frame->file, frame->line);
    if (frame->lang == LANG_JAVASCRIPT && frame->line > 0 && !frame->at_call) {
        text_note(t);
        sb_add(
            t->out,
            "the line is where the function begins: it is compiled, and V8's map knows no other\n");
    }
}

static void add_figures(const struct text *t, const struct finding *finding)
{
    struct strbuf *out = t->out;
    if (finding->kind == STALL_CALL) {
        text_note(t);
        if (finding->detail != NULL) {
            sb_add(out, "waited ");
            describe_wait(out, finding->detail);
            sb_add(out, ", ");
        }
        sb_add(out, "class ");
        sb_add_clean(out, finding->class_name ? finding->class_name : "unknown");
        sb_add(out, "\n");
    }
    text_note(t);
    describe_count(out, finding->count, "time");
    sb_add(out, ", ");
    describe_duration(out, finding->total_ns);
    sb_add(out, " in all, ");
    describe_duration(out, finding->max_ns);
    sb_add(out, " at worst");
    if (finding->in_progress > 0)
        sb_addf(out, "; %" PRIu64 " had not ended when the recording did", finding->in_progress);
    sb_add(out, "\n");
}

static void add_process(const struct text *t, const struct finding *finding)
{
    enum { LONGEST = 100 };
    const struct trace *trace = finding->trace;
    struct strbuf command = {0};
    for (size_t i = 0; i < trace->argc && command.len < LONGEST; i++) {
        sb_add(&command, i > 0 ? " " : "");
        sb_add_clean(&command, trace->argv[i]);
    }
    text_note(t);
    if (finding->loop != NULL) {
        sb_add(t->out, "loop thread ");
        sb_add_clean(t->out, finding->loop->name);
        sb_addf(t->out, " (%" PRId64 ") of ", finding->loop->tid);
    }
    if (command.len == 0)
        sb_add_clean(&command, trace->exe);
    sb_addf(t->out, "`%s` (pid %" PRId64 ")", command.data != NULL ? command.data : "", trace->pid);
    sb_add(t->out, "\n");
    sb_free(&command);
    if (finding->tasks.count > 0) {
        text_note(t);
        sb_add(t->out, "in ");
        tasks_describe(t->out, &finding->tasks, finding->kind == STALL_CALL);
        sb_add(t->out, "\n");
    }
}

static void add_finding(const struct text *t, const struct finding *finding, size_t number)
{
    sb_add(t->out, "\n");
    add_headline(t, finding, number);
    add_culprit(t, finding->view);
    add_figures(t, finding);
    add_process(t, finding);
    if (finding->suppressed_by != NULL) {
        text_note(t);
        describe_suppression(t->out, finding->suppressed_by);
        sb_add(t->out, "\n");
    }
    if (finding->profile != NULL)
        text_iteration(t, finding->profile);
    text_stack(t, finding->view);
    const char *interpreter = finding->view->interpreter;
    if (interpreter == NULL && interprets_java(finding->view))
        interpreter = "Java";
    if (interpreter != NULL) {
        text_note(t);
        sb_addf(t->out, "%s\n", hint_for_interpreter(interpreter));
    }
}

static void add_verdict(const struct text *t, const struct model_totals *totals)
{
    struct strbuf *out = t->out;
    sb_add(out, t->palette->strong);
    if (totals->findings > 0) {
        describe_count(out, totals->findings, "finding");
        sb_add(out, " in ");
    } else if (totals->loops > 0) {
        sb_add(out, "no blocking calls found in ");
    } else {
        sb_addf(out,
                "no event loop was seen%s\n`stalltrace doctor COMMAND` says why; --loops of "
                "`stalltrace run` widens what counts as a loop\n",
                t->palette->reset);
        return;
    }
    describe_count(out, totals->loops, "loop");
    sb_addf(out, " of %zu process%s, ", totals->processes, totals->processes == 1 ? "" : "es");
    describe_count(out, totals->iterations, "iteration");
    if (totals->findings > 0) {
        sb_add(out, ": blocked for ");
        describe_duration(out, totals->total_ns);
        sb_add(out, " in all, worst ");
        describe_duration(out, totals->max_ns);
    }
    sb_addf(out, "%s\n", t->palette->reset);
    describe_budget(out, t->model, totals, "");
}

static void add_remarks(const struct text *t, const struct model *model,
                        const struct model_totals *totals, bool shown)
{
    sb_add(t->out, totals->findings + (shown ? totals->suppressed : 0) > 0 ? "\n" : "");
    if (totals->suppressed > 0 && !shown) {
        describe_count(t->out, totals->suppressed, "finding");
        sb_add(t->out, " suppressed; --show-suppressed shows them\n");
    }
    describe_remarks(t->out, model, "");
    const char *outside = t->sources != NULL ? sources_outside(t->sources) : NULL;
    if (outside != NULL) {
        sb_add(t->out, "sources outside this project are not quoted (");
        sb_add_clean(t->out, outside);
        sb_add(t->out, "): --source-root DIR says where they are\n");
    }
}

static size_t add_findings(const struct text *t, const struct model *model, bool suppressed,
                           size_t number)
{
    for (size_t i = 0; i < model->count; i++) {
        if ((model->findings[i]->suppressed_by != NULL) == suppressed)
            add_finding(t, model->findings[i], ++number);
    }
    return number;
}

void format_text(struct strbuf *out, const struct model *model,
                 const struct format_options *options)
{
    struct text t = {
        .out = out,
        .palette = options->color ? &colored : &plain,
        .full = options->full,
        .model = model,
        .sources = options->no_source ? NULL : sources_new(options->source_root, model->app_dirs)};
    struct model_totals totals = model_totals(model);
    add_verdict(&t, &totals);
    size_t number = add_findings(&t, model, false, 0);
    if (options->show_suppressed)
        add_findings(&t, model, true, number);
    add_remarks(&t, model, &totals, options->show_suppressed);
    sources_free(t.sources);
}
