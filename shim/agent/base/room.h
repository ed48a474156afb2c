/* What may still be written. A trace has a greatest size, and a disk has an end: what comes again
 * and again must not take the room of what is new, and that must not take the room of the words
 * that something is missing. */
#ifndef STALLTRACE_ROOM_H
#define STALLTRACE_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum st_worth {
    ST_WORTH_FINAL,    /* that something is missing, and the end */
    ST_WORTH_LAST,     /* the end of a stall, the last figures, notices */
    ST_WORTH_PLACE,    /* a stall of a new place, and its stack */
    ST_WORTH_REPEATED, /* one of a known place, and whatever else there is of a stall */
    ST_WORTH_FIGURES,  /* what replaces or adds to what was written before: a bounded share */
};

/* The greatest size of the trace in bytes; 0: none. */
void room_limit(uint64_t bytes);
/* Files may not grow large enough for a trace that says anything (RLIMIT_FSIZE). */
bool room_is_too_small(void);
void room_reset(void);
/* Each record begins with the worth of its type, which may be changed until it ends. */
void room_begin(const char *type);
void room_worth(enum st_worth worth);
/* The worth of stacks and modules from here on. */
void room_worth_of_stacks(enum st_worth worth);
/* Is there room for a record of this length, of the worth that it has now? */
bool room_for(size_t length);
bool room_for_stacks(size_t length);
void room_taken(size_t length);
/* Room for what is sure to follow, a stall's end; less of it (negative) when it is written. False:
 * there is none. */
bool room_promise(int64_t bytes);
/* The process ends: figures are the last ones. */
void room_last_figures(bool last);
bool room_is_last(void);
/* What to do where there is none: a phrase. */
const char *room_way_out(void);
/* How much later than `age_ns`, the process's age, figures should be written again. */
uint64_t room_figures_gap_ns(uint64_t age_ns);

/* A record was refused by the kernel; and how many since the last time that this was asked, with
 * the last error. */
void room_refused(int error);
uint64_t room_take_refused(int *error);
/* Keeps some room on the disk for the last words; asked for again, from time to time, while the
 * disk is full. True: there is some. */
bool room_keep(int fd);
bool room_disk_is_full(void);
/* Is the record that has been begun one of a new place? */
bool room_is_of_place(void);

#endif
