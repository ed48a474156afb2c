/* Readings of schedstat, and what they say about a span of time. See starved.h. */
#include "starved.h"

#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/kernel.h"
#include "agent/base/rows.h"

#include <string.h>
#include <time.h>

enum { READINGS = 32, AT_ONCE_NS = 1000000 };
/* From this age on a call or an iteration may become a finding: its thread is asked whether it
 * sleeps, too. Of others that run, at most so many are read in one look: with a thousand loops. */
enum { CLOSELY_AFTER_NS = 4000000, READ_IN_ONE_LOOK = 32 };

struct reading {
    uint64_t at;        /* ticks */
    uint64_t wait, cpu; /* ns */
    bool closely;       /* it was asked whether the thread slept, */
    bool asleep;        /* and it did: `wait` is exact */
};

struct readings {
    uint32_t generation;
    uint32_t count;
    uint32_t seq; /* at the last one */
    uint64_t iterations;
    bool at_home;
    uint64_t begun[2]; /* the call and the iteration that the thread was in at the last look */
    struct reading all[READINGS]; /* oldest first */
};
ST_ROWS(readings, struct readings)

static uint64_t noted, noted_ns, written; /* verdicts that left time out */
static bool unreadable;                   /* and that it was said */

void st_starved_reset(void)
{
    st_rows_clear(&readings_rows, sizeof(struct readings));
    noted = noted_ns = written = 0;
    unreadable = false;
}

/* The CPU clock of another thread of this process: current, where schedstat's is as of the last
 * tick. */
static uint64_t cpu_ns(pid_t tid)
{
    enum { PER_THREAD = 4, SCHED = 2 };
    struct timespec t = {0, 0};
    int clock = (int)(~(unsigned)tid << 3 | PER_THREAD | SCHED);
    syscall(SYS_clock_gettime, clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool read_now(pid_t tid, bool closely, struct reading *r)
{
    uint64_t run;
    memset(r, 0, sizeof(*r));
    r->at = st_ticks_now();
    if (st_schedstat(tid, &run, &r->wait) < 0)
        return false;
    r->cpu = cpu_ns(tid);
    char state = closely ? st_thread_state(tid) : 'R';
    r->closely = closely;
    /* in between it may have waited for a processor; not for long, if this thread did not */
    r->asleep =
        (state == 'S' || state == 'D') && st_ticks_to_ns(st_ticks_now() - r->at) < AT_ONCE_NS;
    return true;
}

/* Makes room. The readings just before and after where a call or an iteration began are kept, also
 * of those that were going on at the last look: their end may not have been taken yet. Of the
 * others the one goes that lies nearest between its neighbours. */
static void thin_out(struct readings *all, const struct st_slot *s)
{
    uint64_t begun[4] = {*(volatile const uint64_t *)&s->t0,
                         *(volatile const uint64_t *)&s->iter_t0, all->begun[0], all->begun[1]};
    uint32_t drop = 0;
    uint64_t least = UINT64_MAX, oldest = UINT64_MAX;
    for (int k = 0; k < 4; k++)
        oldest = begun[k] && begun[k] < oldest ? begun[k] : oldest;
    for (uint32_t i = 1; i + 1 < all->count; i++) {
        bool between = false;
        for (int k = 0; k < 4; k++)
            between |= begun[k] >= all->all[i - 1].at && begun[k] <= all->all[i + 1].at;
        uint64_t gap = all->all[i + 1].at - all->all[i - 1].at;
        if (!between && gap < least) {
            least = gap;
            drop = i;
        }
    }
    /* what lies before everything that goes on is of no use any more */
    if (all->all[1].at < oldest)
        drop = 0;
    all->count--;
    memmove(&all->all[drop], &all->all[drop + 1], (all->count - drop) * sizeof(all->all[0]));
}

static void add(struct readings *all, const struct st_slot *s, const struct reading *r)
{
    if (all->count == READINGS)
        thin_out(all, s);
    all->all[all->count++] = *r;
}

static struct readings *readings_of(uint32_t index)
{
    struct readings *all = readings_at(index);
    const struct st_slot *s = st_slot_at(st_shared, index);
    if (all->generation != s->generation) {
        memset(all, 0, sizeof(*all));
        all->generation = s->generation;
    }
    return all;
}

static void cannot_read(struct st_slot *s)
{
    uint64_t run, wait;
    uint8_t live = ST_SLOT_LIVE;
    if (st_schedstat((pid_t)syscall(SYS_gettid), &run, &wait) == 0) {
        /* It has ended past libc, by a system call of its own; else it would have said so. */
        if (syscall(SYS_tgkill, getpid(), s->tid, 0) != 0 &&
            atomic_compare_exchange_strong(&s->state, &live, ST_SLOT_ENDED))
            s->end_reason = ST_END_THREAD;
    } else if (!unreadable) {
        unreadable = true;
        st_record_notice("schedstat", "the kernel does not tell how long threads waited for a CPU "
                                      "(/proc/self/schedstat): such time counts as the program's");
    }
}

static bool read_slot(uint32_t index, bool closely)
{
    struct readings *all = readings_of(index);
    struct st_slot *s = st_slot_at(st_shared, index);
    struct reading r;
    if (!read_now(s->tid, closely, &r)) {
        cannot_read(s);
        return false;
    }
    add(all, s, &r);
    return true;
}

/* Is the thread in a call, or an iteration, that has lasted for a while? */
static bool lasts(const struct st_slot *s, uint32_t seq, bool at_home, uint64_t now)
{
    uint64_t t0 = *(volatile const uint64_t *)&s->t0;
    uint64_t iter_t0 = *(volatile const uint64_t *)&s->iter_t0;
    return (seq & 1 && now > t0 && st_ticks_to_ns(now - t0) >= CLOSELY_AFTER_NS) ||
           (!at_home && iter_t0 && now > iter_t0 &&
            st_ticks_to_ns(now - iter_t0) >= CLOSELY_AFTER_NS);
}

static bool look(uint32_t index, unsigned *read)
{
    const struct st_slot *s = st_slot_at(st_shared, index);
    struct readings *all = readings_of(index);
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    uint64_t iterations = *(volatile const uint64_t *)&s->iterations;
    bool at_home = *(volatile const bool *)&s->at_home;
    bool runs = all->count == 0 || all->seq != seq || all->iterations != iterations ||
                all->at_home != at_home || !at_home;
    if (!runs)
        return false;
    bool closely = lasts(s, seq, at_home, st_ticks_now());
    if (!closely && ++*read > READ_IN_ONE_LOOK)
        return true;
    all->seq = seq;
    all->iterations = iterations;
    all->at_home = at_home;
    read_slot(index, closely);
    all->begun[0] = *(volatile const uint64_t *)&s->t0;
    all->begun[1] = *(volatile const uint64_t *)&s->iter_t0;
    return true;
}

bool st_starved_look_at_all(void)
{
    bool any = false;
    unsigned read = 0;
    uint32_t high = atomic_load_explicit(&st_shared->slot_high, memory_order_acquire);
    for (uint32_t i = 0; i < high; i++)
        if (atomic_load_explicit(&st_slot_at(st_shared, i)->state, memory_order_acquire) ==
            ST_SLOT_LIVE)
            any |= look(i, &read);
    return any;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Without the time for which the process was stopped. */
static uint64_t span_ns(uint64_t from, uint64_t to)
{
    return st_unfrozen_ns(from, to);
}

/* What bounds a span: the last reading before it, the first and the last in it that are exact, the
 * first and the last in it at all, the first after it. NULL: there is none. */
struct bounds {
    const struct reading *before, *first, *last, *first_exact, *last_exact, *after;
};

static struct bounds bounds_of(const struct readings *all, uint64_t from, uint64_t to)
{
    static const struct reading beginning; /* a thread begins without having waited */
    struct bounds b = {.before = &beginning};
    for (uint32_t i = 0; i < all->count; i++) {
        const struct reading *r = &all->all[i];
        if (r->at <= from) {
            b.before = r;
        } else if (r->at >= to) {
            b.after = r;
            break;
        } else {
            b.first = b.first ? b.first : r;
            b.last = r;
            if (r->asleep) {
                b.first_exact = b.first_exact ? b.first_exact : r;
                b.last_exact = r;
            }
        }
    }
    return b;
}

/* Of the CPU time between two readings, what must have been in the part of that length, since the
 * rest of the time between them cannot hold it. */
static uint64_t cpu_at_least(const struct reading *a, const struct reading *b, uint64_t part_ns)
{
    uint64_t rest = less(span_ns(a->at, b->at), part_ns);
    return less(less(b->cpu, a->cpu), rest);
}

/* Time on a CPU is not starved. */
static uint64_t without_cpu(const struct bounds *b, uint64_t from, uint64_t to, uint64_t ns)
{
    if (b->first) {
        uint64_t cpu = b->last->cpu - b->first->cpu;
        if (b->before->at)
            cpu += cpu_at_least(b->before, b->first, span_ns(from, b->first->at));
        if (b->after && b->after != b->last)
            cpu += cpu_at_least(b->last, b->after, span_ns(b->last->at, to));
        ns = lesser(ns, less(span_ns(from, to), cpu));
    }
    if (b->after && b->before->at)
        ns = lesser(ns, less(span_ns(b->before->at, b->after->at), b->after->cpu - b->before->cpu));
    return ns;
}

uint64_t st_starved_ns(uint32_t index, uint64_t from, uint64_t to)
{
    struct readings *all = readings_of(index);
    struct bounds b = bounds_of(all, from, to);
    if (!b.after) {
        read_slot(index, false);
        b = bounds_of(all, from, to);
    }
    const struct reading *after = b.after ? b.after : b.last;
    if (!after)
        return 0;
    uint64_t ns;
    if (b.first_exact)
        ns = lesser(span_ns(from, b.first_exact->at), less(b.first_exact->wait, b.before->wait)) +
             less(b.last_exact->wait, b.first_exact->wait) +
             lesser(span_ns(b.last_exact->at, to), less(after->wait, b.last_exact->wait));
    else
        ns = lesser(span_ns(from, to), less(after->wait, b.before->wait));
    return without_cpu(&b, from, to, lesser(ns, span_ns(from, to)));
}

uint64_t st_starved_so_far_ns(uint32_t index, uint64_t from, uint64_t *at_least)
{
    struct readings *all = readings_of(index);
    const struct reading *now = all->count ? &all->all[all->count - 1] : NULL;
    if (!now || !now->closely || now->at <= from || span_ns(now->at, st_ticks_now()) > AT_ONCE_NS) {
        if (!read_slot(index, true))
            return *at_least = 0;
        now = &all->all[all->count - 1];
    }
    struct bounds b = bounds_of(all, from, now->at);
    uint64_t least = b.first ? less(now->wait, b.first->wait) : 0, most;
    *at_least = least;
    if (now->asleep && !b.first_exact)
        most = lesser(span_ns(from, now->at), less(now->wait, b.before->wait));
    else if (now->asleep)
        most = lesser(span_ns(from, b.first_exact->at), less(b.first_exact->wait, b.before->wait)) +
               less(now->wait, b.first_exact->wait);
    else if (b.first_exact) /* ready: since it last slept, perhaps */
        most = lesser(span_ns(from, b.first_exact->at), less(b.first_exact->wait, b.before->wait)) +
               less(b.last_exact->wait, b.first_exact->wait) + span_ns(b.last_exact->at, now->at);
    else
        most = span_ns(from, now->at);
    b.after = now;
    if (b.last)
        b.last = now; /* its CPU time counts in full, too */
    return without_cpu(&b, from, now->at, lesser(most, span_ns(from, now->at)));
}

bool st_starved_cpu_ns(uint32_t index, uint64_t from, uint64_t to, uint64_t *cpu)
{
    struct readings *all = readings_of(index);
    struct bounds b = bounds_of(all, from, to);
    if (!b.after && read_slot(index, false))
        b = bounds_of(all, from, to);
    uint64_t span = span_ns(from, to);
    uint64_t inside = b.first ? span_ns(b.first->at, b.last->at) : 0;
    if (inside >= span / 2 && inside > 0) { /* it stands for the whole */
        double share = (double)(b.last->cpu - b.first->cpu) / (double)inside;
        *cpu = (uint64_t)(share * (double)span);
    } else if (b.after && b.before->at &&
               span_ns(b.before->at, b.after->at) <= span + span / 4 + AT_ONCE_NS) {
        *cpu = b.after->cpu - b.before->cpu;
    } else {
        return false;
    }
    *cpu = lesser(*cpu, span);
    return true;
}

/* ---- holders ---- */

void st_holder_begin(struct st_holder *h, int32_t tid)
{
    memset(h, 0, sizeof(*h));
    if (tid <= 0 || st_schedstat(tid, &h->run, &h->wait) < 0)
        return;
    h->run = cpu_ns(tid);
    h->tid = tid;
    h->ready = st_thread_state(tid) == 'R';
    h->first_at = st_ticks_now();
}

bool st_holder_is_starved(const struct st_holder *h)
{
    return h->ready && h->wait > h->run / 4;
}

uint64_t st_holder_starved_ns(const struct st_holder *h, uint64_t from, uint64_t to)
{
    uint64_t run, wait;
    if (!h->tid)
        return 0;
    uint64_t early = h->ready ? span_ns(from, h->first_at) : 0;
    if (st_schedstat(h->tid, &run, &wait) < 0)
        return lesser(early, span_ns(from, to));
    run = less(cpu_ns(h->tid), h->run);
    wait = less(wait, h->wait);
    /* It was ready at first sight. What it did since tells what it was doing: one that always ran
     * had its CPU before, too. */
    if (early && run > 0)
        early = (uint64_t)((double)early * (double)wait / (double)(wait + run));
    return lesser(early + wait, span_ns(from, to));
}

/* ---- what the report says once ---- */

void st_starved_note(uint64_t ns)
{
    if (!ns)
        return;
    noted++;
    noted_ns += ns;
}

void st_starved_write(void)
{
    if (noted == written)
        return;
    written = noted;
    js_begin("starved");
    js_number("count", noted);
    js_number("elapsed_ns", noted_ns);
    js_end();
}
