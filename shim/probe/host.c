/* The probe's life: start-up, the agent's start and end, fork, exit. */
#include "real.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

struct st_shared st_shared;
_Atomic bool st_filtered;
_Atomic bool st_agent_wanted;

static pid_t own_pid; /* as of start-up or the last fork */
static pthread_t agent_thread;
static st_agent_main_fn *agent_main;
/* Held to start and stop the agent, and through a fork. Not a mutex: a child could not free it. */
static _Atomic int agent_lock;
static bool hooks_set;

extern void st_capture_init(void);
extern void st_capture_child(void);

/* ---- futex ------------------------------------------------------------------------------------------ */

static void wake_agent(void)
{
    atomic_fetch_add(&st_shared.wake, 1);
    ST_RAW(SYS_futex, &st_shared.wake, FUTEX_WAKE_PRIVATE, 1, 0);
}

static void nap(long ns)
{
    struct timespec t = {0, ns};
    ST_RAW(SYS_nanosleep, &t, NULL, 0, 0);
}

static bool try_lock(void)
{
    int free = 0;
    return atomic_compare_exchange_strong(&agent_lock, &free, 1);
}

static void lock(void)
{
    while (!try_lock())
        nap(50000);
}

static void unlock(void)
{
    atomic_store(&agent_lock, 0);
}

/* False in a child that shares this memory (vfork), or that was made past our hooks. */
bool st_same_process(void)
{
    if (atomic_load_explicit(&st_filtered, memory_order_relaxed))
        return true;
    return ST_RAW(SYS_getpid, 0, 0, 0, 0) == own_pid;
}

/* ---- starting ------------------------------------------------------------------------------------------ */

/* The agent lies beside the probe, or where it was installed. */
static void *open_agent(void)
{
    char path[4096];
    Dl_info info;
    if (dladdr((void *)(uintptr_t)open_agent, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        size_t n = slash ? (size_t)(slash + 1 - info.dli_fname) : 0;
        static const char *const names[] = {"stalltrace-agent.so", "stalltrace/stalltrace-agent.so"};
        for (int i = 0; slash && i < 2; i++) {
            if (n + strlen(names[i]) >= sizeof(path))
                continue;
            memcpy(path, info.dli_fname, n);
            strcpy(path + n, names[i]);
            if (ST_RAW(SYS_access, path, R_OK, 0, 0) == 0)
                return dlopen(path, RTLD_NOW | RTLD_LOCAL);
        }
    }
    return dlopen(STALLTRACE_PKGLIBDIR "/stalltrace-agent.so", RTLD_NOW | RTLD_LOCAL);
}

/* Our own text, to leave our frames out of stacks. */
static void find_own_text(void)
{
    Dl_info info;
    struct link_map *map;
    if (!dladdr1((void *)(uintptr_t)find_own_text, &info, (void **)&map, RTLD_DL_LINKMAP))
        return;
    const ElfW(Ehdr) *elf = info.dli_fbase;
    const ElfW(Phdr) *segment = (const void *)((const char *)info.dli_fbase + elf->e_phoff);
    for (int i = 0; i < elf->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && segment[i].p_flags & PF_X) {
            st_shared.probe_lo = map->l_addr + segment[i].p_vaddr;
            st_shared.probe_hi = st_shared.probe_lo + segment[i].p_memsz;
        }
}

static void set_ticks(void)
{
    double per_ns = 1 / st_shared.ns_per_tick;
    for (int i = 0; i < ST_CLASS_COUNT; i++) {
        st_threshold_ticks[i] = (uint64_t)((double)st_settings.threshold_ns[i] * per_ns);
        st_fast_ticks[i] = st_settings.strict & 1u << i ? 0 : st_threshold_ticks[i];
    }
    uint64_t least = UINT64_MAX;
    static const int of_fd[] = {ST_FILE, ST_NET, ST_IPC, ST_TTY};
    for (int i = 0; i < 4; i++)
        if (st_fast_ticks[of_fd[i]] < least)
            least = st_fast_ticks[of_fd[i]];
    st_fast_ticks[ST_FD] = least;
}

/* With a second thread, every cancellation point of glibc turns cancellation on and off around its
 * system call (20 ns a call here), and every lock and reference count becomes atomic. None of that is
 * for the agent: it takes no lock that the program takes, allocates nothing, and is never cancelled.
 * So a program that had one thread goes on as one. Where it matters (setuid and its like must reach
 * all threads) the truth is told for the time of the call. */
static bool *single_threaded; /* glibc ≥ 2.32; NULL: not there */

bool st_tell_threads(bool truth)
{
    if (!single_threaded || atomic_load(&st_shared.agent_state) != ST_AGENT_RUNNING)
        return false;
    bool before = *single_threaded;
    *single_threaded = !truth;
    return before;
}

static void before_fork(void);
static void after_fork_in_parent(void);
static void after_fork_in_child(void);

/* Once a process: settings in ticks, the agent's code, the fork handlers. */
static int prepare(void)
{
    if (agent_main)
        return 0;
    st_clock_calibrate();
    set_ticks();
    find_own_text();
    single_threaded = st_resolve_libc("__libc_single_threaded");
    st_shared.abi = ST_ABI;
    st_shared.calls = st_calls;
    st_shared.call_count = ST_CALL_COUNT;
    st_shared.settings = &st_settings;
    st_shared.tsc = st_tsc;
    void *agent = open_agent();
    if (!agent) {
        dlerror(); /* the program must not find our error */
        return -ENOENT;
    }
    st_agent_init_fn *init = (st_agent_init_fn *)dlsym(agent, "stalltrace_agent_init");
    st_agent_main_fn *entry = (st_agent_main_fn *)dlsym(agent, "stalltrace_agent_main");
    if (!init || !entry || init(&st_shared) != 0)
        return -EINVAL;
    agent_main = entry;
    if (!hooks_set && pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0)
        hooks_set = true;
    return 0;
}

static int create_agent(void)
{
    enum { AGENT_STACK = 512 * 1024 };
    pthread_attr_t attributes;
    sigset_t all;
    sigfillset(&all);
    atomic_store(&st_shared.stop, 0);
    if (pthread_attr_init(&attributes) != 0)
        return -ENOMEM;
    pthread_attr_setstacksize(&attributes, AGENT_STACK);
    pthread_attr_setsigmask_np(&attributes, &all); /* never a signal of the app's */
    bool single = single_threaded && *single_threaded;
    int r = pthread_create(&agent_thread, &attributes, agent_main, &st_shared);
    if (single)
        *single_threaded = true;
    pthread_attr_destroy(&attributes);
    return -r;
}

/* Starts the agent where it does not run yet. 0, or a negative errno: tracing is off for good. */
int st_agent_start(void)
{
    uint32_t state = atomic_load_explicit(&st_shared.agent_state, memory_order_acquire);
    if (state == ST_AGENT_RUNNING)
        return 0;
    if (state == ST_AGENT_BROKEN)
        return -ENODEV;
    if (atomic_load(&st_filtered))
        return -EPERM; /* a thread made now would live under the filter */
    lock();
    int r = 0;
    state = atomic_load(&st_shared.agent_state);
    if (state == ST_AGENT_NONE) {
        r = prepare();
        if (r == 0)
            r = create_agent();
        atomic_store(&st_agent_wanted, false);
        /* release: whoever sees it running sees it prepared */
        atomic_store_explicit(&st_shared.agent_state, r ? ST_AGENT_BROKEN : ST_AGENT_RUNNING,
                              memory_order_release);
    } else if (state == ST_AGENT_BROKEN) {
        r = -ENODEV;
    }
    unlock();
    return r;
}

/* ---- stopping -------------------------------------------------------------------------------------------- */

/* Waits until the agent has written all that there is, but not for ever: its disk may hang. */
void st_agent_flush(void)
{
    enum { PATIENCE_NS = 500000000 };
    if (atomic_load_explicit(&st_shared.agent_state, memory_order_acquire) != ST_AGENT_RUNNING ||
        atomic_load(&st_filtered) || !st_same_process())
        return;
    uint32_t want = atomic_fetch_add(&st_shared.flush_req, 1) + 1;
    wake_agent();
    uint64_t start = st_clock_ns();
    uint32_t seen;
    while ((int32_t)((seen = atomic_load(&st_shared.flush_ack)) - want) < 0 &&
           st_clock_ns() - start < PATIENCE_NS) {
        struct timespec t = {0, 50000000};
        ST_RAW(SYS_futex, &st_shared.flush_ack, FUTEX_WAIT_PRIVATE, seen, &t);
    }
}

/* Ends the agent: 1 for good, with an end record; 2 for a fork; 3 because a filter comes. */
static void stop_locked(uint32_t why)
{
    if (atomic_load(&st_shared.agent_state) != ST_AGENT_RUNNING)
        return;
    atomic_store(&st_shared.stop, why);
    wake_agent();
    pthread_join(agent_thread, NULL);
    atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
}

void st_agent_stop(uint32_t why)
{
    enum { TRIES = 10000 };
    if (atomic_load_explicit(&st_shared.agent_state, memory_order_acquire) != ST_AGENT_RUNNING)
        return;
    if (atomic_load(&st_filtered))
        return; /* it ends with the process; what it has seen it writes within milliseconds */
    for (int i = 0; !try_lock(); i++) {
        if (i > TRIES)
            return;
        nap(50000);
    }
    stop_locked(why);
    if (why != 2)
        atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    unlock();
}

void st_agent_pause(void)
{
    int error = errno;
    if (atomic_load_explicit(&st_shared.agent_state, memory_order_acquire) == ST_AGENT_RUNNING &&
        st_same_process()) {
        st_agent_stop(2);
        atomic_store(&st_agent_wanted, true);
    }
    errno = error;
}

/* At the home wait after a fork: the agent comes back. */
void ST_COLD st_agent_return(void)
{
    int error = errno;
    if (!atomic_load(&st_filtered) && try_lock()) {
        if (atomic_load(&st_shared.agent_state) == ST_AGENT_NONE && agent_main) {
            int r = create_agent();
            atomic_store(&st_shared.agent_state, r ? ST_AGENT_BROKEN : ST_AGENT_RUNNING);
        }
        atomic_store(&st_agent_wanted, false);
        unlock();
    }
    errno = error;
}

/* ---- fork -------------------------------------------------------------------------------------------------- */

/* Joined, not just paused: a program with one thread stays one across fork, and the child inherits no
 * lock that the agent held. */
static void before_fork(void)
{
    int error = errno;
    lock();
    if (atomic_load(&st_shared.agent_state) == ST_AGENT_RUNNING) {
        stop_locked(2);
        atomic_store(&st_agent_wanted, true);
    }
    errno = error;
}

static void after_fork_in_parent(void)
{
    unlock();
}

static void after_fork_in_child(void)
{
    int error = errno;
    own_pid = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    if (atomic_load(&st_shared.agent_state) != ST_AGENT_BROKEN)
        atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
    atomic_store(&st_agent_wanted, false);
    st_shared.forked = true;
    st_loops_child();
    st_capture_child();
    unlock();
    errno = error;
}

/* ---- start-up and exit ----------------------------------------------------------------------------------------- */

__attribute__((constructor)) static void start(void)
{
    int error = errno;
    own_pid = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    st_clock_init();
    st_settings_read();
    st_loops_init();
    st_capture_init();
    st_poll_watch = st_loops & (ST_LOOPS_AUTO | ST_LOOPS_POLL) ? 1 : 0;
    st_poll_all = st_loops & ST_LOOPS_POLL;
    if (st_loops & ST_LOOPS_MAIN)
        st_tag(ST_HOME_NONE, -1, 0);
    errno = error;
}

__attribute__((destructor)) static void finish(void)
{
    int error = errno;
    if (st_same_process())
        st_agent_stop(1);
    errno = error;
}
