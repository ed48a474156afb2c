/* Sends the sampling signal, where that can do no harm. Three things could go wrong, and none may:
 *
 * - It kills the program, or runs a handler of the program's. So its default action is to be
 * ignored (SIGURG, else SIGWINCH), it is used only while its disposition is the default one, and
 * our handler is there for one sample alone: probe/host/signals.c has the other half of that.
 * - It interrupts a system call that then fails. See probe/record/sample.c.
 * - Its frame, which the kernel writes below the stack pointer (2 KiB to 12 KiB, by the processor's
 *   registers), overwrites something. Where the thread's stack pointer is cannot be seen while it
 *   runs. So it must be on the thread's own stack (its last wrapped call was, and nothing in the
 *   process switches stacks), and the lowest pages of that stack must never have been touched; or
 *   the thread has a signal stack that is large enough, and is not on it. A stack that is switched
 *   by code in the program itself, without a wrapped call on it, is not seen. */
#include "signal.h"

#include "agent/agent.h"
#include "agent/base/kernel.h"
#include "agent/lang/python.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum { PAGE = 4096, LEAST_ROOM = 16 * 1024, PATIENCE_NS = 20000000 };

static const char again[] = "";

static struct {
    struct st_slot *slot; /* NULL: none is under way */
    uint32_t sampled;     /* its counter before */
    uint64_t sent;        /* ticks */
    int number;
} under_way;

void st_signal_reset(void)
{
    under_way.slot = NULL;
}

/* ---- room ---- */

/* What must be free below a stack pointer. */
static uint64_t room_needed(void)
{
    uint64_t twice = 2 * getauxval(AT_MINSIGSTKSZ);
    return twice > LEAST_ROOM ? (twice + PAGE - 1) / PAGE * PAGE : LEAST_ROOM;
}

/* The lowest address of the thread's own stack; 0: not known. The main thread's grows, down to a
 * limit that the program may change. */
static uint64_t stack_bottom(const struct st_slot *s)
{
    enum { MOST = 8 << 20 }; /* the kernel maps nothing this near below it */
    struct rlimit limit;
    if (s->tid != getpid() || !s->stack_lo)
        return s->stack_lo;
    /* the program's name is the last thing in it, but for a word */
    const char *name = (const char *)getauxval(AT_EXECFN);
    if (!name || syscall(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &limit) != 0)
        return 0;
    uint64_t end = ((uintptr_t)name + strlen(name) + 1 + 8 + PAGE - 1) / PAGE * PAGE;
    uint64_t size = limit.rlim_cur < MOST ? limit.rlim_cur / PAGE * PAGE : MOST;
    return end > size ? end - size : 0;
}

/* Has no page between the two ever been touched? -1: that is not told. */
static int untouched(uint64_t from, uint64_t size)
{
    enum { MOST = 64 };
    uint64_t entries[MOST], first = from / PAGE, count = (from + size - 1) / PAGE - first + 1;
    const uint64_t present = 1ull << 63, swapped = 1ull << 62;
    if (count > MOST)
        return -1;
    long fd =
        syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    long n = syscall(SYS_pread64, fd, entries, count * 8, first * 8);
    syscall(SYS_close, fd);
    if (n != (long)(count * 8))
        return -1;
    for (uint64_t i = 0; i < count; i++)
        if (entries[i] & (present | swapped))
            return 0;
    return 1;
}

static bool holds(uint64_t lo, uint64_t hi, uint64_t sp)
{
    return sp == 0 || (sp >= lo && sp < hi);
}

/* NULL: the signal's frame may lie below the thread's stack pointer. */
static const char *no_room_below(const struct st_slot *s)
{
    uint64_t lo = stack_bottom(s), needed = room_needed();
    if (!lo || s->stack_hi < lo + 2 * needed)
        return "the thread's stack is too small for a signal";
    if (!holds(lo, s->stack_hi, *(const volatile uint64_t *)&s->regs[ST_SP]) ||
        !holds(lo, s->stack_hi, *(const volatile uintptr_t *)&s->home_depth))
        return "the thread was not on its own stack";
    int free = untouched(lo, needed);
    return free > 0   ? NULL
           : free < 0 ? "which pages of its stack a thread uses cannot be read "
                        "(/proc/self/pagemap)"
                      : "the thread's stack is nearly full, or has been";
}

/* ---- who switches stacks ---- */

/* Objects, by a part of their path, and what such an object exports. */
static const char *const objects[] = {
#define SWITCHES_STACKS(path) path,
#include "common/runtimes.def"
};
static const char *const symbols[] = {
#define SWITCHES_STACKS_BY(symbol) symbol,
#include "common/runtimes.def"
};

static int exports_switch(void *found, const struct st_py_module *module)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
        if (st_py_symbol(module, symbols[i])) {
            *(bool *)found = true;
            return 1;
        }
    return 0;
}

/* Looks at one line of the list of mappings. Mixes an object's line into `hash`. */
static bool is_switcher(const char *line, uint64_t *hash)
{
    const char *path = strchr(line, '/');
    if (!path)
        return false;
    for (const char *p = path; *p; p++)
        *hash = (*hash ^ (unsigned char)*p) * 0x100000001b3u;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        if (strstr(path, objects[i]))
            return true;
    return false;
}

/* Whether an object is mapped that switches stacks. Its symbols are looked for again only where the
 * objects have changed. */
static bool switcher_is_mapped(void)
{
    enum { LONGEST = 1024 };
    static uint64_t known;
    static bool was;
    static char text[16 * 1024];
    size_t have = 0;
    uint64_t hash = 0xcbf29ce484222325u;
    long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC | O_NONBLOCK),
         n;
    if (fd < 0)
        return true;
    bool found = false;
    while (!found && (n = syscall(SYS_read, fd, text + have, sizeof(text) - 1 - have)) > 0) {
        have += (size_t)n;
        text[have] = 0;
        char *line = text, *end;
        for (; !found && (end = strchr(line, '\n')); line = end + 1) {
            *end = 0;
            found = is_switcher(line, &hash);
        }
        have = strlen(line);
        if (have > LONGEST)
            have = 0; /* no line is as long as that */
        memmove(text, line, have);
    }
    syscall(SYS_close, fd);
    if (found)
        return true;
    if (hash != known) {
        was = false;
        st_py_each_module(exports_switch, &was);
        known = hash;
    }
    return was;
}

/* ---- may it be sent? ---- */

/* A signal that the program does not use: 0 where there is none. */
static int free_number(const struct st_signals *now)
{
    static const int numbers[] = {SIGURG, SIGWINCH};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint64_t bit = 1ull << (numbers[i] - 1);
        if (!((now->caught | now->ignored | now->blocked | now->pending) & bit))
            return numbers[i];
    }
    return 0;
}

/* Why not, or NULL; then its number, and whether it is to run on the thread's signal stack. */
static const char *unsuitable(const struct st_slot *s, int *number, bool *on_altstack)
{
    struct st_signals now;
    uint64_t altstack = atomic_load_explicit(&s->altstack, memory_order_relaxed);
    if (atomic_load(st_shared->filtered))
        return "a seccomp filter is installed";
    if (st_thread_signals(s->tid, &now) < 0)
        return "what signals the thread takes cannot be read (/proc)";
    if (now.traced)
        return "a debugger is attached";
    *number = free_number(&now);
    if (!*number)
        return "the program uses SIGURG and SIGWINCH itself, or blocks them";
    /* On its signal stack already, in a handler: there only the rest of it is left. */
    if (altstack && now.blocked & now.caught)
        return "the thread may be in a signal handler";
    *on_altstack = altstack >= room_needed();
    if (*on_altstack)
        return NULL;
    if (*st_shared->makes_contexts || switcher_is_mapped())
        return "the program switches stacks";
    return no_room_below(s);
}

/* ---- sending ---- */

static bool set_action(int number, bool ours, bool on_altstack, struct st_kernel_action *old)
{
    enum { RESTORER = 0x04000000 };
    struct st_kernel_action action = {0};
    if (ours)
        action = (struct st_kernel_action){.handler = st_shared->sample_handler,
                                           .flags = SA_SIGINFO | SA_RESTART | RESTORER |
                                                    (on_altstack ? SA_ONSTACK : 0u),
                                           .restorer = st_shared->sample_restorer,
                                           .mask = UINT64_MAX};
    return syscall(SYS_rt_sigaction, number, &action, old, sizeof(action.mask)) == 0;
}

static bool is_ours(const struct st_kernel_action *action)
{
    return action->handler == st_shared->sample_handler;
}

/* Only an untouched disposition is replaced, or our own that a fork has left. */
static bool take_number(int number, bool on_altstack)
{
    struct st_kernel_action was;
    if (syscall(SYS_rt_sigaction, number, NULL, &was, sizeof(was.mask)) != 0 ||
        (was.handler && !is_ours(&was)) || !set_action(number, true, on_altstack, &was))
        return false;
    if (!was.handler || is_ours(&was))
        return true;
    syscall(SYS_rt_sigaction, number, &was, NULL, sizeof(was.mask)); /* past libc, just now */
    return false;
}

static bool register_barrier(void)
{
    static pid_t registered;
    if (registered != getpid() &&
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
        registered = getpid();
    return registered == getpid();
}

/* The thread and this one agree on who comes first: see probe/record/sample.c. */
static bool deliver(struct st_slot *s, int number)
{
    atomic_store(&s->sampling, 1);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 &&
        !(atomic_load(&s->seq) & 1) && !*(volatile bool *)&s->at_home &&
        syscall(SYS_tgkill, getpid(), s->tid, number) == 0)
        return true;
    atomic_store(&s->sampling, 0);
    return false;
}

const char *st_signal_send(struct st_slot *s, uint64_t t0)
{
    int number = 0;
    bool on_altstack = false;
    uint32_t idle = 0;
    if (!register_barrier())
        return "the kernel has no membarrier";
    st_signal_settle(false);
    if (under_way.slot)
        return again;
    const char *why = unsuitable(s, &number, &on_altstack);
    if (why)
        return why;
    if (!atomic_compare_exchange_strong(&st_shared->sample_word, &idle, ST_SAMPLE_LOCKED))
        return again; /* the program is at one of the two just now */
    bool sent = false;
    if (take_number(number, on_altstack)) {
        atomic_store(&st_shared->sample_signal, number);
        atomic_store(&s->sampled_t0, t0);
        under_way.sampled = atomic_load(&s->sampled);
        sent = deliver(s, number);
        if (!sent)
            set_action(number, false, false, NULL);
    }
    if (sent) {
        under_way.slot = s;
        under_way.number = number;
        under_way.sent = st_ticks_now();
    }
    atomic_store(&st_shared->sample_word, sent ? ST_SAMPLE_ARMED : 0);
    return sent ? NULL : again;
}

void st_signal_settle(bool at_once)
{
    struct st_slot *s = under_way.slot;
    uint32_t armed = ST_SAMPLE_ARMED;
    struct st_kernel_action now;
    if (!s)
        return;
    if (!at_once && atomic_load(&s->sampling) && atomic_load(&s->sampled) == under_way.sampled &&
        st_ticks_to_ns(st_ticks_now() - under_way.sent) < PATIENCE_NS)
        return;
    /* Where the program is at it, it has taken the signal back itself. A child of vfork may have
     * done so for itself alone: so what is there is looked at. */
    atomic_compare_exchange_strong(&st_shared->sample_word, &armed, ST_SAMPLE_LOCKED);
    if (armed == ST_SAMPLE_LOCKED)
        return; /* the program is at it: the next time */
    if (syscall(SYS_rt_sigaction, under_way.number, NULL, &now, sizeof(now.mask)) == 0 &&
        is_ours(&now))
        set_action(under_way.number, false, false, NULL);
    atomic_store(&s->sampling, 0);
    under_way.slot = NULL;
    if (armed == ST_SAMPLE_ARMED)
        atomic_store(&st_shared->sample_word, 0);
}
