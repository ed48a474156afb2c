/* Python frames as the agent reads them: find the interpreter in this process, find a thread's
 * state, and turn what the walk (pyframes.h) collected into names and lines.
 *
 * Everything is read with reads that cannot fault, and without the GIL: nothing here calls into
 * Python, allocates, locks or uses stdio. What does not look exactly as it should is given up with
 * a negative errno, never guessed. Any thread may call these; they keep no state, but for
 * st_py_task. */
#ifndef STALLTRACE_AGENT_PYTHON_H
#define STALLTRACE_AGENT_PYTHON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/pyframes.h"

struct st_py_name {
    char function[192]; /* UTF-8; the qualified name from 3.11 on. A name too long ends in "…" */
    char file[512];
    int line; /* 0: the instruction belongs to no line */
};

/* The list of mappings st_py_detect reads: "/proc/self/maps", but for tests. */
extern const char *st_py_maps_path;

/* Finds CPython in the process and fills `layout`. Costs some 10 reads for each mapped object.
 * -ENOENT: there is none (yet: a program may load it later). -ENOTSUP: there is one, but its
 * version or build (older than 3.8, newer than 3.15, free-threaded) is not known here. Then
 * layout->version is 0. */
int st_py_detect(struct st_py_layout *layout);

/* The thread state (PyThreadState *) of the thread with that pthread_t (0: not known), and, where
 * the version keeps it, that tid. Where a thread has several (sub-interpreters), the one of the
 * youngest interpreter that runs a frame. 0: it has none. */
uint64_t st_py_tstate_of(const struct st_py_layout *layout, uint64_t pthread, pid_t tid);

/* Does it look like a thread state of one of this process's interpreters? */
bool st_py_is_tstate(const struct st_py_layout *layout, uint64_t tstate);

/* st_py_walk with reads that cannot fault. */
int st_py_walk_other(const struct st_py_layout *layout, uint64_t tstate, struct st_py_raw *out,
                     int max);

/* Names the frame. -ENOENT: it is one that Python puts between two others for itself, and shows to
 * nobody (from 3.12, below __init__). -EFAULT, -EINVAL: the code object is gone, or never was one.
 */
int st_py_resolve(const struct st_py_layout *layout, const struct st_py_raw *raw,
                  struct st_py_name *name);

struct st_py_task {
    char name[128];      /* as for a function */
    char coroutine[192]; /* the qualified name of the coroutine that the task runs */
};

/* The asyncio task that runs in the thread state, whose walked frames are `raw`, `count` of them.
 * It is told only if the task's coroutine is among those frames: a task that is read when the
 * stall is over is the right one or none, as long as the loop's iteration is the same. -ENOENT:
 * none; other errors: it could not be read. On the agent's thread alone: it keeps where in
 * sys.modules it found asyncio. */
int st_py_task(const struct st_py_layout *layout, uint64_t tstate, const struct st_py_raw *raw,
               int count, struct st_py_task *task);

/* Sets `proven` where the frames of some thread read as frames are. On the agent's thread alone. */
void st_py_prove(struct st_py_layout *layout);

/* Does each offset lie within what is read here of the object that it indexes? */
bool st_py_offsets_fit(const struct st_py_layout *layout);

/* Between the python_*.c files. */

enum {
    ST_PY_TSTATE_HEAD = 256, /* holds what is looked for in a thread state, in every version */
    ST_PY_TEXT_HEAD = 80,    /* the heads of str and bytes objects */
    ST_PY_CODE_HEAD = 208,   /* what is read of a code object */
    ST_PY_OBJECT_HEAD = 128, /* of a dict, its keys, a coroutine, an int */
};

/* The dynamic symbols of one mapped object. */
struct st_py_module {
    uint64_t bias; /* what is added to an address in its symbol table */
    uint64_t symbols, strings, hash;
};

/* Calls `visit` with each mapped ELF object until it returns non-zero, and returns that; else 0,
 * or a negative errno where the list of mappings cannot be read. */
int st_py_each_module(int (*visit)(void *ctx, const struct st_py_module *module), void *ctx);

/* The object whose first page is mapped at `start`: 0, or a negative errno. */
int st_py_module_at(struct st_py_module *module, uint64_t start);

/* Address of a symbol that the object defines; 0: it does not. `size`: its size. */
uint64_t st_py_symbol(const struct st_py_module *module, const char *name);
uint64_t st_py_symbol_sized(const struct st_py_module *module, const char *name, uint64_t *size);

/* The line of the instruction at byte `offset` of the code, from its line table (a bytes object).
 * 0: none; or a negative errno. An `offset` below 0 is a frame that has not begun. */
int st_py_line(const struct st_py_layout *layout, uint64_t table, int first_line, int64_t offset);

/* The number of items of the bytes object at `object`; or a negative errno. */
int64_t st_py_bytes_size(const struct st_py_layout *layout, uint64_t object);

/* Copies the str at `object` as UTF-8 into `out`. */
int st_py_text(const struct st_py_layout *layout, uint64_t object, char *out, size_t size);

/* Checks the head (refcount, type) of an object: 0, or -EINVAL for one of another type, or freed.
 */
int st_py_is(const struct st_py_layout *layout, const unsigned char *head, uint64_t type);

#endif
