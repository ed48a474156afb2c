/* Samples of an over-long iteration: the agent sends a signal, its handler copies what was
 * interrupted.
 *
 * The signal never lands in a wrapped call or a home wait. The agent sets `sampling`, makes that
 * visible to this thread by membarrier, and only then looks whether the thread is in a call; a
 * thread that is about to begin one sees `sampling` and waits until the signal has come. So no call
 * of the program is ever interrupted, and none returns EINTR, because of us. */
#include "arch/context.h"
#include "probe/probe.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>

/* A signal is under way to this thread. It comes within microseconds, since the thread runs; should
 * it not (the program has just blocked it, or the agent has lost its CPU before it could send it),
 * it is taken back: it never comes later, into the call that begins now. */
void ST_COLD st_wait_sample(struct st_slot *s)
{
    enum { PATIENCE_NS = 2000000 };
    uint64_t start = st_now();
    while (atomic_load_explicit(&s->sampling, memory_order_relaxed)) {
        st_pause();
        if ((double)(st_now() - start) * st_shared.ns_per_tick > PATIENCE_NS) {
            if (!st_is_filtered())
                st_signal_retract();
            atomic_store_explicit(&s->sampling, 0, memory_order_relaxed);
        }
    }
}

bool st_read_memory(uint64_t address, void *buffer, size_t n)
{
    struct iovec local = {buffer, n}, remote = {(void *)(uintptr_t)address, n};
    return st_raw6(SYS_process_vm_readv, ST_RAW(SYS_getpid, 0, 0, 0, 0), (long)&local, 1,
                   (long)&remote, 1, 0) == (long)n;
}

/* The interpreter may have been interrupted in the middle of changing its frames. From 3.11 on they
 * lie next to each other, so that a page, read once, holds many. */
static int read_safely(void *context, uint64_t address, void *buffer, size_t n)
{
    struct st_page *page = context;
    uint64_t start = address & ~(uint64_t)(sizeof(page->bytes) - 1);
    if (address - start + n > sizeof(page->bytes))
        return st_read_memory(address, buffer, n) ? 0 : -EFAULT;
    if (page->start != start) {
        page->start = 0;
        if (!st_read_memory(start, page->bytes, sizeof(page->bytes)))
            return -EFAULT;
        page->start = start;
    }
    st_copy(buffer, page->bytes + (address - start), n);
    return 0;
}

static void copy_interrupted(struct st_slot *s, const ucontext_t *u)
{
    struct st_capture *c = st_capture_take();
    if (!c)
        return;
    c->sample = true;
    c->home = c->listens = false;
    c->key = 0;
    c->page.start = 0;
    c->strict = false;
    c->slot = (uint16_t)s->index;
    c->generation = s->generation;
    c->t0 = s->iter_t0;
    c->ticks = st_now() - s->iter_t0;
    st_interrupted_registers(u, c->regs);
    c->stack_len = st_capture_stack(c->stack, s, c->regs[ST_SP]);
    c->py_len = st_capture_python(c->py, ST_PY_MAX, read_safely, &c->page);
    /* release: the agent sees all of the above */
    atomic_store_explicit(&c->state, ST_CAPTURE_READY, memory_order_release);
}

/* The handler. Registers and stack are copied; the agent unwinds. */
void st_sample(int number, void *info, void *context)
{
    int error = errno;
    struct st_slot *s = st_self;
    (void)number, (void)info;
    if (s && atomic_load_explicit(&s->sampling, memory_order_relaxed)) {
        /* It may come late, in another iteration than it was sent for: of that it says nothing. */
        if (!(atomic_load_explicit(&s->seq, memory_order_relaxed) & 1) && !s->at_home &&
            s->iter_t0 && atomic_load_explicit(&s->sampled_t0, memory_order_relaxed) == s->iter_t0)
            copy_interrupted(s, context);
        atomic_fetch_add_explicit(&s->sampled, 1, memory_order_relaxed);
        /* release: a call that waited for this begins after it */
        atomic_store_explicit(&s->sampling, 0, memory_order_release);
    }
    errno = error;
}
