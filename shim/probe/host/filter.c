/* Filters of system calls (seccomp): what a thread may not do under one, ours neither. */
#include "host.h"

_Atomic bool st_filtered;
static uint32_t state_before =
    ST_AGENT_BROKEN; /* the agent's, before it was stopped for a filter */

bool st_is_filtered(void)
{
    return atomic_load_explicit(&st_filtered, memory_order_relaxed);
}

/* A filter is about to be installed, on this thread or on all. From here on the app's threads make
 * no system call of ours. The agent starts before it, if it can, since a thread made afterwards
 * would inherit the filter; with a filter for all threads it steps aside. */
void ST_COLD st_before_filter(bool all_threads)
{
    int error = errno;
    if (!st_is_filtered()) {
        if (all_threads) {
            state_before = st_agent_bar();
        } else if (st_agent_start() == 0) {
            st_settle_agent();
        }
    }
    errno = error;
}

void ST_COLD st_after_filter(bool all_threads, bool installed)
{
    if (installed) {
        if (all_threads)
            atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
        atomic_store(&st_filtered, true);
    } else if (all_threads && state_before != ST_AGENT_BROKEN && !atomic_load(&st_shared.vanish)) {
        /* there is none after all: the agent comes back */
        atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
        atomic_store(&st_agent_wanted, state_before == ST_AGENT_RUNNING);
    }
    state_before = ST_AGENT_BROKEN;
}

/* The time stamp counter is about to fault on this thread (strict seccomp turns it off, and prctl
 * can): nothing may be timed here any more, nor on threads that it will make. Strict seccomp leaves
 * no way to end a process of two threads either. */
void ST_COLD st_without_time(void)
{
    int error = errno;
    if (st_self)
        st_untag(st_self, ST_END_API);
    st_loops = 0;
    st_poll_watch = 0;
    st_poll_all = false;
    st_agent_stop(ST_STOP_FILTER);
    atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    errno = error;
}
