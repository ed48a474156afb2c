/* The probe's start-up and exit. */
#include "host.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/syscall.h>

struct st_shared st_shared;
pid_t st_own_pid;
bool st_started;

_Static_assert((int)ST_CALL_COUNT <= (int)ST_MAX_CALLS,
               "slot.h: sums has an element for each call");

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
    /* what a wait is for is known when it is over: a socket's is of class net */
    if (st_fast_ticks[ST_NET] < st_fast_ticks[ST_WAIT])
        st_fast_ticks[ST_WAIT] = st_fast_ticks[ST_NET];
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 4; i++)
        if (st_fast_ticks[of_fd[i]] < least)
            least = st_fast_ticks[of_fd[i]];
    st_fast_ticks[ST_FD] = least;
    st_iteration_ticks = (uint64_t)((double)st_settings.iteration_ns * per_ns);
}

int st_prepare(void)
{
    static bool prepared;
    if (prepared)
        return 0;
    prepared = true;
    st_clock_calibrate();
    set_ticks();
    find_own_text();
    st_single_threaded = st_resolve_libc("__libc_single_threaded");
    st_thread_count = st_resolve_libc("__nptl_nthreads");
    st_signals_init();
    st_shared.abi = ST_ABI;
    st_shared.calls = st_calls;
    st_shared.call_count = ST_CALL_COUNT;
    st_shared.settings = &st_settings;
    st_shared.tsc = st_tsc;
    st_shared.tell_runs = st_tell_runs;
    return 0;
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

/* What the kernel put on the stack: the number of arguments, the arguments, NULL, the environment.
 */
static char **first_arguments(int *argc)
{
    void *const *end = st_resolve("__libc_stack_end", NULL);
    const long *frame = end ? *end : NULL;
    char **argv = (char **)(uintptr_t)(frame + 1);
    if (!frame || frame[0] < 1 || argv[frame[0]])
        return NULL;
    *argc = (int)frame[0];
    return argv;
}

/* glibc hands constructors what it hands to main. */
__attribute__((constructor)) void st_start_up(int argc, char **argv)
{
    int error = errno;
    if (st_started)
        return; /* another object's constructor called us before */
    st_started = true;
    if (!argv)
        argv = first_arguments(&argc);
    char **before = environ; /* NULL before libc's own constructor */
    if (!environ && argv)
        environ = argv + argc + 1;
    if (st_on_valgrind()) /* whose tools take a pointer that is found at first use for a race */
        st_resolve_all();
    st_own_pid = (pid_t)ST_RAW(SYS_getpid, 0, 0, 0, 0);
    st_shared.kept_fd = -1;
    save_arguments(argc, argv);
    st_clock_init();
    st_settings_read();
    environ = before;
    st_stderr_note();
    st_runs_attach();
    if (!st_settings.output[0]) { /* none */
        st_loops = 0;
        atomic_store(&st_shared.agent_state, ST_AGENT_BROKEN);
    }
    st_loops_init();
    st_capture_init();
    st_find_agent();
    st_watch_forks();
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
