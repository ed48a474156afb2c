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

#include "announce.h"
#include "model/losses.h"

struct live {
    char *directory;
    struct model *model;
    int inotify_fd;
    struct map traces;           /* hash of the file's name → struct trace */
    struct announcer *announcer; /* or NULL */
    const char *run;             /* whose traces count; NULL: all */
    bool shared;                 /* other users' processes are its, too */
};

/* Another user's file is none of the run's, whatever it says; root's may be (setuid, sudo). */
static bool may_be_ours(const struct live *live, const struct trace *trace)
{
    struct stat st;
    return live->run == NULL || live->shared || fstat(trace->fd, &st) != 0 || st.st_uid == 0 ||
           st.st_uid == geteuid();
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
        trace->only_run = live->run;
        if (!may_be_ours(live, trace))
            trace->state = TRACE_OTHER_RUN;
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

struct live *live_start(const char *directory, struct model *model, bool print, const char *run,
                        bool shared)
{
    if (access(directory, R_OK | X_OK) != 0)
        return NULL;
    struct live *live = mem_calloc(1, sizeof(*live));
    live->directory = mem_strdup(directory);
    live->run = run != NULL ? intern(run) : NULL;
    live->shared = shared;
    live->model = model;
    live->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (live->inotify_fd >= 0 &&
        inotify_add_watch(live->inotify_fd, directory, IN_CREATE | IN_MODIFY | IN_MOVED_TO) < 0) {
        close(live->inotify_fd);
        live->inotify_fd = -1;
    }
    live->announcer = print ? announcer_new(model) : NULL;
    return live;
}

int live_fd(const struct live *live)
{
    return live->inotify_fd;
}

int live_timeout(const struct live *live)
{
    enum { FALLBACK_MS = 50 };
    int timeout = live->announcer != NULL ? announcer_timeout(live->announcer) : -1;
    if (live->inotify_fd < 0 && (timeout < 0 || timeout > FALLBACK_MS))
        timeout = FALLBACK_MS;
    return timeout;
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
    if (live->announcer != NULL && !all)
        announcer_tick(live->announcer);
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
            char *problem = trace_problem(trace);
            if (trace->state != TRACE_OTHER_RUN)
                note_unread(live->model, trace->path, problem, trace_is_lost(trace));
            free(problem);
            trace_free(trace);
            continue;
        }
        trace_finish(trace, &sink);
        trace_release(trace);
        model_add_trace(live->model, trace);
    }
    if (live->model->trace_count > 0)
        qsort(live->model->traces, live->model->trace_count, sizeof(struct trace *), by_start);
    announcer_free(live->announcer);
    model_sort(live->model);
    if (live->inotify_fd >= 0)
        close(live->inotify_fd);
    map_free(&live->traces, NULL);
    free(live->directory);
    free(live);
}
