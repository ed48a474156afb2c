/* A baseline: the findings that were there when it was written, so that only what is new fails. It
 * counts places by fingerprint, since two places of one function may share one. */
#ifndef STALLTRACE_BASELINE_H
#define STALLTRACE_BASELINE_H

#include "model.h"

/* Of the file. */
#define BASELINE_SCHEMA  "stalltrace.baseline/"
#define BASELINE_VERSION 1

struct baseline_entry {
    char fingerprint[FINGERPRINT_DIGITS + 1];
    uint64_t places;   /* that it covers */
    bool any_number;   /* a compiled function, whose lines nobody knows: it covers all of them */
    const char *words; /* for a person; pooled */
    uint64_t known;    /* places of the model that it covers */
    bool seen;         /* something of the model has the fingerprint, suppressed or not */
};

struct baseline {
    const char *path;
    unsigned int scheme; /* of its fingerprints; with another than ours it has no entries */
    bool newer;          /* a later stalltrace has written it: nothing but that is known */
    struct baseline_entry *entries; /* by fingerprint, once each */
    size_t count, cap;
};

/* Reads a file. Returns 0, or a negative errno with `*message` (to be freed) saying what is wrong:
 * -ENOENT where there is none, -EINVAL where it is no baseline (baseline_file.c). */
int baseline_read(struct baseline *baseline, const char *path, char **message);
/* The file's text: JSON, an entry a line. */
void baseline_write(struct strbuf *out, const struct baseline *baseline);
void baseline_free(struct baseline *baseline);
/* Puts the entries in order, whatever a merge made of it; of one that is there twice the one that
 * covers more stays. */
void baseline_sort(struct baseline *baseline);

/* What a model holds that can fail: neither what is suppressed nor start-up. `words` says what a
 * finding is. The model must have been sorted; so for the others. */
void baseline_of_model(struct baseline *baseline, const struct model *model,
                       void (*words)(struct strbuf *out, const struct finding *finding));

struct baseline_change {
    size_t added;   /* entries that are new, or cover more places */
    size_t kept;    /* entries that were not seen now */
    size_t dropped; /* the same, with `prune`: they are gone, or cover fewer places */
};
/* Makes `baseline` cover what is in `now`, too; with `prune`, nothing else. */
struct baseline_change baseline_update(struct baseline *baseline, const struct baseline *now,
                                       bool prune);

/* Says of each finding whether it is known or new (finding->baseline_state). */
void baseline_apply(struct baseline *baseline, const struct model *model);
/* `new`, `known`; NULL where there is no baseline. */
const char *baseline_state_name(enum baseline_state state);
/* Entries of which nothing was seen in the model. */
size_t baseline_unseen(const struct baseline *baseline);
/* How many places the baseline covers of those with this finding's fingerprint. */
uint64_t baseline_places(const struct baseline *baseline, const struct finding *finding);

#endif
