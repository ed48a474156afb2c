/* The probe's inside: what its files share. Nothing of this is visible outside libstalltrace.so.
 *
 * Rules of this room: on the app's threads no allocation, no locking, no stdio, no unwinding, no
 * exit; no call of libc that could itself be a wrapper; errno is left as it was. */
#ifndef STALLTRACE_PROBE_H
#define STALLTRACE_PROBE_H

#include "contract/slot.h"

#include <errno.h>
#include <sys/select.h>
#include <time.h>

#define ST_EXPORT      __attribute__((visibility("default")))
#define ST_LIKELY(x)   __builtin_expect(!!(x), 1)
#define ST_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ST_COLD        __attribute__((noinline, cold))

/* ---- the table ---- */

enum st_call_id {
#define CALL(symbol, ...)     ST_CALL_##symbol,
#define BODY(symbol, ...)     ST_CALL_##symbol,
#define VARIADIC(symbol, ...) ST_CALL_##symbol,
#define NUMBER(symbol, ...)   ST_CALL_##symbol,
#define ALIAS(symbol, ...)    ST_CALL_##symbol,
#include "calls.def"
#undef CALL
#undef BODY
#undef VARIADIC
#undef NUMBER
#undef ALIAS
    ST_CALL_COUNT
};

extern const struct st_call st_calls[];

/* ---- per thread ---- */

/* The slot of a thread that runs a loop, else NULL: the one load that a wrapper costs everybody
 * else. Initial-exec: a preloaded object is there at start-up. */
extern _Thread_local struct st_slot *st_self __attribute__((tls_model("initial-exec")));

/* The agent's own thread: what it closes, names and waits for is no loop's. */
extern _Thread_local bool st_is_agent __attribute__((tls_model("initial-exec")));

/* ---- settings and time ---- */

extern struct st_shared st_shared;
extern struct st_settings st_settings;
/* Compared in the wrappers: a call at or over it takes the slow path. 0 where strict mode wants to
 * see every call. The last element is for descriptors of any class. */
extern uint64_t st_fast_ticks[ST_CLASS_SLOTS];
extern uint64_t st_threshold_ticks[ST_CLASS_COUNT];
extern uint64_t st_iteration_ticks;
extern bool st_tsc;
/* A seccomp filter was installed by this process: no system call of ours on its threads any more.
 */
extern _Atomic bool st_filtered;

void st_settings_read(void);
uint64_t st_clock_ns(void);
void st_clock_init(void);
void st_clock_calibrate(void);

static inline uint64_t st_now(void)
{
    return ST_LIKELY(st_tsc) ? st_counter() : st_clock_ns();
}

/* ---- calls ---- */

void st_wait_sample(struct st_slot *s);
bool st_nested(struct st_slot *s, enum st_call_id call);
void st_over(struct st_slot *s, uint32_t seq, uint64_t ticks, unsigned class);

/* Begins a call: returns its sequence number, or 0 where it is part of another call (a wrapper
 * inside a wrapper): the caller then calls the real function and nothing else. */
static inline __attribute__((always_inline)) uint32_t
st_enter(struct st_slot *s, enum st_call_id call, uintptr_t a0, uintptr_t a1, uintptr_t a2)
{
    uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    if (ST_UNLIKELY(seq & (1 | ST_SEQ_SERVICE))) {
        if (st_nested(s, call))
            return 0;
        seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
    }
    s->call = (uint16_t)call;
    s->args[0] = a0;
    s->args[1] = a1;
    s->args[2] = a2;
    st_save_registers(s->regs);
    s->t0 = st_now();
    /* release: the agent that sees the odd number sees the fields above */
    atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
    /* The store must not pass this load: the agent sees to that, by membarrier, before it looks at
     * seq; here the compiler is all that has to be held back. */
    atomic_signal_fence(memory_order_seq_cst);
    if (ST_UNLIKELY(atomic_load_explicit(&s->sampling, memory_order_relaxed)))
        st_wait_sample(s);
    return seq + 1;
}

/* Ends the call that st_enter began. */
static inline __attribute__((always_inline)) void st_leave(struct st_slot *s, uint32_t seq,
                                                           unsigned class)
{
    uint64_t ticks = st_now() - s->t0;
    if (ST_UNLIKELY(atomic_load_explicit(&s->seq, memory_order_relaxed) != seq))
        return; /* a jump out of a signal handler has ended it already */
    s->in_calls += ticks;
    struct st_sum *sum = &s->sums[s->call];
    if (ST_UNLIKELY(sum->iteration != (uint32_t)s->iterations))
        *sum = (struct st_sum){.iteration = (uint32_t)s->iterations};
    sum->count++;
    sum->ticks += ticks;
    if (ticks > sum->longest) {
        sum->longest = ticks;
        sum->longest_t0 = s->t0;
    }
    if (ST_UNLIKELY(ticks >= st_fast_ticks[class]))
        st_over(s, seq, ticks, class);
    /* release: whatever the owner writes from now on comes after the even number */
    atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

/* Forgets the call that the thread was in: control has left it by a jump or an unwind. */
void st_abandon(struct st_slot *s);

/* ---- capture ---- */

void st_capture(struct st_slot *s, uint64_t ticks, unsigned class, bool strict,
                const struct st_what *what);
void st_what_of(struct st_what *w, const struct st_call *c, const uint64_t *args, uint64_t t0);
bool st_could_block(const struct st_call *c, const uint64_t *args, struct st_what *what,
                    uint64_t ticks);
void st_what_fd(struct st_what *w, int fd);
void st_what_string(struct st_what *w, const char *text);
bool st_peek(void *to, const void *from, size_t n);
struct st_capture *st_capture_take(void);
uint32_t st_capture_stack(void *to, const struct st_slot *s, uintptr_t from);
int st_capture_python(struct st_py_raw *to, int max, st_py_read_fn read, void *context);
bool st_read_memory(uint64_t address, void *buffer, size_t n);
int st_read_own(void *context, uint64_t address, void *buffer, size_t n);
void st_capture_home(struct st_slot *s);
void st_capture_listen(struct st_slot *s);
void st_sample(int number, void *info, void *context); /* a signal handler */
void st_signals_init(void);
void st_signals_child(void);
void st_signal_retract(void);
extern bool st_makes_contexts;
extern _Thread_local uint64_t st_altstack __attribute__((tls_model("initial-exec")));
bool st_capture_pending(void);
void st_capture_init(void);
void st_capture_child(void);
static inline uint64_t st_mix(uint64_t hash, uint64_t word)
{
    hash ^= word;
    hash *= 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

void st_copy(void *to, const void *from, size_t n);

/* ---- strict mode: what has to be asked before a call ---- */

static inline bool st_is_strict(enum st_class class)
{
    return ST_UNLIKELY(st_settings.strict >> class & 1);
}

/* The options of a wait for children, with WNOHANG where it cannot wait since one has ended
 * already. Keeps errno. */
int st_ended_already(int type, long id, int options);
static inline int st_wait_options(int type, long id, int options)
{
    return st_is_strict(ST_PROCESS) ? st_ended_already(type, id, options) : options;
}
/* The same of waitpid's pid. */
static inline int st_wait_pid_options(long pid, int options)
{
    return pid > 0     ? st_wait_options(1 /* P_PID */, pid, options)
           : pid == -1 ? st_wait_options(0 /* P_ALL */, 0, options)
                       : options;
}

bool st_lingers(int fd, struct st_what *peer);
/* The program has set SO_LINGER on some socket: closing any asks whether it is one that waits. */
extern bool st_lingering;

/* ---- loops ---- */

enum {
    ST_LOOPS_AUTO = 1,
    ST_LOOPS_POLL = 2,
    ST_LOOPS_MAIN = 4,
    ST_LOOPS_NAME = 8,
    ST_LOOPS_API = 16
};
extern uint32_t st_loops;

/* Is the calling thread, which `caller` has wait for events, one that a library runs for itself? */
bool st_is_own_thread(uintptr_t caller);
struct st_slot *st_tag(enum st_home home, int fd, uintptr_t site);
void st_untag(struct st_slot *s, int reason);
/* A thread whose loop is about to run: see candidate.c. */
void st_make_candidate(int fd, uintptr_t text_lo, uintptr_t text_hi);
bool st_candidate_runs(const struct st_slot *s);
bool st_promote(struct st_slot *s);
/* A thread that polls, and runs a loop, perhaps: see perhaps.c. */
void st_make_perhaps(void);
bool st_perhaps_is(struct st_slot *s, enum st_home home, uintptr_t site, uint64_t since);
void st_perhaps_not(void);
void st_perhaps_over(struct st_slot *s);
void st_perhaps_child(void);
bool st_perhaps_has_room(void);
void st_perhaps_keep(struct st_capture *c);
/* Does the calling thread run a loop, or is it about to? */
static inline bool st_is_loop(void)
{
    const struct st_slot *s = st_self;
    return ST_UNLIKELY(s && !s->perhaps);
}
struct st_slot *st_prepare_slot(enum st_home home, int fd, uintptr_t site);
bool st_watch_thread_end(struct st_slot *s);
void st_set_live(struct st_slot *s, uint64_t since);
void st_loops_init(void);
void st_loops_child(void);
bool st_name_matches(const char *name);
bool st_own_name_matches(void);
void st_thread_named(const char *name);

/* Home waits. st_is_home says whether a wait on `fd` is the loop's own (and moves the home where it
 * has moved); `waits`: its timeout is not 0. Begin and end bracket it. */
bool st_is_home(struct st_slot *s, enum st_home home, int fd, uintptr_t site, bool waits);
/* The slot's home fd has been added to that epoll fd. */
void st_home_driven_by(struct st_slot *s, int epfd);
struct pollfd;
bool st_polls_elsewhere(struct st_slot *s, const struct pollfd *fds, unsigned long n);
/* What a select of the loop's waits for, and what the agent has found among what it waits for. */
void st_note_selected(struct st_slot *s, int n, const fd_set *in);
void st_home_is_epoll(struct st_slot *s);
void st_move_home(struct st_slot *s, enum st_home home, int fd, uintptr_t site);

/* A wait that much deeper in the stack than the home wait is one of a callback's: a nested loop
 * (Node's execSync), until it has been so often that the home must be given up for lost. */
enum { ST_NESTED_DEPTH = 1024, ST_MAIN_STACK = 8 << 20, ST_MOVED_AFTER_NESTED = 256 };

/* Is the stack at `here` more than that much deeper than it was at the home wait? */
static inline bool st_is_deeper(const struct st_slot *s, uintptr_t here, uintptr_t than)
{
    uintptr_t below = s->home_depth - here;
    return below > than && below < ST_MAIN_STACK; /* else: a coroutine's stack */
}

void st_home_begin(struct st_slot *s);
void st_home_end(struct st_slot *s);
/* Ends the iteration that the calling thread is in, since its loop ends. */
void st_last_iteration(struct st_slot *s);
/* The same where the process exits: what the agent has not reported yet is the program's end, and
 * no client waits for it. */
void st_exit_in_iteration(struct st_slot *s);
/* For what this library does on a loop thread and waits in: leaves it out of the iteration. */
static inline void st_held_up(struct st_slot *s, uint64_t since)
{
    if (s)
        s->held += st_now() - since;
}
/* Bracket a wait for other threads, which may be a home wait in disguise. */
bool st_rest_begin(struct st_slot *s);
void st_rest_end(struct st_slot *s, bool rests);

/* Poll-like waits of threads that are not (yet) loop threads: counts returns to one call site, and
 * tags the thread. */
/* It has been tagged, and has not waited at home yet. */
static inline bool st_is_homeless(const struct st_slot *s)
{
    return s->home == ST_HOME_NONE;
}

struct st_polled {
    unsigned long count;
    int fds[ST_HOME_POLLED]; /* the first of them; -1: no more */
};
void st_polled_of_poll(struct st_polled *p, const struct pollfd *fds, unsigned long n);
void st_poll_returned(enum st_home home, uintptr_t site, const struct st_polled *polled);
/* Of a thread that runs a loop, perhaps: can a wait there be no other than a callback's? */
bool st_poll_is_call(uintptr_t site, const struct st_polled *polled);
/* Such a descriptor is told to st_fd_closed when it is closed, and that tells the other. */
void st_watch_close(int fd);
void st_poll_closed(int fd);
extern _Thread_local uint8_t st_poll_watch __attribute__((tls_model("initial-exec")));

extern bool st_poll_all; /* on every thread */

/* fds that are some loop's home, one bit each; larger numbers share the last. */
enum { ST_HOME_BITS = 65536 };
extern _Atomic uint64_t st_home_fds[ST_HOME_BITS / 64];
void st_fd_closed(int fd);

static inline bool st_fd_is_home(int fd)
{
    unsigned i = (unsigned)fd < ST_HOME_BITS ? (unsigned)fd : ST_HOME_BITS - 1;
    return atomic_load_explicit(&st_home_fds[i / 64], memory_order_relaxed) >> (i % 64) & 1;
}

/* ---- the agent, fork and exit ---- */

int st_agent_start(void);
void st_agent_stop(uint32_t why);
void st_agent_flush(void);
/* Around the installation of a seccomp filter, on this thread or on all. */
void st_before_filter(bool all_threads);
void st_after_filter(bool all_threads, bool installed);
bool st_is_filtered(void);
void st_without_time(void);
bool st_last_thread(void);
extern _Atomic bool st_agent_wanted; /* it was stopped for a fork: bring it back */
void st_agent_return(void);
bool st_same_process(void);
bool st_agent_is_ours(void);
/* Where glibc keeps whether the program has one thread; NULL: not known. */
extern bool *st_single_threaded;
/* Ends the agent until the next home wait: the program is about to do what needs a single thread.
 */
void st_agent_pause(void);
void st_want_agent(void);
/* The agent takes the ids of the calling thread as soon as it looks: under a seccomp filter glibc's
 * way of telling all threads (tgkill, futex) may be forbidden. */
void st_agent_follow_ids(void);
/* Is this a thread of no libc's making, with zeros for thread-local storage (clone with
 * CLONE_SETTLS; Chromium calls chroot in one)? Nothing of it can be used there, errno neither. */
static inline bool st_is_bare(void)
{
    return !st_thread_block();
}

void st_keep_file(void);
/* This process, root's, is about to become another user's, and so may programs that it becomes:
 * that user may tell the run what is not recorded, too. */
void st_runs_give(uid_t user);
void st_before_exec(void);

/* ---- stalls that come again and again (repeat.c) ---- */

struct st_repeat;
/* The path of the call that has just ended; NULL where only long calls are reported (and there are
 * buffers for them), or where there is no room for another path. */
struct st_repeat *st_repeat_find(const struct st_slot *s, unsigned class, bool strict);
/* Is it short, and has been copied often enough? */
bool st_repeat_enough(struct st_repeat *r, uint64_t ticks);
/* Counts it, in place of a copy. False: there is no copy of it yet. */
bool st_repeat_count(struct st_repeat *r, uint64_t ticks);
/* A buffer, waiting a little until the agent has taken what is in one; NULL: there is none. */
struct st_capture *st_repeat_wait(void);
void st_repeat_init(void);
void st_repeat_child(void);

/* ---- raw system calls: never through a wrapper, never touching errno ---- */

#define ST_RAW(n, a, b, c, d) st_raw6(n, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

/* ---- finding libc's functions ---- */

void *st_resolve(const char *name, const char *version);
void *st_resolve_libc(const char *name);
struct link_map;
void *st_resolve_in(const struct link_map *map, const char *name, size_t *size);
void *st_resolve_row(enum st_call_id id);

#endif
