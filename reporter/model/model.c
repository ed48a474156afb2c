/* Aggregation. A stack is symbolised and fingerprinted once per trace; after that a stall costs two
 * look-ups. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "util/quantities.h"
#include "findings.h"
#include "place.h"

/* A stack of one trace, together with the call that was made from it. */
struct seen_stack {
    struct finding *finding;
    struct stack_view *view;
};

void model_init(struct model *model, struct symbols *symbols, const struct rules *rules)
{
    *model = (struct model){
        .symbols = symbols, .rules = rules, .by_detail = rules != NULL && rules_use_detail(rules)};
}

static void free_profile(void *value)
{
    struct profile *profile = value;
    if (profile == NULL)
        return;
    profile_free(profile);
    free(profile);
}

void model_free(struct model *model)
{
    findings_free(model);
    map_free(&model->iterations, free_profile);
    free(model->excuses);
    free(model->losses);
    for (size_t i = 0; i < model->view_count; i++)
        stack_view_free(model->views[i]);
    free(model->views);
    for (size_t i = 0; i < model->trace_count; i++)
        trace_free(model->traces[i]);
    free(model->traces);
    map_free(&model->by_stack, free);
}

void model_add_trace(struct model *model, struct trace *trace)
{
    GROW(model->traces, model->trace_count, model->trace_cap);
    model->traces[model->trace_count++] = trace;
    const struct loop *first = map_get(&trace->loop_by_id, trace->moments.first_loop);
    if (first != NULL && trace_has_startup(trace)) {
        GROW(model->excuses, model->excuse_count, model->excuse_cap);
        model->excuses[model->excuse_count++] =
            (struct excuse){first, 0, trace->moments.serving_ns};
    }
}

static const char *thread_name(const struct stall *stall)
{
    return stall->loop != NULL ? stall->loop->name : NULL;
}

static uint64_t stack_key(const struct model *model, const struct trace *trace,
                          const struct stall *stall)
{
    /* The strings are pooled, so that their addresses identify them. */
    const struct {
        const struct trace *trace;
        const char *call, *detail, *thread, *class_name, *wait_kind;
        uint64_t stack, kind, startup, strict;
    } parts = {trace,
               stall->call,
               model->by_detail ? stall->detail : NULL,
               thread_name(stall),
               stall->class_name,
               stall->wait_kind,
               stall->stack_id,
               (uint64_t)stall->kind,
               stall->startup,
               stall->strict};
    return hash_bytes(HASH_SEED, &parts, sizeof(parts));
}

static struct rule *suppressed_by(const struct model *model, const struct trace *trace,
                                  const struct stall *stall, const struct stack_view *view)
{
    if (model->rules == NULL)
        return NULL;
    struct suppression_subject subject = {.kind = stall->kind,
                                          .call = stall->call,
                                          .class_name = stall->class_name,
                                          .detail = stall->detail,
                                          .exe = trace->exe,
                                          .strict = stall->strict,
                                          .thread = thread_name(stall),
                                          .view = view};
    return rules_match(model->rules, &subject);
}

/* The view of a stack, and unless `as_sample` the finding that the stall belongs to. */
static struct seen_stack *seen(struct model *model, const struct trace *trace,
                               const struct stall *stall, bool as_sample)
{
    uint64_t key = stack_key(model, trace, stall);
    struct seen_stack *known = map_get(&model->by_stack, key);
    if (known == NULL) {
        known = mem_calloc(1, sizeof(*known));
        const char *call = stall->kind == STALL_CALL ? stall->call : NULL;
        known->view =
            stack_view_new(model->symbols, stall->stack, call, trace->exe, model->app_dirs);
        GROW(model->views, model->view_count, model->view_cap);
        model->views[model->view_count++] = known->view;
        map_put(&model->by_stack, key, known);
    }
    if (known->finding == NULL && !as_sample)
        known->finding =
            finding_of(model, stall, known->view, suppressed_by(model, trace, stall, known->view));
    if (known->finding != NULL && known->finding->joined != NULL)
        known->finding = known->finding->joined;
    return known;
}

/* A stall that a suppression covers excuses the iteration that it was in. */
static void excuse(struct model *model, const struct finding *finding, const struct stall *stall)
{
    if (stall->loop == NULL || finding->suppressed_by == NULL)
        return;
    GROW(model->excuses, model->excuse_count, model->excuse_cap);
    model->excuses[model->excuse_count++] = (struct excuse){
        stall->loop, stall->at_ns, stall->at_ns + stall->elapsed_ns + stall->starved_ns};
}

static uint64_t iteration_key(const struct trace *trace, const struct stall *stall)
{
    const struct {
        const struct trace *trace;
        uint64_t stall;
    } parts = {trace, stall->id};
    return hash_bytes(HASH_SEED, &parts, sizeof(parts));
}

static struct profile *profile_of(struct model *model, const struct trace *trace,
                                  const struct stall *stall)
{
    uint64_t key = iteration_key(trace, stall);
    struct profile *profile = map_get(&model->iterations, key);
    if (profile == NULL) {
        profile = mem_calloc(1, sizeof(*profile));
        map_put(&model->iterations, key, profile);
    }
    return profile;
}

/* Which finding an iteration belongs to depends on where most of its samples were, so it is only
 * settled at its end. */
static struct finding *settle_iteration(struct model *model, const struct trace *trace,
                                        const struct stall *stall)
{
    struct profile *profile = profile_of(model, trace, stall);
    const struct seen_stack *first = seen(model, trace, stall, true);
    if (profile->samples == 0 && stall->stack != NULL)
        profile_sample(profile, &(struct sample){.count = 1}, first->view);
    if (stall->breakdown != NULL)
        profile_time(profile, stall->breakdown, stall->elapsed_ns);
    if (profile->tasks.count == 0)
        tasks_add(&profile->tasks, stall->task, stall->coroutine, 1);
    const struct sample_group *dominant = profile_dominant(profile);
    const struct stack_view *view = dominant != NULL ? group_view(dominant) : first->view;
    struct finding *finding =
        finding_of(model, stall, view, suppressed_by(model, trace, stall, view));
    finding_account(finding, view, trace, stall, 1, stall->elapsed_ns);
    finding->starved_ns += stall->starved_ns;
    profile_merge(finding->profile, profile);
    tasks_merge(&finding->tasks, &profile->tasks);
    profile_free(profile); /* empty it; the map keeps it */
    profile_sort(finding->profile);
    if (finding->profile->group_count > 0)
        finding->view = group_view(&finding->profile->groups[0]);
    struct strbuf words = {0};
    describe_cause_of_time(&words, finding->profile);
    finding->detail = words.len > 0 ? intern(words.data) : stall->detail;
    sb_free(&words);
    finding->strict = false;
    if (!stall->ended)
        finding->in_progress++;
    return finding;
}

/* Tells of an iteration that has only begun to be too long. */
static void announce_iteration(struct model *model, const struct trace *trace,
                               const struct stall *stall)
{
    const struct stack_view *view = seen(model, trace, stall, true)->view;
    struct finding preliminary = {.kind = STALL_ITERATION,
                                  .call = stall->call,
                                  .class_name = stall->class_name,
                                  .count = 1,
                                  .max_ns = stall->elapsed_ns,
                                  .total_ns = stall->elapsed_ns,
                                  .in_progress = 1,
                                  .suppressed_by = suppressed_by(model, trace, stall, view),
                                  .trace = trace,
                                  .loop = stall->loop,
                                  .view = view};
    fingerprint(preliminary.fingerprint, stall->kind, stall->call, view);
    preliminary.place = finding_key(place_key(view, stall->kind, stall->call),
                                    preliminary.suppressed_by, stall->startup);
    model->on_stall(model->ctx, &preliminary, trace, stall, true);
}

static void on_stall(void *ctx, struct trace *trace, const struct stall *stall)
{
    struct model *model = ctx;
    if (stall->kind == STALL_ITERATION && !stall->ended && stall->id != 0) {
        (void)profile_of(model, trace, stall);
        if (model->on_stall != NULL)
            announce_iteration(model, trace, stall);
        return;
    }
    struct finding *finding;
    bool is_new;
    if (stall->kind == STALL_ITERATION) {
        size_t before = model->count + model->startup_count;
        finding = settle_iteration(model, trace, stall);
        is_new = model->count + model->startup_count > before;
    } else {
        const struct seen_stack *known = seen(model, trace, stall, false);
        finding = known->finding;
        is_new = finding->count == 0;
        finding_account(finding, known->view, trace, stall, 1, stall->elapsed_ns);
        if (stall->ended)
            finding->starved_ns += stall->starved_ns;
        tasks_add(&finding->tasks, stall->task, stall->coroutine, 1);
        finding->strict = finding->strict && stall->strict;
        if (!stall->ended)
            finding->in_progress++;
    }
    if (stall->ended)
        excuse(model, finding, stall);
    if (model->on_stall != NULL)
        model->on_stall(model->ctx, finding, trace, stall, is_new);
}

static void on_sample(void *ctx, struct trace *trace, const struct stall *stall,
                      const struct sample *sample)
{
    struct model *model = ctx;
    if (stall->kind != STALL_ITERATION)
        return;
    struct stall at = *stall;
    at.stack_id = sample->stack_id;
    at.stack = sample->stack;
    const struct stack_view *view = seen(model, trace, &at, true)->view;
    struct profile *profile = profile_of(model, trace, stall);
    profile_sample(profile, sample, view);
    tasks_add(&profile->tasks, sample->task, sample->coroutine, sample->count);
}

static void on_stall_end(void *ctx, struct trace *trace, const struct stall *stall,
                         uint64_t added_ns)
{
    struct model *model = ctx;
    struct finding *finding;
    if (stall->kind == STALL_ITERATION) {
        if (stall->nothing) {
            profile_free(profile_of(model, trace, stall));
            if (model->on_stall_end != NULL)
                model->on_stall_end(model->ctx, NULL, trace, stall);
            return;
        }
        finding = settle_iteration(model, trace, stall);
    } else {
        const struct seen_stack *known = seen(model, trace, stall, false);
        finding = known->finding;
        if (stall->nothing)
            finding_take_back(finding, stall, added_ns);
        else
            finding_account(finding, known->view, trace, stall, 0, added_ns);
        finding->starved_ns += stall->nothing ? 0 : stall->starved_ns;
        if (stall->ended && finding->in_progress > 0)
            finding->in_progress--;
    }
    excuse(model, finding, stall);
    if (model->on_stall_end != NULL)
        model->on_stall_end(model->ctx, finding, trace, stall);
}

static void on_more(void *ctx, struct trace *trace, const struct stall *stall, uint64_t count,
                    uint64_t total_ns)
{
    struct model *model = ctx;
    const struct seen_stack *known = seen(model, trace, stall, false);
    struct finding *finding = known->finding;
    bool is_new = finding->count == 0;
    finding_account(finding, known->view, trace, stall, count, total_ns);
    if (stall->kind == STALL_CALL && stall->detail == NULL)
        details_add_others(&finding->details, count, total_ns);
    finding->starved_ns += stall->starved_ns;
    finding->strict = finding->strict && stall->strict;
    if (model->on_stall != NULL)
        model->on_stall(model->ctx, finding, trace, stall, is_new);
}

struct trace_sink model_sink(struct model *model)
{
    return (struct trace_sink){
        .ctx = model,
        .stall = on_stall,
        .stall_end = on_stall_end,
        .sample = on_sample,
        .more = on_more,
    };
}

void model_sort(struct model *model)
{
    findings_sort(model);
    map_free(&model->by_stack, free); /* what it leads to may be gone */
}

void model_read_again(struct model *to, const struct model *from)
{
    struct trace_sink sink = model_sink(to);
    for (size_t i = 0; i < from->trace_count; i++) {
        struct trace *trace = NULL;
        if (trace_open(&trace, from->traces[i]->path) < 0)
            continue;
        trace_find_moments(trace);
        (void)trace_read(trace, &sink);
        if (trace->state != TRACE_GOOD) {
            trace_free(trace);
            continue;
        }
        trace_finish(trace, &sink);
        trace_release(trace);
        model_add_trace(to, trace);
    }
    model_sort(to);
}
