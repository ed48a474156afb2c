/* Two recordings side by side, by fingerprint: what is new, gone, or worse than noise explains. */
#ifndef STALLTRACE_COMPARE_H
#define STALLTRACE_COMPARE_H

#include "baseline.h"

enum change_state { CHANGE_NEW, CHANGE_WORSE, CHANGE_GONE, CHANGE_NONE, CHANGE_STATES };

/* By what a finding is worse. */
enum { WORSE_TOTAL = 1, WORSE_MAX = 2, WORSE_COUNT = 4, WORSE_ANY = 7 };

/* One side: a model, or where that is NULL a baseline, which has no figures. */
struct side {
    const struct model *model;
    const struct baseline *baseline;
    uint64_t life_ns; /* of all of its loops together */
};

struct side_figures {
    uint64_t places; /* 0: it is not there */
    uint64_t count, total_ns, max_ns;
    bool any_number; /* its places cannot be counted */
};

struct change {
    char fingerprint[FINGERPRINT_DIGITS + 1];
    enum change_state state;
    unsigned int worse_by;
    struct side_figures before, now;
    const struct finding *finding; /* of now, else of before; NULL: known from baselines only */
    const char *words;             /* a baseline's; or NULL */
};

struct comparison {
    struct side before, now;
    unsigned int noise_percent; /* by so much a figure may grow */
    unsigned int by;            /* WORSE_… that count */
    bool per_run;               /* as they are; else per hour of the loops' life */
    struct change *changes;     /* new, worse, gone, as before; the largest first */
    size_t count, cap;
    size_t counts[CHANGE_STATES];
};

/* How long the loops of a model lived, all together. */
uint64_t model_life(const struct model *model);
/* A figure as it would be over an hour of that life. */
uint64_t per_hour(uint64_t figure, uint64_t life_ns);
/* `before`, `now` and what stands after them are the caller's. */
void compare(struct comparison *comparison);
void comparison_free(struct comparison *comparison);
const char *change_state_name(enum change_state state);

#endif
