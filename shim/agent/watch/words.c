/* What a call waits for, in words. */
#include "agent/agent.h"
#include "agent/base/memory.h"
#include "agent/base/redact.h"
#include "agent/base/text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/un.h>

bool st_read_text(const char *path, char *out, size_t size)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t used = 0;
    for (long n = 1; fd >= 0 && n > 0 && used + 1 < size; used += n > 0 ? (size_t)n : 0)
        n = syscall(SYS_read, fd, out + used, size - 1 - used);
    if (fd >= 0)
        syscall(SYS_close, fd);
    out[used] = 0;
    return used > 0;
}

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

/* What stands in a trace as it is, unless hashes were asked for. */
static void add_private(struct st_text *t, const char *s, size_t n)
{
    if (st_shared->settings->redact)
        st_hash_text(s, n, st_shared->settings->run, t);
    else
        st_redact_name(s, n, t);
}

static void add_ip(struct st_text *t, int family, const void *address, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    if (!inet_ntop(family, address, text, sizeof(text)))
        return;
    bool brackets = family == AF_INET6 && !st_shared->settings->redact;
    if (brackets)
        st_text_char(t, '[');
    add_private(t, text, strlen(text));
    if (brackets)
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
        size_t from = n && path[0] == 0 ? 1 : 0;
        if (n)
            add_private(t, path + from, strnlen(path + from, n - from));
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

/* A lock that processes share may be another's. */
static void add_lock_owner(struct st_text *t, pid_t tid)
{
    char name[32];
    st_thread_name(tid, name, sizeof(name));
    if (name[0])
        st_add_thread(t, "held by thread ", tid);
    else
        st_add_process(t, "held by pid ", tid, false);
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

/* A path, a host, or a command. */
static void add_name(struct st_text *t, const struct st_what *w, const struct st_call *c)
{
    if (c->class == ST_PROCESS && !st_shared->settings->redact)
        st_redact_command(w->bytes, strlen(w->bytes), t);
    else
        add_private(t, w->bytes, strlen(w->bytes));
}

void st_what_text(const struct st_what *w, const struct st_call *c, char *out, size_t size)
{
    struct st_text t = {out, size, 0};
    uint64_t words[2], thread;
    pid_t holder;
    out[0] = 0;
    switch (w->kind) {
    case ST_WHAT_TEXT:
        add_name(&t, w, c);
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
            if (!strncmp(w->bytes, "pipe:", 5))
                st_text_add(&t, "pipe");
            else
                add_private(&t, w->bytes, strlen(w->bytes));
        }
        break;
    case ST_WHAT_WORDS:
        memcpy(words, w->bytes, sizeof(words));
        holder = st_holder_of(w, c, &thread);
        if (holder)
            add_lock_owner(&t, holder);
        add_words(&t, c, words[0], words[1]);
        break;
    default:
        break;
    }
    if (w->others && st_waits_for_any(c) && w->kind != ST_WHAT_WORDS) {
        st_text_add(&t, " and ");
        st_text_number(&t, w->others, 10, 1);
        st_text_add(&t, " more");
    }
}
