/* The processor's entry points: see arch.h. */
#if defined(ST_ARCH_NONE)
#include "arch/none/stubs.h"
#else
#include "arch/x86_64/stubs.h"
#endif
