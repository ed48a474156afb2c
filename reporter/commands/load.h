/* From the TRACE arguments of a command to the model. */
#ifndef STALLTRACE_LOAD_H
#define STALLTRACE_LOAD_H

#include "model/baseline.h"
#include "model/model.h"

/* Files of rules, as the options name them. Zero-initialised is none: STALLTRACE_SUPPRESSIONS has
 * the word. */
struct rule_files {
    const char **paths;
    size_t count, cap;
};
void rule_files_add(struct rule_files *files, const char *path);
void rule_files_free(struct rule_files *files);

/* What the options of `report` and `check` say about loading. */
struct load_options {
    struct rule_files suppressions;
    const char *more_rules; /* lines of rules, or NULL */
    const char *baseline;   /* the file that tells new from known, or NULL */
    bool no_builtin;        /* leave the built-in suppressions out */
    bool debuginfod;
    bool figures_only; /* loops and processes; no findings */
    struct app_dirs app_dirs;
    uint64_t budget_ns; /* 0: STALLTRACE_BUDGET, or what the traces say */
};

/* Takes an option that `run`, `report` and `check` share. Returns 0, or -EINVAL after a complaint.
 */
int set_budget_option(uint64_t *budget_ns, const char *command, const char *value);

/* The option where it is not 0, the environment, or the smallest that a trace was made with. */
void set_budget(struct model *model, uint64_t budget_ns);

struct loaded {
    struct model model;
    struct symbols *symbols;
    struct rules *rules;
    struct baseline baseline;
    bool figures_only;
    const char *missing; /* the first argument that does not exist, or NULL */
    const char *empty;   /* the first that is a directory without traces, or NULL */
};

/* Reads the traces: files, or directories of them; without arguments the default directory.
 * Complains about what it cannot use. Returns 0, or a negative errno after a complaint where an
 * argument is no trace; missing arguments are only counted. `loaded` is to be freed either way. */
int load(struct loaded *loaded, char **paths, int count, const struct load_options *options);
/* Says that the first missing argument does. */
void complain_missing(const struct loaded *loaded);
void loaded_free(struct loaded *loaded);

/* The rules that apply: from the files, or else from those that STALLTRACE_SUPPRESSIONS names,
 * then built in. Returns 0 or a negative errno after a complaint. */
int load_rules(struct rules **out, const struct rule_files *files, bool no_builtin);

/* What --baseline names. Returns 0 or a negative errno after a complaint, which says what to type.
 */
int load_baseline(struct baseline *baseline, const char *path);

/* A symboliser's warning goes to stderr. */
void warn_about_symbols(const char *message);

#endif
