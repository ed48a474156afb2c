/* Forks: the agent ends before one, and comes back in either process when there is work for it. */
#include "host.h"

#include <sys/syscall.h>

/* The descriptor that was kept, if it still is what it was. */
static void drop_kept(void)
{
    struct stat st;
    if (st_shared.kept_fd >= 0 && ST_RAW(SYS_fstat, st_shared.kept_fd, &st, 0, 0) == 0 &&
        st.st_ino == st_shared.kept_ino && st.st_dev == st_shared.kept_dev)
        ST_RAW(SYS_close, st_shared.kept_fd, 0, 0, 0);
    st_shared.kept_fd = -1;
}

/* Between its handlers a fork has the agent's lock. A filter that another thread installs meanwhile
 * does not change that it must be given back. */
static _Thread_local bool has_lock __attribute__((tls_model("initial-exec")));
/* The agent did not end in time (its disk hangs): the child must do without one. */
static _Thread_local bool without __attribute__((tls_model("initial-exec")));
/* Forks in signal handlers that came while this thread was waiting for the agent: likewise. */
static _Thread_local uint32_t nested __attribute__((tls_model("initial-exec")));

/* The agent is joined, not just paused: a program with one thread stays one across fork, and the
 * child inherits no lock that the agent held. */
static void before_fork(void)
{
    int error = errno;
    if (st_is_filtered())
        return; /* the child inherits the filter, and starts no agent */
    if (!st_same_process() && !st_agent_is_ours())
        return; /* see after_fork_in_child */
    st_share_complaint();
    if (st_agent_has_lock()) {
        nested++;
        return;
    }
    bool ran = st_agent_state() == ST_AGENT_RUNNING;
    has_lock = st_agent_lock();
    without = !has_lock || !st_agent_stop_locked(ST_STOP_FORK);
    if (has_lock && ran && st_agent_state() != ST_AGENT_RUNNING)
        atomic_store(&st_agent_wanted, true);
    errno = error;
}

static void unlock(void)
{
    if (has_lock)
        st_agent_unlock();
    has_lock = false;
}

static void after_fork_in_parent(void)
{
    if (nested || without)
        atomic_fetch_add(&st_shared.children_lost, 1);
    if (nested) {
        nested--;
        return;
    }
    without = false;
    unlock();
    if (!st_is_filtered())
        st_want_agent();
}

/* Nothing of it is watched. */
static void stay_without_agent(void)
{
    st_self = NULL;
    st_perhaps_child();
    st_poll_watch = 0;
    atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    unlock();
}

static void after_fork_in_child(void)
{
    int error = errno;
    if (st_is_filtered()) {
        stay_without_agent();
        return;
    }
    st_own_pid = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    if (without || nested) {
        without = false;
        nested = 0;
        atomic_store(&st_shared.children_lost, 0);
        drop_kept();
        st_signals_child();
        if (!has_lock)
            st_agent_break_lock();
        stay_without_agent();
        errno = error;
        return;
    }
    if (!has_lock) {
        /* The parent was made past these handlers (clone, _Fork, vfork). Its copy of an agent that
         * ran may be in any state, its locks too: there is none here. */
        st_agent_break_lock();
        if (st_agent_state() == ST_AGENT_RUNNING || st_agent_state() == ST_AGENT_LEAVING)
            atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    }
    if (st_agent_state() != ST_AGENT_BROKEN)
        atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
    atomic_store(&st_agent_wanted, false);
    st_shared.forked = true;
    atomic_store(&st_shared.listened, 0); /* that was the parent */
    atomic_store(&st_shared.accepted, 0);
    atomic_store(&st_shared.listen_told, false);
    drop_kept();
    if (st_shared.abi || st_self) { /* an agent has run, or is about to: there may be loops */
        st_signals_child();
        st_loops_child();
        st_capture_child();
    }
    unlock();
    errno = error;
}

/* At start-up, not with the first loop: a master without one forks workers that have one. */
void st_watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
