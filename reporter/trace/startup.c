/* What a process does before it serves: the first run of its first loop, in one go, until its
 * thread listens. A moment that a trace tells after what came before it, so that a file is looked
 * through for it before it is read. */
#include <stdlib.h>
#include <string.h>

#include "util/json_fields.h"
#include "trace.h"

static void note_break(struct trace *trace, uint64_t at_ns)
{
    struct moments *m = &trace->moments;
    if (!m->broken || at_ns < m->broken_ns)
        m->broken_ns = at_ns;
    m->broken = true;
}

void trace_note_loop(struct trace *trace, uint64_t loop, uint64_t at_ns)
{
    struct moments *m = &trace->moments;
    if (m->first_loop == 0)
        m->first_loop = loop;
    else if (loop != m->first_loop)
        note_break(trace, at_ns);
}

bool trace_read_moment(struct trace *trace, const char *type, struct json_object *record)
{
    struct moments *m = &trace->moments;
    if (strcmp(type, "serving") == 0) {
        m->reached = true;
        if (!m->serves)
            m->serving_ns = get_number(record, "at_ns");
        m->serves = true;
    } else {
        note_break(trace, get_number(record, "at_ns"));
    }
    return true;
}

bool trace_has_startup(const struct trace *trace)
{
    const struct moments *m = &trace->moments;
    return m->serves && m->first_loop != 0 && (!m->broken || m->broken_ns > m->serving_ns);
}

bool trace_is_starting(const struct trace *trace, const struct stall *stall)
{
    const struct moments *m = &trace->moments;
    return !m->serves && !m->broken && stall->loop != NULL && stall->loop->id == m->first_loop;
}

bool trace_in_startup(const struct trace *trace, const struct stall *stall, bool counted)
{
    const struct moments *m = &trace->moments;
    if (!trace_has_startup(trace) || stall->loop == NULL || stall->loop->id != m->first_loop)
        return false;
    /* what was only counted has no time of its own, but was written before or after */
    return counted ? !m->reached : stall->at_ns < m->serving_ns;
}

bool trace_is_moment(const char *line, size_t len)
{
    static const char *const types[] = {"\"process\"",      "\"loop\"",    "\"loop_end\"",
                                        "\"loop_stopped\"", "\"serving\"", "\"names\""};
    static const char begins[] = "{\"type\":";
    if (len < sizeof(begins) || memcmp(line, begins, sizeof(begins) - 1) != 0)
        return false;
    const char *type = line + sizeof(begins) - 1;
    len -= sizeof(begins) - 1;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t n = strlen(types[i]);
        if (len >= n && memcmp(type, types[i], n) == 0)
            return true;
    }
    return false;
}

void trace_find_moments(struct trace *trace)
{
    struct trace *early = NULL;
    if (trace_open(&early, trace->path) < 0)
        return;
    early->only_moments = true;
    if (trace_read(early, NULL) == 0 && early->state == TRACE_GOOD) {
        trace->moments = early->moments;
        trace->late_names = early->late_names;
        early->late_names = (struct map){0};
    }
    trace->moments.reached = false;
    trace_free(early);
}
