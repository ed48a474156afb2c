/* The records about loops: what they are, and their figures. */
#include <string.h>

#include "util/json_fields.h"
#include "trace.h"

bool trace_read_loop(struct trace *trace, struct json_object *record)
{
    uint64_t id = get_number(record, "loop");
    struct loop *loop = map_get(&trace->loop_by_id, id);
    if (loop == NULL) {
        loop = mem_calloc(1, sizeof(*loop));
        loop->id = id;
        loop->began_ns = loop->seen_ns = get_number(record, "at_ns");
        GROW(trace->loops, trace->loop_count, trace->loop_cap);
        trace->loops[trace->loop_count++] = loop;
        map_put(&trace->loop_by_id, id, loop);
    }
    trace_note_loop(trace, id, get_number(record, "at_ns"));
    const char *name = get_text(record, "name");
    const char *home = get_text(record, "home");
    loop->closed = false;
    loop->tid = (int64_t)get_number(record, "tid");
    loop->name = name ? name : "";
    loop->home = home ? home : "none";
    return true;
}

void trace_read_loop_end(struct trace *trace, struct json_object *record)
{
    struct loop *loop = map_get(&trace->loop_by_id, get_number(record, "loop"));
    if (loop == NULL)
        return;
    loop->closed = true;
    loop->closed_ns = get_number(record, "at_ns");
    if (loop->closed_ns > loop->seen_ns)
        loop->seen_ns = loop->closed_ns;
}

/* Adds the counts since the record before. */
static void add_histogram(struct histogram *histogram, struct json_object *pairs)
{
    size_t count = pairs != NULL ? json_object_array_length(pairs) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *pair = json_object_array_get_idx(pairs, i);
        if (json_object_is_type(pair, json_type_array) && json_object_array_length(pair) == 2)
            histogram_add(histogram, number_of(json_object_array_get_idx(pair, 0)),
                          number_of(json_object_array_get_idx(pair, 1)));
    }
}

static void read_longest(struct loop *loop, struct json_object *pairs, struct json_object *calls)
{
    loop->longest_count = 0;
    size_t count = json_object_array_length(pairs);
    for (size_t i = 0; i < count && loop->longest_count < LONGEST_KEPT; i++) {
        struct json_object *pair = json_object_array_get_idx(pairs, i);
        if (json_object_is_type(pair, json_type_array) && json_object_array_length(pair) == 2)
            loop->longest[loop->longest_count++] = (struct long_iteration){
                .at_ns = number_of(json_object_array_get_idx(pair, 0)),
                .elapsed_ns = number_of(json_object_array_get_idx(pair, 1)),
                .calls_ns = calls ? number_of(json_object_array_get_idx(calls, i)) : 0};
    }
}

static uint64_t number_at(struct json_object *array, size_t i)
{
    return number_of(json_object_array_get_idx(array, i));
}

static bool is_triple(struct json_object *value)
{
    return json_object_is_type(value, json_type_array) && json_object_array_length(value) == 3;
}

static void read_own_time(struct loop *loop, struct json_object *record)
{
    struct json_object *moves = get_array(record, "iteration_moves");
    struct json_object *longest = get_array(record, "longest_own");
    loop->not_own_ns = get_number(record, "not_own_ns");
    size_t count = moves != NULL ? json_object_array_length(moves) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *move = json_object_array_get_idx(moves, i);
        if (is_triple(move))
            histogram_move_many(&loop->iteration_hist, number_at(move, 0), number_at(move, 1),
                                number_at(move, 2));
    }
    count = longest != NULL ? json_object_array_length(longest) : 0;
    if (count > 0)
        loop->own_count = 0;
    for (size_t i = 0; i < count && loop->own_count < LONGEST_KEPT; i++) {
        struct json_object *one = json_object_array_get_idx(longest, i);
        struct long_iteration it = {0};
        if (!is_triple(one))
            continue;
        it.at_ns = number_at(one, 0);
        it.elapsed_ns = number_at(one, 1);
        it.not_own_ns = number_at(one, 2);
        if (it.not_own_ns <= it.elapsed_ns)
            loop->own[loop->own_count++] = it;
    }
}

static void correct_own(const struct trace *trace, struct loop *loop)
{
    if (loop->own_count == 0)
        return;
    loop->busy_ns -= loop->not_own_ns < loop->busy_ns ? loop->not_own_ns : loop->busy_ns;
    for (size_t i = 0; i < loop->own_count; i++) {
        struct long_iteration *it = &loop->own[i];
        it->elapsed_ns -= it->not_own_ns;
        for (size_t j = 0; j < loop->frozen_count; j++) {
            if (loop->frozen[j].at_ns == it->at_ns)
                loop->frozen[j].not_own_ns = it->not_own_ns;
        }
        for (size_t j = 0; j < loop->longest_count; j++) {
            if (loop->longest[j].at_ns == it->at_ns)
                it->calls_ns = loop->longest[j].calls_ns;
        }
        if (it->calls_ns > it->elapsed_ns)
            it->calls_ns = it->elapsed_ns;
    }
    /* All that lasted for the threshold are known here; one that did not is shorter than that. */
    uint64_t other = trace->iteration_threshold_ns;
    if (other > loop->max_iteration_ns)
        other = loop->max_iteration_ns;
    loop->max_iteration_ns = loop->own[0].elapsed_ns > other ? loop->own[0].elapsed_ns : other;
    memcpy(loop->longest, loop->own, sizeof(loop->longest));
    loop->longest_count = loop->own_count;
}

void trace_correct_own(struct trace *trace)
{
    for (size_t i = 0; i < trace->loop_count; i++)
        correct_own(trace, trace->loops[i]);
}

bool trace_read_stats(struct trace *trace, struct json_object *record)
{
    struct loop *loop = map_get(&trace->loop_by_id, get_number(record, "loop"));
    if (loop == NULL)
        return false;
    loop->iterations = get_number(record, "iterations");
    loop->max_iteration_ns = get_number(record, "max_iteration_ns");
    loop->busy_ns = get_number(record, "busy_ns");
    loop->wait_ns = get_number(record, "wait_ns");
    loop->calls_ns = get_number(record, "calls_ns");
    uint64_t at_ns = get_number(record, "at_ns");
    if (at_ns > loop->seen_ns)
        loop->seen_ns = at_ns;
    add_histogram(&loop->iteration_hist, get_array(record, "iteration_hist"));
    add_histogram(&loop->wait_hist, get_array(record, "wait_hist"));
    add_histogram(&loop->calls_hist, get_array(record, "calls_hist"));
    if (get_array(record, "longest") != NULL) {
        read_longest(loop, get_array(record, "longest"), get_array(record, "longest_calls"));
        trace_keep_frozen(trace, loop);
    }
    read_own_time(loop, record);
    return true;
}
