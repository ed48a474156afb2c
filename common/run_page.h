/* A page of memory that `stalltrace run` shares with its processes, for what they could write
 * nowhere else: with no descriptor left, no disk, another root. A System V segment, since attaching
 * one needs neither a descriptor nor a path; its number is part of the run's id. */
#ifndef STALLTRACE_RUN_PAGE_H
#define STALLTRACE_RUN_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

enum { ST_RUN_PAGE_UNTRACED = 20 };

/* A process of which nothing, or not all, is recorded. */
struct st_untraced {
    _Atomic uint32_t ready; /* the rest has been written */
    int32_t pid;
    char exe[108]; /* absolute path of its program, or what there was room for */
    char why[400]; /* a phrase */
};

struct st_run_page {
    char id[40];              /* of the run: a segment with another is not ours */
    _Atomic uint32_t loaded;  /* processes that have loaded the probe */
    _Atomic uint32_t claimed; /* entries of `untraced` that are taken, and those that found none */
    struct st_untraced untraced[ST_RUN_PAGE_UNTRACED];
};

#endif
