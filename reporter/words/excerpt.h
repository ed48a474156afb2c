/* A few lines of source around a frame, with the line marked. */
#ifndef STALLTRACE_EXCERPT_H
#define STALLTRACE_EXCERPT_H

#include "sources.h"
#include "util/util.h"

/* Colours of the text report; all empty strings where there is no colour. */
struct palette {
    const char *error, *place, *gutter, *dim, *strong, *reset;
};

/* Appends the line with one before and after it; nothing where the file may not be quoted or
 * cannot be read. */
void excerpt(struct strbuf *out, const struct palette *palette, struct sources *sources,
             const char *file, int line);

#endif
