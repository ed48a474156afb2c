/* What the kernel tells about a thread of this process, out of /proc and the cgroup. */
#include "kernel.h"

#include "agent/agent.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>

static long read_path(const char *path, char *buf, size_t size)
{
    /* never waiting: what is called /proc in another root may be anything */
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    long n = syscall(SYS_read, fd, buf, size - 1);
    syscall(SYS_close, fd);
    buf[n > 0 ? n : 0] = 0;
    return n;
}

static long read_task(pid_t tid, const char *file, char *buf, size_t size)
{
    char path[64] = "";
    struct st_text t = {path, sizeof(path), 0};
    st_text_add(&t, "/proc/self/task/");
    st_text_number(&t, (uint64_t)tid, 10, 1);
    st_text_char(&t, '/');
    st_text_add(&t, file);
    buf[0] = 0;
    return read_path(path, buf, size);
}

static const char *number(const char *p, uint64_t *v, unsigned base)
{
    *v = 0;
    while (*p == ' ' || *p == '\t')
        p++;
    if (base == 16 && p[0] == '0' && p[1] == 'x')
        p += 2;
    for (;; p++) {
        unsigned d = *p >= '0' && *p <= '9'   ? (unsigned)(*p - '0')
                     : *p >= 'a' && *p <= 'f' ? (unsigned)(*p - 'a' + 10)
                     : *p >= 'A' && *p <= 'F' ? (unsigned)(*p - 'A' + 10)
                                              : 99;
        if (d >= base)
            return p;
        *v = *v * base + d;
    }
}

bool st_fd_blocks(int fd)
{
    char path[64] = "", text[256];
    struct st_text t = {path, sizeof(path), 0};
    uint64_t flags = 0;
    st_text_add(&t, "/proc/self/fdinfo/");
    st_text_number(&t, (unsigned)fd, 10, 1);
    if (read_path(path, text, sizeof(text)) <= 0)
        return true;
    const char *line = strstr(text, "flags:");
    if (line)
        number(line + strlen("flags:"), &flags, 8);
    return !(flags & O_NONBLOCK);
}

long st_epoll_info(pid_t tid, int fd, char *text, size_t size)
{
    char file[32] = "";
    struct st_text t = {file, sizeof(file), 0};
    st_text_add(&t, "fdinfo/");
    st_text_number(&t, (unsigned)fd, 10, 1);
    return read_task(tid, file, text, size);
}

bool st_is_epoll(pid_t tid, int fd)
{
    static const char link[] = "anon_inode:[eventpoll]";
    char path[96] = "", text[64];
    struct st_text t = {path, sizeof(path), 0};
    st_text_add(&t, "/proc/self/task/");
    st_text_number(&t, (uint64_t)tid, 10, 1);
    st_text_add(&t, "/fd/");
    st_text_number(&t, (unsigned)fd, 10, 1);
    long n = syscall(SYS_readlink, path, text, sizeof(text));
    return n == (long)sizeof(link) - 1 && !memcmp(text, link, sizeof(link) - 1);
}

uint64_t st_hexadecimal(const char *text)
{
    uint64_t v;
    number(text, &v, 16);
    return v;
}

/* The columns of a line of /proc/net/tcp (state, inode) and /proc/net/unix (flags, inode), counted
 * from 0. */
struct socket_table {
    const char *path;
    int flag, inode;
    uint64_t value; /* of the first, in what listens */
};

static bool line_listens(const char *line, const struct socket_table *table, const uint64_t *inodes,
                         int n)
{
    uint64_t flag = 0, inode = 0;
    for (int column = 0; *line && *line != '\n'; column++) {
        while (*line == ' ')
            line++;
        if (column == table->flag)
            number(line, &flag, 16);
        if (column == table->inode)
            number(line, &inode, 10);
        while (*line && *line != ' ' && *line != '\n')
            line++;
    }
    if (flag != table->value)
        return false;
    for (int i = 0; i < n; i++)
        if (inodes[i] == inode)
            return true;
    return false;
}

static bool table_has(const struct socket_table *table, const uint64_t *inodes, int n)
{
    enum { READ_AT_MOST = 1 << 20, LINE = 256 };
    static char buf[64 * 1024];
    long fd = syscall(SYS_openat, AT_FDCWD, table->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t have = 0, total = 0;
    bool found = false;
    long got;
    while (fd >= 0 && !found && total < READ_AT_MOST &&
           (got = syscall(SYS_read, fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        char *line = buf, *end;
        total += (size_t)got;
        have += (size_t)got;
        buf[have] = 0;
        for (; !found && (end = strchr(line, '\n')); line = end + 1)
            found = line_listens(line, table, inodes, n);
        have -= (size_t)(line - buf);
        memmove(buf, line, have);
        if (have > sizeof(buf) - LINE)
            break;
    }
    if (fd >= 0)
        syscall(SYS_close, fd);
    return found;
}

bool st_any_listens(const uint64_t *inodes, int n)
{
    /* TCP_LISTEN; __SO_ACCEPTCON */
    static const struct socket_table tables[] = {
        {"/proc/thread-self/net/tcp", 3, 9, 0x0a},
        {"/proc/thread-self/net/tcp6", 3, 9, 0x0a},
        {"/proc/thread-self/net/unix", 3, 6, 0x10000},
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        if (table_has(&tables[i], inodes, n))
            return true;
    return false;
}

int st_schedstat(pid_t tid, uint64_t *running, uint64_t *waiting)
{
    char text[96];
    if (read_task(tid, "schedstat", text, sizeof(text)) <= 0)
        return -ENOENT;
    number(number(text, running, 10), waiting, 10);
    return 0;
}

char st_thread_state(pid_t tid)
{
    char text[512];
    if (read_task(tid, "stat", text, sizeof(text)) <= 0)
        return 0;
    const char *end = strrchr(text, ')'); /* the name may hold anything */
    return end && end[1] == ' ' ? end[2] : 0;
}

static bool field(const char *text, const char *key, unsigned base, uint64_t *v)
{
    const char *line = strstr(text, key);
    if (line)
        number(line + strlen(key), v, base);
    return line != NULL;
}

int st_thread_signals(pid_t tid, struct st_signals *out)
{
    char text[4096];
    uint64_t tracer, pending, shared;
    if (read_task(tid, "status", text, sizeof(text)) <= 0 ||
        !field(text, "\nTracerPid:", 10, &tracer) || !field(text, "\nSigPnd:", 16, &pending) ||
        !field(text, "\nShdPnd:", 16, &shared) || !field(text, "\nSigBlk:", 16, &out->blocked) ||
        !field(text, "\nSigIgn:", 16, &out->ignored) || !field(text, "\nSigCgt:", 16, &out->caught))
        return -ENOENT;
    out->pending = pending | shared;
    out->traced = tracer != 0;
    return 0;
}

/* The calls that threads sleep in; others are told by number. */
static const char *syscall_name(uint64_t n)
{
    static const struct {
        uint16_t number;
        const char *name;
    } names[] = {
        {SYS_read, "read"},
        {SYS_write, "write"},
        {SYS_poll, "poll"},
        {SYS_ppoll, "ppoll"},
        {SYS_select, "select"},
        {SYS_pselect6, "pselect6"},
        {SYS_epoll_wait, "epoll_wait"},
        {SYS_epoll_pwait, "epoll_pwait"},
        {SYS_futex, "futex"},
        {SYS_nanosleep, "nanosleep"},
        {SYS_clock_nanosleep, "clock_nanosleep"},
        {SYS_io_uring_enter, "io_uring_enter"},
        {SYS_wait4, "wait4"},
        {SYS_waitid, "waitid"},
        {SYS_connect, "connect"},
        {SYS_accept, "accept"},
        {SYS_accept4, "accept4"},
        {SYS_recvfrom, "recvfrom"},
        {SYS_recvmsg, "recvmsg"},
        {SYS_sendto, "sendto"},
        {SYS_sendmsg, "sendmsg"},
        {SYS_openat, "openat"},
        {SYS_open, "open"},
        {SYS_fsync, "fsync"},
        {SYS_fdatasync, "fdatasync"},
        {SYS_flock, "flock"},
        {SYS_fcntl, "fcntl"},
        {SYS_pread64, "pread64"},
        {SYS_pwrite64, "pwrite64"},
        {SYS_munmap, "munmap"},
        {SYS_mmap, "mmap"},
        {SYS_madvise, "madvise"},
        {SYS_msync, "msync"},
        {SYS_pause, "pause"},
        {SYS_clone, "clone"},
        {SYS_vfork, "vfork"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].number == n)
            return names[i].name;
    return NULL;
}

/* "running", "-1 SP PC" (asleep, in no system call) or "NR A1…A6 SP PC". */
int st_sleeping_in(pid_t tid, struct st_sleep *out)
{
    char text[256];
    memset(out, 0, sizeof(*out));
    if (read_task(tid, "wchan", out->wchan, sizeof(out->wchan)) <= 0 || out->wchan[0] == '0')
        out->wchan[0] = 0;
    if (read_task(tid, "syscall", text, sizeof(text)) <= 0)
        return out->wchan[0] ? 0 : -ENOENT;
    if (text[0] == 'r')
        return -EAGAIN;
    struct st_text t = {out->syscall, sizeof(out->syscall), 0};
    uint64_t v[9] = {0};
    const char *p = text;
    int n = 0;
    if (text[0] == '-') {
        p = strchr(text, ' ');
        n = 7;
    }
    for (; p && n < 9 && *p && *p != '\n'; n++)
        p = number(p, &v[n], n ? 16 : 10);
    out->sp = v[7];
    out->pc = v[8];
    if (text[0] != '-') {
        const char *name = syscall_name(v[0]);
        if (name)
            st_text_add(&t, name);
        else
            st_text_number(&t, v[0], 10, 1);
    }
    return 0;
}

/* The numbers after `key` in a text like /proc/PID/status; how many there were. */
static int numbers_after(const char *text, const char *key, uint32_t *v, int most)
{
    const char *p = strstr(text, key);
    int n = 0;
    if (!p)
        return 0;
    for (p += strlen(key); n < most && *p && *p != '\n';) {
        uint64_t x;
        while (*p == ' ' || *p == '\t')
            p++;
        if (*p < '0' || *p > '9')
            break;
        p = number(p, &x, 10);
        v[n++] = (uint32_t)x;
    }
    return n;
}

void st_follow_ids(pid_t tid)
{
    char text[4096];
    uint32_t uid[4], gid[4], groups[64];
    if (read_task(tid, "status", text, sizeof(text)) <= 0)
        return;
    if (numbers_after(text, "\nUid:", uid, 4) != 4 || numbers_after(text, "\nGid:", gid, 4) != 4)
        return;
    int n = numbers_after(text, "\nGroups:", groups, 64);
    /* raw: libc's would tell all threads. Groups first, while that is still allowed. */
    syscall(SYS_setgroups, n, groups);
    syscall(SYS_setresgid, gid[0], gid[1], gid[2]);
    syscall(SYS_setresuid, uid[0], uid[1], uid[2]);
}

uint64_t st_throttled_ns(void)
{
    static char path[512];
    static pid_t found_for;
    char text[2048];
    uint64_t usec = 0;
    if (found_for != getpid()) {
        found_for = getpid();
        struct st_text t = {path, sizeof(path), 0};
        path[0] = 0;
        st_text_add(&t, "/sys/fs/cgroup");
        if (read_path("/proc/self/cgroup", text, sizeof(text)) > 0) {
            const char *unified = strstr(text, "0::");
            for (const char *p = unified ? unified + 3 : "\n"; *p && *p != '\n'; p++)
                st_text_char(&t, *p);
        }
        st_text_add(&t, "/cpu.stat");
        if (read_path(path, text, sizeof(text)) <= 0)
            path[0] = 0;
    }
    if (!path[0] || read_path(path, text, sizeof(text)) <= 0)
        return 0;
    const char *line = strstr(text, "throttled_usec");
    if (line)
        number(line + 14, &usec, 10);
    return usec * 1000;
}

size_t st_own_exe(char *path, size_t size)
{
    long n = syscall(SYS_readlink, "/proc/self/exe", path, size - 1);
    if (n <= 0) { /* /proc is not mounted */
        const char *name = (const char *)getauxval(AT_EXECFN);
        n = name && name[0] == '/' && strlen(name) < size ? (long)strlen(name) : 0;
        memcpy(path, name, (size_t)n);
    }
    path[n] = 0;
    return (size_t)n;
}
