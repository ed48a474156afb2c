/* Wrappers that record nothing: they tell the probe when a loop ends, a process ends or becomes
 * another program, a filter is installed, a thread takes a name, or control jumps out of a call.
 * And the functions of stalltrace.h. */
#include "real.h"

#include "stalltrace.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* ---- names ---- */

WRAPPER(pthread_setname_np, int, (pthread_t thread, const char *name))
{
    int r = real_pthread_setname_np(thread, name);
    if (r == 0 && st_loops & ST_LOOPS_NAME && pthread_equal(thread, pthread_self()))
        st_thread_named(name);
    return r;
}

/* ---- seccomp ---- */

WRAPPER(prctl, int, (int option, ...))
{
    va_list rest;
    long a[4];
    va_start(rest, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    /* a filter of NULL only asks whether there are filters (Chromium, libseccomp) */
    bool filter = option == PR_SET_SECCOMP && (a[0] != SECCOMP_MODE_FILTER || a[1]);
    if (ST_UNLIKELY((filter && a[0] == SECCOMP_MODE_STRICT) ||
                    (option == PR_SET_TSC && a[0] == PR_TSC_SIGSEGV)))
        st_without_time();
    if (ST_UNLIKELY(filter))
        st_before_filter(false);
    int r = real_prctl(option, a[0], a[1], a[2], a[3]);
    if (ST_UNLIKELY(filter))
        st_after_filter(false, r == 0);
    if (option == PR_SET_NAME && r == 0)
        st_thread_named((const char *)a[0]);
    return r;
}

/* ---- what concerns all threads, or wants there to be one ---- */

static bool is_root(void)
{
    return !st_is_filtered() && ST_RAW(SYS_geteuid, 0, 0, 0, 0) == 0;
}

/* glibc hands new ids to every thread that it knows of, and ends the program where one of them is
 * refused what another got; the agent has not got the capabilities that the program's thread may
 * have kept. So the agent is not there while ids change for good, and comes back with the new ones.
 * Its file is kept: it may not be allowed to open it then. Under a filter it takes the ids by
 * itself. */
#define SETID(symbol, for_good, drops, user, parameters, arguments)                                \
    WRAPPER(symbol, int, parameters)                                                               \
    {                                                                                              \
        bool filter = st_is_filtered();                                                            \
        if (for_good && !filter)                                                                   \
            st_agent_pause();                                                                      \
        if (drops) {                                                                               \
            st_keep_file();                                                                        \
            st_runs_give(user);                                                                    \
        }                                                                                          \
        int r = real_##symbol arguments;                                                           \
        if (ST_UNLIKELY(filter && r == 0))                                                         \
            st_agent_follow_ids();                                                                 \
        return r;                                                                                  \
    }
SETID(setuid, true, id != 0 && is_root(), id, (uid_t id), (id))
SETID(setgid, true, false, 0, (gid_t id), (id))
SETID(seteuid, false, id != 0 && is_root(), id, (uid_t id), (id))
SETID(setegid, false, false, 0, (gid_t id), (id))
SETID(setreuid, true, effective + 1 > 1 && is_root(), effective, (uid_t real, uid_t effective),
      (real, effective))
SETID(setregid, true, false, 0, (gid_t real, gid_t effective), (real, effective))
SETID(setresuid, true, effective + 1 > 1 && is_root(), effective,
      (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
SETID(setresgid, true, false, 0, (gid_t real, gid_t effective, gid_t saved),
      (real, effective, saved))
SETID(setgroups, true, false, 0, (size_t n, const gid_t *groups), (n, groups))
SETID(initgroups, true, false, 0, (const char *user, gid_t group), (user, group))

/* From here on the trace's path may lead elsewhere, and the agent may end and come back: it keeps
 * what it has. */
static void keep_trace(void)
{
    st_agent_pause();
    st_keep_file();
}

WRAPPER(chroot, int, (const char *path))
{
    keep_trace();
    return real_chroot(path);
}

/* The kernel refuses a user namespace to a process with threads. */
WRAPPER(unshare, int, (int flags))
{
    if (flags & CLONE_NEWNS)
        keep_trace();
    else
        st_agent_pause();
    return real_unshare(flags);
}

WRAPPER(setns, int, (int fd, int type))
{
    keep_trace();
    return real_setns(fd, type);
}

/* ---- from when on the process serves ---- */

/* A loop's first run, up to here, is start-up. Of other threads that listen later nothing follows.
 */
static void ST_COLD note_listening(void)
{
    struct st_slot *s = st_self;
    uint64_t never = 0;
    if (s && s->candidate && st_candidate_runs(s))
        st_promote(s);
    s = st_self;
    uint32_t first = atomic_load(&st_shared.first_loop);
    bool of_first = s && !s->candidate && s->generation == first;
    if ((first && atomic_load(&st_shared.first_thread) != (uint64_t)pthread_self()) ||
        st_is_agent || !st_same_process())
        return;
    if (of_first)
        st_capture_listen(s);
    /* after the capture: who sees the time knows whether there is one */
    atomic_compare_exchange_strong(&st_shared.listened, &never, st_now());
}

WRAPPER(listen, int, (int fd, int backlog))
{
    int r = real_listen(fd, backlog);
    if (r == 0 && !atomic_load_explicit(&st_shared.listened, memory_order_relaxed)) {
        int error = errno;
        note_listening();
        errno = error;
    }
    return r;
}

/* ---- exit and exec ---- */

#define EXIT(symbol)                                                                               \
    WRAPPER(symbol, void, (int status))                                                            \
    {                                                                                              \
        if (st_same_process())                                                                     \
            st_agent_stop(ST_STOP_EXIT);                                                           \
        real_##symbol(status);                                                                     \
    }
EXIT(_exit)
EXIT(_Exit)

WRAPPER(quick_exit, void, (int status))
{
    /* its handlers may still run the loop's code: only what is there now is written */
    st_agent_flush();
    real_quick_exit(status);
}

OLD_VERSION(quick_exit_2_10, "quick_exit@GLIBC_2.10");
WRAPPER(quick_exit_2_10, void, (int status))
{
    st_agent_flush();
    real_quick_exit_2_10(status);
}

/* exec ends the agent with everything else: what it has not written yet is written before. A child
 * of vfork has nothing of its own to write. */
WRAPPER(execve, int, (const char *path, char *const argv[], char *const envp[]))
{
    st_before_exec();
    return real_execve(path, argv, envp);
}

WRAPPER(execv, int, (const char *path, char *const argv[]))
{
    st_before_exec();
    return real_execv(path, argv);
}

WRAPPER(execvp, int, (const char *file, char *const argv[]))
{
    st_before_exec();
    return real_execvp(file, argv);
}

WRAPPER(execvpe, int, (const char *file, char *const argv[], char *const envp[]))
{
    st_before_exec();
    return real_execvpe(file, argv, envp);
}

WRAPPER(fexecve, int, (int fd, char *const argv[], char *const envp[]))
{
    st_before_exec();
    return real_fexecve(fd, argv, envp);
}

/* The arguments are listed on the stack, as exec itself does. */
#define LISTED(first)                                                                              \
    va_list list;                                                                                  \
    size_t n = 1;                                                                                  \
    va_start(list, first);                                                                         \
    while (first && va_arg(list, char *))                                                          \
        n++;                                                                                       \
    va_end(list);                                                                                  \
    char *argv[n + 1];                                                                             \
    argv[0] = (char *)(uintptr_t)first;                                                            \
    va_start(list, first);                                                                         \
    for (size_t i = 1; first && i <= n; i++)                                                       \
    argv[i] = va_arg(list, char *)

WRAPPER(execl, int, (const char *path, const char *first, ...))
{
    LISTED(first);
    va_end(list);
    st_before_exec();
    return real_execv(path, argv);
}

WRAPPER(execlp, int, (const char *file, const char *first, ...))
{
    LISTED(first);
    va_end(list);
    st_before_exec();
    return real_execvp(file, argv);
}

WRAPPER(execle, int, (const char *path, const char *first, ...))
{
    LISTED(first);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    st_before_exec();
    return real_execve(path, argv, envp);
}

/* ---- the list of objects ---- */

typedef int phdr_callback(struct dl_phdr_info *, size_t, void *);

struct filtered {
    phdr_callback *callback;
    void *data;
};

/* Passes on every object but this one. */
static int skip_own(struct dl_phdr_info *info, size_t size, void *data)
{
    const struct filtered *f = data;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD &&
            (uintptr_t)skip_own - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return 0;
    }
    return f->callback(info, size, f->data);
}

/* Does this address lie in the runtime of a sanitizer? No libc: it intercepts that. */
static bool in_sanitizer(const void *address)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)(uintptr_t)address, &object) != 0 || !object.dlfo_link_map->l_name)
        return false;
    for (const char *p = object.dlfo_link_map->l_name; *p; p++)
        if (p[0] == 's' && p[1] == 'a' && p[2] == 'n' && p[3] == '.' && p[4] == 's' && p[5] == 'o')
            return true;
    return false;
}

/* The runtime of AddressSanitizer ends the program where it does not come first in the list, and
 * asks for the list only once at start-up. It may as well come second: it has to be in front of
 * libc, and is; our wrappers lead to its interceptors. */
WRAPPER(dl_iterate_phdr, int, (phdr_callback * callback, void *data))
{
    static _Atomic bool asked;
    if (ST_UNLIKELY(!atomic_load_explicit(&asked, memory_order_relaxed)) &&
        in_sanitizer(__builtin_return_address(0)) && !atomic_exchange(&asked, true)) {
        struct filtered f = {callback, data};
        return real_dl_iterate_phdr(skip_own, &f);
    }
    return real_dl_iterate_phdr(callback, data);
}

/* ---- jumps ---- */

/* Where it lands cannot be known (glibc mangles what is saved), but a jump inside a wrapped call
 * can only come from a signal handler or a callback, and nearly always leaves the call. Where it
 * does not, the rest of that call goes unmeasured. */
#define JUMP(symbol)                                                                               \
    WRAPPER(symbol, void, (jmp_buf env, int value))                                                \
    {                                                                                              \
        struct st_slot *s = st_self;                                                               \
        if (ST_UNLIKELY(s != NULL))                                                                \
            st_abandon(s);                                                                         \
        real_##symbol(env, value);                                                                 \
    }
JUMP(longjmp)
JUMP(__longjmp_chk)

/* ---- stalltrace.h ---- */

ST_EXPORT void stalltrace_loop_begin(const char *name)
{
    if (st_self && (st_self->candidate || st_self->perhaps))
        st_untag(st_self, ST_END_API);
    if (st_self)
        return;
    struct st_slot *s = st_tag(ST_HOME_NONE, -1, 0);
    if (s) {
        s->api_name = name;
        s->by_api = true;
        s->iter_t0 = st_now();
    }
}

ST_EXPORT void stalltrace_loop_end(void)
{
    if (st_is_loop())
        st_untag(st_self, ST_END_API);
}

ST_EXPORT void stalltrace_allow_begin(const char *reason)
{
    (void)reason;
    if (st_self)
        atomic_fetch_add_explicit(&st_self->allowed, 1, memory_order_relaxed);
}

ST_EXPORT void stalltrace_allow_end(void)
{
    if (st_self && atomic_load_explicit(&st_self->allowed, memory_order_relaxed))
        atomic_fetch_sub_explicit(&st_self->allowed, 1, memory_order_relaxed);
}

ST_EXPORT void stalltrace_flush(void)
{
    st_agent_flush();
}
