/* Where the time of an over-long iteration went, and what of it findings do not explain. */
#include "iterations.h"
#include "agent/base/kernel.h"
#include "starved.h"

#include <string.h>

void st_note_call(uint32_t index, uint32_t generation, const struct st_known_call *call)
{
    struct watched *w = st_watched(index);
    if (w->generation != generation || w->over || w->t0 > call->t0)
        return;
    w->starved_calls += call->starved_ns;
    if (call->is_finding) {
        w->frozen_found += call->frozen_ns;
        w->starved_found += call->starved_ns;
    } else {
        w->not_found += st_ticks_to_ns(call->ticks);
    }
}

uint64_t st_iteration_found_ns(const struct watched *w, uint64_t found_ticks)
{
    uint64_t ns = st_ticks_to_ns(found_ticks), less = w->not_found + w->frozen_found;
    return ns > less ? ns - less : 0;
}

uint64_t st_iteration_unexplained(const struct watched *w, uint64_t elapsed, uint64_t found,
                                  uint64_t starved)
{
    uint64_t own = starved > w->starved_found ? starved - w->starved_found : 0;
    return elapsed > found + own ? elapsed - found - own : 0;
}

static void divide_rest(const struct watched *w, uint32_t index, const struct st_iteration *it,
                        struct st_time *t)
{
    uint64_t cpu, rest = t->elapsed - t->calls;
    t->measured = st_starved_cpu_ns(index, it->t0, it->t0 + it->ticks, &cpu);
    t->runnable = t->starved > w->starved_calls ? t->starved - w->starved_calls : 0;
    if (t->runnable > rest)
        t->runnable = rest;
    uint64_t seen = cpu + t->runnable + t->calls;
    /* what is left is sleep, but for what the clock ticks of the figures blur */
    if (t->measured && seen < t->elapsed && t->elapsed - seen > t->elapsed / 50)
        t->asleep = t->elapsed - seen;
    t->cpu = rest > t->runnable + t->asleep ? rest - t->runnable - t->asleep : 0;
    uint64_t throttled = w->throttled ? st_throttled_ns() + 1 : 0;
    if (throttled > w->throttled)
        t->throttled = throttled - w->throttled;
}

/* What was its own at a look stays so: what can be said at the end may be less exact. */
uint64_t st_iteration_starved_of(const struct watched *w, uint32_t index, uint64_t end,
                                 uint64_t elapsed_ns)
{
    uint64_t ns = st_starved_ns(index, w->t0, end);
    uint64_t most = elapsed_ns > w->own ? elapsed_ns - w->own : 0;
    return ns < most ? ns : most;
}

/* Where the time of an iteration went. */
void st_iteration_divide(const struct watched *w, uint32_t index, const struct st_iteration *it,
                         struct st_time *t)
{
    uint64_t end = it->t0 + it->ticks;
    memset(t, 0, sizeof(*t));
    t->elapsed = st_unfrozen_ns(it->t0, end);
    t->frozen = st_frozen_ns(it->t0, end);
    t->starved = st_iteration_starved_of(w, index, end, t->elapsed);
    uint64_t frozen_calls = st_divide_calls(it, t);
    t->calls = st_ticks_to_ns(it->calls);
    t->calls -= frozen_calls < t->calls ? frozen_calls : t->calls;
    if (t->calls > t->elapsed)
        t->calls = t->elapsed;
    t->found = st_iteration_found_ns(w, it->found);
    if (t->found > t->calls)
        t->found = t->calls;
    divide_rest(w, index, it, t);
}
