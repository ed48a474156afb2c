/* The records of the trace, as doc/trace-format.md describes them. */
#include "agent.h"
#include "json.h"
#include "kernel.h"
#include "perfmap.h"
#include "python.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#include "config.h"
#endif

static const char *const class_names[] = {
#define X(upper, lower) #lower,
    ST_CLASSES(X)
#undef X
};

static uint32_t stalls;
static uint64_t left_out; /* stalls that found no room in the trace */

uint64_t st_records_left_out(void)
{
    return left_out;
}

/* ---- process ---- */

static size_t read_file(const char *path, char *buf, size_t size)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    long n = fd < 0 ? 0 : syscall(SYS_read, fd, buf, size - 1);
    if (fd >= 0)
        syscall(SYS_close, fd);
    buf[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static void add_arguments(void)
{
    const char *args = st_shared->argv;
    size_t n = st_shared->argv_len;
    js_open("argv", '[');
    for (size_t i = 0; i < n; i += strnlen(args + i, n - i) + 1)
        js_string_n(NULL, args + i, strnlen(args + i, n - i));
    js_close(']');
}

void st_record_process(void)
{
    const struct st_settings *s = st_shared->settings;
    char text[4096];
    js_begin("process");
    js_string("format", "stalltrace.trace/1");
    js_string("version", PACKAGE_VERSION);
    js_number("pid", (uint64_t)getpid());
    js_number("ppid", (uint64_t)getppid());
    size_t n = read_file("/proc/sys/kernel/hostname", text, sizeof(text));
    js_string_n("host", text, n && text[n - 1] == '\n' ? n - 1 : n);
    st_own_exe(text, sizeof(text));
    js_string("exe", text);
    add_arguments();
    js_number("start_ns", st_shared->start_real_ns);
    js_open("threshold_ns", '{');
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        js_number(class_names[i], s->threshold_ns[i]);
    js_close('}');
    js_number("iteration_threshold_ns", s->iteration_ns);
    if (s->budget_ns)
        js_number("budget_ns", s->budget_ns);
    js_open("strict", '[');
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        if (s->strict & 1u << i)
            js_string(NULL, class_names[i]);
    js_close(']');
    js_string("loops", s->loops);
    js_end();
    if (s->bad[0])
        st_record_notice("bad-setting", s->bad);
}

/* ---- stacks ---- */

enum { STACK_TABLE = 8192 };

static struct {
    uint64_t hash;
    uint32_t id;
} stack_table[STACK_TABLE];
static uint32_t stack_count;

static void mix(uint64_t *hash, uint64_t v)
{
    *hash = (*hash ^ v) * 0x9e3779b97f4a7c15u;
    *hash ^= *hash >> 29;
}

static uint64_t hash_stack(const struct st_call *call, const struct st_stack *stack,
                           const struct st_py_raw *py, int py_len)
{
    uint64_t h = 0x5374616c6c;
    mix(&h, (uintptr_t)call);
    for (uint32_t i = 0; i < stack->count; i++) {
        mix(&h, stack->frames[i].pc);
        if (stack->frames[i].place.line)
            mix(&h, stack->frames[i].place.line);
    }
    for (int i = 0; i < py_len; i++) {
        mix(&h, py[i].code);
        mix(&h, py[i].instr);
    }
    return h ? h : 1;
}

static void add_frame(uint64_t pc, bool exact, bool eval, const struct st_v8_place *place)
{
    const struct st_module *m = NULL;
    for (int i = 0; !m && i < 2; i++)
        m = st_module_at(pc - (exact ? 0 : (uint64_t)(1 - i)));
    js_open(NULL, '{');
    js_hex("pc", pc);
    if (m) {
        js_number("module", m->id);
        js_hex("vaddr", pc - m->base);
    } else {
        char name[512];
        if (st_perfmap_name(exact ? pc : pc - 1, name, sizeof(name))) {
            js_string("symbol", name);
            if (place && st_v8_is_in(place, name))
                js_number("line", place->line);
        }
    }
    if (exact)
        js_bool("exact", true);
    if (eval)
        js_bool("eval", true);
    js_close('}');
}

/* Whether the frame is a run of Python's evaluation loop: a shim of the Python frames lies in its
 * part of the stack. Its name does not tell where a compiler has split the function. */
static bool is_eval(const struct st_stack *stack, uint32_t i, const struct st_py_raw *py,
                    int py_len)
{
    if (i + 1 == stack->count)
        return false; /* where a stack begins, or was cut off */
    uint64_t end = stack->frames[i + 1].sp;
    for (int k = 0; k < py_len; k++)
        if (py[k].entry >= stack->frames[i].sp && py[k].entry < end)
            return true;
    return false;
}

/* The modules first: their records must come before the one that refers to them. */
static void record_modules(uint64_t call_pc, const struct st_stack *stack)
{
    if (call_pc)
        st_module_at(call_pc);
    for (uint32_t i = 0; i < stack->count; i++) {
        if (!stack->frames[i].exact)
            st_module_at(stack->frames[i].pc - 1);
        st_module_at(stack->frames[i].pc);
    }
}

static void add_python(const struct st_py_raw *py, int py_len)
{
    struct st_py_name name;
    js_open("python", '[');
    for (int i = 0; i < py_len; i++) {
        int r = st_py_resolve(&st_shared->py, &py[i], &name);
        if (r == -ENOENT)
            continue;
        /* what cannot be read is given up, with what lies beyond it */
        if (r < 0)
            break;
        js_open(NULL, '{');
        js_string("function", name.function);
        js_string("file", name.file);
        js_number("line", name.line > 0 ? (uint64_t)name.line : 0);
        if (py[i].entry)
            js_bool("entry", true);
        js_close('}');
    }
    js_close(']');
}

/* Where libc's function itself is; 0 while its pointer still leads to one of our own stubs. */
static uint64_t real_address(const struct st_call *call)
{
    uint64_t pc = (uintptr_t)*call->real;
    return pc >= st_shared->probe_lo && pc < st_shared->probe_hi ? 0 : pc;
}

uint32_t st_record_stack(const struct st_call *call, const struct st_stack *stack,
                         const struct st_py_raw *py, int py_len)
{
    uint64_t hash = hash_stack(call, stack, py, py_len);
    unsigned slot = (unsigned)(hash % STACK_TABLE);
    for (int i = 0; i < 8; i++, slot = (slot + 1) % STACK_TABLE) {
        if (stack_table[slot].hash == hash)
            return stack_table[slot].id;
        if (!stack_table[slot].hash)
            break;
    }
    uint64_t call_pc = call ? real_address(call) : 0;
    record_modules(call_pc, stack);
    js_begin("stack");
    js_number("stack", stack_count + 1);
    js_open("frames", '[');
    if (call_pc)
        add_frame(call_pc, true, false, NULL);
    for (uint32_t i = 0; i < stack->count; i++)
        /* below a call, the innermost is where our wrapper will return to: a return address too */
        add_frame(stack->frames[i].pc, (i > 0 || !call) && stack->frames[i].exact,
                  is_eval(stack, i, py, py_len), &stack->frames[i].place);
    js_close(']');
    if (py_len > 0)
        add_python(py, py_len);
    if (stack->broken)
        js_bool("broken", true);
    if (stack->truncated)
        js_bool("truncated", true);
    if (!js_end())
        return 0;
    stack_table[slot].hash = hash;
    stack_table[slot].id = ++stack_count;
    return stack_count;
}

/* ---- stalls ---- */

static void add_task(const struct st_py_task *task)
{
    if (!task || !task->name[0])
        return;
    js_string("task", task->name);
    js_string("coroutine", task->coroutine);
}

static void add_elapsed(uint64_t ns, uint64_t starved_ns)
{
    js_number("elapsed_ns", ns);
    if (starved_ns)
        js_number("starved_ns", starved_ns);
}

uint32_t st_record_stall(const struct st_stall *stall)
{
    js_begin("stall");
    js_number("stall", ++stalls);
    js_string("kind", stall->iteration ? "iteration" : "call");
    js_number("loop", stall->loop);
    js_string("call", stall->iteration ? "iteration" : stall->call->name);
    js_string("class", stall->iteration ? "iteration" : class_names[stall->class]);
    if (stall->detail && stall->detail[0])
        js_string("detail", stall->detail);
    if (stall->stack)
        js_number("stack", stall->stack);
    if (stall->no_stack)
        js_string("no_stack", stall->no_stack);
    add_task(stall->task);
    js_number("at_ns", stall->at_ns);
    add_elapsed(stall->elapsed_ns, stall->starved_ns);
    js_bool("ended", stall->ended);
    js_bool("strict", stall->strict);
    if (!js_end()) {
        left_out++;
        return 0;
    }
    return stalls;
}

void st_record_stall_end(uint32_t stall, uint64_t ns, uint64_t starved_ns)
{
    js_begin("stall_end");
    js_number("stall", stall);
    add_elapsed(ns, starved_ns);
    js_end();
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

void st_record_sample(uint32_t stall, uint32_t stack, const struct st_sleep *asleep,
                      const char *detail, const struct st_py_task *task, const char *no_stack)
{
    js_begin("sample");
    js_number("stall", stall);
    if (stack)
        js_number("stack", stack);
    if (detail && detail[0])
        js_string("detail", detail);
    if (no_stack)
        js_string("no_stack", no_stack);
    add_task(task);
    if (asleep) {
        js_open("asleep", '{');
        if (asleep->syscall[0])
            js_string("syscall", asleep->syscall);
        if (asleep->wchan[0])
            js_string("wchan", asleep->wchan);
        js_close('}');
    }
    js_end();
}

static uint8_t class_of_row(const struct st_call *call)
{
    return call->class < ST_CLASS_COUNT ? call->class : ST_FILE;
}

void st_record_iteration_end(uint32_t stall, const struct st_time *time,
                             const struct st_iteration *it)
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
    js_end();
}

void st_record_more(const struct st_stall *like, const struct st_many *many)
{
    js_begin("more");
    js_string("kind", "call");
    js_number("loop", like->loop);
    js_string("call", like->call->name);
    js_string("class", class_names[like->class]);
    js_number("stack", like->stack);
    js_bool("strict", like->strict);
    js_number("count", many->count);
    js_number("total_ns", many->total_ns);
    if (many->starved_ns)
        js_number("starved_ns", many->starved_ns);
    js_number("max_ns", many->max_ns);
    if (!js_end())
        left_out += many->count;
}

void st_record_dropped(uint64_t count)
{
    js_begin("dropped");
    js_number("stalls", count);
    js_end();
}

void st_record_notice(const char *code, const char *message)
{
    js_begin("notice");
    js_string("code", code);
    js_string("message", message);
    js_end();
}

void st_record_end(const char *reason)
{
    js_begin("end");
    js_number("at_ns", st_since_start_ns(st_ticks_now()));
    js_string("reason", reason);
    js_end();
}

void st_records_reset(void)
{
    stalls = 0;
    left_out = 0;
    stack_count = 0;
    st_perfmap_reset();
    st_v8_reset();
    memset(stack_table, 0, sizeof(stack_table));
}
