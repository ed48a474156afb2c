/* Over-long iterations: found while they run, sampled, and told what their time went to. */
#include "agent.h"
#include "kernel.h"
#include "memory.h"
#include "python.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>

enum { MAX_SAMPLES = 40, FIRST_GAP_NS = 20000000, STACK_MAX = 128 * 1024 };
/* An iteration of this age is watched: its figures now are what those at its end are compared to.
 */
enum { WATCHED_AFTER_NS = 5000000 };

/* The iteration that a slot is in. */
static struct watched {
    uint64_t number, t0;
    uint32_t generation;
    uint32_t stall;   /* its number in the trace; 0: not reported */
    uint32_t samples; /* taken */
    uint32_t tries;
    uint64_t next_ns, gap_ns; /* age at which to sample next, and then how much later */
    uint64_t still_ns;        /* age at which to say that it goes on */
    /* the thread's and the cgroup's figures, at first sight and at the last look */
    uint64_t base_at, base_run, base_wait, base_throttled;
    uint64_t last_at, last_run, last_wait;
    uint64_t frozen_found; /* how much of a freeze lay in calls of it that count as found */
    bool figures;
} watched[ST_MAX_SLOTS];

static int signal_number; /* 0: not chosen yet; -1: there is none */
static bool barrier;

void st_iterations_reset(void)
{
    memset(watched, 0, sizeof(watched));
}

/* ---- the signal ---- */

static bool ours(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
           (void *)(uintptr_t)now.sa_sigaction == (void *)(uintptr_t)st_shared->sample_handler;
}

/* A number that the program does not use: no handler, not ignored. */
static bool choose_signal(void)
{
    struct sigaction action, now;
    if (signal_number > 0)
        return ours(signal_number);
    if (signal_number < 0)
        return false;
    signal_number = -1;
    barrier = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    if (!barrier)
        return false;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = (void (*)(int, siginfo_t *, void *))(uintptr_t)st_shared->sample_handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    for (int n = SIGRTMAX - 2; n > SIGRTMIN + 4; n--) {
        if (sigaction(n, NULL, &now) < 0 || now.sa_handler != SIG_DFL || now.sa_flags & SA_SIGINFO)
            continue;
        if (sigaction(n, &action, NULL) == 0) {
            signal_number = n;
            return true;
        }
    }
    return false;
}

/* Is there room on the thread's stack for a signal frame (up to 12 KiB with the largest registers)?
 */
static bool has_room(const struct st_slot *s)
{
    enum { ROOM = 64 * 1024 };
    return s->stack_lo == 0 || s->stack_hi - s->stack_lo > ROOM;
}

/* Asks the thread for a sample, unless it is in a call: see probe/sample.c for how the two agree.
 */
static bool send_signal(struct st_slot *s)
{
    if (!choose_signal() || !has_room(s) || st_signal_unwelcome(s->tid, signal_number))
        return false;
    atomic_store(&s->sampling, 1);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 &&
        !(atomic_load(&s->seq) & 1) && !*(volatile bool *)&s->at_home &&
        syscall(SYS_tgkill, getpid(), s->tid, signal_number) == 0)
        return true;
    atomic_store(&s->sampling, 0);
    return false;
}

/* ---- records ---- */

static struct st_stack unwound;

static uint64_t age_ns(const struct watched *w, uint64_t now)
{
    return st_unfrozen_ns(w->t0, now);
}

/* Reports the iteration, once, with the stack of its first sample (0: none). */
static void report(struct watched *w, uint32_t index, uint32_t stack, uint64_t elapsed_ns,
                   const struct st_py_task *task)
{
    if (w->stall)
        return;
    struct st_stall stall = {
        .iteration = true,
        .loop = st_loop_of(index, w->generation),
        .stack = stack,
        .at_ns = st_since_start_ns(w->t0),
        .elapsed_ns = elapsed_ns,
        .task = task,
    };
    w->stall = st_record_stall(&stall);
}

void st_take_sample(const struct st_capture *c)
{
    struct watched *w = &watched[c->slot];
    if (w->generation != c->generation || w->t0 != c->t0)
        return; /* of an iteration that is over and done with */
    struct st_py_task task;
    st_task_of_capture(c, &task);
    st_unwind(c->regs, c->regs[ST_RSP], c->stack, c->stack_len, &unwound);
    uint32_t stack = st_record_stack(NULL, &unwound, c->py, c->py_len > 0 ? c->py_len : 0);
    report(w, c->slot, stack, st_unfrozen_ns(c->t0, c->t0 + c->ticks), &task);
    st_record_sample(w->stall, stack, NULL, NULL, &task);
    w->samples++;
}

/* The thread sleeps in something that no wrapper saw: no signal, it might return EINTR. Where it
 * stands the kernel tells, but for the registers that a call preserves. */
static bool sample_asleep(struct st_slot *s, struct watched *w, uint32_t index)
{
    static uint8_t bytes[STACK_MAX];
    static struct st_py_raw py[ST_PY_MAX];
    struct st_sleep sleep;
    uint32_t seq = atomic_load(&s->seq);
    if (st_sleeping_in(s->tid, &sleep) < 0)
        return false;
    uint32_t stack = 0, len = 0;
    int py_len = 0;
    struct st_py_task task = {"", ""};
    if (sleep.sp) {
        uint64_t room = s->stack_hi > sleep.sp ? s->stack_hi - sleep.sp : STACK_MAX;
        len = (uint32_t)st_mem_read_some(sleep.sp, bytes, room < STACK_MAX ? room : STACK_MAX);
        uint64_t tstate =
            st_shared->py.version ? st_py_tstate_of(&st_shared->py, s->pthread, s->tid) : 0;
        if (tstate)
            py_len = st_py_walk_other(&st_shared->py, tstate, py, ST_PY_MAX);
        if (py_len > 0)
            st_py_task(&st_shared->py, tstate, py, py_len, &task);
    }
    struct st_sleep again;
    if (seq & 1 || atomic_load(&s->seq) != seq || *(volatile uint64_t *)&s->iter_t0 != w->t0 ||
        st_sleeping_in(s->tid, &again) < 0 || again.sp != sleep.sp || again.pc != sleep.pc)
        return false;
    if (len) {
        uint64_t regs[ST_REGS] = {[ST_RSP] = sleep.sp, [ST_RIP] = sleep.pc};
        st_unwind(regs, sleep.sp, bytes, len, &unwound);
        stack = st_record_stack(NULL, &unwound, py, py_len > 0 ? py_len : 0);
    }
    report(w, index, stack, age_ns(w, st_ticks_now()), &task);
    st_record_sample(w->stall, stack, &sleep, NULL, &task);
    w->samples++;
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
    /* all of it before the look that says that the call still lasted */
    const struct st_call *call = &st_shared->calls[p.call];
    st_what_remote(&what, call, p.args, st_ticks_to_ns(st_ticks_now() - t0));
    st_what_text(&what, call, detail, sizeof(detail));
    st_add_holder(s, &what, call, detail, sizeof(detail));
    if (!st_copy_progress(s, &p))
        return false;
    st_unwind(p.regs, p.regs[ST_RSP], p.stack, p.len, &unwound);
    uint32_t stack = st_record_stack(call, &unwound, p.py, p.py_len);
    report(w, index, stack, age_ns(w, st_ticks_now()), &p.task);
    st_record_sample(w->stall, stack, NULL, detail, &p.task);
    w->samples++;
    return true;
}

/* ---- watching ---- */

void st_note_frozen_call(uint32_t index, uint32_t generation, uint64_t t0, uint64_t frozen_ns)
{
    struct watched *w = &watched[index];
    if (w->generation == generation && w->t0 <= t0)
        w->frozen_found += frozen_ns;
}

static void look_at_figures(const struct st_slot *s, struct watched *w, uint64_t now)
{
    uint64_t run, wait;
    if (st_schedstat(s->tid, &run, &wait) < 0)
        return;
    if (!w->figures) {
        w->figures = true;
        w->base_at = now;
        w->base_run = run;
        w->base_wait = wait;
        w->base_throttled = st_throttled_ns();
    }
    w->last_at = now;
    w->last_run = run;
    w->last_wait = wait;
}

/* The calls that took most of an iteration. One that held a freeze was the longest of its kind.
 * Returns how much of the freezes lay in them. */
static uint64_t divide_calls(const struct st_iteration *it, struct st_time *t)
{
    uint64_t frozen = 0;
    for (int i = 0; i < ST_TOP_CALLS && it->top[i].count; i++) {
        uint64_t from = it->top[i].longest_t0, to = from + it->top[i].longest;
        uint64_t total = st_ticks_to_ns(it->top[i].ticks), held = st_frozen_ns(from, to);
        total -= held < total ? held : total;
        t->top[i].total = total;
        t->top[i].longest = st_unfrozen_ns(from, to);
        if (t->top[i].longest < total / it->top[i].count) /* another one is, now */
            t->top[i].longest = total / it->top[i].count;
        frozen += held;
    }
    return frozen;
}

/* Where the time of an iteration went. */
static void divide(const struct watched *w, const struct st_iteration *it, struct st_time *t)
{
    uint64_t elapsed = st_unfrozen_ns(it->t0, it->t0 + it->ticks);
    memset(t, 0, sizeof(*t));
    t->elapsed = elapsed;
    t->frozen = st_frozen_ns(it->t0, it->t0 + it->ticks);
    uint64_t frozen_calls = divide_calls(it, t);
    t->calls = st_ticks_to_ns(it->calls);
    t->calls -= frozen_calls < t->calls ? frozen_calls : t->calls;
    if (t->calls > elapsed)
        t->calls = elapsed;
    t->found = st_ticks_to_ns(it->found);
    t->found -= frozen_calls < t->found ? frozen_calls : t->found;
    uint64_t rest = elapsed - t->calls;
    uint64_t span = w->figures ? st_ticks_to_ns(w->last_at - w->base_at) : 0;
    uint64_t frozen = w->figures ? st_frozen_ns(w->base_at, w->last_at) : 0;
    span = span > frozen ? span - frozen : 0;
    if (span) {
        /* the share of the time that was watched stands for the whole */
        double scale = (double)elapsed / (double)span;
        uint64_t run = (uint64_t)((double)(w->last_run - w->base_run) * scale);
        t->runnable = (uint64_t)((double)(w->last_wait - w->base_wait) * scale);
        if (t->runnable > rest)
            t->runnable = rest;
        uint64_t seen = run + t->runnable + t->calls;
        /* what is left is sleep, but for what the clock ticks of the figures blur */
        t->asleep = seen < elapsed && elapsed - seen > elapsed / 50 ? elapsed - seen : 0;
        uint64_t throttled = st_throttled_ns();
        if (throttled > w->base_throttled)
            t->throttled = throttled - w->base_throttled;
    }
    t->cpu = rest > t->runnable + t->asleep ? rest - t->runnable - t->asleep : 0;
}

/* Iterations that were over their threshold and have ended. */
void st_take_iteration_ends(uint32_t index)
{
    struct st_slot *s = &st_shared->slots[index];
    struct watched *w = &watched[index];
    uint32_t tail = atomic_load_explicit(&s->iterations_tail, memory_order_relaxed);
    /* acquire: the entry was written before the head moved */
    uint32_t head = atomic_load_explicit(&s->iterations_head, memory_order_acquire);
    for (; tail != head; tail++) {
        const struct st_iteration *it = &s->over[tail % ST_ITERATIONS];
        bool known = w->generation == s->generation && w->t0 == it->t0;
        if (!known)
            *w = (struct watched){.number = it->number, .t0 = it->t0, .generation = s->generation};
        struct st_time time;
        divide(w, it, &time);
        if (time.elapsed > time.found &&
            time.elapsed - time.found >= st_shared->settings->iteration_ns)
            report(w, index, 0, time.elapsed, NULL);
        if (w->stall) {
            st_record_iteration_end(w->stall, &time, it);
            w->stall = 0;
        }
    }
    atomic_store_explicit(&s->iterations_tail, tail, memory_order_release);
}

static uint64_t sample(struct st_slot *s, struct watched *w, uint32_t index, uint64_t age)
{
    enum { SOON_NS = 1000000, TRIES = 20 };
    if (w->samples >= MAX_SAMPLES)
        return UINT64_MAX;
    if (age < w->next_ns)
        return w->next_ns - age;
    char state = st_thread_state(s->tid);
    uint32_t seq = atomic_load(&s->seq);
    bool done = false;
    if (seq & 1)
        done = sample_call(s, w, index, seq);
    else if (state == 'R')
        done = send_signal(s);
    else if (state == 'S' || state == 'D')
        done = sample_asleep(s, w, index);
    if (!done && ++w->tries < TRIES)
        return SOON_NS;
    if (!done)
        report(w, index, 0, age, NULL);
    w->tries = 0;
    /* low, and lower the longer it lasts */
    if (w->samples && w->samples % 8 == 0)
        w->gap_ns *= 2;
    w->next_ns = age + w->gap_ns;
    return done && state == 'R' ? SOON_NS : w->gap_ns;
}

/* Looks at the iteration that a slot is in; returns in how many ns it wants to be looked at again.
 */
uint64_t st_look_at_iteration(uint32_t index)
{
    struct st_slot *s = &st_shared->slots[index];
    struct watched *w = &watched[index];
    uint64_t threshold = st_shared->settings->iteration_ns;
    uint8_t state = atomic_load_explicit(&s->state, memory_order_acquire);
    if (state != ST_SLOT_LIVE && state != ST_SLOT_ENDED)
        return UINT64_MAX;
    st_take_iteration_ends(index);
    uint64_t t0 = *(volatile uint64_t *)&s->iter_t0;
    if (state != ST_SLOT_LIVE || !t0 || *(volatile bool *)&s->at_home ||
        atomic_load(&s->home_closed) || atomic_load(&s->allowed))
        return UINT64_MAX;
    uint64_t now = st_ticks_now();
    if (now < t0 || st_ending) /* its thread is in exit() and waits for us: that is no sample */
        return UINT64_MAX;
    if (w->generation != s->generation || w->t0 != t0)
        *w = (struct watched){.number = s->iterations,
                              .t0 = t0,
                              .generation = s->generation,
                              .next_ns = threshold,
                              .gap_ns = FIRST_GAP_NS};
    uint64_t age = age_ns(w, now);
    if (age < WATCHED_AFTER_NS && age < threshold)
        return UINT64_MAX;
    look_at_figures(s, w, now);
    if (w->stall && age >= w->still_ns)
        w->still_ns = st_record_stall_still(w->stall, age);
    /* what is reported already, or is being: the call that it is in, if that has been claimed */
    uint64_t found = s->found - s->iter_found;
    uint32_t seq = atomic_load(&s->seq);
    uint64_t found_ns = st_ticks_to_ns(found);
    if (seq & 1 && atomic_load(&s->claim) == seq)
        found_ns += st_unfrozen_ns(s->t0, now);
    found_ns -= w->frozen_found < found_ns ? w->frozen_found : found_ns;
    uint64_t unexplained = age > found_ns ? age - found_ns : 0;
    if (unexplained < threshold)
        return threshold - unexplained;
    return sample(s, w, index, age);
}
