/* The walk over a thread's Python frames, shared by the probe (a thread walks its own, with plain
 * reads) and the agent (it walks another thread's, with reads that cannot fault). The walk only
 * collects addresses; names and lines are looked up later, by the agent alone
 * (agent/lang/python.h). Nothing here allocates, locks, calls into Python or knows an offset: those
 * come with struct st_py_layout, which the agent fills. */
#ifndef STALLTRACE_PYFRAMES_H
#define STALLTRACE_PYFRAMES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ST_PY_ABSENT UINT32_MAX /* this version has no such member */

/* Where the running CPython keeps things. Members without a unit are byte offsets. */
struct st_py_layout {
    uint32_t version; /* PY_VERSION_HEX; up to 3.10 its lower half is 0. 0: no Python here */

    /* addresses in the process */
    uint64_t runtime;    /* _PyRuntime */
    uint64_t get_tstate; /* PyGILState_GetThisThreadState */
    uint64_t code_type, str_type, bytes_type;
    uint64_t dict_type, int_type, coroutine_type; /* 0: asyncio's tasks are not told */

    uint32_t runtime_finalizing, runtime_interpreters;
    uint32_t interp_next, interp_threads;
    uint32_t tstate_next, tstate_interp, tstate_thread_id, tstate_native_id;

    /* the walk */
    uint32_t tstate_frame; /* the frame, or the _PyCFrame that points to it */
    uint32_t cframe_frame; /* 3.11, 3.12 */
    uint32_t frame_previous, frame_code;
    uint32_t frame_instr; /* up to 3.10 an int (f_lasti), then a pointer */
    uint32_t frame_entry; /* 3.11: is_entry */
    uint32_t frame_owner; /* from 3.12: owner_shim or above in a shim frame */
    uint32_t owner_shim;
    uint32_t code_tag;   /* from 3.14: the bit of frame_code that is no part of the address */
    uint32_t frame_size; /* how much of a frame holds the members above */

    /* names and lines */
    uint32_t code_filename, code_name, code_firstlineno, code_lines, code_instructions;
    uint32_t object_type, var_size, bytes_data;
    uint32_t str_length, str_state, str_ascii_data, str_data;

    /* asyncio's tasks */
    uint32_t tstate_size; /* from 3.14 the running task is told by the thread state, */
    uint32_t tstate_task; /* so far behind its public part; before, by a dict */
    uint32_t interp_modules;
    uint32_t dict_keys, dict_values;
    uint32_t keys_size;       /* up to 3.10: slots of the hash table */
    uint32_t keys_index_size; /* from 3.11: log2 of its bytes */
    uint32_t keys_kind;       /* from 3.11: 0 where an entry begins with the key's hash */
    uint32_t keys_count, keys_indices;
    uint32_t type_base, type_object_size;
    uint32_t coroutine_frame; /* up to 3.10 a pointer to it, then the frame itself */
    uint32_t coroutine_name;
    uint32_t int_tag, int_digits; /* from 3.12 */

    /* 0: these are what the interpreter says of itself (3.13 on), and no thread's frames have been
     * read by them yet: threads read their own with care, too. */
    uint32_t proven;
};

/* A frame as the walk leaves it. */
struct st_py_raw {
    uint64_t frame; /* where it is: a PyFrameObject, from 3.11 an _PyInterpreterFrame */
    uint64_t code;  /* the PyCodeObject */
    uint64_t instr; /* from 3.11 the address of the instruction, before f_lasti, sign-extended */
    uint64_t entry; /* not 0: the last frame that one run of the native evaluation loop covers; from
                     * 3.12 where its shim frame is, on the native stack of that run */
    uint64_t check; /* of what the code object said then (st_py_check); 0: it was not asked */
};

/* Reads `len` bytes at `addr` into `buf`: 0, or a negative errno. */
typedef int (*st_py_read_fn)(void *ctx, uint64_t addr, void *buf, size_t len);

enum { ST_PY_FRAME_MAX = 128 }; /* no version's frame_size is above it */

/* What every Python object's address has in common; a pointer without it is garbage. */
static inline bool st_py_plausible(uint64_t addr)
{
    return addr >= 4096 && addr < (uint64_t)1 << 47 && (addr & 7) == 0;
}

static inline uint64_t st_py_word(const unsigned char *block, uint32_t offset)
{
    uint64_t word;
    memcpy(&word, block + offset, sizeof(word));
    return word;
}

static inline int st_py_pointer(st_py_read_fn read, void *ctx, uint64_t addr, uint64_t *pointer)
{
    if (!st_py_plausible(addr)) {
        return -EFAULT;
    }
    return read(ctx, addr, pointer, sizeof(*pointer));
}

/* The innermost frame of a thread state; 0 in `frame` where it runs no Python. */
static inline int st_py_top(const struct st_py_layout *layout, uint64_t tstate, st_py_read_fn read,
                            void *ctx, uint64_t *frame)
{
    int rc = st_py_pointer(read, ctx, tstate + layout->tstate_frame, frame);
    if (rc == 0 && layout->cframe_frame != ST_PY_ABSENT) {
        rc = st_py_pointer(read, ctx, *frame + layout->cframe_frame, frame);
    }
    return rc;
}

/* Takes one frame out of `block`, its first frame_size bytes. A shim frame is not Python's own but
 * marks where the evaluation loop was entered: false, nothing taken. */
static inline bool st_py_take(const struct st_py_layout *layout, const unsigned char *block,
                              struct st_py_raw *raw)
{
    if (layout->frame_owner != ST_PY_ABSENT && block[layout->frame_owner] >= layout->owner_shim) {
        return false;
    }
    raw->code = st_py_word(block, layout->frame_code) & ~(uint64_t)layout->code_tag;
    if (layout->version < 0x030b0000) {
        int32_t lasti;
        memcpy(&lasti, block + layout->frame_instr, sizeof(lasti));
        raw->instr = (uint64_t)(int64_t)lasti;
        raw->entry = 1; /* before 3.11 every call of a function enters the loop anew */
    } else {
        raw->instr = st_py_word(block, layout->frame_instr);
        raw->entry = layout->frame_entry != ST_PY_ABSENT && block[layout->frame_entry] != 0;
    }
    return true;
}

/* Walks the frames of the thread state at `tstate`, innermost first, into `out`. Returns how many
 * (`max`: there may be more, and the last one's `entry` may then be missing), or what `read`
 * returned, -EFAULT for a pointer that cannot be one, -ELOOP for a chain that bites its tail.
 * The thread must stand still meanwhile, or be the caller. */
static inline int st_py_walk(const struct st_py_layout *layout, uint64_t tstate, st_py_read_fn read,
                             void *ctx, struct st_py_raw *out, int max)
{
    unsigned char block[ST_PY_FRAME_MAX];
    uint64_t frame = 0, mark = 0;
    unsigned steps = 0, lap = 4;
    int count = 0;
    int rc = st_py_top(layout, tstate, read, ctx, &frame);

    while (rc == 0 && frame != 0 && count < max) {
        if (!st_py_plausible(frame)) {
            return -EFAULT;
        }
        if (frame == mark) {
            return -ELOOP;
        }
        if (++steps == lap) { /* Brent: the mark moves up in doubling laps, so a cycle meets it */
            mark = frame;
            lap *= 2;
        }
        rc = read(ctx, frame, block, layout->frame_size);
        if (rc != 0) {
            break;
        }
        if (st_py_take(layout, block, &out[count])) {
            out[count].frame = frame;
            out[count].check = 0;
            count++;
        } else if (count > 0 && out[count - 1].entry == 0) {
            out[count - 1].entry = frame;
        }
        frame = st_py_word(block, layout->frame_previous);
    }
    return rc != 0 ? rc : count;
}

/* Names are looked up later, when the code object may be gone (a module's, after its import), and
 * another in its place. What it said of itself when the frame was taken tells the two apart. 0
 * where it cannot be read. */
static inline uint64_t st_py_check(const struct st_py_layout *layout, uint64_t code,
                                   st_py_read_fn read, void *ctx)
{
    uint64_t name = 0, file = 0, hash;
    uint32_t line = 0;
    if (!st_py_plausible(code) || read(ctx, code + layout->code_name, &name, sizeof(name)) ||
        read(ctx, code + layout->code_filename, &file, sizeof(file)) ||
        read(ctx, code + layout->code_firstlineno, &line, sizeof(line))) {
        return 0;
    }
    hash = (name * 0x9e3779b97f4a7c15u ^ file) * 0x9e3779b97f4a7c15u ^ line;
    return hash != 0 ? hash : 1;
}

static inline void st_py_check_all(const struct st_py_layout *layout, struct st_py_raw *raw,
                                   int count, st_py_read_fn read, void *ctx)
{
    for (int i = 0; i < count; i++) {
        raw[i].check = st_py_check(layout, raw[i].code, read, ctx);
    }
}

/* A plain read, for a thread that walks its own frames: nobody else changes those. */
static inline int st_py_read_own(void *ctx, uint64_t addr, void *buf, size_t len)
{
    (void)ctx;
    memcpy(buf, (const void *)(uintptr_t)addr, len);
    return 0;
}

/* The calling thread's own thread state; 0 where it has none, or may not read it. No system call,
 * no lock; the GIL is not needed. While the interpreter shuts down, only the thread that does it
 * still owns its frames: those of daemon threads are freed under their feet. */
static inline uint64_t st_py_own_tstate(const struct st_py_layout *layout)
{
    uint64_t finalizing, tstate;

    if (layout->version == 0) {
        return 0;
    }
    tstate = (uint64_t)(uintptr_t)((void *(*)(void))(uintptr_t)layout->get_tstate)();
    finalizing = *(volatile uint64_t *)(uintptr_t)(layout->runtime + layout->runtime_finalizing);
    return finalizing == 0 || finalizing == tstate ? tstate : 0;
}

/* Walks the calling thread's own frames, with plain reads: 0 where it has none. */
static inline int st_py_walk_own(const struct st_py_layout *layout, struct st_py_raw *out, int max)
{
    uint64_t tstate = st_py_own_tstate(layout);
    return tstate != 0 ? st_py_walk(layout, tstate, st_py_read_own, NULL, out, max) : 0;
}

#endif
