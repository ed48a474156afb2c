/* See counters.h. */
#include "counters.h"

#include "contract/repeat.h"

#include <string.h>

enum { WRITTEN_SINGLY = 50, COUNTERS = 8192, TRIES = 64 };

static struct st_counter {
    struct st_stall like; /* its loop, stack, call, class, strict */
    bool used;
    bool counts; /* some are not written one by one */
    bool lost;   /* there is no room to write how many */
    uint64_t written;
    uint64_t pending, total_ns, starved_ns, max_ns, last_ns; /* not yet written */
} counters[COUNTERS];
static struct st_counter *order[COUNTERS]; /* those in use, as they came */
static unsigned used;

static uint64_t said;      /* dropped stalls, as written */
static uint64_t uncounted; /* stalls that not even a counter was free for */

void st_counters_reset(void)
{
    for (; used; used--)
        memset(order[used - 1], 0, sizeof(*order[0]));
    uncounted = said = 0;
}

/* All of a place together, under its first stack. */
static struct st_counter *counter_of(const struct st_stall *stall, const struct st_place *place)
{
    struct st_stall like = *stall, *s = &like;
    like.stack = place && place->stack ? place->stack : stall->stack;
    unsigned i = (s->stack * 2654435761u ^ s->loop * 40503u ^ s->strict) % COUNTERS;
    for (int tries = 0; tries < TRIES; tries++, i = (i + 1) % COUNTERS) {
        struct st_counter *c = &counters[i];
        if (!c->used) {
            c->used = true;
            c->like = *s;
            c->like.detail = NULL;
            c->like.task = NULL;
            c->like.held = NULL;
            order[used++] = c;
            return c;
        }
        if (c->like.stack == s->stack && c->like.loop == s->loop && c->like.strict == s->strict &&
            c->like.class == s->class && c->like.call == s->call &&
            c->like.wait_kind == s->wait_kind)
            return c;
    }
    return NULL;
}

static void write_count(struct st_counter *c)
{
    if (!c->pending)
        return;
    if (c->lost) {
        st_count_unplaced(c->like.iteration ? "iteration" : c->like.call->name, c->pending);
        c->pending = c->total_ns = c->starved_ns = c->max_ns = 0;
        return;
    }
    struct st_many many = {c->pending, c->total_ns, c->starved_ns, c->max_ns, c->last_ns};
    if (st_record_more(&c->like, &many)) {
        c->pending = c->total_ns = c->starved_ns = c->max_ns = 0;
    } else if (st_ending) { /* nobody will ask again */
        c->lost = true;
        write_count(c);
    }
}

/* From here on it has something to write at the end: is there room for that? Else all that can be
 * said of it is that it is lost. */
static void begin_to_count(struct st_counter *c)
{
    enum { MORE_BYTES = 300 };
    if (c->counts)
        return;
    c->counts = true;
    c->lost = c->lost || !room_promise(MORE_BYTES);
}

/* What is counted on this path is no stall. */
enum { NO_STALL = UINT32_MAX };

void st_forget_path(uint64_t key)
{
    struct st_repeat *repeat = key ? st_repeat_of(st_shared->repeats, key) : NULL;
    if (repeat)
        atomic_store_explicit(&repeat->counter, NO_STALL, memory_order_relaxed);
}

/* What threads have counted themselves. What belongs to no copy yet stays where it is. */
static void take_repeats(void)
{
    if (!atomic_exchange(&st_shared->repeated, false))
        return;
    for (unsigned i = 0; i < ST_REPEATS; i++) {
        struct st_repeat *r = &st_shared->repeats[i];
        uint32_t counter = atomic_load_explicit(&r->counter, memory_order_relaxed);
        if (!atomic_load_explicit(&r->count, memory_order_relaxed))
            continue;
        if (!counter) {
            atomic_store(&st_shared->repeated, true);
            continue;
        }
        if (counter == NO_STALL) {
            atomic_store(&r->count, 0);
            atomic_store(&r->ticks, 0);
            atomic_store(&r->longest, 0);
            continue;
        }
        struct st_counter *c = &counters[counter - 1];
        begin_to_count(c);
        uint64_t longest = st_ticks_to_ns(atomic_exchange(&r->longest, 0));
        /* acquire: the sum is not older than the count */
        c->pending += atomic_exchange_explicit(&r->count, 0, memory_order_acquire);
        c->total_ns += st_ticks_to_ns(atomic_exchange(&r->ticks, 0));
        c->last_ns = st_since_start_ns(st_ticks_now()); /* or a bit earlier */
        if (longest > c->max_ns)
            c->max_ns = longest;
    }
}

void st_write_counts(void)
{
    uint64_t dropped = 0;
    take_repeats();
    for (unsigned i = 0; i < used; i++)
        write_count(order[i]);
    uint32_t high = atomic_load(&st_shared->slot_high);
    for (uint32_t i = 0; i < high; i++)
        dropped += st_slot_at(st_shared, i)->missed;
    dropped += uncounted;
    if (dropped > said) {
        st_record_dropped(dropped);
        said = dropped;
    }
}

void st_count(struct st_counter *c, uint64_t elapsed_ns, uint64_t starved_ns)
{
    begin_to_count(c);
    uint64_t left = elapsed_ns > starved_ns ? elapsed_ns - starved_ns : 0;
    uint64_t now = st_since_start_ns(st_ticks_now());
    c->last_ns = now > elapsed_ns ? now - elapsed_ns : 0;
    c->pending++;
    c->total_ns += elapsed_ns;
    c->starved_ns += starved_ns;
    if (left > c->max_ns)
        c->max_ns = left;
}

uint32_t st_report(struct st_stall *s, uint64_t key, struct st_place *place,
                   struct st_counter **counter)
{
    struct st_counter *c = *counter = counter_of(s, place);
    struct st_repeat *repeat = c && key ? st_repeat_of(st_shared->repeats, key) : NULL;
    if (repeat)
        atomic_store_explicit(&repeat->counter, (uint32_t)(c - counters) + 1, memory_order_relaxed);
    if (!c) {
        uncounted++;
        return 0;
    }
    if (place && !s->stack) { /* not even the stack of a new place has room */
        bool first = !c->lost;
        c->lost = c->counts = true;
        if (s->ended)
            st_count(c, s->elapsed_ns, s->starved_ns);
        if (first)
            write_count(c);
        return 0;
    }
    s->is_new = place ? !place->told : c->written == 0;
    if (c->written < WRITTEN_SINGLY || (!s->ended && s->elapsed_ns >= st_long_ns())) {
        uint32_t number = st_record_stall(s);
        if (number) {
            c->written++;
            if (place)
                place->told = true;
            return number;
        }
    }
    if (s->ended)
        st_count(c, s->elapsed_ns, s->starved_ns);
    return 0;
}
