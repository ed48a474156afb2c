/* What the agent keeps for each slot: tables that grow with the slots, a segment at a time. */
#ifndef STALLTRACE_ROWS_H
#define STALLTRACE_ROWS_H

#include "contract/slot.h"

enum { ST_FIRST_ROWS = 4 };

struct st_rows {
    char *first; /* of the first slots, and one more: they need no memory of the program's */
    void *segments[ST_SEGMENTS];
};

/* The row of a slot, all zero at first; always the same one. Never NULL: slots for which there is
 * no memory share one row of the table; what it holds is checked against its slot's generation. */
void *st_row(struct st_rows *rows, size_t size, uint32_t index);
/* All of them to zero. */
void st_rows_clear(struct st_rows *rows, size_t size);

/* Defines NAME_at(index). */
#define ST_ROWS(name, type)                                                                        \
    static type name##_first[ST_FIRST_ROWS + 1];                                                   \
    static struct st_rows name##_rows = {.first = (char *)name##_first};                           \
    static type *name##_at(uint32_t index)                                                         \
    {                                                                                              \
        return st_row(&name##_rows, sizeof(type), index);                                          \
    }

#endif
