/* The meaning of a trace's records: one JSON object in, the trace brought up to date, stalls handed
 * to the sink. Unknown types and members are skipped, as doc/trace-format.md demands of a reader.
 */
#define _GNU_SOURCE
#include "json_fields.h"
#include "trace.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static uint64_t class_key(const char *class_name)
{
    return hash_bytes(HASH_SEED, class_name, strlen(class_name));
}

static void read_thresholds(struct trace *trace, struct json_object *thresholds)
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

static bool read_process(struct trace *trace, struct json_object *record)
{
    const char *exe = get_text(record, "exe");
    trace->pid = (int64_t)get_number(record, "pid");
    trace->exe = exe ? exe : "";
    trace->host = get_text(record, "host");
    trace->start_ns = get_number(record, "start_ns");
    trace->run = get_text(record, "run");
    trace->budget_ns = get_number(record, "budget_ns");
    trace->iteration_threshold_ns = get_number(record, "iteration_threshold_ns");
    read_thresholds(trace, get_object(record, "threshold_ns"));
    struct json_object *argv = get_array(record, "argv");
    size_t count = argv != NULL ? json_object_array_length(argv) : 0;
    trace->argv = mem_calloc(count, sizeof(*trace->argv));
    for (size_t i = 0; i < count; i++) {
        const char *arg = text_of(json_object_array_get_idx(argv, i));
        if (arg != NULL)
            trace->argv[trace->argc++] = arg;
    }
    return true;
}

static bool read_module(struct trace *trace, struct json_object *record)
{
    uint64_t id = get_number(record, "module");
    const char *path = get_text(record, "path");
    if (path == NULL || map_get(&trace->modules, id) != NULL)
        return false;
    struct module *module = mem_calloc(1, sizeof(*module));
    module->path = path;
    module->base = get_address(record, "base");
    module->build_id = get_text(record, "build_id");
    if (module->build_id != NULL && module->build_id[0] == '\0')
        module->build_id = NULL;
    map_put(&trace->modules, id, module);
    return true;
}

static void read_native(struct trace *trace, struct stack *stack, struct json_object *frames)
{
    size_t count = json_object_array_length(frames);
    stack->native = mem_calloc(count, sizeof(*stack->native));
    for (size_t i = 0; i < count; i++) {
        struct json_object *source = json_object_array_get_idx(frames, i);
        if (!json_object_is_type(source, json_type_object))
            continue;
        struct native_frame *frame = &stack->native[stack->native_count++];
        frame->pc = get_address(source, "pc");
        frame->vaddr = get_address(source, "vaddr");
        frame->module = map_get(&trace->modules, get_number(source, "module"));
        frame->symbol = get_text(source, "symbol");
        frame->exact = get_bool(source, "exact");
        frame->eval = get_bool(source, "eval");
        stack->tells_eval = stack->tells_eval || frame->eval;
        frame->line = get_line(source, "line");
    }
}

static void read_python(struct stack *stack, struct json_object *frames)
{
    size_t count = json_object_array_length(frames);
    stack->python = mem_calloc(count, sizeof(*stack->python));
    for (size_t i = 0; i < count; i++) {
        struct json_object *source = json_object_array_get_idx(frames, i);
        if (!json_object_is_type(source, json_type_object))
            continue;
        struct python_frame *frame = &stack->python[stack->python_count++];
        frame->function = get_text(source, "function");
        frame->file = get_text(source, "file");
        frame->line = get_line(source, "line");
        frame->entry = get_bool(source, "entry");
    }
}

static bool read_stack(struct trace *trace, struct json_object *record)
{
    uint64_t id = get_number(record, "stack");
    if (id == 0 || map_get(&trace->stacks, id) != NULL)
        return false;
    struct stack *stack = mem_calloc(1, sizeof(*stack));
    struct json_object *frames = get_array(record, "frames");
    if (frames != NULL)
        read_native(trace, stack, frames);
    struct json_object *python = get_array(record, "python");
    if (python != NULL)
        read_python(stack, python);
    stack->truncated = get_bool(record, "truncated");
    stack->broken = get_bool(record, "broken");
    map_put(&trace->stacks, id, stack);
    return true;
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

static bool read_stall(struct trace *trace, struct json_object *record,
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

static bool read_sample(struct trace *trace, struct json_object *record,
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

static bool read_stall_end(struct trace *trace, struct json_object *record,
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
static bool read_stall_still(struct trace *trace, struct json_object *record)
{
    struct stall *stall = map_get(&trace->open_stalls, get_number(record, "stall"));
    if (stall == NULL)
        return false;
    stall->still_ns = get_number(record, "elapsed_ns");
    stall->still_starved_ns = get_number(record, "starved_ns");
    return true;
}

static bool read_more(struct trace *trace, struct json_object *record,
                      const struct trace_sink *sink)
{
    struct stall stall = {.ended = true};
    uint64_t count = get_number(record, "count");
    if (!read_stall_base(trace, record, &stall))
        return false;
    stall.elapsed_ns = get_number(record, "max_ns");
    stall.startup = trace_in_startup(trace, &stall, true);
    uint64_t total = get_number(record, "total_ns");
    stall.starved_ns = get_number(record, "starved_ns");
    if (stall.starved_ns > total)
        stall.starved_ns = total;
    if (count > 0 && sink != NULL)
        sink->more(sink->ctx, trace, &stall, count, total - stall.starved_ns);
    return true;
}

static bool read_notice(struct trace *trace, struct json_object *record)
{
    const char *code = get_text(record, "code");
    const char *message = get_text(record, "message");
    GROW(trace->notices, trace->notice_count, trace->notice_cap);
    trace->notices[trace->notice_count++] =
        (struct notice){.code = code ? code : "notice", .message = message ? message : ""};
    return true;
}

static bool read_loss(struct trace *trace, struct json_object *record)
{
    const char *code = get_text(record, "code"), *message = get_text(record, "message");
    struct loss *loss = NULL;
    if (code == NULL)
        return false;
    for (size_t i = 0; loss == NULL && i < trace->loss_count; i++) {
        if (strcmp(trace->losses[i].code, code) == 0)
            loss = &trace->losses[i];
    }
    if (loss == NULL) {
        GROW(trace->losses, trace->loss_count, trace->loss_cap);
        loss = &trace->losses[trace->loss_count++];
    }
    *loss = (struct loss){
        .code = code, .message = message ? message : code, .count = get_number(record, "count")};
    return true;
}

/* A run inside another one has that one's name, a dot, and its own. */
static bool is_of_run(const struct trace *trace)
{
    size_t len = trace->only_run != NULL ? strlen(trace->only_run) : 0;
    if (len == 0)
        return true;
    return trace->run != NULL && strncmp(trace->run, trace->only_run, len) == 0 &&
           (trace->run[len] == '\0' || trace->run[len] == '.');
}

/* The first record decides whether the file is ours. */
static void read_first(struct trace *trace, struct json_object *record)
{
    const char *type = get_text(record, "type");
    const char *format = get_text(record, "format");
    if (type != NULL && strcmp(type, "process") == 0 && format != NULL &&
        strcmp(format, TRACE_FORMAT) == 0) {
        (void)read_process(trace, record);
        trace->state = is_of_run(trace) ? TRACE_GOOD : TRACE_OTHER_RUN;
    } else if (format != NULL && starts_with(format, "stalltrace.trace/")) {
        trace->state = TRACE_VERSION;
        trace->format = format;
    } else {
        trace->state = TRACE_FOREIGN;
    }
}

static bool read_known(struct trace *trace, const char *type, struct json_object *record,
                       const struct trace_sink *sink)
{
    if (strcmp(type, "stall") == 0)
        return read_stall(trace, record, sink);
    if (strcmp(type, "stall_end") == 0)
        return read_stall_end(trace, record, sink);
    if (strcmp(type, "stall_still") == 0)
        return read_stall_still(trace, record);
    if (strcmp(type, "sample") == 0)
        return read_sample(trace, record, sink);
    if (strcmp(type, "more") == 0)
        return read_more(trace, record, sink);
    if (strcmp(type, "stack") == 0)
        return read_stack(trace, record);
    if (strcmp(type, "module") == 0)
        return read_module(trace, record);
    if (strcmp(type, "loop") == 0)
        return trace_read_loop(trace, record);
    if (strcmp(type, "loop_end") == 0)
        trace_read_loop_end(trace, record);
    if (strcmp(type, "serving") == 0 || strcmp(type, "loop_stopped") == 0 ||
        strcmp(type, "loop_end") == 0)
        return trace_read_moment(trace, type, record);
    if (strcmp(type, "stats") == 0)
        return trace_read_stats(trace, record);
    if (strcmp(type, "frozen") == 0)
        return trace_read_frozen(trace, record);
    if (strcmp(type, "notice") == 0)
        return read_notice(trace, record);
    if (strcmp(type, "loss") == 0)
        return read_loss(trace, record);
    if (strcmp(type, "dropped") == 0) {
        trace->dropped_stalls = get_number(record, "stalls");
    } else if (strcmp(type, "starved") == 0) {
        trace->starved_count = get_number(record, "count");
        trace->starved_ns = get_number(record, "elapsed_ns");
    } else if (strcmp(type, "end") == 0) {
        trace->ended = true;
        trace->end_ns = get_number(record, "at_ns");
    }
    return true;
}

/* NULL where the line is not one JSON value and nothing else. */
static struct json_object *parse_line(struct trace *trace, const char *line, size_t len)
{
    if (len == 0 || len >= INT_MAX)
        return NULL;
    json_tokener_reset(trace->parser);
    struct json_object *record = json_tokener_parse_ex(trace->parser, line, (int)len);
    for (size_t i = json_tokener_get_parse_end(trace->parser); record != NULL && i < len; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
            json_object_put(record);
            return NULL;
        }
    }
    return record;
}

void trace_record(struct trace *trace, const char *line, size_t len, const struct trace_sink *sink)
{
    if (trace->only_moments && trace->state == TRACE_GOOD && !trace_is_moment(line, len))
        return;
    struct json_object *record = parse_line(trace, line, len);
    bool is_object = json_object_is_type(record, json_type_object);
    if (trace->state == TRACE_UNREAD) {
        if (is_object)
            read_first(trace, record);
        else
            trace->state = trace_begins_ours(line, len) ? TRACE_DAMAGED : TRACE_FOREIGN;
    } else {
        const char *type = is_object ? get_text(record, "type") : NULL;
        if (type == NULL || !read_known(trace, type, record, sink))
            trace->bad_lines++;
    }
    json_object_put(record);
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

static void finish_stall(struct trace *trace, struct stall *stall, const struct trace_sink *sink)
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

void trace_finish(struct trace *trace, const struct trace_sink *sink)
{
    for (size_t i = 0; i < trace->open_stalls.cap; i++) {
        struct stall *stall = trace->open_stalls.values[i];
        if (stall != NULL && !stall->ended)
            finish_stall(trace, stall, sink);
    }
    for (size_t i = 0; i < trace->loop_count; i++) {
        histogram_settle(&trace->loops[i]->iteration_hist);
        histogram_settle(&trace->loops[i]->wait_hist);
        histogram_settle(&trace->loops[i]->calls_hist);
    }
    trace_correct_own(trace);
    trace_correct_frozen(trace);
}
