/* What a recording fails on: --fail-on of `check` and `run`. */
#ifndef STALLTRACE_CRITERIA_H
#define STALLTRACE_CRITERIA_H

#include "model.h"

enum criterion_kind {
    ON_FINDINGS,
    ON_NEW,
    ON_BUDGET,
    ON_CLASS,
    ON_DURATION,
    ON_FILE,
    ON_UNUSED,
    ON_STARVED,
    ON_STARTUP,
};

struct criterion {
    enum criterion_kind kind;
    const char *text; /* of ON_CLASS and ON_FILE; pooled */
    const char *item; /* as it was written; pooled */
    uint64_t ns;      /* of ON_DURATION */
};

/* Any of them; none: findings. */
struct criteria {
    struct criterion *items;
    size_t count, cap;
};

/* Adds a list as the option has it. Returns 0, or -EINVAL after a complaint. */
int criteria_add(struct criteria *criteria, const char *command, const char *list);
/* `findings`, `class:dns,duration>500 ms`: as the option has it. */
void criteria_describe(struct strbuf *out, const struct criteria *criteria);
void criteria_free(struct criteria *criteria);
bool criteria_have(const struct criteria *criteria, enum criterion_kind kind);
/* Is there what they need? -EINVAL after a complaint. `baseline`: the file, or NULL; with one and
 * nothing said, it is what is new. */
int criteria_are_met_by(const char *command, struct criteria *criteria, const char *baseline);
/* A budget where they ask for one and there is none: a second, what a health probe waits. */
void criteria_set_budget(const struct criteria *criteria, struct model *model);
/* Does it fail on this finding? `starts`: the finding is of the time before the process served. */
bool criteria_fail(const struct criteria *criteria, const struct model *model,
                   const struct finding *finding, bool starts);

#define FAIL_ON_ALLOWED                                                                            \
    "findings, new, budget, class:NAME, duration>TIME, file:GLOB, unused, starved, startup"

#endif
