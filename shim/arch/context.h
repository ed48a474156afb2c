/* The registers of what a signal has interrupted: see arch.h. */
#include "arch/arch.h"

#if defined(ST_ARCH_NONE)
#include "arch/none/context.h"
#else
#include "arch/x86_64/context.h"
#endif
