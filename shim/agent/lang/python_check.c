/* Whether what an interpreter says of itself can be used: each offset lies within what it indexes
 * here, and the frames of a thread that stands still read as frames. A build of CPython's own is
 * right in both; a patched one may say what it likes. */
#include "python.h"

#include "agent/base/memory.h"

enum { INTERPRETERS = 16, THREADS = 64, FRAMES = 64 };

/* Do all of them, each with the word or the smaller number behind it, lie in the first `size`? */
static bool fit(const uint32_t *offsets, size_t count, uint32_t width, uint32_t size)
{
    for (size_t i = 0; i < count; i++)
        if (offsets[i] > size || size - offsets[i] < width)
            return false;
    return true;
}

#define FIT(width, size, ...)                                                                      \
    fit((const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),     \
        width, size)

static bool fits_or_is_absent(uint32_t offset, uint32_t width, uint32_t size)
{
    return offset == ST_PY_ABSENT || fit(&offset, 1, width, size);
}

static bool keys_fit(const struct st_py_layout *l)
{
    if (l->keys_indices > ST_PY_OBJECT_HEAD || !FIT(8, l->keys_indices, l->keys_count))
        return false;
    if (l->keys_size != ST_PY_ABSENT)
        return FIT(8, l->keys_indices, l->keys_size);
    return FIT(1, l->keys_indices, l->keys_index_size, l->keys_kind);
}

static bool tasks_fit(const struct st_py_layout *l)
{
    uint32_t dict = l->dict_values, coroutine = l->coroutine_name;
    if (dict > ST_PY_OBJECT_HEAD - 8 || coroutine > ST_PY_OBJECT_HEAD - 8)
        return false;
    /* a dict's head ends with its values, a coroutine's with its name; from 3.11 its frame, which
     * is a part of it, may lie behind */
    return FIT(8, dict + 8, l->dict_keys, l->object_type, l->object_type + 8) &&
           FIT(8, coroutine + 8, l->object_type) &&
           (l->version >= 0x030b0000 || FIT(8, coroutine + 8, l->coroutine_frame)) && keys_fit(l) &&
           (l->int_tag == ST_PY_ABSENT || (l->int_digits <= ST_PY_OBJECT_HEAD - 4 &&
                                           FIT(8, l->int_digits + 4, l->int_tag, l->object_type)));
}

bool st_py_offsets_fit(const struct st_py_layout *l)
{
    if (l->bytes_data > ST_PY_TEXT_HEAD || l->str_ascii_data > ST_PY_TEXT_HEAD ||
        l->code_lines > ST_PY_CODE_HEAD - 8 || l->object_type > ST_PY_TEXT_HEAD - 8)
        return false;
    return FIT(8, ST_PY_TSTATE_HEAD, l->tstate_next, l->tstate_interp, l->tstate_thread_id) &&
           fits_or_is_absent(l->tstate_native_id, 8, ST_PY_TSTATE_HEAD) &&
           FIT(8, ST_PY_FRAME_MAX, l->frame_previous, l->frame_code, l->frame_instr) &&
           fits_or_is_absent(l->frame_entry, 1, ST_PY_FRAME_MAX) &&
           fits_or_is_absent(l->frame_owner, 1, ST_PY_FRAME_MAX) &&
           FIT(8, l->bytes_data, l->object_type, l->var_size) &&
           FIT(8, l->str_ascii_data, l->object_type, l->str_length) &&
           FIT(4, l->str_ascii_data, l->str_state) &&
           FIT(8, l->code_lines + 8, l->object_type, l->var_size, l->code_filename, l->code_name) &&
           FIT(4, l->code_lines + 8, l->code_firstlineno) &&
           (l->version >= 0x030b0000 || FIT(8, l->code_lines + 8, l->code_instructions)) &&
           tasks_fit(l);
}

/* ---- frames that read as such ---- */

static uint64_t pointer_at(uint64_t address)
{
    uint64_t pointer;
    return st_py_plausible(address) && st_mem_read(address, &pointer, sizeof(pointer)) == 0
               ? pointer
               : 0;
}

static bool has_good_frames(const struct st_py_layout *layout, uint64_t tstate)
{
    static struct st_py_raw raw[FRAMES];
    static struct st_py_name name;
    int n = st_py_walk_other(layout, tstate, raw, FRAMES), named = 0;
    for (int i = 0; i < n; i++) {
        int rc = st_py_resolve(layout, &raw[i], &name);
        if (rc != 0 && rc != -ENOENT)
            return false;
        named += rc == 0;
    }
    return named > 0;
}

void st_py_prove(struct st_py_layout *layout)
{
    uint64_t interp = pointer_at(layout->runtime + layout->runtime_interpreters);
    for (int i = 0; i < INTERPRETERS && interp != 0 && !layout->proven; i++) {
        uint64_t tstate = pointer_at(interp + layout->interp_threads);
        for (int k = 0; k < THREADS && tstate != 0 && !layout->proven; k++) {
            layout->proven = has_good_frames(layout, tstate);
            tstate = pointer_at(tstate + layout->tstate_next);
        }
        interp = pointer_at(interp + layout->interp_next);
    }
}
