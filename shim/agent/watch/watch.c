/* Loops as they come, move and go, and their figures. */
#include "agent/agent.h"
#include "agent/base/rows.h"

#include <string.h>

enum { AT_ONCE = 64 };

enum { LOOPS_BEFORE = 4 };

/* What is known of the loop in a slot. */
struct known {
    uint32_t loop, generation;
    uint8_t home;
    bool told;   /* its record is written: at once, but with many of them when it is referred to */
    bool closed; /* its home fd was closed by another thread, and that was written */
    uint64_t iterations;
    struct st_written written;
    struct st_own_time own;
    /* the loops that lived here before: a copy of a call of theirs may still be on its way */
    struct {
        uint32_t loop, generation;
    } before[LOOPS_BEFORE];
};
ST_ROWS(known, struct known)
static uint32_t loops;

void st_loops_reset(void)
{
    st_rows_clear(&known_rows, sizeof(struct known));
    loops = 0;
}

static void tell(struct known *k, const struct st_slot *s, enum st_worth worth)
{
    uint32_t number = k->loop ? k->loop : loops + 1;
    if (k->told || !st_record_loop(number, s, worth))
        return;
    k->told = true;
    loops = number > loops ? number : loops;
    k->loop = number;
}

static void write_stats(struct known *k, const struct st_slot *s)
{
    uint64_t iterations = s->iterations;
    if (iterations == k->iterations && !k->own.changed)
        return;
    tell(k, s, ST_WORTH_FIGURES);
    if (k->told && st_record_stats(k->loop, s, &k->written, &k->own))
        k->iterations = iterations;
}

/* Of a loop that ends: there are no later ones. With thousands of loops that come and go they are
 * like any others. */
static void write_last_stats(struct known *k, const struct st_slot *s)
{
    bool last = room_is_last();
    room_last_figures(last || loops <= AT_ONCE);
    write_stats(k, s);
    room_last_figures(last);
}

static uint64_t own_ticks(const struct st_own *own)
{
    return own->ticks - own->not_own;
}

static void note_move(struct st_own_time *own, uint16_t from, uint16_t to)
{
    for (unsigned i = 0; i < own->move_count; i++)
        if (own->moves[i].from == from && own->moves[i].to == to) {
            own->moves[i].count++;
            return;
        }
    if (own->move_count == ST_MOVES)
        return; /* there was no room to write them: the histogram keeps this one where it was */
    own->moves[own->move_count].from = from;
    own->moves[own->move_count].to = to;
    own->moves[own->move_count++].count = 1;
}

void st_note_own_time(uint32_t index, uint32_t generation, const struct st_iteration *it,
                      uint64_t not_own_ns)
{
    struct known *k = known_at(index);
    if (k->generation != generation)
        return;
    uint64_t not_own = (uint64_t)((double)not_own_ns / st_shared->ns_per_tick);
    struct st_own own = {it->t0, it->ticks, not_own < it->ticks ? not_own : it->ticks};
    unsigned from = st_hist_bucket(own.ticks), to = st_hist_bucket(own_ticks(&own));
    k->own.not_own += own.not_own;
    if (k->own.move_count == ST_MOVES && k->told)
        st_record_stats(k->loop, st_slot_at(st_shared, index), &k->written, &k->own);
    if (from != to)
        note_move(&k->own, (uint16_t)from, own_ticks(&own) ? (uint16_t)to : UINT16_MAX);
    k->own.changed = true;
    unsigned i = ST_LONGEST - 1;
    if (own_ticks(&own) <= own_ticks(&k->own.longest[i]))
        return;
    for (; i > 0 && own_ticks(&k->own.longest[i - 1]) < own_ticks(&own); i--)
        k->own.longest[i] = k->own.longest[i - 1];
    k->own.longest[i] = own;
}

static void watch_loop(uint32_t index, bool stats)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    struct known *k = known_at(index);
    uint8_t state = atomic_load_explicit(&s->state, memory_order_acquire);
    if (state != ST_SLOT_LIVE && state != ST_SLOT_ENDED)
        return;
    if (k->generation != s->generation) {
        struct known fresh = {.generation = s->generation};
        memcpy(&fresh.before[1], k->before, sizeof(k->before) - sizeof(k->before[0]));
        fresh.before[0].loop = k->told ? k->loop : 0;
        fresh.before[0].generation = k->generation;
        *k = fresh;
        k->home = s->home;
        tell(k, s, loops < AT_ONCE ? ST_WORTH_PLACE : ST_WORTH_FIGURES);
    } else if (k->home != s->home) {
        k->home = s->home;
        k->told = k->told && st_record_loop(k->loop, s, ST_WORTH_FIGURES);
    }
    bool closed = atomic_load(&s->home_closed);
    if (closed && !k->closed) {
        write_last_stats(k, s);
        if (k->told)
            st_record_loop_end(k->loop, ST_END_CLOSED);
    } else if (!closed && k->closed) {
        k->told = k->told && st_record_loop(k->loop, s, ST_WORTH_REPEATED);
    }
    k->closed = closed;
    if (stats)
        write_stats(k, s);
}

/* One that came since this round's look at the loops is written now: what refers to it follows. */
uint32_t st_loop_of(uint32_t index, uint32_t generation)
{
    if (known_at(index)->generation != generation &&
        st_slot_at(st_shared, index)->generation == generation)
        watch_loop(index, false);
    const struct known *k = known_at(index);
    for (int i = 0; k->generation != generation && i < LOOPS_BEFORE; i++)
        if (k->before[i].generation == generation)
            return k->before[i].loop;
    if (k->generation != generation)
        return 0;
    tell(known_at(index), st_slot_at(st_shared, index), ST_WORTH_PLACE);
    return known_at(index)->loop;
}

/* Writes what changed since the last look, figures too where `stats`. */
void st_watch_loops(bool stats)
{
    uint32_t high = atomic_load_explicit(&st_shared->slot_high, memory_order_acquire);
    for (uint32_t i = 0; i < high; i++)
        watch_loop(i, stats);
}

/* Slots whose loop has ended are given back, when their last stalls are written. */
void st_free_ended(void)
{
    uint32_t unwatched = atomic_exchange(&st_shared->unwatched, 0);
    if (unwatched)
        st_record_loss("loops",
                       "threads that ran event loops were not watched: there were more than "
                       "there is room for: run fewer at once, or name those that matter "
                       "(--loops)",
                       unwatched);
    uint32_t high = atomic_load_explicit(&st_shared->slot_high, memory_order_acquire);
    for (uint32_t i = 0; i < high; i++) {
        struct st_slot *s = st_slot_at(st_shared, i);
        if (atomic_load_explicit(&s->state, memory_order_acquire) != ST_SLOT_ENDED)
            continue;
        /* what has ended since this round's look at it: while that was written, maybe */
        watch_loop(i, false);
        st_take_call_ends(i);
        st_take_iteration_ends(i);
        st_close_hang(i);
        st_close_iteration(i);
        write_last_stats(known_at(i), s);
        if (!known_at(i)->closed && known_at(i)->told)
            st_record_loop_end(known_at(i)->loop, s->end_reason);
        known_at(i)->closed = true;
        /* release: the next loop in this slot starts after we are done */
        atomic_store_explicit(&s->state, ST_SLOT_FREE, memory_order_release);
        atomic_fetch_add(&st_shared->slots_freed, 1);
    }
}
