/* The probe's life: start-up, and the agent's start and end through fork, exec, exit and filters.
 */
#include "real.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

struct st_shared st_shared;
_Thread_local bool st_is_agent __attribute__((tls_model("initial-exec")));
_Atomic bool st_filtered;
_Atomic bool st_agent_wanted;

static pid_t own_pid; /* as of start-up or the last fork */
static bool started;  /* our constructor has run */
static void start(int argc, char **argv);
static pthread_t agent_thread;
static pid_t agent_tid;
static st_agent_main_fn *agent_main;
/* Held to start and stop the agent, and through a fork. Not a mutex: a child could not free it. */
static _Atomic int agent_lock;
static bool stopped_for_filter;
bool *st_single_threaded; /* glibc's own flag (≥ 2.32); NULL: not there */

/* glibc's count of threads, which is there for libthread_db: the process exits when it falls to 0,
 * so the agent must not be counted, or a program whose last thread just ends would never end. */
static unsigned *thread_count;

enum { NOT_READY, READY, FAILED };
/* Numbers the starts of the agent, in steps of 2; the lowest bit says what it is to do. */
enum { ST_ONLY_FILE = 1 };
static _Atomic uint32_t current_start;

_Static_assert((int)ST_CALL_COUNT <= (int)ST_MAX_CALLS,
               "slot.h: sums has an element for each call");

/* ---- waiting ---- */

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

static uint32_t agent_state(void)
{
    /* acquire: whoever sees the agent running sees it prepared */
    return atomic_load_explicit(&st_shared.agent_state, memory_order_acquire);
}

static bool filtered(void)
{
    return atomic_load_explicit(&st_filtered, memory_order_relaxed);
}

/* False in a child that shares this memory (vfork), or that was made past our hooks. */
bool st_same_process(void)
{
    return filtered() || ST_RAW(SYS_getpid, 0, 0, 0, 0) == own_pid;
}

/* ---- one thread or two ---- */

/* With a second thread, every cancellation point of glibc turns cancellation on and off around its
 * system call (20 ns a call here), and every lock and reference count becomes atomic. None of that
 * is for the agent: it takes no lock that the program takes, allocates nothing once it runs, and is
 * never cancelled. So a program that had one thread goes on as one: see create_thread. */

/* ---- the agent's thread ---- */

/* Deep binding: the agent and libunwind use the agent's own allocator, and libc itself, not what
 * the program or another preload has put in front. The sanitizers' runtimes refuse it, by ending
 * the program. */
static int agent_flags(void)
{
    bool sanitized = dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback") ||
                     dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init");
    return RTLD_NOW | RTLD_LOCAL | (sanitized ? 0 : RTLD_DEEPBIND);
}

/* The agent lies beside the probe, or where it was installed. */
static void *open_agent(void)
{
    char path[4096];
    Dl_info info;
    static const char *const names[] = {"stalltrace-agent.so", "stalltrace/stalltrace-agent.so"};
    if (dladdr((void *)(uintptr_t)open_agent, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        size_t n = slash ? (size_t)(slash + 1 - info.dli_fname) : 0;
        for (int i = 0; slash && i < 2; i++) {
            if (n + strlen(names[i]) >= sizeof(path))
                continue;
            memcpy(path, info.dli_fname, n);
            strcpy(path + n, names[i]);
            if (ST_RAW(SYS_access, path, R_OK, 0, 0) == 0)
                return dlopen(path, agent_flags());
        }
    }
    return dlopen(STALLTRACE_PKGLIBDIR "/stalltrace-agent.so", agent_flags());
}

static int load_agent(void)
{
    if (agent_main)
        return 0;
    void *agent = open_agent();
    if (!agent)
        return -ENOENT;
    st_agent_init_fn *init = (st_agent_init_fn *)dlsym(agent, "stalltrace_agent_init");
    st_agent_main_fn *entry = (st_agent_main_fn *)dlsym(agent, "stalltrace_agent_main");
    if (!init || !entry || init(&st_shared) != 0)
        return -EINVAL;
    agent_main = entry;
    return 0;
}

/* A table of descriptors of the agent's own: the trace is not among the app's, whatever that
 * closes, and what it closes is not kept open here. All but a trace that was made in advance. */
static void own_descriptors(void)
{
    if (st_shared.kept_fd >= 0) {
        unsigned keep = (unsigned)st_shared.kept_fd;
        if (ST_RAW(SYS_unshare, CLONE_FILES, 0, 0, 0) == 0) {
            ST_RAW(SYS_close_range, 0, keep - 1, 0, 0);
            ST_RAW(SYS_close_range, keep + 1, ~0u, 0, 0);
        }
        return;
    }
    if (ST_RAW(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE, 0) == 0)
        return;
    if (ST_RAW(SYS_unshare, CLONE_FILES, 0, 0, 0) == 0)
        for (int fd = 0; fd < 1024; fd++)
            ST_RAW(SYS_close, fd, 0, 0, 0);
    /* else: the trace's descriptor is one of the app's; a high one, see js_file_open */
}

/* Ends the agent's thread. */
static void *end_thread(void)
{
    if (thread_count)
        __atomic_fetch_add(thread_count, 1, __ATOMIC_SEQ_CST); /* glibc is about to subtract it */
    return NULL;
}

/* The process is exiting, and ends this thread with it. To return would be to be the last thread
 * for glibc, which would then exit once more. */
static void wait_for_exit(void)
{
    atomic_store(&st_shared.ended, 1);
    ST_RAW(SYS_futex, &st_shared.ended, FUTEX_WAKE_PRIVATE, 1, 0);
    for (;;)
        ST_RAW(SYS_pause, 0, 0, 0, 0);
}

/* The agent loads its code on its own thread: with a dlerror and a stack of its own, whatever the
 * program's threads have; still with the program's descriptors, since loading runs the program's
 * allocator, which may have some. For ST_ONLY_FILE it makes the trace's file, in the app's table,
 * and ends. */
static void *agent_body(void *argument)
{
    uint32_t start = (uint32_t)(uintptr_t)argument;
    bool only_file = start & ST_ONLY_FILE;
    st_is_agent = true;
    int r = load_agent();
    if (start != atomic_load(&current_start))
        return end_thread(); /* it was not waited for: the loader was busy for too long */
    agent_tid = (pid_t)ST_RAW(SYS_gettid, 0, 0, 0, 0);
    if (r == 0 && !only_file)
        own_descriptors();
    if (r == 0)
        r = only_file ? st_shared.keep_file() : st_shared.open_file();
    atomic_store(&st_shared.ready, r ? FAILED : READY);
    ST_RAW(SYS_futex, &st_shared.ready, FUTEX_WAKE_PRIVATE, 1, 0);
    if (r == 0 && !only_file)
        agent_main(&st_shared);
    if (atomic_load(&st_shared.stop) == ST_STOP_EXIT)
        wait_for_exit();
    return end_thread();
}

/* pthread_join is a cancellation point, and what calls this is none. */
static void join_agent(void)
{
    enum { TRIES = 20000 };
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    real_pthread_join(agent_thread, NULL); /* not ours: it is no call of the program */
    pthread_setcancelstate(state, NULL);
    /* For the kernel it is still there for some microseconds: who forks or unshares now wants to be
     * the only one. */
    for (int i = 0; i < TRIES && ST_RAW(SYS_tgkill, own_pid, agent_tid, 0, 0) == 0; i++)
        ST_RAW(SYS_sched_yield, 0, 0, 0, 0);
}

/* The agent is still in the loader, which this thread may hold: it is not waited for. When it gets
 * there it finds that it is not wanted, and ends. */
static void abandon_thread(void)
{
    atomic_fetch_add(&current_start, 2);
    pthread_detach(agent_thread);
}

/* At exit: until all is written, but not for ever, since a disk may hang. */
static void wait_for_end(void)
{
    struct timespec patience = {2, 0};
    while (!atomic_load(&st_shared.ended))
        if (ST_RAW(SYS_futex, &st_shared.ended, FUTEX_WAIT_PRIVATE, 0, &patience) == -ETIMEDOUT)
            return;
}

/* Is this the program's only thread? */
bool st_last_thread(void)
{
    return thread_count && __atomic_load_n(thread_count, __ATOMIC_SEQ_CST) <= 1;
}

/* Not for ever: that thread needs the loader's lock, and this one may be inside the loader. */
static bool wait_until_ready(void)
{
    struct timespec patience = {0, 300000000};
    while (atomic_load(&st_shared.ready) == NOT_READY)
        if (ST_RAW(SYS_futex, &st_shared.ready, FUTEX_WAIT_PRIVATE, NOT_READY, &patience) ==
            -ETIMEDOUT)
            return false;
    return true;
}

static int create_thread(bool only_file)
{
    enum { AGENT_STACK = 512 * 1024 };
    pthread_attr_t attributes;
    sigset_t all, before;
    atomic_store(&st_shared.stop, 0);
    atomic_store(&st_shared.ready, NOT_READY);
    uint32_t start = (atomic_load(&current_start) & ~1u) + 2 + (only_file ? ST_ONLY_FILE : 0);
    atomic_store(&current_start, start);
    if (pthread_attr_init(&attributes) != 0)
        return -ENOMEM;
    /* Always of one size: after a fork glibc takes the stack from its cache, and allocates nothing;
     * the agent may come back in a call that an allocator makes under its own lock. The mask is
     * inherited, since the attribute for it would be allocated. */
    pthread_attr_setstacksize(&attributes, AGENT_STACK);
    sigfillset(&all); /* never a signal of the app's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool single = st_single_threaded && *st_single_threaded;
    int r = pthread_create(&agent_thread, &attributes, agent_body, (void *)(uintptr_t)start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (r)
        return -r;
    if (thread_count)
        __atomic_fetch_sub(thread_count, 1, __ATOMIC_SEQ_CST);
    bool ready = wait_until_ready();
    if (!ready && only_file) {
        abandon_thread();
        return -ETIMEDOUT;
    }
    if (only_file || atomic_load(&st_shared.ready) == FAILED) {
        join_agent();
        r = atomic_load(&st_shared.ready) == FAILED ? -ENOENT : 0;
    }
    if (single && (ready || r))
        *st_single_threaded = true;
    return r;
}

/* ---- starting ---- */

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
    static const int of_fd[] = {ST_FILE, ST_NET, ST_IPC, ST_TTY};
    double per_ns = 1 / st_shared.ns_per_tick;
    for (int i = 0; i < ST_CLASS_COUNT; i++) {
        st_threshold_ticks[i] = (uint64_t)((double)st_settings.threshold_ns[i] * per_ns);
        st_fast_ticks[i] = st_settings.strict & 1u << i ? 0 : st_threshold_ticks[i];
    }
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 4; i++)
        if (st_fast_ticks[of_fd[i]] < least)
            least = st_fast_ticks[of_fd[i]];
    st_fast_ticks[ST_FD] = least;
    st_iteration_ticks = (uint64_t)((double)st_settings.iteration_ns * per_ns);
}

/* Once a process, before the first agent. */
static int prepare(void)
{
    static bool prepared;
    if (prepared)
        return 0;
    prepared = true;
    st_clock_calibrate();
    set_ticks();
    find_own_text();
    st_single_threaded = st_resolve_libc("__libc_single_threaded");
    thread_count = st_resolve_libc("__nptl_nthreads");
    st_shared.sample_handler = st_sample;
    st_shared.abi = ST_ABI;
    st_shared.calls = st_calls;
    st_shared.call_count = ST_CALL_COUNT;
    st_shared.settings = &st_settings;
    st_shared.tsc = st_tsc;
    return 0;
}

/* There is nothing else that could say it: the trace is what is missing. */
static void say_no_trace(void)
{
    static const char head[] = "stalltrace: nothing is recorded: cannot write to ";
    static const char tail[] =
        "; set STALLTRACE_OUTPUT to a directory that this user may write to\n";
    static bool said;
    char line[4096 + 256];
    size_t n = 0;
    if (said || st_shared.open_error == 0 || st_settings.quiet)
        return;
    said = true;
    for (const char *p = head; *p; p++)
        line[n++] = *p;
    for (const char *p = st_settings.output; *p && n < 4096; p++)
        line[n++] = *p;
    const char *why = strerrordesc_np(st_shared.open_error);
    line[n++] = ':';
    line[n++] = ' ';
    for (const char *p = why ? why : "unknown error"; *p; p++)
        line[n++] = *p;
    for (const char *p = tail; *p; p++)
        line[n++] = *p;
    ST_RAW(SYS_write, 2, line, n, 0);
}

static void set_state(int error)
{
    atomic_store(&st_agent_wanted, false);
    atomic_store_explicit(&st_shared.agent_state, error ? ST_AGENT_BROKEN : ST_AGENT_RUNNING,
                          memory_order_release);
}

/* Starts the agent where it does not run yet. 0, or a negative errno: tracing is off for good. */
int st_agent_start(void)
{
    uint32_t state = agent_state();
    if (state == ST_AGENT_RUNNING)
        return 0;
    if (state == ST_AGENT_BROKEN)
        return -ENODEV;
    if (filtered())
        return -EPERM; /* a thread made now would live under the filter */
    if (!started)
        start(0, NULL);
    lock();
    int r = 0;
    state = agent_state();
    if (state == ST_AGENT_NONE) {
        r = prepare();
        if (r == 0)
            r = create_thread(false);
        set_state(r);
        say_no_trace();
    } else if (state == ST_AGENT_BROKEN) {
        r = -ENODEV;
    }
    unlock();
    return r;
}

/* At the home wait after a fork, or the first call that may hang: the agent comes back. */
void ST_COLD st_agent_return(void)
{
    int error = errno;
    if (!filtered() && try_lock()) {
        if (agent_state() == ST_AGENT_NONE)
            set_state(create_thread(false));
        atomic_store(&st_agent_wanted, false);
        unlock();
    }
    errno = error;
}

/* The process is about to lose what it takes to make a trace file (its privileges, its root): make
 * it now, and keep it on a high descriptor until the agent starts. Such a process has a descriptor
 * more than it knows; it is closed on exec. */
void ST_COLD st_keep_file(void)
{
    int error = errno;
    if (!started)
        start(0, NULL);
    if (agent_state() == ST_AGENT_NONE && st_shared.kept_fd < 0 && !filtered() &&
        st_same_process() && try_lock()) {
        if (prepare() == 0)
            create_thread(true);
        unlock();
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
    int error = errno;
    if (agent_state() != ST_AGENT_RUNNING || filtered() || !st_same_process() ||
        atomic_load(&st_shared.ready) != READY)
        return;
    uint32_t want = atomic_fetch_add(&st_shared.flush_req, 1) + 1, seen;
    uint64_t start = st_clock_ns();
    wake_agent();
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
    if (agent_state() != ST_AGENT_RUNNING || !st_same_process())
        return;
    st_shared.exec = true;
    st_agent_flush();
    st_shared.exec = false;
}

static void stop_locked(uint32_t why)
{
    if (agent_state() != ST_AGENT_RUNNING)
        return;
    atomic_store(&st_shared.stop, why);
    wake_agent();
    if (atomic_load(&st_shared.ready) == NOT_READY)
        abandon_thread();
    else if (why == ST_STOP_EXIT)
        wait_for_end();
    else
        join_agent();
    atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
}

/* Ends the agent: for good with an end record (ST_STOP_EXIT, ST_STOP_FILTER), or until it is wanted
 * again (ST_STOP_FORK). */
void st_agent_stop(uint32_t why)
{
    enum { TRIES = 10000 };
    if ((why == ST_STOP_EXIT || why == ST_STOP_LAST) && atomic_load(&st_agent_wanted))
        st_agent_return(); /* stopped for a fork: the end is still to be written, and what came
                              since */
    if (agent_state() != ST_AGENT_RUNNING)
        return;
    if (filtered())
        return; /* it ends with the process; what it has seen it writes within milliseconds */
    for (int i = 0; !try_lock(); i++) {
        if (i > TRIES)
            return;
        nap(50000);
    }
    stop_locked(why);
    stopped_for_filter = why == ST_STOP_FILTER;
    if (why != ST_STOP_FORK)
        atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    unlock();
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
    int error = errno;
    if (agent_state() == ST_AGENT_RUNNING && st_same_process()) {
        st_agent_stop(ST_STOP_FORK);
        atomic_store(&st_agent_wanted, true);
        st_want_agent();
    }
    errno = error;
}

/* ---- fork
 * --------------------------------------------------------------------------------------------------
 */

/* ---- seccomp ---- */

bool st_is_filtered(void)
{
    return filtered();
}

/* A filter is about to be installed, on this thread or on all. From here on the app's threads make
 * no system call of ours. The agent starts before it, if it can, since a thread made afterwards
 * would inherit the filter; with a filter for all threads it steps aside. */
void ST_COLD st_before_filter(bool all_threads)
{
    int error = errno;
    if (!filtered()) {
        if (all_threads)
            st_agent_stop(ST_STOP_FILTER);
        else
            st_agent_start();
    }
    errno = error;
}

void ST_COLD st_after_filter(bool all_threads, bool installed)
{
    if (installed) {
        if (all_threads)
            atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
        atomic_store(&st_filtered, true);
    } else if (all_threads && stopped_for_filter) {
        /* there is none after all: the agent comes back */
        atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
        atomic_store(&st_agent_wanted, true);
    }
    stopped_for_filter = false;
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

/* ---- fork ---- */

/* The descriptor that was kept, if it still is what it was. */
static void drop_kept(void)
{
    struct stat st;
    if (st_shared.kept_fd >= 0 && ST_RAW(SYS_fstat, st_shared.kept_fd, &st, 0, 0) == 0 &&
        st.st_ino == st_shared.kept_ino && st.st_dev == st_shared.kept_dev)
        ST_RAW(SYS_close, st_shared.kept_fd, 0, 0, 0);
    st_shared.kept_fd = -1;
}

/* Joined, not just paused: a program with one thread stays one across fork, and the child inherits
 * no lock that the agent held. */
static void before_fork(void)
{
    int error = errno;
    if (filtered())
        return; /* the child inherits the filter, and starts no agent */
    lock();
    if (agent_state() == ST_AGENT_RUNNING) {
        stop_locked(ST_STOP_FORK);
        atomic_store(&st_agent_wanted, true);
    }
    errno = error;
}

static void after_fork_in_parent(void)
{
    if (filtered())
        return;
    unlock();
    st_want_agent();
}

static void after_fork_in_child(void)
{
    int error = errno;
    if (filtered()) {
        st_self = NULL;
        st_poll_watch = 0;
        atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
        return;
    }
    own_pid = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    if (agent_state() != ST_AGENT_BROKEN)
        atomic_store(&st_shared.agent_state, ST_AGENT_NONE);
    atomic_store(&st_agent_wanted, false);
    st_shared.forked = true;
    drop_kept();
    if (st_shared.abi || st_self) { /* an agent has run, or is about to: there may be loops */
        st_loops_child();
        st_capture_child();
    }
    unlock();
    errno = error;
}

/* ---- start-up and exit ---- */

/* The command line as it was: some programs write their status over it. */
static void save_arguments(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 0; i < argc && argv && argv[i]; i++)
        for (const char *p = argv[i]; n < sizeof(st_shared.argv); p++) {
            st_shared.argv[n++] = *p;
            if (!*p)
                break;
        }
    st_shared.argv_len = (uint32_t)n;
}

/* glibc hands constructors what it hands to main. */
__attribute__((constructor)) static void start(int argc, char **argv)
{
    int error = errno;
    if (started)
        return; /* another object's constructor called us before */
    started = true;
    own_pid = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    st_shared.kept_fd = -1;
    save_arguments(argc, argv);
    st_clock_init();
    st_settings_read();
    st_loops_init();
    st_capture_init();
    /* here, not with the first loop: a master without one forks workers that have one */
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    st_poll_watch = st_loops & (ST_LOOPS_AUTO | ST_LOOPS_POLL) ? 1 : 0;
    st_poll_all = st_loops & (ST_LOOPS_POLL | ST_LOOPS_NAME);
    if (st_loops & ST_LOOPS_MAIN || (st_loops & ST_LOOPS_NAME && st_own_name_matches()))
        st_tag(ST_HOME_NONE, -1, 0);
    errno = error;
}

__attribute__((destructor)) static void finish(void)
{
    int error = errno;
    if (st_same_process())
        st_agent_stop(ST_STOP_EXIT);
    errno = error;
}
