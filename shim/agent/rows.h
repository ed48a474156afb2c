/* What the agent keeps for each slot: tables that grow with the slots, a segment at a time. */
#ifndef STALLTRACE_ROWS_H
#define STALLTRACE_ROWS_H

#include "../slot.h"

struct st_rows {
    void *segments[ST_SEGMENTS];
};

/* The row of a slot, all zero at first. Never NULL: where there is no memory, slots share rows;
 * what a row holds is checked against its slot's generation. */
void *st_row(struct st_rows *rows, size_t size, uint32_t index);
/* All of them to zero. */
void st_rows_clear(struct st_rows *rows, size_t size);

/* Defines NAME_at(index). */
#define ST_ROWS(name, type)                                                                        \
    static struct st_rows name##_rows;                                                             \
    static type *name##_at(uint32_t index)                                                         \
    {                                                                                              \
        return st_row(&name##_rows, sizeof(type), index);                                          \
    }

#endif
