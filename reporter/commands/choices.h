/* What --format asked for: any number of formats, each to a file or one to standard output. */
#ifndef STALLTRACE_CHOICES_H
#define STALLTRACE_CHOICES_H

#include "formats/formats.h"

struct choice {
    const struct format *format;
    const char *file; /* NULL: standard output */
};

struct choices {
    struct choice *items;
    size_t count, cap;
};

/* `--format F[=FILE]`; complains itself. `command` is `name`'s FOR_…. Returns 0 or -1. */
int choices_add(struct choices *choices, const char *name, unsigned int command, const char *text);
/* -o FILE: where the one format goes that names no file; complains itself. Returns 0 or -1. */
int choices_set_output(struct choices *choices, const char *name, const char *file);
/* The one that goes to standard output, or NULL. */
const struct choice *choices_stdout(const struct choices *choices);
/* Writes the model as each of them asks, or as text where there is none; `render` makes the text of
 * one. Returns EXIT_CLEAN, or EXIT_ERROR after a complaint. */
typedef void choices_render(struct strbuf *out, const struct model *model,
                            const struct format *format, bool color, void *context);
int choices_write(const struct choices *choices, const struct model *model, bool may_page,
                  choices_render *render, void *context);
void choices_free(struct choices *choices);
/* Appends the line of --help that lists the formats. */
void print_help(const char *help, unsigned int command);

#endif
