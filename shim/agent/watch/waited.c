/* What a call waits for as data, beside the words for people: of which kind it is, and who holds
 * it.
 */
#include "agent/agent.h"

#include <string.h>

static const char *kind_of_link(const struct st_what *w)
{
    static const struct {
        const char *link, *kind;
    } links[] = {{"pipe:", "pipe"},
                 {"anon_inode:[pidfd]", "child"},
                 {"anon_inode:[timerfd]", "time"},
                 {"anon_inode:", "event"}};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (!strncmp(w->bytes, links[i].link, strlen(links[i].link)))
            return links[i].kind;
    switch (w->class) {
    case ST_TTY:
        return "terminal";
    case ST_NET:
        return "socket";
    case ST_IPC:
        return "pipe"; /* one with a name */
    default:
        return "file";
    }
}

/* Of a call that waits for what is no descriptor. */
static const char *kind_of_rule(const struct st_what *w, const struct st_call *c)
{
    uint64_t word = 0;
    switch ((enum st_rule)c->rule) {
    case ST_RULE_SECONDS:
    case ST_RULE_USECONDS:
    case ST_RULE_TIMESPEC:
    case ST_RULE_TIMEOUT:
    case ST_RULE_WAIT:
    case ST_RULE_SELECT:
    case ST_RULE_POLL:
        return "time";
    case ST_RULE_HOST:
    case ST_RULE_ADDRESS:
    case ST_RULE_LIST:
        return "host";
    case ST_RULE_CHILD:
        return "child";
    case ST_RULE_COMMAND:
    case ST_RULE_SPAWN:
        return "command";
    case ST_RULE_THREAD:
        return "thread";
    case ST_RULE_MUTEX:
    case ST_RULE_SEMAPHORE:
    case ST_RULE_SEMOP:
    case ST_RULE_FUTEX:
        return "lock";
    case ST_RULE_COND:
        if (w->kind == ST_WHAT_WORDS)
            memcpy(&word, w->bytes, sizeof(word));
        return word && st_is_gil(c, word) ? "gil" : "condition";
    case ST_RULE_BARRIER:
        return "barrier";
    case ST_RULE_QUEUE:
    case ST_RULE_MQ:
        return "queue";
    default:
        return NULL;
    }
}

static const char *kind_of_class(unsigned class)
{
    switch (class) {
    case ST_SLEEP:
        return "time";
    case ST_DNS:
        return "host";
    case ST_FILE:
    case ST_META:
    case ST_SYNC:
    case ST_STDIO:
        return "file";
    case ST_LOCK:
        return "lock";
    case ST_PROCESS:
        return "command";
    case ST_NET:
        return "socket";
    case ST_TTY:
        return "terminal";
    default:
        return NULL;
    }
}

const char *st_wait_kind(const struct st_what *w, const struct st_call *c)
{
    const char *kind = c->rule == ST_RULE_FLOCK ? "lock" : NULL;
    if (!kind && w->kind == ST_WHAT_SOCKET)
        kind = "socket";
    else if (!kind && w->kind == ST_WHAT_LINK)
        kind = kind_of_link(w);
    else if (!kind)
        kind = kind_of_rule(w, c);
    return kind ? kind : kind_of_class(c->class < ST_CLASS_COUNT ? c->class : w->class);
}

void st_held_by_thread(struct st_held *held, pid_t tid)
{
    st_thread_name(tid, held->name, sizeof(held->name));
    if (!held->name[0]) { /* a lock that processes share */
        st_held_by_process(held, tid);
        return;
    }
    held->pid = getpid();
    held->tid = tid;
}

void st_held_by_process(struct st_held *held, pid_t pid)
{
    held->pid = pid;
    held->tid = 0;
    st_process_name(pid, held->name, sizeof(held->name));
}
