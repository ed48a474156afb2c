/* Names of code made at run time, out of /tmp/perf-PID.map. */
#ifndef STALLTRACE_PERFMAP_H
#define STALLTRACE_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name that the process's perf map gives to the code at `pc` now; false: none. Now, since the
 * addresses of such code are used again: later it may be another's. */
bool st_perfmap_name(uint64_t pc, char *out, size_t size);
void st_perfmap_reset(void);
/* Hands over what has come into the map since the last time, oldest first: all of it, where it was
 * written anew. A name is read only where it is wanted. `ends`: it is the last look, and somebody
 * waits for it. */
void st_perfmap_news(bool ends, bool (*wanted)(uint64_t start, uint64_t size),
                     void (*take)(uint64_t start, uint64_t size, const char *name));

#endif
