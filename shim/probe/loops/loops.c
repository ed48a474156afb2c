/* Which threads run loops: tagging, the home wait, and the end of a loop. */
#include "probe/wrap/real.h"

#include <dlfcn.h>
#include <link.h>
#include <poll.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static struct st_slot first_segment[ST_SEGMENT];
_Atomic uint64_t st_home_fds[ST_HOME_BITS / 64];
static pthread_key_t thread_key;
static _Atomic int thread_key_state; /* 0: not made, 1: being made, 2: made, 3: cannot be */
static _Atomic uint32_t generations;

enum { ST_MOVED_AFTER = 16 };

/* Makes one where there is none: memory that is committed as it is used. */
static bool has_segment(uint32_t number)
{
    const size_t size = sizeof(struct st_slot) * ST_SEGMENT;
    struct st_slot *none = NULL;
    if (atomic_load_explicit(&st_shared.segments[number], memory_order_acquire))
        return true;
    if (number == 0) { /* a loop may begin before our constructor */
        atomic_compare_exchange_strong(&st_shared.segments[0], &none, first_segment);
        return true;
    }
    if (st_is_filtered())
        return false;
    long p = st_raw6(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p < 0 && p > -4096)
        return false;
    if (!atomic_compare_exchange_strong(&st_shared.segments[number], &none, (struct st_slot *)p))
        ST_RAW(SYS_munmap, p, size, 0, 0); /* another thread was first */
    return true;
}

void st_loops_init(void)
{
    (void)has_segment(0);
}

/* ---- slots ---- */

static struct st_slot *take_slot(void)
{
    static _Atomic uint32_t full_at; /* slots_freed, plus 1, when all were found taken */
    uint32_t freed = atomic_load(&st_shared.slots_freed);
    if (atomic_load_explicit(&full_at, memory_order_relaxed) == freed + 1)
        return NULL; /* such a thread asks at each of its waits */
    for (uint32_t i = 0; i < ST_MAX_SLOTS && has_segment(i / ST_SEGMENT); i++) {
        uint8_t free = ST_SLOT_FREE;
        struct st_slot *s = st_slot_at(&st_shared, i);
        /* acquire: the agent is done with the loop that lived here before */
        if (!atomic_compare_exchange_strong_explicit(&s->state, &free, ST_SLOT_TAKEN,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        s->index = i;
        uint32_t high = atomic_load_explicit(&st_shared.slot_high, memory_order_relaxed);
        while (high < i + 1 &&
               !atomic_compare_exchange_weak_explicit(&st_shared.slot_high, &high, i + 1,
                                                      memory_order_release, memory_order_relaxed))
            ;
        return s;
    }
    atomic_store_explicit(&full_at, freed + 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&st_shared.unwatched, 1, memory_order_relaxed);
    return NULL;
}

static void thread_ends(void *slot)
{
    if (st_self == slot)
        st_untag(slot, ST_END_THREAD);
}

bool st_watch_thread_end(struct st_slot *s)
{
    int none = 0;
    if (atomic_compare_exchange_strong(&thread_key_state, &none, 1))
        atomic_store(&thread_key_state, pthread_key_create(&thread_key, thread_ends) ? 3 : 2);
    return atomic_load(&thread_key_state) == 2 && pthread_setspecific(thread_key, s) == 0;
}

static pid_t own_tid(void)
{
    /* where glibc keeps it in struct pthread, since 2.4 */
    enum { TID_OFFSET = 0x2d0 };
    if (!st_is_filtered())
        return (pid_t)ST_RAW(SYS_gettid, 0, 0, 0, 0);
    return *(const pid_t *)((const char *)pthread_self() + TID_OFFSET);
}

/* Where this thread's stack lies, as far as that is known. */
static void find_stack(struct st_slot *s)
{
    /* nothing else is mapped this near below the main stack, whatever its limit is */
    enum { MAIN_STACK = 1 << 20 };
    pthread_attr_t attributes;
    void *base;
    size_t size, guard = 0;
    s->stack_lo = s->stack_hi = 0;
    if (st_is_filtered())
        return;
    if (ST_RAW(SYS_getpid, 0, 0, 0, 0) == s->tid) {
        /* the kernel puts the program's name at the very top, above the first frame */
        s->stack_hi = (uintptr_t)getauxval(AT_EXECFN) & ~(uintptr_t)15;
        s->stack_lo = s->stack_hi - MAIN_STACK;
        return;
    }
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &base, &size) == 0) {
        uintptr_t here = (uintptr_t)__builtin_frame_address(0);
        if (here - (uintptr_t)base < size) { /* else: a coroutine's stack */
            /* older glibcs count the guard as a part of the stack */
            pthread_attr_getguardsize(&attributes, &guard);
            s->stack_lo = (uintptr_t)base + (guard < size ? guard : 0);
            s->stack_hi = (uintptr_t)base + size;
        }
    }
    pthread_attr_destroy(&attributes);
}

static void set_home_bit(int fd, bool on)
{
    unsigned i = (unsigned)fd < ST_HOME_BITS ? (unsigned)fd : ST_HOME_BITS - 1;
    if (on)
        atomic_fetch_or(&st_home_fds[i / 64], 1ull << (i % 64));
    else if (i < ST_HOME_BITS - 1)
        atomic_fetch_and(&st_home_fds[i / 64], ~(1ull << (i % 64)));
}

void st_watch_close(int fd)
{
    set_home_bit(fd, true);
}

/* A slot for this thread, filled in but not live yet; NULL: there is none free. */
struct st_slot *st_prepare_slot(enum st_home home, int fd, uintptr_t site)
{
    struct st_slot *s = take_slot();
    if (!s)
        return NULL;
    uint32_t seq = atomic_load(&s->seq) & ~(1 | ST_SEQ_SERVICE);
    atomic_store(&s->seq, seq); /* it goes on counting: the agent may remember it */
    s->call = 0;
    s->at_home = s->candidate = s->perhaps = false;
    s->home_t0 = s->iter_t0 = s->iterations = s->iter_max = 0;
    s->busy = s->waited = s->in_calls = s->missed = s->left_out = 0;
    s->held = s->iter_held = 0;
    atomic_store(&s->reported, 0);
    atomic_store(&s->stopped, 0);
    atomic_store(&s->next_home, 0);
    s->by_api = false;
    s->iter_calls = s->found = s->iter_found = 0;
    memset(s->longest, 0, sizeof(s->longest));
    memset(s->iter_hist, 0, sizeof(s->iter_hist));
    memset(s->wait_hist, 0, sizeof(s->wait_hist));
    memset(s->calls_hist, 0, sizeof(s->calls_hist));
    for (int i = 0; i < ST_MAX_CALLS; i++)
        s->sums[i].iteration = UINT32_MAX;
    s->home = (uint8_t)home;
    s->home_fd = fd;
    s->home_site = site;
    s->elsewhere = 0;
    s->home_waited = s->home_told = false;
    s->home_depth = 0;
    s->tid = own_tid();
    s->pthread = (uint64_t)pthread_self();
    find_stack(s);
    atomic_store(&s->altstack, st_altstack);
    s->generation = atomic_fetch_add(&generations, 1) + 1;
    s->api_name = NULL;
    memset(s->name, 0, sizeof(s->name));
    memset(s->home_polled, -1, sizeof(s->home_polled));
    memset(s->home_kept, -1, sizeof(s->home_kept));
    if (!st_is_filtered())
        ST_RAW(SYS_prctl, PR_GET_NAME, s->name, 0, 0);
    atomic_store(&s->shared, false);
    atomic_store(&s->allowed, 0);
    atomic_store(&s->home_closed, 0);
    atomic_store(&s->claim, seq);
    atomic_store(&s->ends_tail, atomic_load(&s->ends_head));
    atomic_store(&s->iterations_tail, atomic_load(&s->iterations_head));
    atomic_store(&s->sampling, 0);
    return s;
}

/* Several threads may wait on one epoll fd: then each of them is to know. */
static void ST_COLD look_for_company(struct st_slot *s)
{
    uint32_t high = atomic_load(&st_shared.slot_high);
    for (uint32_t i = 0; i < high; i++) {
        struct st_slot *other = st_slot_at(&st_shared, i);
        if (other == s || atomic_load(&other->state) != ST_SLOT_LIVE ||
            other->home != ST_HOME_EPOLL || other->home_fd != s->home_fd)
            continue;
        atomic_store(&other->shared, true);
        atomic_store(&s->shared, true);
    }
}

/* From here on the agent watches it; it is a loop's since then. */
void st_set_live(struct st_slot *s, uint64_t since)
{
    uint32_t none = 0;
    s->tagged_t = since;
    if (atomic_compare_exchange_strong(&st_shared.first_loop, &none, s->generation))
        atomic_store(&st_shared.first_thread, s->pthread);
    if (s->home == ST_HOME_EPOLL || s->home == ST_HOME_URING)
        set_home_bit(s->home_fd, true);
    st_watch_thread_end(s);
    /* release: the agent reads the fields above once it sees a live slot */
    atomic_store_explicit(&s->state, ST_SLOT_LIVE, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* of two that go live at once, one sees the other */
    if (s->home == ST_HOME_EPOLL)
        look_for_company(s);
    st_poll_watch = 0;
}

/* Makes the calling thread a loop thread, with its home wait on epoll fd `fd` (or at call site
 * `site`). Returns its slot, or NULL where it cannot be watched; tracing is off then. The agent is
 * loaded by the first. Keeps errno. */
struct st_slot *ST_COLD st_tag(enum st_home home, int fd, uintptr_t site)
{
    int error = errno;
    struct st_slot *s = NULL;
    bool started = !st_is_agent && st_agent_start() == 0;
    if (st_self) { /* the signals that waited for the lock came: a handler's wait has tagged it */
        s = st_self;
    } else if (started && (s = st_prepare_slot(home, fd, site)) != NULL) {
        st_set_live(s, st_now());
        st_self = s;
    }
    errno = error;
    return s;
}

void ST_COLD st_make_candidate(int fd, uintptr_t text_lo, uintptr_t text_hi)
{
    struct st_slot *s = st_prepare_slot(ST_HOME_EPOLL, fd, 0);
    if (!s)
        return;
    s->loop_lo = text_lo;
    s->loop_hi = text_hi;
    s->candidate = true;
    /* each call takes the slow path, and finds there that it is a candidate */
    atomic_fetch_or(&s->seq, ST_SEQ_SERVICE);
    set_home_bit(fd, true);
    st_watch_thread_end(s);
    st_self = s;
}

/* The candidate's loop runs: it is a loop thread. False: it cannot be watched. */
bool ST_COLD st_promote(struct st_slot *s)
{
    int error = errno;
    bool started = st_agent_start() == 0;
    if (st_self != s || !s->candidate) { /* a signal handler's call came first */
        errno = error;
        return st_self == s;
    }
    s->candidate = false;
    atomic_store(&s->seq, atomic_load(&s->seq) & ~ST_SEQ_SERVICE);
    if (started) {
        st_set_live(s, st_now());
        s->iter_t0 = st_now();
    } else {
        st_untag(s, ST_END_API);
    }
    errno = error;
    return started;
}

/* The thread runs no loop any more. The agent writes the loop's last figures and frees the slot. */
void ST_COLD st_untag(struct st_slot *s, int reason)
{
    int error = errno;
    st_abandon(s);
    st_last_iteration(s);
    st_perhaps_over(s);
    if (s->home == ST_HOME_EPOLL || s->home == ST_HOME_URING)
        set_home_bit(s->home_fd, false);
    s->end_reason = (uint8_t)reason;
    st_self = NULL;
    if (atomic_load(&thread_key_state) == 2)
        pthread_setspecific(thread_key, NULL);
    /* release: the agent sees the last figures; a slot that never was live is not the agent's */
    bool live = atomic_load(&s->state) == ST_SLOT_LIVE;
    atomic_store_explicit(&s->state, live ? ST_SLOT_ENDED : ST_SLOT_FREE, memory_order_release);
    if (!live)
        atomic_fetch_add(&st_shared.slots_freed, 1);
    errno = error;
}

/* ---- the home wait ---- */

void ST_COLD st_move_home(struct st_slot *s, enum st_home home, int fd, uintptr_t site)
{
    if (s->home == ST_HOME_EPOLL || s->home == ST_HOME_URING)
        set_home_bit(s->home_fd, false);
    s->home = (uint8_t)home;
    s->home_fd = fd;
    s->home_site = site;
    s->elsewhere = 0;
    s->home_waited = s->home_told = false;
    if (home == ST_HOME_EPOLL || home == ST_HOME_URING)
        set_home_bit(fd, true);
    if (home == ST_HOME_EPOLL)
        look_for_company(s);
}

/* The home fd has been added to another epoll fd. */
void ST_COLD st_home_driven_by(struct st_slot *s, int epfd)
{
    int error = errno;
    if (s->home == ST_HOME_EPOLL && !s->candidate)
        st_move_home(s, ST_HOME_EPOLL, epfd, 0);
    errno = error;
}

static bool ST_COLD not_home(struct st_slot *s, enum st_home home, int fd, uintptr_t site,
                             bool waits, uintptr_t here)
{
    bool by_fd = home == ST_HOME_EPOLL || home == ST_HOME_URING;
    if (!by_fd && !site)
        return false; /* a sleep in disguise */
    if (s->home == ST_HOME_NONE) {
        /* the first poll may be any; the second from there is the loop's own */
        if (!by_fd && s->home_site != site) {
            s->home_site = site;
            return false;
        }
        st_move_home(s, home, fd, site);
        return true;
    }
    /* It has not waited for the epoll fd for long, but goes on where it waited for that. */
    if (!by_fd && s->home == ST_HOME_EPOLL && s->home_site == site &&
        ++s->elsewhere >= ST_MOVED_AFTER) {
        st_move_home(s, home, fd, site);
        return true;
    }
    /* What libuv tells its epoll fd goes through an io_uring, which it waits for before it waits
     * for events for the first time. */
    if (home == ST_HOME_EPOLL && s->home == ST_HOME_URING && s->iterations < ST_MOVED_AFTER) {
        st_move_home(s, home, fd, site);
        return true;
    }
    /* A home that was only asked so far is a library's that fetches its events so (libinput's,
     * libmount's monitor): the loop's own is the one that is waited for. Unless it is deeper in the
     * stack: asyncio's first look is such a question, and what main() waits for is nested. */
    if (home == ST_HOME_EPOLL && s->home == ST_HOME_EPOLL && waits && !s->home_waited &&
        !st_is_deeper(s, here, 0)) {
        st_move_home(s, home, fd, site);
        return true;
    }
    if (home == ST_HOME_EPOLL &&
        atomic_load_explicit(&s->next_home, memory_order_relaxed) == (uint32_t)fd + 1) {
        atomic_store_explicit(&s->next_home, 0, memory_order_relaxed);
        st_move_home(s, home, fd, site);
        return true;
    }
    if (s->home_waited && !waits)
        return false;
    /* The loop has moved to another epoll fd when the first is not visited any more. */
    if (by_fd && ++s->elsewhere >= (st_is_deeper(s, here, ST_NESTED_DEPTH) ? ST_MOVED_AFTER_NESTED
                                                                           : ST_MOVED_AFTER)) {
        st_move_home(s, home, fd, site);
        return true;
    }
    return false;
}

bool st_is_home(struct st_slot *s, enum st_home home, int fd, uintptr_t site, bool waits)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (ST_UNLIKELY(s->candidate)) {
        /* it waits: then it is one, whoever called */
        if (home != ST_HOME_EPOLL || !st_promote(s))
            return false;
        if (s->home_fd != fd)
            st_move_home(s, home, fd, site);
    }
    if (ST_UNLIKELY(atomic_load_explicit(&s->home_closed, memory_order_relaxed))) {
        /* Another thread closed the home fd: that loop has ended, and this is the next one. */
        st_move_home(s, home, fd, site);
        atomic_store(&s->home_closed, 0);
    }
    bool same =
        s->home == home &&
        (home == ST_HOME_EPOLL || home == ST_HOME_URING ? s->home_fd == fd : s->home_site == site);
    if (ST_UNLIKELY(!same) && !not_home(s, home, fd, site, waits, here))
        return false;
    s->home_waited |= waits;
    if (s->home_waited)
        s->elsewhere = 0;
    s->home_depth = here;
    /* A home wait inside a call: a signal handler has jumped out of that call. */
    if (ST_UNLIKELY(atomic_load_explicit(&s->seq, memory_order_relaxed) & 1))
        st_abandon(s);
    if (ST_UNLIKELY(!s->home_told))
        st_capture_home(s);
    return true;
}

/* ---- by name, and the end of a home fd ---- */

/* Does the calling thread bear a name that was asked for? Names are given by other threads, too,
 * and inherited, so the kernel is asked. */
bool ST_COLD st_own_name_matches(void)
{
    char name[16] = "";
    return !st_is_filtered() && ST_RAW(SYS_prctl, PR_GET_NAME, name, 0, 0) == 0 &&
           st_name_matches(name);
}

/* The calling thread has taken this name. */
void ST_COLD st_thread_named(const char *name)
{
    if (!(st_loops & ST_LOOPS_NAME))
        return;
    if (!st_is_loop() && st_name_matches(name)) {
        st_perhaps_not();
        st_tag(ST_HOME_NONE, -1, 0);
    }
}

/* A descriptor that is some loop's home is about to be closed. A child that shares our memory
 * (vfork) closes its own copies only. */
void ST_COLD st_fd_closed(int fd)
{
    if (st_is_agent || !st_same_process())
        return;
    st_poll_closed(fd);
    struct st_slot *own = st_self;
    if (own && own->home_fd == fd && (own->home == ST_HOME_EPOLL || own->home == ST_HOME_URING)) {
        /* asyncio.run closes its loop, and then the interpreter ends: names are read before */
        uint64_t since = st_now();
        if (st_capture_pending())
            st_agent_flush();
        st_held_up(own, since);
        st_untag(own, ST_END_CLOSED);
        return;
    }
    uint32_t high = atomic_load(&st_shared.slot_high);
    for (uint32_t i = 0; i < high; i++) {
        struct st_slot *s = st_slot_at(&st_shared, i);
        if (atomic_load(&s->state) == ST_SLOT_LIVE && s->home_fd == fd &&
            (s->home == ST_HOME_EPOLL || s->home == ST_HOME_URING)) {
            set_home_bit(fd, false);
            atomic_store(&s->home_closed, 1); /* its owner finds out at its next wait or stall */
        }
    }
}

/* In a forked child: no loop runs here yet. */
void st_loops_child(void)
{
    uint32_t high = atomic_load(&st_shared.slot_high);
    for (uint32_t i = 0; i < high; i++) {
        uint32_t seq = atomic_load(&st_slot_at(&st_shared, i)->seq);
        atomic_store(&st_slot_at(&st_shared, i)->seq, (seq + 1) & ~1u);
        atomic_store(&st_slot_at(&st_shared, i)->state, ST_SLOT_FREE);
        atomic_fetch_add(&st_shared.slots_freed, 1);
    }
    atomic_store(&st_shared.slot_high, 0);
    atomic_store(&st_shared.first_loop, 0);
    for (unsigned i = 0; i < ST_HOME_BITS / 64; i++)
        atomic_store_explicit(&st_home_fds[i], 0, memory_order_relaxed);
    if (st_self && atomic_load(&thread_key_state) == 2)
        pthread_setspecific(thread_key, NULL);
    st_self = NULL;
    st_perhaps_child();
    atomic_store(&st_shared.perhaps_since, 0);
    st_poll_watch = st_loops & (ST_LOOPS_AUTO | ST_LOOPS_POLL) ? 1 : 0;
}
