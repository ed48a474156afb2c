/* See describe.h. */
#define _GNU_SOURCE
#include "describe.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

void describe_function(struct strbuf *out, const char *name)
{
    enum { LONG = 60 };
    if (strlen(name) <= LONG) {
        sb_add_clean(out, name);
        return;
    }
    struct strbuf brief = {0};
    for (const char *at = name; *at != '\0'; at++) {
        size_t len = arguments_len(name, at);
        if (len > 0) {
            sb_add(&brief, "<…>");
            at += len - 1;
        } else {
            sb_addn(&brief, at, 1);
        }
    }
    sb_add_clean(out, brief.data);
    sb_free(&brief);
}

void describe_wait(struct strbuf *out, const char *detail)
{
    static const char holder[] = "held by ";
    if (strcmp(detail, "no timeout") == 0) {
        sb_add(out, "without a timeout");
        return;
    }
    sb_add(out, strncmp(detail, holder, sizeof(holder) - 1) == 0 ? "for a lock " : "for ");
    sb_add_clean(out, detail);
}

void describe_cause(struct strbuf *out, const char *call, const char *detail,
                    const struct stack_view *view)
{
    if (view->callee != NULL) {
        describe_function(out, view->callee);
        sb_add(out, " → ");
    }
    sb_add_clean(out, call);
    if (detail != NULL && detail[0] != '\0') {
        sb_add(out, " (");
        sb_add_clean(out, detail);
        sb_add(out, ")");
    }
}

void describe_iteration(struct strbuf *out, const struct profile *profile)
{
    uint64_t count, total_ns;
    if (describe_runtime(out, profile))
        return;
    switch (profile_cause(profile)) {
    case CAUSE_CALLS:
        if (profile_calls_are_late(profile)) {
            sb_add(out, "a call that was told not to wait");
            return;
        }
        profile_small_calls(profile, &count, &total_ns);
        describe_count(out, count, "small blocking call");
        return;
    case CAUSE_CPU:
        sb_add(out, "running code");
        return;
    case CAUSE_RUNNABLE:
        sb_add(out,
               profile->worst.time.throttled_ns > 0 ? "a used-up CPU quota" : "waiting for a CPU");
        return;
    case CAUSE_ASLEEP:
        sb_add(out, "a wait that no wrapper saw");
        return;
    case CAUSE_UNKNOWN:
    case CAUSE_MIXED:
        break;
    }
    sb_add(out, "a long iteration");
}

void describe_frame(struct strbuf *out, const struct frame *frame)
{
    if (frame->file != NULL) {
        sb_add_clean(out, frame->file);
        if (frame->line > 0)
            sb_addf(out, ":%d", frame->line);
        if (frame->function != NULL) {
            sb_add(out, " in ");
            describe_function(out, frame->function);
        }
    } else if (frame->function != NULL) {
        describe_function(out, frame->function);
        if (frame->module != NULL) {
            sb_add(out, " in ");
            sb_add_clean(out, frame->module);
        }
    } else if (frame->module != NULL) {
        sb_add_clean(out, frame->module);
        sb_addf(out, "+0x%" PRIx64, frame->vaddr);
    } else {
        sb_addf(out, "%s0x%" PRIx64, frame->lang == LANG_JIT ? "JIT-compiled code at " : "",
                frame->address);
    }
}

void describe_finding(struct strbuf *out, const struct finding *finding)
{
    const struct stack_view *view = finding->view;
    describe_duration(out, finding->max_ns);
    if (finding->count > 1)
        sb_addf(out, ", %" PRIu64 " times", finding->count);
    sb_add(out, "  ");
    if (finding->kind == STALL_CALL) {
        describe_cause(out, finding->call, finding->detail, view);
    } else {
        sb_add(out, "slow iteration");
        sb_add(out, finding->detail != NULL ? ": " : "");
        sb_add_clean(out, finding->detail != NULL ? finding->detail : "");
    }
    if (view->culprit >= 0) {
        sb_add(out, "  at ");
        describe_frame(out, &view->frames[view->culprit]);
    }
}

void describe_place(struct strbuf *out, const struct finding *finding)
{
    const struct stack_view *view = finding->view;
    if (finding->kind == STALL_CALL)
        describe_cause(out, finding->call, NULL, view);
    else
        sb_add(out, "slow iteration");
    if (view->culprit < 0)
        return;
    const struct frame *frame = &view->frames[view->culprit];
    if (frame->function != NULL) {
        sb_add(out, " in ");
        describe_function(out, frame->function);
    }
    const char *path = frame->file != NULL ? frame->file : frame->module;
    if (path != NULL) {
        sb_add(out, ", ");
        sb_add_clean(out, base_name(path));
    }
}
