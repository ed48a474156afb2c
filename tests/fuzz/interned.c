/* The reporter's tables, whose pooled strings live as long as the command does: here they are
 * forgotten after each input. */
#include "util/tables.c"

void reset_interned(void);

static void free_chain(void *first)
{
    for (struct pooled *p = first, *next; p != NULL; p = next) {
        next = p->next;
        free(p);
    }
}

void reset_interned(void)
{
    map_free(&pool, free_chain);
}
