/* The meaning of a trace's records: one JSON object in, the trace brought up to date, stalls handed
 * to the sink. Unknown types and members are skipped, as doc/trace-format.md demands of a reader.
 */
#define _GNU_SOURCE
#include "util/json_fields.h"
#include "trace.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool read_process(struct trace *trace, struct json_object *record)
{
    const char *exe = get_text(record, "exe");
    trace->pid = (int64_t)get_number(record, "pid");
    trace->exe = exe ? exe : "";
    trace->host = get_text(record, "host");
    trace->start_ns = get_number(record, "start_ns");
    trace->run = get_text(record, "run");
    trace->budget_ns = get_number(record, "budget_ns");
    trace->iteration_threshold_ns = get_number(record, "iteration_threshold_ns");
    trace_read_thresholds(trace, get_object(record, "threshold_ns"));
    struct json_object *argv = get_array(record, "argv");
    size_t count = argv != NULL ? json_object_array_length(argv) : 0;
    trace->argv = mem_calloc(count, sizeof(*trace->argv));
    for (size_t i = 0; i < count; i++) {
        const char *arg = text_of(json_object_array_get_idx(argv, i));
        if (arg != NULL)
            trace->argv[trace->argc++] = arg;
    }
    return true;
}

static bool read_notice(struct trace *trace, struct json_object *record)
{
    const char *code = get_text(record, "code");
    const char *message = get_text(record, "message");
    GROW(trace->notices, trace->notice_count, trace->notice_cap);
    trace->notices[trace->notice_count++] =
        (struct notice){.code = code ? code : "notice", .message = message ? message : ""};
    return true;
}

static bool read_loss(struct trace *trace, struct json_object *record)
{
    const char *code = get_text(record, "code"), *message = get_text(record, "message");
    struct loss *loss = NULL;
    if (code == NULL)
        return false;
    for (size_t i = 0; loss == NULL && i < trace->loss_count; i++) {
        if (strcmp(trace->losses[i].code, code) == 0)
            loss = &trace->losses[i];
    }
    if (loss == NULL) {
        GROW(trace->losses, trace->loss_count, trace->loss_cap);
        loss = &trace->losses[trace->loss_count++];
    }
    *loss = (struct loss){
        .code = code, .message = message ? message : code, .count = get_number(record, "count")};
    return true;
}

/* A run inside another one has that one's name, a dot, and its own. */
static bool is_of_run(const struct trace *trace)
{
    size_t len = trace->only_run != NULL ? strlen(trace->only_run) : 0;
    if (len == 0)
        return true;
    return trace->run != NULL && strncmp(trace->run, trace->only_run, len) == 0 &&
           (trace->run[len] == '\0' || trace->run[len] == '.');
}

/* The first record decides whether the file is ours. */
static void read_first(struct trace *trace, struct json_object *record)
{
    const char *type = get_text(record, "type");
    const char *format = get_text(record, "format");
    if (type != NULL && strcmp(type, "process") == 0 && format != NULL &&
        strcmp(format, TRACE_FORMAT) == 0) {
        (void)read_process(trace, record);
        trace->state = is_of_run(trace) ? TRACE_GOOD : TRACE_OTHER_RUN;
    } else if (format != NULL && starts_with(format, "stalltrace.trace/")) {
        trace->state = TRACE_VERSION;
        trace->format = format;
    } else {
        trace->state = TRACE_FOREIGN;
    }
}

static bool read_known(struct trace *trace, const char *type, struct json_object *record,
                       const struct trace_sink *sink)
{
    if (strcmp(type, "stall") == 0)
        return trace_read_stall(trace, record, sink);
    if (strcmp(type, "stall_end") == 0)
        return trace_read_stall_end(trace, record, sink);
    if (strcmp(type, "stall_still") == 0)
        return trace_read_stall_still(trace, record);
    if (strcmp(type, "sample") == 0)
        return trace_read_sample(trace, record, sink);
    if (strcmp(type, "more") == 0)
        return trace_read_more(trace, record, sink);
    if (strcmp(type, "stack") == 0)
        return trace_read_stack(trace, record);
    if (strcmp(type, "names") == 0)
        return trace_read_names(trace, record);
    if (strcmp(type, "module") == 0)
        return trace_read_module(trace, record);
    if (strcmp(type, "loop") == 0)
        return trace_read_loop(trace, record);
    if (strcmp(type, "loop_end") == 0)
        trace_read_loop_end(trace, record);
    if (strcmp(type, "serving") == 0 || strcmp(type, "loop_stopped") == 0 ||
        strcmp(type, "loop_end") == 0)
        return trace_read_moment(trace, type, record);
    if (strcmp(type, "stats") == 0)
        return trace_read_stats(trace, record);
    if (strcmp(type, "frozen") == 0)
        return trace_read_frozen(trace, record);
    if (strcmp(type, "notice") == 0)
        return read_notice(trace, record);
    if (strcmp(type, "loss") == 0)
        return read_loss(trace, record);
    if (strcmp(type, "dropped") == 0) {
        trace->dropped_stalls = get_number(record, "stalls");
    } else if (strcmp(type, "starved") == 0) {
        trace->starved_count = get_number(record, "count");
        trace->starved_ns = get_number(record, "elapsed_ns");
    } else if (strcmp(type, "end") == 0) {
        trace->ended = true;
        trace->end_ns = get_number(record, "at_ns");
    }
    return true;
}

/* NULL where the line is not one JSON value and nothing else. */
static struct json_object *parse_line(struct trace *trace, const char *line, size_t len)
{
    if (len == 0 || len >= INT_MAX)
        return NULL;
    json_tokener_reset(trace->parser);
    struct json_object *record = json_tokener_parse_ex(trace->parser, line, (int)len);
    for (size_t i = json_tokener_get_parse_end(trace->parser); record != NULL && i < len; i++) {
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') {
            json_object_put(record);
            return NULL;
        }
    }
    return record;
}

void trace_record(struct trace *trace, const char *line, size_t len, const struct trace_sink *sink)
{
    if (trace->only_moments && trace->state == TRACE_GOOD && !trace_is_moment(line, len))
        return;
    struct json_object *record = parse_line(trace, line, len);
    bool is_object = json_object_is_type(record, json_type_object);
    if (trace->state == TRACE_UNREAD) {
        if (is_object)
            read_first(trace, record);
        else
            trace->state = trace_begins_ours(line, len) ? TRACE_DAMAGED : TRACE_FOREIGN;
    } else {
        const char *type = is_object ? get_text(record, "type") : NULL;
        if (type == NULL || !read_known(trace, type, record, sink))
            trace->bad_lines++;
    }
    json_object_put(record);
}

void trace_finish(struct trace *trace, const struct trace_sink *sink)
{
    for (size_t i = 0; i < trace->open_stalls.cap; i++) {
        struct stall *stall = trace->open_stalls.values[i];
        if (stall != NULL && !stall->ended)
            trace_finish_stall(trace, stall, sink);
    }
    for (size_t i = 0; i < trace->loop_count; i++) {
        histogram_settle(&trace->loops[i]->iteration_hist);
        histogram_settle(&trace->loops[i]->wait_hist);
        histogram_settle(&trace->loops[i]->calls_hist);
    }
    trace_correct_own(trace);
    trace_correct_frozen(trace);
}
