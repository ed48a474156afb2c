/* Reads a thread's stack and Python frames from outside, while it sleeps in something that no
 * wrapper saw, or runs and may get no signal. */
#include "outside.h"

#include "agent/base/memory.h"
#include "agent/lang/python.h"

#include <string.h>

static uint64_t tstate_of(const struct st_slot *s)
{
    const struct st_py_layout *py = &st_shared->py;
    return py->version ? st_py_tstate_of(py, s->pthread, s->tid) : 0;
}

static void read_task(uint64_t tstate, struct st_outside *out)
{
    if (out->py_len > 0)
        st_py_task(&st_shared->py, tstate, out->py, out->py_len, &out->task);
    else
        out->py_len = 0;
}

static void clear(struct st_outside *out)
{
    out->len = 0;
    out->py_len = 0;
    out->task.name[0] = out->task.coroutine[0] = 0;
}

void st_outside_asleep(const struct st_slot *s, const struct st_sleep *sleep,
                       struct st_outside *out)
{
    clear(out);
    if (!sleep->sp)
        return;
    uint64_t room = s->stack_hi > sleep->sp ? s->stack_hi - sleep->sp : sizeof(out->bytes);
    if (room > sizeof(out->bytes))
        room = sizeof(out->bytes);
    out->len = (uint32_t)st_mem_read_some(sleep->sp, out->bytes, room);
    uint64_t tstate = tstate_of(s);
    if (tstate)
        out->py_len = st_py_walk_other(&st_shared->py, tstate, out->py, ST_PY_MAX);
    read_task(tstate, out);
}

/* How many of the outermost frames are the same in both. A frame whose callee has changed may have
 * moved on to another line: what the second read says of it is the newer. */
static int common(const struct st_py_raw *a, int na, const struct st_py_raw *b, int nb)
{
    int n = 0;
    while (n < na && n < nb && a[na - 1 - n].frame == b[nb - 1 - n].frame &&
           a[na - 1 - n].code == b[nb - 1 - n].code)
        n++;
    return n;
}

void st_outside_running(const struct st_slot *s, struct st_outside *out)
{
    static struct st_py_raw before[ST_PY_MAX];
    clear(out);
    uint64_t tstate = tstate_of(s);
    if (!tstate)
        return;
    int first = st_py_walk_other(&st_shared->py, tstate, before, ST_PY_MAX);
    int second = st_py_walk_other(&st_shared->py, tstate, out->py, ST_PY_MAX);
    /* of a stack deeper than what is read the outermost is not known */
    if (first <= 0 || second <= 0 || first == ST_PY_MAX || second == ST_PY_MAX)
        return;
    int n = common(before, first, out->py, second);
    memmove(out->py, out->py + (second - n), (size_t)n * sizeof(out->py[0]));
    out->py_len = n;
    read_task(tstate, out);
}
