/* Other processes that a call waits for: a child, or who holds a lock on a file. All of it is read
 * from /proc while the call lasts: afterwards the child is gone. */
#include "agent/agent.h"
#include "agent/base/memory.h"
#include "agent/base/redact.h"
#include "agent/base/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

static bool read_of(pid_t pid, const char *file, char *out, size_t size)
{
    char path[48] = "";
    struct st_text t = {path, sizeof(path), 0};
    st_text_add(&t, "/proc/");
    st_text_number(&t, (uint64_t)pid, 10, 1);
    st_text_add(&t, file);
    return st_read_text(path, out, size);
}

/* An argument; with hashes, the program's last name stays, as its `comm` does. */
void st_add_argument(struct st_text *t, struct st_redactor *r, const char *s, size_t n, bool first)
{
    const struct st_settings *settings = st_shared->settings;
    if (!settings->redact) {
        st_redact_argument(r, s, n, t);
    } else if (!first) {
        st_hash_text(s, n, settings->run, t);
    } else {
        size_t from = n;
        while (from > 0 && s[from - 1] != '/')
            from--;
        for (; from < n; from++)
            st_text_char(t, s[from]);
    }
}

/* Its command line, as far as it is short. */
static void add_command_line(struct st_text *t, const char *args, size_t n)
{
    enum { ENOUGH = 80 };
    static char text[4096];
    struct st_text line = {text, sizeof(text), 0};
    struct st_redactor r = {NULL, ST_NEXT_ANY};
    text[0] = 0;
    for (size_t i = 0, len; i < n; i += len + 1) {
        len = strnlen(args + i, n - i);
        if (i > 0)
            st_text_char(&line, ' ');
        st_add_argument(&line, &r, args + i, len, i == 0);
    }
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = ' ';
    if (line.len > ENOUGH)
        memcpy(text + ENOUGH - 3, "...", 4);
    st_text_add(t, text);
}

/* What it was started with, or what the kernel calls it. */
static void add_command(struct st_text *t, pid_t pid, bool arguments)
{
    static char text[1024];
    memset(text, 0, sizeof(text));
    bool line = arguments && read_of(pid, "/cmdline", text, sizeof(text));
    if (!line && !read_of(pid, "/comm", text, sizeof(text)))
        return;
    size_t n = sizeof(text) - 1;
    while (n > 0 && !text[n - 1])
        n--;
    if (!line)
        text[strcspn(text, "\n")] = 0;
    st_text_add(t, " (");
    if (line)
        add_command_line(t, text, n);
    else
        st_text_add(t, text);
    st_text_char(t, ')');
}

void st_process_name(pid_t pid, char *out, size_t size)
{
    if (!read_of(pid, "/comm", out, size))
        out[0] = 0;
    out[strcspn(out, "\n")] = 0;
}

void st_add_process(struct st_text *t, const char *what, pid_t pid, bool child)
{
    st_text_add(t, what);
    st_text_number(t, (uint64_t)pid, 10, 1);
    add_command(t, pid, child);
}

static uint64_t number_at(const char **p)
{
    uint64_t v = 0;
    while (**p == ' ')
        ++*p;
    for (; **p >= '0' && **p <= '9' && v < UINT64_MAX / 16; ++*p)
        v = v * 10 + (uint64_t)(**p - '0');
    return v;
}

/* When it began, in ns of the boot's clock; 0: it has ended, or cannot be read. */
static uint64_t began_ns(pid_t pid)
{
    enum { FIELDS = 19, TICK_NS = 10000000 }; /* state is the third, starttime the 22nd */
    static char text[1024];
    if (!read_of(pid, "/stat", text, sizeof(text)))
        return 0;
    const char *p = strrchr(text, ')');
    if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
        return 0;
    p += 2;
    for (int i = 0; i < FIELDS && p; i++)
        p = strchr(p + 1, ' ');
    return p ? number_at(&p) * TICK_NS : 0;
}

/* The youngest child of the thread that still runs and was started in this iteration; 0: none. */
static pid_t child_of(const struct st_slot *s)
{
    enum { DOUBT_NS = 20000000 }; /* starts are counted in 10 ms */
    static char text[4096];
    char path[64] = "";
    struct st_text t = {path, sizeof(path), 0};
    struct timespec now = {0, 0};
    uint64_t t0 = *(const volatile uint64_t *)&s->iter_t0;
    pid_t child = 0;
    st_text_add(&t, "/proc/self/task/");
    st_text_number(&t, (uint64_t)s->tid, 10, 1);
    st_text_add(&t, "/children");
    if (!st_read_text(path, text, sizeof(text)))
        return 0;
    syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
    uint64_t age = t0 ? st_ticks_to_ns(st_ticks_now() - t0) + DOUBT_NS : 0;
    uint64_t since = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    since = t0 && age < since ? since - age : 0;
    for (const char *p = text; *p >= '0' && *p <= '9'; p += *p == ' ') {
        pid_t pid = (pid_t)number_at(&p);
        uint64_t began = began_ns(pid);
        if (began && began >= since)
            child = pid;
    }
    return child;
}

/* What /proc says of a pidfd. */
static pid_t pid_of_pidfd(int fd)
{
    static char text[512];
    char path[48] = "";
    struct st_text t = {path, sizeof(path), 0};
    st_text_add(&t, "/proc/self/fdinfo/");
    st_text_number(&t, (unsigned)fd, 10, 1);
    const char *p =
        fd >= 0 && st_read_text(path, text, sizeof(text)) ? strstr(text, "\nPid:") : NULL;
    if (!p)
        return 0;
    for (p += 5; *p == '\t'; p++)
        ;
    return (pid_t)number_at(&p);
}

static void add_child(struct st_text *t, const struct st_slot *s, const uint64_t *args)
{
    enum { BY_PIDFD = 3 };
    pid_t pid = (pid_t)args[0];
    if (pid > 0 && args[2] == BY_PIDFD) {
        if ((pid = pid_of_pidfd(pid)) > 0)
            st_add_process(t, ", pid ", pid, true);
    } else if (pid > 0 && args[2] != P_PGID) {
        add_command(t, pid, true);
    } else if ((pid = child_of(s)) > 0) {
        st_add_process(t, ", pid ", pid, true);
    }
}

/* A lock's line: "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; one that waits has "->". */
static pid_t holder_in(const char *line, const char *kind, const char *file)
{
    const char *end = strchr(line, '\n'), *p = strstr(line, ": "), *at;
    if (!p || (end && p > end) || !strncmp(p, ": ->", 4))
        return 0;
    p += 2;
    bool flock = !strncmp(p, "FLOCK", 5);
    if (flock != !strcmp(kind, "flock"))
        return 0;
    at = strstr(p, file);
    if (!at || (end && at > end))
        return 0;
    while (at > p && at[-1] != ' ')
        at--;
    while (at > p && at[-1] == ' ')
        at--;
    while (at > p && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return (pid_t)number_at(&at);
}

static void add_lock_holder(struct st_text *t, int fd, const char *kind, struct st_held *held)
{
    static char text[32768];
    char path[48] = "", file[64] = "";
    struct st_text p = {path, sizeof(path), 0}, f = {file, sizeof(file), 0};
    struct stat st;
    st_text_add(&p, "/proc/self/fd/");
    st_text_number(&p, (unsigned)fd, 10, 1);
    if (fd < 0 || syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0 ||
        !st_read_text("/proc/locks", text, sizeof(text)))
        return;
    st_text_char(&f, ':'); /* the device is another's in overlays: the inode has to do */
    st_text_number(&f, st.st_ino, 10, 1);
    st_text_char(&f, ' ');
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        pid_t pid = holder_in(line, kind, file);
        if (pid <= 0)
            continue;
        if (pid == getpid())
            st_text_add(t, ", held by this process");
        else
            st_add_process(t, ", held by pid ", pid, false);
        st_held_by_process(held, pid);
        return;
    }
}

void st_add_other(struct st_text *t, const struct st_slot *s, const struct st_what *what,
                  const struct st_call *call, const uint64_t *args, struct st_held *held)
{
    if (call->rule == ST_RULE_CHILD)
        add_child(t, s, args);
    if (call->rule == ST_RULE_FLOCK)
        add_lock_holder(t, (int)args[0], call->name, held);
    /* what a child writes, without a timeout: subprocess.check_output */
    bool reads = what->kind == ST_WHAT_LINK && !strncmp(what->bytes, "pipe:", 5) &&
                 !strncmp(call->name, "read", 4);
    if (!reads && (!st_waits_for_any(call) || what->kind == ST_WHAT_SOCKET || !args[1]))
        return;
    int fd = -1;
    pid_t pid = 0;
    if (call->rule == ST_RULE_POLL && args[1] == 1 && !strcmp(what->bytes, "anon_inode:[pidfd]") &&
        st_mem_read(args[2], &fd, sizeof(fd)) == 0)
        pid = pid_of_pidfd(fd);
    if (pid > 0 || (pid = child_of(s)) > 0)
        st_add_process(t, ", child pid ", held->child = pid, true);
}
