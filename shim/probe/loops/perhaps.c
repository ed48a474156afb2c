/* Slow calls of a thread that runs a loop, perhaps. One that waits with poll or select is known
 * only when it has waited for the same descriptors at one place again and again (poll_loops.c).
 * From the first such wait on the main thread has a slot that nobody watches yet, and keeps copies
 * of its own slow calls aside, in buffers that the agent does not see: once the thread is known for
 * a loop, those made since that loop's first wait count; else they are dropped. Computing is not
 * seen. */
#include "probe/host/host.h"
#include "probe/wrap/real.h"

#include <dlfcn.h>
#include <link.h>

enum { COPIES = 4 };

static struct st_capture *aside[COPIES]; /* the main thread's alone */
static unsigned count;

/* The main thread has waited for several descriptors. */
void ST_COLD st_make_perhaps(void)
{
    int error = errno;
    struct st_slot *s = NULL;
    /* times are ticks from here on */
    if (!st_is_filtered() && !st_on_valgrind() && st_agent_try_lock()) {
        st_prepare();
        st_agent_unlock();
        s = st_prepare_slot(ST_HOME_NONE, -1, 0);
    }
    if (s) {
        s->perhaps = true;
        st_watch_thread_end(s);
        atomic_store(&st_shared.perhaps_since, st_now());
        st_self = s;
    }
    errno = error;
}

static void drop_copies(void)
{
    for (unsigned i = 0; i < count; i++)
        atomic_store_explicit(&aside[i]->state, ST_CAPTURE_FREE, memory_order_release);
    count = 0;
}

/* The thread is to be asked again at its next wait for several descriptors. */
void ST_COLD st_perhaps_not(void)
{
    struct st_slot *s = st_self;
    if (!s || !s->perhaps)
        return;
    st_untag(s, ST_END_API);
}

/* Of a slot that is given back. */
void st_perhaps_over(struct st_slot *s)
{
    if (!s->perhaps)
        return;
    s->perhaps = false;
    drop_copies();
}

/* In a forked child: its parent's buffers are all free there. */
void st_perhaps_child(void)
{
    count = 0;
}

/* Python's frames are known to the agent alone: it is started before the first of them is copied,
 * since they are all that there is to say of such a call. */
static void ST_COLD start_for_python(void)
{
    static bool asked;
    size_t size;
    Dl_info info;
    struct link_map *map = NULL;
    if (asked || !dladdr1((const void *)aside, &info, (void **)&map, RTLD_DL_LINKMAP))
        return;
    asked = true;
    while (map && map->l_prev)
        map = map->l_prev;
    for (; map; map = map->l_next)
        if (st_resolve_in(map, "_PyRuntime", &size)) {
            st_agent_start();
            return;
        }
}

bool ST_COLD st_perhaps_has_room(void)
{
    start_for_python();
    return count < COPIES;
}

void st_perhaps_keep(struct st_capture *c)
{
    aside[count++] = c;
}

/* It is known now, by a wait that has just returned: `since` is when the first of these had. False:
 * it cannot be watched. */
bool ST_COLD st_perhaps_is(struct st_slot *s, enum st_home home, uintptr_t site, uint64_t since)
{
    int error = errno;
    bool started = st_agent_start() == 0;
    if (st_self != s || !s->perhaps) { /* a signal handler's wait came first */
        errno = error;
        return st_self != NULL;
    }
    if (!started) {
        st_untag(s, ST_END_API);
        errno = error;
        return false;
    }
    s->perhaps = false;
    s->home = (uint8_t)home;
    s->home_site = site;
    st_set_live(s, since);
    for (unsigned i = 0; i < count; i++)
        /* release: the agent sees all of the copy */
        atomic_store_explicit(&aside[i]->state,
                              aside[i]->t0 >= since ? ST_CAPTURE_READY : ST_CAPTURE_FREE,
                              memory_order_release);
    count = 0;
    errno = error;
    return true;
}
