/* The records of stalls: one, that it still lasts, its end, its samples, and those that were only
 * counted. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/kernel.h"
#include "agent/base/redact.h"
#include "agent/base/room.h"

static const char *const class_names[] = {
#define CLASS(upper, lower) #lower,
#include "common/classes.def"
#undef CLASS
};

/* What the end of a stall takes, without what it says of an iteration. */
enum { END_BYTES = 128 };

static uint32_t stalls;

static void add_task(const struct st_py_task *task)
{
    if (!task || !task->name[0])
        return;
    static char name[4 * sizeof(task->name)];
    name[0] = 0;
    st_redact_name(task->name, strnlen(task->name, sizeof(task->name)),
                   &(struct st_text){name, sizeof(name), 0});
    js_string("task", name);
    js_string("coroutine", task->coroutine);
}

static void add_elapsed(uint64_t ns, uint64_t starved_ns)
{
    js_number("elapsed_ns", ns);
    if (starved_ns)
        js_number("starved_ns", starved_ns);
}

/* What it waited for: in words, of which kind, and who holds it. */
static void add_wait(const char *detail, const char *kind, const struct st_held *held)
{
    if (detail && detail[0])
        js_string("detail", detail);
    if (kind)
        js_string("wait_kind", kind);
    if (!held || !held->pid)
        return;
    js_open("holder", '{');
    js_number("pid", (uint64_t)held->pid);
    if (held->tid)
        js_number("tid", (uint64_t)held->tid);
    if (held->name[0])
        js_string("name", held->name);
    if (held->file[0]) {
        js_string("file", held->file);
        js_number("line", held->line > 0 ? (uint64_t)held->line : 0);
        js_string("function", held->function);
    }
    js_close('}');
}

uint32_t st_record_stall(const struct st_stall *stall)
{
    js_begin("stall");
    js_number("stall", ++stalls);
    js_string("kind", stall->iteration ? "iteration" : "call");
    js_number("loop", stall->loop);
    js_string("call", stall->iteration ? "iteration" : stall->call->name);
    js_string("class", stall->iteration ? "iteration" : class_names[stall->class]);
    add_wait(stall->detail, stall->wait_kind, stall->held);
    if (stall->stack)
        js_number("stack", stall->stack);
    if (stall->no_stack)
        js_string("no_stack", stall->no_stack);
    add_task(stall->task);
    js_number("at_ns", stall->at_ns);
    add_elapsed(stall->elapsed_ns, stall->starved_ns);
    js_bool("ended", stall->ended);
    js_bool("strict", stall->strict);
    enum st_worth worth = stall->is_new ? ST_WORTH_PLACE : ST_WORTH_REPEATED;
    int64_t end = stall->ended ? 0 : END_BYTES;
    room_worth(worth);
    bool promised = room_promise(end);
    if (!promised || !js_end()) {
        if (promised)
            room_promise(-end);
        stalls--;
        return 0;
    }
    return stalls;
}

void st_record_stall_end(uint32_t stall, uint64_t ns, uint64_t starved_ns)
{
    js_begin("stall_end");
    js_number("stall", stall);
    add_elapsed(ns, starved_ns);
    room_worth(ST_WORTH_LAST); /* it was promised */
    js_end();
    room_promise(-END_BYTES);
}

/* It still lasts: all that is left of it where the process is killed meanwhile. Returns at which
 * age to say so again: seldom enough that a hang of hours is a few hundred lines. */
uint64_t st_record_stall_still(uint32_t stall, uint64_t ns, uint64_t starved_ns)
{
    enum { LEAST_GAP_NS = 50000000 };
    js_begin("stall_still");
    js_number("stall", stall);
    add_elapsed(ns, starved_ns);
    js_end();
    return ns + (ns / 8 > LEAST_GAP_NS ? ns / 8 : LEAST_GAP_NS);
}

void st_record_sample(uint32_t stall, const struct st_sample *sample)
{
    js_begin("sample");
    js_number("stall", stall);
    if (sample->stack)
        js_number("stack", sample->stack);
    add_wait(sample->detail, sample->wait_kind, sample->held);
    if (sample->no_stack)
        js_string("no_stack", sample->no_stack);
    add_task(sample->task);
    if (sample->asleep) {
        js_open("asleep", '{');
        if (sample->asleep->syscall[0])
            js_string("syscall", sample->asleep->syscall);
        if (sample->asleep->wchan[0])
            js_string("wchan", sample->asleep->wchan);
        js_close('}');
    }
    js_end();
}

static uint8_t class_of_row(const struct st_call *call)
{
    return call->class < ST_CLASS_COUNT ? call->class : ST_FILE;
}

static void add_calls(const struct st_time *time, const struct st_iteration *it)
{
    js_open("calls", '[');
    for (size_t i = 0; i < sizeof(it->top) / sizeof(it->top[0]) && it->top[i].count; i++) {
        const struct st_call *call = &st_shared->calls[it->top[i].call];
        js_open(NULL, '{');
        js_string("call", call->name);
        js_string("class", class_names[class_of_row(call)]);
        js_number("count", it->top[i].count);
        js_number("total_ns", time->top[i].total);
        js_number("max_ns", time->top[i].longest);
        js_close('}');
    }
    js_close(']');
}

static bool write_iteration_end(uint32_t stall, const struct st_time *time,
                                const struct st_iteration *it, bool calls)
{
    js_begin("stall_end");
    js_number("stall", stall);
    add_elapsed(time->elapsed, time->starved);
    js_open("time", '{');
    js_number("calls_ns", time->calls);
    js_number("found_ns", time->found);
    if (time->measured) {
        js_number("cpu_ns", time->cpu);
        js_number("runnable_ns", time->runnable);
        js_number("asleep_ns", time->asleep);
    }
    if (time->throttled)
        js_number("throttled_ns", time->throttled);
    if (time->frozen)
        js_number("frozen_ns", time->frozen);
    js_close('}');
    if (calls)
        add_calls(time, it);
    room_worth(ST_WORTH_REPEATED);
    return js_end();
}

void st_record_iteration_end(uint32_t stall, const struct st_time *time,
                             const struct st_iteration *it)
{
    if (write_iteration_end(stall, time, it, true) || write_iteration_end(stall, time, it, false))
        room_promise(-END_BYTES);
    else
        st_record_stall_end(stall, time->elapsed, time->starved);
}

bool st_record_more(const struct st_stall *like, const struct st_many *many)
{
    js_begin("more");
    js_string("kind", like->iteration ? "iteration" : "call");
    js_number("loop", like->loop);
    js_string("call", like->iteration ? "iteration" : like->call->name);
    js_string("class", like->iteration ? "iteration" : class_names[like->class]);
    if (like->wait_kind)
        js_string("wait_kind", like->wait_kind);
    if (like->stack)
        js_number("stack", like->stack);
    js_bool("strict", like->strict);
    js_number("count", many->count);
    js_number("total_ns", many->total_ns);
    if (many->starved_ns)
        js_number("starved_ns", many->starved_ns);
    js_number("max_ns", many->max_ns);
    js_number("at_ns", many->last_ns);
    return js_end();
}

void st_records_stalls_reset(void)
{
    stalls = 0;
}
