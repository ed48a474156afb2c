/* What identifies a finding across builds, machines and line shifts, for baselines: the kind, the
 * call, what the culprit called, and the culprit. Nothing of its callers, no line, no address, and
 * no name that is there only with debug symbols. Places in one function may share it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "place.h"

/* Part of every fingerprint: a changed scheme must not silently match an old baseline. */
#define TEXT_OF(number)   #number
#define DIGITS_OF(number) TEXT_OF(number)
#define SCHEME            DIGITS_OF(FINGERPRINT_SCHEME)

static uint64_t hash_text(uint64_t hash, const char *text)
{
    /* With its NUL, so that "ab","c" and "a","bc" differ. */
    return hash_bytes(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* `libfoo.so.1.2` → `libfoo.so`, `_x.cpython-311-x86_64-linux-gnu.so` → `_x`, `python3.11` →
 * `python`. */
static uint64_t hash_module(uint64_t hash, const char *module)
{
    size_t len = strlen(module);
    if (is_runtime_module(module)) {
        hash = hash_bytes(hash, module, strcspn(module, "-0123456789"));
        return hash_text(hash, "");
    }
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

static uint64_t hash_culprit(uint64_t hash, const struct stack_view *view,
                             const struct frame *frame)
{
    if (frame->lang == LANG_PYTHON && frame->file != NULL && frame->function != NULL) {
        hash = hash_text(hash, last_name(enclosing_frame(view, frame)->function));
        return hash_text(hash, base_name(frame->file));
    }
    /* A function of an interpreter's says little, and has a name or not. */
    bool in_interpreter = view->interpreter != NULL && frame->origin == ORIGIN_RUNTIME;
    hash = in_interpreter ? hash_text(hash, NULL) : hash_function(hash, frame);
    if (in_interpreter)
        return hash_text(hash, view->interpreter);
    if (frame->module != NULL)
        return hash_module(hash, frame->module);
    return hash_text(hash, frame->file != NULL ? base_name(frame->file) : NULL);
}

/* A native function of another module may have a name or not: its module has one always. */
static uint64_t hash_callee(uint64_t hash, const struct frame *frame)
{
    if (frame == NULL)
        return hash_text(hash, NULL);
    if (frame->lang == LANG_NATIVE && frame->module != NULL)
        return hash_module(hash, frame->module);
    hash =
        hash_text(hash, frame->lang == LANG_PYTHON ? last_name(frame->function) : frame->function);
    return hash_text(hash, frame->file != NULL ? base_name(frame->file) : NULL);
}

void fingerprint(char out[FINGERPRINT_DIGITS + 1], enum stall_kind kind, const char *call,
                 const struct stack_view *view)
{
    uint64_t hash = hash_text(HASH_SEED, SCHEME);
    hash = hash_text(hash, kind == STALL_CALL ? "call" : "iteration");
    if (kind == STALL_CALL) {
        hash = hash_text(hash, call);
        hash = hash_callee(hash, view->natural_callee);
    }
    if (view->natural >= 0)
        hash = hash_culprit(hash, view, &view->frames[view->natural]);
    snprintf(out, FINGERPRINT_DIGITS + 1, "%016llx", (unsigned long long)hash);
}
