/* Which path a call was made on, and whether that has been copied before. See ../repeat.h. */
#include "probe/host/host.h"

#include "contract/repeat.h"

#include <linux/futex.h>
#include <sys/syscall.h>

enum { COPIES = 50, SHORT_NS = 1000000 };

static struct st_repeat repeats[ST_REPEATS];
static _Atomic bool used;

/* Return addresses are what lies near the code that called; more than those is no harm, since a
 * path that is taken for a new one is only copied once more. */
static uint64_t mix_native(uint64_t hash, const struct st_slot *s)
{
    enum { WORDS = 128, FRAMES = 32, NEAR = 1 << 24 };
    const uint64_t *word = (const uint64_t *)(uintptr_t)(s->regs[ST_SP] & ~7ul);
    const uint64_t *end = (const uint64_t *)(uintptr_t)s->stack_hi;
    if ((uintptr_t)word < s->stack_lo || word >= end)
        return hash; /* a coroutine's stack: its bounds are not known */
    for (int i = 0; i < WORDS && word + i < end; i++)
        if (word[i] - s->regs[ST_PC] + NEAR < 2 * NEAR)
            hash = st_mix(hash, word[i]);
    /* code that keeps frame pointers, as what a JIT compiler writes does */
    const uint64_t *frame = (const uint64_t *)(uintptr_t)s->regs[ST_FP];
    for (int i = 0; i < FRAMES && !((uintptr_t)frame & 7) && frame > word && frame + 1 < end; i++) {
        hash = st_mix(hash, frame[1]);
        word = frame;
        frame = (const uint64_t *)(uintptr_t)frame[0];
    }
    return hash;
}

/* The path, the loop, and how it is reported. */
static uint64_t key_of(const struct st_slot *s, unsigned class, bool strict)
{
    enum { PYTHON_FRAMES = 32 };
    struct st_py_raw raw[PYTHON_FRAMES];
    uint64_t hash = st_mix(s->call, (uint64_t)s->index << 32 | s->generation);
    hash = st_mix(hash, class << 1 | strict);
    hash = st_mix(hash, s->regs[ST_PC]);
    hash = st_mix(hash, s->regs[ST_SP]);
    int n = st_capture_python(raw, PYTHON_FRAMES, st_read_own, NULL);
    for (int i = 0; i < n; i++)
        hash = st_mix(st_mix(hash, raw[i].code), raw[i].instr);
    if (n <= 0)
        hash = mix_native(hash, s);
    return hash ? hash : 1;
}

struct st_repeat *st_repeat_find(const struct st_slot *s, unsigned class, bool strict)
{
    if (!strict && st_settings.threshold_ns[class] >= SHORT_NS && !s->perhaps)
        return NULL; /* there is time to copy it, however often it comes */
    atomic_store_explicit(&used, true, memory_order_relaxed);
    return st_repeat_of(repeats, key_of(s, class, strict));
}

bool st_repeat_enough(struct st_repeat *r, uint64_t ticks)
{
    return (double)ticks * st_shared.ns_per_tick < SHORT_NS &&
           atomic_load_explicit(&r->copied, memory_order_relaxed) >= COPIES;
}

bool st_repeat_count(struct st_repeat *r, uint64_t ticks)
{
    if (atomic_load_explicit(&r->copied, memory_order_relaxed) == 0)
        return false;
    uint64_t longest = atomic_load_explicit(&r->longest, memory_order_relaxed);
    while (ticks > longest && !atomic_compare_exchange_weak(&r->longest, &longest, ticks)) {
    }
    atomic_fetch_add_explicit(&r->ticks, ticks, memory_order_relaxed);
    /* release: the agent takes the sum after the count */
    atomic_fetch_add_explicit(&r->count, 1, memory_order_release);
    atomic_store_explicit(&st_shared.repeated, true, memory_order_relaxed);
    return true;
}

/* All buffers are full of others: the agent is asked to hurry, and the thread waits a moment. For a
 * few ms in all, since the program would be late for our sake; what it costs is no iteration's
 * (`held`) and told in the loop's figures. */
struct st_capture *st_repeat_wait(void)
{
    enum { TRIES = 5, ONCE_NS = 500000, IN_ALL_NS = 5000000 };
    static _Atomic uint64_t spent; /* ns */
    struct st_capture *c = NULL;
    if (st_is_filtered() || st_agent_state() != ST_AGENT_RUNNING || !st_same_process())
        return NULL;
    uint64_t since = st_now();
    for (int i = 0; !c && i < TRIES && atomic_load(&spent) < IN_ALL_NS; i++) {
        struct timespec patience = {0, ONCE_NS};
        uint32_t taken = atomic_load(&st_shared.taken);
        uint64_t began = st_clock_ns();
        st_wake_agent();
        ST_RAW(SYS_futex, &st_shared.taken, FUTEX_WAIT_PRIVATE, taken, &patience);
        c = st_capture_take();
        atomic_fetch_add(&spent, st_clock_ns() - began);
    }
    st_held_up(st_self, since);
    return c;
}

void st_repeat_init(void)
{
    st_shared.repeats = repeats;
}

/* In a forked child: those were the parent's. */
void st_repeat_child(void)
{
    for (unsigned i = 0; atomic_load(&used) && i < ST_REPEATS; i++) {
        atomic_store_explicit(&repeats[i].key, 0, memory_order_relaxed);
        atomic_store_explicit(&repeats[i].copied, 0, memory_order_relaxed);
        atomic_store_explicit(&repeats[i].counter, 0, memory_order_relaxed);
        atomic_store_explicit(&repeats[i].count, 0, memory_order_relaxed);
        atomic_store_explicit(&repeats[i].ticks, 0, memory_order_relaxed);
        atomic_store_explicit(&repeats[i].longest, 0, memory_order_relaxed);
    }
    atomic_store(&used, false);
    atomic_store(&st_shared.repeated, false);
}
