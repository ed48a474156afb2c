/* What lies between two home waits: iterations, counted and measured by their own thread. */
#include "probe/probe.h"

/* The iteration that ends now is one of the longest so far. */
static void ST_COLD keep_longest(struct st_slot *s, uint64_t ticks, uint64_t calls)
{
    unsigned i = ST_LONGEST - 1;
    for (; i > 0 && s->longest[i - 1].ticks < ticks; i--)
        s->longest[i] = s->longest[i - 1];
    s->longest[i] = (struct st_long){.t0 = s->iter_t0, .ticks = ticks, .calls = calls};
}

/* An iteration that lasted for its threshold, or was reported while it ran: what it was made of,
 * for the agent, before that is forgotten. */
static void ST_COLD tell_iteration(struct st_slot *s, uint64_t ticks)
{
    uint32_t head = atomic_load_explicit(&s->iterations_head, memory_order_relaxed);
    /* acquire: the agent is done with the entry */
    uint32_t tail = atomic_load_explicit(&s->iterations_tail, memory_order_acquire);
    if (head - tail >= ST_ITERATIONS)
        return; /* the agent finds out that it has ended, and ends it itself */
    struct st_iteration *it = &s->over[head % ST_ITERATIONS];
    *it = (struct st_iteration){.number = s->iterations,
                                .t0 = s->iter_t0,
                                .ticks = ticks,
                                .held = s->held - s->iter_held,
                                .calls = s->in_calls - s->iter_calls,
                                .found = s->found - s->iter_found};
    for (uint32_t call = 0; call < st_shared.call_count; call++) {
        const struct st_sum *sum = &s->sums[call];
        if (sum->iteration != (uint32_t)s->iterations || !sum->count ||
            sum->ticks <= it->top[ST_TOP_CALLS - 1].ticks)
            continue;
        unsigned i = ST_TOP_CALLS - 1;
        for (; i > 0 && it->top[i - 1].ticks < sum->ticks; i--)
            it->top[i] = it->top[i - 1];
        it->top[i].call = call;
        it->top[i].count = sum->count;
        it->top[i].ticks = sum->ticks;
        it->top[i].longest = sum->longest;
        it->top[i].longest_t0 = sum->longest_t0;
    }
    /* release: the agent reads the entry after the new head */
    atomic_store_explicit(&s->iterations_head, head + 1, memory_order_release);
}

/* A look saw that the loop did not run in the iteration that ends now. */
static bool ST_COLD leave_out(struct st_slot *s)
{
    if (atomic_load_explicit(&s->stopped, memory_order_relaxed) != (uint32_t)s->iterations + 1)
        return false;
    s->left_out++;
    return true;
}

/* Everything about the iteration but its number, which st_home_begin moves on at last. */
static inline void end_iteration(struct st_slot *s, uint64_t now)
{
    if (ST_UNLIKELY(atomic_load_explicit(&s->stopped, memory_order_relaxed)) && leave_out(s))
        return;
    uint64_t ticks = now - s->iter_t0, calls = s->in_calls - s->iter_calls;
    uint64_t held = s->held - s->iter_held;
    if (ST_UNLIKELY(held))
        ticks -= held < ticks ? held : ticks;
    s->busy += ticks;
    s->iter_hist[st_hist_bucket(ticks)]++;
    if (calls)
        s->calls_hist[st_hist_bucket(calls)]++;
    if (ST_UNLIKELY(ticks > s->longest[ST_LONGEST - 1].ticks)) {
        keep_longest(s, ticks, calls);
        s->iter_max = s->longest[0].ticks;
    }
    /* Whether findings explain it, or the machine, is for the agent to say. */
    if (ST_UNLIKELY(ticks >= st_iteration_ticks ||
                    atomic_load_explicit(&s->reported, memory_order_relaxed) == s->iter_t0))
        tell_iteration(s, ticks);
}

/* The agent reads `iterations`, `at_home`, `iter_t0`, and the first two again, while the thread
 * goes on. So the order counts (the processor keeps that of stores; the fences hold the compiler
 * back): what an iteration leaves, then at_home, then the next number; and iter_t0 before at_home
 * is taken back. Whoever sees the number moved on, or at_home, sees the entry in `over` if there is
 * one. */
static void begin_home(struct st_slot *s, uint64_t now)
{
    bool ends = s->iter_t0 && !s->at_home;
    if (ST_LIKELY(ends))
        end_iteration(s, now);
    s->home_t0 = now;
    atomic_signal_fence(memory_order_seq_cst);
    s->at_home = true;
    atomic_signal_fence(memory_order_seq_cst);
    if (ST_LIKELY(ends))
        s->iterations++;
}

void st_home_begin(struct st_slot *s)
{
    uint64_t now = st_now();
    begin_home(s, now);
    if (ST_UNLIKELY(atomic_load_explicit(&st_agent_wanted, memory_order_relaxed)))
        st_agent_return(); /* in no iteration: this takes its time */
    /* as in st_enter: the agent sees to the order, by membarrier */
    atomic_signal_fence(memory_order_seq_cst);
    if (ST_UNLIKELY(atomic_load_explicit(&s->sampling, memory_order_relaxed)))
        st_wait_sample(s);
}

void st_home_end(struct st_slot *s)
{
    uint64_t now = st_now(), ticks = now - s->home_t0;
    s->waited += ticks;
    s->wait_hist[st_hist_bucket(ticks)]++;
    s->iter_calls = s->in_calls;
    s->iter_found = s->found;
    s->iter_held = s->held;
    s->iter_t0 = now;
    atomic_signal_fence(memory_order_seq_cst);
    s->at_home = false;
}

/* The loop ends in the middle of an iteration: that ends here, and none follows. */
void st_last_iteration(struct st_slot *s)
{
    if (!s->iter_t0 || s->at_home)
        return;
    begin_home(s, st_now());
}

void st_exit_in_iteration(struct st_slot *s)
{
    if (atomic_load(&s->reported) == s->iter_t0)
        st_last_iteration(s);
}

/* Of the threads that share an epoll fd (tokio's workers, Asio's), one waits there; the others wait
 * on a condition or a futex until they are needed, and no iteration of theirs goes on meanwhile.
 * What a handler waits for in the same way cannot be told from it here: it is a call like any
 * other, and only left out of the iterations. */
bool st_rest_begin(struct st_slot *s)
{
    if (ST_LIKELY(!atomic_load_explicit(&s->shared, memory_order_relaxed)) || !s->iter_t0 ||
        atomic_load_explicit(&s->seq, memory_order_relaxed) & 1)
        return false;
    st_home_begin(s);
    return true;
}

void st_rest_end(struct st_slot *s, bool rests)
{
    /* not where a signal handler has jumped out of it */
    if (rests && s->at_home)
        st_home_end(s);
}
