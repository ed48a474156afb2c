/* One trial: the bracket around the call, the helpers that end its wait, and what it reports. */
#include "trial.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the call ---------------------------------------------------------------------------------*/

/* Outside of the bracket nothing is a finding, so that the trace has the call and nothing else. */
void call_begins(struct trial *t)
{
    if (t->called)
        fail(t, "the body makes two calls");
    STALLTRACE_ALLOW_END();
    t->began_ns = now_ns();
    atomic_store(&t->calling, 1);
}

void call_ended(struct trial *t, long result, int error)
{
    atomic_store(&t->calling, 0);
    t->elapsed_ns = now_ns() - t->began_ns;
    STALLTRACE_ALLOW_BEGIN("selftest");
    t->called = true;
    t->result = result;
    t->error = error == ERRNO_BEFORE ? 0 : error;
    enum { LEAST_NS = (WAIT_MS - 2) * 1000000 };
    if (!t->hang && t->row->test->kind >= TIMED && t->elapsed_ns < LEAST_NS)
        fail(t, "it did not wait: %llu us", (unsigned long long)t->elapsed_ns / 1000);
}

/* ---- in a child -------------------------------------------------------------------------------*/

struct answer {
    long result;
    int error;
};

/* True in the child. */
bool child_begins(struct trial *t)
{
    if (pipe2(t->answer, O_CLOEXEC) != 0) {
        fail(t, "pipe2: %s", strerror(errno));
        t->forked = -1;
        return false;
    }
    keep_fd(t, t->answer[0]);
    t->forked = fork();
    if (t->forked != 0)
        return false;
    STALLTRACE_LOOP_BEGIN(NULL); /* its thread has its parent's name, that of the row */
    STALLTRACE_FLUSH();
    return true;
}

_Noreturn void child_returned(struct trial *t, long result, int error)
{
    struct answer answer = {result, error == ERRNO_BEFORE ? 0 : error};
    STALLTRACE_ALLOW_BEGIN("selftest");
    if (write(t->answer[1], &answer, sizeof(answer)) < 0)
        _exit(98);
    _exit(99);
}

void child_ended(struct trial *t)
{
    struct answer answer;
    int status = 0;
    if (t->forked < 0)
        return;
    close(t->answer[1]);
    ssize_t n = read(t->answer[0], &answer, sizeof(answer));
    while (waitpid(t->forked, &status, 0) < 0 && errno == EINTR)
        ;
    t->called = true;
    if (n == (ssize_t)sizeof(answer)) {
        t->result = answer.result;
        t->error = answer.error;
    } else {
        t->result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        t->error = -1;
    }
}

/* ---- what ends a wait -------------------------------------------------------------------------*/

/* The state of the trial's thread: 'S' or 'D' when it sleeps in the kernel. */
static bool asleep(const struct trial *t)
{
    char path[64], line[256];
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)t->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = 0;
    const char *state = strrchr(line, ')'); /* behind the name, which may hold anything */
    return state && (state[2] == 'S' || state[2] == 'D');
}

static void nap_ms(long ms)
{
    struct timespec nap = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&nap, NULL);
}

/* Returns when the call has waited for as long as it should. Seen from outside, so that it holds on
 * a busy machine, too. Not for ever: a call that does not wait is found out by its duration. */
static void until_it_waits(struct trial *t)
{
    enum { PATIENCE = 2000 };
    int looks = 0;
    for (int ms = 0; looks < 2 && ms < PATIENCE; ms++) {
        looks = atomic_load(&t->calling) && asleep(t) ? looks + 1 : 0;
        nap_ms(1);
    }
    char byte;
    if (t->hang)
        while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
            ;
    else
        nap_ms(WAIT_MS);
}

static void *help(void *argument)
{
    struct helper *h = argument;
    h->tid = own_tid();
    if (h->hold)
        h->hold(h->argument);
    sem_post(&h->ready);
    until_it_waits(h->trial);
    h->action(h->argument);
    return NULL;
}

static struct helper *add_helper(struct trial *t)
{
    if (t->helper_count == MAX_HELPERS) {
        fail(t, "too many helpers");
        return NULL;
    }
    struct helper *h = &t->helpers[t->helper_count];
    h->trial = t;
    return h;
}

static void start_helper(struct trial *t, struct helper *h)
{
    sigset_t all, before;
    sem_init(&h->ready, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a body's signal is for the trial's thread */
    int error = pthread_create(&h->thread, NULL, help, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        fail(t, "pthread_create: %s", strerror(error));
        return;
    }
    t->helper_count++;
    while (sem_wait(&h->ready) != 0)
        ;
}

void release_by(struct trial *t, void (*action)(void *), void *argument)
{
    struct helper *h = add_helper(t);
    if (!h)
        return;
    h->action = action;
    h->argument = argument;
    start_helper(t, h);
}

pid_t hold_until(struct trial *t, void (*hold)(void *), void (*let)(void *), void *argument)
{
    struct helper *h = add_helper(t);
    if (!h)
        return 0;
    h->hold = hold;
    h->action = let;
    h->argument = argument;
    start_helper(t, h);
    return h->tid;
}

static void write_text(void *helper)
{
    struct helper *h = helper;
    if (write(h->fd, h->text, strlen(h->text)) < 0)
        fail(h->trial, "the helper's write: %s", strerror(errno));
}

/* Nonblocking, and until the writer is through: it may want to write more than fits at once. */
static void drain(void *helper)
{
    struct helper *h = helper;
    static char buf[65536];
    fcntl(h->fd, F_SETFL, fcntl(h->fd, F_GETFL) | O_NONBLOCK);
    while (atomic_load(&h->trial->calling)) {
        ssize_t n = read(h->fd, buf, sizeof(buf));
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
        if (n < 0)
            nap_ms(1);
    }
}

void write_later(struct trial *t, int fd, const char *text)
{
    struct helper *h = add_helper(t);
    if (!h)
        return;
    h->fd = fd;
    h->text = text;
    h->action = write_text;
    h->argument = h;
    start_helper(t, h);
}

void drain_later(struct trial *t, int fd)
{
    struct helper *h = add_helper(t);
    if (!h)
        return;
    h->fd = fd;
    h->action = drain;
    h->argument = h;
    start_helper(t, h);
}

/* ---- what a body says -------------------------------------------------------------------------*/

/* The first reason counts: what follows is its consequence. */
void fail(struct trial *t, const char *format, ...)
{
    va_list args;
    if (t->failed)
        return;
    t->failed = true;
    va_start(args, format);
    vsnprintf(t->reason, sizeof(t->reason), format, args);
    va_end(args);
}

void result_is(struct trial *t, long result)
{
    t->result = result;
}

void result_is_fd(struct trial *t)
{
    if (t->result > 0)
        t->result = 0;
}

static void add_digest(struct trial *t, const char *text)
{
    size_t n = strlen(t->digest);
    snprintf(t->digest + n, sizeof(t->digest) - n, "%s%s", n ? "," : "", text);
}

void digest_number(struct trial *t, long long value)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", value);
    add_digest(t, text);
}

/* A short word is shown as it is; anything else as a hash (FNV-1a). */
void digest_data(struct trial *t, const void *data, size_t n)
{
    const unsigned char *p = data;
    char text[64];
    bool plain = n > 0 && n < 40;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        plain = plain && p[i] > ' ' && p[i] < 127 && p[i] != ',';
        hash = (hash ^ p[i]) * 0x100000001b3u;
    }
    if (plain)
        snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)data);
    else
        snprintf(text, sizeof(text), "%zu:%016llx", n, (unsigned long long)hash);
    add_digest(t, text);
}

void digest_text(struct trial *t, const char *text)
{
    if (text)
        digest_data(t, text, strlen(text));
    else
        add_digest(t, "NULL");
}

void expect(struct trial *t, int class, const char *format, ...)
{
    va_list args;
    t->class = class;
    va_start(args, format);
    vsnprintf(t->detail, sizeof(t->detail), format, args);
    va_end(args);
    if (t->details) {
        printf("expect %s %s %s\n", t->row->symbol, class_names[class], t->detail);
        fflush(stdout);
    }
}

bool hangs(const struct trial *t)
{
    return t->hang;
}

void skip(struct trial *t, const char *reason)
{
    t->called = t->skipped = true;
    snprintf(t->reason, sizeof(t->reason), "%s: %s", reason, strerror(errno));
}
