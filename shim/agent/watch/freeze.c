/* Stretches of time in which the process did not exist for the scheduler: stopped by a signal or a
 * debugger, frozen with its container. The agent's own time tells: a sleep that was much too long,
 * or a round in which it neither ran nor waited for a processor nor for a disk. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/kernel.h"

#include <string.h>
#include <sys/resource.h>

enum { FREEZES = 16, ASLEEP_NOTICED_NS = 60000000, BUSY_NOTICED_NS = 200000000 };
/* What stops a process for a while again and again (cpulimit) must not fill the trace. */
enum { WRITTEN_SINGLY = 1000 };

static struct st_freeze freezes[FREEZES];
static uint64_t count;
static uint64_t pending, pending_ns; /* not yet written */

/* What the agent had used up, and when. */
static struct used {
    uint64_t at, run, waited, writing;
    long disk;
} asleep, awake; /* as its sleep began, and as it ended */

void st_freezes_reset(void)
{
    memset(freezes, 0, sizeof(freezes));
    count = pending = pending_ns = 0;
}

uint64_t st_frozen_ns(uint64_t from, uint64_t to)
{
    uint64_t ticks = 0;
    unsigned n = count < FREEZES ? (unsigned)count : FREEZES;
    for (unsigned i = 0; i < n; i++) {
        const struct st_freeze *f = &freezes[i];
        uint64_t a = f->from > from ? f->from : from;
        uint64_t b = f->to < to ? f->to : to;
        if (a < b && to > f->began_by) /* what ended before that had ended before the freeze */
            ticks += b - a < f->ticks ? b - a : f->ticks;
    }
    return st_ticks_to_ns(ticks);
}

uint64_t st_unfrozen_ns(uint64_t from, uint64_t to)
{
    uint64_t ns = to > from ? st_ticks_to_ns(to - from) : 0, frozen = st_frozen_ns(from, to);
    return ns > frozen ? ns - frozen : 0;
}

static uint64_t to_ticks(uint64_t ns)
{
    return (uint64_t)((double)ns / st_shared->ns_per_tick);
}

static bool look_at_used(struct used *u)
{
    struct rusage usage;
    memset(&usage, 0, sizeof(usage));
    u->at = st_ticks_now();
    u->writing = js_writing_ticks();
    syscall(SYS_getrusage, RUSAGE_THREAD, &usage);
    u->disk = usage.ru_majflt + usage.ru_inblock;
    return st_schedstat((pid_t)syscall(SYS_gettid), &u->run, &u->waited) == 0;
}

static void note(const struct st_freeze *f)
{
    freezes[count % FREEZES] = *f;
    if (count++ < WRITTEN_SINGLY) {
        st_record_frozen(f, 1, st_ticks_to_ns(f->ticks));
    } else {
        pending++;
        pending_ns += st_ticks_to_ns(f->ticks);
    }
}

/* The round that ends here: the agent waits for nothing in it but for memory and files. */
void st_freeze_before_sleep(void)
{
    bool known = look_at_used(&asleep);
    uint64_t round = asleep.at - awake.at;
    if (!known || awake.at == 0 || st_ticks_to_ns(round) < BUSY_NOTICED_NS ||
        asleep.disk != awake.disk)
        return;
    uint64_t used = to_ticks(asleep.run - awake.run + asleep.waited - awake.waited) +
                    asleep.writing - awake.writing;
    uint64_t frozen = round > used ? round - used : 0;
    if (st_ticks_to_ns(frozen) < BUSY_NOTICED_NS)
        return;
    note(&(struct st_freeze){
        .from = awake.at, .began_by = asleep.at - frozen, .to = asleep.at, .ticks = frozen});
}

/* When the freeze began is not known: some time in the sleep as it was meant to be, which is at
 * most the least threshold and a bit. All of it is taken for frozen: what a call or an iteration
 * had done before is too little to be told from the freeze, and must not be blamed. */
void st_freeze_after_sleep(uint64_t asked_ns)
{
    awake = asleep;
    awake.at = st_ticks_now();
    uint64_t slept = st_ticks_to_ns(awake.at - asleep.at);
    if (slept < asked_ns + ASLEEP_NOTICED_NS || !look_at_used(&awake))
        return;
    uint64_t runnable = awake.waited - asleep.waited;
    if (runnable > (slept - asked_ns) / 2)
        return; /* the machine is busy: so may the program be kept waiting, and that is told apart
                 */
    /* the loop went on while the agent still waited for a processor */
    uint64_t to = awake.at - to_ticks(runnable);
    note(&(struct st_freeze){.from = asleep.at,
                             .began_by = asleep.at + to_ticks(asked_ns),
                             .to = to,
                             .ticks = to - asleep.at});
}

void st_freezes_write(void)
{
    if (pending)
        st_record_frozen(NULL, pending, pending_ns);
    pending = pending_ns = 0;
}

uint64_t st_divide_calls(const struct st_iteration *it, struct st_time *t)
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
