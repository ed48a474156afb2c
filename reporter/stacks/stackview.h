/* A stack as people read it: native and Python frames merged, named, with the frame to blame. */
#ifndef STALLTRACE_STACKVIEW_H
#define STALLTRACE_STACKVIEW_H

#include "symbols/symbols.h"
#include "trace/trace.h"

enum frame_lang { LANG_NATIVE, LANG_PYTHON, LANG_JAVASCRIPT, LANG_JIT };

/* Whose code a frame is; decides the culprit, the fingerprint and what a report folds. */
enum frame_origin {
    ORIGIN_USER,        /* the program, and what was installed outside the system's places */
    ORIGIN_GENERATED,   /* code that was made at run time: <string>, exec, eval */
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
    bool noise;        /* a runtime's glue that no report need show */
    bool at_call;      /* of JavaScript: the line is the call's, not where the function begins */
};

struct stack_view {
    struct frame *frames; /* innermost first */
    size_t count, cap;
    ptrdiff_t culprit;                  /* index, or -1 where there are no frames */
    ptrdiff_t natural;                  /* what it would be without --app-dir: the fingerprint's */
    const char *callee;                 /* what the culprit called (place.h), or NULL */
    const struct frame *natural_callee; /* of the natural culprit: the fingerprint's; or NULL */
    const char *hint;                   /* what would make a broken stack whole; or NULL */
    const char *interpreter;            /* whose functions have no names here: Perl; or NULL */
    bool truncated;
    bool broken;           /* the outer frames are missing */
    bool nameless;         /* has frames of Node or the JVM that no perf map named */
    bool begins_with_call; /* the first frame is the blocking function */
};

/* Directories of the user's own code (--app-dir), absolute, without a slash at the end.
 * Zero-initialised is none. */
struct app_dirs {
    char **paths;
    size_t count, cap;
};
/* Adds a directory; it need not exist here. */
void app_dirs_add(struct app_dirs *dirs, const char *path);
void app_dirs_free(struct app_dirs *dirs);

/* Merges a stack (merge.c). `call` names the first frame of a blocking call, NULL for an iteration;
 * `exe` is the process's executable. `stack` and `app_dirs` may be NULL. */
struct stack_view *stack_view_new(struct symbols *symbols, const struct stack *stack,
                                  const char *call, const char *exe,
                                  const struct app_dirs *app_dirs);
void stack_view_free(struct stack_view *view);
/* The same functions, files and lines, whatever the addresses. */
bool stack_views_are_equal(const struct stack_view *a, const struct stack_view *b);

/* Fills in origin and outside_loop of every frame, and the culprit (culprit.c). */
void find_culprit(struct stack_view *view, const char *exe, const struct app_dirs *app_dirs);
/* Whose code is this (origins.c)? */
enum frame_origin origin_of(const struct frame *frame, const char *exe);
/* Is it in a directory of packages (site-packages, node_modules, …), or in a standard library? */
bool is_package_path(const char *path);
bool is_stdlib_path(const char *path);
/* Is it an interpreter's own object, `libpython3.11.so.1.0`, `node`? By its base name. */
bool is_runtime_module(const char *module);
/* Is it OCaml's, a function or its runtime's, by its name in the object? */
bool is_ocaml(const struct frame *frame);
/* Is it a method that HotSpot interprets: which one is not known? */
bool is_java_interpreter(const struct frame *frame);
/* Did the culprit, whose name is known, call such a method? */
bool interprets_java(const struct stack_view *view);
/* Is it an interpreter of whose functions nothing is known? Its language, or NULL. */
const char *nameless_interpreter(const char *module);

/* Names the frame of a piece of code made at run time after its perf map's symbol (jit.c), which
 * may be NULL. */
void name_jit_frame(struct frame *frame, const char *symbol);
/* How to get the frames that a broken stack lacks (hints.c). */
const char *hint_for_broken(const struct stack_view *view, const char *exe);
/* The same for functions without names; NULL where nothing is known to help. */
const char *hint_for_nameless(const char *exe);
const char *hint_for_interpreter(const char *interpreter);
bool is_node(const char *exe);
/* What Node needs for its JavaScript functions to have names. */
#define NODE_JS_OPTIONS "--perf-basic-prof --interpreted-frames-native-stack"

/* 16 hexadecimal digits that identify a finding across builds, machines and line shifts
 * (fingerprint.c). */
enum { FINGERPRINT_DIGITS = 16 };
/* How they are made: another number where the same finding gets another one. */
#define FINGERPRINT_SCHEME 2
void fingerprint(char out[FINGERPRINT_DIGITS + 1], enum stall_kind kind, const char *call,
                 const struct stack_view *view);

const char *lang_name(enum frame_lang lang);

/* Sets view->callee: what the culprit called, as a person would write it (`requests.get`,
 * `smtplib.SMTP`, `with ThreadPoolExecutor`, `fs.readFileSync`, `curl_easy_perform`); NULL where it
 * called the blocking function itself, or where it has no name. */
void find_callee(struct stack_view *view);

/* The function that a frame's comprehension stands in, else the frame. */
const struct frame *enclosing_frame(const struct stack_view *view, const struct frame *frame);
/* Adds a frame's function to a hash: of C++ and Rust without the arguments of templates and
 * generics, since a line is one place whatever it was instantiated for. NULL adds nothing. */
uint64_t hash_function(uint64_t hash, const struct frame *frame);

/* The last part of a qualified name (`Shop.pay` → `pay`): all that older interpreters tell. */
const char *last_name(const char *function);

#endif
