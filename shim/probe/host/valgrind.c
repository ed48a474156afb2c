/* Is the program run by valgrind? There, time means nothing, and its tools count our thread, its
 * memory and its descriptor as the program's: a clean program would fail. */
#include "host.h"

bool st_on_valgrind(void)
{
    /* valgrind.h's RUNNING_ON_VALGRIND: instructions that do nothing to a processor. */
    enum { RUNNING_ON_VALGRIND = 0x1001 };
    volatile uint64_t request[6] = {RUNNING_ON_VALGRIND};
    uint64_t answer = 0;
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(request)
                     : "cc", "memory");
    return answer != 0;
}
