/* What a call waits for, found out from another thread while the call lasts, and made into words.
 */
#include "agent.h"
#include "kernel.h"
#include "memory.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/un.h>
#include <time.h>

/* ---- from another thread ---- */

static void set_words(struct st_what *w, uint64_t a, uint64_t b)
{
    memcpy(w->bytes, &a, 8);
    memcpy(w->bytes + 8, &b, 8);
    w->len = 16;
    w->kind = ST_WHAT_WORDS;
}

static void set_text(struct st_what *w, uint64_t addr)
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
        len = sizeof(w->bytes);
        r = syscall(SYS_getsockname, copy, w->bytes, &len);
        w->local = true;
    }
    if (r == 0 && len <= sizeof(w->bytes))
        w->len = (uint16_t)len;
    syscall(SYS_close, copy);
}

/* /proc/self is the process, so its fd directory lists the app's descriptors, not the agent's. */
static void set_fd(struct st_what *w, int fd)
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

static uint64_t asked_ns(const uint64_t *args, uint64_t elapsed_ns)
{
    struct timespec t, now;
    if (st_mem_read(args[0], &t, sizeof(t)) < 0)
        return 0;
    int64_t ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    if (args[1]) {
        syscall(SYS_clock_gettime, (clockid_t)args[2], &now);
        ns += (int64_t)elapsed_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    }
    return ns > 0 ? (uint64_t)ns : 0;
}

/* Milliseconds of a relative timeout, as poll has them: -1 is for ever. */
static uint64_t timeout_ms(uint64_t addr)
{
    struct timespec t;
    if (!addr)
        return (uint64_t)-1L;
    if (st_mem_read(addr, &t, sizeof(t)) < 0)
        return 0;
    return (uint64_t)(t.tv_sec * 1000 + (t.tv_nsec + 999999) / 1000000);
}

/* The descriptor of a stream or a directory, kept at `offset`. */
static void set_fd_at(struct st_what *w, uint64_t addr, size_t offset)
{
    int fd = -1;
    if (addr && st_mem_read(addr + offset, &fd, sizeof(fd)) == 0 && fd >= 0)
        set_fd(w, fd);
}

/* The first of getaddrinfo_a's names. */
static void set_first_name(struct st_what *w, const uint64_t *args)
{
    uint64_t request, name;
    if ((int)args[1] > 0 && st_mem_read(args[2], &request, sizeof(request)) == 0 &&
        st_mem_read(request + offsetof(struct gaicb, ar_name), &name, sizeof(name)) == 0)
        set_text(w, name);
}

static void set_address(struct st_what *w, uint64_t addr, uint64_t len)
{
    w->kind = ST_WHAT_SOCKET;
    w->local = false;
    w->len = len <= sizeof(w->bytes) && st_mem_read(addr, w->bytes, len) == 0 ? (uint16_t)len : 0;
}

/* A descriptor is out of the table before its close waits. What lingers was asked for before; a
 * stream has its own for as long as it writes out its buffer. */
static void set_closed(struct st_what *w, const struct st_call *c, const uint64_t *args)
{
    FILE f;
    if (c->class == ST_FD && args[2] && st_mem_read(args[2], w, sizeof(*w)) == 0 &&
        w->kind == ST_WHAT_SOCKET && w->len <= sizeof(w->bytes) && w->class == ST_NET)
        return;
    w->kind = ST_WHAT_NONE;
    w->class = ST_FILE;
    if (c->class == ST_STDIO && st_mem_read(args[2], &f, sizeof(f)) == 0 &&
        f._IO_write_ptr > f._IO_write_base && (uint64_t)f._fileno == args[0])
        set_fd(w, f._fileno);
    if (w->kind == ST_WHAT_NONE)
        set_words(w, args[0], 0);
}

void st_what_remote(struct st_what *w, const struct st_call *c, const uint64_t *args,
                    uint64_t elapsed_ns)
{
    memset(w, 0, sizeof(*w));
    w->class = ST_IPC;
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
        set_words(w, args[0] * 1000000000u, 0);
        break;
    case ST_RULE_USECONDS:
        set_words(w, args[0] * 1000u, 0);
        break;
    case ST_RULE_TIMESPEC:
        set_words(w, asked_ns(args, elapsed_ns), 0);
        break;
    case ST_RULE_TIMEOUT:
        set_words(w, timeout_ms(args[0]), 0);
        break;
    case ST_RULE_FD:
    case ST_RULE_SYNC:
    case ST_RULE_FLOCK:
    case ST_RULE_INODE:
    case ST_RULE_TWO_FDS:
    case ST_RULE_IOCTL:
    case ST_RULE_DRAIN:
    case ST_RULE_MQ:
        set_fd(w, (int)args[0]);
        break;
    case ST_RULE_STREAM:
        set_fd_at(w, args[0], offsetof(FILE, _fileno));
        break;
    case ST_RULE_DIR:
        set_fd_at(w, args[0], 0); /* glibc's struct __dirstream begins with it */
        break;
    case ST_RULE_CLOSE:
        set_closed(w, c, args);
        break;
    case ST_RULE_LIST:
        set_first_name(w, args);
        break;
    case ST_RULE_CONNECT:
        set_fd(w, (int)args[0]);
        set_address(w, args[1], args[2]);
        break;
    case ST_RULE_ADDRESS:
        set_address(w, args[0], args[1]);
        break;
    case ST_RULE_PATH:
    case ST_RULE_HOST:
    case ST_RULE_COMMAND:
    case ST_RULE_TEXT:
    case ST_RULE_SPAWN:
        set_text(w, args[0]);
        break;
    case ST_RULE_POLL:
        set_words(w, args[0], args[1]);
        if (args[1] == 1)
            set_fd_at(w, args[2], 0); /* struct pollfd begins with it */
        break;
    case ST_RULE_WAIT:
    case ST_RULE_SELECT:
    case ST_RULE_MUTEX:
    case ST_RULE_COND:
    case ST_RULE_THREAD:
    case ST_RULE_SEMAPHORE:
    case ST_RULE_FUTEX:
    case ST_RULE_ID:
    case ST_RULE_QUEUE:
    case ST_RULE_SEMOP:
        set_words(w, args[0], args[1]);
        break;
    case ST_RULE_CHILD:
        set_words(w, args[0], args[2]);
        break;
    case ST_RULE_NONE:
    case ST_RULE_ALWAYS:
    case ST_RULE_UNLESS:
    case ST_RULE_BARRIER:
        break;
    }
}

/* ---- words ---- */

void st_thread_name(pid_t tid, char *out, size_t size)
{
    char path[48] = "";
    struct st_text t = {path, sizeof(path), 0};
    st_text_add(&t, "/proc/self/task/");
    st_text_number(&t, (uint64_t)tid, 10, 1);
    st_text_add(&t, "/comm");
    out[0] = 0;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    long n = syscall(SYS_read, fd, out, size - 1);
    syscall(SYS_close, fd);
    out[n > 0 ? n : 0] = 0;
    if (n > 0 && out[n - 1] == '\n')
        out[n - 1] = 0;
}

/* "300 ms", "1.5 s", "40 us" */
static void add_duration(struct st_text *t, uint64_t ns)
{
    static const struct {
        uint64_t unit;
        const char *name;
    } units[] = {{1000000000, " s"}, {1000000, " ms"}, {1000, " us"}, {1, " ns"}};
    int i = 0;
    /* a relative sleep is exact; an absolute one is short by what has passed since: round */
    if (ns >= 10000000)
        ns = (ns + 500000) / 1000000 * 1000000;
    else if (ns >= 1000000)
        ns = (ns + 50000) / 100000 * 100000;
    while (i < 3 && ns < units[i].unit)
        i++;
    uint64_t tenths = ns % units[i].unit * 10 / units[i].unit;
    st_text_number(t, ns / units[i].unit, 10, 1);
    if (tenths) {
        st_text_char(t, '.');
        st_text_number(t, tenths, 10, 1);
    }
    st_text_add(t, units[i].name);
}

static void add_ip(struct st_text *t, int family, const void *address, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(family, address, text, sizeof(text)))
        return;
    if (family == AF_INET6)
        st_text_char(t, '[');
    st_text_add(t, text);
    if (family == AF_INET6)
        st_text_char(t, ']');
    st_text_char(t, ':');
    st_text_number(t, ntohs(port), 10, 1);
}

static void add_address(struct st_text *t, const struct st_what *w)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    uint16_t family = 0;
    if (w->len >= sizeof(family))
        memcpy(&family, w->bytes, sizeof(family));
    const char *protocol = w->protocol == 2 ? "udp " : w->protocol == 3 ? "raw " : "tcp ";
    if (family == AF_INET && w->len >= sizeof(v4)) {
        memcpy(&v4, w->bytes, sizeof(v4));
        st_text_add(t, protocol);
        add_ip(t, AF_INET, &v4.sin_addr, v4.sin_port);
    } else if (family == AF_INET6 && w->len >= sizeof(v6)) {
        memcpy(&v6, w->bytes, sizeof(v6));
        st_text_add(t, protocol);
        add_ip(t, AF_INET6, &v6.sin6_addr, v6.sin6_port);
    } else if (family == AF_UNIX) {
        size_t n = w->len - sizeof(family);
        const char *path = w->bytes + sizeof(family);
        st_text_add(t, "unix ");
        if (n == 0)
            st_text_add(t, "socket (unnamed)");
        else if (path[0] == 0)
            st_text_char(t, '@');
        for (size_t i = n && path[0] == 0 ? 1 : 0; i < n && path[i]; i++)
            st_text_char(t, path[i]);
    } else {
        st_text_add(t, family == AF_NETLINK ? "netlink socket" : "socket");
    }
    if (w->local && family != AF_UNIX)
        st_text_add(t, " (own address)");
}

void st_add_thread(struct st_text *t, const char *what, pid_t tid)
{
    char name[32];
    st_thread_name(tid, name, sizeof(name));
    st_text_add(t, what);
    st_text_number(t, (uint64_t)tid, 10, 1);
    if (name[0]) {
        st_text_add(t, " (");
        st_text_add(t, name);
        st_text_char(t, ')');
    }
}

/* glibc keeps it at the same place in struct
 * pthread since 2.4; /proc has the last word on whether it is one. */
pid_t st_tid_of_pthread(uint64_t thread)
{
    enum { TID_OFFSET = 0x2d0 };
    int32_t tid = 0;
    char name[32];
    if (st_mem_read(thread + TID_OFFSET, &tid, sizeof(tid)) < 0 || tid <= 0)
        return 0;
    st_thread_name(tid, name, sizeof(name));
    return name[0] ? tid : 0;
}

pid_t st_holder_of(const struct st_what *w, const struct st_call *c, uint64_t *thread)
{
    uint64_t words[2];
    *thread = 0;
    if (w->kind != ST_WHAT_WORDS)
        return 0;
    memcpy(words, w->bytes, sizeof(words));
    if (c->rule == ST_RULE_MUTEX)
        return (pid_t)words[1];
    if (c->rule != ST_RULE_SEMAPHORE)
        return 0;
    *thread = words[1] & ~1ull; /* the lowest bit says something else */
    return st_tid_of_pthread(*thread);
}

enum { BY_PIDFD = 3 }; /* P_PIDFD, which older headers lack */

static void add_words(struct st_text *t, const struct st_call *c, uint64_t a, uint64_t b)
{
    pid_t tid;
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
    case ST_RULE_USECONDS:
    case ST_RULE_TIMESPEC:
        add_duration(t, a);
        break;
    case ST_RULE_CLOSE:
        st_text_add(t, "fd ");
        st_text_number(t, a, 10, 1);
        break;
    case ST_RULE_QUEUE:
    case ST_RULE_SEMOP:
        st_text_add(t, "id ");
        st_text_number(t, a, 10, 1);
        break;
    case ST_RULE_ID:
        st_text_number(t, a, 10, 1);
        break;
    case ST_RULE_TIMEOUT:
    case ST_RULE_WAIT:
    case ST_RULE_SELECT:
    case ST_RULE_POLL:
        if ((int32_t)a < 0)
            st_text_add(t, "no timeout");
        else
            add_duration(t, a * 1000000u);
        break;
    case ST_RULE_CHILD:
        if ((int32_t)a > 0) {
            st_text_add(t, b == P_PGID ? "process group " : b == BY_PIDFD ? "pidfd " : "pid ");
            st_text_number(t, a, 10, 1);
        } else {
            st_text_add(t, "any child");
        }
        break;
    case ST_RULE_THREAD:
        if ((tid = st_tid_of_pthread(a)) != 0)
            st_add_thread(t, "thread ", tid);
        break;
    case ST_RULE_COND:
        if (st_is_gil(c, a))
            st_text_add(t, "the GIL");
        break;
    default:
        break;
    }
}

void st_what_text(const struct st_what *w, const struct st_call *c, char *out, size_t size)
{
    struct st_text t = {out, size, 0};
    uint64_t words[2], thread;
    pid_t holder;
    out[0] = 0;
    switch (w->kind) {
    case ST_WHAT_TEXT:
        st_text_add(&t, w->bytes);
        break;
    case ST_WHAT_SOCKET:
        add_address(&t, w);
        break;
    case ST_WHAT_LINK:
        if (!strncmp(w->bytes, "anon_inode:", 11)) {
            for (const char *p = w->bytes + 11; *p; p++)
                if (*p != '[' && *p != ']')
                    st_text_char(&t, *p);
        } else {
            /* a pipe's inode number tells nobody anything */
            st_text_add(&t, !strncmp(w->bytes, "pipe:", 5) ? "pipe" : w->bytes);
        }
        break;
    case ST_WHAT_WORDS:
        memcpy(words, w->bytes, sizeof(words));
        holder = st_holder_of(w, c, &thread);
        if (holder)
            st_add_thread(&t, "held by thread ", holder);
        add_words(&t, c, words[0], words[1]);
        break;
    default:
        break;
    }
}
