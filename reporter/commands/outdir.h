/* The output directory of a run: an earlier one is moved out of the way, but nothing is moved or
 * deleted that stalltrace did not write. */
#ifndef STALLTRACE_OUTDIR_H
#define STALLTRACE_OUTDIR_H

#include <stdbool.h>

/* Makes `path` (absolute) an empty directory. Returns 0; -EEXIST after a complaint where something
 * else is in the way, which is the user's to solve; or another negative errno after a complaint
 * where it cannot be made: the program is to run without a recording. */
int outdir_prepare(const char *path, bool shared);

#endif
