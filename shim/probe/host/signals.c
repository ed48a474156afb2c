/* The two signals that a sample may use, as far as the program has to do with them.
 *
 * A sample's signal is one whose default action is to be ignored: whatever the program does to its
 * disposition, at whatever moment, it cannot be killed by it. And it is the program's whenever the
 * program wants it: our handler is there only from the agent's send until it has run (some
 * microseconds, and 20 ms at the most). Who changes or reads the disposition meanwhile takes the
 * signal back first, and so finds SIG_DFL and never one of ours in a handler of its own: setting a
 * signal of this kind to SIG_DFL makes the kernel forget those that are pending.
 *
 * What bypasses libc (a system call of the program's own making) may still see our handler in that
 * time, or get one such signal. */
#include "host.h"

#include "arch/stubs.h"

#include <string.h>
#include <sys/syscall.h>

bool st_makes_contexts;
_Thread_local uint64_t st_altstack __attribute__((tls_model("initial-exec")));

/* The handler's way back. Not libc's: what is installed past libc brings its own. */
ST_RESTORER
extern void st_restorer(void) __attribute__((visibility("hidden")));

void st_signals_init(void)
{
    st_shared.sample_handler = st_sample;
    st_shared.sample_restorer = st_restorer;
    st_shared.makes_contexts = &st_makes_contexts;
    st_shared.filtered = &st_filtered;
}

/* Makes the kernel forget the sample's signal, whether it has been sent or is about to be. */
void st_signal_retract(void)
{
    struct st_kernel_action none = {0};
    int number = atomic_load(&st_shared.sample_signal);
    if (number)
        st_raw6(SYS_rt_sigaction, number, (long)&none, 0, sizeof(none.mask), 0, 0);
}

/* ---- the program's turn ---- */

static bool is_candidate(int number)
{
    return number == SIGURG || number == SIGWINCH;
}

/* From here to end_turn the agent sends nothing. It is waited for, but not for ever: then the worst
 * that can happen is one such signal more than there should be. All signals are blocked meanwhile:
 * a handler that came here, too, would wait for its own thread. */
static bool begin_turn(uint64_t *mask)
{
    enum { PATIENCE_NS = 200000000 };
    uint64_t all = UINT64_MAX, start = 0;
    if (st_is_filtered())
        return false; /* nothing is sent under a filter */
    st_raw6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)mask, sizeof(all), 0, 0);
    for (;;) {
        uint32_t word = atomic_load(&st_shared.sample_word);
        if (!(word & ST_SAMPLE_LOCKED) &&
            atomic_compare_exchange_strong(&st_shared.sample_word, &word, ST_SAMPLE_LOCKED)) {
            if (word & ST_SAMPLE_ARMED)
                st_signal_retract();
            return true;
        }
        start = start ? start : st_clock_ns();
        if (st_clock_ns() - start > PATIENCE_NS)
            return true;
        ST_RAW(SYS_sched_yield, 0, 0, 0, 0);
    }
}

static void end_turn(bool begun, const uint64_t *mask)
{
    if (!begun)
        return;
    atomic_store(&st_shared.sample_word, 0);
    st_raw6(SYS_rt_sigprocmask, SIG_SETMASK, (long)mask, 0, sizeof(*mask), 0, 0);
}

/* Copied into a child by a fork in the very moment of a sample: the handler is harmless there, but
 * it is nobody's. */
static void hide(struct sigaction *action)
{
    if (action && action->sa_flags & SA_SIGINFO &&
        (uintptr_t)action->sa_sigaction == (uintptr_t)st_sample)
        *action = (struct sigaction){.sa_handler = SIG_DFL};
}

/* In a child: its parent's agent is not there. */
void st_signals_child(void)
{
    if (atomic_load(&st_shared.sample_word) & ST_SAMPLE_ARMED)
        st_signal_retract();
    atomic_store(&st_shared.sample_word, 0);
}

WRAPPER(sigaction, int, (int number, const struct sigaction *action, struct sigaction *old))
{
    uint64_t mask;
    if (ST_LIKELY(!is_candidate(number)))
        return real_sigaction(number, action, old);
    bool begun = begin_turn(&mask);
    int r = real_sigaction(number, action, old);
    if (r == 0)
        hide(old);
    end_turn(begun, &mask);
    return r;
}

static sighandler_t hidden(sighandler_t handler)
{
    return (uintptr_t)handler == (uintptr_t)st_sample ? SIG_DFL : handler;
}

#define SETS_HANDLER(symbol)                                                                       \
    WRAPPER(symbol, sighandler_t, (int number, sighandler_t handler))                              \
    {                                                                                              \
        uint64_t mask;                                                                             \
        if (ST_LIKELY(!is_candidate(number)))                                                      \
            return real_##symbol(number, handler);                                                 \
        bool begun = begin_turn(&mask);                                                            \
        sighandler_t r = hidden(real_##symbol(number, handler));                                   \
        end_turn(begun, &mask);                                                                    \
        return r;                                                                                  \
    }
SETS_HANDLER(signal)
SETS_HANDLER(__sysv_signal)

/* It changes the thread's mask, too: that is done where the mask is the program's. */
WRAPPER(sigset, sighandler_t, (int number, sighandler_t handler))
{
    uint64_t mask;
    if (is_candidate(number))
        end_turn(begin_turn(&mask), &mask);
    return hidden(real_sigset(number, handler));
}

WRAPPER(sigignore, int, (int number))
{
    uint64_t mask;
    if (ST_LIKELY(!is_candidate(number)))
        return real_sigignore(number);
    bool begun = begin_turn(&mask);
    int r = real_sigignore(number);
    end_turn(begun, &mask);
    return r;
}

WRAPPER(siginterrupt, int, (int number, int interrupts))
{
    uint64_t mask;
    if (ST_LIKELY(!is_candidate(number)))
        return real_siginterrupt(number, interrupts);
    bool begun = begin_turn(&mask);
    int r = real_siginterrupt(number, interrupts);
    end_turn(begun, &mask);
    return r;
}

/* ---- stacks ---- */

/* The thread's alternate stack. A child of vfork has one of its own in its parent's memory. */
WRAPPER(sigaltstack, int, (const stack_t *stack, stack_t *old))
{
    enum { AUTODISARM = 1 << 30, UNUSABLE = 1 };
    int r = real_sigaltstack(stack, old);
    if (r != 0 || !stack || st_is_bare() || st_is_filtered() || (st_started && !st_same_process()))
        return r;
    st_altstack = stack->ss_flags & SS_DISABLE             ? 0
                  : (unsigned)stack->ss_flags & AUTODISARM ? UNUSABLE
                                                           : stack->ss_size;
    if (st_self)
        atomic_store_explicit(&st_self->altstack, st_altstack, memory_order_relaxed);
    return r;
}

/* From here on a thread's stack pointer may be on a stack of the program's own making. The
 * arguments are passed on as they are, however many there are. */
ST_NOTE_AND_PASS_ON(makecontext, st_makes_contexts)
