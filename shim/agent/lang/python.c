/* Which CPython runs in this process, and which of its thread states belongs to a thread. The
 * names and lines of frames are in python_code.c, symbols in python_elf.c. */
#include "python.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/base/memory.h"
#include "python_offsets.h"

enum {
    INTERPRETERS_MAX = 256,
    THREADS_MAX = 16384,
    OFFSET_MAX = 65536,
    DESCRIPTION_MAX = 1024, /* as much of it as is looked at */
};

/* How 3.13 and later describe themselves, at the start of _PyRuntime (struct _Py_DebugOffsets):
 * 64-bit words, after these in an order that every minor version has its own of (st_py_stated). */
struct described {
    char cookie[8];
    uint64_t version, free_threaded;
};

/* The members that a row of st_py_stated may name: all from here on, each of 32 bits. */
enum {
    FIRST_STATED = offsetof(struct st_py_layout, runtime_finalizing),
    STATED = (sizeof(struct st_py_layout) - FIRST_STATED) / sizeof(uint32_t),
};

static const struct st_py_layout *stated_by(uint32_t version)
{
    for (size_t i = 0; i < sizeof(st_py_stated) / sizeof(st_py_stated[0]); i++) {
        if (st_py_stated[i].version == (version & 0xffff0000u)) {
            return &st_py_stated[i];
        }
    }
    return NULL;
}

/* What a word more or less in the description would not leave as it is: the head of an object ends
 * with its type, and that of a bytes or str begins with its size. */
static bool is_consistent(const struct st_py_layout *layout)
{
    uint32_t head = layout->object_type + 8;

    return head == layout->var_size && head == layout->str_length && layout->bytes_data > head &&
           layout->str_ascii_data > layout->str_state && st_py_offsets_fit(layout);
}

/* Replaces the offsets of the table by those that the interpreter states. */
static int apply_debug_offsets(struct st_py_layout *layout)
{
    uint64_t own[DESCRIPTION_MAX / 8];
    uint32_t where[STATED], offsets[STATED];
    struct described head;
    const struct st_py_layout *stated = stated_by(layout->version);
    int rc = st_mem_read(layout->runtime, own, sizeof(own));

    if (rc != 0) {
        return rc;
    }
    memcpy(&head, own, sizeof(head));
    if (stated == NULL || memcmp(head.cookie, "xdebugpy", sizeof(head.cookie)) != 0 ||
        head.version != layout->version || head.free_threaded != 0) {
        return -ENOTSUP;
    }
    memcpy(where, (const char *)stated + FIRST_STATED, sizeof(where));
    memcpy(offsets, (const char *)layout + FIRST_STATED, sizeof(offsets));
    for (size_t i = 0; i < STATED; i++) {
        if (where[i] == 0) {
            continue;
        }
        if (where[i] + 8 > sizeof(own) || own[where[i] / 8] >= OFFSET_MAX) {
            return -ENOTSUP;
        }
        offsets[i] = (uint32_t)own[where[i] / 8];
    }
    memcpy((char *)layout + FIRST_STATED, offsets, sizeof(offsets));
    return is_consistent(layout) ? 0 : -ENOTSUP;
}

/* PY_VERSION_HEX. From 3.11 on it is exported; before, each version is told by a function that it
 * added (and the lower half stays 0). 0: none of them. */
static uint32_t version_of(const struct st_py_module *module)
{
    uint64_t addr = st_py_symbol(module, "Py_Version");
    uint64_t version = 0;

    if (addr != 0) {
        return st_mem_read(addr, &version, sizeof(version)) == 0 ? (uint32_t)version : 0;
    }
    if (st_py_symbol(module, "PyModule_AddObjectRef") != 0) {
        return 0x030a0000;
    }
    if (st_py_symbol(module, "PyFrame_GetBack") != 0) {
        return 0x03090000;
    }
    return st_py_symbol(module, "PyConfig_InitPythonConfig") != 0 ? 0x03080000 : 0;
}

/* The row of the table for `version`. Alphas and betas are not it: their layout still moved. */
static int layout_of(uint32_t version, struct st_py_layout *layout)
{
    const unsigned candidate = 0xc0;

    if ((version & 0xffff) != 0 && (version & 0xff) < candidate) {
        return -ENOTSUP;
    }
    for (size_t i = 0; i < sizeof(st_py_offsets) / sizeof(st_py_offsets[0]); i++) {
        if (st_py_offsets[i].version == (version & 0xffff0000u)) {
            *layout = st_py_offsets[i];
            layout->version = version;
            return 0;
        }
    }
    return -ENOTSUP;
}

/* How much of a frame the walk has to read. */
static int measure_frame(struct st_py_layout *layout)
{
    const uint32_t members[] = {layout->frame_previous, layout->frame_code, layout->frame_instr,
                                layout->frame_entry, layout->frame_owner};

    layout->frame_size = 0;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        uint32_t width = i < 3 ? 8 : 1;
        if (members[i] != ST_PY_ABSENT && members[i] + width > layout->frame_size) {
            layout->frame_size = members[i] + width;
        }
    }
    return layout->frame_size <= ST_PY_FRAME_MAX ? 0 : -ENOTSUP;
}

static int fill(struct st_py_layout *layout, const struct st_py_module *module, uint64_t runtime)
{
    int rc = layout_of(version_of(module), layout);

    if (rc != 0) {
        return rc;
    }
    layout->runtime = runtime;
    layout->get_tstate = st_py_symbol(module, "PyGILState_GetThisThreadState");
    layout->code_type = st_py_symbol(module, "PyCode_Type");
    layout->str_type = st_py_symbol(module, "PyUnicode_Type");
    layout->bytes_type = st_py_symbol(module, "PyBytes_Type");
    layout->dict_type = st_py_symbol(module, "PyDict_Type");
    layout->int_type = st_py_symbol(module, "PyLong_Type");
    layout->coroutine_type = st_py_symbol(module, "PyCoro_Type");
    if (!layout->get_tstate || !layout->code_type || !layout->str_type || !layout->bytes_type) {
        return -ENOTSUP;
    }
    layout->proven = layout->version < 0x030d0000;
    if (!layout->proven) {
        uint64_t finalizing;
        rc = apply_debug_offsets(layout);
        /* which threads read as it is */
        if (rc == 0) {
            rc = st_mem_read(layout->runtime + layout->runtime_finalizing, &finalizing,
                             sizeof(finalizing));
        }
    }
    return rc != 0 ? rc : measure_frame(layout);
}

struct search {
    struct st_py_layout *layout;
    int result;
};

static int visit(void *ctx, const struct st_py_module *module)
{
    struct search *search = ctx;
    uint64_t runtime = st_py_symbol(module, "_PyRuntime");

    if (runtime == 0) {
        return 0;
    }
    search->result = fill(search->layout, module, runtime);
    return search->result == 0; /* else go on: another object may hold one that is known */
}

int st_py_detect(struct st_py_layout *layout)
{
    struct search search = {layout, -ENOENT};
    int rc = st_py_each_module(visit, &search);

    if (rc < 0) {
        search.result = rc;
    }
    if (search.result != 0) {
        memset(layout, 0, sizeof(*layout));
    }
    return search.result;
}

static int read_other(void *ctx, uint64_t addr, void *buf, size_t len)
{
    (void)ctx;
    return st_mem_read(addr, buf, len);
}

int st_py_walk_other(const struct st_py_layout *layout, uint64_t tstate, struct st_py_raw *out,
                     int max)
{
    int count = st_py_walk(layout, tstate, read_other, NULL, out, max);
    st_py_check_all(layout, out, count, read_other, NULL);
    return count;
}

static uint64_t pointer_at(uint64_t addr)
{
    uint64_t pointer;
    return st_py_pointer(read_other, NULL, addr, &pointer) == 0 ? pointer : 0;
}

/* How surely the thread state whose first bytes are `head` is the thread's; 0: it is not. A thread
 * may have left one behind, and its pthread_t be in use again. After a fork the tid may be the
 * parent's. */
static int rank(const struct st_py_layout *layout, uint64_t tstate, const unsigned char *head,
                uint64_t pthread, pid_t tid)
{
    int points = 0;
    uint64_t frame;

    if (pthread != 0 && st_py_word(head, layout->tstate_thread_id) != pthread) {
        return 0;
    }
    points = pthread != 0;
    if (layout->tstate_native_id != ST_PY_ABSENT &&
        st_py_word(head, layout->tstate_native_id) == (uint64_t)tid) {
        points += 2;
    }
    if (points == 0) {
        return 0;
    }
    if (st_py_top(layout, tstate, read_other, NULL, &frame) == 0 && frame != 0) {
        points += 1;
    }
    return points;
}

bool st_py_is_tstate(const struct st_py_layout *layout, uint64_t tstate)
{
    uint64_t interp = 0, own;

    if (layout->version == 0 || !st_py_plausible(tstate) ||
        st_mem_read(tstate + layout->tstate_interp, &own, sizeof(own)) != 0) {
        return false;
    }
    interp = pointer_at(layout->runtime + layout->runtime_interpreters);
    for (int i = 0; i < INTERPRETERS_MAX && interp != 0; i++) {
        if (interp == own) {
            return true;
        }
        interp = pointer_at(interp + layout->interp_next);
    }
    return false;
}

uint64_t st_py_tstate_of(const struct st_py_layout *layout, uint64_t pthread, pid_t tid)
{
    uint64_t best = 0;
    int best_rank = 0;
    int threads = 0;
    uint64_t interp;

    if (layout->version == 0 || (pthread == 0 && layout->tstate_native_id == ST_PY_ABSENT)) {
        return 0;
    }
    interp = pointer_at(layout->runtime + layout->runtime_interpreters);
    for (int i = 0; i < INTERPRETERS_MAX && interp != 0; i++) {
        uint64_t tstate = pointer_at(interp + layout->interp_threads);
        while (tstate != 0 && threads++ < THREADS_MAX) {
            unsigned char head[ST_PY_TSTATE_HEAD];
            int points;
            if (!st_py_plausible(tstate) || st_mem_read(tstate, head, sizeof(head)) != 0 ||
                st_py_word(head, layout->tstate_interp) != interp) {
                break;
            }
            points = rank(layout, tstate, head, pthread, tid);
            if (points > best_rank) {
                best = tstate;
                best_rank = points;
            }
            tstate = st_py_word(head, layout->tstate_next);
        }
        interp = pointer_at(interp + layout->interp_next);
    }
    return best;
}
