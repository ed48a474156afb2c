/* Does a loop run, or has its thread left it for a while (between two run_until_complete, in a
 * synchronous test)? A run function is on the stack while a loop runs. So: was there one at the
 * loop's last home wait, and is there none where the thread is now? In doubt it runs. */
#include "running.h"

#include "agent/agent.h"
#include "agent/lang/python.h"
#include "agent/base/rows.h"

#include <string.h>
#include <sys/auxv.h>

enum { MAX_RANGES = 256, MAX_SEEN = 256 };

/* What is known of the loop in a slot: where it waits. */
enum { UNKNOWN, NO_RUN_FUNCTION, RUN_FUNCTION };
struct home {
    uint32_t generation;
    uint8_t waits_in;
    bool python;  /* below Python's frames */
    bool stopped; /* that was written */
};
ST_ROWS(home, struct home)

/* The code of run functions in the modules that have been seen. */
static struct {
    uint64_t lo, hi;
    const char *function;
    bool counts;
} ranges[MAX_RANGES];
static uint32_t range_count;

static const struct {
    const char *symbol, *function;
} turns[] = {
#define RUN_BY_TURNS(symbol, function) {symbol, function},
#include "common/runtimes.def"
};
static bool by_turns[sizeof(turns) / sizeof(*turns)]; /* an object exports the symbol */

/* Python's own function that says whether it ends; it only reads a word. */
static int (*is_finalizing)(void);

/* What was found in a walk over Python frames, by its hash: the names are many reads away. */
static struct remembered {
    uint64_t hash;
    uint16_t loops, outermost;
    bool any, waits;
} remembered[MAX_SEEN];

/* The run functions on a stack. */
struct seen {
    bool any, switches; /* one of them; a frame of what switches stacks */
    bool waits;         /* the innermost of those loops does nothing but wait */
    unsigned loops;     /* how many loops run */
    int native, python; /* the outermost of their frames; -1: none */
};

void st_running_reset(void)
{
    st_rows_clear(&home_rows, sizeof(struct home));
    memset(remembered, 0, sizeof(remembered));
    memset(by_turns, 0, sizeof(by_turns));
    range_count = 0;
    is_finalizing = NULL;
}

/* ---- native code ---- */

void st_running_learn(struct st_module *m, const char *path)
{
    static const struct {
        const char *function;
        bool counts;
    } natives[] = {
#define RUN_NATIVE(function, loops) {function, loops},
#include "common/runtimes.def"
    };
    static const char *const runs[] = {
#define RUN_MODULE(path) path,
#include "common/runtimes.def"
    };
    static const char *const switchers[] = {
#define SWITCHES_STACKS(path) path,
#include "common/runtimes.def"
    };
    struct st_py_module symbols;
    uint64_t size;
    for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
        m->runs_loop |= strstr(path, runs[i]) != NULL;
    for (size_t i = 0; i < sizeof(switchers) / sizeof(*switchers); i++)
        m->switches |= strstr(path, switchers[i]) != NULL;
    if (st_py_module_at(&symbols, m->lo) != 0)
        return;
    uint64_t ends = st_py_symbol_sized(&symbols, "Py_IsFinalizing", &size); /* since 3.13 */
    if (!ends)
        ends = st_py_symbol_sized(&symbols, "_Py_IsFinalizing", &size);
    if (ends && size)
        is_finalizing = (int (*)(void))(uintptr_t)ends;
    for (size_t i = 0; i < sizeof(turns) / sizeof(*turns); i++)
        by_turns[i] |= st_py_symbol_sized(&symbols, turns[i].symbol, &size) != 0;
    for (size_t i = 0; i < sizeof(natives) / sizeof(*natives) && range_count < MAX_RANGES; i++) {
        uint64_t lo = st_py_symbol_sized(&symbols, natives[i].function, &size);
        if (lo && size) {
            ranges[range_count].lo = lo;
            ranges[range_count].hi = lo + size;
            ranges[range_count].function = natives[i].function;
            ranges[range_count++].counts = natives[i].counts;
        }
    }
}

/* Does the function run its loop, and not one turn of it? */
static bool runs_all_of_it(const char *function)
{
    for (size_t i = 0; i < sizeof(turns) / sizeof(*turns); i++)
        if (by_turns[i] && !strcmp(turns[i].function, function))
            return false;
    return true;
}

static void look_at_native(const struct st_stack *stack, struct seen *seen)
{
    bool in_module = false;
    for (uint32_t i = 0; i < stack->count; i++) /* who runs it by turns is further out */
        st_module_at(stack->frames[i].pc - 1);
    for (uint32_t i = 0; i < stack->count; i++) {
        uint64_t pc = stack->frames[i].pc - (stack->frames[i].exact ? 0 : 1);
        const struct st_module *m = st_module_at(pc);
        bool counts = m && m->runs_loop && !in_module;
        in_module = m && m->runs_loop;
        seen->any |= in_module;
        seen->switches |= m && m->switches;
        for (uint32_t k = 0; k < range_count; k++) {
            if (pc < ranges[k].lo || pc >= ranges[k].hi || !runs_all_of_it(ranges[k].function))
                continue;
            seen->any = true;
            seen->native = (int)i;
            counts |= ranges[k].counts;
        }
        /* the function that waits is called by the run function, or a part of it */
        if (in_module || counts)
            seen->native = (int)i;
        if (counts && seen->loops++ == 0)
            seen->waits = i == 0 || (i == 1 && st_module_at(stack->frames[0].pc - 1) == m);
    }
}

/* ---- Python ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

static const struct python_row {
    const char *file, *function;
    uint8_t counts;
} rows[] = {
#define RUN_PYTHON(file, function, loops) {file, function, loops},
#include "common/runtimes.def"
};

/* The row of the function; NULL: it runs no loop. */
static const struct python_row *row_of(const struct st_py_name *name)
{
    const char *last = strrchr(name->function, '.');
    last = last ? last + 1 : name->function;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (!strcmp(last, rows[i].function) && ends_with(name->file, rows[i].file))
            return &rows[i];
    return NULL;
}

/* A frame of those that lead from a run function to its wait: of this module, or one of the
 * runtimes' own. */
static bool leads_to_wait(const struct st_py_name *name)
{
    if (ends_with(name->file, "/selectors.py"))
        return true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *base = strrchr(rows[i].file, '/');
        size_t length = (size_t)(base + 1 - rows[i].file);
        for (const char *p = name->file; length > 1 && *p; p++)
            if (!strncmp(p, rows[i].file, length))
                return true;
    }
    return false;
}

static void look_up(struct remembered *r, const struct st_py_raw *py, int n)
{
    static struct st_py_name name;
    bool waits = true;
    for (int i = 0; i < n; i++) {
        /* code that is gone was no module's function */
        bool known = st_py_resolve(&st_shared->py, &py[i], &name) == 0;
        const struct python_row *row = known ? row_of(&name) : NULL;
        r->any |= row != NULL;
        if (row)
            r->outermost = (uint16_t)i;
        waits = waits && known && (row || leads_to_wait(&name));
        bool again = row && row->counts == 2 && r->loops; /* the same loop, from inside */
        if (row && row->counts && !again && r->loops++ == 0)
            r->waits = waits;
    }
}

static void look_at_python(const struct st_py_raw *py, int n, struct seen *seen)
{
    uint64_t hash = 0x52756e;
    for (int i = 0; i < n; i++) {
        hash = (hash ^ py[i].code) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    struct remembered *r = &remembered[hash % MAX_SEEN];
    if (r->hash != hash) {
        *r = (struct remembered){.hash = hash};
        look_up(r, py, n);
    }
    seen->any |= r->any;
    if (r->any)
        seen->python = r->outermost;
    if (r->loops && !seen->loops)
        seen->waits = r->waits;
    seen->loops += r->loops;
}

static struct seen look(const struct st_where *where)
{
    struct seen seen = {false, false, false, 0, -1, -1};
    look_at_native(where->stack, &seen);
    if (where->py_len > 0)
        look_at_python(where->py, where->py_len, &seen);
    return seen;
}

/* ---- the verdict ---- */

/* Is this the thread's own stack (not a coroutine's), down to where threads and programs begin? */
static bool is_whole(const struct st_slot *s, const struct st_where *where)
{
    enum { START_BYTES = 128 };
    const struct st_stack *stack = where->stack;
    if (where->sp < s->stack_lo || where->sp >= s->stack_hi || stack->broken || stack->truncated ||
        !stack->count || where->py_len < 0 || where->py_len == ST_PY_MAX)
        return false;
    uint64_t outermost = stack->frames[stack->count - 1].pc;
    if (s->tid == getpid())
        return outermost - getauxval(AT_ENTRY) < START_BYTES;
    const struct st_module *m = st_module_at(outermost - 1),
                           *libc = st_module_at((uintptr_t)memcpy);
    return m && m == libc;
}

/* Is the innermost loop on the stack there for this wait alone? */
static bool is_its_own_wait(const struct st_where *where, const struct seen *seen)
{
    return where->call && where->call->rule == ST_RULE_WAIT && seen->loops == 1 && seen->waits;
}

/* Tells the loop's thread that the iteration which it is in since before `t0` is none. */
static void leave_out(struct st_slot *s, uint64_t t0)
{
    uint64_t begun = __atomic_load_n(&s->iter_t0, __ATOMIC_ACQUIRE);
    uint64_t number = __atomic_load_n(&s->iterations, __ATOMIC_ACQUIRE);
    if (begun && begun <= t0 && __atomic_load_n(&s->iter_t0, __ATOMIC_ACQUIRE) == begun)
        atomic_store_explicit(&s->stopped, (uint32_t)number + 1, memory_order_relaxed);
}

void st_note_stopped(uint32_t index, uint32_t generation, uint64_t ticks)
{
    if (home_at(index)->generation != generation || home_at(index)->stopped)
        return;
    home_at(index)->stopped = true;
    st_record_loop_stopped(st_loop_of(index, generation), st_since_start_ns(ticks));
}

bool st_interpreter_ends(uint32_t index, uint64_t t0)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    /* it is the main thread that takes the interpreter apart */
    if (!is_finalizing || home_at(index)->generation != s->generation || !home_at(index)->python ||
        s->by_api || s->tid != getpid() || !is_finalizing())
        return false;
    leave_out(s, t0);
    st_note_stopped(index, s->generation, t0);
    return true;
}

bool st_runs(uint32_t index, uint32_t generation, const struct st_where *where)
{
    struct st_slot *s = st_slot_at(st_shared, index);
    if (home_at(index)->generation != generation || home_at(index)->waits_in != RUN_FUNCTION ||
        s->generation != generation || s->by_api || !is_whole(s, where))
        return true;
    struct seen seen = look(where);
    if (seen.switches || (seen.any && !is_its_own_wait(where, &seen)))
        return true;
    leave_out(s, where->t0);
    st_note_stopped(index, generation, where->t0);
    if (seen.any)
        atomic_store_explicit(&s->next_home, (uint32_t)where->args[2] + 1, memory_order_relaxed);
    return false;
}

/* ---- the home wait ---- */

void st_take_home(const struct st_capture *c)
{
    static struct st_stack unwound;
    struct st_slot *s = st_slot_at(st_shared, c->slot);
    if (s->generation != c->generation)
        return;
    st_unwind(c->regs, c->regs[ST_SP], c->stack, c->stack_len, &unwound);
    struct st_where where = {
        .stack = &unwound, .py = c->py, .py_len = c->py_len, .sp = c->regs[ST_SP]};
    struct seen seen = look(&where);
    bool own = where.sp >= s->stack_lo && where.sp < s->stack_hi;
    if (home_at(c->slot)->generation != c->generation)
        home_at(c->slot)->stopped = false;
    home_at(c->slot)->generation = c->generation;
    st_keep_outer(c, &unwound, seen.python, seen.native);
    home_at(c->slot)->python = c->py_len > 0;
    home_at(c->slot)->waits_in = own && seen.any && !seen.switches ? RUN_FUNCTION : NO_RUN_FUNCTION;
}
