/* What the stalls of a finding waited for: each distinct detail with its count and total. */
#ifndef STALLTRACE_DETAILS_H
#define STALLTRACE_DETAILS_H

#include <stddef.h>
#include <stdint.h>

#include "util/util.h"

struct detail {
    const char *text; /* interned; NULL: what stands for all beyond those that are kept */
    uint64_t count, total_ns;
};

/* Zero-initialised is none. */
struct details {
    struct detail *kept;
    size_t count, cap;
    struct map by_text; /* address of the interned text → index + 1 */
    struct detail others;
};

/* Adds (modulo 2^64, so that what was added can be taken back); a text of NULL counts nothing. */
void details_add(struct details *details, const char *text, uint64_t count, uint64_t ns);
/* Stalls of which it is not known which of the details they had, if there is any. */
void details_add_others(struct details *details, uint64_t count, uint64_t ns);
void details_merge(struct details *into, const struct details *from);
/* Most time first. After this nothing is added any more. */
void details_sort(struct details *details);
void details_free(struct details *details);

#endif
