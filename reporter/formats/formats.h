/* The output formats: each renders the model into text, one file per format. */
#ifndef STALLTRACE_FORMATS_H
#define STALLTRACE_FORMATS_H

#include "model/model.h"

struct format_options {
    bool color;
    bool full;               /* every frame of every stack */
    bool show_suppressed;    /* suppressed findings after the others */
    bool no_source;          /* no source is quoted */
    const char *source_root; /* NULL: see sources.h */
};

void format_text(struct strbuf *out, const struct model *model,
                 const struct format_options *options);
void format_json(struct strbuf *out, const struct model *model,
                 const struct format_options *options);

#endif
