/* The agent's thread: it loads the agent, has descriptors of its own, and is not counted among the
 * program's threads. */
#include "host.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>

_Thread_local bool st_is_agent __attribute__((tls_model("initial-exec")));
bool *st_single_threaded; /* glibc's own flag (≥ 2.32); NULL: not there */
unsigned *st_thread_count;

static pthread_t agent_thread;
static pid_t agent_tid;
static st_agent_main_fn *agent_main;
static char load_problem[512]; /* why its object could not be loaded; empty: it could */
static void *open_agent(void);
/* Numbers the starts of the agent, in steps of 2; the lowest bit says what it is to do. */
enum { ST_ONLY_FILE = 1 };
static _Atomic uint32_t current_start;
/* How long the first loop's thread waits for the agent. CI also tests with 1, as on a machine that
 * has no time for it. */
#ifndef ST_AGENT_PATIENCE_NS
#define ST_AGENT_PATIENCE_NS 300000000
#endif
static bool was_single; /* the program, and the agent was not waited for until it was ready */

void st_wake_agent(void)
{
    atomic_fetch_add(&st_shared.wake, 1);
    ST_RAW(SYS_futex, &st_shared.wake, FUTEX_WAKE_PRIVATE, 1, 0);
}

/* ---- one thread or two ---- */

/* With a second thread, every cancellation point of glibc turns cancellation on and off around its
 * system call (20 ns a call here), and every lock and reference count becomes atomic. None of that
 * is for the agent: it takes no lock that the program takes, allocates nothing once it runs, and is
 * never cancelled. So a program that had one thread goes on as one: see st_create_agent. */

/* ---- loading it ---- */

/* Deep binding: the agent and libunwind use the agent's own allocator, and libc itself, not what
 * the program or another preload has put in front. The sanitizers' runtimes refuse it, by ending
 * the program. */
static int agent_flags(void)
{
    bool sanitized = dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback") ||
                     dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init");
    return RTLD_NOW | RTLD_LOCAL | (sanitized ? 0 : RTLD_DEEPBIND);
}

/* The directory of the probe, with a slash at its end; empty where it is not known. */
static char directory[4096];

void st_find_agent(void)
{
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)open_agent, &info) || !info.dli_fname)
        return;
    const char *slash = strrchr(info.dli_fname, '/');
    size_t n = slash ? (size_t)(slash + 1 - info.dli_fname) : 0, at = 0;
    if (!slash)
        return;
    if (info.dli_fname[0] != '/') {
        /* LD_PRELOAD with a relative path; the length counts the NUL */
        long len = ST_RAW(SYS_getcwd, directory, sizeof(directory), 0, 0);
        at = len > 1 ? (size_t)len : sizeof(directory);
        if (at < sizeof(directory))
            directory[at - 1] = '/';
    }
    if (at + n < sizeof(directory))
        memcpy(directory + at, info.dli_fname, n + 1);
    else
        n = at = 0;
    directory[at + n] = 0;
}

static void note_problem(const char *a, const char *b, const char *c)
{
    const char *const parts[] = {a, b, c};
    size_t n = 0;
    for (int i = 0; i < 3; i++)
        for (const char *p = parts[i]; *p && n + 1 < sizeof(load_problem); p++)
            load_problem[n++] = *p;
    load_problem[n] = 0;
}

/* The agent lies beside the probe, or where it was installed. */
static void *open_agent(void)
{
    static const char *const names[] = {"stalltrace-agent.so", "stalltrace/stalltrace-agent.so"};
    static const char installed[] = STALLTRACE_PKGLIBDIR "/stalltrace-agent.so";
    char path[sizeof(directory) + 64];
    size_t n = strlen(directory);
    for (int i = 0; n > 0 && i < 2; i++) {
        memcpy(path, directory, n);
        strcpy(path + n, names[i]);
        if (ST_RAW(SYS_access, path, R_OK, 0, 0) == 0)
            return dlopen(path, agent_flags());
    }
    if (ST_RAW(SYS_access, installed, R_OK, 0, 0) == 0)
        return dlopen(installed, agent_flags());
    note_problem("stalltrace-agent.so is not beside libstalltrace.so in ", directory,
                 ", nor in " STALLTRACE_PKGLIBDIR "; install it there");
    return NULL;
}

static bool has_no_descriptors(void)
{
    long fd = ST_RAW(SYS_openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);
    if (fd >= 0)
        ST_RAW(SYS_close, fd, 0, 0, 0);
    return fd == -EMFILE;
}

static int load_agent(void)
{
    if (agent_main)
        return 0;
    load_problem[0] = 0;
    void *agent = open_agent();
    const char *why = agent || load_problem[0] ? NULL : dlerror();
    if (!agent && !load_problem[0])
        note_problem("the agent cannot be loaded: ", why ? why : "unknown error",
                     has_no_descriptors() ? "; raise the limit of open files (ulimit -n)"
                                          : "; install it, or copy it beside stalltrace-agent.so");
    if (!agent)
        return -ENOENT;
    st_agent_init_fn *init = (st_agent_init_fn *)dlsym(agent, "stalltrace_agent_init");
    st_agent_main_fn *entry = (st_agent_main_fn *)dlsym(agent, "stalltrace_agent_main");
    if (!init || !entry || init(&st_shared) != 0) {
        note_problem("stalltrace-agent.so is of another build than libstalltrace.so in ", directory,
                     "; install both");
        return -EINVAL;
    }
    agent_main = entry;
    return 0;
}

/* A table of descriptors of the agent's own: the trace is not among the app's, whatever that
 * closes, and what it closes is not kept open here. All but a trace that was made in advance, and
 * stderr, which is closed when there is nothing to say. False: the table is the app's. */
static bool own_descriptors(void)
{
    if (st_shared.kept_fd >= 0) {
        unsigned keep = (unsigned)st_shared.kept_fd;
        if (ST_RAW(SYS_unshare, CLONE_FILES, 0, 0, 0) != 0)
            return false;
        ST_RAW(SYS_close_range, 0, 1, 0, 0);
        ST_RAW(SYS_close_range, 3, keep - 1, 0, 0);
        ST_RAW(SYS_close_range, keep + 1, ~0u, 0, 0);
        return true;
    }
    if (ST_RAW(SYS_close_range, 3, ~0u, CLOSE_RANGE_UNSHARE, 0) == 0) {
        ST_RAW(SYS_close_range, 0, 1, 0, 0);
        return true;
    }
    /* if not, the trace's descriptor is one of the app's; a high one, see js_file_open */
    if (ST_RAW(SYS_unshare, CLONE_FILES, 0, 0, 0) != 0)
        return false;
    for (int fd = 0; fd < 1024; fd++)
        if (fd != 2)
            ST_RAW(SYS_close, fd, 0, 0, 0);
    return true;
}

/* Ends the agent's thread. */
static void *end_thread(void)
{
    if (st_thread_count)
        __atomic_fetch_add(st_thread_count, 1,
                           __ATOMIC_SEQ_CST); /* glibc is about to subtract it */
    atomic_store(&st_shared.left, 1);
    ST_RAW(SYS_futex, &st_shared.left, FUTEX_WAKE_PRIVATE, 1, 0);
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

/* Where the program has no descriptor left the agent is loaded with its own. */
static int load(bool only_file, bool *own)
{
    int r = load_agent();
    if (r == 0 || only_file || !has_no_descriptors() || !own_descriptors())
        return r;
    *own = true;
    return load_agent();
}

/* Why nothing is recorded, if that is so, or what is wrong with the settings. */
static void say_trouble(int error)
{
    const char *why = strerrordesc_np(error);
    if (load_problem[0]) {
        st_leave_mark();
        st_complain((const char *const[]){load_problem, NULL});
    } else if (error) {
        st_complain((const char *const[]){"the agent cannot be set up: ", why ? why : "?", NULL});
    } else if (st_shared.open_error) {
        why = strerrordesc_np(st_shared.open_error);
        st_complain((const char *const[]){
            "cannot write to ", st_settings.output, ": ", why ? why : "unknown error",
            st_shared.open_error == EMFILE ? "; raise the limit of open files (ulimit -n)"
            : st_shared.open_error == EFBIG
                ? "; raise the greatest size of a file (ulimit -f)"
                : "; set STALLTRACE_OUTPUT to a directory that this user may write to, or let all "
                  "users write there (run --shared, STALLTRACE_SHARED=1)",
            NULL});
    } else {
        st_complain(NULL);
    }
}

/* The agent loads its code on its own thread: with a dlerror and a stack of its own, whatever the
 * program's threads have; still with the program's descriptors, since loading runs the program's
 * allocator, which may have some. For ST_ONLY_FILE it makes the trace's file, in the app's table,
 * and ends. */
static void *agent_body(void *argument)
{
    uint32_t start = (uint32_t)(uintptr_t)argument;
    bool only_file = start & ST_ONLY_FILE, own = false;
    st_is_agent = true;
    int r = load(only_file, &own);
    if (start != atomic_load(&current_start))
        return end_thread(); /* it was not waited for: the loader was busy for too long */
    agent_tid = (pid_t)ST_RAW(SYS_gettid, 0, 0, 0, 0);
    if (!only_file && !own)
        own = own_descriptors();
    if (r == 0)
        r = only_file ? st_shared.keep_file() : st_shared.open_file();
    uint32_t not_ready = ST_NOT_READY;
    if (!atomic_compare_exchange_strong(&st_shared.ready, &not_ready, r ? ST_FAILED : ST_READY))
        return end_thread(); /* nor then: the disk was too slow */
    ST_RAW(SYS_futex, &st_shared.ready, FUTEX_WAKE_PRIVATE, 1, 0);
    if (!only_file)
        say_trouble(r < 0 ? -r : 0);
    if (own)
        ST_RAW(SYS_close, 2, 0, 0, 0);
    if (r == 0 && !only_file)
        agent_main(&st_shared);
    if ((atomic_load(&st_shared.stop) & ~(uint32_t)ST_STOP_TAKEN) == ST_STOP_EXIT)
        wait_for_exit();
    return end_thread();
}

/* pthread_join is a cancellation point, and what calls this is none. */
bool st_join_agent(void)
{
    enum { TRIES = 20000 };
    int state;
    if (!st_agent_wait(&st_shared.left, 0))
        return false;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    real_pthread_join(agent_thread, NULL); /* not ours: it is no call of the program */
    pthread_setcancelstate(state, NULL);
    /* For the kernel it is still there for some microseconds: who forks or unshares now wants to be
     * the only one. */
    for (int i = 0; i < TRIES && ST_RAW(SYS_tgkill, st_own_pid, agent_tid, 0, 0) == 0; i++)
        ST_RAW(SYS_sched_yield, 0, 0, 0, 0);
    return true;
}

bool st_agent_is_loaded(void)
{
    return agent_main != NULL;
}

void st_detach_agent(void)
{
    pthread_detach(agent_thread);
}

/* When it gets on it finds that it is not wanted, and ends. */
bool st_abandon_agent(void)
{
    uint32_t not_ready = ST_NOT_READY;
    if (!atomic_compare_exchange_strong(&st_shared.ready, &not_ready, ST_ABANDONED))
        return false;
    atomic_fetch_add(&current_start, 2);
    st_detach_agent();
    return true;
}

/* Is this the program's only thread? */
bool st_last_thread(void)
{
    return st_thread_count && __atomic_load_n(st_thread_count, __ATOMIC_SEQ_CST) <= 1;
}

/* Not for ever: that thread needs the loader's lock, and this one may be inside the loader. */
static bool wait_until_ready(struct timespec patience)
{
    while (atomic_load(&st_shared.ready) == ST_NOT_READY)
        if (ST_RAW(SYS_futex, &st_shared.ready, FUTEX_WAIT_PRIVATE, ST_NOT_READY, &patience) ==
            -ETIMEDOUT)
            return false;
    return true;
}

int st_create_agent(bool only_file)
{
    enum { AGENT_STACK = 512 * 1024 };
    pthread_attr_t attributes;
    sigset_t all, before;
    atomic_store(&st_shared.stop, 0);
    atomic_store(&st_shared.left, 0);
    atomic_store(&st_shared.ready, ST_NOT_READY);
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
    /* Nor the real-time policy of a loop: unwinding must not come before others' deadlines. */
    long policy = ST_RAW(SYS_sched_getscheduler, 0, 0, 0, 0);
    if (policy == SCHED_FIFO || policy == SCHED_RR) {
        static const struct sched_param none;
        pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
        pthread_attr_setschedparam(&attributes, &none);
    }
    bool single = st_single_threaded && *st_single_threaded;
    int r = pthread_create(&agent_thread, &attributes, agent_body, (void *)(uintptr_t)start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (r) { /* there is no other thread that could say so */
        const char *why = strerrordesc_np(r);
        st_leave_mark();
        st_complain((const char *const[]){"the agent's thread cannot be made: ", why ? why : "?",
                                          "; raise the limit of processes (ulimit -u)", NULL});
        return -r;
    }
    if (st_thread_count)
        __atomic_fetch_sub(st_thread_count, 1, __ATOMIC_SEQ_CST);
    /* One that makes the file must be gone before ids change: glibc would hand them to it, too, and
     * end the program where it is refused what others got. */
    bool ready = only_file ? st_agent_wait(&st_shared.ready, ST_NOT_READY)
                           : wait_until_ready((struct timespec){0, ST_AGENT_PATIENCE_NS});
    was_single = single && !ready;
    if (!ready && only_file && st_abandon_agent())
        return -ETIMEDOUT;
    if (only_file || atomic_load(&st_shared.ready) == ST_FAILED) {
        st_join_agent();
        r = atomic_load(&st_shared.ready) == ST_FAILED ? -ENOENT : 0;
    }
    if (single && (ready || r))
        *st_single_threaded = true;
    return r;
}

void st_settle_agent(void)
{
    st_agent_wait(&st_shared.ready, ST_NOT_READY);
    if (was_single && st_last_thread())
        *st_single_threaded = true;
    was_single = false;
}
