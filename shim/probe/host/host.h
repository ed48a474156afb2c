/* What the files that run the agent share: its thread (agent_thread.c), when it runs
 * (agent_life.c), and what happens to it in a fork (fork.c), under a filter (filter.c), at start-up
 * and exit (host.c). */
#ifndef STALLTRACE_HOST_H
#define STALLTRACE_HOST_H

#include "probe/wrap/real.h"

/* ---- host.c ---- */

extern pid_t st_own_pid; /* as of start-up or the last fork */
extern bool st_started;  /* st_start_up has run */
void st_start_up(int argc, char **argv);
/* Once a process, before the first agent. 0, or a negative errno. */
int st_prepare(void);

/* ---- valgrind.c ---- */

bool st_on_valgrind(void);

/* ---- fork.c ---- */

void st_watch_forks(void);

/* ---- agent_life.c ---- */

static inline uint32_t st_agent_state(void)
{
    /* acquire: whoever sees the agent running sees it prepared */
    return atomic_load_explicit(&st_shared.agent_state, memory_order_acquire);
}

/* Held to start and stop the agent, and through a fork; with all signals blocked, but for waits.
 * False: another thread has it for too long, or this one has it already. */
bool st_agent_lock(void);
bool st_agent_try_lock(void);
bool st_agent_has_lock(void);
void st_agent_unlock(void);
void st_agent_break_lock(void);
/* Waits for the agent: until the word, a futex, is not `value` any more. Not for long: false where
 * the agent has got nowhere for 200 ms (its disk hangs). It is waited for longer as long as it gets
 * on, but not for more than a second: on a busy machine it may have to wait for a CPU. The signals
 * that the lock's holder has blocked are open meanwhile. */
bool st_agent_wait(const _Atomic uint32_t *word, uint32_t value);
/* Ends the agent, also one that another thread is about to start, and lets none start until its
 * state is set to what this returns: what it was. ST_AGENT_BROKEN where nothing is to be undone. */
uint32_t st_agent_bar(void);
/* Ends the agent; the caller has the lock. `why`: see st_agent_stop. False: it is stuck and still
 * there. */
bool st_agent_stop_locked(uint32_t why);

/* ---- agent_thread.c ---- */

enum { ST_NOT_READY, ST_READY, ST_FAILED, ST_ABANDONED }; /* st_shared.ready */

/* glibc's count of threads, which is there for libthread_db: the process exits when it falls to 0,
 * so the agent must not be counted, or a program whose last thread just ends would never end.
 * NULL: not there. */
extern unsigned *st_thread_count;

/* Where the agent's object is, while the working directory is still what the preload's path is
 * relative to. */
void st_find_agent(void);
/* Makes the agent's thread and waits until it is ready. `only_file`: it makes the trace's file,
 * which is kept, and ends. Returns 0, or a negative errno. */
int st_create_agent(bool only_file);
/* Waits for one that was not ready in time: from here on it must need nothing of this thread's. */
void st_settle_agent(void);
/* Waits until it has ended. It has been told to stop. False: it is stuck. */
bool st_join_agent(void);
/* It is not waited for any more: it is in the loader, which this thread may hold, or opens its
 * trace. False: it has just become ready. */
bool st_abandon_agent(void);
/* Has it been loaded? Before that it is in the loader at most, and has no state of its own. */
bool st_agent_is_loaded(void);
void st_detach_agent(void);
void st_wake_agent(void);

/* ---- complaints (complaint.c) ---- */

/* At start-up: what stderr is, and the run that this process belongs to. */
void st_stderr_note(void);
void st_runs_attach(void);
/* Says on stderr, once, why nothing is recorded (`parts` end with NULL), or without them what is
 * wrong with the settings, if anything is; where that is allowed. Tells the run, too. To be called
 * with all signals blocked. */
void st_complain(const char *const *parts);
/* Before a fork. */
void st_share_complaint(void);
/* Leaves an empty trace, which says to whoever looks for traces that there is none. Makes no
 * directory. */
void st_leave_mark(void);
/* Something of this process is not recorded, and its trace cannot say so. */
void st_tell_runs(const char *why);

#endif
