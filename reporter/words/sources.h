/* Which source files may be quoted: those of the user's own project. A path out of a trace may be
 * any, and a report is read by others than the one who may read the file. */
#ifndef STALLTRACE_SOURCES_H
#define STALLTRACE_SOURCES_H

#include "stacks/stackview.h"

struct sources;

/* Below `root` (NULL: the nearest directory upward that holds .git, else the current one), the
 * directories of the user's code, and the current one. */
struct sources *sources_new(const char *root, const struct app_dirs *app_dirs);
/* A descriptor of the file, or -1: it may not be quoted, or cannot be read. */
int sources_open(struct sources *sources, const char *file);
/* A file that has been asked for and lies elsewhere; NULL: there was none. */
const char *sources_outside(const struct sources *sources);
void sources_free(struct sources *sources);

#endif
