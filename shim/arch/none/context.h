/* No processor: nothing is known of what a signal has interrupted. */
#ifndef STALLTRACE_CONTEXT_NONE_H
#define STALLTRACE_CONTEXT_NONE_H

#include <ucontext.h>

static inline void st_interrupted_registers(const ucontext_t *context, uint64_t *regs)
{
    (void)context;
    st_save_registers(regs);
}

#endif
