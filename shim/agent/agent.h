/* The agent's inside: what its files share. All of it runs on the agent's one thread, but for
 * stalltrace_agent_init. No malloc (the app's allocator may hold its lock), no stdio, no locks. */
#ifndef STALLTRACE_AGENT_H
#define STALLTRACE_AGENT_H

#include "contract/slot.h"
#include "agent/lang/python.h"
#include "agent/base/room.h"
#include "agent/lang/v8.h"

#include <sys/syscall.h>
#include <unistd.h>

extern struct st_shared *st_shared;
extern bool st_ending; /* the process exits: what is recorded now is the last */

/* The agent has got on by a step: who waits for it goes on waiting (probe/host/host.h). */
static inline void st_progress(void)
{
    atomic_fetch_add_explicit(&st_shared->progress, 1, memory_order_relaxed);
}

/* ---- time -------------------------------------------------------------------------------------
 */

uint64_t st_ticks_now(void);
uint64_t st_ticks_to_ns(uint64_t ticks);
/* A moment in ticks, as ns since the start of the process record. */
uint64_t st_since_start_ns(uint64_t ticks);

/* ---- stacks (unwind.c) ---- */

enum { ST_MAX_FRAMES = 512 };

struct st_frame {
    uint64_t pc;
    bool exact; /* the instruction itself, not a return address */
    struct st_v8_place place;
    uint64_t sp; /* where its part of the stack begins */
};

struct st_stack {
    uint32_t count;
    bool broken;    /* ends in code without unwind tables or frame pointers */
    bool truncated; /* deeper than what was copied, or than ST_MAX_FRAMES */
    struct st_frame frames[ST_MAX_FRAMES];
};

int st_unwind_init(void);
/* Unwinds the copied stack `bytes`, which was at address `base`, from `regs`. Frames of the probe
 * are left out. */
void st_unwind(const uint64_t *regs, uint64_t base, const uint8_t *bytes, uint32_t len,
               struct st_stack *out);

/* ---- modules (modules.c) ---- */

struct st_module {
    uint32_t id;
    uint64_t base, lo, hi;
    uint64_t name_at; /* of the object's path */
    bool written;
    /* see running.c */
    bool runs_loop; /* all of its code that is ever on a stack is a running loop's */
    bool switches;  /* it runs code on other stacks than the thread's own */
};

/* The module that `pc` lies in; NULL: in none. */
const struct st_module *st_module_at(uint64_t pc);
/* Writes it, if that has not been done. False: there is no room. */
bool st_module_write(uint64_t pc);
void st_modules_reset(void);

/* ---- what a call waited for (what.c) ---- */

/* The same as the probe's st_what_of, for a thread that is still in its call. */
void st_what_remote(struct st_what *w, const struct st_call *c, const uint64_t *args, uint64_t t0);
/* As text for the trace; empty where there is nothing to say. */
/* What the call's own thread could not find out. */
void st_what_of_capture(struct st_capture *c, const struct st_call *call);
/* The beginning of a file of /proc, as text; false: there is none. */
bool st_read_text(const char *path, char *out, size_t size);
void st_what_text(const struct st_what *w, const struct st_call *c, char *out, size_t size);
/* Of which kind it is (waited.c): "time", "socket", "lock", …; NULL: not known. */
const char *st_wait_kind(const struct st_what *w, const struct st_call *c);

/* Who holds what is waited for: a thread of this process, or another process. */
struct st_held {
    pid_t pid, tid; /* pid 0: nobody is known; tid 0: another process */
    pid_t child;    /* nobody holds it: it is this child that is waited for, through a pipe, say */
    char name[32];
    char file[256], function[128]; /* where its Python code is; empty: it runs none, or not known */
    int line;
};
void st_held_by_thread(struct st_held *held, pid_t tid);
void st_held_by_process(struct st_held *held, pid_t pid);
/* The thread that holds what the call waits for, and its pthread_t (0: not known); 0: no thread is
 * known. */
pid_t st_holder_of(const struct st_what *w, const struct st_call *c, uint64_t *thread);
/* The tid behind a pthread_t; 0 where it cannot be told. */
pid_t st_tid_of_pthread(uint64_t thread);
/* Adds `what`, the thread's number and its name. */
struct st_text;
struct st_redactor;
/* An argument of a command line, without its secrets. */
void st_add_argument(struct st_text *t, struct st_redactor *r, const char *s, size_t n, bool first);
/* Another process, and its command: of a child with its arguments. */
void st_add_process(struct st_text *t, const char *what, pid_t pid, bool child);
/* The child, or who holds the lock on a file, that a call waits for. */
void st_add_other(struct st_text *t, const struct st_slot *s, const struct st_what *what,
                  const struct st_call *call, const uint64_t *args, struct st_held *held);
/* What the kernel calls it; empty where it is gone. */
void st_process_name(pid_t pid, char *out, size_t size);
void st_add_thread(struct st_text *t, const char *what, pid_t tid);

/* ---- holders (holder.c) ---- */

/* Is what the call waits at Python's global interpreter lock? */
bool st_is_gil(const struct st_call *call, uint64_t cond);
/* What a call waits for that is the runtime's own doing, in a few words: no stall of its own,
 * though its time counts in the iteration. NULL: nothing of the kind. */
const char *st_own_wait(const struct st_call *call, const struct st_what *what,
                        const struct st_py_raw *py, int n);
/* Of a call that the slot's thread is still in: adds to its text who holds what it waits for, and
 * where that thread's Python code is now, as far as it can be told; the same as data in `held`. */
void st_add_holder(const struct st_slot *s, const struct st_what *what, const struct st_call *call,
                   const uint64_t *args, char *detail, size_t size, struct st_held *held);
/* Name of a thread of this process; empty where it is gone. */
void st_thread_name(pid_t tid, char *out, size_t size);

/* ---- records (records.c) ---- */

struct st_stall {
    bool iteration; /* not a call: no call, no class */
    bool is_new;    /* the first of its place */
    uint32_t loop, stack;
    const struct st_call *call;
    uint8_t class;
    bool strict, ended;
    uint64_t at_ns, elapsed_ns, starved_ns; /* starved_ns: part of elapsed_ns */
    const char *detail;
    const char *wait_kind;         /* of what it waited for (st_wait_kind), or NULL */
    const struct st_held *held;    /* NULL, or no pid: nobody is known */
    const struct st_py_task *task; /* NULL, or no name: none is known */
    const char *no_stack;          /* of an iteration, as of its first sample */
};

/* Where the time of an iteration went, in ns. `frozen` is not part of `elapsed`. */
struct st_time {
    uint64_t elapsed, calls, starved, frozen;
    bool measured; /* the next four are known */
    uint64_t cpu, runnable, asleep, throttled;
    uint64_t found; /* the part of `calls` that is reported as stalls of their own */
    struct {
        uint64_t total, longest;
    } top[ST_TOP_CALLS]; /* of the iteration's */
};

struct st_sleep;

void st_record_process(void);
bool st_record_loop(uint32_t loop, const struct st_slot *s, enum st_worth worth);
void st_record_loop_end(uint32_t loop, int reason);
/* Its thread was seen outside of it for the first time. */
void st_record_loop_stopped(uint32_t loop, uint64_t at_ns);
/* What stats has written of the histograms so far: each record holds what came since. */
struct st_written {
    uint32_t iter_hist[ST_HIST_BUCKETS], wait_hist[ST_HIST_BUCKETS], calls_hist[ST_HIST_BUCKETS];
    uint64_t longest;
};
/* What a loop's thread has counted of iterations that lasted for their threshold, and must be taken
 * out of its figures: time that was not the loop's own. In ticks. */
enum { ST_MOVES = 16 };
struct st_own_time {
    uint64_t not_own; /* in all */
    struct st_own {
        uint64_t t0, ticks, not_own;
    } longest[ST_LONGEST]; /* by what is left of them */
    struct {
        uint16_t from, to;
        uint32_t count;
    } moves[ST_MOVES]; /* of the histogram, not yet written; `to` of one that is none at all:
                          UINT16_MAX */
    unsigned move_count;
    bool changed;
};
bool st_record_stats(uint32_t loop, const struct st_slot *s, struct st_written *written,
                     struct st_own_time *own);
/* Writes the stack, below the call (NULL: none), unless an equal one was, and returns its number;
 * where there is no room, that of another one of the same place; 0: there is none. */
struct st_place;
uint32_t st_record_stack(const struct st_call *call, const struct st_stack *stack,
                         const struct st_py_raw *py, int py_len, struct st_place **place);
uint32_t st_record_stall(const struct st_stall *stall);
uint64_t st_record_stall_still(uint32_t stall, uint64_t ns, uint64_t starved_ns);
void st_record_stall_end(uint32_t stall, uint64_t ns, uint64_t starved_ns);
/* A sample of an iteration. */
struct st_sample {
    uint32_t stack;                /* 0: none */
    const struct st_sleep *asleep; /* NULL: it ran */
    const char *detail;            /* what the call that it was in waited for; NULL: in none */
    const char *wait_kind;
    const struct st_held *held;
    const struct st_py_task *task;
    const char *no_stack; /* why there is no stack, or none but Python's frames; NULL: there is */
};
void st_record_sample(uint32_t stall, const struct st_sample *sample);
void st_record_iteration_end(uint32_t stall, const struct st_time *time,
                             const struct st_iteration *it);
/* Stalls that were counted: how many, for how long in all, how much of that without a CPU, and the
 * longest of them, less its time without one. */
struct st_many {
    uint64_t count, total_ns, starved_ns, max_ns;
    uint64_t last_ns; /* when the last of them began, or a moment later */
};
bool st_record_more(const struct st_stall *like, const struct st_many *many);
void st_record_dropped(uint64_t stalls);
/* A time for which the process was stopped, in ticks: `ticks` of those between `from` and `to`,
 * begun at the latest at `began_by`. */
struct st_freeze {
    uint64_t from, began_by, to, ticks;
};
/* One of them, or how many there were (NULL), for `ns` in all. */
void st_record_frozen(const struct st_freeze *freeze, uint64_t count, uint64_t ns);
void st_record_notice(const char *code, const char *message);
void st_record_end(const char *reason);
void st_records_reset(void);
void st_records_stalls_reset(void);

/* ---- losses (losses.c) ---- */

/* Something is known to be missing in the trace: what (a short stable word), a sentence for the
 * reader that names the way out, and how many more of it. Written at once the first time, then with
 * the figures. */
void st_record_loss(const char *code, const char *message, uint64_t count);
/* Stalls of new places for which not even their stack found room: only counted, by call. */
void st_count_unplaced(const char *call, uint64_t count);
/* Writes those that have grown, or found no room before. */
void st_losses_write(void);
/* What one of them is of which the trace says nothing; NULL: there is none. */
const char *st_losses_unwritten(void);
void st_losses_reset(void);

/* ---- stalls (stalls.c): from a slot or a capture to records ---- */

/* Looks at a slot; returns in how many ns it wants to be looked at again, at the latest. */
void st_take_call_ends(uint32_t index);
void st_close_hang(uint32_t index);
void st_take_iteration_ends(uint32_t index);
uint64_t st_look_at_slot(uint32_t index);
void st_take_captures(void);
/* Those that say where loops wait; before the looks, which ask for it. */
void st_take_homes(void);
/* Writes what was only counted. */
void st_write_counts(void);
void st_stalls_reset(void);
/* The loop in this slot now; 0: none. */
uint32_t st_loop_of(uint32_t index, uint32_t generation);

/* A call in progress, copied from outside. */
struct st_progress {
    uint32_t seq;
    uint16_t call;
    uint64_t t0, elapsed_ticks, elapsed_ns;
    uint64_t regs[ST_REGS], args[ST_ARGS];
    uint32_t len;
    int py_len;
    struct st_py_raw py[ST_PY_MAX];
    struct st_py_task task;
    const uint8_t *stack; /* valid until the next is copied */
};
/* Is the slot's thread still in the call `seq`, so that what was read of it before is true? */
bool st_unmoved(const struct st_slot *s, uint32_t seq);
/* Copies registers, stack and Python frames of the call `p->seq` that the slot is in; false: it has
 * ended meanwhile. */
bool st_copy_progress(const struct st_slot *s, struct st_progress *p);
/* The task in which a capture was taken, if its iteration has not ended since; else no name. */
void st_task_of_capture(const struct st_capture *c, struct st_py_task *task);

/* ---- iterations (iterations.c) ---- */

/* Looks at the iteration that a slot is in; returns in how many ns it wants to be looked at again.
 */
uint64_t st_look_at_iteration(uint32_t index);
void st_take_sample(const struct st_capture *c);
void st_iterations_reset(void);

/* The slot's loop is gone, or another one's: whatever is open of it has ended. */
void st_close_iteration(uint32_t index);

/* A call that was over its threshold has ended, and its owner counted it as found. Of that its
 * iteration takes the time which is not in its own age either (frozen), or which is left out there,
 * too (starved); and all of it, where it turned out to be no finding. */
struct st_known_call {
    uint64_t t0, ticks; /* ticks */
    uint64_t starved_ns, frozen_ns;
    bool is_finding;
};
void st_note_call(uint32_t index, uint32_t generation, const struct st_known_call *call);

/* ---- a process that is stopped (freeze.c) ---- */

/* How long the process was stopped (SIGSTOP, a debugger, a frozen container) between two moments,
 * and how long it was not. */
uint64_t st_frozen_ns(uint64_t from_ticks, uint64_t to_ticks);
uint64_t st_unfrozen_ns(uint64_t from_ticks, uint64_t to_ticks);
/* The calls that took most of an iteration. One that held a freeze was the longest of its kind.
 * Returns how much of the freezes lay in them. */
uint64_t st_divide_calls(const struct st_iteration *it, struct st_time *t);
/* Around each of the agent's sleeps, which is to last `asked_ns`. */
void st_freeze_before_sleep(void);
void st_freeze_after_sleep(uint64_t asked_ns);
/* Writes what was only counted. */
void st_freezes_write(void);
void st_freezes_reset(void);

/* ---- waits before there is a home, and polling loops (aside.c) ---- */

/* Keeps the stall until it is known whether the wait was the loop's own. False: no room. */
bool st_keep_aside(const struct st_capture *c, const struct st_stack *stack,
                   const struct st_stall *stall);
void st_look_at_asides(void);
void st_look_at_polled(uint32_t index);
void st_aside_reset(void);
/* Writes a stall that has ended, or counts it (stalls.c). */
void st_report_stall(const struct st_stall *stall);

/* ---- start-up (serving.c) ---- */

void st_look_at_serving(void);
/* The first loop's first home wait, where its run function is (index of its frame; -1: none), and
 * the first loop's thread at its first `listen`. */
void st_keep_outer(const struct st_capture *c, const struct st_stack *stack, int run_python,
                   int run_native);
void st_take_listen(const struct st_capture *c);
void st_serving_reset(void);

/* ---- loops (watch.c) ---- */

void st_watch_loops(bool stats);
/* An iteration that lasted for its threshold has ended; so much of it, in ns, was not the loop's
 * own: the thread had no CPU. All of it: it was no iteration at all. */
void st_note_own_time(uint32_t index, uint32_t generation, const struct st_iteration *it,
                      uint64_t not_own_ns);
void st_loops_reset(void);

#endif
