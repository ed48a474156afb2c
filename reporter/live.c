/* See live.h. One inotify watch on the directory; each trace is read on from where it was left. */
#define _GNU_SOURCE
#include "live.h"

#include <dirent.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "describe.h"
#include "output.h"

struct live {
    char *directory;
    struct model *model;
    int inotify_fd;
    bool color;
    struct map traces;    /* hash of the file's name → struct trace */
    struct map announced; /* hash of trace and stall → the stall's elapsed time then (+1) */
    struct map known;     /* fingerprints of iterations that have had their line */
};

static uint64_t stall_key(const struct trace *trace, const struct stall *stall)
{
    uint64_t key = hash_bytes(HASH_SEED, &trace, sizeof(struct trace *));
    return hash_bytes(key, &stall->id, sizeof(stall->id));
}

static void print_line(const struct live *live, const char *headline, uint64_t ns,
                       const struct finding *finding, const struct trace *trace,
                       const struct stall *stall)
{
    struct strbuf line = {0};
    sb_add(&line, "stalltrace: ");
    sb_add(&line, live->color ? "\033[1;31m" : "");
    sb_add(&line, headline);
    sb_add(&line, " ");
    describe_duration(&line, ns);
    if (over_budget(live->model, ns)) {
        sb_add(&line, " OVER BUDGET of ");
        describe_duration(&line, live->model->budget_ns);
    }
    sb_add(&line, live->color ? "\033[0m" : "");
    const struct stack_view *view = finding->view;
    if (stall->kind == STALL_CALL) {
        sb_add(&line, "  ");
        describe_cause(&line, stall->call, stall->detail, view);
    } else if (finding->detail != NULL) {
        sb_add(&line, "  ");
        sb_add_clean(&line, finding->detail);
    }
    if (view->culprit >= 0) {
        sb_add(&line, live->color ? "  at \033[1m" : "  at ");
        describe_frame(&line, &view->frames[view->culprit]);
        sb_add(&line, live->color ? "\033[0m" : "");
    }
    sb_add(&line, live->color ? "  \033[2m[" : "  [");
    const char *name = stall->loop != NULL ? stall->loop->name : base_name(trace->exe);
    sb_add_clean(&line, name);
    sb_addf(&line, " pid %lld]%s\n", (long long)trace->pid, live->color ? "\033[0m" : "");
    if (!output_is_utf8())
        text_to_ascii(&line);
    (void)write_all(STDERR_FILENO, line.data, line.len);
    sb_free(&line);
}

/* Once for each finding, but an iteration's finding is only settled at its end: it counts as
 * announced under the preliminary fingerprint and under the final one. */
static bool is_known_iteration(struct live *live, const struct finding *finding)
{
    uint64_t key = strtoull(finding->fingerprint, NULL, 16);
    if (map_get(&live->known, key) != NULL)
        return true;
    map_put(&live->known, key, live);
    return false;
}

static void on_stall(void *ctx, const struct finding *finding, const struct trace *trace,
                     const struct stall *stall, bool is_new)
{
    struct live *live = ctx;
    bool is_iteration = stall->kind == STALL_ITERATION;
    if (!is_new || finding->suppressed_by != NULL)
        return;
    if (is_iteration && is_known_iteration(live, finding))
        return;
    if (stall->ended) {
        print_line(live, is_iteration ? "SLOW ITERATION" : "BLOCKED", stall->elapsed_ns, finding,
                   trace, stall);
        return;
    }
    print_line(live, is_iteration ? "SLOW ITERATION, so far" : "STILL BLOCKED after",
               stall->elapsed_ns, finding, trace, stall);
    uint64_t key = stall_key(trace, stall);
    map_put(&live->announced, key, (void *)(uintptr_t)(stall->elapsed_ns + 1));
}

/* A second line only where the first one said too little: the stall went on for much longer, or
 * past the budget. */
static void on_stall_end(void *ctx, const struct finding *finding, const struct trace *trace,
                         const struct stall *stall)
{
    struct live *live = ctx;
    bool is_iteration = stall->kind == STALL_ITERATION;
    uint64_t announced = (uint64_t)(uintptr_t)map_get(&live->announced, stall_key(trace, stall));
    if (is_iteration && finding->suppressed_by == NULL && !is_known_iteration(live, finding) &&
        announced == 0) {
        print_line(live, "SLOW ITERATION", stall->elapsed_ns, finding, trace, stall);
        return;
    }
    if (!stall->ended || announced == 0)
        return;
    bool past_budget =
        over_budget(live->model, stall->elapsed_ns) && !over_budget(live->model, announced - 1);
    if (stall->elapsed_ns / 2 > announced || past_budget)
        print_line(live, is_iteration ? "ITERATION ENDED after" : "UNBLOCKED after",
                   stall->elapsed_ns, finding, trace, stall);
}

static void read_name(struct live *live, const char *name)
{
    if (!ends_with(name, ".jsonl") || name[0] == '.')
        return;
    uint64_t key = hash_bytes(HASH_SEED, name, strlen(name));
    struct trace *trace = map_get(&live->traces, key);
    if (trace == NULL) {
        char *path = mem_printf("%s/%s", live->directory, name);
        struct stat st;
        int result = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? trace_open(&trace, path) : -EIO;
        free(path);
        if (result < 0)
            return;
        map_put(&live->traces, key, trace);
    }
    struct trace_sink sink = model_sink(live->model);
    (void)trace_read(trace, &sink);
}

static void read_all(struct live *live)
{
    DIR *dir = opendir(live->directory);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        read_name(live, entry->d_name);
    if (dir != NULL)
        closedir(dir);
}

struct live *live_start(const char *directory, struct model *model, bool print)
{
    if (access(directory, R_OK | X_OK) != 0)
        return NULL;
    struct live *live = mem_calloc(1, sizeof(*live));
    live->directory = mem_strdup(directory);
    live->model = model;
    live->color = output_wants_color(STDERR_FILENO);
    live->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (live->inotify_fd >= 0 &&
        inotify_add_watch(live->inotify_fd, directory, IN_CREATE | IN_MODIFY | IN_MOVED_TO) < 0) {
        close(live->inotify_fd);
        live->inotify_fd = -1;
    }
    if (print) {
        model->on_stall = on_stall;
        model->on_stall_end = on_stall_end;
        model->ctx = live;
    }
    return live;
}

int live_fd(const struct live *live)
{
    return live->inotify_fd;
}

void live_read(struct live *live, bool all)
{
    alignas(struct inotify_event) char buffer[8192];
    ssize_t got;
    bool overflow = all || live->inotify_fd < 0;
    while (live->inotify_fd >= 0 && (got = read(live->inotify_fd, buffer, sizeof(buffer))) > 0) {
        for (const char *at = buffer; at < buffer + got;) {
            const struct inotify_event *event = (const void *)at;
            if (event->mask & IN_Q_OVERFLOW)
                overflow = true;
            else if (event->len > 0)
                read_name(live, event->name);
            at += sizeof(*event) + event->len;
        }
    }
    if (overflow)
        read_all(live);
}

static int by_start(const void *left, const void *right)
{
    const struct trace *a = *(struct trace *const *)left, *b = *(struct trace *const *)right;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return strcmp(a->path, b->path);
}

void live_finish(struct live *live)
{
    live_read(live, true);
    struct trace_sink sink = model_sink(live->model);
    for (size_t i = 0; i < live->traces.cap; i++) {
        struct trace *trace = live->traces.values[i];
        if (trace == NULL)
            continue;
        if (trace->state != TRACE_GOOD) {
            trace_free(trace);
            continue;
        }
        trace_finish(trace, &sink);
        trace_release(trace);
        model_add_trace(live->model, trace);
    }
    if (live->model->trace_count > 0)
        qsort(live->model->traces, live->model->trace_count, sizeof(struct trace *), by_start);
    live->model->on_stall = NULL;
    live->model->on_stall_end = NULL;
    model_sort(live->model);
    if (live->inotify_fd >= 0)
        close(live->inotify_fd);
    map_free(&live->traces, NULL);
    map_free(&live->announced, NULL);
    map_free(&live->known, NULL);
    free(live->directory);
    free(live);
}
