/* A library for tests/unit/python_stack.py: walks the frames of the thread that calls it, as the
 * probe does, and prints what the agent would make of them. Loaded by ctypes, which gives up the
 * GIL for the call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/lang/python.h"

enum { FRAMES = 4096, NATIVE = 65536 };

int walk_own(int unused);
int walk_late(int unused);
int late_walks(void);

static atomic_int late = -1; /* not ready */

static long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* How often the native evaluation loop is on the stack; -1: it cannot be told, the compiler has
 * split that function into parts without a name. */
static int evaluations(void)
{
    static void *addresses[NATIVE];
    const size_t whole = 16384; /* bytes; a whole one has four times that, at least */
    void *loop = dlsym(RTLD_DEFAULT, "_PyEval_EvalFrameDefault");
    const ElfW(Sym) *symbol = NULL;
    Dl_info found;
    int depth = backtrace(addresses, NATIVE);
    int count = 0;

    if (!loop || !dladdr1(loop, &found, (void **)&symbol, RTLD_DL_SYMENT) || !symbol ||
        symbol->st_size < whole) {
        return -1;
    }
    for (int i = 0; i < depth; i++) {
        Dl_info info;
        if (dladdr(addresses[i], &info) && info.dli_sname &&
            strcmp(info.dli_sname, "_PyEval_EvalFrameDefault") == 0) {
            count++;
        }
    }
    return count;
}

/* Whether the shims lie on this thread's stack, from here outwards. */
static bool in_order(const struct st_py_raw *frames, int count)
{
    uint64_t last = (uint64_t)(uintptr_t)&last;

    for (int i = 0; i < count; i++) {
        if (frames[i].entry != 0 && frames[i].entry <= last) {
            return false;
        }
        last = frames[i].entry ? frames[i].entry : last;
    }
    return true;
}

/* Prints a line with the number of native evaluations, nanoseconds and 30 frames' nanoseconds;
 * then one a frame; then END. */
int walk_own(int unused)
{
    static struct st_py_raw frames[FRAMES];
    struct st_py_layout layout;
    long began, took, best = 1000000000;
    int count, rc;

    (void)unused;
    rc = st_py_detect(&layout);
    began = nanoseconds();
    count = st_py_walk_own(&layout, frames, FRAMES);
    took = nanoseconds() - began;
    for (int i = 0; i < 100; i++) {
        struct st_py_raw few[30];
        began = nanoseconds();
        st_py_walk_own(&layout, few, 30);
        if (nanoseconds() - began < best) {
            best = nanoseconds() - began;
        }
    }
    if (layout.version >= 0x030c0000 && !in_order(frames, count)) {
        puts("shims in no order");
        return fflush(stdout);
    }
    printf("%d\t%ld\t%ld\t%d\n", evaluations(), took, best, rc != 0 ? rc : count);
    for (int i = 0; i < count; i++) {
        struct st_py_name name;
        rc = st_py_resolve(&layout, &frames[i], &name);
        if (rc == -ENOENT) {
            continue;
        }
        if (rc != 0) {
            printf("error %d\n", rc);
        } else {
            printf("%s\t%s\t%d\t%d\n", name.function, name.file, name.line, frames[i].entry != 0);
        }
    }
    puts("END");
    return fflush(stdout);
}

/* Waits until the interpreter shuts down, and walks from then on to the end of the process: the
 * frames are no longer this thread's to read, so none may come out. */
int walk_late(int unused)
{
    struct st_py_layout layout;
    struct st_py_raw few[30];

    (void)unused;
    if (st_py_detect(&layout) != 0 || st_py_walk_own(&layout, few, 30) <= 0) {
        _exit(3);
    }
    atomic_store(&late, 0);
    while (*(volatile uint64_t *)(uintptr_t)(layout.runtime + layout.runtime_finalizing) == 0) {
    }
    for (;;) {
        if (st_py_walk_own(&layout, few, 30) != 0) {
            _exit(4);
        }
        atomic_fetch_add(&late, 1);
    }
}

int late_walks(void)
{
    return atomic_load(&late);
}
