/* The records about loops: what they are, their figures, and the time for which all of them were
 * stopped. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/memory.h"
#include "agent/base/room.h"

#include <string.h>

static const char *const home_names[] = {"none", "epoll", "poll", "select", "io_uring"};

bool st_record_loop(uint32_t loop, const struct st_slot *s, enum st_worth worth)
{
    char name[64];
    if (!s->api_name || st_mem_read_string((uintptr_t)s->api_name, name, sizeof(name)) < 0)
        st_thread_name(s->tid, name, sizeof(name));
    if (!name[0]) /* it has ended, or /proc is not mounted */
        memcpy(name, s->name, sizeof(s->name));
    js_begin("loop");
    js_number("loop", loop);
    js_number("tid", (uint64_t)s->tid);
    js_string("name", name);
    js_string("home", home_names[s->home]);
    js_number("at_ns", st_since_start_ns(s->tagged_t));
    room_worth(worth);
    return js_end();
}

void st_record_loop_end(uint32_t loop, int reason)
{
    static const char *const reasons[] = {"thread", "closed", "api"};
    js_begin("loop_end");
    js_number("loop", loop);
    js_number("at_ns", st_since_start_ns(st_ticks_now()));
    js_string("reason", reasons[reason]);
    js_end();
}

void st_record_loop_stopped(uint32_t loop, uint64_t at_ns)
{
    js_begin("loop_stopped");
    js_number("loop", loop);
    js_number("at_ns", at_ns);
    js_end();
}

/* Leaves in `seen` what it has read, for when the record is written. */
static void add_histogram(const char *key, const uint32_t *now, const uint32_t *written,
                          uint32_t *seen)
{
    bool open = false;
    for (unsigned i = 0; i < ST_HIST_BUCKETS; i++) {
        uint32_t count = now[i]; /* read once: its thread goes on counting */
        seen[i] = count;
        if (count == written[i])
            continue;
        if (!open)
            js_open(key, '[');
        open = true;
        js_open(NULL, '[');
        js_number(NULL, st_ticks_to_ns(st_hist_lower(i)));
        js_number(NULL, count - written[i]);
        js_close(']');
    }
    if (open)
        js_close(']');
}

static void add_longest(const struct st_slot *s, struct st_written *written)
{
    uint64_t sum = 0;
    for (int i = 0; i < ST_LONGEST; i++)
        sum += s->longest[i].ticks;
    if (sum == written->longest)
        return;
    written->longest = sum;
    js_open("longest", '[');
    for (int i = 0; i < ST_LONGEST && s->longest[i].ticks; i++) {
        js_open(NULL, '[');
        js_number(NULL, st_since_start_ns(s->longest[i].t0));
        js_number(NULL, st_ticks_to_ns(s->longest[i].ticks));
        js_close(']');
    }
    js_close(']');
    js_open("longest_calls", '[');
    for (int i = 0; i < ST_LONGEST && s->longest[i].ticks; i++)
        js_number(NULL, st_ticks_to_ns(s->longest[i].calls));
    js_close(']');
}

static uint64_t bucket_ns(unsigned bucket)
{
    return st_ticks_to_ns(st_hist_lower(bucket));
}

/* What is to be taken out of the figures. */
static void add_own_time(struct st_own_time *own)
{
    if (!own->not_own)
        return;
    js_number("not_own_ns", st_ticks_to_ns(own->not_own));
    if (own->move_count)
        js_open("iteration_moves", '[');
    for (unsigned i = 0; i < own->move_count; i++) {
        js_open(NULL, '[');
        js_number(NULL, bucket_ns(own->moves[i].from));
        js_number(NULL, own->moves[i].to == UINT16_MAX ? 0 : bucket_ns(own->moves[i].to));
        js_number(NULL, own->moves[i].count);
        js_close(']');
    }
    if (own->move_count)
        js_close(']');
    js_open("longest_own", '[');
    for (int i = 0; i < ST_LONGEST && own->longest[i].ticks; i++) {
        js_open(NULL, '[');
        js_number(NULL, st_since_start_ns(own->longest[i].t0));
        js_number(NULL, st_ticks_to_ns(own->longest[i].ticks));
        js_number(NULL, st_ticks_to_ns(own->longest[i].not_own));
        js_close(']');
    }
    js_close(']');
}

static void begin_stats(uint32_t loop, const struct st_slot *s)
{
    js_begin("stats");
    js_number("loop", loop);
    js_number("at_ns", st_since_start_ns(st_ticks_now()));
    js_number("iterations", s->iterations - s->left_out);
    js_number("max_iteration_ns", st_ticks_to_ns(s->iter_max));
    js_number("busy_ns", st_ticks_to_ns(s->busy));
    js_number("wait_ns", st_ticks_to_ns(s->waited));
    js_number("calls_ns", st_ticks_to_ns(s->in_calls));
    if (s->held)
        js_number("held_ns", st_ticks_to_ns(s->held));
}

bool st_record_stats(uint32_t loop, const struct st_slot *s, struct st_written *written,
                     struct st_own_time *own)
{
    static struct st_written seen;
    seen.longest = written->longest;
    begin_stats(loop, s);
    add_histogram("iteration_hist", s->iter_hist, written->iter_hist, seen.iter_hist);
    add_histogram("wait_hist", s->wait_hist, written->wait_hist, seen.wait_hist);
    add_histogram("calls_hist", s->calls_hist, written->calls_hist, seen.calls_hist);
    add_longest(s, &seen);
    add_own_time(own);
    if (js_end()) {
        *written = seen;
        own->move_count = 0;
        own->changed = false;
        return true;
    }
    /* no room for all of it: at the end, as much as there is */
    if (room_is_last()) {
        begin_stats(loop, s);
        js_end();
    }
    return false;
}

void st_record_frozen(const struct st_freeze *freeze, uint64_t count, uint64_t ns)
{
    js_begin("frozen");
    if (freeze) {
        js_number("at_ns", st_since_start_ns(freeze->from));
        js_number("began_by_ns", st_since_start_ns(freeze->began_by));
        js_number("ended_by_ns", st_since_start_ns(freeze->to));
    } else {
        js_number("count", count);
    }
    js_number("elapsed_ns", ns);
    js_end();
}
