/* Whose code is each frame, and which frame is to blame: the innermost one of the user's own code
 * that the loop called. */
#define _GNU_SOURCE
#include "stackview.h"

#include <ctype.h>
#include <string.h>

static bool has_prefix(const char *text, const char *const *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (starts_with(text, prefixes[i]))
            return true;
    }
    return false;
}
#define HAS_PREFIX(text, list) has_prefix((text), (list), COUNT_OF(list))

static bool is_libc(const char *module)
{
    static const char *const libc[] = {"libc.so",   "libc-2",       "libpthread",  "ld-linux",
                                       "ld-2",      "ld.so",        "librt.so",    "libdl.so",
                                       "libm.so",   "libresolv.so", "libresolv-2", "libnss_",
                                       "libanl.so", "[vdso]",       "ld-musl",     "libc.musl"};
    return HAS_PREFIX(module, libc);
}

/* `python3`, `python3.11`, `python3.11d`: the word, then nothing but a version. */
static bool is_word_with_version(const char *name, const char *word)
{
    if (!starts_with(name, word))
        return false;
    const char *rest = name + strlen(word);
    rest += strspn(rest, "0123456789.-");
    return *rest == '\0' || (rest != name + strlen(word) && rest[1] == '\0');
}

static bool is_runtime(const char *module)
{
    static const char *const libraries[] = {"libpython", "libnode.so", "libruby", "libperl.so",
                                            "libjvm.so", "libphp",     "libv8"};
    static const char *const programs[] = {"python", "node", "nodejs", "ruby", "perl",
                                           "php",    "java", "lua",    "pypy", "deno"};
    if (HAS_PREFIX(module, libraries))
        return true;
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        if (is_word_with_version(module, programs[i]))
            return true;
    }
    return false;
}

static bool is_packages(const char *path)
{
    return strstr(path, "/site-packages/") != NULL || strstr(path, "/dist-packages/") != NULL ||
           strstr(path, "/node_modules/") != NULL;
}

/* Anything below lib/python3.11/ that is in nobody's packages. */
static bool is_python_stdlib(const char *path)
{
    const char *lib = strstr(path, "/lib/python");
    if (lib == NULL)
        lib = strstr(path, "/lib64/python");
    if (lib == NULL)
        return false;
    const char *version = strstr(lib, "python") + strlen("python");
    return isdigit((unsigned char)*version) && strchr(version, '/') != NULL && !is_packages(path);
}

static bool is_system_place(const char *path)
{
    static const char *const places[] = {"/lib/",       "/lib64/", "/usr/lib/",
                                         "/usr/lib64/", "/lib32/", "/usr/lib32/"};
    return HAS_PREFIX(path, places);
}

/* A library whether or not the system owns it: `libfoo.so.1`. */
static bool is_library_name(const char *module)
{
    return starts_with(module, "lib") && strstr(module, ".so") != NULL;
}

static enum frame_origin native_origin(const struct frame *frame, const char *exe)
{
    if (frame->module == NULL)
        return ORIGIN_LIBC;
    if (is_libc(frame->module))
        return ORIGIN_LIBC;
    if (is_runtime(frame->module)) {
        /* Node's own operating system layer says less than what called it. */
        static const char *const layers[] = {"uv_", "v8::base::"};
        bool is_layer = frame->function != NULL && HAS_PREFIX(frame->function, layers);
        return is_layer ? ORIGIN_LIBC : ORIGIN_RUNTIME;
    }
    if (exe != NULL && strcmp(frame->module_path, exe) == 0)
        return ORIGIN_USER;
    if (is_packages(frame->module_path))
        return ORIGIN_THIRD_PARTY;
    if (is_python_stdlib(frame->module_path))
        return ORIGIN_STDLIB;
    if (is_system_place(frame->module_path) && strstr(frame->module, ".so") != NULL)
        return ORIGIN_SYSTEM;
    static const char *const loops[] = {"libuv.so",       "libevent",     "libev.so",
                                        "libglib-2.0.so", "libstdc++.so", "libgcc_s.so"};
    return is_library_name(frame->module) && HAS_PREFIX(frame->module, loops) ? ORIGIN_SYSTEM
                                                                              : ORIGIN_USER;
}

static enum frame_origin script_origin(const struct frame *frame)
{
    const char *file = frame->file;
    if (file == NULL)
        return frame->lang == LANG_PYTHON ? ORIGIN_USER : ORIGIN_RUNTIME;
    if (starts_with(file, "<frozen ") || starts_with(file, "node:") ||
        starts_with(file, "internal/"))
        return ORIGIN_STDLIB;
    if (is_packages(file))
        return ORIGIN_THIRD_PARTY;
    if (frame->lang == LANG_PYTHON && is_python_stdlib(file))
        return ORIGIN_STDLIB;
    /* Entry points that a package installs (/usr/bin/uvicorn, venv/bin/gunicorn). */
    bool in_bin = strstr(file, "/bin/") != NULL && strchr(base_name(file), '.') == NULL;
    return in_bin ? ORIGIN_THIRD_PARTY : ORIGIN_USER;
}

static enum frame_origin origin_of(const struct frame *frame, const char *exe)
{
    switch (frame->lang) {
    case LANG_NATIVE:
        return native_origin(frame, exe);
    case LANG_PYTHON:
    case LANG_JAVASCRIPT:
        return script_origin(frame);
    case LANG_JIT:
        break;
    }
    return frame->function != NULL ? ORIGIN_USER : ORIGIN_RUNTIME;
}

/* The function that runs a loop: what called it is on every stack and is no cause of anything. */
static bool runs_a_loop(const struct frame *frame)
{
    static const char *const native[] = {"uv_run", "event_base_loop", "event_base_dispatch",
                                         "ev_run", "g_main_loop_run", "g_main_context_iteration"};
    if (frame->function == NULL)
        return false;
    if (frame->lang == LANG_PYTHON)
        return frame->file != NULL && ends_with(frame->file, "/asyncio/base_events.py") &&
               ends_with(frame->function, "_run_once");
    for (size_t i = 0; frame->lang == LANG_NATIVE && i < COUNT_OF(native); i++) {
        if (strcmp(frame->function, native[i]) == 0)
            return true;
    }
    return false;
}

static ptrdiff_t innermost(const struct stack_view *view, enum frame_origin origin,
                           bool outside_loop)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->frames[i].origin == origin && view->frames[i].outside_loop == outside_loop)
            return (ptrdiff_t)i;
    }
    return -1;
}

/* In this order: the user's code under the loop; a package under the loop; the user's code around
 * the loop; then ever less useful places, so that there is always an answer. A system library comes
 * before a runtime (what Python called says more than that Python called it). */
static ptrdiff_t choose(const struct stack_view *view)
{
    static const struct {
        enum frame_origin origin;
        bool outside_loop;
    } order[] = {
        {ORIGIN_USER, false},       {ORIGIN_THIRD_PARTY, false}, {ORIGIN_USER, true},
        {ORIGIN_THIRD_PARTY, true}, {ORIGIN_STDLIB, false},      {ORIGIN_STDLIB, true},
        {ORIGIN_SYSTEM, false},     {ORIGIN_RUNTIME, false},     {ORIGIN_SYSTEM, true},
        {ORIGIN_RUNTIME, true},
    };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        ptrdiff_t found = innermost(view, order[i].origin, order[i].outside_loop);
        if (found >= 0)
            return found;
    }
    return view->count > 0 ? 0 : -1;
}

void find_culprit(struct stack_view *view, const char *exe)
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
    view->culprit = choose(view);
}
