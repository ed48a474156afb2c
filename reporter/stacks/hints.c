/* What to do about stacks that say less than they could. */
#include "stackview.h"

#include <string.h>

bool is_node(const char *exe)
{
    const char *name = exe != NULL ? base_name(exe) : "";
    return strcmp(name, "node") == 0 || strcmp(name, "nodejs") == 0;
}

const char *hint_for_nameless(const char *exe)
{
    if (is_node(exe))
        return "JavaScript functions have no names: record with `stalltrace run --js`, or under a "
               "bare preload with NODE_OPTIONS='" NODE_JS_OPTIONS "'";
    if (strcmp(exe != NULL ? base_name(exe) : "", "java") == 0)
        return "Java methods have no names: run the JVM with -XX:+PreserveFramePointer, and write "
               "a perf map while it runs: jcmd PID Compiler.perfmap";
    return NULL;
}

const char *hint_for_interpreter(const char *interpreter)
{
    static const struct {
        const char *interpreter, *hint;
    } hints[] = {
        {"Perl",
         "Perl's functions have no names here, and stalls of several lines may be one finding; "
         "what it waited for says which call it was, and `perl -d:Trace PROGRAM` "
         "(Devel::Trace) which line"},
        {"Ruby",
         "Ruby's methods have no names here, and stalls of several lines may be one finding; "
         "what it waited for says which call it was, and `rbspy dump --pid PID`, while it "
         "hangs, which line"},
        {"PHP",
         "PHP's functions have no names here, and stalls of several lines may be one finding; "
         "what it waited for says which call it was, and `phpspy -p PID`, while it hangs, "
         "which line"},
        {"Java", "Java methods that the JVM interprets have no names here, and stalls of several "
                 "may be one "
                 "finding; `jstack PID`, while it hangs, says which it was"},
        {"Lua",
         "Lua's functions have no names here, and stalls of several lines may be one finding; "
         "what it waited for says which call it was, and debug.sethook with a traceback "
         "which line"},
    };
    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        if (strcmp(hints[i].interpreter, interpreter) == 0)
            return hints[i].hint;
    }
    return NULL;
}

static const struct {
    const char *program; /* the executable's name begins like this */
    const char *hint;
} runtimes[] = {
    {"java", "run the JVM with -XX:+PreserveFramePointer"},
    {"python", "run Python 3.12 or later with -X perf, its C extensions built with "
               "-fno-omit-frame-pointer"},
    {"node", "run it with `stalltrace run --js`, or with "
             "NODE_OPTIONS=--interpreted-frames-native-stack"},
    {"dotnet", "run it with DOTNET_PerfMapEnabled=1"},
    {"luajit", "build LuaJIT with frame pointers, or switch its compiler off with -joff"},
};

/* The unwinder stopped behind the outermost frame that it has. In a runtime's process that is
 * compiled code unless the frame is in an object of its own, which then lacks unwind tables. */
const char *hint_for_broken(const struct stack_view *view, const char *exe)
{
    const struct frame *last = NULL;
    for (size_t i = view->count; i-- > 0 && last == NULL;) {
        if (view->frames[i].lang != LANG_PYTHON)
            last = &view->frames[i];
    }
    const char *program = exe != NULL ? base_name(exe) : "";
    bool in_jit = last == NULL || last->module == NULL || last->origin == ORIGIN_RUNTIME ||
                  last->origin == ORIGIN_LIBC;
    for (size_t i = 0; in_jit && i < COUNT_OF(runtimes); i++) {
        if (starts_with(program, runtimes[i].program))
            return runtimes[i].hint;
    }
    return "build with -fno-omit-frame-pointer, or keep .eh_frame (do not strip it, and no "
           "-fno-asynchronous-unwind-tables)";
}
