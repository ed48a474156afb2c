/* A loop that begins before the shim's constructor has run: in the constructor of a library that
 * the program is linked with (EARLY_LIBRARY), or before any constructor at all (EARLY_PREINIT),
 * even libc's. The tests build it; EARLY_API says that the loop makes itself known. */
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "stalltrace.h"

static void nap(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

#ifndef EARLY_PROGRAM
static void early(void)
{
#ifdef EARLY_API
    STALLTRACE_LOOP_BEGIN("early");
#else
    struct epoll_event event;
    epoll_wait(epoll_create1(EPOLL_CLOEXEC), &event, 1, 0);
#endif
    nap(40);
    nap(150); // STALL:early
}

#ifdef EARLY_LIBRARY
__attribute__((constructor)) static void constructed(void)
{
    early();
}
#else
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = early;
#endif
#endif

#ifndef EARLY_LIBRARY
int main(void)
{
    struct epoll_event event;
    int loop = epoll_create1(EPOLL_CLOEXEC);
    epoll_wait(loop, &event, 1, 0);
    nap(160); // STALL:main
    epoll_wait(loop, &event, 1, 0);
    return write(1, "well\n", 5) == 5 ? 7 : 1;
}
#endif
