/* See place.h. */
#include "place.h"

#include <string.h>

#include "symbols/symbols.h"

static const struct frame *culprit_of(const struct stack_view *view)
{
    return view->culprit < 0 ? NULL : &view->frames[view->culprit];
}

static uint64_t add(uint64_t hash, const char *text)
{
    /* With its NUL, so that "ab","c" and "a","bc" differ. */
    return hash_bytes(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t add_number(uint64_t hash, uint64_t number)
{
    return hash_bytes(hash, &number, sizeof(number));
}

/* Without the arguments of templates and generics. */
static uint64_t hash_name(uint64_t hash, const char *name)
{
    for (const char *at = name; *at != '\0';) {
        size_t len = arguments_len(name, at);
        if (len == 0)
            hash = hash_bytes(hash, at, 1);
        at += len > 0 ? len : 1;
    }
    return add(hash, "");
}

uint64_t hash_function(uint64_t hash, const struct frame *frame)
{
    const char *name = frame->function != NULL ? frame->function : "";
    return frame->lang == LANG_NATIVE ? hash_name(hash, name) : add(hash, name);
}

/* A function of compiled code, whose map tells where it begins and nothing else. */
bool place_is_function(const struct stack_view *view)
{
    const struct frame *frame = culprit_of(view);
    return frame != NULL && !frame->at_call &&
           (frame->lang == LANG_JAVASCRIPT || (frame->lang == LANG_JIT && frame->function != NULL));
}

/* Since 3.12 Python runs comprehensions in the function that they stand in: what makes the same
 * call is to be the same. */
const struct frame *enclosing_frame(const struct stack_view *view, const struct frame *frame)
{
    static const char *const inner[] = {"<listcomp>", "<dictcomp>", "<setcomp>"};
    const struct frame *end = view->frames + view->count;
    if (frame->lang != LANG_PYTHON || frame->file == NULL || frame->function == NULL)
        return frame;
    for (const struct frame *at = frame; at < end; at++) {
        if (at->lang != LANG_PYTHON || at->function == NULL || at->file == NULL)
            continue;
        if (strcmp(at->file, frame->file) != 0)
            break;
        bool is_inner = false;
        for (size_t i = 0; i < COUNT_OF(inner); i++)
            is_inner = is_inner || strcmp(last_name(at->function), inner[i]) == 0;
        if (!is_inner)
            return at;
    }
    return frame;
}

uint64_t place_function_key(const struct stack_view *view, enum stall_kind kind, const char *call)
{
    const struct frame *frame = culprit_of(view);
    uint64_t hash = add_number(HASH_SEED, (uint64_t)kind);
    if (kind == STALL_CALL) {
        hash = add(hash, call);
        hash = hash_name(hash, view->callee != NULL ? view->callee : "");
    }
    if (frame == NULL)
        return hash;
    hash = hash_function(hash, enclosing_frame(view, frame));
    return add(hash, frame->file != NULL ? frame->file : frame->module_path);
}

/* The frames between the call and the interpreter's own loop are its function for that: Ruby's
 * `sleep` and `IO.select` wait by one function of libc, but not by the same ones of Ruby. */
static uint64_t interpreter_key(const struct stack_view *view, enum stall_kind kind,
                                const char *call)
{
    enum { TELLING = 4 };
    uint64_t hash = add_number(HASH_SEED, (uint64_t)kind);
    hash = add(hash, view->interpreter);
    if (kind == STALL_ITERATION) /* where it computes each sample is another */
        return hash;
    hash = add(hash, call);
    size_t told = 0;
    for (size_t i = view->begins_with_call ? 1 : 0; told < TELLING && i < view->count; i++) {
        const struct frame *frame = &view->frames[i];
        if (frame->origin == ORIGIN_LIBC)
            continue;
        hash = add(hash, frame->function);
        hash = add_number(hash, frame->vaddr);
        if (frame->lang != LANG_JIT) {
            told++;
            continue;
        }
        hash = add_number(hash, frame->address);
        if (!is_java_interpreter(frame))
            break; /* the compiled method that called those, and where it did so */
    }
    return hash;
}

uint64_t place_key_of_wait(const struct stack_view *view, uint64_t place, const char *class_name,
                           const char *wait_kind)
{
    return view->interpreter == NULL ? place : add(add(place, class_name), wait_kind);
}

uint64_t place_key(const struct stack_view *view, enum stall_kind kind, const char *call)
{
    if (view->interpreter != NULL)
        return interpreter_key(view, kind, call);
    const struct frame *frame = culprit_of(view);
    uint64_t hash = place_function_key(view, kind, call);
    if (frame == NULL)
        return hash;
    bool has_line = frame->file != NULL && frame->line > 0;
    if (kind == STALL_ITERATION) {
        /* Code without a name is as much of a function as there is. */
        return frame->function != NULL || frame->file != NULL ? hash
                                                              : add_number(hash, frame->vaddr);
    }
    /* It called what has no name: where it did so is all that tells it from its other calls. */
    if (interprets_java(view))
        return add_number(hash, frame->address);
    if (place_is_function(view))
        return hash;
    if (has_line)
        return add_number(hash, (uint64_t)frame->line);
    return frame->module != NULL ? add_number(hash, frame->vaddr) : hash;
}
