/* What a call waits for, found out from another thread while the call lasts. */
#include "agent/agent.h"
#include "agent/base/kernel.h"
#include "agent/base/memory.h"
#include "agent/base/text.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void st_set_text(struct st_what *w, uint64_t addr)
{
    if (addr && st_mem_read_string(addr, w->bytes, sizeof(w->bytes)) == 0) {
        w->len = (uint16_t)strlen(w->bytes);
        w->kind = ST_WHAT_TEXT;
    }
}

/* The app's descriptor `fd` in the agent's own table, or -1: getpeername needs one. */
static int borrow_fd(int fd)
{
    long self = syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0)
        return -1;
    long copy = syscall(SYS_pidfd_getfd, self, fd, 0);
    syscall(SYS_close, self);
    return (int)copy;
}

static bool st_set_connecting(struct st_what *w, struct st_connecting *table, int fd, bool listens);

static void set_socket(struct st_what *w, int fd)
{
    int copy = borrow_fd(fd), type = 0;
    uint32_t len = sizeof(type);
    w->kind = ST_WHAT_SOCKET;
    w->len = 0;
    if (copy < 0)
        return;
    syscall(SYS_getsockopt, copy, SOL_SOCKET, SO_TYPE, &type, &len);
    w->protocol = (uint8_t)type;
    len = sizeof(w->bytes);
    long r = syscall(SYS_getpeername, copy, w->bytes, &len);
    if (r < 0) {
        int listens = 0;
        len = sizeof(listens);
        syscall(SYS_getsockopt, copy, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
        if (st_set_connecting(w, st_shared->connecting, fd, listens)) {
            syscall(SYS_close, copy);
            return;
        }
        len = sizeof(w->bytes);
        r = syscall(SYS_getsockname, copy, w->bytes, &len);
        w->local = true;
    }
    if (r == 0 && len <= sizeof(w->bytes))
        w->len = (uint16_t)len;
    syscall(SYS_close, copy);
}

/* /proc/self is the process, so its fd directory lists the app's descriptors, not the agent's. */
static void st_set_fd(struct st_what *w, int fd)
{
    char path[40] = "";
    struct st_text t = {path, sizeof(path), 0};
    struct stat st;
    st_text_add(&t, "/proc/self/fd/");
    st_text_number(&t, (unsigned)fd, 10, 1);
    w->class = ST_IPC;
    long n = syscall(SYS_readlink, path, w->bytes, sizeof(w->bytes) - 1);
    if (n < 0)
        return;
    w->bytes[n] = 0;
    w->len = (uint16_t)n;
    w->kind = ST_WHAT_LINK;
    w->blocking = st_fd_blocks(fd);
    if (!strncmp(w->bytes, "socket:", 7)) {
        w->class = ST_NET;
        set_socket(w, fd);
    } else if (!strncmp(w->bytes, "/dev/pts/", 9) || !strncmp(w->bytes, "/dev/tty", 8) ||
               !strcmp(w->bytes, "/dev/console")) {
        w->class = ST_TTY;
    } else if (syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0) {
        w->class = S_ISFIFO(st.st_mode) ? ST_IPC
                   : S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode) ||
                           S_ISCHR(st.st_mode)
                       ? ST_FILE
                       : ST_IPC;
    }
}

/* ---- what shim/contract/what_of.h asks for, besides ---- */

static bool st_read(void *to, uint64_t from, size_t n)
{
    return st_mem_read(from, to, n) == 0;
}

static void st_set_epoll(struct st_what *w, int epfd);

static uint64_t st_since_ns(uint64_t ticks)
{
    return st_ticks_to_ns(st_ticks_now() - ticks);
}

static int64_t st_clock(clockid_t clock)
{
    struct timespec now = {0, 0};
    syscall(SYS_clock_gettime, clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void st_set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args);

#include "contract/what_of.h"

/* The descriptors of an epoll descriptor, of which /proc tells a line each: "tfd:        5 …". */
static void st_set_epoll(struct st_what *w, int epfd)
{
    static char text[4096];
    char path[48] = "";
    struct st_text t = {path, sizeof(path), 0};
    unsigned best = 0;
    st_text_add(&t, "/proc/self/fdinfo/");
    st_text_number(&t, (unsigned)epfd, 10, 1);
    if (epfd < 0 || !st_read_text(path, text, sizeof(text)))
        return;
    for (const char *p = text; (p = strstr(p, "tfd:")) != NULL;) {
        unsigned fd = 0;
        for (p += 4; *p == ' '; p++)
            ;
        for (; *p >= '0' && *p <= '9' && fd < INT32_MAX / 10; p++)
            fd = fd * 10 + (unsigned)(*p - '0');
        st_set_either(w, &best, (int)fd);
    }
}

/* A descriptor is out of the table before its close waits. What lingers was asked for before; a
 * stream has its own for as long as it writes out its buffer. */
static void st_set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args)
{
    FILE f;
    if (c->class == ST_FD && args[2] && st_mem_read(args[2], w, sizeof(*w)) == 0 &&
        w->kind == ST_WHAT_SOCKET && w->len <= sizeof(w->bytes) && w->class == ST_NET)
        return;
    w->kind = ST_WHAT_NONE;
    w->class = ST_FILE;
    if (c->class == ST_STDIO && st_mem_read(args[2], &f, sizeof(f)) == 0 &&
        f._IO_write_ptr > f._IO_write_base && (uint64_t)f._fileno == args[0])
        st_set_fd(w, f._fileno);
    if (w->kind == ST_WHAT_NONE)
        st_set_words(w, args[0], 0);
}

void st_what_remote(struct st_what *w, const struct st_call *c, const uint64_t *args, uint64_t t0)
{
    st_what_by_rule(w, c, args, t0);
}

void st_what_of_capture(struct st_capture *c, const struct st_call *call)
{
    if (call->rule != ST_RULE_WAIT || c->what.kind != ST_WHAT_WORDS)
        return;
    st_what_remote(&c->what, call, c->args, c->t0);
    c->class = (uint8_t)st_class_with(call, c->class, &c->what);
}
