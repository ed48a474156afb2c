/* Names that the perf map has only after a stack was written: the runtime writes it when it is
 * asked to (the JVM), or buffers it (V8). */
#ifndef STALLTRACE_LATE_NAMES_H
#define STALLTRACE_LATE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* A frame of the stack that is to be written, in code of no module and without a name. `at`: the
 * address that was asked for, `pc` or the byte before it. */
void st_late_name(uint64_t pc, uint64_t at, uint32_t stack);
/* Looks whether the map has grown or was written anew; `ends`: for the last time. Cheap where it
 * has not. */
void st_late_names_look(bool ends);
void st_late_names_reset(void);

#endif
