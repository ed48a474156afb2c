/* From the TRACE arguments of a command to the model. */
#ifndef STALLTRACE_LOAD_H
#define STALLTRACE_LOAD_H

#include "model.h"

/* What the options of `report` and `check` say about loading. */
struct load_options {
    const char *suppressions; /* file, or NULL */
    bool no_builtin;          /* leave the built-in suppressions out */
    bool debuginfod;
};

struct loaded {
    struct model model;
    struct symbols *symbols;
    struct rules *rules;
    const char *missing; /* the first argument that does not exist, or NULL */
};

/* Reads the traces: files, or directories of them; without arguments the default directory.
 * Complains about what it cannot use. Returns 0, or a negative errno after a complaint where an
 * argument is no trace; missing arguments are only counted. `loaded` is to be freed either way. */
int load(struct loaded *loaded, char **paths, int count, const struct load_options *options);
void loaded_free(struct loaded *loaded);

/* The rules that apply: built in, from `suppressions`, or else from STALLTRACE_SUPPRESSIONS.
 * Returns 0 or a negative errno after a complaint. */
int load_rules(struct rules **out, const char *suppressions, bool no_builtin);

/* A symboliser's warning goes to stderr. */
void warn_about_symbols(const char *message);

#endif
