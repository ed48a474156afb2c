/* See run_page.h. */
#define _GNU_SOURCE
#include "run_page.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#include "common/run_page.h"
#include "model/losses.h"
#include "util/json_writer.h"
#include "util/version.h"

/* It is marked for removal at once: Linux lets it be attached as long as somebody has it. */
static struct st_run_page *make_page(int *number, bool shared)
{
    *number = shmget(IPC_PRIVATE, sizeof(struct st_run_page), IPC_CREAT | (shared ? 0666 : 0600));
    void *at = *number >= 0 ? shmat(*number, NULL, 0) : (void *)-1;
    if (*number >= 0)
        shmctl(*number, IPC_RMID, NULL);
    return at != (void *)-1 ? at : NULL;
}

char *run_page_make(struct st_run_page **page, const char *outer, bool shared)
{
    uint64_t random = 0;
    int number = -1;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint64_t)time(NULL) << 32 | (uint32_t)getpid();
    *page = make_page(&number, shared);
    char *own = *page != NULL ? mem_printf("%016" PRIx64 "-%x", random, (unsigned)number)
                              : mem_printf("%016" PRIx64, random);
    if (*page != NULL)
        snprintf((*page)->id, sizeof((*page)->id), "%s", own);
    if (outer == NULL || strlen(outer) + strlen(own) > 70) /* what the probe has room for */
        return own;
    char *both = mem_printf("%s.%s", outer, own);
    free(own);
    return both;
}

static void describe(struct strbuf *out, const struct st_untraced *process, uint64_t now_ns,
                     const char *run)
{
    char host[HOST_NAME_MAX + 1] = "";
    const char *redact = getenv("STALLTRACE_REDACT");
    bool in_clear = redact == NULL || strcmp(redact, "1") != 0;
    if (!in_clear || gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    struct json_writer w = {.out = out};
    json_begin_object(&w, NULL);
    json_string(&w, "type", "process");
    json_string(&w, "format", TRACE_FORMAT);
    json_string(&w, "version", STALLTRACE_VERSION);
    json_int(&w, "pid", process->pid);
    json_int(&w, "ppid", 0); /* not known */
    json_string(&w, "host", host);
    json_string(&w, "exe", process->exe);
    json_begin_array(&w, "argv");
    json_string(&w, NULL, base_name(process->exe));
    json_end_array(&w);
    json_uint(&w, "start_ns", now_ns);
    /* the settings are of no account: there is nothing that they apply to */
    json_begin_object(&w, "threshold_ns");
    json_end_object(&w);
    json_uint(&w, "iteration_threshold_ns", 0);
    json_begin_array(&w, "strict");
    json_end_array(&w);
    json_string(&w, "loops", "auto");
    json_string(&w, "run", run);
    json_end_object(&w);
}

/* A record is one line, without indentation. */
static void add_record(struct strbuf *out, const struct strbuf *json)
{
    for (const char *p = json->data; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        sb_addf(out, "%.*s", (int)len, p);
        p += len;
        p += strspn(p, "\n ");
    }
    sb_add(out, "\n");
}

/* The trace of a process that could not write one. */
static bool write_for(const struct st_untraced *process, const char *directory, const char *run)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    struct strbuf first = {0}, loss = {0}, text = {0};
    describe(&first, process, now_ns, run);
    struct json_writer w = {.out = &loss};
    json_begin_object(&w, NULL);
    json_string(&w, "type", "loss");
    json_string(&w, "code", "untraced");
    json_string(&w, "message", process->why);
    json_uint(&w, "count", 1);
    json_end_object(&w);
    add_record(&text, &first);
    add_record(&text, &loss);
    char *path = mem_printf("%s/%s.%d.%" PRIu64 ".jsonl", directory, base_name(process->exe),
                            process->pid, now_ns / 1000000);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write_all(fd, text.data, text.len) == 0;
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !written)
        unlink(path);
    free(path);
    sb_free(&first);
    sb_free(&loss);
    sb_free(&text);
    return written;
}

void run_page_finish(struct st_run_page *page, struct model *model, const char *directory,
                     const char *id)
{
    if (page == NULL)
        return;
    uint32_t claimed = atomic_load(&page->claimed);
    for (uint32_t i = 0; i < claimed && i < ST_RUN_PAGE_UNTRACED; i++) {
        struct st_untraced process = {.pid = page->untraced[i].pid};
        if (!atomic_load(&page->untraced[i].ready))
            continue; /* it was killed in the middle of that */
        /* others of this user may write there, too */
        snprintf(process.exe, sizeof(process.exe), "%.*s", (int)sizeof(process.exe) - 1,
                 page->untraced[i].exe);
        snprintf(process.why, sizeof(process.why), "%.*s", (int)sizeof(process.why) - 1,
                 page->untraced[i].why);
        if (directory != NULL && write_for(&process, directory, id))
            continue;
        char *message =
            mem_printf("%s (pid %d): %s", base_name(process.exe), process.pid, process.why);
        model_add_loss(model, "untraced", message, 0);
        free(message);
    }
    if (claimed > ST_RUN_PAGE_UNTRACED)
        model_add_loss(model, "untraced", "further processes of which nothing is recorded",
                       claimed - ST_RUN_PAGE_UNTRACED);
}

void run_page_check(const struct st_run_page *page, struct model *model)
{
    if (page != NULL && atomic_load(&page->loaded) == 0 && model->trace_count == 0)
        model_add_loss(model, "preload",
                       "no process has loaded libstalltrace.so, so nothing could be seen: "
                       "`stalltrace doctor COMMAND` says why",
                       0);
}
