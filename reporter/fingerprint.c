/* What makes two stalls the same finding: the kind, the call, and the functions of the user's code
 * on the way to it. Nothing that changes with a build, a machine, or a line inserted above. */
#define _GNU_SOURCE
#include "stackview.h"

#include <stdio.h>
#include <string.h>

/* Part of every fingerprint: a changed scheme must not silently match an old baseline. */
#define SCHEME "1"

static uint64_t hash_text(uint64_t hash, const char *text)
{
    /* With its NUL, so that "ab","c" and "a","bc" differ. */
    return hash_bytes(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* `libfoo.so.1.2` → `libfoo.so`, `_x.cpython-311-x86_64-linux-gnu.so` → `_x`. */
static uint64_t hash_module(uint64_t hash, const char *module)
{
    size_t len = strlen(module);
    const char *cut = strstr(module, ".cpython-");
    if (cut == NULL)
        cut = strstr(module, ".abi3.so");
    if (cut != NULL)
        len = (size_t)(cut - module);
    else if ((cut = strstr(module, ".so.")) != NULL)
        len = (size_t)(cut - module) + strlen(".so");
    hash = hash_bytes(hash, module, len);
    return hash_text(hash, "");
}

/* The directory of the script that was started, with its slash: paths below it are stable wherever
 * the project was checked out. */
static size_t project_root(const struct stack_view *view, const char **root)
{
    for (size_t i = view->count; i-- > 0;) {
        const struct frame *frame = &view->frames[i];
        if (frame->lang != LANG_PYTHON || frame->origin != ORIGIN_USER)
            continue;
        if (frame->file == NULL || frame->function == NULL ||
            strcmp(frame->function, "<module>") != 0)
            break;
        *root = frame->file;
        return (size_t)(base_name(frame->file) - frame->file);
    }
    return 0;
}

/* Base name and parent directory: `users/views.py` and not `/home/me/shop/users/views.py`. */
static const char *last_two_parts(const char *file)
{
    const char *base = base_name(file);
    if (base - file < 2)
        return base;
    const char *parent = base - 1;
    while (parent > file && parent[-1] != '/')
        parent--;
    return parent;
}

static uint64_t hash_file(uint64_t hash, const struct stack_view *view, const char *file)
{
    const char *root = NULL;
    size_t root_len = project_root(view, &root);
    if (root_len > 0 && strncmp(file, root, root_len) == 0)
        return hash_text(hash, file + root_len);
    return hash_text(hash, last_two_parts(file));
}

static uint64_t hash_frame(uint64_t hash, const struct stack_view *view, const struct frame *frame)
{
    hash = hash_text(hash, frame->function);
    if (frame->module != NULL)
        return hash_module(hash, frame->module);
    return frame->file != NULL ? hash_file(hash, view, frame->file) : hash_text(hash, "");
}

static bool same_place(const struct frame *a, const struct frame *b)
{
    return a->function == b->function && a->module == b->module &&
           (a->module != NULL || a->file == b->file);
}

void fingerprint(char out[FINGERPRINT_DIGITS + 1], enum stall_kind kind, const char *call,
                 const struct stack_view *view)
{
    uint64_t hash = hash_text(HASH_SEED, SCHEME);
    hash = hash_text(hash, kind == STALL_CALL ? "call" : "iteration");
    hash = hash_text(hash, call);
    const struct frame *culprit = view->natural < 0 ? NULL : &view->frames[view->natural];
    const struct frame *previous = NULL;
    if (culprit != NULL && culprit->origin > ORIGIN_STDLIB) {
        /* Nobody's own code: what surrounds it is the runtime's affair and changes with it. */
        hash = hash_frame(hash, view, culprit);
        culprit = NULL;
    }
    for (size_t i = 0; culprit != NULL && i < view->count; i++) {
        const struct frame *frame = &view->frames[i];
        if (frame->origin != culprit->origin || frame->outside_loop != culprit->outside_loop)
            continue;
        /* Recursion: the depth is not part of what happened. */
        if (previous == NULL || !same_place(previous, frame))
            hash = hash_frame(hash, view, frame);
        previous = frame;
    }
    snprintf(out, FINGERPRINT_DIGITS + 1, "%016llx", (unsigned long long)hash);
}
