/* From a call in progress, or one that has ended and was copied by its thread, to records of the
 * trace. */
#include "agent/agent.h"
#include "contract/nowait.h"
#include "counters.h"
#include "agent/base/memory.h"
#include "agent/lang/python.h"
#include "running.h"
#include "starved.h"
#include "agent/base/rows.h"

#include <linux/futex.h>
#include <string.h>

enum { COPY_MAX = 256 * 1024 };
enum { FIRST_STILL_NS = 50000000, READY_AGAIN_NS = 5000000 };

/* The hang that was reported for the call which a slot is in. */
struct hang {
    uint32_t generation, seq;
    uint32_t stall; /* its number in the trace; 0: not written */
    bool open;      /* its end has not been taken */
    /* Not written, since there are many like it: counted when it ends, written if it gets long. */
    struct st_counter *counter;
    struct st_place *place;
    struct st_stall like;
    char detail[256];
    struct st_py_task task;
    uint8_t class;
    uint64_t t0;
    uint64_t seen;     /* the last moment, in ticks, at which it was known to last */
    uint64_t own;      /* at least so much of it was its own, in ns, and not starved */
    uint64_t asked;    /* of a sleep: how long it was to last, in ns; its own, too */
    uint64_t still_ns; /* age at which to say that it goes on */
    struct st_holder holder;
    struct st_held held;
};
ST_ROWS(hang, struct hang)

static uint8_t stack_copy[COPY_MAX];
static struct st_stack unwound;

void st_stalls_reset(void)
{
    st_rows_clear(&hang_rows, sizeof(struct hang));
    st_counters_reset();
}

/* ---- calls that have ended ---- */

void st_task_of_capture(const struct st_capture *c, struct st_py_task *task)
{
    const struct st_slot *s = st_slot_at(st_shared, c->slot);
    const struct st_py_layout *py = &st_shared->py;
    if (c->py_len > 0)
        st_py_task(py, st_py_tstate_of(py, s->pthread, s->tid), c->py, c->py_len, task);
    else
        task->name[0] = 0;
    /* In another iteration a new coroutine may be where the one that stalled was. */
    if (s->generation != c->generation || *(volatile const uint64_t *)&s->iter_t0 > c->t0)
        task->name[0] = 0;
}

/* For how long a sleep was asked to last, in ns; 0: the call is none. */
static uint64_t asked_to_sleep_ns(const struct st_what *what, const struct st_call *call)
{
    enum { MS = 1000000 };
    uint64_t words[2]; /* how long, and of a poll or select how many descriptors */
    if (what->kind != ST_WHAT_WORDS || what->len != sizeof(words))
        return 0;
    memcpy(words, what->bytes, sizeof(words));
    switch ((enum st_rule)call->rule) {
    case ST_RULE_SECONDS:
    case ST_RULE_USECONDS:
    case ST_RULE_TIMESPEC:
        return words[0];
    case ST_RULE_POLL:
    case ST_RULE_SELECT:
        return words[1] == 0 && words[0] <= INT32_MAX ? words[0] * MS : 0;
    default:
        return 0;
    }
}

/* The thread's own time without a CPU, and that of the thread that it waited for, as far as that
 * can be known now. What a sleep was asked for it would have slept on any machine. */
static uint64_t starved_of_capture(const struct st_capture *c, uint64_t elapsed_ns)
{
    uint64_t from = c->t0, to = c->t0 + c->ticks, thread;
    struct st_holder holder;
    if (st_slot_at(st_shared, c->slot)->generation != c->generation)
        return 0; /* the slot is another thread's by now */
    uint64_t ns = st_starved_ns(c->slot, from, to);
    pid_t tid = st_holder_of(&c->what, &st_shared->calls[c->call], &thread);
    st_holder_begin(&holder, tid);
    if (holder.tid && st_holder_is_starved(&holder))
        ns += st_holder_starved_ns(&holder, from, to);
    uint64_t asked = asked_to_sleep_ns(&c->what, &st_shared->calls[c->call]);
    uint64_t most = elapsed_ns > asked ? elapsed_ns - asked : 0;
    return ns < most ? ns : most;
}

static void take_capture(struct st_capture *c)
{
    char detail[512];
    struct st_py_task task;
    struct st_held held = {.pid = 0};
    if (c->home)
        return; /* that was the first thing to be taken */
    if (c->listens) {
        st_take_listen(c);
        return;
    }
    if (c->sample) {
        st_take_sample(c);
        return;
    }
    /* A call before this one may be written as one that hangs: its end is written first, so that
     * the trace is right wherever the process is killed. */
    st_take_call_ends(c->slot);
    const struct st_call *call = &st_shared->calls[c->call];
    uint64_t ns = st_unfrozen_ns(c->t0, c->t0 + c->ticks);
    uint64_t threshold = st_shared->settings->threshold_ns[c->class];
    uint64_t least = threshold < ns ? threshold : ns;
    uint64_t starved = least < ST_STARVED_LEAST_NS ? 0 : starved_of_capture(c, ns);
    bool under = ns - starved < threshold;
    bool strict = c->strict || (under && c->what.strictly);
    bool is_own = st_own_wait(call, &c->what, c->py, c->py_len) != NULL;
    st_note_call(c->slot, c->generation,
                 &(struct st_known_call){
                     .t0 = c->t0,
                     .ticks = c->ticks,
                     .starved_ns = starved,
                     .frozen_ns = st_frozen_ns(c->t0, c->t0 + c->ticks),
                     .is_finding = !is_own && (strict || !under),
                 });
    if (is_own) {
        st_forget_path(c->key);
        return;
    }
    if (!strict)
        st_starved_note(starved);
    if (!strict && under)
        return; /* not the program's doing */
    st_unwind(c->regs, c->regs[ST_SP], c->stack, c->stack_len, &unwound);
    if (!st_runs(
            c->slot, c->generation,
            &(struct st_where){&unwound, c->py, c->py_len, c->regs[ST_SP], c->t0, call, c->args})) {
        st_forget_path(c->key);
        return;
    }
    st_what_of_capture(c, call);
    st_what_text(&c->what, call, detail, sizeof(detail));
    uint64_t thread;
    pid_t holder = st_holder_of(&c->what, call, &thread);
    if (holder)
        st_held_by_thread(&held, holder);
    st_task_of_capture(c, &task);
    struct st_counter *counter;
    struct st_place *place;
    struct st_stall s = {
        .loop = st_loop_of(c->slot, c->generation),
        .stack = st_record_stack(call, &unwound, c->py, c->py_len > 0 ? c->py_len : 0, &place),
        .call = call,
        .class = c->class,
        .strict = strict,
        .ended = true,
        .at_ns = st_since_start_ns(c->t0),
        .elapsed_ns = ns,
        .starved_ns = starved,
        .detail = detail,
        .wait_kind = st_wait_kind(&c->what, call),
        .held = &held,
        .task = &task,
    };
    if (c->doubtful && st_keep_aside(c, &unwound, &s))
        return;
    st_report(&s, c->key, place, &counter);
}

void st_report_stall(const struct st_stall *stall)
{
    struct st_stall copy = *stall;
    struct st_counter *counter;
    st_report(&copy, 0, NULL, &counter);
}

/* Where loops wait, before anything is said of them: it is younger than what was captured of them
 * before, but as a rule the same. */
void st_take_homes(void)
{
    for (unsigned i = 0; i < ST_CAPTURES; i++) {
        struct st_capture *c = &st_shared->captures[i];
        /* acquire: pairs with the release of the thread that filled it */
        if (atomic_load_explicit(&c->state, memory_order_acquire) != ST_CAPTURE_READY || !c->home)
            continue;
        st_take_home(c);
        atomic_store_explicit(&c->state, ST_CAPTURE_FREE, memory_order_release);
    }
}

void st_take_captures(void)
{
    bool taken = false;
    st_take_homes();
    for (unsigned i = 0; i < ST_CAPTURES; i++) {
        struct st_capture *c = &st_shared->captures[i];
        /* acquire: pairs with the release of the thread that filled it */
        if (atomic_load_explicit(&c->state, memory_order_acquire) != ST_CAPTURE_READY)
            continue;
        take_capture(c);
        atomic_store_explicit(&c->state, ST_CAPTURE_FREE, memory_order_release);
        taken = true;
    }
    if (taken) {
        atomic_fetch_add(&st_shared->taken, 1);
        syscall(SYS_futex, &st_shared->taken, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    }
}

/* ---- calls in progress ---- */

bool st_unmoved(const struct st_slot *s, uint32_t seq)
{
    atomic_thread_fence(memory_order_acquire); /* the reads before it are done before the next */
    return atomic_load_explicit(&s->seq, memory_order_relaxed) == seq;
}

static void copy_python(const struct st_slot *s, struct st_progress *p)
{
    const struct st_py_layout *py = &st_shared->py;
    p->py_len = 0;
    p->task.name[0] = 0;
    if (!py->version)
        return;
    uint64_t tstate = st_py_tstate_of(py, s->pthread, s->tid);
    if (tstate)
        p->py_len = st_py_walk_other(py, tstate, p->py, ST_PY_MAX);
    if (p->py_len > 0)
        st_py_task(py, tstate, p->py, p->py_len, &p->task);
}

bool st_copy_progress(const struct st_slot *s, struct st_progress *p)
{
    memcpy(p->regs, s->regs, sizeof(p->regs));
    memcpy(p->args, s->args, sizeof(p->args));
    if (!st_unmoved(s, p->seq))
        return false;
    uint64_t sp = p->regs[ST_SP], hi = s->stack_hi;
    uint64_t want = hi > sp && hi - sp < COPY_MAX ? hi - sp : COPY_MAX;
    p->stack = stack_copy;
    p->len = (uint32_t)st_mem_read_some(sp, stack_copy, want);
    copy_python(s, p);
    return st_unmoved(s, p->seq);
}

/* The threshold of the call's class; for a descriptor, of the class that it turns out to be. */
static uint64_t threshold_of(const struct st_call *call, const uint64_t *args, uint8_t *class,
                             struct st_what *what, uint64_t t0, uint64_t elapsed_ns)
{
    const uint64_t *t = st_shared->settings->threshold_ns;
    *class = (uint8_t)st_class_of(call, args);
    if (*class == ST_WAIT && st_waits_for_any(call)) {
        uint64_t least = t[ST_NET] < t[ST_WAIT] ? t[ST_NET] : t[ST_WAIT];
        if (elapsed_ns < least)
            return least;
    } else if (*class < ST_CLASS_COUNT && elapsed_ns < t[*class]) {
        return t[*class];
    }
    if (call->class == ST_FD) {
        uint64_t least = t[ST_FILE];
        static const uint8_t others[] = {ST_NET, ST_IPC, ST_TTY};
        for (int i = 0; i < 3; i++)
            least = t[others[i]] < least ? t[others[i]] : least;
        if (elapsed_ns < least)
            return least;
    }
    st_what_remote(what, call, args, t0);
    *class = call->class == ST_FD ? what->class : (uint8_t)st_class_with(call, *class, what);
    if (st_is_code_log(what))
        return UINT64_MAX;
    if (*class < ST_CLASS_COUNT && t[*class] > 0 && st_told_not_to_wait(call, args, what))
        return UINT64_MAX;
    return *class < ST_CLASS_COUNT ? t[*class] : UINT64_MAX;
}

static void report_hang(struct st_slot *s, uint32_t index, struct st_progress *p, uint8_t class,
                        uint64_t starved_ns, const struct st_what *what)
{
    char detail[512];
    const struct st_call *call = &st_shared->calls[p->call];
    uint64_t thread;
    struct hang *h = hang_at(index);
    st_unwind(p->regs, p->regs[ST_SP], stack_copy, p->len, &unwound);
    if (!st_runs(
            index, s->generation,
            &(struct st_where){&unwound, p->py, p->py_len, p->regs[ST_SP], p->t0, call, p->args})) {
        /* it is claimed, and nothing is said of it */
        *h = (struct hang){.generation = s->generation, .seq = p->seq, .t0 = p->t0};
        return;
    }
    st_what_text(what, call, detail, sizeof(detail));
    struct st_held held = {.pid = 0};
    st_add_holder(s, what, call, p->args, detail, sizeof(detail), &held);
    *h = (struct hang){.generation = s->generation,
                       .seq = p->seq,
                       .open = true,
                       .class = class,
                       .t0 = p->t0,
                       .seen = p->t0 + p->elapsed_ticks,
                       .own = p->elapsed_ns > starved_ns ? p->elapsed_ns - starved_ns : 0,
                       .asked = asked_to_sleep_ns(what, call),
                       .task = p->task,
                       .held = held};
    h->like = (struct st_stall){
        .loop = st_loop_of(index, s->generation),
        .stack = st_record_stack(call, &unwound, p->py, p->py_len, &h->place),
        .call = call,
        .class = class,
        .at_ns = st_since_start_ns(p->t0),
        .elapsed_ns = p->elapsed_ns,
        .starved_ns = starved_ns,
        .detail = detail,
        .wait_kind = held.child ? "child" : st_wait_kind(what, call),
        .held = &h->held,
        .task = &h->task,
    };
    h->stall = st_report(&h->like, 0, h->place, &h->counter);
    memcpy(h->detail, detail, sizeof(h->detail));
    h->detail[sizeof(h->detail) - 1] = 0;
    h->like.detail = h->detail;
    st_holder_begin(&h->holder, st_holder_of(what, call, &thread));
}

static uint64_t starved_of_hang(const struct hang *h, uint32_t index, uint64_t to,
                                uint64_t elapsed_ns)
{
    if (st_shared->settings->threshold_ns[h->class] < ST_STARVED_LEAST_NS)
        return 0;
    uint64_t ns = st_starved_ns(index, h->t0, to) + st_holder_starved_ns(&h->holder, h->t0, to);
    /* What was its own at a look stays so, unless the thread that it waited for had no CPU. */
    uint64_t own = h->holder.tid ? 0 : h->own > h->asked ? h->own : h->asked;
    uint64_t most = elapsed_ns > own ? elapsed_ns - own : 0;
    return ns < most ? ns : most;
}

static void note_own(struct hang *h, uint32_t index, uint64_t elapsed_ns)
{
    uint64_t at_least, most = st_starved_so_far_ns(index, h->t0, &at_least);
    if (elapsed_ns > most && elapsed_ns - most > h->own)
        h->own = elapsed_ns - most;
}

/* A call that is reported and goes on. */
static void follow_hang(const struct st_slot *s, uint32_t index, uint32_t seq)
{
    struct hang *h = hang_at(index);
    uint64_t now = st_ticks_now();
    if (!h->open || h->seq != seq || !st_unmoved(s, seq) || now <= h->t0)
        return;
    h->seen = now;
    uint64_t elapsed = st_unfrozen_ns(h->t0, now);
    note_own(h, index, elapsed);
    if (!h->stall && h->counter && elapsed >= st_long_ns() && elapsed >= h->still_ns) {
        h->like.elapsed_ns = elapsed;
        h->like.starved_ns = starved_of_hang(h, index, now, elapsed);
        h->stall = st_report(&h->like, 0, h->place, &h->counter);
        h->still_ns = elapsed * 2;
    } else if (!h->still_ns)
        h->still_ns = elapsed + FIRST_STILL_NS;
    else if (h->stall && elapsed >= h->still_ns)
        h->still_ns =
            st_record_stall_still(h->stall, elapsed, starved_of_hang(h, index, now, elapsed));
}

static void end_hang(uint32_t index, uint64_t end)
{
    struct hang *h = hang_at(index);
    uint64_t elapsed = st_unfrozen_ns(h->t0, end);
    uint64_t starved = starved_of_hang(h, index, end, elapsed);
    bool under = elapsed - starved < st_shared->settings->threshold_ns[h->class];
    st_note_call(index, h->generation,
                 &(struct st_known_call){
                     .t0 = h->t0,
                     .ticks = end - h->t0,
                     .starved_ns = starved,
                     .frozen_ns = st_frozen_ns(h->t0, end),
                     .is_finding = !under,
                 });
    st_starved_note(starved);
    if (h->stall)
        st_record_stall_end(h->stall, elapsed, starved);
    else if (h->counter && (!under || st_shared->settings->strict & 1u << h->class))
        st_count(h->counter, elapsed, starved);
    h->open = false;
}

/* Durations that owners have left for calls which were reported while they hung; and the end of
 * such a call whose owner did not know that it was reported, or found no room to say so. */
void st_take_call_ends(uint32_t index)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    struct hang *h = hang_at(index);
    /* acquire: an owner leaves the entry before it moves on */
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
    bool moved = seq != h->seq || s->generation != h->generation;
    uint32_t tail = atomic_load_explicit(&s->ends_tail, memory_order_relaxed);
    /* acquire: the entry was written before the head moved */
    uint32_t head = atomic_load_explicit(&s->ends_head, memory_order_acquire);
    for (; tail != head; tail++) {
        const struct st_ended *e = &s->ends[tail % ST_ENDS];
        if (h->open && h->seq == e->seq) {
            uint64_t end = h->t0 + e->ticks;
            end_hang(index, end > h->seen ? end : h->seen);
        }
    }
    atomic_store_explicit(&s->ends_tail, tail, memory_order_release);
    if (h->open && moved)
        end_hang(index, h->seen);
}

/* The call's thread has no slot any more. */
void st_close_hang(uint32_t index)
{
    if (hang_at(index)->open)
        end_hang(index, hang_at(index)->seen);
}

uint64_t st_look_at_slot(uint32_t index)
{
    static struct st_progress p;
    struct st_slot *s = st_slot_at(st_shared, index);
    uint8_t state = atomic_load_explicit(&s->state, memory_order_acquire);
    if (state != ST_SLOT_LIVE && state != ST_SLOT_ENDED)
        return UINT64_MAX;
    st_take_call_ends(index);
    /* acquire: the fields of the call were written before */
    p.seq = atomic_load_explicit(&s->seq, memory_order_acquire);
    if (p.seq & 1 && state == ST_SLOT_LIVE && atomic_load(&s->claim) == p.seq)
        follow_hang(s, index, p.seq);
    if (!(p.seq & 1) || atomic_load(&s->claim) == p.seq || atomic_load(&s->home_closed) ||
        atomic_load(&s->allowed) || state != ST_SLOT_LIVE)
        return UINT64_MAX;
    p.call = s->call;
    p.t0 = s->t0;
    memcpy(p.args, s->args, sizeof(p.args));
    if (!st_unmoved(s, p.seq) || p.call >= st_shared->call_count)
        return UINT64_MAX;
    uint64_t now = st_ticks_now();
    if (now <= p.t0)
        return UINT64_MAX;
    p.elapsed_ticks = now - p.t0;
    p.elapsed_ns = st_unfrozen_ns(p.t0, now);
    uint8_t class;
    static struct st_what what;
    uint64_t least =
        threshold_of(&st_shared->calls[p.call], p.args, &class, &what, p.t0, p.elapsed_ns);
    if (p.elapsed_ns < least)
        return least - p.elapsed_ns;
    uint8_t rule = st_shared->calls[p.call].rule;
    if (s->home == ST_HOME_NONE && (rule == ST_RULE_POLL || rule == ST_RULE_SELECT))
        return UINT64_MAX; /* the loop's own first wait, perhaps: see aside.c */
    /* Without a CPU, perhaps: then the next look tells, or the call's own thread as it ends. */
    uint64_t at_least,
        starved = least < ST_STARVED_LEAST_NS ? 0 : st_starved_so_far_ns(index, p.t0, &at_least);
    if (p.elapsed_ns < least + starved)
        return READY_AGAIN_NS;
    if (!st_copy_progress(s, &p))
        return 0; /* it ended just now: its thread reports it */
    if (st_own_wait(&st_shared->calls[p.call], &what, p.py, p.py_len))
        return UINT64_MAX; /* the iteration's */
    uint32_t old = atomic_load_explicit(&s->claim, memory_order_relaxed);
    /* acq_rel: pairs with the owner's; one of the two wins */
    if (old == p.seq || !atomic_compare_exchange_strong_explicit(
                            &s->claim, &old, p.seq, memory_order_acq_rel, memory_order_relaxed))
        return UINT64_MAX;
    report_hang(s, index, &p, class, starved, &what);
    return UINT64_MAX;
}
