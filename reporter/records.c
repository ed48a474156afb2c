/* The meaning of a trace's records: one JSON object in, the trace brought up to date, stalls handed
 * to the sink. Unknown types and members are skipped, as doc/trace-format.md demands of a reader.
 */
#define _GNU_SOURCE
#include "trace.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, name, &value) ? value : NULL;
}

static const char *text_of(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return NULL;
    return intern_n(json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

static const char *get_text(struct json_object *object, const char *name)
{
    return text_of(member(object, name));
}

static uint64_t get_number(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return 0;
    return json_object_get_uint64(value);
}

static bool get_bool(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

static uint64_t get_address(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    if (!json_object_is_type(value, json_type_string))
        return 0;
    return strtoull(json_object_get_string(value), NULL, 16);
}

static int get_line(struct json_object *object, const char *name)
{
    uint64_t line = get_number(object, name);
    return line > INT_MAX ? 0 : (int)line;
}

static bool read_process(struct trace *trace, struct json_object *record)
{
    const char *exe = get_text(record, "exe");
    trace->pid = (int64_t)get_number(record, "pid");
    trace->exe = exe ? exe : "";
    trace->start_ns = get_number(record, "start_ns");
    struct json_object *argv = member(record, "argv");
    if (!json_object_is_type(argv, json_type_array))
        return true;
    size_t count = json_object_array_length(argv);
    trace->argv = mem_calloc(count, sizeof(*trace->argv));
    for (size_t i = 0; i < count; i++) {
        const char *arg = text_of(json_object_array_get_idx(argv, i));
        if (arg != NULL)
            trace->argv[trace->argc++] = arg;
    }
    return true;
}

static bool read_loop(struct trace *trace, struct json_object *record)
{
    uint64_t id = get_number(record, "loop");
    struct loop *loop = map_get(&trace->loop_by_id, id);
    if (loop == NULL) {
        loop = mem_calloc(1, sizeof(*loop));
        loop->id = id;
        GROW(trace->loops, trace->loop_count, trace->loop_cap);
        trace->loops[trace->loop_count++] = loop;
        map_put(&trace->loop_by_id, id, loop);
    }
    const char *name = get_text(record, "name");
    const char *home = get_text(record, "home");
    loop->tid = (int64_t)get_number(record, "tid");
    loop->name = name ? name : "";
    loop->home = home ? home : "none";
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
    struct json_object *frames = member(record, "frames");
    if (json_object_is_type(frames, json_type_array))
        read_native(trace, stack, frames);
    struct json_object *python = member(record, "python");
    if (json_object_is_type(python, json_type_array))
        read_python(stack, python);
    stack->task = get_text(record, "task");
    stack->truncated = get_bool(record, "truncated");
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
    return stall->kind == STALL_ITERATION || stall->call != NULL;
}

static bool read_stall(struct trace *trace, struct json_object *record,
                       const struct trace_sink *sink)
{
    struct stall stall = {.id = get_number(record, "stall")};
    if (!read_stall_base(trace, record, &stall))
        return false;
    stall.at_ns = get_number(record, "at_ns");
    stall.elapsed_ns = get_number(record, "elapsed_ns");
    stall.ended = member(record, "ended") == NULL || get_bool(record, "ended");
    if (!stall.ended && stall.id != 0 && map_get(&trace->open_stalls, stall.id) == NULL) {
        struct stall *open = mem_calloc(1, sizeof(*open));
        *open = stall;
        map_put(&trace->open_stalls, stall.id, open);
    }
    if (sink != NULL)
        sink->stall(sink->ctx, trace, &stall);
    return true;
}

static void extend(struct trace *trace, struct stall *stall, uint64_t elapsed_ns,
                   const struct trace_sink *sink)
{
    uint64_t added = elapsed_ns > stall->elapsed_ns ? elapsed_ns - stall->elapsed_ns : 0;
    stall->elapsed_ns += added;
    if (sink != NULL)
        sink->stall_end(sink->ctx, trace, stall, added);
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
    extend(trace, stall, get_number(record, "elapsed_ns"), sink);
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
    if (count > 0 && sink != NULL)
        sink->more(sink->ctx, trace, &stall, count, get_number(record, "total_ns"));
    return true;
}

static bool read_stats(struct trace *trace, struct json_object *record)
{
    struct loop *loop = map_get(&trace->loop_by_id, get_number(record, "loop"));
    if (loop == NULL)
        return false;
    loop->iterations = get_number(record, "iterations");
    loop->max_iteration_ns = get_number(record, "max_iteration_ns");
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

/* The first record decides whether the file is ours. */
static void read_first(struct trace *trace, struct json_object *record)
{
    const char *type = get_text(record, "type");
    const char *format = get_text(record, "format");
    if (type != NULL && strcmp(type, "process") == 0 && format != NULL &&
        strcmp(format, TRACE_FORMAT) == 0) {
        trace->state = TRACE_GOOD;
        (void)read_process(trace, record);
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
    if (strcmp(type, "more") == 0)
        return read_more(trace, record, sink);
    if (strcmp(type, "stack") == 0)
        return read_stack(trace, record);
    if (strcmp(type, "module") == 0)
        return read_module(trace, record);
    if (strcmp(type, "loop") == 0)
        return read_loop(trace, record);
    if (strcmp(type, "stats") == 0)
        return read_stats(trace, record);
    if (strcmp(type, "notice") == 0)
        return read_notice(trace, record);
    if (strcmp(type, "dropped") == 0) {
        trace->dropped_stalls = get_number(record, "stalls");
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
    struct json_object *record = parse_line(trace, line, len);
    bool is_object = json_object_is_type(record, json_type_object);
    if (trace->state == TRACE_UNREAD) {
        if (is_object)
            read_first(trace, record);
        else
            trace->state = TRACE_FOREIGN;
    } else {
        const char *type = is_object ? get_text(record, "type") : NULL;
        if (type == NULL || !read_known(trace, type, record, sink))
            trace->bad_lines++;
    }
    json_object_put(record);
}

void trace_finish(struct trace *trace, const struct trace_sink *sink)
{
    for (size_t i = 0; i < trace->open_stalls.cap; i++) {
        struct stall *stall = trace->open_stalls.values[i];
        if (stall != NULL && !stall->ended && trace->ended && trace->end_ns > stall->at_ns)
            extend(trace, stall, trace->end_ns - stall->at_ns, sink);
    }
}
