/* What the rest needs of the processor: the only way to it. A folder for each, of four headers:
 *
 *   arch.h    registers, clock, system calls, the thread pointer, copying: see x86_64/arch.h, whose
 *             comments say what each must do
 *   context.h the registers of what a signal has interrupted
 *   stubs.h   entry points that are no C: pass all arguments on, whatever they are
 *   unwind.h  the registers as libunwind numbers them (the agent's)
 *
 * none/ holds what compiles everywhere and does nothing: CPPFLAGS=-DST_ARCH_NONE builds with it,
 * which proves that nothing outside of here knows the processor. */
#ifndef STALLTRACE_ARCH_H
#define STALLTRACE_ARCH_H

#if defined(ST_ARCH_NONE)
#include "arch/none/arch.h"
#elif defined(__x86_64__)
#include "arch/x86_64/arch.h"
#else
#error "stalltrace knows x86-64 so far: another processor is another folder in shim/arch"
#endif

#endif
