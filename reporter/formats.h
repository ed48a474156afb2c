/* The output formats: each renders the model into text, one file per format. */
#ifndef STALLTRACE_FORMATS_H
#define STALLTRACE_FORMATS_H

#include "model.h"

struct format_options {
    bool color;
    bool full;            /* every frame of every stack */
    bool show_suppressed; /* suppressed findings after the others */
};

void format_text(struct strbuf *out, const struct model *model,
                 const struct format_options *options);
void format_json(struct strbuf *out, const struct model *model,
                 const struct format_options *options);

#endif
