/* See places.h. The agent knows no names of native code: a place is the set of the innermost return
 * addresses, or of Python's frames down to the user's own. A set, so that a recursion of another
 * depth is no other place. */
#include "places.h"

#include <string.h>

enum { PLACES = 16384, TRIES = 16, NATIVE = 6 };

static struct st_place places[PLACES];
static struct st_place none; /* where there is no room in the table: never known */

static uint64_t mixed(uint64_t v)
{
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
    v = (v ^ v >> 27) * 0x94d049bb133111ebu;
    return v ^ v >> 31;
}

/* Where the innermost frame has got to says little where it computes. */
static uint64_t native_set(const struct st_call *call, const struct st_stack *stack, int most)
{
    uint64_t sum = 0;
    uint32_t first = call ? 0 : 1;
    int count = 0;
    for (uint32_t i = first; i < stack->count && count < most; i++) {
        bool again = false;
        for (uint32_t k = first; k < i && !again; k++)
            again = stack->frames[k].pc == stack->frames[i].pc;
        if (again)
            continue;
        sum += mixed(stack->frames[i].pc + stack->frames[i].place.line * 0x10001ull);
        count++;
    }
    return sum;
}

/* Is the file one of Python's own, or of a package that was installed? */
static bool is_library(const char *file)
{
    return file[0] == '<' || strstr(file, "/lib/python") || strstr(file, "-packages/");
}

/* The frames of libraries down to the first of the user's, and that. */
static uint64_t python_set(const struct st_call *call, const struct st_py_raw *py, int py_len)
{
    uint64_t sum = 0;
    struct st_py_name name;
    for (int i = 0; i < py_len; i++) {
        bool again = false;
        for (int k = 0; k < i && !again; k++)
            again = py[k].code == py[i].code && py[k].instr == py[i].instr;
        if (again)
            continue;
        sum += mixed(py[i].code + (i > 0 || call ? mixed(py[i].instr) : 0));
        if (st_py_resolve(&st_shared->py, &py[i], &name) == 0 && !is_library(name.file))
            break;
    }
    return sum;
}

struct st_place *st_place_of(const struct st_call *call, const struct st_stack *stack,
                             const struct st_py_raw *py, int py_len)
{
    /* with Python's frames the native ones are its interpreter's, but for the innermost */
    uint64_t key = mixed((uintptr_t)call + 1);
    key = mixed(key + native_set(call, stack, py_len > 0 ? (call ? 1 : 0) : NATIVE));
    key = mixed(key + python_set(call, py, py_len)) | 1;
    for (unsigned i = 0; i < TRIES; i++) {
        struct st_place *p = &places[(key + i) % PLACES];
        if (!p->key)
            p->key = key;
        if (p->key == key)
            return p;
    }
    none = (struct st_place){.key = key};
    return &none;
}

void st_places_reset(void)
{
    memset(places, 0, sizeof(places));
}
