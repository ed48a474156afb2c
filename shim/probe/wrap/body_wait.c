/* Wrappers of the waits for descriptors: each may be the loop's home wait, which makes a thread a
 * loop thread and is never a finding, or a nested one, which is a call like any other. */
#include "probe/host/host.h"
#include "real.h"

/* Runs `call` as the loop's home wait, or as a call that waits for a1 descriptors. Stands in an
 * ON_LOOP function after `struct st_slot *s` is set. */
#define WAIT_OR_CALL(symbol, home, fd, site, a0, a1, call)                                         \
    WAIT_OR_CALL_ON(symbol, home, fd, site, a0, a1, fd, call)
#define WAIT_OR_CALL_ON(symbol, home, fd, site, a0, a1, a2, call)                                  \
    ST_PERSONALITY();                                                                              \
    struct st_slot *s = st_self;                                                                   \
    int r;                                                                                         \
    if (st_is_home(s, home, fd, site, (a0) != 0)) {                                                \
        st_home_begin(s);                                                                          \
        r = call;                                                                                  \
        st_home_end(s);                                                                            \
        return r;                                                                                  \
    }                                                                                              \
    /* the loop's first wait, or any other: not known yet, and in no iteration */                  \
    bool doubtful = ST_UNLIKELY(st_is_homeless(s)) && (a1);                                        \
    if (doubtful)                                                                                  \
        st_home_begin(s);                                                                          \
    uint32_t seq =                                                                                 \
        st_enter(s, ST_CALL_##symbol, (uintptr_t)(a0), (uintptr_t)(a1), (uintptr_t)(a2));          \
    r = call;                                                                                      \
    if (seq)                                                                                       \
        st_leave(s, seq, (a1) ? ST_WAIT : ST_SLEEP); /* for no descriptors: a sleep */             \
    if (doubtful && st_self == s && s->at_home)                                                    \
        st_home_end(s);                                                                            \
    return r

static long milliseconds(const struct timespec *t)
{
    if (!t)
        return -1;
    /* a wait of less than a millisecond is a wait all the same */
    return t->tv_sec * 1000 + (t->tv_nsec + 999999) / 1000000;
}

static bool ST_COLD epoll_tags(int epfd, uintptr_t caller)
{
    st_perhaps_not();
    if (ST_UNLIKELY(!st_started))
        st_start_up(0, NULL); /* another object's constructor runs a loop */
    bool named = st_loops & ST_LOOPS_NAME && st_own_name_matches();
    if (!named && !(st_loops & (ST_LOOPS_AUTO | ST_LOOPS_POLL)))
        return false;
    /* a library's own thread is none, unless it is asked for */
    if (!named && !(st_loops & ST_LOOPS_POLL) && st_is_own_thread(caller))
        return false;
    return st_tag(ST_HOME_EPOLL, epfd, 0);
}

ON_LOOP(epoll_wait, int, (int epfd, struct epoll_event *events, int max, int timeout))
{
    WAIT_OR_CALL(epoll_wait, ST_HOME_EPOLL, epfd, 0, timeout, 1,
                 real_epoll_wait(epfd, events, max, timeout));
}

WRAPPER(epoll_wait, int, (int epfd, struct epoll_event *events, int max, int timeout))
{
    if (ST_UNLIKELY(!st_is_loop()) && !epoll_tags(epfd, (uintptr_t)__builtin_return_address(0)))
        return real_epoll_wait(epfd, events, max, timeout);
    return loop_epoll_wait(epfd, events, max, timeout);
}

ON_LOOP(epoll_pwait, int,
        (int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask))
{
    WAIT_OR_CALL(epoll_pwait, ST_HOME_EPOLL, epfd, 0, timeout, 1,
                 real_epoll_pwait(epfd, events, max, timeout, mask));
}

WRAPPER(epoll_pwait, int,
        (int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask))
{
    if (ST_UNLIKELY(!st_is_loop()) && !epoll_tags(epfd, (uintptr_t)__builtin_return_address(0)))
        return real_epoll_pwait(epfd, events, max, timeout, mask);
    return loop_epoll_pwait(epfd, events, max, timeout, mask);
}

ON_LOOP(epoll_pwait2, int,
        (int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
         const sigset_t *mask))
{
    WAIT_OR_CALL(epoll_pwait2, ST_HOME_EPOLL, epfd, 0, milliseconds(timeout), 1,
                 real_epoll_pwait2(epfd, events, max, timeout, mask));
}

WRAPPER(epoll_pwait2, int,
        (int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
         const sigset_t *mask))
{
    if (ST_UNLIKELY(!st_is_loop()) && !epoll_tags(epfd, (uintptr_t)__builtin_return_address(0)))
        return real_epoll_pwait2(epfd, events, max, timeout, mask);
    return loop_epoll_pwait2(epfd, events, max, timeout, mask);
}

/* An epoll fd that is waited for through another is a part of that one's loop: a library's, whose
 * events the loop fetches with a timeout of 0. */
WRAPPER(epoll_ctl, int, (int epfd, int op, int fd, struct epoll_event *event))
{
    if (ST_LIKELY(!st_self || op != EPOLL_CTL_ADD || fd != st_self->home_fd))
        return real_epoll_ctl(epfd, op, fd, event);
    int r = real_epoll_ctl(epfd, op, fd, event);
    if (r == 0)
        st_home_driven_by(st_self, epfd);
    return r;
}

/* ---- poll and select: known by their call site ---- */

#define SITE ((uintptr_t)__builtin_return_address(0))

/* A poll of the home epoll fd is the home wait as well: Ruby's threads, and loops that drive
 * another's, wait so, and then collect the events with a timeout of 0. */
static inline bool polls_home(const struct st_slot *s, const struct pollfd *fds, nfds_t n)
{
    enum { FEW = 64 };
    if (s->home != ST_HOME_EPOLL || s->candidate)
        return false;
    for (nfds_t i = 0; i < n && i < FEW; i++)
        if (fds[i].fd == s->home_fd)
            return true;
    return false;
}

#define POLL_OR_CALL(symbol, timeout_ms, call)                                                     \
    if (ST_UNLIKELY(st_self->home == ST_HOME_POLL && st_self->next_home))                          \
        st_home_is_epoll(st_self);                                                                 \
    bool home = polls_home(st_self, fds, n);                                                       \
    if (st_self->home == ST_HOME_POLL && st_self->home_site == site &&                             \
        st_polls_elsewhere(st_self, fds, n))                                                       \
        site = 0;                                                                                  \
    WAIT_OR_CALL_ON(symbol, home ? ST_HOME_EPOLL : ST_HOME_POLL, home ? st_self->home_fd : -1,     \
                    site, timeout_ms, n, fds, call)

/* On a thread that is watched but no loop thread yet, count where two or more fds are waited for.
 * Of one that runs a loop, perhaps, what can only be a callback's wait is a call. */
#define WATCHED(symbol, home, note, a0, a1, a2, call)                                              \
    ST_PERSONALITY();                                                                              \
    struct st_slot *perhaps = st_self;                                                             \
    struct st_polled polled;                                                                       \
    note; /* before: select changes its sets */                                                    \
    uint32_t seq = perhaps && st_poll_is_call(site, &polled)                                       \
                       ? st_enter(perhaps, ST_CALL_##symbol, (uintptr_t)(a0), (uintptr_t)(a1),     \
                                  (uintptr_t)(a2))                                                 \
                       : 0;                                                                        \
    int r = call;                                                                                  \
    if (seq)                                                                                       \
        st_leave(perhaps, seq, (a1) ? ST_WAIT : ST_SLEEP);                                         \
    st_poll_returned(home, site, &polled);                                                         \
    return r

/* The wrapper: loop_##symbol on a loop's thread, watched_##symbol where one may become one. */
#define WAITS(symbol, ...)                                                                         \
    if (ST_UNLIKELY(st_is_loop()))                                                                 \
        return loop_##symbol(__VA_ARGS__, SITE);                                                   \
    if (ST_UNLIKELY(st_poll_watch | st_poll_all))                                                  \
        return watched_##symbol(__VA_ARGS__, SITE);                                                \
    return real_##symbol(__VA_ARGS__)
#define ON_WATCHED(symbol, result, parameters)                                                     \
    static __attribute__((noinline)) result watched_##symbol parameters

ON_LOOP(poll, int, (struct pollfd * fds, nfds_t n, int timeout, uintptr_t site))
{
    POLL_OR_CALL(poll, timeout, real_poll(fds, n, timeout));
}

ON_WATCHED(poll, int, (struct pollfd * fds, nfds_t n, int timeout, uintptr_t site))
{
    WATCHED(poll, ST_HOME_POLL, st_polled_of_poll(&polled, fds, n), timeout, n, fds,
            real_poll(fds, n, timeout));
}

WRAPPER(poll, int, (struct pollfd * fds, nfds_t n, int timeout))
{
    WAITS(poll, fds, n, timeout);
}

ON_LOOP(__poll_chk, int, (struct pollfd * fds, nfds_t n, int timeout, size_t size, uintptr_t site))
{
    POLL_OR_CALL(__poll_chk, timeout, real___poll_chk(fds, n, timeout, size));
}

ON_WATCHED(__poll_chk, int,
           (struct pollfd * fds, nfds_t n, int timeout, size_t size, uintptr_t site))
{
    WATCHED(__poll_chk, ST_HOME_POLL, st_polled_of_poll(&polled, fds, n), timeout, n, fds,
            real___poll_chk(fds, n, timeout, size));
}

WRAPPER(__poll_chk, int, (struct pollfd * fds, nfds_t n, int timeout, size_t size))
{
    WAITS(__poll_chk, fds, n, timeout, size);
}

ON_LOOP(ppoll, int,
        (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
         uintptr_t site))
{
    POLL_OR_CALL(ppoll, milliseconds(timeout), real_ppoll(fds, n, timeout, mask));
}

ON_WATCHED(ppoll, int,
           (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
            uintptr_t site))
{
    WATCHED(ppoll, ST_HOME_POLL, st_polled_of_poll(&polled, fds, n), milliseconds(timeout), n, fds,
            real_ppoll(fds, n, timeout, mask));
}

WRAPPER(ppoll, int,
        (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask))
{
    WAITS(ppoll, fds, n, timeout, mask);
}

ON_LOOP(__ppoll_chk, int,
        (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
         size_t size, uintptr_t site))
{
    POLL_OR_CALL(__ppoll_chk, milliseconds(timeout), real___ppoll_chk(fds, n, timeout, mask, size));
}

ON_WATCHED(__ppoll_chk, int,
           (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
            size_t size, uintptr_t site))
{
    WATCHED(__ppoll_chk, ST_HOME_POLL, st_polled_of_poll(&polled, fds, n), milliseconds(timeout), n,
            fds, real___ppoll_chk(fds, n, timeout, mask, size));
}

WRAPPER(__ppoll_chk, int,
        (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
         size_t size))
{
    WAITS(__ppoll_chk, fds, n, timeout, mask, size);
}

/* How many descriptors the sets name. */
static unsigned long set_size(int n, const fd_set *in, const fd_set *out, const fd_set *except)
{
    unsigned long count = 0;
    const fd_set *sets[] = {in, out, except};
    for (int k = 0; k < 3; k++)
        for (int i = 0; sets[k] && i < n; i += 64) {
            uint64_t word = ((const uint64_t *)sets[k])[i / 64];
            if (n - i < 64)
                word &= (1ull << (n - i)) - 1;
            count += (unsigned long)__builtin_popcountll(word);
        }
    return count;
}

/* The first ST_SELECTED of them, before the call changes its sets; -1 where there are no more. */
static const int *list_selected(int *fds, int n, const fd_set *in, const fd_set *out,
                                const fd_set *except)
{
    const fd_set *sets[] = {in, out, except};
    int count = 0;
    for (int i = 0; i < n && count < ST_SELECTED; i += 64) {
        uint64_t word = 0;
        for (int k = 0; k < 3; k++)
            if (sets[k])
                word |= ((const uint64_t *)sets[k])[i / 64];
        if (n - i < 64)
            word &= (1ull << (n - i)) - 1;
        for (; word && count < ST_SELECTED; word &= word - 1)
            fds[count++] = i + __builtin_ctzll(word);
    }
    while (count < ST_SELECTED)
        fds[count++] = -1;
    return fds;
}

static void note_selected(struct st_polled *p, int n, const fd_set *in, const fd_set *out,
                          const fd_set *except)
{
    unsigned count = 0;
    p->count = set_size(n, in, out, except);
    for (int i = 0; i < n && count < ST_HOME_POLLED; i++)
        if ((in && FD_ISSET(i, in)) || (out && FD_ISSET(i, out)) || (except && FD_ISSET(i, except)))
            p->fds[count++] = i;
    while (count < ST_HOME_POLLED)
        p->fds[count++] = -1;
}

/* A select of the home epoll fd is the home wait as well. */
static bool selects_home(struct st_slot *s, int n, const fd_set *in, bool from_home)
{
    if (s->home == ST_HOME_SELECT && from_home) {
        if (atomic_load_explicit(&s->next_home, memory_order_relaxed))
            st_home_is_epoll(s);
        else if (!s->home_told)
            st_note_selected(s, n, in);
    }
    return s->home == ST_HOME_EPOLL && !s->candidate && in && s->home_fd < n &&
           s->home_fd < FD_SETSIZE && FD_ISSET(s->home_fd, in);
}

ON_LOOP(select, int,
        (int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout, uintptr_t site))
{
    long ms = timeout ? timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000 : -1;
    /* select without descriptors is a sleep */
    uintptr_t home = n > 0 && (in || out || except) ? site : 0;
    bool own = selects_home(st_self, n, in, st_self->home_site == site);
    int fds[ST_SELECTED];
    WAIT_OR_CALL_ON(select, own ? ST_HOME_EPOLL : ST_HOME_SELECT, own ? st_self->home_fd : -1, home,
                    ms, set_size(n, in, out, except), list_selected(fds, n, in, out, except),
                    real_select(n, in, out, except, timeout));
}

ON_WATCHED(select, int,
           (int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout,
            uintptr_t site))
{
    WATCHED(select, ST_HOME_SELECT, note_selected(&polled, n, in, out, except),
            timeout ? timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000 : -1, polled.count,
            polled.fds, real_select(n, in, out, except, timeout));
}

WRAPPER(select, int, (int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout))
{
    WAITS(select, n, in, out, except, timeout);
}

ON_LOOP(pselect, int,
        (int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
         const sigset_t *mask, uintptr_t site))
{
    uintptr_t home = n > 0 && (in || out || except) ? site : 0;
    bool own = selects_home(st_self, n, in, st_self->home_site == site);
    int fds[ST_SELECTED];
    WAIT_OR_CALL_ON(pselect, own ? ST_HOME_EPOLL : ST_HOME_SELECT, own ? st_self->home_fd : -1,
                    home, milliseconds(timeout), set_size(n, in, out, except),
                    list_selected(fds, n, in, out, except),
                    real_pselect(n, in, out, except, timeout, mask));
}

ON_WATCHED(pselect, int,
           (int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
            const sigset_t *mask, uintptr_t site))
{
    WATCHED(pselect, ST_HOME_SELECT, note_selected(&polled, n, in, out, except),
            milliseconds(timeout), polled.count, polled.fds,
            real_pselect(n, in, out, except, timeout, mask));
}

WRAPPER(pselect, int,
        (int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
         const sigset_t *mask))
{
    WAITS(pselect, n, in, out, except, timeout, mask);
}
