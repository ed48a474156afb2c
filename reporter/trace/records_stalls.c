/* The records of stalls: one, that it still lasts, its end, its samples, and those that were only
 * counted; and what becomes of one whose end was never said. */
#define _GNU_SOURCE
#include "util/json_fields.h"
#include "trace.h"

#include <string.h>

static uint64_t class_key(const char *class_name)
{
    return hash_bytes(HASH_SEED, class_name, strlen(class_name));
}

void trace_read_thresholds(struct trace *trace, struct json_object *thresholds)
{
    if (thresholds == NULL)
        return;
    json_object_object_foreach(thresholds, name, value)
        map_put(&trace->thresholds, class_key(name), (void *)(uintptr_t)(number_of(value) + 1));
}

static uint64_t threshold_of(const struct trace *trace, const char *class_name)
{
    const uint64_t usual = 10000000;
    void *known = class_name ? map_get(&trace->thresholds, class_key(class_name)) : NULL;
    return known != NULL ? (uint64_t)(uintptr_t)known - 1 : usual;
}

static struct holder read_holder(struct json_object *record)
{
    struct json_object *holder = get_object(record, "holder");
    if (holder == NULL)
        return (struct holder){0};
    return (struct holder){.pid = (int64_t)get_number(holder, "pid"),
                           .tid = (int64_t)get_number(holder, "tid"),
                           .name = get_text(holder, "name"),
                           .file = get_text(holder, "file"),
                           .function = get_text(holder, "function"),
                           .line = get_line(holder, "line")};
}

/* What `stall` and `more` have in common. */
static bool read_stall_base(struct trace *trace, struct json_object *record, struct stall *stall)
{
    const char *kind = get_text(record, "kind");
    if (kind == NULL)
        return false;
    if (strcmp(kind, "iteration") == 0)
        stall->kind = STALL_ITERATION;
    else if (strcmp(kind, "call") != 0)
        return false;
    stall->loop = map_get(&trace->loop_by_id, get_number(record, "loop"));
    stall->call = get_text(record, "call");
    stall->class_name = get_text(record, "class");
    stall->detail = get_text(record, "detail");
    stall->wait_kind = get_text(record, "wait_kind");
    stall->holder = read_holder(record);
    stall->stack_id = get_number(record, "stack");
    stall->stack = map_get(&trace->stacks, stall->stack_id);
    stall->strict = get_bool(record, "strict");
    stall->task = get_text(record, "task");
    stall->coroutine = get_text(record, "coroutine");
    return stall->kind == STALL_ITERATION || stall->call != NULL;
}

/* Takes the time without a CPU out: it is not the program's. What is left may be under the
 * threshold, unless that does not count. */
static void set_elapsed(const struct trace *trace, struct stall *stall, uint64_t elapsed_ns,
                        uint64_t starved_ns)
{
    uint64_t threshold = stall->kind == STALL_ITERATION ? trace->iteration_threshold_ns
                                                        : threshold_of(trace, stall->class_name);
    stall->starved_ns = starved_ns < elapsed_ns ? starved_ns : elapsed_ns;
    stall->elapsed_ns = elapsed_ns - stall->starved_ns;
    stall->nothing = !stall->strict && stall->starved_ns > 0 && stall->elapsed_ns < threshold;
}

/* An iteration is told of once; old recorders told of some again, when they had ended. */
static bool is_known(const struct stall *stall)
{
    return stall->kind == STALL_ITERATION && stall->loop != NULL &&
           stall->loop->last_at_ns[STALL_ITERATION] > stall->at_ns;
}

bool trace_read_stall(struct trace *trace, struct json_object *record,
                      const struct trace_sink *sink)
{
    struct stall stall = {.id = get_number(record, "stall")};
    if (!read_stall_base(trace, record, &stall))
        return false;
    stall.at_ns = get_number(record, "at_ns");
    stall.ended = member(record, "ended") == NULL || get_bool(record, "ended");
    set_elapsed(trace, &stall, get_number(record, "elapsed_ns"), get_number(record, "starved_ns"));
    stall.startup = trace_in_startup(trace, &stall, false);
    stall.known = is_known(&stall);
    struct loop *loop = map_get(&trace->loop_by_id, get_number(record, "loop"));
    if (loop != NULL && stall.at_ns < UINT64_MAX && loop->last_at_ns[stall.kind] <= stall.at_ns)
        loop->last_at_ns[stall.kind] = stall.at_ns + 1;
    if (!stall.ended && stall.id != 0 && map_get(&trace->open_stalls, stall.id) == NULL) {
        struct stall *open = mem_calloc(1, sizeof(*open));
        *open = stall;
        map_put(&trace->open_stalls, stall.id, open);
    }
    if (stall.ended && stall.nothing)
        return true;
    if (sink != NULL && !stall.known)
        sink->stall(sink->ctx, trace, &stall);
    return true;
}

static void extend(struct trace *trace, struct stall *stall, uint64_t elapsed_ns,
                   uint64_t starved_ns, const struct trace_sink *sink)
{
    uint64_t before = stall->elapsed_ns;
    uint64_t whole = stall->elapsed_ns + stall->starved_ns;
    set_elapsed(trace, stall, elapsed_ns > whole ? elapsed_ns : whole, starved_ns);
    if (sink != NULL && !stall->known)
        sink->stall_end(sink->ctx, trace, stall, stall->elapsed_ns - before);
}

bool trace_read_sample(struct trace *trace, struct json_object *record,
                       const struct trace_sink *sink)
{
    const struct stall *stall = map_get(&trace->open_stalls, get_number(record, "stall"));
    if (stall == NULL)
        return false;
    struct json_object *asleep = get_object(record, "asleep");
    struct sample sample = {.stack_id = get_number(record, "stack"), .asleep = asleep != NULL};
    if (asleep != NULL) {
        sample.syscall_name = get_text(asleep, "syscall");
        sample.wait_channel = get_text(asleep, "wchan");
        if (sample.stack_id == 0)
            sample.stack_id = get_number(asleep, "stack");
    }
    sample.stack = map_get(&trace->stacks, sample.stack_id);
    sample.detail = get_text(record, "detail");
    sample.wait_kind = get_text(record, "wait_kind");
    sample.holder = read_holder(record);
    sample.no_stack = get_text(record, "no_stack");
    sample.task = get_text(record, "task");
    sample.coroutine = get_text(record, "coroutine");
    sample.count = member(record, "count") != NULL ? get_number(record, "count") : 1;
    if (sink != NULL && sink->sample != NULL && sample.count > 0 && !stall->ended && !stall->known)
        sink->sample(sink->ctx, trace, stall, &sample);
    return true;
}

/* A part of an iteration's time, which is no longer than all of it. */
static uint64_t get_part(struct json_object *time, const char *name, uint64_t whole)
{
    uint64_t part = get_number(time, name);
    return part < whole ? part : whole;
}

static void read_breakdown(const struct trace *trace, struct json_object *record,
                           struct breakdown *breakdown)
{
    struct json_object *time = get_object(record, "time");
    uint64_t whole = get_number(record, "elapsed_ns");
    breakdown->threshold_ns = trace->iteration_threshold_ns;
    if (time != NULL) {
        breakdown->time = (struct time_split){
            .calls_ns = get_part(time, "calls_ns", whole),
            .cpu_ns = get_part(time, "cpu_ns", whole),
            .runnable_ns = get_part(time, "runnable_ns", whole),
            .asleep_ns = get_part(time, "asleep_ns", whole),
            .throttled_ns = get_number(time, "throttled_ns"),
            .frozen_ns = get_number(time, "frozen_ns"),
            .found_ns = get_part(time, "found_ns", whole),
            .found_unknown = member(time, "found_ns") == NULL,
            .measured = member(time, "cpu_ns") != NULL,
        };
    }
    struct json_object *calls = get_array(record, "calls");
    size_t count = calls != NULL ? json_object_array_length(calls) : 0;
    for (size_t i = 0; i < count && breakdown->call_count < CALL_SUMS; i++) {
        struct json_object *source = json_object_array_get_idx(calls, i);
        const char *call =
            json_object_is_type(source, json_type_object) ? get_text(source, "call") : NULL;
        if (call == NULL)
            continue;
        struct call_sum *sum = &breakdown->calls[breakdown->call_count++];
        sum->call = call;
        sum->class_name = get_text(source, "class");
        sum->count = get_number(source, "count");
        sum->total_ns = get_number(source, "total_ns");
        sum->max_ns = get_number(source, "max_ns");
        sum->threshold_ns = threshold_of(trace, sum->class_name);
    }
}

bool trace_read_stall_end(struct trace *trace, struct json_object *record,
                          const struct trace_sink *sink)
{
    struct stall *stall = map_get(&trace->open_stalls, get_number(record, "stall"));
    if (stall == NULL)
        return false;
    if (stall->ended)
        return true;
    /* It stays in the map: a map cannot forget, and an ended stall is only a few bytes. */
    stall->ended = true;
    struct breakdown breakdown = {0};
    if (stall->kind == STALL_ITERATION && get_object(record, "time") != NULL) {
        read_breakdown(trace, record, &breakdown);
        if (member(record, "starved_ns") != NULL)
            breakdown.time.runnable_ns = 0; /* it is left out of all of the stall's time */
        stall->breakdown = &breakdown;
    }
    extend(trace, stall, get_number(record, "elapsed_ns"), get_number(record, "starved_ns"), sink);
    stall->breakdown = NULL;
    return true;
}

/* Of use only where the process was killed: else the end follows. */
bool trace_read_stall_still(struct trace *trace, struct json_object *record)
{
    struct stall *stall = map_get(&trace->open_stalls, get_number(record, "stall"));
    if (stall == NULL)
        return false;
    stall->still_ns = get_number(record, "elapsed_ns");
    stall->still_starved_ns = get_number(record, "starved_ns");
    return true;
}

bool trace_read_more(struct trace *trace, struct json_object *record, const struct trace_sink *sink)
{
    struct stall stall = {.ended = true};
    uint64_t count = get_number(record, "count");
    if (!read_stall_base(trace, record, &stall))
        return false;
    stall.elapsed_ns = get_number(record, "max_ns");
    stall.startup = trace_in_startup(trace, &stall, true);
    stall.at_ns = get_number(record, "at_ns");
    uint64_t total = get_number(record, "total_ns");
    stall.starved_ns = get_number(record, "starved_ns");
    if (stall.starved_ns > total)
        stall.starved_ns = total;
    if (count > 0 && sink != NULL)
        sink->more(sink->ctx, trace, &stall, count, total - stall.starved_ns);
    return true;
}

/* Until when a stall without an end can have lasted at most: its process, its loop, or until the
 * next one of its kind began. False: it was known to last, and no more than that is known. */
static bool latest_end(const struct trace *trace, const struct stall *stall, uint64_t *end_ns)
{
    const struct loop *loop = stall->loop;
    if (loop != NULL && loop->last_at_ns[stall->kind] > stall->at_ns + 1)
        return false;
    if (loop != NULL && loop->closed && loop->closed_ns >= stall->at_ns) {
        *end_ns = loop->closed_ns;
        return true;
    }
    *end_ns = trace->end_ns;
    return trace->ended && trace->end_ns > stall->at_ns;
}

void trace_finish_stall(struct trace *trace, struct stall *stall, const struct trace_sink *sink)
{
    uint64_t end = 0, whole = stall->elapsed_ns + stall->starved_ns;
    const struct loop *loop = stall->loop;
    bool lasted = latest_end(trace, stall, &end);
    /* its loop went on, or was closed: so it has ended, though nobody said so */
    stall->ended = loop != NULL && (loop->last_at_ns[stall->kind] > stall->at_ns + 1 ||
                                    (loop->closed && loop->closed_ns >= stall->at_ns));
    if (!lasted && !stall->ended && stall->kind == STALL_CALL && stall->still_ns == 0)
        return;
    if (lasted)
        end -= trace_frozen_ns(trace, stall->at_ns, end);
    uint64_t elapsed = lasted ? end - stall->at_ns : stall->still_ns;
    /* what was said last is known best */
    uint64_t starved = stall->still_ns > 0 ? stall->still_starved_ns : stall->starved_ns;
    extend(trace, stall, elapsed > whole ? elapsed : whole, starved, sink);
}
