/* The text report's notes about an over-long iteration: a table of where the time went, the calls
 * that took most of it, what no wrapper saw, and where the samples were. */
#include <inttypes.h>
#include <string.h>

#include "words/describe.h"
#include "text.h"

enum { BAR = 24, NAME = 22, SHOWN = 5 };

void text_bar(struct strbuf *out, uint64_t part, uint64_t whole, int width)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    part = part < whole || whole == 0 ? part : whole;
    uint64_t filled = whole == 0 ? 0 : (uint64_t)((double)part / (double)whole * width * 8.0 + 0.5);
    filled = filled == 0 && part > 0 ? 1 : filled;
    int columns = (int)(filled / 8);
    for (int i = 0; i < columns; i++)
        sb_add(out, "█");
    sb_add(out, eighths[filled % 8]);
    columns += filled % 8 != 0;
    sb_addf(out, "%*s", width > columns ? width - columns : 0, "");
}

static void add_row(const struct text *t, const char *name, uint64_t ns, uint64_t whole)
{
    if (ns == 0)
        return;
    sb_addf(t->out, "       %-*s ", NAME, name);
    text_bar(t->out, ns, whole, BAR);
    unsigned int percent = percent_of(ns, whole);
    if (percent > 0)
        sb_addf(t->out, " %3u %%  ", percent);
    else
        sb_add(t->out, " <1 %  ");
    describe_duration(t->out, ns);
    sb_add(t->out, "\n");
}

static void add_time(const struct text *t, const struct time_split *time)
{
    uint64_t whole = time->calls_ns + time->cpu_ns + time->runnable_ns + time->asleep_ns;
    if (whole == 0)
        return;
    text_note(t);
    sb_add(t->out, "where the time went:\n");
    add_row(t, "on CPU", time->cpu_ns, whole);
    add_row(t, "in blocking calls", time->calls_ns, whole);
    add_row(t, "asleep, unseen", time->asleep_ns, whole);
    add_row(t, "waiting for a CPU", time->runnable_ns, whole);
    if (time->throttled_ns > 0) {
        text_note(t);
        sb_add(t->out, "the cgroup's CPU quota was used up for ");
        describe_duration(t->out, time->throttled_ns);
        sb_add(t->out, ": raise the limit, or use less of it elsewhere\n");
    } else if (time->runnable_ns > whole / 3) {
        text_note(t);
        sb_add(t->out, "ready to run, but other threads or programs had the CPU\n");
    }
    if (time->frozen_ns > 0) {
        text_note(t);
        sb_add(t->out, "not counted: ");
        describe_duration(t->out, time->frozen_ns);
        sb_add(t->out, " for which the process was stopped (SIGSTOP, a debugger, a frozen "
                       "container)\n");
    }
}

/* `, 402 ms in all, the longest 400 ms (a finding of its own)` */
static void add_sum(const struct text *t, const struct time_split *time, const struct call_sum *sum)
{
    uint64_t mean = sum->total_ns / sum->count;
    bool differ = sum->max_ns / 2 > mean;
    sb_add(t->out, ", ");
    describe_duration(t->out, sum->total_ns);
    if (sum->count > 1) {
        sb_add(t->out, differ ? " in all, the longest " : " in all, ");
        describe_duration(t->out, differ ? sum->max_ns : mean);
        sb_add(t->out, differ ? "" : sum->max_ns > 0 ? " each" : " on average");
    }
    if (call_sum_is_found(time, sum))
        sb_add(t->out,
               sum->count == 1 || differ ? " (a finding of its own)" : " (findings of their own)");
    sb_add(t->out, "\n");
}

static void add_calls(const struct text *t, const struct profile *profile)
{
    const struct time_split *time = &profile->time;
    uint64_t whole = time->calls_ns + time->cpu_ns + time->runnable_ns + time->asleep_ns;
    size_t more = profile->call_count > SHOWN ? profile->call_count - SHOWN : 0;
    for (size_t i = 0; i < profile->call_count && i < SHOWN; i++) {
        const struct call_sum *sum = &profile->calls[i];
        if (sum->count == 0)
            continue;
        if (sum->total_ns < whole / 100)
            return; /* and the others are shorter still */
        text_note(t);
        describe_count(t->out, sum->count, "call");
        sb_add(t->out, " of ");
        sb_add_clean(t->out, sum->call);
        add_sum(t, time, sum);
    }
    if (more > 0) {
        text_note(t);
        sb_addf(t->out, "and calls of %zu other function%s\n", more, more == 1 ? "" : "s");
    }
}

static void add_waits(const struct text *t, const struct profile *profile)
{
    const struct waits *waits = &profile->waits;
    for (size_t i = 0; i < waits->count && i < SHOWN; i++) {
        text_note(t);
        sb_add(t->out, "waited ");
        describe_wait(t->out, waits->kept[i].detail);
        sb_addf(t->out, ", in %" PRIu64 " of %" PRIu64 " samples\n", waits->kept[i].count,
                profile->samples);
    }
}

static void add_spots(const struct text *t, const struct profile *profile)
{
    for (size_t i = 0; i < profile->spot_count && i < SHOWN; i++) {
        const struct blind_spot *spot = &profile->spots[i];
        text_note(t);
        sb_add(t->out, "blind spot: asleep in ");
        describe_spot(t->out, spot);
        if (spot->syscall_name != NULL && spot->wait_channel != NULL) {
            sb_add(t->out, " (the kernel's ");
            sb_add_clean(t->out, spot->wait_channel);
            sb_add(t->out, ")");
        }
        sb_addf(t->out, " in %" PRIu64 " of %" PRIu64 " samples\n", spot->count, profile->samples);
    }
    if (profile->spot_count > 0) {
        text_note(t);
        sb_add(t->out, "no wrapped function was called for it: a raw system call, a page fault, or "
                       "libc's own\n");
    }
}

/* The lines of the culprit, where a group was at several: `lines 4 (61 %), 5 (39 %)`. */
static void add_lines(const struct text *t, const struct sample_group *group)
{
    enum { LINES = 4 };
    struct {
        int line;
        uint64_t count;
    } lines[LINES] = {{0, 0}};
    size_t count = 0;
    for (size_t i = 0; i < group->stack_count; i++) {
        const struct stack_view *view = group->stacks[i].view;
        int line = view->culprit < 0 ? 0 : view->frames[view->culprit].line;
        size_t at = 0;
        while (at < count && lines[at].line != line)
            at++;
        if (at == LINES)
            return; /* all over the function: no line says anything */
        lines[at].line = line;
        lines[at].count += group->stacks[i].count;
        count = at == count ? count + 1 : count;
    }
    if (count < 2)
        return;
    sb_add(t->out, " (lines ");
    for (size_t i = 0; i < count; i++)
        sb_addf(t->out, "%s%d: %u %%", i > 0 ? ", " : "", lines[i].line,
                percent_of(lines[i].count, group->count));
    sb_add(t->out, ")");
}

static void add_samples(const struct text *t, const struct profile *profile)
{
    if (profile->samples == 0)
        return;
    text_note(t);
    describe_count(t->out, profile->samples, "sample");
    if (profile->group_count == 1) {
        sb_add(t->out, profile->samples == 1 ? " there" : ", all there");
        add_lines(t, &profile->groups[0]);
        sb_add(t->out, "\n");
        return;
    }
    sb_add(t->out, ":\n");
    for (size_t i = 0; i < profile->group_count && i < SHOWN; i++) {
        const struct sample_group *group = &profile->groups[i];
        const struct stack_view *view = group_view(group);
        sb_addf(t->out, "      %3u %%  ", percent_of(group->count, profile->samples));
        if (view->culprit >= 0)
            describe_frame(t->out, &view->frames[view->culprit]);
        else
            sb_add(t->out, "no stack");
        add_lines(t, group);
        sb_add(t->out, "\n");
    }
    if (profile->group_count > SHOWN)
        sb_addf(t->out, "             and %zu other places\n", profile->group_count - SHOWN);
}

static void add_no_stack(const struct text *t, const struct profile *profile)
{
    if (profile->no_stack == NULL)
        return;
    text_note(t);
    sb_addf(t->out,
            "no native stack in %" PRIu64 " of %" PRIu64 " samples: ", profile->no_stack_count,
            profile->samples);
    sb_add_clean(t->out, profile->no_stack);
    sb_add(t->out, "\n");
}

void text_iteration(const struct text *t, const struct profile *profile)
{
    if (profile->timed)
        add_time(t, &profile->time);
    add_calls(t, profile);
    add_waits(t, profile);
    add_spots(t, profile);
    add_samples(t, profile);
    add_no_stack(t, profile);
}
