/* Loops that run callbacks before they first wait. libuv runs timers and idle handles first, and
 * uvloop's first step of main() is one: it would be over, or hang, before the thread is known for a
 * loop thread. So when libuv makes its epoll fd, the thread becomes a candidate: it gets a slot
 * that nobody watches yet, and each of its wrapped calls looks whether uv_run is among its callers.
 * The first for which it is makes it a loop thread, with that call as the first of its first
 * iteration. */
#include "probe/wrap/real.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

/* How far up the stack uv_run is looked for. */
enum { SCAN_BYTES = 32 * 1024 };

/* The text of uv_run in this object, or all of the object's where it is uvloop's own and hides it.
 */
static bool loop_text(const struct link_map *map, const void *header, uintptr_t *lo, uintptr_t *hi)
{
    size_t size;
    void *run = st_resolve_in(map, "uv_run", &size);
    if (!run) /* libev's: gevent's queue is a prepare watcher, which runs before the wait, too */
        run = st_resolve_in(map, "ev_run", &size);
    if (run) {
        *lo = (uintptr_t)run;
        *hi = *lo + size;
        return size != 0;
    }
    if (!map->l_name || !strstr(map->l_name, "/uvloop/"))
        return false;
    const ElfW(Ehdr) *elf = header;
    const ElfW(Phdr) *segment = (const void *)((const char *)header + elf->e_phoff);
    for (int i = 0; i < elf->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD && segment[i].p_flags & PF_X) {
            *lo = map->l_addr + segment[i].p_vaddr;
            *hi = *lo + segment[i].p_memsz;
            return true;
        }
    return false;
}

/* `caller` has made an epoll fd. Keeps errno. */
static void ST_COLD consider(int fd, uintptr_t caller)
{
    int error = errno;
    st_perhaps_not();
    Dl_info info;
    struct link_map *map = NULL;
    uintptr_t lo, hi;
    /* the executable itself is left alone: Node's is on every stack of Node's */
    if (dladdr1((const void *)caller, &info, (void **)&map, RTLD_DL_LINKMAP) && map &&
        map->l_name && map->l_name[0] && loop_text(map, info.dli_fbase, &lo, &hi))
        st_make_candidate(fd, lo, hi);
    errno = error;
}

/* Is the loop running: does the stack hold an address of its text? */
bool st_candidate_runs(const struct st_slot *s)
{
    const uintptr_t *p = __builtin_frame_address(0);
    uintptr_t here = (uintptr_t)p;
    if (here < s->stack_lo || here >= s->stack_hi)
        return false;
    size_t words = (s->stack_hi - here < SCAN_BYTES ? s->stack_hi - here : SCAN_BYTES) / 8;
    for (size_t i = 0; i < words; i++)
        /* a return address is never the first byte; a pointer to the function is, and lies about */
        if (p[i] - s->loop_lo - 1 < s->loop_hi - s->loop_lo - 1)
            return true;
    return false;
}

#define MAKES_EPOLL(symbol, parameter)                                                             \
    WRAPPER(symbol, int, (int parameter))                                                          \
    {                                                                                              \
        int fd = real_##symbol(parameter);                                                         \
        if (fd >= 0 && !st_is_loop() && st_loops & ST_LOOPS_AUTO && !st_is_agent &&                \
            !st_is_filtered())                                                                     \
            consider(fd, (uintptr_t)__builtin_return_address(0));                                  \
        return fd;                                                                                 \
    }
MAKES_EPOLL(epoll_create, size)
MAKES_EPOLL(epoll_create1, flags)
