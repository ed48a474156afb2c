/* Aggregation. A stack is symbolised and fingerprinted once per trace; after that a stall costs two
 * look-ups. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

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

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->findings[i]);
    free(model->findings);
    for (size_t i = 0; i < model->view_count; i++)
        stack_view_free(model->views[i]);
    free(model->views);
    for (size_t i = 0; i < model->trace_count; i++)
        trace_free(model->traces[i]);
    free(model->traces);
    map_free(&model->by_fingerprint, NULL);
    map_free(&model->by_stack, free);
}

void model_add_trace(struct model *model, struct trace *trace)
{
    GROW(model->traces, model->trace_count, model->trace_cap);
    model->traces[model->trace_count++] = trace;
}

static uint64_t stack_key(const struct model *model, const struct trace *trace,
                          const struct stall *stall)
{
    /* The strings are pooled, so that their addresses identify them. */
    const struct {
        const struct trace *trace;
        const char *call, *detail;
        uint64_t stack, kind;
    } parts = {trace, stall->call, model->by_detail ? stall->detail : NULL, stall->stack_id,
               (uint64_t)stall->kind};
    return hash_bytes(HASH_SEED, &parts, sizeof(parts));
}

static const char *suppressed_by(const struct model *model, const struct trace *trace,
                                 const struct stall *stall, const struct stack_view *view)
{
    if (model->rules == NULL)
        return NULL;
    struct suppression_subject subject = {.call = stall->call,
                                          .class_name = stall->class_name,
                                          .detail = stall->detail,
                                          .exe = trace->exe,
                                          .view = view};
    return rules_match(model->rules, &subject);
}

static struct finding *find_or_add(struct model *model, const struct trace *trace,
                                   const struct stall *stall, const struct stack_view *view)
{
    char digits[FINGERPRINT_DIGITS + 1];
    fingerprint(digits, stall->kind, stall->call, view);
    const char *rule = suppressed_by(model, trace, stall, view);
    uint64_t key = strtoull(digits, NULL, 16);
    if (rule != NULL)
        key = hash_bytes(key, "suppressed", sizeof("suppressed"));
    struct finding *finding = map_get(&model->by_fingerprint, key);
    if (finding != NULL)
        return finding;
    finding = mem_calloc(1, sizeof(*finding));
    memcpy(finding->fingerprint, digits, sizeof(digits));
    finding->order = model->count;
    finding->kind = stall->kind;
    finding->call = stall->call;
    finding->class_name = stall->class_name;
    finding->strict = true;
    finding->suppressed_by = rule;
    GROW(model->findings, model->count, model->cap);
    model->findings[model->count++] = finding;
    map_put(&model->by_fingerprint, key, finding);
    return finding;
}

static struct seen_stack *seen(struct model *model, const struct trace *trace,
                               const struct stall *stall)
{
    uint64_t key = stack_key(model, trace, stall);
    struct seen_stack *known = map_get(&model->by_stack, key);
    if (known != NULL)
        return known;
    known = mem_calloc(1, sizeof(*known));
    const char *call = stall->kind == STALL_CALL ? stall->call : NULL;
    known->view = stack_view_new(model->symbols, stall->stack, call, trace->exe);
    GROW(model->views, model->view_count, model->view_cap);
    model->views[model->view_count++] = known->view;
    known->finding = find_or_add(model, trace, stall, known->view);
    map_put(&model->by_stack, key, known);
    return known;
}

/* Adds to a finding and lets the longest stall stand for it. */
static void account(const struct seen_stack *known, const struct trace *trace,
                    const struct stall *stall, uint64_t count, uint64_t added_ns)
{
    struct finding *finding = known->finding;
    finding->count += count;
    finding->total_ns += added_ns;
    if (stall->elapsed_ns > finding->max_ns || finding->trace == NULL) {
        finding->max_ns = stall->elapsed_ns;
        finding->detail = stall->detail;
        finding->trace = trace;
        finding->loop = stall->loop;
        finding->view = known->view;
    }
}

static void on_stall(void *ctx, struct trace *trace, const struct stall *stall)
{
    struct model *model = ctx;
    const struct seen_stack *known = seen(model, trace, stall);
    bool is_new = known->finding->count == 0;
    account(known, trace, stall, 1, stall->elapsed_ns);
    known->finding->strict = known->finding->strict && stall->strict;
    if (!stall->ended)
        known->finding->in_progress++;
    if (model->on_stall != NULL)
        model->on_stall(model->ctx, known->finding, trace, stall, is_new);
}

static void on_stall_end(void *ctx, struct trace *trace, const struct stall *stall,
                         uint64_t added_ns)
{
    struct model *model = ctx;
    const struct seen_stack *known = seen(model, trace, stall);
    account(known, trace, stall, 0, added_ns);
    if (stall->ended && known->finding->in_progress > 0)
        known->finding->in_progress--;
    if (model->on_stall_end != NULL)
        model->on_stall_end(model->ctx, known->finding, trace, stall);
}

static void on_more(void *ctx, struct trace *trace, const struct stall *stall, uint64_t count,
                    uint64_t total_ns)
{
    struct model *model = ctx;
    const struct seen_stack *known = seen(model, trace, stall);
    bool is_new = known->finding->count == 0;
    account(known, trace, stall, count, total_ns);
    known->finding->strict = known->finding->strict && stall->strict;
    if (model->on_stall != NULL)
        model->on_stall(model->ctx, known->finding, trace, stall, is_new);
}

struct trace_sink model_sink(struct model *model)
{
    return (struct trace_sink){
        .ctx = model, .stall = on_stall, .stall_end = on_stall_end, .more = on_more};
}

static int by_total(const void *left, const void *right)
{
    const struct finding *a = *(const struct finding *const *)left;
    const struct finding *b = *(const struct finding *const *)right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void model_sort(struct model *model)
{
    if (model->count > 0)
        qsort(model->findings, model->count, sizeof(struct finding *), by_total);
}

struct model_totals model_totals(const struct model *model)
{
    struct model_totals totals = {.processes = model->trace_count};
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        totals.dropped_stalls += trace->dropped_stalls;
        totals.loops += trace->loop_count;
        for (size_t j = 0; j < trace->loop_count; j++)
            totals.iterations += trace->loops[j]->iterations;
    }
    for (size_t i = 0; i < model->count; i++) {
        const struct finding *finding = model->findings[i];
        if (finding->suppressed_by != NULL) {
            totals.suppressed++;
            continue;
        }
        totals.findings++;
        totals.total_ns += finding->total_ns;
        if (finding->max_ns > totals.max_ns)
            totals.max_ns = finding->max_ns;
    }
    return totals;
}
