/* Over-long iterations: found while they run, sampled, and told what their time went to. */
#include "agent/agent.h"
#include "counters.h"
#include "iterations.h"
#include "agent/base/kernel.h"
#include "outside.h"
#include "agent/lang/python.h"
#include "running.h"
#include "signal.h"
#include "starved.h"
#include "agent/base/rows.h"

#include <errno.h>
#include <string.h>

enum { MAX_SAMPLES = 40, FIRST_GAP_NS = 20000000 };
/* An iteration of this age is watched: its figures now are what those at its end are compared to.
 */
enum { WATCHED_AFTER_NS = 5000000, READY_AGAIN_NS = 5000000 };
enum { SAMPLE_PATIENCE_NS = 20000000 };

/* A sample that was taken before its iteration is reported: when its age is over the threshold, but
 * perhaps for want of a CPU. */
struct early {
    uint32_t stack;
    struct st_place *place; /* of that; NULL: no stack could be had */
    bool is_asleep;
    struct st_sleep asleep;
    char detail[256];
    const char *wait_kind;
    struct st_held held;
    const char *no_stack; /* why there is none, or none but Python's frames; or NULL */
    struct st_py_task task;
};
enum { MAX_EARLY = 8 };

ST_ROWS(watched, struct watched)

struct watched *st_watched(uint32_t index)
{
    return watched_at(index);
}

struct earlies {
    struct early all[MAX_EARLY];
};
ST_ROWS(early, struct earlies)

void st_iterations_reset(void)
{
    st_rows_clear(&watched_rows, sizeof(struct watched));
    st_starved_reset();
    st_signal_reset();
}

/* ---- which iteration ---- */

/* What iteration the slot's thread is in, in one consistent look; false: in none. The order of
 * reads is the reverse of the order of the owner's stores, see probe/loops/iteration.c. */
static bool look_at_now(const struct st_slot *s, uint64_t *number, uint64_t *t0)
{
    *number = __atomic_load_n(&s->iterations, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&s->at_home, __ATOMIC_ACQUIRE))
        return false;
    *t0 = __atomic_load_n(&s->iter_t0, __ATOMIC_ACQUIRE);
    return *t0 && !__atomic_load_n(&s->at_home, __ATOMIC_ACQUIRE) &&
           __atomic_load_n(&s->iterations, __ATOMIC_ACQUIRE) == *number;
}

static bool goes_on(const struct st_slot *s, const struct watched *w)
{
    uint64_t number, t0;
    return w->generation == s->generation && !w->over && look_at_now(s, &number, &t0) &&
           number == w->number && t0 == w->t0 && !atomic_load(&s->home_closed);
}

static uint64_t age_ns(const struct watched *w, uint64_t now)
{
    return st_unfrozen_ns(w->t0, now);
}

/* ---- records ---- */

static struct st_stack unwound;

static void write_sample(struct watched *w, const struct early *e)
{
    st_record_sample(w->stall, &(struct st_sample){.stack = e->stack,
                                                   .asleep = e->is_asleep ? &e->asleep : NULL,
                                                   .detail = e->detail,
                                                   .wait_kind = e->wait_kind,
                                                   .held = &e->held,
                                                   .task = &e->task,
                                                   .no_stack = e->no_stack});
}

/* Reports the iteration, with the samples that were taken of it. */
static void report(struct watched *w, uint32_t index, uint64_t elapsed_ns, uint64_t starved_ns)
{
    const struct early *e = early_at(index)->all;
    struct st_place *place = w->early_count ? e[0].place : NULL;
    struct st_stall stall = {
        .iteration = true,
        .loop = st_loop_of(index, w->generation),
        /* it stands for all of its place: where code computes each sample is another */
        .stack = w->early_count ? (place && place->stack ? place->stack : e[0].stack) : 0,
        .at_ns = st_since_start_ns(w->t0),
        .elapsed_ns = elapsed_ns,
        .starved_ns = starved_ns,
        .task = w->early_count ? &e[0].task : NULL,
        .no_stack = w->early_count ? e[0].no_stack : NULL,
    };
    w->stall = st_report(&stall, 0, place, &w->counter);
    w->counted = !w->stall;
    for (uint32_t i = 0; w->stall && i < w->early_count; i++)
        write_sample(w, &e[i]);
    if (w->stall)
        w->early_count = 0;
}

/* Reports it while it lasts, unless it has ended by now. From the store on its owner tells how it
 * ends; where the owner was past that point already, the next look finds that the iteration is over
 * and ends the stall. */
static void report_running(struct st_slot *s, struct watched *w, uint32_t index, uint64_t age,
                           uint64_t starved_ns)
{
    if (w->stall || w->over ||
        (w->counted && (!w->counter || age < st_long_ns() || age < w->still_ns)))
        return;
    if (w->counted)
        w->still_ns = age * 2; /* there may be no room */
    atomic_store(&s->reported, w->t0);
    if (goes_on(s, w))
        report(w, index, age, starved_ns);
}

/* A look saw that the loop does not run any more: this iteration is none. What was said of it
 * before stands, up to the moment at which the loop was last seen to run. */
static void stop(struct watched *w)
{
    uint64_t elapsed = w->ran > w->t0 ? age_ns(w, w->ran) : 0;
    if (w->stall)
        st_record_stall_end(w->stall, elapsed, 0);
    w->over = true;
    w->stall = w->early_count = 0;
}

static void keep_sample(struct watched *w, uint32_t index, const struct early *e)
{
    w->samples++;
    w->ran = w->seen;
    if (w->stall)
        write_sample(w, e);
    else if (w->early_count < MAX_EARLY)
        early_at(index)->all[w->early_count++] = *e;
}

void st_take_sample(const struct st_capture *c)
{
    struct watched *w = watched_at(c->slot);
    static struct early e;
    if (w->generation != c->generation || w->t0 != c->t0 || w->over)
        return; /* of an iteration that is over and done with */
    memset(&e, 0, sizeof(e));
    st_task_of_capture(c, &e.task);
    st_unwind(c->regs, c->regs[ST_SP], c->stack, c->stack_len, &unwound);
    if (!st_runs(
            c->slot, c->generation,
            &(struct st_where){&unwound, c->py, c->py_len, c->regs[ST_SP], c->t0, NULL, NULL})) {
        stop(w);
        return;
    }
    e.stack = st_record_stack(NULL, &unwound, c->py, c->py_len > 0 ? c->py_len : 0, &e.place);
    keep_sample(w, c->slot, &e);
}

/* The thread sleeps in something that no wrapper saw: no signal, it might return EINTR. Where it
 * stands the kernel tells, but for the registers that a call preserves. */
static bool sample_asleep(struct st_slot *s, struct watched *w, uint32_t index)
{
    static struct st_outside seen;
    static struct early e;
    uint32_t seq = atomic_load(&s->seq);
    memset(&e, 0, sizeof(e));
    e.is_asleep = true;
    if (st_sleeping_in(s->tid, &e.asleep) < 0)
        return false;
    const struct st_sleep sleep = e.asleep;
    st_outside_asleep(s, &sleep, &seen);
    e.task = seen.task;
    struct st_sleep again;
    if (seq & 1 || atomic_load(&s->seq) != seq || !goes_on(s, w) ||
        st_sleeping_in(s->tid, &again) < 0 || again.sp != sleep.sp || again.pc != sleep.pc)
        return false;
    if (seen.len) {
        uint64_t regs[ST_REGS] = {[ST_SP] = sleep.sp, [ST_PC] = sleep.pc};
        st_unwind(regs, sleep.sp, seen.bytes, seen.len, &unwound);
        struct st_where where = {&unwound, seen.py, seen.py_len, sleep.sp, w->t0, NULL, NULL};
        if (!st_runs(index, s->generation, &where)) {
            stop(w);
            return true;
        }
        e.stack = st_record_stack(NULL, &unwound, seen.py, seen.py_len, &e.place);
    }
    keep_sample(w, index, &e);
    return true;
}

/* The thread runs: by a signal, if it may get one; else as much as can be read meanwhile. */
static bool sample_running(struct st_slot *s, struct watched *w, uint32_t index)
{
    static struct st_outside seen;
    static struct early e;
    const char *why = st_signal_send(s, w->t0);
    if (!why || !why[0])
        return !why;
    memset(&e, 0, sizeof(e));
    e.no_stack = why;
    st_outside_running(s, &seen);
    if (!goes_on(s, w))
        return false;
    e.task = seen.task;
    unwound.count = 0;
    unwound.broken = unwound.truncated = false;
    if (seen.py_len > 0)
        e.stack = st_record_stack(NULL, &unwound, seen.py, seen.py_len, &e.place);
    keep_sample(w, index, &e);
    return true;
}

/* The thread is in a call, which stands still: its stack is copied as a hanging call's is. */
static bool sample_call(struct st_slot *s, struct watched *w, uint32_t index, uint32_t seq)
{
    static struct st_progress p;
    static struct st_what what;
    char detail[512];
    p.seq = seq;
    p.call = s->call;
    memcpy(p.args, s->args, sizeof(p.args));
    uint64_t t0 = *(volatile uint64_t *)&s->t0;
    if (p.call >= st_shared->call_count || !st_unmoved(s, seq))
        return false;
    /* Read everything first; st_copy_progress then confirms that the call had not ended meanwhile.
     */
    const struct st_call *call = &st_shared->calls[p.call];
    st_what_remote(&what, call, p.args, t0);
    static struct early e;
    memset(&e, 0, sizeof(e));
    st_what_text(&what, call, detail, sizeof(detail));
    st_add_holder(s, &what, call, p.args, detail, sizeof(detail), &e.held);
    e.wait_kind = e.held.child ? "child" : st_wait_kind(&what, call);
    if (!st_copy_progress(s, &p))
        return false;
    const char *own = st_own_wait(call, &what, p.py, p.py_len);
    if (own && strncmp(detail, own, strlen(own)) != 0) {
        strcpy(detail, own);
        e.wait_kind = "thread"; /* its start: the GIL says so itself */
    }
    st_unwind(p.regs, p.regs[ST_SP], p.stack, p.len, &unwound);
    struct st_where where = {&unwound, p.py, p.py_len, p.regs[ST_SP], t0, call, p.args};
    if (!st_runs(index, s->generation, &where)) {
        stop(w);
        return true;
    }
    e.stack = st_record_stack(call, &unwound, p.py, p.py_len, &e.place);
    e.task = p.task;
    memcpy(e.detail, detail, sizeof(e.detail));
    e.detail[sizeof(e.detail) - 1] = 0;
    keep_sample(w, index, &e);
    return true;
}
/* One that is only just too long is sampled, too: a bit before it is known to be. */
static uint64_t sample_from_ns(void)
{
    return st_shared->settings->iteration_ns / 8 * 7;
}

static void watch(uint32_t index, uint64_t number, uint64_t t0)
{
    st_close_iteration(index);
    *watched_at(index) = (struct watched){.number = number,
                                          .t0 = t0,
                                          .generation = st_slot_at(st_shared, index)->generation,
                                          .next_ns = sample_from_ns(),
                                          .gap_ns = FIRST_GAP_NS,
                                          .seen = t0};
}

/* A thread that has ended past libc in the middle of an iteration has not counted it: its figures
 * are written for it. */
static void count_for_owner(struct st_slot *s, const struct watched *w, uint64_t ticks)
{
    if (s->at_home || s->iterations != w->number)
        return;
    s->at_home = true;
    s->iterations++;
    s->busy += ticks;
    s->iter_hist[st_hist_bucket(ticks)]++;
    if (ticks > s->iter_max) {
        memmove(&s->longest[1], &s->longest[0], (ST_LONGEST - 1) * sizeof(s->longest[0]));
        s->longest[0] = (struct st_long){.t0 = w->t0, .ticks = ticks};
        s->iter_max = ticks;
    }
}

/* Its owner did not tell how it ended: there was no room, or it did not know yet that it was
 * reported. It lasted until the home wait that followed, if that is still the one, or until it was
 * last seen. */
void st_close_iteration(uint32_t index)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    struct watched *w = watched_at(index);
    if (w->stall && !w->over) {
        uint64_t end = w->seen, home = *(volatile const uint64_t *)&s->home_t0;
        if (s->generation == w->generation && home > w->seen &&
            *(volatile const uint64_t *)&s->iterations <= w->number + 1)
            end = home;
        if (atomic_load(&s->state) == ST_SLOT_ENDED)
            count_for_owner(s, w, end - w->t0);
        uint64_t elapsed = age_ns(w, end);
        st_record_stall_end(w->stall, elapsed, st_iteration_starved_of(w, index, end, elapsed));
    } else if (w->counted && w->counter && !w->over && w->seen > w->t0) {
        uint64_t elapsed = age_ns(w, w->seen);
        st_count(w->counter, elapsed, st_iteration_starved_of(w, index, w->seen, elapsed));
    }
    w->over = true;
    w->stall = 0;
}

static void end_iteration(uint32_t index, const struct st_iteration *it)
{
    struct watched *w = watched_at(index);
    struct st_time time;
    st_iteration_divide(w, index, it, &time);
    uint64_t held = st_ticks_to_ns(it->held);
    uint64_t threshold = st_shared->settings->iteration_ns;
    bool over = st_iteration_unexplained(w, time.elapsed, time.found, time.starved) >= threshold;
    st_note_own_time(index, w->generation, it, time.starved);
    /* For what it was held up by stalltrace itself it was told of, perhaps, before that was known.
     */
    time.elapsed += held;
    time.starved += held;
    if (time.elapsed > time.found && time.elapsed - time.found >= threshold)
        st_starved_note(time.starved > w->starved_calls ? time.starved - w->starved_calls : 0);
    if (over && !w->stall && !w->counted)
        report(w, index, time.elapsed, time.starved);
    if (over && w->counted && w->counter)
        st_count(w->counter, time.elapsed, time.starved);
    if (w->stall)
        st_record_iteration_end(w->stall, &time, it);
    w->over = true;
    w->stall = 0;
}

/* Iterations that were over their threshold, or reported, and have ended. */
void st_take_iteration_ends(uint32_t index)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    struct watched *w = watched_at(index);
    uint32_t tail = atomic_load_explicit(&s->iterations_tail, memory_order_relaxed);
    uint64_t number, t0;
    bool in_one = look_at_now(s, &number, &t0);
    /* acquire: the entry was written before the head moved, and before the iteration was over */
    uint32_t head = atomic_load_explicit(&s->iterations_head, memory_order_acquire);
    if (tail != head) { /* what was taken in them comes before their end */
        st_take_call_ends(index);
        st_take_captures();
    }
    for (; tail != head; tail++) {
        const struct st_iteration *it = &s->over[tail % ST_ITERATIONS];
        if (w->generation != s->generation || w->t0 != it->t0)
            watch(index, it->number, it->t0);
        if (!w->over)
            end_iteration(index, it);
    }
    atomic_store_explicit(&s->iterations_tail, tail, memory_order_release);
    if (w->stall && (!in_one || number != w->number || atomic_load(&s->home_closed)))
        st_close_iteration(index);
}

static void sample(struct st_slot *s, struct watched *w, uint32_t index, uint64_t age,
                   uint64_t *again)
{
    enum { SOON_NS = 1000000, TRIES = 20 };
    *again = UINT64_MAX;
    if (w->samples >= MAX_SAMPLES || (!w->stall && w->early_count == MAX_EARLY))
        return;
    *again = w->next_ns > age ? w->next_ns - age : 0;
    if (*again)
        return;
    if (st_interpreter_ends(index, w->t0)) {
        stop(w);
        return;
    }
    char state = st_thread_state(s->tid);
    uint32_t seq = atomic_load(&s->seq);
    bool done = false;
    if (!w->first_ns)
        w->first_ns = age;
    if (seq & 1)
        done = sample_call(s, w, index, seq);
    else if (state == 'R')
        done = sample_running(s, w, index);
    else if (state == 'S' || state == 'D')
        done = sample_asleep(s, w, index);
    *again = SOON_NS;
    if (!done && ++w->tries < TRIES)
        return;
    w->tries = 0;
    /* low, and lower the longer it lasts */
    if (w->samples && w->samples % 8 == 0)
        w->gap_ns *= 2;
    w->next_ns = age + w->gap_ns;
    if (!done || state != 'R')
        *again = w->gap_ns;
}

/* Looks at the iteration that a slot is in; returns in how many ns it wants to be looked at again.
 */
uint64_t st_look_at_iteration(uint32_t index)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    struct watched *w = watched_at(index);
    uint64_t threshold = st_shared->settings->iteration_ns, number, t0;
    uint8_t state = atomic_load_explicit(&s->state, memory_order_acquire);
    if (state != ST_SLOT_LIVE && state != ST_SLOT_ENDED)
        return UINT64_MAX;
    /* In this order: what ended before this iteration began has its entry in the queue by now. */
    bool in_one = look_at_now(s, &number, &t0);
    st_take_iteration_ends(index);
    st_signal_settle(false);
    if (state != ST_SLOT_LIVE || !in_one || atomic_load(&s->home_closed) ||
        atomic_load(&s->allowed))
        return UINT64_MAX;
    uint64_t now = st_ticks_now();
    if (now < t0 || st_ending) /* its thread is in exit() and waits for us: that is no sample */
        return UINT64_MAX;
    if (w->generation != s->generation || w->number < number)
        watch(index, number, t0);
    if (w->over || w->number != number)
        return UINT64_MAX;
    uint64_t held = st_ticks_to_ns(s->held - s->iter_held), age = age_ns(w, now);
    age -= held < age ? held : age;
    if (age < WATCHED_AFTER_NS && age < threshold)
        return UINT64_MAX;
    if (!w->throttled)
        w->throttled = st_throttled_ns() + 1;
    /* what is reported already, or is being: the call that it is in, if that has been claimed */
    uint64_t found = st_iteration_found_ns(w, s->found - s->iter_found);
    uint32_t seq = atomic_load(&s->seq);
    if (seq & 1 && atomic_load(&s->claim) == seq)
        found += st_unfrozen_ns(s->t0, now);
    if (!goes_on(s, w))
        return 0;
    w->seen = now;
    if (age < found + sample_from_ns())
        return sample_from_ns() + found - age;
    uint64_t at_least, starved = st_starved_so_far_ns(index, t0, &at_least), again;
    if (age > starved && age - starved > w->own)
        w->own = age - starved;
    if (w->stall && age >= w->still_ns)
        w->still_ns = st_record_stall_still(w->stall, age, at_least);
    if (st_iteration_unexplained(w, age, found, at_least) < sample_from_ns())
        return READY_AGAIN_NS;
    sample(s, w, index, age, &again);
    /* with a stack, or without where none comes */
    if (st_iteration_unexplained(w, age, found, starved) >= threshold &&
        (w->samples || age >= w->first_ns + SAMPLE_PATIENCE_NS))
        report_running(s, w, index, age, starved);
    return again < READY_AGAIN_NS || w->stall ? again : READY_AGAIN_NS;
}
