/* What a recording says, as an exit status. */
#ifndef STALLTRACE_VERDICT_H
#define STALLTRACE_VERDICT_H

#include "criteria.h"

struct verdict {
    int status;     /* EXIT_CLEAN, EXIT_FINDINGS or EXIT_NOTHING */
    size_t failing; /* findings that it fails on */
    char *reason;   /* of EXIT_FINDINGS and EXIT_NOTHING: a phrase */
};

/* `missing`: what was to be read and is not there, or NULL. `no_loop_is_fine`: a recording in which
 * no loop was seen is clean. */
struct verdict judge(const struct model *model, const struct criteria *criteria,
                     const char *missing, bool no_loop_is_fine);
void verdict_free(struct verdict *verdict);

#endif
