/* When the agent runs: from the first loop on, but not across a fork, a filter or an exec. */
#include "host.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>

_Atomic bool st_agent_wanted;
/* Not a mutex: a child could not free it. */
static _Atomic int agent_lock;
static sigset_t mask_before; /* of the thread that holds it */

static void nap(long ns)
{
    struct timespec t = {0, ns};
    ST_RAW(SYS_nanosleep, &t, NULL, 0, 0);
}

/* Whoever holds the lock takes no signals: a handler that made a wrapped call would wait for the
 * lock that its own thread holds. */
bool st_agent_try_lock(void)
{
    sigset_t all, before;
    int free = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!atomic_compare_exchange_strong(&agent_lock, &free, 1)) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return false;
    }
    mask_before = before;
    return true;
}

void st_agent_lock(void)
{
    while (!st_agent_try_lock())
        nap(50000);
}

void st_agent_unlock(void)
{
    sigset_t before = mask_before;
    atomic_store(&agent_lock, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* In a child: whoever held the lock is not there. */
void st_agent_break_lock(void)
{
    atomic_store(&agent_lock, 0);
}

/* False in a child that shares this memory (vfork), or that was made past our hooks. */
bool st_same_process(void)
{
    return st_is_filtered() || ST_RAW(SYS_getpid, 0, 0, 0, 0) == st_own_pid;
}

/* Is the agent that runs, or that was stopped for a while, a thread of this very process? Not that
 * of the process which a clone, _Fork or vfork has copied past our hooks. */
static pid_t agent_owner;

bool st_agent_is_ours(void)
{
    return st_is_filtered() || ST_RAW(SYS_getpid, 0, 0, 0, 0) == agent_owner;
}

static void set_state(int error)
{
    agent_owner = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    atomic_store(&st_agent_wanted, false);
    atomic_store_explicit(&st_shared.agent_state, error ? ST_AGENT_BROKEN : ST_AGENT_RUNNING,
                          memory_order_release);
}

/* Starts the agent where it does not run yet. 0, or a negative errno: tracing is off for good. */
int st_agent_start(void)
{
    uint32_t state = st_agent_state();
    if (state == ST_AGENT_RUNNING)
        return 0;
    if (state == ST_AGENT_BROKEN)
        return -ENODEV;
    if (st_is_filtered())
        return -EPERM; /* a thread made now would live under the filter */
    if (!st_started)
        st_start_up(0, NULL);
    st_agent_lock();
    int r = 0;
    state = st_agent_state();
    if (state == ST_AGENT_NONE) {
        r = st_on_valgrind() ? -ENOTSUP : st_prepare();
        if (r == 0)
            r = st_create_agent(false);
        set_state(r);
        st_say_no_trace();
    } else if (state == ST_AGENT_BROKEN) {
        r = -ENODEV;
    }
    st_agent_unlock();
    return r;
}

/* At the home wait after a fork, or the first call that may hang: the agent comes back. */
void ST_COLD st_agent_return(void)
{
    int error = errno;
    if (!st_is_filtered() && st_agent_is_ours() && st_agent_try_lock()) {
        if (st_agent_state() == ST_AGENT_NONE)
            set_state(st_create_agent(false));
        atomic_store(&st_agent_wanted, false);
        st_agent_unlock();
    }
    errno = error;
}

/* The process is about to lose what it takes to make a trace file (its privileges, its root): make
 * it now, and keep it on a high descriptor until the agent starts. Such a process has a descriptor
 * more than it knows; it is closed on exec. */
void ST_COLD st_keep_file(void)
{
    if (st_started && !st_same_process())
        return; /* before errno, which such a child may not have: see st_is_bare */
    int error = errno;
    if (!st_started)
        st_start_up(0, NULL);
    if (st_agent_state() == ST_AGENT_RUNNING && st_same_process() && !st_is_filtered())
        st_settle_agent();
    if (st_agent_state() == ST_AGENT_NONE && st_shared.kept_fd < 0 && !st_is_filtered() &&
        st_same_process() && !st_on_valgrind() && st_agent_try_lock()) {
        if (st_prepare() == 0)
            st_create_agent(true);
        st_agent_unlock();
    }
    errno = error;
}

void st_agent_follow_ids(void)
{
    /* where glibc keeps the tid, see own_tid in loops.c: no system call here */
    enum { TID_OFFSET = 0x2d0 };
    atomic_store(&st_shared.follow_tid,
                 *(const pid_t *)((const char *)pthread_self() + TID_OFFSET));
}

/* ---- stopping ---- */

/* Waits until the agent has written all that there is, but not for ever: its disk may hang. */
void st_agent_flush(void)
{
    enum { PATIENCE_NS = 500000000 };
    if (st_agent_state() != ST_AGENT_RUNNING || st_is_filtered() || !st_same_process() ||
        atomic_load(&st_shared.ready) != ST_READY)
        return;
    int error = errno;
    uint32_t want = atomic_fetch_add(&st_shared.flush_req, 1) + 1, seen;
    uint64_t start = st_clock_ns();
    st_wake_agent();
    while ((int32_t)((seen = atomic_load(&st_shared.flush_ack)) - want) < 0 &&
           st_clock_ns() - start < PATIENCE_NS) {
        struct timespec t = {0, 50000000};
        ST_RAW(SYS_futex, &st_shared.flush_ack, FUTEX_WAIT_PRIVATE, seen, &t);
    }
    errno = error;
}

/* Before the process becomes another program, if it does. */
void st_before_exec(void)
{
    if (st_agent_state() != ST_AGENT_RUNNING || !st_same_process())
        return;
    st_shared.exec = true;
    st_agent_flush();
    st_shared.exec = false;
}

void st_agent_stop_locked(uint32_t why)
{
    if (st_agent_state() != ST_AGENT_RUNNING || !st_agent_is_ours())
        return;
    atomic_store(&st_shared.stop, why);
    st_wake_agent();
    st_settle_agent();
    if (atomic_load(&st_shared.ready) == ST_NOT_READY)
        st_abandon_agent();
    else if (why == ST_STOP_EXIT)
        st_wait_for_agent_end();
    else
        st_join_agent();
    atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
}

static bool lock_for_a_while(void)
{
    enum { TRIES = 10000 };
    for (int i = 0; !st_agent_try_lock(); i++) {
        if (i > TRIES)
            return false;
        nap(50000);
    }
    return true;
}

uint32_t st_agent_bar(void)
{
    if (!lock_for_a_while())
        return ST_AGENT_BROKEN;
    uint32_t state = st_agent_state();
    st_agent_stop_locked(ST_STOP_FILTER);
    atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    st_agent_unlock();
    return state;
}

/* Ends the agent: for good with an end record (ST_STOP_EXIT, ST_STOP_FILTER), or until it is wanted
 * again (ST_STOP_FORK). */
void st_agent_stop(uint32_t why)
{
    if ((why == ST_STOP_EXIT || why == ST_STOP_LAST) && atomic_load(&st_agent_wanted))
        st_agent_return(); /* stopped for a fork: the end is still to be written, and what came
                              since */
    if (st_agent_state() != ST_AGENT_RUNNING)
        return;
    if (st_is_filtered())
        return; /* it ends with the process; what it has seen it writes within milliseconds */
    if ((why == ST_STOP_EXIT || why == ST_STOP_LAST) && st_self && !st_self->candidate)
        st_exit_in_iteration(st_self);
    if (!lock_for_a_while())
        return;
    st_agent_stop_locked(why);
    if (why != ST_STOP_FORK)
        atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    st_agent_unlock();
}

/* The agent has been stopped for a while. This thread's next call takes the slow path, and may
 * bring it back; only this thread writes its slot. In a call already (fork is one), it does so
 * afterwards. */
void st_want_agent(void)
{
    struct st_slot *s = st_self;
    if (s && atomic_load(&st_agent_wanted) &&
        !(atomic_load_explicit(&s->seq, memory_order_relaxed) & 1))
        atomic_fetch_or(&s->seq, ST_SEQ_SERVICE);
}

/* The program is about to do what the kernel allows to a process of one thread only. */
void st_agent_pause(void)
{
    if (st_agent_state() != ST_AGENT_RUNNING || !st_same_process())
        return;
    int error = errno;
    st_agent_stop(ST_STOP_FORK);
    atomic_store(&st_agent_wanted, true);
    st_want_agent();
    errno = error;
}
