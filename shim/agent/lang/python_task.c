/* Which asyncio task a thread runs. The way there is the one that Python itself would take:
 * sys.modules, the module _asyncio, its dict of the tasks that run now, one for each loop. Of
 * those the right one is the one whose coroutine stands among the thread's frames. */
#include "python.h"

#include <errno.h>
#include <string.h>

#include "agent/base/memory.h"
#include "agent/base/text.h"

enum {
    TASK_MAX = 512,      /* bytes; a task of asyncio's own has below 200 */
    ENTRIES_MAX = 65536, /* of a dict; beyond it nothing is looked for */
    WINDOW = 64,         /* entries read at once */
    BASES_MAX = 8,
};

/* The entries of a dict, in the order of insertion. */
struct table {
    uint64_t entries;
    uint32_t count, stride; /* in words: the key's hash (in some), the key, the value */
};

/* Where in a dict a name was found; looked at first the next time. */
struct hint {
    uint64_t entries; /* and where it was not: not in the first `count` of these */
    uint32_t count, index;
};

static struct hint module_hint, tasks_hint, type_hint;

/* Reads the first `len` bytes of the object, which must be of that very type. */
static int read_object(const struct st_py_layout *layout, uint64_t object, uint64_t type,
                       unsigned char *head, size_t len)
{
    int rc = st_py_plausible(object) ? st_mem_read(object, head, len) : -EFAULT;
    return rc != 0 ? rc : st_py_is(layout, head, type);
}

/* From 3.11 the keys' head says how the entries look; before, they all begin with a hash, and the
 * width of the indices before them follows from their number. */
static void measure_table(const struct st_py_layout *layout, const unsigned char *head,
                          struct table *table)
{
    uint64_t indices;

    table->stride = 3;
    if (layout->keys_size == ST_PY_ABSENT) {
        indices = (uint64_t)1 << (head[layout->keys_index_size] & 31);
        table->stride = head[layout->keys_kind] == 0 ? 3 : 2;
    } else {
        indices = st_py_word(head, layout->keys_size);
        indices *= indices <= 0xff ? 1 : indices <= 0xffff ? 2 : indices <= 0xffffffff ? 4 : 8;
    }
    table->entries += layout->keys_indices + indices;
    table->count = (uint32_t)st_py_word(head, layout->keys_count);
}

static int open_dict(const struct st_py_layout *layout, uint64_t dict, struct table *table)
{
    unsigned char head[ST_PY_OBJECT_HEAD];
    int rc = read_object(layout, dict, layout->dict_type, head, layout->dict_values + 8);

    if (rc != 0) {
        return rc;
    }
    table->count = 0;
    if (st_py_word(head, layout->object_type + 8) == 0) {
        return 0; /* ma_used, the first member: up to 3.10 an empty dict has values, too */
    }
    table->entries = st_py_word(head, layout->dict_keys);
    if (st_py_word(head, layout->dict_values) != 0 || !st_py_plausible(table->entries)) {
        return -EINVAL; /* the values of an instance's dict are elsewhere; ours is none */
    }
    rc = st_mem_read(table->entries, head, layout->keys_indices);
    if (rc != 0) {
        return rc;
    }
    if (st_py_word(head, layout->keys_count) > ENTRIES_MAX) {
        return -EINVAL;
    }
    measure_table(layout, head, table);
    return st_py_plausible(table->entries) ? 0 : -EINVAL;
}

static bool is_name(const struct st_py_layout *layout, uint64_t key, const char *name)
{
    char text[32];
    return key != 0 && st_py_text(layout, key, text, sizeof(text)) == 0 && strcmp(text, name) == 0;
}

/* The value of entry `index`, if that is `name`'s; else 0. */
static uint64_t value_at(const struct st_py_layout *layout, const struct table *table,
                         uint32_t index, const char *name)
{
    uint64_t entry[2]; /* key, value */
    uint64_t addr = table->entries + (uint64_t)((index + 1) * table->stride - 2) * 8;

    if (index >= table->count || st_mem_read(addr, entry, sizeof(entry)) != 0 ||
        !is_name(layout, entry[0], name)) {
        return 0;
    }
    return entry[1];
}

/* The value of `name` in the dict; 0: it is not there. */
static uint64_t lookup(const struct st_py_layout *layout, uint64_t dict, const char *name,
                       struct hint *hint)
{
    uint64_t window[WINDOW * 3];
    struct table table;
    uint64_t value;
    uint32_t first;

    if (open_dict(layout, dict, &table) != 0) {
        return 0;
    }
    value = value_at(layout, &table, hint->index, name);
    if (value != 0) {
        return value;
    }
    first = hint->entries == table.entries && hint->count <= table.count ? hint->count : 0;
    for (uint32_t i = first; i < table.count; i++) {
        uint32_t left = table.count - i < WINDOW ? table.count - i : WINDOW;
        uint32_t at = (i - first) % WINDOW;
        if (at == 0 && st_mem_read(table.entries + (uint64_t)(i * table.stride) * 8, window,
                                   (size_t)left * table.stride * 8) != 0) {
            return 0;
        }
        if (is_name(layout, window[(at + 1) * table.stride - 2], name)) {
            *hint = (struct hint){.index = i};
            return window[(at + 1) * table.stride - 1];
        }
    }
    *hint = (struct hint){.entries = table.entries, .count = table.count};
    return 0;
}

/* Whether the type is `base`, or made from it. */
static bool is_made_from(const struct st_py_layout *layout, uint64_t type, uint64_t base)
{
    for (int i = 0; i < BASES_MAX && type != base; i++) {
        if (!st_py_plausible(type) ||
            st_mem_read(type + layout->type_base, &type, sizeof(type)) != 0) {
            return false;
        }
    }
    return type == base;
}

/* Names the coroutine, if it is one of Python's and its frame is among those of the walk. */
static bool is_running(const struct st_py_layout *layout, uint64_t coroutine,
                       const struct st_py_raw *raw, int count, struct st_py_task *task)
{
    const bool inside = layout->version >= 0x030b0000; /* its frame is a part of it */
    unsigned char head[ST_PY_OBJECT_HEAD];
    uint64_t frame = coroutine + layout->coroutine_frame;
    int i = 0;

    if (!inside) { /* else it need not be read to see whether it can be the one */
        if (read_object(layout, coroutine, layout->coroutine_type, head,
                        layout->coroutine_name + 8) != 0) {
            return false;
        }
        frame = st_py_word(head, layout->coroutine_frame);
    }
    while (i < count && raw[i].frame != frame) {
        i++;
    }
    return i < count && frame != 0 &&
           read_object(layout, coroutine, layout->coroutine_type, head,
                       layout->coroutine_name + 8) == 0 &&
           st_py_text(layout, st_py_word(head, layout->coroutine_name), task->coroutine,
                      sizeof(task->coroutine)) == 0;
}

/* A task's name is a str, or from 3.12, as long as nobody asked for it, the number in "Task-1". */
static int read_name(const struct st_py_layout *layout, uint64_t name, struct st_py_task *task)
{
    const uint64_t one_digit = 1 << 3, immortal = 1 << 2; /* from 3.14 */
    struct st_text text = {task->name, sizeof(task->name), 0};
    unsigned char head[ST_PY_OBJECT_HEAD];
    uint32_t digit;

    if (st_py_text(layout, name, task->name, sizeof(task->name)) == 0) {
        return 0;
    }
    if (layout->int_tag == ST_PY_ABSENT ||
        read_object(layout, name, layout->int_type, head, layout->int_digits + 4) != 0 ||
        (st_py_word(head, layout->int_tag) & ~immortal) != one_digit) {
        return -EINVAL;
    }
    memcpy(&digit, head + layout->int_digits, sizeof(digit));
    st_text_add(&text, "Task-");
    st_text_number(&text, digit, 10, 1);
    return 0;
}

/* Reads the object as a task of the type `type`. Where its members are is in no header and changes
 * with every version, but for this: the coroutine comes right before the name. */
static int read_task(const struct st_py_layout *layout, uint64_t object, uint64_t type,
                     const struct st_py_raw *raw, int count, struct st_py_task *task)
{
    uint64_t words[TASK_MAX / 8];
    uint64_t size, own_type;

    if (!st_py_plausible(object) || !st_py_plausible(type) ||
        st_mem_read(object + layout->object_type, &own_type, sizeof(own_type)) != 0 ||
        !is_made_from(layout, own_type, type) ||
        st_mem_read(type + layout->type_object_size, &size, sizeof(size)) != 0 ||
        size < 2 * sizeof(words[0]) || size > sizeof(words) ||
        st_mem_read(object, words, size) != 0 || words[0] == 0) {
        return -EINVAL;
    }
    for (size_t i = 2; i + 1 < size / 8; i++) {
        if (is_running(layout, words[i], raw, count, task)) {
            return read_name(layout, words[i + 1], task);
        }
    }
    return -ENOENT;
}

/* The module's dict: the first member of every module. */
static uint64_t module_dict(const struct st_py_layout *layout, uint64_t module)
{
    uint64_t dict = 0;

    if (!st_py_plausible(module) ||
        st_mem_read(module + layout->object_type + 8, &dict, sizeof(dict)) != 0) {
        return 0;
    }
    return dict;
}

/* _asyncio's type Task, and its dict. 0: no asyncio. */
static uint64_t find_asyncio(const struct st_py_layout *layout, uint64_t tstate, uint64_t *type)
{
    uint64_t interp, modules, module;

    if (!st_py_plausible(tstate) ||
        st_mem_read(tstate + layout->tstate_interp, &interp, sizeof(interp)) != 0 ||
        !st_py_plausible(interp) ||
        st_mem_read(interp + layout->interp_modules, &modules, sizeof(modules)) != 0) {
        return 0;
    }
    module = module_dict(layout, lookup(layout, modules, "_asyncio", &module_hint));
    *type = lookup(layout, module, "Task", &type_hint);
    return *type != 0 ? module : 0;
}

/* From 3.14: the task is a member of the thread state. */
static int read_own_task(const struct st_py_layout *layout, uint64_t tstate, uint64_t type,
                         const struct st_py_raw *raw, int count, struct st_py_task *task)
{
    uint64_t object;
    int rc =
        st_mem_read(tstate + layout->tstate_size + layout->tstate_task, &object, sizeof(object));

    if (rc != 0) {
        return rc;
    }
    return object != 0 ? read_task(layout, object, type, raw, count, task) : -ENOENT;
}

/* Up to 3.13: it is in a dict, from an event loop to the task that runs in it. */
static int read_current_tasks(const struct st_py_layout *layout, uint64_t module, uint64_t type,
                              const struct st_py_raw *raw, int count, struct st_py_task *task)
{
    struct table table;
    uint64_t dict = lookup(layout, module, "_current_tasks", &tasks_hint);
    int rc = dict != 0 ? open_dict(layout, dict, &table) : -ENOENT;

    if (rc != 0) {
        return rc;
    }
    rc = -ENOENT;
    for (uint32_t i = 0; i < table.count && rc != 0; i++) {
        uint64_t value;
        if (st_mem_read(table.entries + (uint64_t)((i + 1) * table.stride - 1) * 8, &value,
                        sizeof(value)) != 0) {
            return -EFAULT;
        }
        if (value != 0) {
            rc = read_task(layout, value, type, raw, count, task);
        }
    }
    return rc;
}

int st_py_task(const struct st_py_layout *layout, uint64_t tstate, const struct st_py_raw *raw,
               int count, struct st_py_task *task)
{
    uint64_t type = 0, module;
    int rc = -ENOENT;

    task->name[0] = task->coroutine[0] = '\0';
    if (layout->version == 0 || layout->dict_type == 0 || layout->coroutine_type == 0) {
        return -ENOTSUP;
    }
    module = find_asyncio(layout, tstate, &type);
    if (module != 0 && layout->tstate_task != ST_PY_ABSENT) {
        rc = read_own_task(layout, tstate, type, raw, count, task);
    } else if (module != 0) {
        rc = read_current_tasks(layout, module, type, raw, count, task);
    }
    if (rc != 0) {
        task->name[0] = task->coroutine[0] = '\0';
    }
    return rc;
}
