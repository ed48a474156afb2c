/* stalltrace.h: what a program can tell stalltrace about itself.
 *
 * The functions live in libstalltrace.so, which is there only while the program is traced. The
 * symbols are weak, so a program that uses this header needs no link dependency, and each
 * STALLTRACE_… macro costs one comparison with NULL where there is no stalltrace.
 *
 * All of them may be called from any thread at any time, act on the calling thread only, never
 * fail, and leave errno alone. */
#ifndef STALLTRACE_H
#define STALLTRACE_H

#ifdef __cplusplus
extern "C" {
#endif

/* The calling thread runs an event loop from here on. `name` names the loop in reports; it must
 * stay valid while the loop lives (a string literal), or be NULL for the thread's name. */
void stalltrace_loop_begin(const char *name) __attribute__((weak));

/* The calling thread's loop has ended: nothing that the thread does is a finding any more. */
void stalltrace_loop_end(void) __attribute__((weak));

/* From here to the matching end, this thread blocks deliberately: no findings. `reason` is for
 * readers of the source. Calls nest. */
void stalltrace_allow_begin(const char *reason) __attribute__((weak));
void stalltrace_allow_end(void) __attribute__((weak));

/* Returns when what was found up to now is in the trace (or after half a second: the disk may
 * hang). For tests and for programs that are about to crash on purpose; never needed otherwise. */
void stalltrace_flush(void) __attribute__((weak));

#ifdef __cplusplus
}
#endif

#define STALLTRACE_FLUSH()          (stalltrace_flush ? stalltrace_flush() : (void)0)
#define STALLTRACE_LOOP_BEGIN(name) (stalltrace_loop_begin ? stalltrace_loop_begin(name) : (void)0)
#define STALLTRACE_LOOP_END()       (stalltrace_loop_end ? stalltrace_loop_end() : (void)0)
#define STALLTRACE_ALLOW_BEGIN(why) (stalltrace_allow_begin ? stalltrace_allow_begin(why) : (void)0)
#define STALLTRACE_ALLOW_END()      (stalltrace_allow_end ? stalltrace_allow_end() : (void)0)

#endif
