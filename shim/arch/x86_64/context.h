/* x86-64: the registers of what a signal has interrupted. */
#ifndef STALLTRACE_CONTEXT_X86_64_H
#define STALLTRACE_CONTEXT_X86_64_H

#include <ucontext.h>

static inline void st_interrupted_registers(const ucontext_t *context, uint64_t *regs)
{
    static const uint8_t from[ST_REGS] = {
        [ST_RBX] = REG_RBX, [ST_FP] = REG_RBP,  [ST_R12] = REG_R12, [ST_R13] = REG_R13,
        [ST_R14] = REG_R14, [ST_R15] = REG_R15, [ST_SP] = REG_RSP,  [ST_PC] = REG_RIP,
    };
    for (int i = 0; i < ST_REGS; i++)
        regs[i] = (uint64_t)context->uc_mcontext.gregs[from[i]];
}

#endif
