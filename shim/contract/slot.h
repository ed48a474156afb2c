/* What the probe and the agent share: the slot of a loop thread, the captures that pass from a
 * thread to the agent, and the settings. Nothing else may be shared between the two, and no code
 * lives here but the few inline accessors. */
#ifndef STALLTRACE_SLOT_H
#define STALLTRACE_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "common/amounts.h"
#include "pyframes.h"

enum st_class {
#define CLASS(upper, lower) ST_##upper,
#include "common/classes.def"
#undef CLASS
    ST_CLASS_COUNT,
    /* The class depends on what the descriptor is (file, net, ipc or tty); asked for only when the
     * call is reported. */
    ST_FD = ST_CLASS_COUNT,
    ST_CLASS_SLOTS
};

/* How a call could have blocked (strict mode), and what its detail is made of. */
enum st_rule {
#define RULE(name, strict) ST_RULE_##name,
#include "common/rules.def"
#undef RULE
};

/* A row of calls.def. `real` is where the pointer to libc's function lives. */
struct st_call {
    const char *symbol;
    const char *name; /* as reported: the variant's base function */
    const char *version;
    uint8_t class;
    uint8_t rule;
    void **real;
};

/* The class of a call: its row's, but a wait for no descriptors is a sleep. */
static inline unsigned st_class_of(const struct st_call *call, const uint64_t *args)
{
    bool waits = call->rule == ST_RULE_SELECT || call->rule == ST_RULE_POLL;
    return waits && args[1] == 0 ? ST_SLEEP : call->class;
}

enum st_home { ST_HOME_NONE, ST_HOME_EPOLL, ST_HOME_POLL, ST_HOME_SELECT, ST_HOME_URING };

/* In `seq`: the owner has something to do at its next call. Far from what the counter reaches. */
#define ST_SEQ_SERVICE 0x80000000u

enum { ST_ARGS = 6, ST_ENDS = 32, ST_CONNECTING = 64, ST_SELECTED = 8 };

/* What a call waited for, as raw bytes: the agent makes the detail of it. */
enum st_what_kind { ST_WHAT_NONE, ST_WHAT_TEXT, ST_WHAT_SOCKET, ST_WHAT_LINK, ST_WHAT_WORDS };

struct st_what {
    uint8_t kind;
    uint8_t class;    /* of a descriptor: file, net, ipc or tty */
    uint8_t protocol; /* of a socket: SOCK_STREAM, SOCK_DGRAM, … */
    bool local;       /* the address is the socket's own: it has no peer */
    bool blocking;    /* a descriptor without O_NONBLOCK */
    bool waits;       /* one that a call may wait for */
    bool strictly;    /* strict mode's rules would report the call, however short */
    uint8_t others;   /* descriptors like it that are waited for, too */
    uint16_t len;
    char bytes[256]; /* text; a struct sockaddr; the link of /proc/self/fd/N */
};

/* A wait for a socket is of class net, whatever waits for it. */
static inline bool st_waits_for_any(const struct st_call *call)
{
    return call->rule == ST_RULE_POLL || call->rule == ST_RULE_SELECT || call->rule == ST_RULE_WAIT;
}

static inline unsigned st_class_with(const struct st_call *call, unsigned class,
                                     const struct st_what *what)
{
    return class == ST_WAIT && what->kind == ST_WHAT_SOCKET && st_waits_for_any(call) ? ST_NET
                                                                                      : class;
}

/* Where a nonblocking connect goes: until it is there, nothing else of the socket tells. */
struct st_connecting {
    _Atomic int fd; /* 0: none, or its address is about to be written */
    uint16_t len;
    char address[28]; /* a struct sockaddr_in or sockaddr_in6 */
};

/* A call that the agent has reported while it hung, and that has ended since. */
struct st_ended {
    uint32_t seq;
    uint64_t ticks;
};

/* Histograms: log-linear, 8 buckets to each power of two of ticks, fixed memory. */
enum { ST_HIST_SUB = 8, ST_HIST_BUCKETS = 46 * ST_HIST_SUB };

static inline unsigned st_hist_bucket(uint64_t ticks)
{
    if (ticks < ST_HIST_SUB)
        return (unsigned)ticks;
    unsigned top = 63 - (unsigned)__builtin_clzll(ticks);
    unsigned bucket = (top - 2) * ST_HIST_SUB + (unsigned)(ticks >> (top - 3) & (ST_HIST_SUB - 1));
    return bucket < ST_HIST_BUCKETS ? bucket : ST_HIST_BUCKETS - 1;
}

/* The smallest value that falls into the bucket. */
static inline uint64_t st_hist_lower(unsigned bucket)
{
    if (bucket < 2 * ST_HIST_SUB)
        return bucket;
    unsigned top = bucket / ST_HIST_SUB + 2;
    return (uint64_t)(ST_HIST_SUB + bucket % ST_HIST_SUB) << (top - 3);
}

/* What the calls of one kind took in one iteration. */
struct st_sum {
    uint32_t iteration; /* of which iteration: the low half of its number */
    uint32_t count;
    uint64_t ticks;
    uint64_t longest, longest_t0; /* of them */
};

enum { ST_TOP_CALLS = 6 };

/* An iteration that was over its threshold, as its thread found it at its end. */
struct st_iteration {
    uint64_t number, t0, ticks, calls, found;
    uint64_t held; /* not part of `ticks` */
    struct {
        uint32_t call, count;
        uint64_t ticks, longest, longest_t0;
    } top[ST_TOP_CALLS]; /* the calls that took most of `calls`; count 0: no more */
};

struct st_long {
    uint64_t t0, ticks;
    uint64_t calls; /* part of them */
};

enum { ST_MAX_CALLS = 1024, ST_LONGEST = 8, ST_ITERATIONS = 8, ST_HOME_POLLED = 8 };

/* One loop thread. Written by its owner alone, but for the fields at the end; the agent reads it
 * from outside at any moment and trusts what it read only if `seq` did not move meanwhile. */
struct st_slot {
    /* Odd: inside a call. The fields below are written before the store that makes it odd
     * (release), and stay as they are until it is even again. */
    _Alignas(64) _Atomic uint32_t seq;
    /* Exactly one side reports a call: the one that first sets `claim` to its seq. */
    _Atomic uint32_t claim;
    uint16_t call;
    bool at_home; /* in the home wait */
    uint64_t t0;  /* ticks */
    uint64_t regs[ST_REGS];
    uint64_t args[ST_ARGS];

    /* The loop. An iteration is known by its number, `iterations` while it runs. The order of the
     * stores at its ends (iteration.c) is what the agent relies on to tell one from the next. */
    uint64_t home_t0;    /* start of the home wait */
    uint64_t iter_t0;    /* start of the iteration; 0: none yet */
    uint64_t iterations; /* that have ended; and what they added up to, in ticks */
    uint64_t iter_max, busy, waited, in_calls;
    uint64_t iter_calls; /* in_calls at the start of the iteration */
    uint64_t found;      /* part of in_calls that was reported as findings */
    uint64_t iter_found; /* found at the start of the iteration */
    uint64_t missed;     /* stalls that found no capture free */
    uint64_t held;      /* ticks for which this library itself held the thread up, no iteration's */
    uint64_t iter_held; /* held at the start of the iteration */
    /* Set by the agent, to the start of an iteration that it has reported while it runs: its owner
     * then tells how it ended, however long it was. */
    _Atomic uint64_t reported;
    uint64_t left_out; /* part of `iterations`: in which the loop was seen not to run */
    /* One more than the number of the last of those, which may be the one that it is in: set by the
     * agent. */
    _Atomic uint32_t stopped;
    /* One more than the epoll fd of another loop, which has been seen to run in this one's stead:
     * set by the agent. */
    _Atomic uint32_t next_home;
    /* Set by the agent while a sampling signal is under way: no call and no home wait begins until
     * it has arrived, so it never interrupts one. Cleared by the handler, or by the agent. */
    _Atomic uint32_t sampling;
    _Atomic uint64_t sampled_t0; /* start of the iteration that the signal is for */
    _Atomic uint32_t sampled;    /* counts the handler's runs */
    int32_t home_fd;
    uint8_t home;
    bool home_waited;   /* not only asked, with a timeout of 0 */
    bool home_told;     /* the agent has the stack of a wait there */
    uint16_t elsewhere; /* waits on other epoll fds since the last at home */
    uintptr_t home_site;
    uintptr_t home_depth;            /* where the stack was at the last wait at home */
    int home_polled[ST_HOME_POLLED]; /* some of what a home poll waited for */
    int home_kept[ST_HOME_POLLED];   /* what it waited for each time, and has not been closed */

    /* identity, written once before `state` */
    uint32_t index; /* of the slot */
    pid_t tid;
    uint64_t pthread;
    uintptr_t stack_lo, stack_hi; /* 0: not known */
    _Atomic uint64_t altstack;    /* bytes of the thread's signal stack; 0: it has none */
    uint32_t generation;          /* counts the loops that have lived in this slot */
    bool by_api;                  /* the program has said so */
    const char *api_name;
    char name[16];              /* the thread's, when its loop began; empty: not known */
    bool candidate;             /* not a loop thread yet: see probe/loops/candidate.c */
    bool perhaps;               /* nor this one: see probe/loops/perhaps.c */
    uintptr_t loop_lo, loop_hi; /* of a candidate: the text of its loop's run function */
    _Atomic uint32_t allowed;   /* depth of stalltrace_allow_begin */
    uint64_t tagged_t;

    /* FREE → LIVE (owner) → ENDED (owner, or who closed the home fd) → FREE (agent). */
    _Atomic uint8_t state;
    uint8_t end_reason;
    _Atomic uint8_t home_closed; /* set by the thread that closed the home fd */
    _Atomic bool shared;         /* other threads wait on the home fd, too; set by any of them */

    /* Calls claimed by the agent and ended since: written by the owner, read by the agent. */
    _Atomic uint32_t ends_head, ends_tail;
    struct st_ended ends[ST_ENDS];

    /* the same for iterations */
    _Atomic uint32_t iterations_head, iterations_tail;
    struct st_iteration over[ST_ITERATIONS];

    struct st_long longest[ST_LONGEST];
    uint32_t iter_hist[ST_HIST_BUCKETS], wait_hist[ST_HIST_BUCKETS], calls_hist[ST_HIST_BUCKETS];
    struct st_sum sums[ST_MAX_CALLS];
};

enum { ST_SLOT_FREE, ST_SLOT_TAKEN, ST_SLOT_LIVE, ST_SLOT_ENDED };
enum { ST_END_THREAD, ST_END_CLOSED, ST_END_API };

/* Slots come in segments, as they are needed. */
enum { ST_SEGMENT = 64, ST_SEGMENTS = 256, ST_MAX_SLOTS = ST_SEGMENT * ST_SEGMENTS };
enum { ST_CAPTURES = 64, ST_CAPTURE_STACK = 96 * 1024, ST_PY_MAX = 256 };

struct st_page {
    uint64_t start; /* 0: none has been read */
    uint8_t bytes[4096];
};

/* A call that was at or over its threshold when it ended, copied by its own thread. */
struct st_capture {
    _Atomic uint8_t state; /* FREE → FILLING → READY (owner) → FREE (agent) */
    bool strict;
    bool sample;   /* of an iteration, taken by the signal handler: regs are the interrupted ones */
    bool home;     /* of no call: where the loop waits */
    bool doubtful; /* a wait before the loop's own is known */
    bool listens;  /* of no call that blocks: the first loop's thread begins to listen */
    uint16_t slot, call;
    uint8_t class;
    uint32_t generation;
    uint64_t key;       /* of its path, see repeat.h; 0: none */
    uint64_t t0, ticks; /* of a sample: start of the iteration, and how long it had run */
    uint64_t regs[ST_REGS];
    uint64_t args[ST_ARGS];
    struct st_what what;
    uint32_t stack_len;
    int32_t py_len;
    struct st_py_raw py[ST_PY_MAX];
    uint64_t
        marks[ST_PY_MAX]; /* of `home` and `listens`: what each Python frame holds, as a hash */
    struct st_page page;  /* of a sample: what its handler has read */
    _Alignas(16) uint8_t stack[ST_CAPTURE_STACK];
};

enum { ST_CAPTURE_FREE, ST_CAPTURE_FILLING, ST_CAPTURE_READY };

struct st_settings {
    uint64_t threshold_ns[ST_CLASS_COUNT];
    uint64_t iteration_ns;
    uint32_t strict; /* bit per class */
    bool quiet;
    char output[4096 - 64]; /* absolute; empty: none */
    char loops[ST_LOOPS_SIZE];
    char bad[512];           /* what was wrong with a setting; empty: nothing */
    uint64_t max_trace_size; /* bytes */
    uint64_t max_total_size; /* of all traces in the directory; 0: any */
    bool shared;             /* other users write there, too */
    bool redact;             /* paths, hosts and arguments by hash */
    char run[72];            /* the run of `stalltrace run`; empty: none */
    uint64_t budget_ns;      /* 0: none. For the trace to carry; nothing here acts on it */
};

/* LEAVING: nobody waits for it any more, and until it is gone no other can start. */
enum { ST_AGENT_NONE, ST_AGENT_RUNNING, ST_AGENT_BROKEN, ST_AGENT_LEAVING };
/* Why the agent is to end: the process does, it forks, or a seccomp filter for all threads comes.
 * TAKEN: the agent has seen it, and ends. */
enum st_stop {
    ST_STOP_NOT,
    ST_STOP_EXIT,
    ST_STOP_FORK,
    ST_STOP_FILTER,
    ST_STOP_LAST,
    ST_STOP_TAKEN = 16
};

/* Everything that the agent is told, by the probe, in one place. */
struct st_shared {
    uint32_t abi;
    const struct st_call *calls;
    uint32_t call_count;
    _Atomic(struct st_slot *) segments[ST_SEGMENTS];
    _Atomic uint32_t slot_high;    /* slots in use are below */
    _Atomic uint32_t slots_freed;  /* how often the agent has freed one */
    _Atomic uint64_t first_thread; /* whose that was, as a pthread_t */
    _Atomic uint32_t first_loop;   /* the generation of the process's first loop; 0: none yet */
    /* When that loop's thread began to listen, or any before there was a loop, in ticks; 0: not
     * yet. And whether a capture tells of it, too. */
    _Atomic uint64_t listened;
    _Atomic uint64_t accepted; /* when it first accepted a connection, in ticks; 0: not yet */
    _Atomic bool listen_told;
    _Atomic uint64_t perhaps_since; /* ticks: a thread has run a loop, perhaps; 0: none has */
    _Atomic uint32_t unwatched;     /* how often a loop thread has found no slot */
    struct st_connecting
        connecting[ST_CONNECTING]; /* by the descriptor's number; the last of each */
    struct st_capture *captures;
    struct st_repeat *repeats;
    _Atomic bool repeated; /* there is something in them that the agent has not taken */
    struct st_settings *settings;
    uintptr_t probe_lo, probe_hi; /* text of the probe: its frames are left out */

    uint64_t start_ticks;
    uint64_t start_mono_ns, start_real_ns;
    double ns_per_tick;
    bool tsc;
    bool forked; /* this process is a child that has not exec'ed: the start is to be taken anew */

    _Atomic uint32_t agent_state;
    _Atomic uint32_t wake;     /* futex: the agent's sleep */
    _Atomic uint32_t taken;    /* futex: the agent has emptied buffers */
    _Atomic uint32_t stop;     /* enum st_stop */
    _Atomic uint32_t ready;    /* futex: the agent is loaded, or cannot be */
    _Atomic uint32_t ended;    /* futex: it has written all, the process may end */
    _Atomic uint32_t left;     /* futex: its thread is about to end, and touches nothing more */
    _Atomic uint32_t progress; /* grows while the agent gets on: who waits for it waits on */
    _Atomic uint32_t children_lost; /* forked while the agent was stuck: nothing records them */
    _Atomic bool vanish; /* a filter for all threads has come, and the agent was stuck: no system
                          * call of its own any more */
    _Atomic uint32_t flush_req; /* the agent copies it to flush_ack when all is written */
    _Atomic uint32_t flush_ack;
    _Atomic pid_t follow_tid; /* take this thread's ids, then set to 0 */
    bool exec;                /* this flush is before an exec */
    int open_error;           /* why there is no trace file; 0: there is one */

    /* A trace file made before the process lost what it takes to make one; -1: none. */
    int kept_fd;
    uint64_t kept_dev, kept_ino;
    int (*keep_file)(void); /* this and the next set by stalltrace_agent_init */
    int (*open_file)(void);
    /* The other way round: something is not recorded, and the trace cannot say so. */
    void (*tell_runs)(const char *why);

    /* The sampling signal, see probe/host/signals.c: its handler and the way back from it, in the
     * probe; its number, 0 before the first; whose turn it is with its disposition. */
    void (*sample_handler)(int, void *, void *);
    void (*sample_restorer)(void);
    _Atomic int sample_signal;
    _Atomic uint32_t sample_word;
    const bool *makes_contexts;   /* makecontext has been called */
    const _Atomic bool *filtered; /* a seccomp filter has been installed */

    uint32_t argv_len;
    char argv[2048]; /* the command line, each argument with its NUL */

    struct st_py_layout py; /* version 0: no Python */
    uint64_t last_looked;
};

/* A slot that is or was in use. */
static inline struct st_slot *st_slot_at(struct st_shared *shared, uint32_t index)
{
    /* acquire: the segment is there before its address is */
    return atomic_load_explicit(&shared->segments[index / ST_SEGMENT], memory_order_acquire) +
           index % ST_SEGMENT;
}

enum { ST_SAMPLE_LOCKED = 1, ST_SAMPLE_ARMED = 2 }; /* sample_word */

/* What the kernel takes for struct sigaction. */
struct st_kernel_action {
    void (*handler)(int, void *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* Both sides must have been built from the same layout: the agent refuses a probe of another. */
#define ST_ABI                                                                                     \
    ((uint32_t)(sizeof(struct st_slot) * 8191 + sizeof(struct st_shared) * 127 +                   \
                sizeof(struct st_capture)))

/* The agent's two entries, found by dlsym in its own object. */
typedef int st_agent_init_fn(struct st_shared *);
typedef void *st_agent_main_fn(void *);

#endif
