/* What a call waits for, found out from another thread while the call lasts. */
#include "agent.h"
#include "kernel.h"
#include "memory.h"
#include "text.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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
