/* Which frame is to blame: the innermost one of the user's own code that the loop called. */
#define _GNU_SOURCE
#include "stackview.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void app_dirs_add(struct app_dirs *dirs, const char *path)
{
    char cwd[PATH_MAX];
    char *resolved = realpath(path, NULL);
    /* Only where the recording was made need it exist. */
    char *dir;
    if (resolved != NULL || path[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
        dir = mem_strdup(resolved != NULL ? resolved : path);
    else
        dir = mem_printf("%s/%s", cwd, path);
    free(resolved);
    for (size_t len = strlen(dir); len > 0 && dir[len - 1] == '/'; len--)
        dir[len - 1] = '\0';
    GROW(dirs->paths, dirs->count, dirs->cap);
    dirs->paths[dirs->count++] = dir;
}

void app_dirs_free(struct app_dirs *dirs)
{
    for (size_t i = 0; i < dirs->count; i++)
        free(dirs->paths[i]);
    free(dirs->paths);
    *dirs = (struct app_dirs){0};
}

/* A virtual environment or node_modules inside the tree is not the user's code, unless that is what
 * the directory names. */
static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    if (path == NULL || strncmp(path, dir, len) != 0 || path[len] != '/')
        return false;
    return !is_package_path(path + len) && !is_stdlib_path(path + len);
}

static bool is_app_frame(const struct frame *frame, const struct app_dirs *app_dirs)
{
    for (size_t i = 0; i < app_dirs->count; i++) {
        /* A source file says more than the binary that was made of it. */
        const char *path = frame->file != NULL ? frame->file : frame->module_path;
        if (is_below(path, app_dirs->paths[i]))
            return true;
    }
    return false;
}

/* `name` is the last part of a qualified name (`BaseEventLoop.run_forever`). */
static bool is_last_part(const char *qualified, const char *name)
{
    size_t length = strlen(qualified), tail = strlen(name);
    return ends_with(qualified, name) && (length == tail || qualified[length - tail - 1] == '.');
}

/* The function that runs a loop: what called it is on every stack and is no cause of anything. */
static bool runs_a_loop(const struct frame *frame)
{
    static const char *const native[] = {
#define RUN_NATIVE(function, loops) function,
#define RUN_NAMED(function)         function,
#include "common/runtimes.def"
    };
    static const struct {
        const char *file, *function;
    } python[] = {
#define RUN_PYTHON(file, function, loops) {file, function},
#include "common/runtimes.def"
    };
    if (frame->function == NULL)
        return false;
    for (size_t i = 0; frame->lang == LANG_PYTHON && i < COUNT_OF(python); i++) {
        if (frame->file != NULL && ends_with(frame->file, python[i].file) &&
            is_last_part(frame->function, python[i].function))
            return true;
    }
    for (size_t i = 0; frame->lang == LANG_NATIVE && i < COUNT_OF(native); i++) {
        if (strcmp(frame->function, native[i]) == 0)
            return true;
    }
    return frame->lang == LANG_NATIVE && starts_with(frame->function, "camlLwt_main__run_");
}

static bool is_import_machinery(const struct frame *frame)
{
    return frame->lang == LANG_PYTHON && frame->file != NULL &&
           (starts_with(frame->file, "<frozen importlib") ||
            strstr(frame->file, "/importlib/") != NULL);
}

/* A module that is being imported, and imports another: the line to blame is the one that imported
 * it, in the handler. */
static bool is_imported_on_the_way(const struct stack_view *view, size_t at)
{
    const struct frame *frame = &view->frames[at];
    size_t inner = at, outer = at + 1;
    if (frame->lang != LANG_PYTHON || frame->function == NULL ||
        strcmp(frame->function, "<module>") != 0)
        return false;
    while (inner > 0 && view->frames[inner - 1].lang != LANG_PYTHON)
        inner--;
    while (outer < view->count && view->frames[outer].lang != LANG_PYTHON)
        outer++;
    if (inner == 0 || outer == view->count || !is_import_machinery(&view->frames[inner - 1]) ||
        !is_import_machinery(&view->frames[outer]))
        return false;
    for (; outer < view->count; outer++) {
        if (view->frames[outer].origin == ORIGIN_USER)
            return true;
    }
    return false;
}

static ptrdiff_t innermost(const struct stack_view *view, enum frame_origin origin,
                           bool outside_loop)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->frames[i].origin == origin && view->frames[i].outside_loop == outside_loop &&
            !is_imported_on_the_way(view, i))
            return (ptrdiff_t)i;
    }
    return -1;
}

/* With `python -c` and in an interactive session the whole program has no file: then what it made
 * is the user's code. */
static void own_generated_code(struct stack_view *view)
{
    const struct frame *outermost = NULL;
    for (size_t i = 0; i < view->count; i++) {
        if (view->frames[i].lang == LANG_PYTHON)
            outermost = &view->frames[i];
    }
    if (outermost == NULL || outermost->origin != ORIGIN_GENERATED)
        return;
    for (size_t i = 0; i < view->count; i++) {
        if (view->frames[i].origin == ORIGIN_GENERATED)
            view->frames[i].origin = ORIGIN_USER;
    }
}

/* What OCaml calls through is C without a source, its runtime's or a library's (`unix_sleep`):
 * stubs say less than the line that called them. */
static void disown_stubs(struct stack_view *view)
{
    size_t inner = view->count;
    for (size_t i = 0; i < view->count && inner == view->count; i++) {
        if (is_ocaml(&view->frames[i]) && view->frames[i].file != NULL)
            inner = i;
    }
    for (size_t i = 0; inner < view->count && i < inner; i++) {
        struct frame *frame = &view->frames[i];
        if (frame->lang == LANG_NATIVE && frame->file == NULL && frame->origin == ORIGIN_USER)
            frame->origin = ORIGIN_RUNTIME;
    }
}

/* In this order: the user's code under the loop; a package under the loop; the user's code around
 * the loop; code that was made at run time; then ever less useful places, so that there is always
 * an answer. A system library comes before a runtime (what Python called says more than that Python
 * called it). */
static ptrdiff_t choose(const struct stack_view *view)
{
    static const struct {
        enum frame_origin origin;
        bool outside_loop;
    } order[] = {
        {ORIGIN_USER, false},      {ORIGIN_THIRD_PARTY, false}, {ORIGIN_USER, true},
        {ORIGIN_GENERATED, false}, {ORIGIN_GENERATED, true},    {ORIGIN_THIRD_PARTY, true},
        {ORIGIN_STDLIB, false},    {ORIGIN_STDLIB, true},       {ORIGIN_SYSTEM, false},
        {ORIGIN_RUNTIME, false},   {ORIGIN_SYSTEM, true},       {ORIGIN_RUNTIME, true},
    };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        ptrdiff_t found = innermost(view, order[i].origin, order[i].outside_loop);
        if (found >= 0)
            return found;
    }
    return view->count > 0 ? 0 : -1;
}

/* The innermost frame under the directories, one that the loop called if there is any. */
static ptrdiff_t choose_in(const struct stack_view *view, const struct app_dirs *app_dirs)
{
    ptrdiff_t around = -1;
    for (size_t i = view->begins_with_call ? 1 : 0; i < view->count; i++) {
        const struct frame *frame = &view->frames[i];
        if (!is_app_frame(frame, app_dirs))
            continue;
        if (!frame->outside_loop)
            return (ptrdiff_t)i;
        around = around < 0 ? (ptrdiff_t)i : around;
    }
    return around;
}

void find_culprit(struct stack_view *view, const char *exe, const struct app_dirs *app_dirs)
{
    /* The outermost: a loop inside a loop (Node's execSync) is itself called by the user's code. */
    size_t loop_at = view->count;
    for (size_t i = 0; i < view->count; i++) {
        if (runs_a_loop(&view->frames[i]))
            loop_at = i;
    }
    for (size_t i = 0; i < view->count; i++) {
        struct frame *frame = &view->frames[i];
        frame->origin = i == 0 && view->begins_with_call ? ORIGIN_LIBC : origin_of(frame, exe);
        frame->outside_loop = i > loop_at;
    }
    own_generated_code(view);
    disown_stubs(view);
    view->natural = view->culprit = choose(view);
    ptrdiff_t narrowed = app_dirs != NULL ? choose_in(view, app_dirs) : -1;
    if (narrowed >= 0)
        view->culprit = narrowed;
}
