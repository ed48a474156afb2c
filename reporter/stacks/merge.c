/* Merges native and interpreted frames into one stack. CPython runs Python functions inside
 * `_PyEval_EvalFrameDefault`: each such native frame stands for the Python frames up to and
 * including the next `entry` (several since 3.11, one before). From 3.12 on the trace says which
 * native frames these are, since a compiler may have split that function into nameless parts. */
#include "stackview.h"

#include <stdlib.h>
#include <string.h>

static struct frame *add_frame(struct stack_view *view)
{
    GROW(view->frames, view->count, view->cap);
    struct frame *frame = &view->frames[view->count++];
    *frame = (struct frame){.lang = LANG_NATIVE};
    return frame;
}

static bool is_eval_frame(const struct stack *stack, const struct native_frame *source,
                          const char *function)
{
    if (stack->tells_eval)
        return source->eval;
    return function != NULL && strcmp(function, "_PyEval_EvalFrameDefault") == 0;
}

static void add_python(struct stack_view *view, const struct python_frame *source)
{
    struct frame *frame = add_frame(view);
    frame->lang = LANG_PYTHON;
    frame->function = source->function;
    frame->file = source->file;
    frame->line = source->line;
}

/* Adds the Python frames of one run of the evaluation loop, beginning at `next`. Returns where the
 * next run begins. */
static size_t add_python_run(struct stack_view *view, const struct stack *stack, size_t next)
{
    while (next < stack->python_count) {
        const struct python_frame *frame = &stack->python[next++];
        if (frame->function != NULL || frame->file != NULL) /* else it could not be read */
            add_python(view, frame);
        if (frame->entry)
            break;
    }
    return next;
}

static void add_jit(struct stack_view *view, const struct native_frame *source)
{
    struct frame *frame = add_frame(view);
    frame->lang = LANG_JIT;
    frame->address = source->pc;
    name_jit_frame(frame, source->symbol);
    if (frame->file != NULL && source->line > 0) {
        frame->line = source->line;
        frame->at_call = true;
    }
}

/* CPython's perf trampolines (`py::function:file`) repeat what the Python frames say. */
static bool is_python_trampoline(const struct native_frame *source)
{
    return source->symbol != NULL && starts_with(source->symbol, "py::");
}

static void add_native(struct stack_view *view, const struct native_frame *source,
                       const struct positions *positions)
{
    for (size_t i = 0; i < positions->count; i++) {
        const struct position *position = &positions->at[i];
        struct frame *frame = add_frame(view);
        frame->function = position->function;
        frame->file = position->file;
        frame->line = position->line;
        frame->module = intern(base_name(source->module->path));
        frame->module_path = source->module->path;
        frame->address = source->pc;
        frame->vaddr = source->vaddr;
        frame->inlined = i + 1 < positions->count;
    }
}

/* A native frame, or the Python frames that it stands for. Returns where the next run begins. */
static size_t add_source(struct stack_view *view, struct symbols *symbols,
                         const struct stack *stack, const struct native_frame *source,
                         size_t next_python)
{
    if (source->module == NULL) {
        if (stack->python_count == 0 || !is_python_trampoline(source))
            add_jit(view, source);
        return next_python;
    }
    /* A return address may be the first byte after a call that does not return: look before it. */
    uint64_t vaddr = source->vaddr - (source->exact || source->vaddr == 0 ? 0 : 1);
    const struct positions *positions = symbols_find(symbols, source->module, vaddr);
    if (stack->python_count > 0 &&
        is_eval_frame(stack, source, positions->at[positions->count - 1].function))
        return add_python_run(view, stack, next_python);
    add_native(view, source, positions);
    return next_python;
}

/* Puts the Python frames that no native frame stood for (an interpreter without symbols, a stack
 * that was cut off) where they belong best: at the end of a cut-off stack, otherwise inside the
 * outermost frames of the executable's start-up. */
static void add_left_over(struct stack_view *view, const struct stack *stack, size_t next)
{
    if (next >= stack->python_count)
        return;
    size_t at = view->count;
    if (!stack->truncated) {
        const char *last_module = NULL;
        while (at > 0 && view->frames[at - 1].lang == LANG_NATIVE) {
            const char *module = view->frames[at - 1].module;
            bool is_libc = module != NULL && starts_with(module, "libc.so");
            if (!is_libc && last_module != NULL)
                break;
            if (!is_libc)
                last_module = module;
            at--;
        }
        /* Never in front of the call itself. */
        if (at == 0)
            at = view->count > 0 ? 1 : 0;
    }
    size_t before = view->count;
    while (next < stack->python_count)
        add_python(view, &stack->python[next++]);
    size_t added = view->count - before;
    struct frame *moved = mem_calloc(added, sizeof(*moved));
    memcpy(moved, &view->frames[before], added * sizeof(*moved));
    memmove(&view->frames[at + added], &view->frames[at], (before - at) * sizeof(*moved));
    memcpy(&view->frames[at], moved, added * sizeof(*moved));
    free(moved);
}

/* The call's first frame is named after the call: libc's own name for it may be an alias
 * (`__read`), or nothing at all in a stripped libc. */
static void name_call(struct stack_view *view, const char *call)
{
    if (view->count == 0) {
        add_frame(view)->function = call;
    } else if (view->frames[0].lang != LANG_PYTHON) {
        view->frames[0].function = call;
    } else {
        return;
    }
    view->begins_with_call = true;
}

/* Compiled code is there, and no perf map named any of it; V8's interpreted frames are all its own
 * trampoline then. */
static bool has_nameless_code(const struct stack_view *view)
{
    bool nameless = false;
    for (size_t i = 0; i < view->count; i++) {
        const struct frame *frame = &view->frames[i];
        if (frame->lang == LANG_JAVASCRIPT || (frame->lang == LANG_JIT && frame->function != NULL))
            return false;
        nameless = nameless || (frame->lang == LANG_JIT && frame->function == NULL) ||
                   (frame->function != NULL &&
                    strcmp(frame->function, "Builtins_InterpreterEntryTrampoline") == 0);
    }
    return nameless;
}

/* The user's code is an interpreter's, which does not say what it runs: nothing of the user's, nor
 * of a package, is known of this stack. */
static const char *blind_interpreter(const struct stack_view *view)
{
    const struct frame *culprit = view->culprit < 0 ? NULL : &view->frames[view->culprit];
    if (culprit == NULL || culprit->origin == ORIGIN_USER || culprit->origin == ORIGIN_GENERATED)
        return NULL;
    for (size_t i = 0; i < view->count; i++) {
        if (is_java_interpreter(&view->frames[i]))
            return "Java";
        const char *interpreter = nameless_interpreter(view->frames[i].module);
        if (interpreter != NULL)
            return interpreter;
    }
    return NULL;
}

bool interprets_java(const struct stack_view *view)
{
    for (ptrdiff_t i = 0; i < view->culprit; i++) {
        if (is_java_interpreter(&view->frames[i]))
            return true;
    }
    return false;
}

struct stack_view *stack_view_new(struct symbols *symbols, const struct stack *stack,
                                  const char *call, const char *exe,
                                  const struct app_dirs *app_dirs)
{
    struct stack_view *view = mem_calloc(1, sizeof(*view));
    if (stack != NULL) {
        size_t next_python = 0;
        for (size_t i = 0; i < stack->native_count; i++)
            next_python = add_source(view, symbols, stack, &stack->native[i], next_python);
        add_left_over(view, stack, next_python);
        view->truncated = stack->truncated;
        view->broken = stack->broken;
        view->nameless = hint_for_nameless(exe) != NULL && has_nameless_code(view);
    }
    if (call != NULL)
        name_call(view, call);
    find_culprit(view, exe, app_dirs);
    find_callee(view);
    view->interpreter = blind_interpreter(view);
    if (view->broken)
        view->hint = hint_for_broken(view, exe);
    else if (view->interpreter != NULL)
        view->hint = hint_for_interpreter(view->interpreter);
    else if (interprets_java(view))
        view->hint = hint_for_interpreter("Java");
    return view;
}

void stack_view_free(struct stack_view *view)
{
    if (view == NULL)
        return;
    free(view->frames);
    free(view);
}

static bool frames_are_equal(const struct frame *a, const struct frame *b)
{
    bool named = a->function != NULL || a->file != NULL;
    return a->lang == b->lang && a->function == b->function && a->file == b->file &&
           a->line == b->line && a->module == b->module && (named || a->vaddr == b->vaddr);
}

bool stack_views_are_equal(const struct stack_view *a, const struct stack_view *b)
{
    if (a == b)
        return true;
    for (size_t i = 0; a->count == b->count && i < a->count; i++) {
        if (!frames_are_equal(&a->frames[i], &b->frames[i]))
            return false;
    }
    return a->count == b->count;
}

const char *lang_name(enum frame_lang lang)
{
    static const char *const names[] = {"native", "python", "javascript", "jit"};
    return names[lang];
}
