/* When the agent runs: from the first loop on, but not across a fork, a filter or an exec. */
#include "host.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>

_Atomic bool st_agent_wanted;
/* Not a mutex: a child could not free it. Whose it is: an address of that thread's own. */
static _Atomic uintptr_t agent_lock;
static sigset_t mask_before; /* of the thread that holds it */

static void nap(long ns)
{
    struct timespec t = {0, ns};
    ST_RAW(SYS_nanosleep, &t, NULL, 0, 0);
}

static uintptr_t this_thread(void)
{
    static _Thread_local char here __attribute__((tls_model("initial-exec")));
    return (uintptr_t)&here;
}

bool st_agent_has_lock(void)
{
    return atomic_load(&agent_lock) == this_thread();
}

/* Whoever holds the lock takes no signals: a handler that made a wrapped call would wait for the
 * lock that its own thread holds. While the agent is waited for they are open, and such a handler
 * is told that the lock is not to be had. */
bool st_agent_try_lock(void)
{
    sigset_t all, before;
    uintptr_t free = 0;
    if (st_agent_has_lock())
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (!atomic_compare_exchange_strong(&agent_lock, &free, this_thread())) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return false;
    }
    mask_before = before;
    return true;
}

bool st_agent_lock(void)
{
    enum { TRIES = 4000 }; /* about 400 ms: whoever has it may be waiting for the agent himself */
    for (int i = 0; !st_agent_try_lock(); i++) {
        if (i == TRIES || st_agent_has_lock())
            return false;
        nap(50000);
    }
    return true;
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

bool st_agent_wait(const _Atomic uint32_t *word, uint32_t value)
{
    enum { PATIENCE_NS = 200000000, AT_MOST_NS = 1000000000, STEP_NS = 10000000 };
    uint64_t still = 0, all = 0, last = st_clock_ns();
    uint32_t progress = atomic_load(&st_shared.progress);
    sigset_t closed, open = mask_before;
    bool opened = st_agent_has_lock();
    if (opened)
        pthread_sigmask(SIG_SETMASK, &open, &closed);
    while (atomic_load(word) == value && still < PATIENCE_NS && all < AT_MOST_NS) {
        struct timespec step = {0, STEP_NS};
        ST_RAW(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &step);
        uint64_t now = st_clock_ns(), took = now - last;
        uint32_t seen = atomic_load(&st_shared.progress);
        last = now;
        took = took < 2 * STEP_NS ? took : 2 * STEP_NS; /* else this process was stopped */
        still = seen == progress ? still + took : 0;
        all += took;
        progress = seen;
    }
    if (opened)
        pthread_sigmask(SIG_SETMASK, &closed, NULL);
    return atomic_load(word) != value;
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

/* One that was stuck may be gone by now. */
static uint32_t settled_state(void)
{
    uint32_t state = st_agent_state();
    if (state != ST_AGENT_LEAVING || !atomic_load(&st_shared.left))
        return state;
    atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
    return ST_AGENT_NONE;
}

/* Starts the agent where it does not run yet. 0, or a negative errno: -EAGAIN where it may be tried
 * again, else tracing is off for good. */
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
    if (!st_agent_lock())
        return -EAGAIN;
    int r = 0;
    state = settled_state();
    if (state == ST_AGENT_NONE) {
        r = st_on_valgrind() ? -ENOTSUP : st_prepare();
        if (r == 0)
            r = st_create_agent(false);
        else
            st_complain((const char *const[]){
                "valgrind runs the program, many times slower than it is", NULL});
        set_state(r);
    } else if (state != ST_AGENT_RUNNING) {
        r = state == ST_AGENT_BROKEN ? -ENODEV : -EAGAIN;
    }
    st_agent_unlock();
    return r;
}

/* At the home wait after a fork, or the first call that may hang: the agent comes back. */
void ST_COLD st_agent_return(void)
{
    int error = errno;
    if (!st_is_filtered() && st_agent_is_ours() && st_agent_try_lock()) {
        uint32_t state = settled_state();
        if (state == ST_AGENT_NONE)
            set_state(st_create_agent(false));
        if (state != ST_AGENT_LEAVING)
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
        if (st_prepare() == 0 && st_create_agent(true) == -ETIMEDOUT && st_agent_is_loaded())
            atomic_store(&st_shared.agent_state, ST_AGENT_LEAVING);
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

/* Waits until the agent has written all that there is, but not for long: its disk may hang. */
void st_agent_flush(void)
{
    if (st_agent_state() != ST_AGENT_RUNNING || st_is_filtered() || !st_same_process() ||
        atomic_load(&st_shared.ready) != ST_READY)
        return;
    int error = errno;
    uint32_t want = atomic_fetch_add(&st_shared.flush_req, 1) + 1, seen;
    st_wake_agent();
    while ((int32_t)((seen = atomic_load(&st_shared.flush_ack)) - want) < 0)
        if (!st_agent_wait(&st_shared.flush_ack, seen))
            break;
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

/* It does not answer. Either it has not seen that it is to stop, and goes on as before when it can;
 * or it ends some time, and none can start before. */
static void give_up(uint32_t why)
{
    if (why != ST_STOP_FILTER && atomic_compare_exchange_strong(&st_shared.stop, &why, ST_STOP_NOT))
        return;
    st_detach_agent();
    atomic_store(&st_shared.agent_state, ST_AGENT_LEAVING);
}

bool st_agent_stop_locked(uint32_t why)
{
    if (settled_state() == ST_AGENT_LEAVING)
        return false;
    if (st_agent_state() != ST_AGENT_RUNNING || !st_agent_is_ours())
        return true;
    bool loaded = st_agent_is_loaded(), gone;
    atomic_store(&st_shared.stop, why);
    st_wake_agent();
    st_settle_agent();
    if (atomic_load(&st_shared.ready) == ST_NOT_READY && st_abandon_agent()) {
        atomic_store(&st_shared.agent_state, loaded ? ST_AGENT_LEAVING : ST_AGENT_NONE);
        return !loaded;
    }
    if (why == ST_STOP_EXIT)
        gone = st_agent_wait(&st_shared.ended, 0);
    else
        gone = st_join_agent();
    if (gone)
        atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
    else
        give_up(why);
    return gone;
}

uint32_t st_agent_bar(void)
{
    if (!st_agent_lock())
        return ST_AGENT_BROKEN;
    uint32_t state = st_agent_state();
    if (!st_agent_stop_locked(ST_STOP_FILTER))
        atomic_store(&st_shared.vanish, true);
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
    if (!st_agent_lock())
        return;
    bool gone = st_agent_stop_locked(why);
    if (gone && why != ST_STOP_FORK)
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
    if (st_agent_state() != ST_AGENT_RUNNING) {
        atomic_store(&st_agent_wanted, true);
        st_want_agent();
    }
    errno = error;
}
