/* See announce.h. A finding has its line when it is new. It has another when it is worse than all
 * that was said of it: ten times as long as the longest so far, or over the budget for the first
 * time. */
#define _GNU_SOURCE
#include "announce.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "words/describe.h"
#include "commands/output.h"

#define WORSE          10
#define ENDED_FLOOR_NS UINT64_C(100000000) /* shorter ones are not worth a second line */
#define OPEN_FLOOR_NS  UINT64_C(1000000000)
#define HOLD_NS        UINT64_C(250000000)

/* A stall that has not ended. */
struct open {
    struct finding finding; /* as it was then; an iteration's is preliminary */
    const struct trace *trace;
    struct stall stall;
    uint64_t read_ns; /* our clock, when its record was read: it had stall.elapsed_ns then */
    uint64_t told_ns; /* the length that its last line gave; 0: it has had none */
    bool again;       /* that line was not its first */
    uint64_t held_ns; /* our clock, before which there is no further line; 0: any time */
};

struct announcer {
    struct model *model;
    bool color;
    struct map told; /* fingerprint → the greatest length that a line gave, in ns */
    struct open *open;
    size_t open_count, open_cap;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t key_of(const struct finding *finding)
{
    return strtoull(finding->fingerprint, NULL, 16);
}

static uint64_t told_of(const struct announcer *announcer, const struct finding *finding)
{
    return (uint64_t)(uintptr_t)map_get(&announcer->told, key_of(finding));
}

static void note_told(struct announcer *announcer, const struct finding *finding, uint64_t ns)
{
    if (ns > told_of(announcer, finding))
        map_put(&announcer->told, key_of(finding), (void *)(uintptr_t)ns);
}

/* The length from which on a stall of this finding is worth a line; 0: it has had none at all. */
static uint64_t worth_ns(const struct announcer *announcer, const struct finding *finding,
                         uint64_t floor_ns)
{
    uint64_t told = told_of(announcer, finding), budget = announcer->model->budget_ns;
    if (told == 0)
        return 0;
    uint64_t worse = told < UINT64_MAX / WORSE ? told * WORSE : UINT64_MAX;
    if (worse < floor_ns)
        worse = floor_ns;
    if (budget > 0 && !over_budget(announcer->model, told) && worse > budget)
        worse = budget + 1;
    return worse;
}

static void tell(struct announcer *announcer, const char *headline, uint64_t ns,
                 const struct finding *finding, const struct trace *trace,
                 const struct stall *stall)
{
    struct strbuf line = {0};
    bool color = announcer->color;
    sb_add(&line, "stalltrace: ");
    sb_add(&line, color ? "\033[1;31m" : "");
    sb_add(&line, headline);
    sb_add(&line, " ");
    describe_duration(&line, ns);
    if (over_budget(announcer->model, ns)) {
        sb_add(&line, " OVER BUDGET of ");
        describe_duration(&line, announcer->model->budget_ns);
    }
    sb_add(&line, color ? "\033[0m" : "");
    const struct stack_view *view = finding->view;
    if (stall->kind == STALL_CALL) {
        sb_add(&line, "  ");
        describe_cause(&line, stall->call, stall->detail, view);
    } else if (finding->detail != NULL) {
        sb_add(&line, "  ");
        sb_add_clean(&line, finding->detail);
    }
    if (view->culprit >= 0) {
        sb_add(&line, color ? "  at \033[1m" : "  at ");
        describe_frame(&line, &view->frames[view->culprit]);
        sb_add(&line, color ? "\033[0m" : "");
    }
    sb_add(&line, color ? "  \033[2m[" : "  [");
    bool named = stall->loop != NULL && stall->loop->name[0] != '\0';
    const char *name = named ? stall->loop->name : base_name(trace->exe);
    sb_add_clean(&line, name);
    sb_addf(&line, " pid %lld%s]%s\n", (long long)trace->pid,
            trace_is_starting(trace, stall) ? ", starting" : "", color ? "\033[0m" : "");
    if (!output_is_utf8())
        text_to_ascii(&line);
    (void)write_all(STDERR_FILENO, line.data, line.len);
    sb_free(&line);
    note_told(announcer, finding, ns);
}

static void on_stall(void *ctx, const struct finding *finding, const struct trace *trace,
                     const struct stall *stall, bool is_new)
{
    (void)is_new; /* a finding of another trace has had no line here */
    struct announcer *announcer = ctx;
    bool is_iteration = stall->kind == STALL_ITERATION;
    if (finding->suppressed_by != NULL)
        return;
    uint64_t floor = stall->ended ? ENDED_FLOOR_NS : OPEN_FLOOR_NS;
    bool worth = stall->elapsed_ns >= worth_ns(announcer, finding, floor);
    if (stall->ended) {
        if (worth)
            tell(announcer, is_iteration ? "SLOW ITERATION" : "BLOCKED", stall->elapsed_ns, finding,
                 trace, stall);
        return;
    }
    if (worth)
        tell(announcer, is_iteration ? "SLOW ITERATION, so far" : "STILL BLOCKED after",
             stall->elapsed_ns, finding, trace, stall);
    GROW(announcer->open, announcer->open_count, announcer->open_cap);
    announcer->open[announcer->open_count++] =
        (struct open){.finding = *finding,
                      .trace = trace,
                      .stall = *stall,
                      .read_ns = now_ns(),
                      .told_ns = worth ? stall->elapsed_ns : 0};
}

/* Takes it out of those that have not ended, into *open. False: it is none of them. */
static bool take(struct announcer *announcer, const struct trace *trace, const struct stall *stall,
                 struct open *open)
{
    for (size_t i = 0; i < announcer->open_count; i++) {
        struct open *candidate = &announcer->open[i];
        if (candidate->trace != trace || candidate->stall.id != stall->id)
            continue;
        *open = *candidate;
        *candidate = announcer->open[--announcer->open_count];
        return true;
    }
    return false;
}

/* Was the last line about a stall that turned out to be like this? */
static bool said_too_little(const struct announcer *announcer, const struct open *open, uint64_t ns)
{
    return open->again || ns / 2 > open->told_ns ||
           (over_budget(announcer->model, ns) && !over_budget(announcer->model, open->told_ns));
}

static void on_stall_end(void *ctx, const struct finding *finding, const struct trace *trace,
                         const struct stall *stall)
{
    struct announcer *announcer = ctx;
    struct open open = {0};
    bool is_iteration = stall->kind == STALL_ITERATION;
    bool was_open = take(announcer, trace, stall, &open);
    uint64_t ns = stall->elapsed_ns;
    if (!stall->ended || finding->suppressed_by != NULL)
        return;
    if (was_open && open.told_ns > 0) {
        /* An iteration's finding is only settled at its end, and may be another one now. */
        note_told(announcer, finding, open.told_ns);
        if (said_too_little(announcer, &open, ns))
            tell(announcer, is_iteration ? "ITERATION ENDED after" : "UNBLOCKED after", ns, finding,
                 trace, stall);
    } else if (ns >= worth_ns(announcer, finding, ENDED_FLOOR_NS)) {
        tell(announcer, is_iteration ? "SLOW ITERATION" : "BLOCKED", ns, finding, trace, stall);
    }
}

/* Without what the trace knows of the time for which the process was stopped since. */
static uint64_t elapsed_ns(const struct open *open, uint64_t now)
{
    uint64_t since = now - open->read_ns;
    uint64_t frozen =
        trace_frozen_ns(open->trace, open->stall.at_ns + open->stall.elapsed_ns, UINT64_MAX);
    return open->stall.elapsed_ns + (since > frozen ? since - frozen : 0);
}

/* Is the process stopped, by a signal or a debugger? It is not to blame for that. */
static bool is_stopped(int64_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[len] = '\0';
    const char *end = strrchr(text, ')'); /* the name may hold anything */
    return end != NULL && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

int announcer_timeout(const struct announcer *announcer)
{
    enum { LONGEST_MS = 1000000 };
    uint64_t now = now_ns(), first = UINT64_MAX;
    for (size_t i = 0; i < announcer->open_count; i++) {
        const struct open *open = &announcer->open[i];
        uint64_t due = worth_ns(announcer, &open->finding, OPEN_FLOOR_NS);
        uint64_t elapsed = elapsed_ns(open, now);
        uint64_t wait = due > elapsed ? due - elapsed : 0;
        if (open->held_ns > now && open->held_ns - now > wait)
            wait = open->held_ns - now;
        if (wait < first)
            first = wait;
    }
    if (first == UINT64_MAX)
        return -1;
    uint64_t ms = first / 1000000 + 1;
    return ms < LONGEST_MS ? (int)ms : LONGEST_MS;
}

void announcer_tick(struct announcer *announcer)
{
    uint64_t now = now_ns();
    for (size_t i = 0; i < announcer->open_count;) {
        struct open *open = &announcer->open[i];
        uint64_t ns = elapsed_ns(open, now);
        if (ns < worth_ns(announcer, &open->finding, OPEN_FLOOR_NS) || now < open->held_ns) {
            i++;
            continue;
        }
        if (is_stopped(open->trace->pid)) {
            /* when it goes on, its trace will say for how long that was */
            open->held_ns = now + HOLD_NS;
            i++;
            continue;
        }
        if (kill((pid_t)open->trace->pid, 0) < 0 && errno == ESRCH) {
            *open = announcer->open[--announcer->open_count];
            continue;
        }
        tell(announcer,
             open->stall.kind == STALL_ITERATION ? "SLOW ITERATION, so far" : "STILL BLOCKED after",
             ns, &open->finding, open->trace, &open->stall);
        open->told_ns = ns;
        open->again = true;
        i++;
    }
}

struct announcer *announcer_new(struct model *model)
{
    struct announcer *announcer = mem_calloc(1, sizeof(*announcer));
    announcer->model = model;
    announcer->color = output_wants_color(STDERR_FILENO);
    model->on_stall = on_stall;
    model->on_stall_end = on_stall_end;
    model->ctx = announcer;
    return announcer;
}

void announcer_free(struct announcer *announcer)
{
    if (announcer == NULL)
        return;
    announcer->model->on_stall = NULL;
    announcer->model->on_stall_end = NULL;
    map_free(&announcer->told, NULL);
    free(announcer->open);
    free(announcer);
}
