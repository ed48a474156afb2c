/* The slow half of a wrapped call: calls inside calls, calls that were left by a jump, and calls
 * that were at or over their threshold. */
#include "probe/probe.h"

#include "contract/nowait.h"

#include <unwind.h>

_Thread_local struct st_slot *st_self __attribute__((tls_model("initial-exec")));
uint64_t st_fast_ticks[ST_CLASS_SLOTS];
uint64_t st_threshold_ticks[ST_CLASS_COUNT];
uint64_t st_iteration_ticks;

/* A jump that goes further than this in one leap is taken for a change of stacks. */
enum { ST_SAME_STACK = 1 << 20 };

/* The agent was stopped for a fork. A call that may hang (the parent waits for its child) is not
 * left unwatched; one that only looks at a file is: Python counts its threads in /proc after a
 * fork. */
static bool bring_agent_back(unsigned class)
{
    const unsigned hangs = 1u << ST_SLEEP | 1u << ST_WAIT | 1u << ST_NET | 1u << ST_DNS |
                           1u << ST_PROCESS | 1u << ST_IPC | 1u << ST_FD;
    if (atomic_load_explicit(&st_agent_wanted, memory_order_relaxed) && !(hangs >> class & 1))
        return false;
    if (!st_agent_is_ours())
        return false; /* a child of vfork: it is the parent that needs the agent back */
    uint64_t since = st_now();
    st_agent_return();
    st_held_up(st_self, since);
    return true;
}

/* The slot says that its thread is in a call already. True: so it is (a wrapper inside a wrapper, a
 * signal handler that interrupted a call), and the outer call stands for this one. False: the outer
 * call's frame is gone, a signal handler has jumped out of it; the slot is free again. */
bool ST_COLD st_nested(struct st_slot *s, enum st_call_id call)
{
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    if (s->candidate)
        return !st_candidate_runs(s) || !st_promote(s);
    if (seq & ST_SEQ_SERVICE) {
        /* until the agent is back, each call comes by here */
        if (bring_agent_back(st_calls[call].class))
            atomic_store_explicit(&s->seq, seq & ~ST_SEQ_SERVICE, memory_order_relaxed);
        if (!(seq & 1))
            return false;
    }
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t outer = s->regs[ST_SP];
    /* The stack grows down: what runs inside the call runs below its frame. A handler on an
     * alternate stack is far away in either direction and counts as inside. */
    if (here <= outer || here - outer > ST_SAME_STACK)
        return true;
    st_abandon(s);
    return false;
}

void ST_COLD st_abandon(struct st_slot *s)
{
    if (s->candidate)
        return;
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    if (s->at_home && s->iter_t0)
        st_home_end(s); /* a jump out of the home wait: what follows is an iteration */
    s->at_home = false;
    if (!(seq & 1))
        return;
    uint64_t ticks = st_now() - s->t0;
    s->in_calls += ticks;
    if (atomic_load_explicit(&s->claim, memory_order_relaxed) == seq)
        st_over(
            s, seq, ticks,
            st_class_of(&st_calls[s->call], s->args)); /* it was reported: say that it is over */
    atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}

/* Called by the unwinder for each frame of a wrapper that it is about to remove. Never a handler,
 * so nothing of the unwinder's has to be called. */
static _Unwind_Reason_Code st_personality(int version, _Unwind_Action actions,
                                          _Unwind_Exception_Class class,
                                          struct _Unwind_Exception *exception,
                                          struct _Unwind_Context *context)
{
    (void)version, (void)class, (void)exception, (void)context;
    if (actions & _UA_CLEANUP_PHASE && st_self)
        st_abandon(st_self);
    return _URC_CONTINUE_UNWIND;
}

/* What .cfi_personality refers to: indirect and relative to the place, as position independent code
 * wants it. */
__attribute__((used)) _Unwind_Personality_Fn st_personality_ref = st_personality;

/* Exactly one side reports a call: the one that first sets `claim` to its seq. */
static bool claim(struct st_slot *s, uint32_t seq)
{
    uint32_t old = atomic_load_explicit(&s->claim, memory_order_relaxed);
    /* acq_rel: pairs with the agent's, so that one of the two sees the other's */
    return old != seq && atomic_compare_exchange_strong_explicit(
                             &s->claim, &old, seq, memory_order_acq_rel, memory_order_relaxed);
}

/* The agent reported this call while it hung: tell it how long it was in the end. */
static void tell_end(struct st_slot *s, uint32_t seq, uint64_t ticks)
{
    uint32_t head = atomic_load_explicit(&s->ends_head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&s->ends_tail, memory_order_acquire);
    if (head - tail >= ST_ENDS)
        return; /* the agent writes the duration that it saw itself */
    s->ends[head % ST_ENDS] = (struct st_ended){.seq = seq, .ticks = ticks};
    /* release: the agent reads the entry after the new head */
    atomic_store_explicit(&s->ends_head, head + 1, memory_order_release);
}

/* A call of this length may be a finding: decides, and hands it to the agent. Runs on the thread
 * that made the call, after it returned and before the program sees its result. */
void ST_COLD st_over(struct st_slot *s, uint32_t seq, uint64_t ticks, unsigned class)
{
    int error = errno;
    if (atomic_load_explicit(&s->claim, memory_order_acquire) == seq) {
        s->found += ticks;
        tell_end(s, seq, ticks);
        return;
    }
    if (atomic_load_explicit(&s->allowed, memory_order_relaxed) ||
        atomic_load_explicit(&s->home_closed, memory_order_relaxed))
        return;
    const struct st_call *c = &st_calls[s->call];
    struct st_what what;
    bool strict_class = class == ST_FD || st_settings.strict & 1u << class;
    /* Under every threshold that it could have, and not in a class of strict mode? */
    if (!strict_class && ticks < (class == ST_WAIT ? st_fast_ticks : st_threshold_ticks)[class])
        return;
    st_what_of(&what, c, s->args, s->t0);
    if (st_is_code_log(&what)) {
        errno = error;
        return;
    }
    unsigned is = class == ST_FD ? what.class : st_class_with(c, class, &what);
    if (is != class) {
        class = is;
        strict_class = st_settings.strict & 1u << class;
    }
    bool over = ticks >= st_threshold_ticks[class] &&
                (st_threshold_ticks[class] == 0 || !st_told_not_to_wait(c, s->args, &what));
    /* of two descriptors, the other may be the one, and of another class */
    bool either = c->rule == ST_RULE_TWO_FDS;
    bool strict = !over && (strict_class || either) && st_could_block(c, s->args, &what, ticks);
    if (strict && c->class == ST_FD)
        class = what.class;
    /* What was over its threshold for want of a CPU is judged as if it had been short. */
    struct st_what other = what;
    what.strictly = over && strict_class && st_could_block(c, s->args, &other, ticks);
    if ((over || strict)) {
        s->found += ticks;
        if (claim(s, seq))
            st_capture(s, ticks, class, strict, &what);
        else
            tell_end(s, seq, ticks);
    }
    errno = error;
}
