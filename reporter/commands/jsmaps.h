/* `run --js`: what Node needs to name JavaScript functions, and the files that this leaves behind.
 */
#ifndef STALLTRACE_JSMAPS_H
#define STALLTRACE_JSMAPS_H

struct jsmaps;

/* Adds to NODE_OPTIONS. Returns NULL where it has the options already: then the maps are the
 * user's. */
struct jsmaps *jsmaps_begin(void);
/* Removes what V8 wrote in /tmp and here for the processes that were traced into `directory`, and
 * frees. */
void jsmaps_clean(struct jsmaps *jsmaps, const char *directory);

#endif
