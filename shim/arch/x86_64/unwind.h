/* x86-64: registers as libunwind numbers them. */
#ifndef STALLTRACE_UNWIND_X86_64_H
#define STALLTRACE_UNWIND_X86_64_H

#include <libunwind.h>
#include <stdint.h>

#define ST_UNWIND_FP UNW_X86_64_RBP

/* Exported by libunwind for remote unwinders (perf uses it), but declared in no header of its own.
 */
extern int _Ux86_64_dwarf_search_unwind_table(unw_addr_space_t, unw_word_t, unw_dyn_info_t *,
                                              unw_proc_info_t *, int, void *);
#define st_search_unwind_table _Ux86_64_dwarf_search_unwind_table

/* Which of ours it is; -1: one that a call does not preserve. */
static inline int st_unwind_register(unw_regnum_t number)
{
    switch ((int)number) {
    case UNW_X86_64_RBX:
        return ST_RBX;
    case UNW_X86_64_RBP:
        return ST_FP;
    case UNW_X86_64_R12:
        return ST_R12;
    case UNW_X86_64_R13:
        return ST_R13;
    case UNW_X86_64_R14:
        return ST_R14;
    case UNW_X86_64_R15:
        return ST_R15;
    case UNW_X86_64_RSP:
        return ST_SP;
    case UNW_X86_64_RIP:
        return ST_PC;
    default:
        return -1;
    }
}

#endif
