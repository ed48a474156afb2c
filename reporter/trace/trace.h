/* A trace in memory: what one process wrote (doc/trace-format.md). Stalls are not kept: they are
 * handed to a sink as they are read, so that a long trace costs no memory and a growing one can be
 * followed. */
#ifndef STALLTRACE_TRACE_H
#define STALLTRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "util/util.h"

struct module {
    const char *path;
    const char *build_id; /* hex, or NULL */
    uint64_t base;
};

struct native_frame {
    uint64_t pc;
    uint64_t vaddr;
    const struct module *module; /* NULL: JIT-compiled code, or nothing known */
    const char *symbol;          /* from a perf map, or NULL */
    bool exact;                  /* pc is the instruction itself, not a return address */
    bool eval;                   /* a run of Python's evaluation loop, see tells_eval */
    int line;                    /* where a function of JavaScript has got to; 0: not known */
};

struct python_frame {
    const char *function;
    const char *file;
    int line;
    bool entry; /* the last frame of one run of the evaluation loop */
};

struct stack {
    struct native_frame *native;
    size_t native_count;
    struct python_frame *python;
    size_t python_count;
    bool tells_eval; /* some native frame has `eval`; else the function's name has to tell */
    bool truncated;
    bool broken; /* the outer frames are missing */
};

/* What a perf map called code after the stacks `since` to `until` were written. */
struct late_name {
    uint64_t since, until;
    const char *name;
    struct late_name *next; /* of the same address */
};

/* An iteration that was among the longest of its loop. */
struct long_iteration {
    uint64_t at_ns, elapsed_ns;
    uint64_t calls_ns;  /* in blocking calls */
    uint64_t frozen_ns; /* for which the process was stopped; not part of `elapsed_ns` */
    uint64_t
        not_own_ns; /* for which its thread had no CPU; part of it as recorded, taken out then */
};

/* The process was stopped for `elapsed_ns` of the time from `from_ns` to `to_ns`; that had begun
 * by `began_by_ns`. */
struct freeze {
    uint64_t from_ns, began_by_ns, to_ns, elapsed_ns;
};

enum { LONGEST_KEPT = 8 };

struct loop {
    uint64_t id;
    int64_t tid;
    const char *name;
    const char *home;
    uint64_t iterations;
    uint64_t max_iteration_ns;
    bool closed; /* there is a loop_end record */
    uint64_t closed_ns;
    uint64_t last_at_ns[2];     /* by kind of stall: when the last one began, plus 1 */
    uint64_t began_ns, seen_ns; /* when it was tagged, and when its figures were last written */
    uint64_t busy_ns, wait_ns, calls_ns, not_own_ns;
    struct histogram iteration_hist, wait_hist, calls_hist;
    struct long_iteration longest[LONGEST_KEPT]; /* longest first */
    size_t longest_count;
    struct long_iteration own[LONGEST_KEPT]; /* as recorded: the longest without `not_own_ns` */
    size_t own_count;
    struct long_iteration *frozen; /* as recorded, those that hold a freeze (freezes.c) */
    size_t frozen_count, frozen_cap;
};

/* Where the time of an iteration went. */
struct time_split {
    uint64_t calls_ns, cpu_ns, runnable_ns, asleep_ns, throttled_ns, frozen_ns;
    bool measured;      /* cpu_ns, runnable_ns and asleep_ns are known */
    uint64_t found_ns;  /* part of calls_ns: in calls that are stalls of their own */
    bool found_unknown; /* the trace does not say */
};

/* What the calls of one function added up to in an iteration. */
struct call_sum {
    const char *call;
    const char *class_name;
    uint64_t count, total_ns;
    uint64_t max_ns;       /* the longest of them; 0: not known */
    uint64_t threshold_ns; /* of its class */
};

enum { CALL_SUMS = 16 };

/* What is known of an iteration once it has ended. */
struct breakdown {
    struct time_split time;
    struct call_sum calls[CALL_SUMS];
    size_t call_count;
    uint64_t threshold_ns; /* of iterations */
};

/* Who held what a call waited for: a thread of the process, or another process. */
struct holder {
    int64_t pid;                        /* 0: nobody is known */
    int64_t tid;                        /* 0: another process */
    const char *name, *file, *function; /* or NULL */
    int line;
};

/* Where a thread was, some time in an over-long iteration. */
struct sample {
    uint64_t stack_id;
    const struct stack *stack; /* or NULL */
    uint64_t count;
    bool asleep;              /* in something that no wrapper saw: */
    const char *syscall_name; /* or NULL */
    const char *wait_channel; /* or NULL */
    const char *detail;       /* what the call that it was in waited for, or NULL */
    const char *wait_kind;    /* of which kind that is, or NULL */
    struct holder holder;
    const char *no_stack;         /* why it has no stack, or only Python's frames; or NULL */
    const char *task, *coroutine; /* or NULL */
};

enum stall_kind { STALL_CALL, STALL_ITERATION };

struct stall {
    uint64_t id;
    enum stall_kind kind;
    const struct loop *loop; /* NULL where the trace does not say */
    const char *call;        /* NULL for an iteration */
    const char *class_name;
    const char *detail;    /* or NULL */
    const char *wait_kind; /* of which kind what it waited for is, or NULL */
    struct holder holder;
    uint64_t stack_id;
    const struct stack *stack; /* or NULL */
    uint64_t at_ns;
    uint64_t elapsed_ns; /* without starved_ns */
    uint64_t starved_ns; /* for which its thread was ready and had no CPU */
    uint64_t still_ns;   /* what it had lasted when it was last heard of; 0: not heard of again */
    uint64_t still_starved_ns;
    bool ended;
    bool strict;
    bool known;                        /* an earlier record was of the same: of no account */
    bool nothing;                      /* under its threshold without starved_ns: no finding */
    bool startup;                      /* the process did not serve yet */
    const char *task, *coroutine;      /* or NULL */
    const struct breakdown *breakdown; /* of an iteration that has ended, in stall_end; or NULL */
};

struct notice {
    const char *code;
    const char *message;
};

/* Something that is known to be missing. */
struct loss {
    const char *code;
    const char *message;
    uint64_t count; /* 0: not known how many */
};

/* When the process's first loop stopped running in one go, and when the process began to serve. */
struct moments {
    uint64_t first_loop; /* 0: none yet */
    bool broken, serves;
    uint64_t broken_ns;  /* it stopped, ended, or another loop began */
    uint64_t serving_ns; /* it listened */
    bool reached;        /* the record that says so has been read */
};

enum trace_state {
    TRACE_UNREAD,    /* nothing, or no complete first line yet */
    TRACE_GOOD,      /* the first record was ours */
    TRACE_FOREIGN,   /* not a trace */
    TRACE_VERSION,   /* a trace of another version */
    TRACE_OTHER_RUN, /* a trace, but of none of the processes that are asked for */
    TRACE_DAMAGED,   /* ours, but its first record cannot be read */
};

struct trace {
    const char *path;
    int fd;
    enum trace_state state;
    const char *format; /* of TRACE_VERSION: what it said */

    const char *run;      /* of `stalltrace run`, or NULL */
    const char *only_run; /* traces of others are not read; NULL: all are */
    int64_t pid;
    const char *exe;
    const char **argv;
    size_t argc;
    uint64_t start_ns;
    uint64_t budget_ns; /* 0: the recording says nothing about one */
    bool ended;         /* there is an `end` record */
    uint64_t end_ns;
    uint64_t dropped_stalls;
    uint64_t starved_count, starved_ns; /* calls and iterations that had no CPU for a while */
    const char *host;                   /* or NULL */
    struct moments moments;
    bool only_moments; /* nothing else is read */
    struct freeze *freezes;
    size_t freeze_count, freeze_cap;
    uint64_t frozen_count, frozen_ns; /* also those that were only counted */
    uint64_t bad_lines;               /* that did not parse, or lacked what they must have */
    bool cut_off;                     /* the last line has no newline */

    struct loop **loops;
    size_t loop_count, loop_cap;
    struct notice *notices;
    size_t notice_count, notice_cap;
    struct loss *losses; /* as recorded, one of each code; see losses.h for all there are */
    size_t loss_count, loss_cap;

    struct map late_names; /* by pc: struct late_name */
    struct map loop_by_id, modules, stacks, open_stalls;
    uint64_t iteration_threshold_ns;
    struct map thresholds; /* hash of the class's name → ns + 1 */
    struct strbuf pending; /* the beginning of a line whose rest is not there yet */
    bool skipping;         /* inside a line too long to be a record */
    struct json_tokener *parser;
};

/* Receives stalls as they are read. The stall belongs to the trace and may change or go after the
 * call. */
struct trace_sink {
    void *ctx;
    void (*stall)(void *ctx, struct trace *trace, const struct stall *stall);
    /* A stall that was handed over while it hung: `elapsed_ns` is now the whole duration,
     * `added_ns` how much of it is new (less than nothing, modulo 2^64, where it turned out to be
     * shorter); it may turn out to be `nothing`. `stall->ended` is false where the process went
     * first; each such iteration gets its stall_end from trace_finish. */
    void (*stall_end)(void *ctx, struct trace *trace, const struct stall *stall, uint64_t added_ns);
    /* Stalls that were counted and not captured; `stall->elapsed_ns` is the longest. */
    void (*more)(void *ctx, struct trace *trace, const struct stall *stall, uint64_t count,
                 uint64_t total_ns);
    /* A sample of an iteration that was handed over; may be NULL. */
    void (*sample)(void *ctx, struct trace *trace, const struct stall *stall,
                   const struct sample *sample);
};

/* Was a record written in part, and nothing after it? An agent that can write writes whole lines.
 */
bool trace_is_cut_short(const struct trace *trace);

/* Has a process begun a trace there, though it is of no use? An empty file may be anybody's. */
bool trace_is_lost(const struct trace *trace);
/* Is `line` the beginning of a trace's first record, or all of it? */
bool trace_begins_ours(const char *line, size_t len);

/* Opens a trace. Returns 0 or a negative errno. */
int trace_open(struct trace **out, const char *path);
/* Reads what is there, to the end of the file; may be called again when the file has grown.
 * Returns 0 or a negative errno; what kind of file it is stands in `state`. */
int trace_read(struct trace *trace, const struct trace_sink *sink);
/* After the last trace_read: freezes are taken out of the figures, and stalls that never ended are
 * known to have lasted to the end of the process. */
void trace_finish(struct trace *trace, const struct trace_sink *sink);
/* Frees stacks and buffers once nobody asks for them; the figures and names stay. */
void trace_release(struct trace *trace);
void trace_free(struct trace *trace);
/* Why a file is no usable trace: a phrase for "stalltrace: <path>: ...". NULL when it is one. */
char *trace_problem(const struct trace *trace);

/* One line of a trace (without its newline); for trace_read and for tests. */
void trace_record(struct trace *trace, const char *line, size_t len, const struct trace_sink *sink);

struct json_object;
/* Of trace_record: where a thread was (records_stacks.c). False: something was missing. */
bool trace_read_module(struct trace *trace, struct json_object *record);
bool trace_read_stack(struct trace *trace, struct json_object *record);
bool trace_read_names(struct trace *trace, struct json_object *record);
void trace_free_names(struct trace *trace);

/* The same: stalls (records_stalls.c). */
void trace_read_thresholds(struct trace *trace, struct json_object *thresholds);
bool trace_read_stall(struct trace *trace, struct json_object *record,
                      const struct trace_sink *sink);
bool trace_read_stall_still(struct trace *trace, struct json_object *record);
bool trace_read_stall_end(struct trace *trace, struct json_object *record,
                          const struct trace_sink *sink);
bool trace_read_sample(struct trace *trace, struct json_object *record,
                       const struct trace_sink *sink);
bool trace_read_more(struct trace *trace, struct json_object *record,
                     const struct trace_sink *sink);
/* Of trace_finish: what is known of a stall whose end was not said. */
void trace_finish_stall(struct trace *trace, struct stall *stall, const struct trace_sink *sink);

/* The same: loops (records_loops.c). */
bool trace_read_loop(struct trace *trace, struct json_object *record);
void trace_read_loop_end(struct trace *trace, struct json_object *record);
bool trace_read_stats(struct trace *trace, struct json_object *record);

/* Of trace_record and trace_finish: a process that was stopped (freezes.c). */
bool trace_read_frozen(struct trace *trace, struct json_object *record);
uint64_t trace_frozen_ns(const struct trace *trace, uint64_t from_ns, uint64_t to_ns);
void trace_keep_frozen(const struct trace *trace, struct loop *loop);
/* Takes the time out of the figures of loops. */
void trace_correct_frozen(struct trace *trace);
/* Takes what was not the loops' own out of their figures, once all of the trace has been read. */
void trace_correct_own(struct trace *trace);

#define TRACE_FORMAT "stalltrace.trace/1"

/* Start-up (startup.c). Finds the moments of a whole trace, before it is read. */
void trace_find_moments(struct trace *trace);
bool trace_is_moment(const char *line, size_t len);
bool trace_read_moment(struct trace *trace, const char *type, struct json_object *record);
void trace_note_loop(struct trace *trace, uint64_t loop, uint64_t at_ns);
/* Is there anything before the process served, as far as has been read? */
bool trace_has_startup(const struct trace *trace);
/* Was this stall before that? `counted`: it has no time of its own. */
bool trace_in_startup(const struct trace *trace, const struct stall *stall, bool counted);
/* May it still turn out to have been? */
bool trace_is_starting(const struct trace *trace, const struct stall *stall);

#endif
