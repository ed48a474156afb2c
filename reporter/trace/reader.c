/* Reads trace files: bytes to lines. What a line means is in records.c. */
#define _GNU_SOURCE
#include "trace.h"

#include "util/files.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A record is far below this; a longer "line" is another kind of file. */
#define LONGEST_LINE ((size_t)16 << 20)

int trace_open(struct trace **out, const char *path)
{
    int fd = open_regular(path, INT64_MAX);
    if (fd < 0)
        return fd;
    struct trace *trace = mem_calloc(1, sizeof(*trace));
    trace->path = intern(path);
    trace->fd = fd;
    trace->exe = "";
    trace->parser = json_tokener_new();
    if (trace->parser == NULL) {
        trace_free(trace);
        return -ENOMEM;
    }
    *out = trace;
    return 0;
}

/* Adds the beginning of a line to what is pending, or drops it where the line is too long. */
static void keep_rest(struct trace *trace, const char *text, size_t len)
{
    if (trace->skipping || len == 0)
        return;
    if (trace->pending.len + len > LONGEST_LINE) {
        sb_free(&trace->pending);
        trace->skipping = true;
        if (trace->state == TRACE_UNREAD)
            trace->state = TRACE_FOREIGN;
        else
            trace->bad_lines++;
        return;
    }
    sb_addn(&trace->pending, text, len);
}

static void feed(struct trace *trace, const char *text, size_t len, const struct trace_sink *sink)
{
    const char *newline;
    while (len > 0 && (newline = memchr(text, '\n', len)) != NULL) {
        size_t line_len = (size_t)(newline - text);
        if (trace->skipping) {
            trace->skipping = false;
        } else if (trace->pending.len > 0) {
            sb_addn(&trace->pending, text, line_len);
            trace_record(trace, trace->pending.data, trace->pending.len, sink);
            sb_clear(&trace->pending);
        } else {
            trace_record(trace, text, line_len, sink);
        }
        if (trace->state != TRACE_UNREAD && trace->state != TRACE_GOOD)
            return;
        text = newline + 1;
        len -= line_len + 1;
    }
    keep_rest(trace, text, len);
}

int trace_read(struct trace *trace, const struct trace_sink *sink)
{
    enum { CHUNK = 256 * 1024 };
    char *chunk = mem_calloc(1, CHUNK);
    int result = 0;
    while (trace->state == TRACE_UNREAD || trace->state == TRACE_GOOD) {
        ssize_t got = read(trace->fd, chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            result = -errno;
        if (got <= 0)
            break;
        feed(trace, chunk, (size_t)got, sink);
    }
    free(chunk);
    trace->cut_off = trace->pending.len > 0 || trace->skipping;
    return result;
}

bool trace_is_cut_short(const struct trace *trace)
{
    return trace->state == TRACE_GOOD && trace->cut_off && !trace->ended;
}

bool trace_begins_ours(const char *line, size_t len)
{
    static const char first[] = "{\"type\":\"process\",\"format\":\"stalltrace.trace/";
    const size_t whole = sizeof(first) - 1, enough = sizeof("{\"type\":\"proc") - 1;
    return len >= enough && memcmp(line, first, len < whole ? len : whole) == 0;
}

bool trace_is_lost(const struct trace *trace)
{
    return trace->state == TRACE_DAMAGED ||
           (trace->state == TRACE_UNREAD && trace->pending.data != NULL &&
            trace_begins_ours(trace->pending.data, trace->pending.len));
}

char *trace_problem(const struct trace *trace)
{
    switch (trace->state) {
    case TRACE_GOOD:
        return NULL;
    case TRACE_UNREAD:
        if (trace->cut_off && trace->pending.data != NULL && trace->pending.data[0] == '{')
            return mem_strdup("holds no complete record; the process ended before it was written");
        if (trace->cut_off)
            break;
        return mem_strdup("is empty; the process recorded nothing in it: it had no agent, the disk "
                          "was full, or files may not grow (ulimit -f)");
    case TRACE_VERSION:
        return mem_printf("has format %s, and this version reads " TRACE_FORMAT
                          "; use the stalltrace that wrote it",
                          trace->format);
    case TRACE_OTHER_RUN:
        return mem_strdup("is of another run");
    case TRACE_DAMAGED:
        return mem_strdup("is damaged: its first record cannot be read; was the disk full?");
    case TRACE_FOREIGN:
        break;
    }
    return mem_strdup(
        "is not a stalltrace trace; expected a .jsonl file that `stalltrace run` wrote");
}

static void free_stack(void *value)
{
    struct stack *stack = value;
    free(stack->native);
    free(stack->python);
    free(stack);
}

void trace_release(struct trace *trace)
{
    if (trace->fd >= 0)
        close(trace->fd);
    trace->fd = -1;
    map_free(&trace->stacks, free_stack);
    map_free(&trace->open_stalls, free);
    sb_free(&trace->pending);
    if (trace->parser != NULL)
        json_tokener_free(trace->parser);
    trace->parser = NULL;
}

void trace_free(struct trace *trace)
{
    trace_release(trace);
    trace_free_names(trace);
    map_free(&trace->modules, free);
    map_free(&trace->loop_by_id, NULL);
    map_free(&trace->thresholds, NULL);
    for (size_t i = 0; i < trace->loop_count; i++) {
        histogram_free(&trace->loops[i]->iteration_hist);
        histogram_free(&trace->loops[i]->wait_hist);
        histogram_free(&trace->loops[i]->calls_hist);
        free(trace->loops[i]->frozen);
        free(trace->loops[i]);
    }
    free(trace->loops);
    free(trace->notices);
    free(trace->losses);
    free(trace->freezes);
    free(trace->argv);
    free(trace);
}
