/* See losses.h. */
#include "losses.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/quantities.h"

/* Notices by which traces told of a loss before there were `loss` records. */
static const struct {
    const char *notice, *message;
} told_by_notice[] = {
    {"trace-full", "the trace reached its largest size, and what came after is only counted or not "
                   "there: raise --max-trace-size, or --threshold"},
    {"loops", NULL},
    {"lost", NULL},
    {"seccomp", NULL},
};

static void add(struct loss_list *list, const char *code, const char *message, uint64_t count)
{
    for (size_t i = 0; i < list->count; i++) {
        struct loss *known = &list->items[i];
        if (strcmp(known->code, code) == 0 && strcmp(known->message, message) == 0) {
            add_to(&known->count, count);
            return;
        }
    }
    GROW(list->items, list->count, list->cap);
    list->items[list->count++] = (struct loss){.code = code, .message = message, .count = count};
}

static void add_notices(struct loss_list *list, const struct trace *trace)
{
    for (size_t i = 0; i < trace->notice_count; i++) {
        const struct notice *notice = &trace->notices[i];
        for (size_t k = 0; k < COUNT_OF(told_by_notice); k++) {
            const char *message = told_by_notice[k].message;
            if (strcmp(told_by_notice[k].notice, notice->code) == 0)
                add(list, notice->code, message ? message : notice->message, 0);
        }
    }
}

bool is_loss_notice(const char *code)
{
    for (size_t i = 0; i < COUNT_OF(told_by_notice); i++) {
        if (strcmp(told_by_notice[i].notice, code) == 0)
            return true;
    }
    return false;
}

void losses_of_trace(struct loss_list *list, const struct trace *trace)
{
    for (size_t i = 0; i < trace->loss_count; i++)
        add(list, trace->losses[i].code, trace->losses[i].message, trace->losses[i].count);
    add_notices(list, trace);
    if (trace->dropped_stalls > 0)
        add(list, "dropped",
            "stalls could not be captured, for want of buffers: raise --threshold, or record less "
            "with --strict",
            trace->dropped_stalls);
    if (trace->bad_lines > 0)
        add(list, "damaged",
            "damaged lines in the trace, what they said is missing: was the disk full, or the file "
            "changed? Record again",
            trace->bad_lines);
    if (trace_is_cut_short(trace))
        add(list, "cut-short",
            "the trace stops in the middle of a line, and what came after is missing: the disk was "
            "full, or files may not grow larger (ulimit -f)",
            0);
}

void losses_of_model(struct loss_list *list, const struct model *model)
{
    for (size_t i = 0; i < model->loss_count; i++)
        add(list, model->losses[i].code, model->losses[i].message, model->losses[i].count);
    for (size_t i = 0; i < model->trace_count; i++)
        losses_of_trace(list, model->traces[i]);
}

void losses_free(struct loss_list *list)
{
    free(list->items);
    *list = (struct loss_list){0};
}

bool has_losses(const struct model *model)
{
    struct loss_list list = {0};
    losses_of_model(&list, model);
    bool any = list.count > 0;
    losses_free(&list);
    return any;
}

void model_add_loss(struct model *model, const char *code, const char *message, uint64_t count)
{
    GROW(model->losses, model->loss_count, model->loss_cap);
    model->losses[model->loss_count++] =
        (struct loss){.code = intern(code), .message = intern(message), .count = count};
}

/* <exe>.<pid>.<start>.jsonl */
static bool is_trace_name(const char *path)
{
    const char *name = base_name(path), *end = name + strlen(name) - strlen(".jsonl");
    if (!ends_with(name, ".jsonl"))
        return false;
    for (int numbers = 0; numbers < 2; numbers++) {
        const char *digits = end;
        while (digits > name && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        if (digits == end || digits == name || digits[-1] != '.')
            return false;
        end = digits - 1;
    }
    return end > name;
}

void note_unread(struct model *model, const char *path, const char *problem, bool ours)
{
    if (!ours && !is_trace_name(path))
        return;
    char *message = mem_printf("%s %s", path, problem);
    model_add_loss(model, "unreadable", message, 0);
    free(message);
}

static void describe_loss(struct strbuf *out, const struct loss *loss)
{
    sb_add(out, "LOST");
    if (loss->count > 0)
        sb_addf(out, " (%" PRIu64 ")", loss->count);
    sb_add(out, ": ");
    sb_add_clean(out, loss->message);
    sb_add(out, "\n");
}

void describe_losses(struct strbuf *out, const struct model *model, const char *prefix)
{
    for (size_t i = 0; i < model->loss_count; i++) {
        sb_add(out, prefix);
        describe_loss(out, &model->losses[i]);
    }
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        struct loss_list list = {0};
        losses_of_trace(&list, trace);
        for (size_t k = 0; k < list.count; k++) {
            sb_add(out, prefix);
            sb_add_clean(out, base_name(trace->exe));
            sb_addf(out, " (pid %" PRId64 "): ", trace->pid);
            describe_loss(out, &list.items[k]);
        }
        losses_free(&list);
    }
}
