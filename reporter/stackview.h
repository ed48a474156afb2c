/* A stack as people read it: native and Python frames merged, named, with the frame to blame. */
#ifndef STALLTRACE_STACKVIEW_H
#define STALLTRACE_STACKVIEW_H

#include "symbols.h"
#include "trace.h"

enum frame_lang { LANG_NATIVE, LANG_PYTHON, LANG_JAVASCRIPT, LANG_JIT };

/* Whose code a frame is; decides the culprit, the fingerprint and what a report folds. */
enum frame_origin {
    ORIGIN_USER,        /* the program, and what was installed outside the system's places */
    ORIGIN_THIRD_PARTY, /* site-packages, dist-packages, node_modules */
    ORIGIN_STDLIB,      /* a language's standard library */
    ORIGIN_SYSTEM,      /* a shared library of the system */
    ORIGIN_RUNTIME,     /* an interpreter's native code */
    ORIGIN_LIBC,        /* libc and the loader */
};

struct frame {
    enum frame_lang lang;
    enum frame_origin origin;
    const char *function; /* or NULL */
    const char *module;   /* base name, or NULL */
    const char *module_path;
    const char *file; /* or NULL */
    int line;
    uint64_t address; /* 0: none (Python) */
    uint64_t vaddr;
    bool inlined;
    bool outside_loop; /* called the loop instead of being called by it */
};

struct stack_view {
    struct frame *frames; /* innermost first */
    size_t count, cap;
    ptrdiff_t culprit; /* index, or -1 where there are no frames */
    const char *task;
    bool truncated;
    bool begins_with_call; /* the first frame is the blocking function */
};

/* Merges a stack (merge.c). `call` names the first frame of a blocking call, NULL for an iteration;
 * `exe` is the process's executable. `stack` may be NULL. */
struct stack_view *stack_view_new(struct symbols *symbols, const struct stack *stack,
                                  const char *call, const char *exe);
void stack_view_free(struct stack_view *view);

/* Fills in origin and outside_loop of every frame, and the culprit (culprit.c). */
void find_culprit(struct stack_view *view, const char *exe);

/* 16 hexadecimal digits that identify a finding across builds, machines and line shifts
 * (fingerprint.c). */
enum { FINGERPRINT_DIGITS = 16 };
void fingerprint(char out[FINGERPRINT_DIGITS + 1], enum stall_kind kind, const char *call,
                 const struct stack_view *view);

const char *lang_name(enum frame_lang lang);

#endif
