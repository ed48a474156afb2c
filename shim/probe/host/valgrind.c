/* Is the program run by valgrind? There, time means nothing, and its tools count our thread, its
 * memory and its descriptor as the program's: a clean program would fail. */
#include "host.h"

bool st_on_valgrind(void)
{
    enum { RUNNING_ON_VALGRIND = 0x1001 }; /* of valgrind.h */
    const volatile uint64_t request[6] = {RUNNING_ON_VALGRIND};
    return st_ask_valgrind(request, 0) != 0;
}
