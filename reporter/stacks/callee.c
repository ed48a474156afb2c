/* What the culprit called, in the words of whoever wrote the line: see find_callee in stackview.h.
 */
#define _GNU_SOURCE
#include <string.h>

#include "stackview.h"

const char *last_name(const char *function)
{
    const char *dot = function != NULL ? strrchr(function, '.') : NULL;
    return dot != NULL && dot[1] != '\0' ? dot + 1 : function;
}

/* A module of the standard library's in C, which other builds of the interpreter have inside it. */
static bool is_part_of_interpreter(const struct frame *frame)
{
    return frame->origin == ORIGIN_RUNTIME ||
           (frame->origin == ORIGIN_STDLIB && frame->lang == LANG_NATIVE &&
            frame->module_path != NULL && is_stdlib_path(frame->module_path));
}

/* The frame that the culprit's line called: the next one inside it, without interpreters between.
 */
static const struct frame *called(const struct stack_view *view, ptrdiff_t by)
{
    for (ptrdiff_t i = by - 1; i >= (view->begins_with_call ? 1 : 0); i--) {
        const struct frame *frame = &view->frames[i];
        if (frame->noise || frame->inlined || is_part_of_interpreter(frame) ||
            frame->origin == ORIGIN_LIBC)
            continue;
        return frame;
    }
    return NULL;
}

/* Where the path of a Python module begins to be its name. */
static const char *module_path(const char *file)
{
    static const char *const roots[] = {"/site-packages/", "/dist-packages/"};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        const char *found = strstr(file, roots[i]);
        if (found != NULL)
            return found + strlen(roots[i]);
    }
    const char *lib = strstr(file, "/lib/python");
    const char *end = lib != NULL ? strchr(lib + strlen("/lib/python"), '/') : NULL;
    return end != NULL ? end + 1 : base_name(file);
}

/* Modules that a package keeps for itself and offers the functions of under its own name. */
static bool is_inner(const char *name, size_t len)
{
    static const char *const inner[] = {"api",        "client",      "sessions", "core",
                                        "connection", "connections", "main",     "base"};
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        if (strlen(inner[i]) == len && memcmp(name, inner[i], len) == 0)
            return true;
    }
    return false;
}

/* `concurrent/futures/_base.py` → `concurrent.futures.`, `requests/api.py` → `requests.`. */
static void add_module(struct strbuf *out, const char *file)
{
    const char *path = module_path(file);
    bool is_package = is_package_path(file);
    size_t depth = 0;
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        bool last = path[len] == '\0';
        size_t name = last ? strcspn(path, ".") : len;
        bool hidden = (last && name == strlen("__init__") && starts_with(path, "__init__")) ||
                      (path[0] == '_' && depth > 0) ||
                      (last && is_package && depth == 1 && is_inner(path, name));
        if (!hidden) {
            sb_addn(out, path, name);
            sb_add(out, ".");
        }
        depth++;
        path += len + !last;
    }
}

static bool is_named(const char *function, const char *name)
{
    return strcmp(last_name(function), name) == 0;
}

/* The class in a qualified name: `Executor` of `Executor.__exit__`; its length, 0: there is none.
 */
static size_t class_len(const char *function)
{
    const char *last = last_name(function);
    return last > function ? (size_t)(last - function) - 1 : 0;
}

/* The class of the object, not the one that has the method: what is called next tells. */
static void add_with(struct strbuf *out, const struct stack_view *view, const struct frame *frame)
{
    const struct frame *inner = frame - 1;
    while (inner > view->frames && inner->lang != LANG_PYTHON)
        inner--;
    const char *function = frame->function;
    if (inner > view->frames && inner->lang == LANG_PYTHON && inner->function != NULL &&
        class_len(inner->function) > 0 && inner->file != NULL && frame->file != NULL &&
        inner->origin == frame->origin)
        function = inner->function;
    sb_add(out, "with ");
    if (class_len(function) > 0)
        sb_addn(out, function, class_len(function));
    else
        add_module(out, frame->file != NULL ? frame->file : "");
}

static void add_python(struct strbuf *out, const struct stack_view *view, const struct frame *frame)
{
    const char *function = frame->function;
    if (is_named(function, "__enter__") || is_named(function, "__exit__") ||
        is_named(function, "__aenter__") || is_named(function, "__aexit__")) {
        add_with(out, view, frame);
        return;
    }
    if (frame->file != NULL && starts_with(frame->file, "<frozen importlib")) {
        sb_add(out, "import");
        return;
    }
    if (frame->file != NULL && frame->file[0] != '<')
        add_module(out, frame->file);
    if ((is_named(function, "__init__") || is_named(function, "__new__") ||
         is_named(function, "__call__")) &&
        class_len(function) > 0)
        sb_addn(out, function, class_len(function));
    else
        sb_add(out, function);
}

static void add_javascript(struct strbuf *out, const struct frame *frame)
{
    if (frame->file != NULL && starts_with(frame->file, "node:")) {
        sb_add(out, frame->file + strlen("node:"));
        sb_add(out, ".");
    }
    sb_add(out, frame->function);
}

void find_callee(struct stack_view *view)
{
    const struct frame *frame = called(view, view->culprit);
    struct strbuf label = {0};
    view->callee = NULL;
    view->natural_callee = called(view, view->natural);
    if (frame == NULL || frame->function == NULL)
        return;
    if (frame->lang == LANG_PYTHON)
        add_python(&label, view, frame);
    else if (frame->lang == LANG_JAVASCRIPT)
        add_javascript(&label, frame);
    else
        sb_add(&label, frame->function);
    if (label.len > 0)
        view->callee = intern(label.data);
    sb_free(&label);
}
