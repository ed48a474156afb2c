/* `report --format text`: one block a finding, in the manner of compilers' diagnostics: what
 * happened, the line to blame with its source, what it waited for, how often, and the stack with
 * the frames of libc, interpreters and standard libraries folded. */
#include <inttypes.h>
#include <string.h>

#include "describe.h"
#include "excerpt.h"
#include "formats.h"

static const struct palette plain = {"", "", "", "", "", ""};
static const struct palette colored = {.error = "\033[1;31m",
                                       .place = "\033[1m",
                                       .gutter = "\033[1;34m",
                                       .dim = "\033[2m",
                                       .strong = "\033[1m",
                                       .reset = "\033[0m"};

struct text {
    struct strbuf *out;
    const struct palette *palette;
    bool full;
};

/* `  = ` and the rest of a line. */
static void begin_note(const struct text *t)
{
    sb_addf(t->out, "   %s=%s ", t->palette->gutter, t->palette->reset);
}

static void add_headline(const struct text *t, const struct finding *finding, size_t number)
{
    struct strbuf *out = t->out;
    sb_addf(out, "%s%zu. ", t->palette->error, number);
    describe_cause(out, finding->kind, finding->call, NULL, finding->view);
    if (finding->strict)
        sb_add(out, " could have blocked the loop; it took ");
    else if (finding->in_progress > 0)
        sb_add(out, " blocks the loop, so far for ");
    else
        sb_add(out, finding->kind == STALL_CALL ? " blocked the loop for " : " kept the loop for ");
    describe_duration(out, finding->max_ns);
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
    if (frame->file != NULL)
        excerpt(t->out, t->palette, frame->file, frame->line);
}

static void add_figures(const struct text *t, const struct finding *finding)
{
    struct strbuf *out = t->out;
    if (finding->kind == STALL_CALL) {
        begin_note(t);
        if (finding->detail != NULL) {
            sb_add(out, "waited for ");
            sb_add_clean(out, finding->detail);
            sb_add(out, ", ");
        }
        sb_add(out, "class ");
        sb_add_clean(out, finding->class_name ? finding->class_name : "unknown");
        sb_add(out, "\n");
    }
    begin_note(t);
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
    begin_note(t);
    if (finding->loop != NULL) {
        sb_add(t->out, "loop thread ");
        sb_add_clean(t->out, finding->loop->name);
        sb_addf(t->out, " (%" PRId64 ") of ", finding->loop->tid);
    }
    sb_addf(t->out, "`%s` (pid %" PRId64 ")", command.len > 0 ? command.data : trace->exe,
            trace->pid);
    if (finding->view->task != NULL) {
        sb_add(t->out, ", task ");
        sb_add_clean(t->out, finding->view->task);
    }
    sb_add(t->out, "\n");
    sb_free(&command);
}

static bool is_foldable(const struct text *t, const struct stack_view *view, size_t index)
{
    const struct frame *frame = &view->frames[index];
    ptrdiff_t at = (ptrdiff_t)index;
    /* The call, the culprit and what it called are what the report is about. */
    if (t->full || index == 0 || at == view->culprit)
        return false;
    if (at == view->culprit - 1 && frame->origin != ORIGIN_RUNTIME)
        return false;
    return frame->origin == ORIGIN_LIBC || frame->origin == ORIGIN_RUNTIME ||
           frame->origin == ORIGIN_STDLIB;
}

/* What a folded frame belongs to: `libc.so.6`, `python3.11`, or `asyncio` of the standard library.
 */
static const char *owner_of(const struct frame *frame)
{
    if (frame->module != NULL)
        return frame->module;
    const char *file = frame->file;
    if (file == NULL)
        return frame->lang == LANG_JIT ? "JIT-compiled code" : "unknown code";
    if (starts_with(file, "<frozen "))
        return "importlib and other frozen modules";
    const char *base = base_name(file), *parent = base;
    if (parent > file + 1) {
        parent--;
        while (parent > file && parent[-1] != '/')
            parent--;
    }
    if (starts_with(parent, "python3") || parent == base)
        return intern_n(base, strcspn(base, "."));
    return intern_n(parent, (size_t)(base - parent) - 1);
}

static size_t add_folded(const struct text *t, const struct stack_view *view, size_t from)
{
    enum { NAMED = 3 };
    const char *owners[NAMED];
    size_t named = 0, more = 0, end = from;
    for (; end < view->count && is_foldable(t, view, end); end++) {
        const char *owner = owner_of(&view->frames[end]);
        size_t i = 0;
        while (i < named && strcmp(owners[i], owner) != 0)
            i++;
        if (i == named && named < NAMED)
            owners[named++] = owner;
        else if (i == named)
            more++;
    }
    sb_addf(t->out, "       %s… ", t->palette->dim);
    describe_count(t->out, end - from, "frame");
    sb_add(t->out, " of ");
    for (size_t i = 0; i < named; i++) {
        sb_add(t->out, i > 0 ? ", " : "");
        sb_add_clean(t->out, owners[i]);
    }
    sb_addf(t->out, "%s%s\n", more > 0 ? " and others" : "", t->palette->reset);
    return end;
}

static void add_frame(const struct text *t, const struct frame *frame, bool is_culprit, int width)
{
    struct strbuf name = {0};
    if (frame->function != NULL)
        sb_add_clean(&name, frame->function);
    else if (frame->module != NULL)
        sb_addf(&name, "+0x%" PRIx64, frame->vaddr);
    else
        sb_addf(&name, "0x%" PRIx64, frame->address);
    sb_addf(t->out, "     %s%s ", is_culprit ? t->palette->error : "", is_culprit ? ">" : " ");
    sb_addf(t->out, "%-*s%s  ", width, name.data, is_culprit ? t->palette->reset : "");
    sb_free(&name);
    /* Nobody has the sources of libc and interpreters at their (relative) paths. */
    bool foreign = frame->module != NULL && frame->file != NULL && frame->file[0] != '/';
    if (frame->file != NULL && (t->full || !foreign)) {
        sb_add_clean(t->out, frame->file);
        if (frame->line > 0)
            sb_addf(t->out, ":%d", frame->line);
    } else {
        sb_add_clean(t->out, frame->module ? frame->module : "");
    }
    sb_add(t->out, frame->inlined ? " (inlined)\n" : "\n");
}

static int name_width(const struct text *t, const struct stack_view *view)
{
    enum { WIDEST = 44 };
    size_t width = 12;
    for (size_t i = 0; i < view->count; i++) {
        const char *name = view->frames[i].function;
        if (name != NULL && !is_foldable(t, view, i) && strlen(name) > width)
            width = strlen(name);
    }
    return width > WIDEST ? WIDEST : (int)width;
}

static void add_stack(const struct text *t, const struct stack_view *view)
{
    begin_note(t);
    sb_add(t->out,
           view->truncated ? "stack, innermost first (cut off):\n" : "stack, innermost first:\n");
    int width = name_width(t, view);
    for (size_t i = 0; i < view->count;) {
        if (is_foldable(t, view, i)) {
            i = add_folded(t, view, i);
        } else {
            add_frame(t, &view->frames[i], (ptrdiff_t)i == view->culprit, width);
            i++;
        }
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
        begin_note(t);
        sb_add(t->out, "suppressed by ");
        sb_add_clean(t->out, finding->suppressed_by);
        sb_add(t->out, "\n");
    }
    add_stack(t, finding->view);
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
}

static void add_remarks(const struct text *t, const struct model *model,
                        const struct model_totals *totals, bool shown)
{
    sb_add(t->out, totals->findings + (shown ? totals->suppressed : 0) > 0 ? "\n" : "");
    if (totals->suppressed > 0 && !shown) {
        describe_count(t->out, totals->suppressed, "finding");
        sb_add(t->out, " suppressed; --show-suppressed shows them\n");
    }
    if (totals->dropped_stalls > 0) {
        describe_count(t->out, totals->dropped_stalls, "more stall");
        sb_add(t->out, " could not be captured: more came at once than there were buffers for\n");
    }
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        for (size_t j = 0; j < trace->notice_count; j++) {
            sb_add_clean(t->out, base_name(trace->exe));
            sb_addf(t->out, " (pid %" PRId64 "): ", trace->pid);
            sb_add_clean(t->out, trace->notices[j].message);
            sb_add(t->out, "\n");
        }
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
        .out = out, .palette = options->color ? &colored : &plain, .full = options->full};
    struct model_totals totals = model_totals(model);
    add_verdict(&t, &totals);
    size_t number = add_findings(&t, model, false, 0);
    if (options->show_suppressed)
        add_findings(&t, model, true, number);
    add_remarks(&t, model, &totals, options->show_suppressed);
}
