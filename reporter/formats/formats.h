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

/* The commands that a format may serve. */
enum { FOR_REPORT = 1, FOR_CHECK = 2, FOR_STATS = 4 };

struct format {
    const char *name;
    const char *purpose; /* a few words for --help */
    unsigned int serves; /* FOR_… */
    bool paged;          /* text for people */
    /* The findings; `stats`, and the text of `check`, have words of their own. */
    void (*render)(struct strbuf *out, const struct model *model,
                   const struct format_options *options);
};

/* The registry (registry.c): the i-th, NULL past the last. */
const struct format *format_at(size_t i);
const struct format *format_named(const char *name, size_t len); /* or NULL */
/* `text, json and html`: those that serve the command. */
void formats_list(struct strbuf *out, unsigned int command);

void format_text(struct strbuf *out, const struct model *model,
                 const struct format_options *options);
void format_json(struct strbuf *out, const struct model *model,
                 const struct format_options *options);

#endif
