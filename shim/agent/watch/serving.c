/* From when on the process serves: its first loop has listened, or waits for connections at a
 * socket that was listening before the process was there. What its first loop does until then, in
 * one go, is start-up. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/kernel.h"
#include "agent/lang/python.h"
#include "running.h"

#include <string.h>

enum { SOON_NS = 100000000, LATER_NS = 1000000000, FOR_LONG_NS = 10000000000 };
enum { MAX_INODES = 256, MAX_OUTER = 64 };

static bool written;   /* that it serves */
static uint64_t next;  /* ticks: when to look again for a socket that was there before */
static uint64_t known; /* the descriptors that were looked at, as a hash */

/* What was around the first loop's run function at its first home wait: as long as that run goes on
 * none of it moves. */
static struct {
    bool known;
    int python, native;
    uint64_t marks[ST_PY_MAX];
    uint64_t pc[MAX_OUTER], sp[MAX_OUTER];
} outer;

void st_serving_reset(void)
{
    memset(&outer, 0, sizeof(outer));
    written = false;
    next = known = 0;
}

/* ---- one run, or another ---- */

void st_keep_outer(const struct st_capture *c, const struct st_stack *stack, int run_python,
                   int run_native)
{
    if (outer.known || c->generation != atomic_load(&st_shared->first_loop))
        return;
    outer.known = c->py_len < ST_PY_MAX && !stack->truncated;
    outer.python = 0;
    for (int i = run_python + 1; i < c->py_len; i++)
        outer.marks[outer.python++] = c->marks[i];
    outer.native = 0;
    for (int i = run_native + 1; run_native >= 0 && i < (int)stack->count; i++) {
        if (outer.native == MAX_OUTER)
            break;
        outer.pc[outer.native] = stack->frames[i].pc;
        outer.sp[outer.native++] = stack->frames[i].sp;
    }
}

/* Is what was around the run function then around the listening thread now? */
static bool goes_on(const struct st_capture *c, const struct st_stack *stack)
{
    int python = c->py_len - outer.python, native = (int)stack->count - outer.native;
    if (!outer.known || c->py_len == ST_PY_MAX || stack->truncated)
        return true;
    if (python < 0 || native < 0)
        return false;
    for (int i = 0; i < outer.python; i++)
        if (c->marks[python + i] != outer.marks[i])
            return false;
    if (outer.native == MAX_OUTER || outer.python > 0)
        return true; /* the interpreter's own frames say less */
    for (int i = 0; i < outer.native; i++)
        if (stack->frames[native + i].pc != outer.pc[i] ||
            stack->frames[native + i].sp != outer.sp[i])
            return false;
    return true;
}

static void say_serving(uint64_t ticks)
{
    written = true;
    st_write_counts(); /* they are older */
    js_begin("serving");
    js_number("at_ns", st_since_start_ns(ticks));
    js_end();
}

void st_take_listen(const struct st_capture *c)
{
    static struct st_stack unwound;
    st_unwind(c->regs, c->regs[ST_SP], c->stack, c->stack_len, &unwound);
    if (written)
        return;
    if (!goes_on(c, &unwound))
        st_note_stopped(c->slot, c->generation, c->t0);
    say_serving(c->t0);
}

/* ---- a socket that was listening before ---- */

/* The inodes of what the epoll fd watches. */
static int watched_inodes(const struct st_slot *s, uint64_t *inodes)
{
    static char text[64 * 1024];
    int n = 0;
    if (s->home != ST_HOME_EPOLL || st_epoll_info(s->tid, s->home_fd, text, sizeof(text)) <= 0)
        return 0;
    for (const char *p = text; n < MAX_INODES && (p = strstr(p, " ino:")); p++)
        inodes[n++] = st_hexadecimal(p + strlen(" ino:"));
    return n;
}

/* The first loop waits at a socket that listens, though the process has never called listen. */
static void look_for_inherited(const struct st_slot *s)
{
    uint64_t inodes[MAX_INODES], hash = 0;
    uint64_t home_t0 = *(volatile const uint64_t *)&s->home_t0;
    int n = watched_inodes(s, inodes);
    for (int i = 0; i < n; i++)
        hash = (hash ^ inodes[i]) * 0x9e3779b97f4a7c15u;
    if (!n || hash == known)
        return;
    known = hash;
    if (st_any_listens(inodes, n))
        say_serving(home_t0);
}

void st_look_at_serving(void)
{
    uint32_t first = atomic_load(&st_shared->first_loop);
    uint64_t listened = atomic_load(&st_shared->listened), now = st_ticks_now();
    if (written || !first)
        return;
    if (listened && !atomic_load(&st_shared->listen_told)) {
        say_serving(listened);
        return;
    }
    uint64_t accepted = atomic_load(&st_shared->accepted);
    if (!listened && accepted) {
        /* before it was seen to wait for one */
        say_serving(accepted);
        return;
    }
    if (listened || now < next)
        return;
    uint32_t high = atomic_load_explicit(&st_shared->slot_high, memory_order_acquire);
    for (uint32_t i = 0; i < high; i++) {
        const struct st_slot *s = st_slot_at(st_shared, i);
        if (s->generation == first && atomic_load(&s->state) == ST_SLOT_LIVE &&
            *(volatile const bool *)&s->at_home)
            look_for_inherited(s);
    }
    uint64_t pause = st_since_start_ns(now) < FOR_LONG_NS ? SOON_NS : LATER_NS;
    next = now + (uint64_t)((double)pause / st_shared->ns_per_tick);
}
