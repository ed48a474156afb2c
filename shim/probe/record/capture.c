/* Copies a thread's own stack for the agent, when one of its calls has just ended. The thread must
 * not wait for anything here: where no buffer is free, the stall is counted and no more. All but
 * the first of its kind where short calls are reported, see repeat.c. */
#include "probe/probe.h"

#include "contract/repeat.h"

#include <sys/syscall.h>
#include <sys/uio.h>

static struct st_capture captures[ST_CAPTURES];

void st_copy(void *to, const void *from, size_t n)
{
    st_copy_bytes(to, from, n);
}

/* A free buffer, for this thread to fill; NULL: there is none. */
struct st_capture *st_capture_take(void)
{
    for (unsigned i = 0; i < ST_CAPTURES; i++) {
        uint8_t free = ST_CAPTURE_FREE;
        /* acquire: the agent is done with what the buffer held */
        if (atomic_compare_exchange_strong_explicit(&captures[i].state, &free, ST_CAPTURE_FILLING,
                                                    memory_order_acquire, memory_order_relaxed))
            return &captures[i];
    }
    return NULL;
}

/* A stack whose bounds are not known (a coroutine's): read page by page by a system call that stops
 * at what is not mapped. */
static uint32_t copy_unknown(void *to, uintptr_t from)
{
    enum { PAGE = 4096, PIECES = ST_CAPTURE_STACK / PAGE };
    struct iovec local = {to, ST_CAPTURE_STACK - PAGE}, remote[PIECES];
    int n = 0;
    uintptr_t end = from + ST_CAPTURE_STACK - PAGE;
    for (uintptr_t p = from; p < end && n < PIECES; n++) {
        uintptr_t next = (p | (PAGE - 1)) + 1;
        remote[n] = (struct iovec){(void *)p, (next < end ? next : end) - p};
        p = next;
    }
    long r = st_raw6(SYS_process_vm_readv, ST_RAW(SYS_getpid, 0, 0, 0, 0), (long)&local, 1,
                     (long)remote, n, 0);
    return r > 0 ? (uint32_t)r : 0;
}

/* Copies the stack from `from` up; returns how much. */
uint32_t st_capture_stack(void *to, const struct st_slot *s, uintptr_t from)
{
    if (from >= s->stack_lo && from < s->stack_hi) {
        size_t n = s->stack_hi - from;
        if (n > ST_CAPTURE_STACK)
            n = ST_CAPTURE_STACK;
        st_copy(to, (const void *)from, n);
        return (uint32_t)n;
    }
    /* relaxed: a filter that this thread installed is known to this thread */
    if (atomic_load_explicit(&st_filtered, memory_order_relaxed))
        return 0;
    return copy_unknown(to, from);
}

int st_read_own(void *context, uint64_t address, void *buffer, size_t n)
{
    (void)context;
    if (address < 4096)
        return -EFAULT;
    st_copy(buffer, (const void *)(uintptr_t)address, n);
    return 0;
}

/* What reads what may not be where the interpreter says. */
static int read_carefully(void *context, uint64_t address, void *buffer, size_t n)
{
    (void)context;
    return st_read_memory(address, buffer, n) ? 0 : -EFAULT;
}

/* The thread's own Python frames: it is in a C call, so they stand still. */
int st_capture_python(struct st_py_raw *to, int max, st_py_read_fn read, void *context)
{
    const struct st_py_layout *py = &st_shared.py;
    uint64_t tstate = py->version ? st_py_own_tstate(py) : 0;
    if (ST_UNLIKELY(!py->proven) && read == st_read_own) {
        if (atomic_load_explicit(&st_filtered, memory_order_relaxed))
            return 0;
        read = read_carefully;
    }
    return tstate ? st_py_walk(py, tstate, read, context, to, max) : 0;
}

void st_capture(struct st_slot *s, uint64_t ticks, unsigned class, bool strict,
                const struct st_what *what)
{
    struct st_repeat *repeat = st_repeat_find(s, class, strict);
    if (repeat && st_repeat_enough(repeat, ticks) && st_repeat_count(repeat, ticks))
        return;
    bool room = !s->perhaps || st_perhaps_has_room();
    struct st_capture *c = room ? st_capture_take() : NULL;
    if (!c && repeat) {
        if (st_repeat_count(repeat, ticks))
            return;
        c = s->perhaps ? NULL : st_repeat_wait(); /* the first of its kind */
    }
    if (!c) {
        s->missed++;
        return;
    }
    c->key = repeat ? atomic_load_explicit(&repeat->key, memory_order_relaxed) : 0;
    if (repeat)
        atomic_fetch_add_explicit(&repeat->copied, 1, memory_order_relaxed);
    c->strict = strict;
    c->sample = c->home = c->listens = false;
    c->doubtful = st_is_homeless(s) && (st_calls[s->call].rule == ST_RULE_POLL ||
                                        st_calls[s->call].rule == ST_RULE_SELECT);
    c->slot = (uint16_t)s->index;
    c->call = s->call;
    c->class = (uint8_t) class;
    c->generation = s->generation;
    c->t0 = s->t0;
    c->ticks = ticks;
    for (int i = 0; i < ST_REGS; i++)
        c->regs[i] = s->regs[i];
    for (int i = 0; i < ST_ARGS; i++)
        c->args[i] = s->args[i];
    c->what = *what;
    c->stack_len = st_capture_stack(c->stack, s, s->regs[ST_SP]);
    c->py_len = st_capture_python(c->py, ST_PY_MAX, st_read_own, NULL);
    st_py_check_all(&st_shared.py, c->py, c->py_len, st_read_own, NULL);
    if (s->perhaps) {
        st_perhaps_keep(c);
        return;
    }
    /* release: the agent sees all of the above */
    atomic_store_explicit(&c->state, ST_CAPTURE_READY, memory_order_release);
}

/* What a frame holds: its function, where that has got to, and from 3.11 on, where frames lie next
 * to each other, its first variables. While what it calls goes on nothing of that moves. */
static void mark_frames(struct st_capture *c)
{
    enum { WORDS = 24, NEAR = 4096 };
    const struct st_py_layout *py = &st_shared.py;
    for (int i = 0; i < c->py_len; i++) {
        const struct st_py_raw *raw = &c->py[i];
        uint64_t hash = st_mix(st_mix(raw->frame, raw->code), raw->instr);
        uint64_t from = raw->frame + ((py->frame_size + 7) & ~7u);
        uint64_t to = i > 0 ? c->py[i - 1].frame : from;
        if (py->version < 0x030b0000 || py->version >= 0x030e0000 || to < from || to - from > NEAR)
            to = from;
        for (int k = 0; k < WORDS && from + 8 <= to; k++, from += 8)
            hash = st_mix(hash, *(const uint64_t *)(uintptr_t)from);
        c->marks[i] = hash;
    }
}

/* The thread's own stack, from here up, outside of any call. False: no buffer is free. */
static bool ST_COLD capture_here(struct st_slot *s, bool listens)
{
    struct st_capture *c = st_capture_take();
    if (!c)
        return false;
    st_save_registers(c->regs);
    c->home = !listens;
    c->listens = listens;
    c->sample = c->strict = false;
    c->key = 0;
    c->slot = (uint16_t)s->index;
    c->generation = s->generation;
    c->t0 = st_now();
    c->stack_len = st_capture_stack(c->stack, s, c->regs[ST_SP]);
    c->py_len = st_capture_python(c->py, ST_PY_MAX, st_read_own, NULL);
    mark_frames(c);
    /* release: the agent sees all of the above */
    atomic_store_explicit(&c->state, ST_CAPTURE_READY, memory_order_release);
    return true;
}

/* Where the loop's thread waits for its events, once for each home. Where no buffer is free it
 * stays unknown until the next wait. */
void ST_COLD st_capture_home(struct st_slot *s)
{
    s->home_told = capture_here(s, false);
}

/* The first loop's thread begins to listen. */
void ST_COLD st_capture_listen(struct st_slot *s)
{
    atomic_store(&st_shared.listen_told, capture_here(s, true));
}

/* Is there anything that the agent has not taken yet? */
bool st_capture_pending(void)
{
    for (unsigned i = 0; i < ST_CAPTURES; i++)
        if (atomic_load_explicit(&captures[i].state, memory_order_relaxed) == ST_CAPTURE_READY)
            return true;
    return false;
}

void st_capture_init(void)
{
    st_shared.captures = captures;
    st_repeat_init();
}

/* In a forked child: what other threads were filling will never be ready. */
void st_capture_child(void)
{
    for (unsigned i = 0; i < ST_CAPTURES; i++)
        atomic_store_explicit(&captures[i].state, ST_CAPTURE_FREE, memory_order_relaxed);
    st_repeat_child();
}
