/* The records that say where a thread was: modules and stacks. */
#include "util/json_fields.h"
#include "trace.h"

#include <stdlib.h>

bool trace_read_module(struct trace *trace, struct json_object *record)
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

/* They come after the stacks that they belong to: read when the file is looked through before. */
bool trace_read_names(struct trace *trace, struct json_object *record)
{
    struct json_object *names = get_array(record, "names");
    uint64_t until = get_number(record, "stack");
    if (names == NULL || until == 0)
        return false;
    for (size_t i = 0; trace->only_moments && i < json_object_array_length(names); i++) {
        struct json_object *source = json_object_array_get_idx(names, i);
        if (!json_object_is_type(source, json_type_object))
            continue;
        uint64_t pc = get_address(source, "pc");
        const char *name = get_text(source, "name");
        if (pc == 0 || name == NULL || name[0] == '\0')
            continue;
        struct late_name *late = mem_calloc(1, sizeof(*late));
        *late = (struct late_name){.since = get_number(source, "since"),
                                   .until = until,
                                   .name = name,
                                   .next = map_get(&trace->late_names, pc)};
        map_put(&trace->late_names, pc, late);
    }
    return true;
}

/* The first that came after the stack. */
static const char *late_name(const struct trace *trace, uint64_t pc, uint64_t stack)
{
    const char *name = NULL;
    for (const struct late_name *at = map_get(&trace->late_names, pc); at != NULL; at = at->next) {
        if (stack >= at->since && stack <= at->until)
            name = at->name;
    }
    return name;
}

static void free_late_name(void *value)
{
    for (struct late_name *at = value, *next; at != NULL; at = next) {
        next = at->next;
        free(at);
    }
}

void trace_free_names(struct trace *trace)
{
    map_free(&trace->late_names, free_late_name);
}

static void read_native(struct trace *trace, struct stack *stack, uint64_t id,
                        struct json_object *frames)
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
        if (frame->module == NULL && frame->symbol == NULL)
            frame->symbol = late_name(trace, frame->pc, id);
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

bool trace_read_stack(struct trace *trace, struct json_object *record)
{
    uint64_t id = get_number(record, "stack");
    if (id == 0 || map_get(&trace->stacks, id) != NULL)
        return false;
    struct stack *stack = mem_calloc(1, sizeof(*stack));
    struct json_object *frames = get_array(record, "frames");
    if (frames != NULL)
        read_native(trace, stack, id, frames);
    struct json_object *python = get_array(record, "python");
    if (python != NULL)
        read_python(stack, python);
    stack->truncated = get_bool(record, "truncated");
    stack->broken = get_bool(record, "broken");
    map_put(&trace->stacks, id, stack);
    return true;
}
