/* How often a stall has come from where. The first are written one by one, later ones are counted.
 */
#ifndef STALLTRACE_COUNTERS_H
#define STALLTRACE_COUNTERS_H

#include "agent/agent.h"
#include "places.h"

/* From this age on, or past the budget, a stall that goes on is written, however often that has
 * been: it is said again. */
static inline uint64_t st_long_ns(void)
{
    const uint64_t second = 1000000000, budget = st_shared->settings->budget_ns;
    return budget > 0 && budget < second ? budget + 1 : second;
}

struct st_counter;

/* Writes the stall, or counts it if it has ended. `key`: of its path, see repeat.h, or 0. `place`:
 * of its stack; NULL: it has none. Returns its number, 0 where it was not written; *counter (NULL
 * where even that has no room) is what takes it once it has ended. */
uint32_t st_report(struct st_stall *stall, uint64_t key, struct st_place *place,
                   struct st_counter **counter);
void st_count(struct st_counter *counter, uint64_t elapsed_ns, uint64_t starved_ns);
/* What is counted on this path is no stall. */
void st_forget_path(uint64_t key);
void st_counters_reset(void);

#endif
