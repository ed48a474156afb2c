/* What is known of the iterations that loops are in: shared by what watches them (iterations.c) and
 * what divides their time (iteration_time.c). */
#ifndef STALLTRACE_ITERATIONS_H
#define STALLTRACE_ITERATIONS_H

#include "agent/agent.h"

struct st_counter;

/* The iteration that a slot is in. It is one until its end has been taken (`over`); after that
 * nothing is said about it any more, whatever comes late. */
struct watched {
    uint64_t number, t0;
    uint32_t generation;
    bool over;
    uint32_t stall;             /* its number in the trace; 0: not written, */
    bool counted;               /* since there are many like it: */
    struct st_counter *counter; /* what takes it when it ends; NULL: it has no room */
    uint32_t samples;           /* taken */
    uint32_t tries;
    uint64_t next_ns, gap_ns; /* age at which to sample next, and then how much later */
    uint64_t first_ns;        /* age at which it was tried to */
    uint64_t still_ns;        /* age at which to say that it goes on */
    uint64_t own;             /* at least so much of it was its own, in ns, and not starved */
    uint64_t seen;            /* the last moment, in ticks, at which it was known to last */
    uint64_t ran;             /* the last at which its loop was known to run */
    uint64_t throttled;       /* what the cgroup had been throttled for at first sight, plus 1 */
    /* Of its calls that have ended and that their thread counted as found, in ns: what was no
     * finding after all; of the findings, what was frozen, and what was starved; and what was
     * starved in all of them. */
    uint64_t not_found, frozen_found, starved_found, starved_calls;
    uint32_t early_count;
};

struct watched *st_watched(uint32_t index);

/* Of the calls that an iteration's thread counted as found, in ns: what is a finding, without
 * frozen time. */
uint64_t st_iteration_found_ns(const struct watched *w, uint64_t found_ticks);
/* What is left of `elapsed` when the time of findings is taken out, and the time without a CPU. */
uint64_t st_iteration_unexplained(const struct watched *w, uint64_t elapsed, uint64_t found,
                                  uint64_t starved);
/* How much of it was starved by `end` (ticks). */
uint64_t st_iteration_starved_of(const struct watched *w, uint32_t index, uint64_t end,
                                 uint64_t elapsed_ns);
/* Where its time went. */
void st_iteration_divide(const struct watched *w, uint32_t index, const struct st_iteration *it,
                         struct st_time *t);

#endif
