/* A second preload for the configuration `forks`: the thread that comes out of a fork is a loop
 * thread again, so that the children of a program take the wrappers' long way, too. */
#include <pthread.h>
#include <stddef.h>

void stalltrace_loop_begin(const char *name) __attribute__((weak));

static void begin(void)
{
    if (stalltrace_loop_begin)
        stalltrace_loop_begin(NULL);
}

/* The loop begins first: its handlers for fork come before ours, which begins the next loop. */
static __attribute__((constructor)) void start(void)
{
    begin();
    pthread_atfork(NULL, NULL, begin);
}
