/* See announce.h. A place has its line when it is new, at the threshold. A stall has one, whatever
 * was said of its place before, when it has lasted for 1 s, 10 s, 1 min, 10 min, … or longer than
 * the budget; and one at its end, where something was said of it. */
#define _GNU_SOURCE
#include "announce.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/output.h"
#include "model/findings.h"
#include "model/place.h"
#include "words/describe.h"

#define SECOND_NS UINT64_C(1000000000)
#define HOLD_NS   UINT64_C(250000000)

/* The ages at which a stall is told of again, whatever was said before. */
static const uint64_t ages_ns[] = {SECOND_NS,         10 * SECOND_NS,   60 * SECOND_NS,
                                   600 * SECOND_NS,   3600 * SECOND_NS, 36000 * SECOND_NS,
                                   360000 * SECOND_NS};

/* A stall that has not ended. */
struct open {
    struct finding finding; /* as it was then; an iteration's is preliminary */
    const struct trace *trace;
    struct stall stall;
    uint64_t read_ns; /* our clock, when its record was read: it had stall.elapsed_ns then */
    uint64_t told_ns; /* the length that its last line gave; 0: it has had none */
    bool was_new;     /* its first line was its place's first */
    uint64_t held_ns; /* our clock, before which there is no further line; 0: any time */
};

struct announcer {
    struct model *model;
    bool color;
    struct map told; /* places that have had a line */
    struct open *open;
    size_t open_count, open_cap;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The key of the whole function, should it turn out to be one place (place.h). */
static uint64_t function_of(const struct finding *finding)
{
    return finding_key(place_function_key(finding->view, finding->kind, finding->call),
                       finding->suppressed_by, finding->startup);
}

static const char told_mark, untold_mark; /* a map has no other way to forget */

static bool is_new(const struct announcer *announcer, const struct finding *finding)
{
    return map_get(&announcer->told, finding->place) != &told_mark;
}

static void note_told(struct announcer *announcer, const struct finding *finding, bool told)
{
    void *mark = (void *)(uintptr_t)(told ? &told_mark : &untold_mark);
    map_put(&announcer->told, finding->place, mark);
    if (finding->kind == STALL_CALL)
        map_put(&announcer->told, function_of(finding), mark);
}

/* The age from which on a stall is worth another line, when it had been told of at this one (0: not
 * at all). */
static uint64_t due_ns(const struct announcer *announcer, uint64_t told_ns)
{
    uint64_t due = UINT64_MAX, budget = announcer->model->budget_ns;
    for (size_t i = COUNT_OF(ages_ns); i > 0 && ages_ns[i - 1] > told_ns; i--)
        due = ages_ns[i - 1];
    if (budget > 0 && told_ns <= budget && budget < due)
        due = budget + 1;
    return due;
}

static void tell(struct announcer *announcer, const char *headline, uint64_t ns,
                 const struct finding *finding, const struct trace *trace,
                 const struct stall *stall, const char *remark)
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
    sb_addf(&line, " pid %lld%s]%s%s\n", (long long)trace->pid,
            trace_is_starting(trace, stall) ? ", starting" : "", color ? "\033[0m" : "", remark);
    if (!output_is_utf8())
        text_to_ascii(&line);
    (void)write_all(STDERR_FILENO, line.data, line.len);
    sb_free(&line);
    note_told(announcer, finding, true);
}

static void on_stall(void *ctx, const struct finding *finding, const struct trace *trace,
                     const struct stall *stall, bool first)
{
    (void)first; /* the first of a place may have had no line: it was suppressed, or nothing */
    struct announcer *announcer = ctx;
    bool is_iteration = stall->kind == STALL_ITERATION;
    if (finding->suppressed_by != NULL)
        return;
    bool place_is_new = is_new(announcer, finding);
    bool worth = place_is_new || stall->elapsed_ns >= due_ns(announcer, 0);
    if (worth && stall->ended)
        tell(announcer, is_iteration ? "SLOW ITERATION" : "BLOCKED", stall->elapsed_ns, finding,
             trace, stall, "");
    else if (worth)
        tell(announcer, is_iteration ? "SLOW ITERATION, so far" : "STILL BLOCKED after",
             stall->elapsed_ns, finding, trace, stall, "");
    if (stall->ended)
        return;
    GROW(announcer->open, announcer->open_count, announcer->open_cap);
    announcer->open[announcer->open_count++] =
        (struct open){.finding = *finding,
                      .trace = trace,
                      .stall = *stall,
                      .read_ns = now_ns(),
                      .told_ns = worth ? stall->elapsed_ns : 0,
                      .was_new = place_is_new};
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

/* It was told of while it lasted, and is no finding: the machine had no CPU for it. */
static void on_nothing(struct announcer *announcer, const struct open *open,
                       const struct stall *stall)
{
    if (open->told_ns == 0)
        return;
    tell(announcer, stall->kind == STALL_ITERATION ? "ITERATION ENDED after" : "UNBLOCKED after",
         stall->elapsed_ns, &open->finding, open->trace, stall,
         ", no finding: the machine had no CPU for it");
    if (open->was_new)
        note_told(announcer, &open->finding, false);
}

static void on_stall_end(void *ctx, const struct finding *finding, const struct trace *trace,
                         const struct stall *stall)
{
    struct announcer *announcer = ctx;
    struct open open = {0};
    bool is_iteration = stall->kind == STALL_ITERATION;
    bool was_open = take(announcer, trace, stall, &open);
    uint64_t ns = stall->elapsed_ns;
    if (stall->nothing)
        on_nothing(announcer, &open, stall);
    if (stall->nothing || !stall->ended || finding->suppressed_by != NULL)
        return;
    /* An iteration's place is only settled at its end, and may be another one now. */
    if (was_open && open.told_ns > 0)
        tell(announcer, is_iteration ? "ITERATION ENDED after" : "UNBLOCKED after", ns, finding,
             trace, stall, "");
    else if (is_new(announcer, finding) || ns >= due_ns(announcer, 0))
        tell(announcer, is_iteration ? "SLOW ITERATION" : "BLOCKED", ns, finding, trace, stall, "");
}

/* Without what the trace knows of the time for which the process was stopped since, or had no CPU.
 */
static uint64_t elapsed_ns(const struct open *open, uint64_t now)
{
    const struct stall *then = &open->stall, *last = map_get(&open->trace->open_stalls, then->id);
    uint64_t whole = then->elapsed_ns + then->starved_ns + (now - open->read_ns);
    uint64_t without = trace_frozen_ns(open->trace, then->at_ns + then->elapsed_ns, UINT64_MAX);
    without += last != NULL && last->still_ns > 0 ? last->still_starved_ns : then->starved_ns;
    uint64_t left = whole > without ? whole - without : 0;
    return left > then->elapsed_ns ? left : then->elapsed_ns;
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
        uint64_t due = due_ns(announcer, open->told_ns);
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
        if (ns < due_ns(announcer, open->told_ns) || now < open->held_ns) {
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
             ns, &open->finding, open->trace, &open->stall, "");
        open->told_ns = ns;
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
