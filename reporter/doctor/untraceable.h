/* Programs that a preload cannot reach, or must not touch. */
#ifndef STALLTRACE_UNTRACEABLE_H
#define STALLTRACE_UNTRACEABLE_H

#include <stdbool.h>

/* Why the command (found as execvp finds it) will run untraced, as a phrase after "it is"; NULL: it
 * can be traced, as far as its file tells. `harmful`: the preload must not even be tried. Not
 * thread-safe; the phrase is constant. */
const char *untraceable(const char *command, bool *harmful);

#endif
