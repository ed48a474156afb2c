/* Threads that a library runs for itself (ZeroMQ's and gRPC's I/O threads): they wait for events,
 * but are no loops of the program's. Told by who waits, and by where the thread began. */
#include "probe/wrap/real.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

/* So it was found: such a thread asks at each of its waits. */
static _Thread_local bool own __attribute__((tls_model("initial-exec")));

enum { NOT_LISTED, IF_IT_BEGAN_THERE, WHOEVER };

static int listed(const struct link_map *map)
{
    static const struct {
        const char *path;
        bool any;
    } rows[] = {
#define OWN_THREADS(path, any) {path, any},
#include "common/runtimes.def"
    };
    for (unsigned i = 0; map && map->l_name && i < sizeof(rows) / sizeof(*rows); i++)
        if (strstr(map->l_name, rows[i].path))
            return rows[i].any ? WHOEVER : IF_IT_BEGAN_THERE;
    return NOT_LISTED;
}

static const struct link_map *module_of(uintptr_t address)
{
    struct dl_find_object object;
    return _dl_find_object((void *)address, &object) == 0 ? object.dlfo_link_map : NULL;
}

/* Where the thread began: the first pointer in its struct pthread that is to no object of libc's.
 */
static bool began_in_listed(void)
{
    enum { WORDS = 0x900 / 8, LEAST = 4096 }; /* struct pthread of glibc */
    const uintptr_t *word = (const uintptr_t *)pthread_self();
    const struct link_map *libc = module_of((uintptr_t)real_pthread_join);
    const struct link_map *loader = module_of(getauxval(AT_BASE));
    for (int i = 0; i < WORDS; i++) {
        const struct link_map *map = word[i] > LEAST ? module_of(word[i]) : NULL;
        if (map && map != libc && map != loader)
            return listed(map) != NOT_LISTED;
    }
    return false;
}

bool ST_COLD st_is_own_thread(uintptr_t caller)
{
    if (own)
        return true;
    int how = listed(module_of(caller));
    if (how == WHOEVER)
        return true; /* it may wait for the program elsewhere */
    own = how == IF_IT_BEGAN_THERE && began_in_listed();
    return own;
}
