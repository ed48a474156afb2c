/* Loops that wait with poll or select: such a wait looks like any other, so that they are known by
 * where they wait, by what they wait for again and again, and by the library that waits. */
#include "probe/wrap/real.h"

#include <dlfcn.h>
#include <link.h>
#include <poll.h>
#include <string.h>
#include <sys/auxv.h>

enum { SITE_RETURNS = 8, POLL_SITES = 4 };

_Thread_local uint8_t st_poll_watch __attribute__((tls_model("initial-exec")));
bool st_poll_all;

static _Thread_local struct poll_site {
    uintptr_t site;
    uint32_t returns; /* with several descriptors */
    uint32_t singles; /* with fewer */
    uint8_t least;    /* what are several */
    bool main_loops;  /* it is a library's that runs main loops */
    uint64_t since;   /* when the first of these returned */
    int kept[ST_HOME_POLLED];
} poll_sites[POLL_SITES] __attribute__((tls_model("initial-exec")));

/* ---- libraries that run main loops ---- */

/* The text of their run functions, once they have been looked for. */
static struct {
    _Atomic uintptr_t lo, hi;
} main_runs[16];

/* Is this call site one of a library's that waits for its main loops' events? Then how many
 * descriptors a wait of anybody's has there, else 0. Qt, and GLib with sources of timers alone,
 * wait for a single one, and so does every blocking client. `map`: that library. */
static unsigned runs_main_loops(uintptr_t site, struct link_map **map)
{
    static const struct {
        const char *path;
        unsigned least;
    } rows[] = {
#define MAIN_LOOPS(path, least) {path, least},
#include "common/runtimes.def"
    };
    Dl_info info;
    int error = errno;
    bool found = dladdr1((const void *)site, &info, (void **)map, RTLD_DL_LINKMAP) != 0;
    errno = error;
    for (unsigned i = 0; found && info.dli_fname && i < sizeof(rows) / sizeof(*rows); i++)
        if (strstr(info.dli_fname, rows[i].path))
            return rows[i].least;
    return 0;
}

/* Looks for the run functions of that library. */
static void learn_runs(const struct link_map *map)
{
    static const char *const names[] = {
#define RUN_NATIVE(function, loops) function,
#include "common/runtimes.def"
    };
    int error = errno;
    unsigned n = 0;
    size_t size;
    while (n < sizeof(main_runs) / sizeof(*main_runs) && atomic_load(&main_runs[n].hi))
        n++;
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        uintptr_t lo = (uintptr_t)st_resolve_in(map, names[i], &size);
        bool known = !lo || !size;
        for (unsigned k = 0; k < n && !known; k++)
            known = atomic_load(&main_runs[k].lo) == lo;
        if (known || n == sizeof(main_runs) / sizeof(*main_runs))
            continue;
        atomic_store(&main_runs[n].lo, lo);
        atomic_store(&main_runs[n++].hi, lo + size);
    }
    errno = error;
}

static bool is_in_run_function(uintptr_t address)
{
    for (unsigned k = 0; k < sizeof(main_runs) / sizeof(*main_runs); k++) {
        uintptr_t lo = atomic_load_explicit(&main_runs[k].lo, memory_order_relaxed);
        uintptr_t hi = atomic_load_explicit(&main_runs[k].hi, memory_order_relaxed);
        /* a return address is never the first byte */
        if (hi && address > lo && address < hi)
            return true;
    }
    return false;
}

/* Is it code of a module that does nothing but run a loop? `seen`: a module that is none. */
static bool is_in_run_module(uintptr_t address, struct dl_find_object *seen)
{
    static const char *const paths[] = {
#define RUN_MODULE(path) path,
#include "common/runtimes.def"
    };
    enum { LEAST = 4096 };
    if (address < LEAST ||
        (address >= (uintptr_t)seen->dlfo_map_start && address < (uintptr_t)seen->dlfo_map_end))
        return false;
    if (_dl_find_object((void *)address, seen) != 0) {
        seen->dlfo_map_start = seen->dlfo_map_end = NULL;
        return false;
    }
    const char *name = seen->dlfo_link_map->l_name;
    for (unsigned i = 0; name && i < sizeof(paths) / sizeof(*paths); i++)
        if (strstr(name, paths[i]))
            return true;
    return false;
}

/* Does a main loop run on the main thread's stack? The same libraries wait in synchronous calls
 * (g_spawn_sync, QProcess::waitForFinished), in programs that have no loop at all. */
static bool main_loop_runs(void)
{
    enum { SCAN_BYTES = 16 * 1024, MAIN_STACK = 8 << 20 };
    const uintptr_t *p = __builtin_frame_address(0);
    uintptr_t here = (uintptr_t)p, top = (uintptr_t)getauxval(AT_EXECFN) & ~(uintptr_t)15;
    struct dl_find_object seen = {.dlfo_map_start = NULL};
    if (top - here > MAIN_STACK)
        return false;
    size_t words = (top - here < SCAN_BYTES ? top - here : SCAN_BYTES) / sizeof(*p);
    for (size_t i = 0; i < words; i++)
        if (is_in_run_function(p[i]) || is_in_run_module(p[i], &seen))
            return true;
    return false;
}

/* ---- waits of threads that run no loop yet ---- */

void st_polled_of_poll(struct st_polled *p, const struct pollfd *fds, unsigned long n)
{
    p->count = n;
    for (unsigned i = 0; i < ST_HOME_POLLED; i++)
        p->fds[i] = i < n ? fds[i].fd : -1;
}

static void tag_at(enum st_home home, const struct poll_site *site, bool by_run_function)
{
    struct st_slot *s = st_self;
    /* what it did before its first wait below a run function is no loop's */
    uint64_t since = by_run_function ? st_now() : site->since;
    bool known = s && s->perhaps ? st_perhaps_is(s, home, site->site, since)
                                 : st_tag(home, -1, site->site) != NULL;
    s = st_self;
    if (!known || !s) {
        st_poll_watch = 0;
        return;
    }
    for (unsigned i = 0; i < ST_HOME_POLLED; i++)
        s->home_kept[i] = by_run_function ? -1 : site->kept[i];
    s->iter_t0 = st_now();
}

/* Keeps what the wait has in common with those before; false: nothing. What a program waits for
 * until it is done with it (the output of a child) is no loop of its own. */
static bool keep_common(struct poll_site *site, const struct st_polled *polled)
{
    bool any = false;
    for (unsigned i = 0; i < ST_HOME_POLLED; i++) {
        bool still = false;
        for (unsigned k = 0; k < ST_HOME_POLLED && site->kept[i] >= 0; k++)
            still |= polled->fds[k] == site->kept[i];
        if (!still)
            site->kept[i] = -1;
        any |= still;
    }
    return any;
}

static void begin_site(struct poll_site *site, uintptr_t address, const struct st_polled *polled)
{
    struct link_map *map;
    if (site->site != address) {
        site->site = address;
        unsigned least = runs_main_loops(address, &map);
        site->main_loops = least > 0;
        site->least = (uint8_t)(least ? least : 2);
        site->singles = 0;
        if (site->main_loops)
            learn_runs(map);
    }
    site->returns = polled->count >= site->least;
    for (unsigned i = 0; i < ST_HOME_POLLED; i++) {
        site->kept[i] = polled->fds[i];
        if (site->kept[i] >= 0)
            st_watch_close(site->kept[i]);
    }
}

void ST_COLD st_poll_returned(enum st_home home, uintptr_t address, const struct st_polled *polled)
{
    struct poll_site *site = NULL, *least = &poll_sites[0];
    if (st_loops & ST_LOOPS_NAME && polled->count && st_own_name_matches()) {
        st_perhaps_not();
        struct st_slot *s = st_tag(home, -1, address);
        if (s)
            s->iter_t0 = st_now();
        return;
    }
    if (!polled->count || !(st_poll_watch || st_loops & ST_LOOPS_POLL))
        return;
    for (unsigned i = 0; i < POLL_SITES; i++) {
        if (poll_sites[i].site == address)
            site = &poll_sites[i];
        if (poll_sites[i].returns < least->returns)
            least = &poll_sites[i];
    }
    if (!site || !keep_common(site, polled)) {
        site = site ? site : least;
        begin_site(site, address, polled);
    } else if (polled->count >= site->least) {
        site->returns++;
    }
    if (polled->count < site->least)
        site->singles++;
    if (site->returns && st_poll_watch && !st_self)
        st_make_perhaps();
    if (site->returns == 1 && polled->count >= site->least)
        site->since = st_now();
    /* the first wait: its first callback is watched like the tenth */
    if (site->main_loops && (st_poll_watch ? main_loop_runs() : site->singles >= SITE_RETURNS))
        tag_at(home, site, true);
    else if (site->returns >= SITE_RETURNS)
        tag_at(home, site, false);
}

bool ST_COLD st_poll_is_call(uintptr_t address, const struct st_polled *polled)
{
    uint32_t here = 0, most = 0;
    for (unsigned i = 0; i < POLL_SITES; i++) {
        uint32_t returns = poll_sites[i].site ? poll_sites[i].returns : 0;
        if (poll_sites[i].site == address)
            here = returns;
        most = returns > most ? returns : most;
    }
    return polled->count < 2 || here < most;
}

/* A descriptor that was waited for at some site is closed. */
void ST_COLD st_poll_closed(int fd)
{
    struct st_slot *s = st_self;
    bool was = false, any = false, waits = false;
    for (unsigned i = 0; i < POLL_SITES; i++)
        for (unsigned k = 0; k < ST_HOME_POLLED; k++) {
            if (poll_sites[i].site && poll_sites[i].kept[k] == fd)
                poll_sites[i].kept[k] = -1;
            waits |= poll_sites[i].site && poll_sites[i].kept[k] >= 0;
        }
    /* the program is done with all that it has waited for: that was no loop */
    if (s && s->perhaps && !waits)
        st_perhaps_not();
    if (!s || (s->home != ST_HOME_POLL && s->home != ST_HOME_SELECT))
        return;
    for (unsigned i = 0; i < ST_HOME_POLLED; i++) {
        was |= s->home_kept[i] == fd;
        if (s->home_kept[i] == fd)
            s->home_kept[i] = -1;
        any |= s->home_kept[i] >= 0;
    }
    /* the last of what it waited for each time */
    if (was && !any) {
        st_untag(s, ST_END_CLOSED);
        st_poll_watch = 1;
    }
}

/* ---- the home wait ---- */

/* GLib waits for all its contexts at one call site: for the main loop's, also where a dialog runs
 * it again, and for a private one while a synchronous call goes on (g_dbus_connection_call_sync).
 * The latter is deeper in the stack, and has no descriptor in common with the main loop. */
bool st_polls_elsewhere(struct st_slot *s, const struct pollfd *fds, unsigned long n)
{
    unsigned few = n < ST_HOME_POLLED ? (unsigned)n : ST_HOME_POLLED;
    if (st_is_deeper(s, (uintptr_t)__builtin_frame_address(0), ST_NESTED_DEPTH)) {
        for (unsigned i = 0; i < ST_HOME_POLLED; i++)
            for (unsigned j = 0; j < n; j++)
                if (fds[j].fd == s->home_polled[i])
                    return false;
        if (++s->elsewhere < ST_MOVED_AFTER_NESTED)
            return true;
    }
    for (unsigned i = 0; i < ST_HOME_POLLED; i++)
        s->home_polled[i] = i < few ? fds[i].fd : -1;
    return false;
}

void ST_COLD st_note_selected(struct st_slot *s, int n, const fd_set *in)
{
    unsigned count = 0;
    for (int i = 0; in && i < n && count < ST_HOME_POLLED; i++)
        if (FD_ISSET(i, in))
            s->home_polled[count++] = i;
    while (count < ST_HOME_POLLED)
        s->home_polled[count++] = -1;
}

/* One of the descriptors that the loop waits for is an epoll fd, the agent says: then it is known
 * by that, and no other wait from the same place is its own. A main loop's are a library's
 * (libinput's). */
void ST_COLD st_home_is_epoll(struct st_slot *s)
{
    struct link_map *map;
    uintptr_t site = s->home_site;
    int fd = (int)atomic_exchange(&s->next_home, 0) - 1;
    if (fd >= 0 && !runs_main_loops(site, &map))
        st_move_home(s, ST_HOME_EPOLL, fd, site);
}
