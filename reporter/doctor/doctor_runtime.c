/* Which event loops a program brings, as far as its name, libraries and symbols tell, and what that
 * means for the one who traces it. Only an opinion: whatever waits in epoll is traced. */
#include "doctor.h"

/* ---- which event loop -------------------------------------------------------------------------*/

struct runtime {
    const char *code;
    const char *library;    /* a prefix of a linked library's name, or NULL */
    const char *program;    /* a prefix of the program's name, or NULL */
    const char *symbols[4]; /* that the program defines; ends with NULL, like the next */
    const char *texts[4];   /* that stand in it */
    const char *meaning;
};

static const struct runtime runtimes[] = {
    {"python",
     "libpython",
     "python",
     {"Py_BytesMain", "Py_RunMain"},
     {NULL},
     "CPython: loops of asyncio, uvloop, Trio, Twisted, Tornado and gevent are recognised by "
     "epoll_wait; Python lines are shown for the versions that stalltrace knows"},
    {"node",
     "libnode",
     "node",
     {"node_module_register"},
     {NULL},
     "Node.js: the main loop is recognised; worker threads' loops as well, libuv's pool is not "
     "one"},
    {"libuv", "libuv.", NULL, {"uv_run"}, {NULL}, "libuv: loops are recognised by epoll_pwait"},
    {"libevent",
     "libevent",
     NULL,
     {"event_base_loop"},
     {NULL},
     "libevent: loops are recognised by epoll_wait"},
    {"libev", "libev.", NULL, {"ev_run"}, {NULL}, "libev: loops are recognised by epoll_wait"},
    {"glib",
     "libglib-2.0",
     NULL,
     {"g_main_loop_run"},
     {NULL},
     "GLib: its main loop polls; on the main thread it is recognised after a few rounds, on other "
     "threads with --loops poll"},
    {"tokio",
     NULL,
     NULL,
     {NULL},
     {"/tokio-1.", "tokio-runtime-worker", "tokio::runtime"},
     "Rust's tokio: the thread that waits in epoll_wait is a loop; workers that are parked are "
     "idle, "
     "which is known"},
    {"nginx", NULL, "nginx", {NULL}, {NULL}, "nginx: each worker process runs a loop"},
    {"redis",
     NULL,
     "redis-server",
     {NULL},
     {NULL},
     "Redis: the main thread runs the loop; its background threads are not loops"},
    {"java",
     "libjli",
     "java",
     {"JNI_CreateJavaVM"},
     {NULL},
     "a Java VM: the threads of Netty's epoll transport and of NIO selectors are loops; Java "
     "frames "
     "are not named"},
};

static bool uses(const struct runtime *r, const char *path, const struct names *libraries)
{
    for (size_t i = 0; r->library != NULL && i < libraries->count; i++)
        if (starts_with(base_name(libraries->list[i]), r->library))
            return true;
    if (r->program != NULL && starts_with(base_name(path), r->program))
        return true;
    return (r->symbols[0] != NULL && elf_defines(path, r->symbols)) ||
           (r->texts[0] != NULL && elf_contains(path, r->texts));
}

void judge_runtime(struct diagnosis *d, const struct elf_facts *f, const char *path,
                   const struct names *libraries)
{
    static const char *const waits[] = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll",
                                        "ppoll",      "select",      "pselect"};
    size_t known = 0;
    for (size_t i = 0; i < COUNT_OF(runtimes); i++)
        if (uses(&runtimes[i], path, libraries)) {
            state(d, FINE, runtimes[i].code, "%s", runtimes[i].meaning);
            known++;
        }
    bool waits_itself = false;
    for (size_t i = 0; i < COUNT_OF(waits); i++)
        waits_itself = waits_itself || names_have(&f->undefined, waits[i]);
    if (known == 0 && waits_itself)
        state(d, FINE, "loop", "it waits for events itself (epoll, poll or select)");
    else if (known == 0)
        state(
            d, HINT, "loop",
            "no event loop that is known was found in it; if a library that it loads later brings "
            "one, or a child process runs it, that is traced all the same");
}
