/* The findings themselves: what one is, what goes into it, and what is taken back. See findings.h.
 */
#include "findings.h"

#include <stdlib.h>

#include "place.h"

/* The places of one function, while some lines of it may not be known. */
struct function_places {
    struct finding *whole; /* once one was not */
    struct finding **lines;
    size_t count, cap;
};

static void free_function(void *value)
{
    struct function_places *places = value;
    free(places->lines);
    free(places);
}

static void free_profile(struct profile *profile)
{
    if (profile == NULL)
        return;
    profile_free(profile);
    free(profile);
}

static void free_finding(struct finding *finding)
{
    free_profile(finding->profile);
    details_free(&finding->details);
    free(finding);
}

void findings_forget(struct model *model)
{
    map_free(&model->by_place, NULL);
    map_free(&model->by_function, free_function);
}

void findings_free(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free_finding(model->findings[i]);
    for (size_t i = 0; i < model->startup_count; i++)
        free_finding(model->startup[i]);
    free(model->findings);
    free(model->startup);
    findings_forget(model);
}

uint64_t finding_key(uint64_t key, const struct rule *rule, bool startup)
{
    if (startup)
        key = hash_bytes(key, "startup", sizeof("startup"));
    return rule != NULL ? hash_bytes(key, &rule, sizeof(rule)) : key;
}

static struct finding *add_finding(struct model *model, const struct stall *stall,
                                   const struct stack_view *view, struct rule *rule)
{
    struct finding *finding = mem_calloc(1, sizeof(*finding));
    fingerprint(finding->fingerprint, stall->kind, stall->call, view);
    finding->order = model->count + model->startup_count;
    finding->startup = stall->startup;
    finding->kind = stall->kind;
    finding->call = stall->call;
    finding->class_name = stall->class_name;
    finding->strict = true;
    finding->suppressed_by = rule;
    if (stall->kind == STALL_ITERATION)
        finding->profile = mem_calloc(1, sizeof(*finding->profile));
    if (stall->startup) {
        GROW(model->startup, model->startup_count, model->startup_cap);
        model->startup[model->startup_count++] = finding;
    } else {
        GROW(model->findings, model->count, model->cap);
        model->findings[model->count++] = finding;
    }
    return finding;
}

static void add_stack(struct finding *finding, const struct stack_view *view)
{
    for (size_t i = 0; i < finding->stack_count; i++) {
        if (stack_views_are_equal(finding->stacks[i], view))
            return;
    }
    if (finding->stack_count < STACKS_KEPT)
        finding->stacks[finding->stack_count++] = view;
}

/* Everything of `line` becomes part of `whole`. */
static void join(struct finding *whole, struct finding *line)
{
    add_to(&whole->count, line->count);
    add_to(&whole->total_ns, line->total_ns);
    add_to(&whole->starved_ns, line->starved_ns);
    add_to(&whole->in_progress, line->in_progress);
    whole->strict = whole->strict && line->strict;
    if (line->ended_max_ns > whole->ended_max_ns)
        whole->ended_max_ns = line->ended_max_ns;
    if (line->max_ns > whole->max_ns || whole->trace == NULL) {
        whole->max_ns = line->max_ns;
        whole->max_stall = line->max_stall;
        whole->detail = line->detail;
        whole->wait_kind = line->wait_kind;
        whole->class_name = line->class_name;
        whole->trace = line->trace;
        whole->loop = line->loop;
        whole->view = line->view;
    }
    if (line->holder.pid > 0 && line->holder_ns >= whole->holder_ns) {
        whole->holder = line->holder;
        whole->holder_ns = line->holder_ns;
    }
    if (line->first_ns > 0 && (whole->first_ns == 0 || line->first_ns < whole->first_ns))
        whole->first_ns = line->first_ns;
    if (line->last_ns > whole->last_ns)
        whole->last_ns = line->last_ns;
    tasks_merge(&whole->tasks, &line->tasks);
    details_merge(&whole->details, &line->details);
    for (size_t i = 0; i < line->stack_count; i++)
        add_stack(whole, line->stacks[i]);
    line->joined = whole;
    line->count = 0;
}

/* Where a function's lines are not all known, it is one place with all that are. NULL: each line of
 * it is a place so far. */
static struct finding *whole_function(struct model *model, const struct stall *stall,
                                      const struct stack_view *view, struct rule *rule,
                                      struct function_places **places)
{
    const struct frame *culprit = view->culprit < 0 ? NULL : &view->frames[view->culprit];
    *places = NULL;
    if (stall->kind != STALL_CALL || culprit == NULL || culprit->lang == LANG_PYTHON ||
        culprit->lang == LANG_NATIVE || interprets_java(view))
        return NULL;
    uint64_t key =
        finding_key(place_function_key(view, stall->kind, stall->call), rule, stall->startup);
    *places = map_get(&model->by_function, key);
    if (*places == NULL) {
        *places = mem_calloc(1, sizeof(**places));
        map_put(&model->by_function, key, *places);
    }
    if ((*places)->whole != NULL || !place_is_function(view))
        return (*places)->whole;
    struct finding *whole = (*places)->whole = add_finding(model, stall, view, rule);
    whole->place = key;
    whole->whole_function = true;
    for (size_t i = 0; i < (*places)->count; i++)
        join(whole, (*places)->lines[i]);
    return whole;
}

struct finding *finding_of(struct model *model, const struct stall *stall,
                           const struct stack_view *view, struct rule *rule)
{
    struct function_places *places;
    struct finding *finding = whole_function(model, stall, view, rule, &places);
    if (finding != NULL)
        return finding;
    uint64_t place = place_key(view, stall->kind, stall->call);
    if (stall->kind == STALL_CALL)
        place = place_key_of_wait(view, place, stall->class_name, stall->wait_kind);
    uint64_t key = finding_key(place, rule, stall->startup);
    finding = map_get(&model->by_place, key);
    if (finding != NULL)
        return finding;
    finding = add_finding(model, stall, view, rule);
    finding->place = key;
    map_put(&model->by_place, key, finding);
    if (places != NULL) {
        GROW(places->lines, places->count, places->cap);
        places->lines[places->count++] = finding;
    }
    return finding;
}

/* Lets the longest stall stand for all of a finding's. */
static void represent(struct finding *finding, const struct stack_view *view,
                      const struct trace *trace, const struct stall *stall)
{
    if (stall->elapsed_ns > finding->max_ns || finding->trace == NULL) {
        finding->max_ns = stall->elapsed_ns;
        finding->max_stall = stall->ended ? 0 : stall->id;
        finding->class_name = stall->class_name;
        if (stall->detail != NULL) /* those that were only counted have none */
            finding->detail = stall->detail;
        if (stall->wait_kind != NULL)
            finding->wait_kind = stall->wait_kind;
        finding->trace = trace;
        finding->loop = stall->loop;
        finding->view = view;
    }
    if (stall->holder.pid > 0 && stall->elapsed_ns >= finding->holder_ns) {
        finding->holder = stall->holder;
        finding->holder_ns = stall->elapsed_ns;
    }
    if (stall->ended && stall->elapsed_ns > finding->ended_max_ns)
        finding->ended_max_ns = stall->elapsed_ns;
}

static void note_moment(struct finding *finding, const struct trace *trace,
                        const struct stall *stall)
{
    uint64_t at = trace->start_ns + stall->at_ns;
    if (at < trace->start_ns)
        return;
    if (finding->first_ns == 0 || at < finding->first_ns)
        finding->first_ns = at;
    if (at > finding->last_ns)
        finding->last_ns = at;
}

/* Adds to a finding, modulo 2^64: less than nothing takes back. */
void finding_account(struct finding *finding, const struct stack_view *view,
                     const struct trace *trace, const struct stall *stall, uint64_t count,
                     uint64_t added_ns)
{
    add_to(&finding->count, count);
    if (added_ns <= INT64_MAX)
        add_to(&finding->total_ns, added_ns);
    else /* it turned out to be shorter */
        finding->total_ns -= -added_ns < finding->total_ns ? -added_ns : finding->total_ns;
    if (finding->kind == STALL_CALL)
        details_add(&finding->details, stall->detail, count, added_ns);
    represent(finding, view, trace, stall);
    add_stack(finding, view);
    if (count == 1 || stall->at_ns > 0) /* older recorders do not say when counted ones were */
        note_moment(finding, trace, stall);
}

/* It was told of while it lasted, and was none: the machine had no CPU for it. */
void finding_take_back(struct finding *finding, const struct stall *stall, uint64_t added_ns)
{
    uint64_t told = stall->elapsed_ns - added_ns;
    finding->count -= finding->count > 0;
    finding->total_ns -= told < finding->total_ns ? told : finding->total_ns;
    details_add(&finding->details, stall->detail, (uint64_t)-1, -told);
    if (finding->max_stall == stall->id)
        finding->max_ns = finding->ended_max_ns;
}

static int by_total(const void *left, const void *right)
{
    const struct finding *a = *(const struct finding *const *)left;
    const struct finding *b = *(const struct finding *const *)right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Those that turned out to be nothing, or are part of others, go to the end, and are forgotten. */
static size_t drop_empty(struct finding **findings, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct finding *finding = findings[i];
        if (finding->count == 0)
            continue;
        findings[i] = findings[kept];
        findings[kept++] = finding;
    }
    return kept;
}

static size_t sort(struct finding **findings, size_t count)
{
    size_t kept = drop_empty(findings, count);
    for (size_t i = 0; i < kept; i++) {
        tasks_sort(&findings[i]->tasks);
        details_sort(&findings[i]->details);
    }
    for (size_t i = kept; i < count; i++)
        free_finding(findings[i]);
    if (kept > 0)
        qsort(findings, kept, sizeof(struct finding *), by_total);
    return kept;
}

/* How many stalls each rule covers. */
static void count_hits(const struct model *model)
{
    for (size_t i = 0; model->rules != NULL && i < model->rules->count; i++)
        model->rules->rules[i].hits = 0;
    for (size_t i = 0; i < model->count + model->startup_count; i++) {
        const struct finding *finding =
            i < model->count ? model->findings[i] : model->startup[i - model->count];
        if (finding->suppressed_by != NULL)
            add_to(&finding->suppressed_by->hits, finding->count);
    }
}

void findings_sort(struct model *model)
{
    model->count = sort(model->findings, model->count);
    model->startup_count = sort(model->startup, model->startup_count);
    count_hits(model);
    /* what they lead to may be gone */
    findings_forget(model);
}
