/* The agent's thread: its own descriptors, its round of looks, and its end. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/kernel.h"
#include "agent/base/output.h"
#include "agent/lang/python.h"
#include "late_names.h"
#include "running.h"
#include "signal.h"
#include "starved.h"
#include "agent/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

enum { SLACK_NS = 10000000, LONGEST_SLEEP_NS = 100000000 };
#define SECOND_NS 1000000000ull

struct st_shared *st_shared;
bool st_ending;
static char trace_name[256 + 64]; /* in the directory */
static pid_t trace_pid;           /* whose trace that is */

extern void st_free_ended(void);

/* ---- time ---- */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0, 0};
    syscall(SYS_clock_gettime, clock, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

uint64_t st_ticks_now(void)
{
    return st_shared->tsc ? st_counter() : clock_ns(CLOCK_MONOTONIC);
}

uint64_t st_ticks_to_ns(uint64_t ticks)
{
    return (uint64_t)((double)ticks * st_shared->ns_per_tick);
}

uint64_t st_since_start_ns(uint64_t ticks)
{
    return ticks > st_shared->start_ticks ? st_ticks_to_ns(ticks - st_shared->start_ticks) : 0;
}

/* ---- the trace's file ---- */

static void make_path(void)
{
    struct st_text t = {trace_name, sizeof(trace_name), 0};
    char exe[4096];
    st_own_exe(exe, sizeof(exe));
    const char *name = strrchr(exe, '/');
    for (const char *p = name ? name + 1 : "unknown"; *p && t.len < 200; p++)
        st_text_char(&t, *p == ' ' ? '_' : *p);
    st_text_char(&t, '.');
    st_text_number(&t, (uint64_t)getpid(), 10, 1);
    st_text_char(&t, '.');
    st_text_number(&t, st_shared->start_real_ns / 1000000, 10, 1);
    st_text_add(&t, ".jsonl");
}

/* A forked child starts afresh: nothing of its parent's is its own. */
static void forget_parent(void)
{
    uint64_t now = st_ticks_now(), since = atomic_load(&st_shared->perhaps_since);
    /* what was set aside came before this */
    st_shared->start_ticks = since ? since : now;
    st_shared->start_real_ns =
        clock_ns(CLOCK_REALTIME) - st_ticks_to_ns(now - st_shared->start_ticks);
    st_shared->forked = false;
    st_records_reset();
    st_losses_reset();
    st_stalls_reset();
    st_modules_reset();
    st_running_reset();
    st_serving_reset();
    st_aside_reset();
    st_loops_reset();
    st_iterations_reset();
    st_freezes_reset();
}

/* Its greatest size: what all traces may take is shared with those that are there by now. */
static uint64_t size_of_trace(void)
{
    enum { LEAST = 16384 };
    const struct st_settings *s = st_shared->settings;
    uint64_t used = s->max_total_size ? st_output_used(s->output) : 0;
    uint64_t left = s->max_total_size > used + LEAST ? s->max_total_size - used : LEAST;
    return s->max_total_size && (!s->max_trace_size || left < s->max_trace_size)
               ? left
               : s->max_trace_size;
}

static int create_trace(void)
{
    if (st_shared->forked)
        forget_parent();
    make_path();
    room_limit(size_of_trace());
    int r = js_file_open(st_shared->settings->output, trace_name, false);
    trace_pid = getpid();
    if (r == 0 && room_is_too_small()) {
        /* an empty trace says as much to whoever reads it */
        syscall(SYS_close, js_file_number());
        js_file_use(-1);
        r = -EFBIG;
    }
    st_shared->open_error = -r;
    if (r == 0)
        st_record_process();
    return r;
}

/* Is the descriptor that was kept still the trace? The app may have closed it, and opened another.
 */
static bool use_kept(void)
{
    struct stat st;
    if (st_shared->kept_fd < 0 || trace_pid != getpid() ||
        syscall(SYS_fstat, st_shared->kept_fd, &st) != 0 || st.st_ino != st_shared->kept_ino ||
        st.st_dev != st_shared->kept_dev)
        return false;
    js_file_use(st_shared->kept_fd);
    return true;
}

static int open_trace(void)
{
    if (use_kept())
        return 0;
    if (trace_pid != getpid())
        return create_trace();
    return js_file_open(st_shared->settings->output, trace_name, true);
}

/* Once in each process's trace. */
static void say_unknown_python(void)
{
    static pid_t said;
    if (said == getpid())
        return;
    said = getpid();
    st_record_notice("python", "this version or build of Python is not known here: its frames are "
                               "not shown (CPython 3.8 to 3.15 are, except free-threaded builds)");
}

/* What the agent needs before it looks, in its own table of descriptors: libunwind opens a pipe. */
static int prepare(void)
{
    static bool detected, unknown;
    int r = st_unwind_init();
    if (r < 0)
        return r;
    /* now, while the loop's thread waits: the first stall may come at once, and its thread walks
     * its own Python frames */
    if (!detected)
        unknown = st_py_detect(&st_shared->py) == -ENOTSUP;
    if (!detected && st_shared->py.version && !st_shared->py.proven)
        st_py_prove(&st_shared->py);
    detected = true;
    open_trace(); /* without a file it goes on: the disk may have room again */
    if (unknown)
        say_unknown_python();
    return 0;
}

/* Makes the trace now, in the app's own table of descriptors, for an agent that starts later. */
static int keep_file(void)
{
    enum { HIGH = 1000, LESS_HIGH = 200 };
    struct stat st;
    int r = trace_pid == getpid() ? js_file_open(st_shared->settings->output, trace_name, true)
                                  : create_trace();
    if (r < 0)
        return r;
    int low = js_file_number();
    long high = syscall(SYS_fcntl, low, F_DUPFD_CLOEXEC, HIGH);
    if (high < 0)
        high = syscall(SYS_fcntl, low, F_DUPFD_CLOEXEC, LESS_HIGH);
    syscall(SYS_close, low);
    js_file_use(-1);
    if (high < 0 || syscall(SYS_fstat, high, &st) < 0)
        return -EMFILE;
    st_shared->kept_dev = st.st_dev;
    st_shared->kept_ino = st.st_ino;
    st_shared->kept_fd = (int)high;
    return 0;
}

/* ---- the round ---- */

static uint64_t least_threshold(void)
{
    uint64_t least = LONGEST_SLEEP_NS;
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        if (st_shared->settings->threshold_ns[i] < least)
            least = st_shared->settings->threshold_ns[i];
    if (st_shared->settings->iteration_ns < least)
        least = st_shared->settings->iteration_ns;
    return least;
}

static void sleep_ns(uint32_t seen, uint64_t ns)
{
    struct timespec t = {(time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS)};
    syscall(SYS_futex, &st_shared->wake, FUTEX_WAIT_PRIVATE, seen, &t, NULL, 0);
}

/* What was forked while this thread was stuck is recorded by nobody. */
static void tell_lost_children(void)
{
    uint32_t lost = atomic_exchange(&st_shared->children_lost, 0);
    if (lost)
        st_record_loss("child",
                       "processes that were forked while the trace could not be written (its disk "
                       "hung) are not recorded: write it to a disk that does not",
                       lost);
}

/* One round: everything that there is to see and to write. Returns when the next is due, in ns. */
static uint64_t look_around(bool stats)
{
    /* A call is reported at most its threshold plus 20 ms after it began: if it began just after
     * this look, the next is in time at its threshold plus half of that. */
    uint64_t next = least_threshold() + SLACK_NS;
    st_progress();
    tell_lost_children();
    pid_t follow = atomic_exchange(&st_shared->follow_tid, 0);
    if (follow)
        st_follow_ids(follow);
    uint32_t high = atomic_load_explicit(&st_shared->slot_high, memory_order_acquire);
    st_take_homes();
    st_watch_loops(stats);
    st_look_at_serving();
    /* A loop that runs is looked at twice as often: what its thread had of a CPU in a call is told
     * by how that was just before. */
    if (st_starved_look_at_all())
        next /= 2;
    for (uint32_t i = 0; i < high; i++) {
        st_look_at_polled(i);
        uint64_t ns = st_look_at_slot(i);
        if (ns < next)
            next = ns;
        ns = st_look_at_iteration(i);
        if (ns < next)
            next = ns;
    }
    st_take_captures();
    st_look_at_asides();
    st_late_names_look(false);
    st_free_ended();
    return next;
}

static void write_figures(void)
{
    st_write_counts();
    st_starved_write();
    st_freezes_write();
    st_losses_write();
}

/* What could not be written into the trace, not even that. */
static void tell_runs(void)
{
    static pid_t told;
    const char *why = st_losses_unwritten();
    if (!why || told == getpid())
        return;
    told = getpid();
    st_shared->tell_runs(why);
}

static void finish(uint32_t why)
{
    st_signal_settle(true);
    st_ending = why == ST_STOP_EXIT || why == ST_STOP_LAST;
    room_last_figures(why != ST_STOP_FORK);
    look_around(false);
    look_around(why != ST_STOP_FORK); /* what ended meanwhile */
    if (why == ST_STOP_FORK)
        return; /* it goes on */
    write_figures();
    st_late_names_look(true);
    js_last_try();
    st_losses_write();
    tell_runs();
    if (why == ST_STOP_EXIT || why == ST_STOP_LAST) {
        st_record_end("exit");
    } else if (why == ST_STOP_FILTER) {
        st_record_notice("seccomp", "a seccomp filter for all threads was installed: tracing ends "
                                    "before it");
        st_record_end("stopped");
    }
}

static void acknowledge(uint32_t request)
{
    atomic_store(&st_shared->flush_ack, request);
    syscall(SYS_futex, &st_shared->flush_ack, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

EXPORT void *stalltrace_agent_main(void *argument)
{
    static uint64_t written; /* goes on through a fork */
    uint64_t now;
    (void)argument;
    prctl(PR_SET_NAME, "stalltrace");
    for (;;) {
        uint32_t seen = atomic_load(&st_shared->wake);
        uint32_t request = atomic_load(&st_shared->flush_req);
        uint32_t stop = atomic_load(&st_shared->stop);
        if (stop && atomic_compare_exchange_strong(&st_shared->stop, &stop, stop | ST_STOP_TAKEN)) {
            finish(stop);
            return NULL;
        }
        now = clock_ns(CLOCK_MONOTONIC);
        bool asked = request != atomic_load(&st_shared->flush_ack);
        if (st_shared->py.version && !st_shared->py.proven)
            st_py_prove(&st_shared->py);
        uint64_t age = st_since_start_ns(st_ticks_now());
        bool stats = asked || now - written >= room_figures_gap_ns(age);
        room_last_figures(asked);
        uint64_t next = look_around(stats);
        if (stats) {
            write_figures();
            written = now;
        }
        if (asked) {
            st_late_names_look(true);
            js_last_try();
            tell_runs();
            if (st_shared->exec)
                st_record_end("exec"); /* if the exec fails, more records follow */
            acknowledge(request);
        }
        if (next > 0) {
            st_freeze_before_sleep();
            sleep_ns(seen, next);
            st_freeze_after_sleep(next);
        }
    }
}

/* Runs on the agent's thread, once, while the thread that started it waits. Nothing here opens a
 * descriptor: it may be the app's table. */
EXPORT int stalltrace_agent_init(struct st_shared *shared)
{
    if (shared->abi != ST_ABI)
        return -EINVAL;
    st_shared = shared;
    shared->keep_file = keep_file;
    shared->open_file = prepare;
    return 0;
}
