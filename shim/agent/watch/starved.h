/* Time without a CPU: for how long a thread was ready to run and the machine had no processor for
 * it. Such time is not the program's: it counts towards no threshold.
 *
 * The kernel adds a wait for a processor to /proc/.../schedstat when the wait is over. So what that
 * file says at a moment at which the thread sleeps is exact, and at any other it may lag by the
 * wait that is going on. A reading is taken at each look at a loop that may have run since the last
 * one; a span of time is then bounded by the readings before, in and after it. Where it cannot be
 * told on which side of the span's ends a wait lay, it is taken for the span's: doubt goes to the
 * machine, never to the program. */
#ifndef STALLTRACE_STARVED_H
#define STALLTRACE_STARVED_H

#include <stdbool.h>
#include <stdint.h>

/* Takes a reading of each loop thread that may have run since its last one. Returns whether any
 * loop runs: then the next look should come soon. */
bool st_starved_look_at_all(void);

/* At most how many ns of the time between the two moments (in ticks, both past) the thread was
 * starved; takes a reading where there is none after `to`. */
uint64_t st_starved_ns(uint32_t index, uint64_t from, uint64_t to);

/* The same for what has begun at `from` and goes on: at most, and at least what the kernel has
 * counted already. */
uint64_t st_starved_so_far_ns(uint32_t index, uint64_t from, uint64_t *at_least);

/* CPU time of the thread between two moments, and whether it was measured: false where there were
 * no readings near enough. */
bool st_starved_cpu_ns(uint32_t index, uint64_t from, uint64_t to, uint64_t *cpu_ns);

/* Another thread of the process that a call waits for: what it had, and whether it was ready. */
struct st_holder {
    int32_t tid; /* 0: none */
    bool ready;  /* when it was first seen */
    uint64_t first_at, run, wait;
};
void st_holder_begin(struct st_holder *h, int32_t tid);
/* Of one that is seen for the first time after the call: is it one of those that wait for a CPU? It
 * is ready, and a good part of its life was such waits. */
bool st_holder_is_starved(const struct st_holder *h);
/* Of a call that began at `from` and has lasted until `to`: for how many ns at most its holder had
 * no CPU. */
uint64_t st_holder_starved_ns(const struct st_holder *h, uint64_t from, uint64_t to);

/* A verdict left out `ns` of a call or an iteration; written by st_starved_write. */
void st_starved_note(uint64_t ns);
void st_starved_write(void);
void st_starved_reset(void);

/* Under a threshold as small as this it is not asked: a wait of microseconds for a CPU cannot be
 * told from one for anything else. */
enum { ST_STARVED_LEAST_NS = 1000000 };

#endif
