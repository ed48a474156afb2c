/* Whose code is a frame: the user's, a package's, a standard library's, the system's, an
 * interpreter's. Decided by paths, module names and, for what was linked in, function names. */
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

bool is_runtime_module(const char *module)
{
    static const char *const libraries[] = {"libpython", "libnode.so", "libruby", "libperl.so",
                                            "libjvm.so", "libphp",     "libv8",   "libjli.so"};
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

const char *nameless_interpreter(const char *module)
{
    static const struct {
        const char *library, *program, *name;
    } interpreters[] = {{"libperl.so", "perl", "Perl"},
                        {"libruby", "ruby", "Ruby"},
                        {"libphp", "php", "PHP"},
                        {"liblua", "lua", "Lua"}};
    for (size_t i = 0; module != NULL && i < COUNT_OF(interpreters); i++) {
        if (starts_with(module, interpreters[i].library) ||
            is_word_with_version(module, interpreters[i].program))
            return interpreters[i].name;
    }
    return NULL;
}

bool is_package_path(const char *path)
{
    static const char *const places[] = {"/site-packages/", "/dist-packages/", "/node_modules/",
                                         /* Rust: crates from a registry or a git repository */
                                         "/.cargo/registry/", "/.cargo/git/",
                                         "/usr/share/cargo/registry/", "/cargo/registry/src/"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (strstr(path, places[i]) != NULL)
            return true;
    }
    return false;
}

/* Anything below lib/python3.11/ (or lib/python311.zip/) that is in nobody's packages. */
static bool is_python_stdlib(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/lib")) != NULL; at++) {
        const char *python = at + strlen("/lib");
        python += starts_with(python, "64") ? 2 : 0;
        if (!starts_with(python, "/python") && !starts_with(python, "/pypy"))
            continue;
        const char *version = python + strcspn(python + 1, "0123456789/") + 1;
        if (isdigit((unsigned char)*version) && strchr(version, '/') != NULL)
            return true;
    }
    return false;
}

/* Where Rust's own library was built: by its project, by a distribution, by the user; or a path
 * inside it. */
static bool is_rust_stdlib(const char *path)
{
    static const char *const roots[] = {"/rustc/", "/usr/src/rustc-", "library/std/",
                                        "library/core/", "library/alloc/"};
    return ends_with(path, ".rs") &&
           (HAS_PREFIX(path, roots) || strstr(path, "/rustlib/src/rust/") != NULL);
}

bool is_stdlib_path(const char *path)
{
    return starts_with(path, "/usr/include/c++/") || is_rust_stdlib(path) ||
           (is_python_stdlib(path) && !is_package_path(path));
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

/* `<tokio::net::TcpStream as …>::poll` → at `tokio::net…`. */
static const char *skip_wrapping(const char *function)
{
    while (*function == '<' || *function == '&' || *function == '*')
        function++;
    static const char *const words[] = {"mut ", "const ", "dyn "};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (starts_with(function, words[i]))
            function += strlen(words[i]);
    }
    return function;
}

bool is_ocaml(const struct frame *frame)
{
    return frame->lang == LANG_NATIVE && frame->function != NULL &&
           starts_with(frame->function, "caml") &&
           (frame->function[4] == '_' || isupper((unsigned char)frame->function[4]));
}

/* OCaml's own library and Lwt are compiled in; their files have relative paths. */
static enum frame_origin ocaml_origin(const struct frame *frame)
{
    static const char *const standard[] = {"camlStdlib",  "camlCamlinternal", "camlStd_exit",
                                           "camlUnix__",  "camlUnixLabels__", "camlThread__",
                                           "camlMutex__", "camlEvent__",      "camlCondition__"};
    static const char *const lwt[] = {"src/core/lwt", "src/unix/lwt_"};
    if (frame->function[4] == '_')
        return ORIGIN_RUNTIME;
    if (HAS_PREFIX(frame->function, standard))
        return ORIGIN_STDLIB;
    return frame->file != NULL && HAS_PREFIX(frame->file, lwt) ? ORIGIN_THIRD_PARTY : ORIGIN_USER;
}

/* Code of others that was compiled into the user's own objects: Rust's crates and standard library,
 * headers of C++. ORIGIN_USER where it is not. */
static enum frame_origin linked_in_origin(const struct frame *frame)
{
    static const char *const standard[] = {"std::",
                                           "core::",
                                           "alloc::",
                                           "__gnu_cxx::",
                                           "__rust_", /* __rust_try, __rust_alloc, … */
                                           "rust_begin_unwind"};
    static const char *const crates[] = {
        "tokio::", "mio::", "futures_util::", "futures_core::", "boost::"};
    if (frame->file != NULL) {
        if (is_stdlib_path(frame->file))
            return ORIGIN_STDLIB;
        if (is_package_path(frame->file) || starts_with(frame->file, "/usr/include/"))
            return ORIGIN_THIRD_PARTY;
    }
    if (frame->function == NULL)
        return ORIGIN_USER;
    if (is_ocaml(frame))
        return ocaml_origin(frame);
    const char *function = skip_wrapping(frame->function);
    if (HAS_PREFIX(function, standard))
        return ORIGIN_STDLIB;
    return HAS_PREFIX(function, crates) ? ORIGIN_THIRD_PARTY : ORIGIN_USER;
}

/* What runs a loop, or is called by it before anybody's code is: never to blame. */
static bool is_loop_implementation(const char *file)
{
#define RUN_PACKAGE(path) path,
    static const char *const packages[] = {
#include "common/runtimes.def"
    };
    /* Perl's and Ruby's extensions lie elsewhere. */
    bool may_be = is_package_path(file) || ends_with(file, ".so");
    for (size_t i = 0; may_be && i < COUNT_OF(packages); i++) {
        if (strstr(file, packages[i]) != NULL)
            return true;
    }
    return false;
}

static enum frame_origin native_origin(const struct frame *frame, const char *exe)
{
    if (frame->module == NULL)
        return ORIGIN_LIBC;
    if (is_libc(frame->module))
        return ORIGIN_LIBC;
    if (is_runtime_module(frame->module)) {
        /* Node's own operating system layer says less than what called it. */
        static const char *const layers[] = {"uv_", "v8::base::"};
        bool is_layer = frame->function != NULL && HAS_PREFIX(frame->function, layers);
        return is_layer ? ORIGIN_LIBC : ORIGIN_RUNTIME;
    }
    enum frame_origin linked_in = linked_in_origin(frame);
    if (linked_in != ORIGIN_USER)
        return linked_in;
    if (exe != NULL && strcmp(frame->module_path, exe) == 0)
        return ORIGIN_USER;
    if (is_loop_implementation(frame->module_path))
        return ORIGIN_RUNTIME;
    if (is_package_path(frame->module_path))
        return ORIGIN_THIRD_PARTY;
    if (is_stdlib_path(frame->module_path))
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
    /* <template>, <attrs generated init …>: made by a package. <string> and <stdin> may be all that
     * there is of the program, with `python -c`; or what exec, eval or a dataclass has made. */
    if (file[0] == '<' && frame->lang == LANG_PYTHON)
        return strcmp(file, "<string>") == 0 || strcmp(file, "<stdin>") == 0 ? ORIGIN_GENERATED
                                                                             : ORIGIN_THIRD_PARTY;
    if (is_loop_implementation(file))
        return ORIGIN_RUNTIME;
    if (is_package_path(file))
        return ORIGIN_THIRD_PARTY;
    if (frame->lang == LANG_PYTHON && is_stdlib_path(file))
        return ORIGIN_STDLIB;
    /* Entry points that a package installs (/usr/bin/uvicorn, venv/bin/gunicorn). */
    bool in_bin = strstr(file, "/bin/") != NULL && strchr(base_name(file), '.') == NULL;
    return in_bin ? ORIGIN_THIRD_PARTY : ORIGIN_USER;
}

/* Code that a perf map named: the JVM's and .NET's own libraries by their names. */
static enum frame_origin jit_origin(const struct frame *frame)
{
    static const char *const standard[] = {"java.",   "javax.", "jdk.",    "sun.",    "com.sun.",
                                           "kotlin.", "scala.", "System.", "[System."};
    static const char *const blobs[] = {
        "Interpreter", "call_stub", "StubRoutines", "vtable stub", "itable stub", "I2C/C2I",
        "~",           "Builtin:",  "Stub:",        "RegExp:",     "Wasm"};
    if (frame->function == NULL || frame->noise || HAS_PREFIX(frame->function, blobs))
        return ORIGIN_RUNTIME;
    return HAS_PREFIX(frame->function, standard) ? ORIGIN_STDLIB : ORIGIN_USER;
}

enum frame_origin origin_of(const struct frame *frame, const char *exe)
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
    return jit_origin(frame);
}
