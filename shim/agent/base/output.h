/* The directory of traces and the file in it. */
#ifndef STALLTRACE_OUTPUT_H
#define STALLTRACE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

/* Opens this process's file, a new one or (again) the one that it has; makes the directory where
 * there is none. Returns the descriptor or a negative errno. */
int st_output_open(const char *directory, const char *name, bool again);
/* What the traces in the directory take by now, in bytes. */
uint64_t st_output_used(const char *directory);

#endif
