/* The records of the trace, as doc/trace-format.md describes them. */
#include "agent/agent.h"
#include "agent/base/json.h"
#include "agent/base/redact.h"
#include "agent/base/kernel.h"
#include "agent/stack/perfmap.h"
#include "late_names.h"
#include "places.h"
#include "agent/lang/python.h"
#include "agent/base/room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#include "config.h"
#endif

static const char *const class_names[] = {
#define CLASS(upper, lower) #lower,
#include "common/classes.def"
#undef CLASS
};

/* ---- process ---- */

static size_t read_file(const char *path, char *buf, size_t size)
{
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
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
    static char text[4 * sizeof(st_shared->argv)]; /* a byte may become "***" */
    struct st_redactor r = {NULL, ST_NEXT_ANY};
    js_open("argv", '[');
    for (size_t i = 0, len; i < n; i += len + 1) {
        struct st_text argument = {text, sizeof(text), 0};
        len = strnlen(args + i, n - i);
        text[0] = 0;
        st_add_argument(&argument, &r, args + i, len, i == 0);
        js_string_n(NULL, text, argument.len);
    }
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
    n -= n && text[n - 1] == '\n';
    char hash[16] = "";
    if (s->redact)
        st_hash_text(text, n, s->run, &(struct st_text){hash, sizeof(hash), 0});
    js_string_n("host", s->redact ? hash : text, s->redact ? strlen(hash) : n);
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
    if (s->run[0])
        js_string("run", s->run);
    if (s->redact)
        js_bool("redacted", true);
    js_end();
    if (s->bad[0])
        st_record_notice("bad-setting", s->bad);
}

/* ---- stacks ---- */

enum { STACK_TABLE = 8192 };

static struct {
    uint64_t hash;
    uint32_t id;
    struct st_place *place;
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
        mix(&h, py[i].check);
    }
    return h ? h : 1;
}

/* The frames of the record that have neither module nor name. */
enum { NAMELESS = 64 };
static struct {
    uint64_t pc, at;
} nameless[NAMELESS];
static uint32_t nameless_count;

static void note_nameless(uint64_t pc, uint64_t at)
{
    if (nameless_count == NAMELESS)
        return;
    nameless[nameless_count].pc = pc;
    nameless[nameless_count++].at = at;
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
        } else {
            note_nameless(pc, exact ? pc : pc - 1);
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
static bool record_modules(uint64_t call_pc, const struct st_stack *stack, uint32_t native)
{
    bool all = !call_pc || st_module_write(call_pc);
    for (uint32_t i = 0; i < native; i++) {
        if (!stack->frames[i].exact)
            all &= st_module_write(stack->frames[i].pc - 1);
        all &= st_module_write(stack->frames[i].pc);
    }
    return all;
}

static void add_python_frame(const struct st_py_name *name, bool entry)
{
    js_open(NULL, '{');
    if (name) {
        js_string("function", name->function);
        js_string("file", name->file);
        js_number("line", name->line > 0 ? (uint64_t)name->line : 0);
    }
    if (entry)
        js_bool("entry", true);
    js_close('}');
}

/* A frame that cannot be read, or whose code is gone, is left out alone. Where it was the last of a
 * run of the evaluation loop, the one before it is now. */
static void add_python(const struct st_py_raw *py, int py_len)
{
    static struct st_py_name names[2];
    struct st_py_name *last = NULL; /* of this run, not yet written */
    js_open("python", '[');
    for (int i = 0; i < py_len; i++) {
        struct st_py_name *name = last == &names[0] ? &names[1] : &names[0];
        bool known = st_py_resolve(&st_shared->py, &py[i], name) == 0;
        if (known && last)
            add_python_frame(last, false);
        if (known)
            last = name;
        if (!py[i].entry)
            continue;
        add_python_frame(last, true);
        last = NULL;
    }
    if (last)
        add_python_frame(last, false);
    js_close(']');
}

/* Where libc's function itself is; 0 while its pointer still leads to one of our own stubs. */
static uint64_t real_address(const struct st_call *call)
{
    uint64_t pc = (uintptr_t)*call->real;
    return pc >= st_shared->probe_lo && pc < st_shared->probe_hi ? 0 : pc;
}

/* What the modules that the stack refers to take, and are not written yet; and the stall itself. */
static size_t bytes_around(const struct st_stack *stack, uint32_t native)
{
    enum { MODULE = 180, STALL = 640 };
    const struct st_module *modules[16];
    uint32_t count = 0;
    for (uint32_t i = 0; i < native; i++) {
        const struct st_module *m = st_module_at(stack->frames[i].pc);
        bool known = !m || m->written || count == sizeof(modules) / sizeof(modules[0]);
        for (uint32_t k = 0; !known && k < count; k++)
            known = modules[k] == m;
        if (!known)
            modules[count++] = m;
    }
    return STALL + count * MODULE;
}

/* The record of so many of the frames. */
static void make_stack(const struct st_call *call, const struct st_stack *stack, uint32_t native,
                       const struct st_py_raw *py, int python)
{
    uint64_t call_pc = call ? real_address(call) : 0;
    nameless_count = 0;
    js_begin("stack");
    js_number("stack", stack_count + 1);
    js_open("frames", '[');
    if (call_pc)
        add_frame(call_pc, true, false, NULL);
    for (uint32_t i = 0; i < native; i++)
        /* below a call, the innermost is where our wrapper will return to: a return address too */
        add_frame(stack->frames[i].pc, (i > 0 || !call) && stack->frames[i].exact,
                  is_eval(stack, i, py, python), &stack->frames[i].place);
    js_close(']');
    if (python > 0)
        add_python(py, python);
    if (stack->broken && native == stack->count)
        js_bool("broken", true);
    if (stack->truncated || native < stack->count)
        js_bool("truncated", true);
}

/* Made twice: the first one's length tells whether there is room, and only then are its modules
 * written, which go before it. */
static bool write_stack(const struct st_call *call, const struct st_stack *stack, uint32_t native,
                        const struct st_py_raw *py, int python)
{
    make_stack(call, stack, native, py, python);
    if (!room_for_stacks(js_length() + bytes_around(stack, native)) ||
        !record_modules(call ? real_address(call) : 0, stack, native))
        return false;
    make_stack(call, stack, native, py, python);
    return js_end();
}

uint32_t st_record_stack(const struct st_call *call, const struct st_stack *stack,
                         const struct st_py_raw *py, int py_len, struct st_place **place)
{
    enum { SHORT = 12, SHORTEST = 3, STACKS_OF_A_PLACE = 200 };
    uint64_t hash = hash_stack(call, stack, py, py_len);
    unsigned slot = (unsigned)(hash % STACK_TABLE);
    for (int i = 0; i < 8; i++, slot = (slot + 1) % STACK_TABLE) {
        if (stack_table[slot].hash == hash) {
            *place = stack_table[slot].place;
            return stack_table[slot].id;
        }
        if (!stack_table[slot].hash)
            break;
    }
    struct st_place *p = *place = st_place_of(call, stack, py, py_len);
    if (p->stacks >= STACKS_OF_A_PLACE)
        return p->stack;
    room_worth_of_stacks(p->stack ? ST_WORTH_REPEATED : ST_WORTH_PLACE);
    bool written = write_stack(call, stack, stack->count, py, py_len);
    for (int most = SHORT; !written && !p->stack && most >= SHORTEST; most /= 2)
        written =
            write_stack(call, stack, stack->count < (uint32_t)most ? stack->count : (uint32_t)most,
                        py, py_len < most ? py_len : most);
    if (!written)
        return p->stack; /* of a known place: it stands for this one */
    stack_table[slot].hash = hash;
    stack_table[slot].id = ++stack_count;
    stack_table[slot].place = p;
    for (uint32_t i = 0; i < nameless_count; i++)
        st_late_name(nameless[i].pc, nameless[i].at, stack_count);
    p->stacks++;
    if (!p->stack)
        p->stack = stack_count;
    return stack_count;
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
    st_records_stalls_reset();
    st_places_reset();
    stack_count = 0;
    st_perfmap_reset();
    st_late_names_reset();
    st_v8_reset();
    memset(stack_table, 0, sizeof(stack_table));
}
