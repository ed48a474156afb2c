/* The processor's registers as libunwind numbers them: see arch.h. */
#if defined(ST_ARCH_NONE)
#include "arch/none/unwind.h"
#else
#include "arch/x86_64/unwind.h"
#endif
