/* No processor: no stack can be unwound. */
#ifndef STALLTRACE_UNWIND_NONE_H
#define STALLTRACE_UNWIND_NONE_H

#include <libunwind.h>

#define ST_UNWIND_FP 0

static inline int st_search_unwind_table(unw_addr_space_t as, unw_word_t ip, unw_dyn_info_t *table,
                                         unw_proc_info_t *info, int need, void *argument)
{
    (void)as, (void)ip, (void)table, (void)info, (void)need, (void)argument;
    return -UNW_ENOINFO;
}

static inline int st_unwind_register(unw_regnum_t number)
{
    (void)number;
    return -1;
}

#endif
