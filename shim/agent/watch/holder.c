/* Who holds what a loop waits for, and where that thread's Python code is. It may run meanwhile:
 * its place is read twice, and left out where the two differ. */
#include "agent/agent.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "agent/base/memory.h"
#include "agent/lang/python.h"
#include "agent/base/text.h"

enum { FRAMES = 24 };

/* What comes before the condition variable in CPython's struct _gil_runtime_state, since 3.2. */
struct gil {
    uint64_t last_holder;
    int32_t locked;
    uint64_t switches;
};

/* Is it the one that threads wait at for Python's global interpreter lock? Then what comes before
 * it says which thread state had that last. */
static bool read_gil(uint64_t cond, struct gil *gil)
{
    return st_shared->py.version && st_mem_read(cond - sizeof(*gil), gil, sizeof(*gil)) == 0 &&
           (unsigned)gil->locked <= 1 && st_py_is_tstate(&st_shared->py, gil->last_holder);
}

/* The condition variable of the lock, once it has been seen: with the thread that had the lock last
 * its state may be gone, and nothing tells it any more. */
static uint64_t gil_cond;

static bool is_gil_at(uint64_t cond)
{
    struct gil gil;
    if (cond != gil_cond && !read_gil(cond, &gil))
        return false;
    gil_cond = cond;
    return true;
}

/* It has a mutex, which is next to it; and whoever was asked to give the lock up waits until
 * another thread has taken it, at a second pair of them behind those. */
bool st_is_gil(const struct st_call *call, uint64_t word)
{
    enum { COND = sizeof(pthread_cond_t), BOTH = COND + sizeof(pthread_mutex_t) };
    if (call->rule == ST_RULE_MUTEX)
        return is_gil_at(word - COND) || is_gil_at(word - COND - BOTH);
    return call->rule == ST_RULE_COND && (is_gil_at(word) || is_gil_at(word - BOTH));
}

/* Python waits in Thread.start until the new thread runs. */
static bool starts_thread(const struct st_py_raw *py, int n)
{
    enum { FEW = 6 };
    static const char module[] = "/threading.py";
    static struct st_py_name name;
    for (int i = 0; i < n && i < FEW; i++) {
        if (st_py_resolve(&st_shared->py, &py[i], &name) != 0)
            return false;
        size_t length = strlen(name.file);
        if (length < sizeof(module) || strcmp(name.file + length - sizeof(module) + 1, module) != 0)
            return false;
        const char *last = strrchr(name.function, '.');
        if (!strcmp(last ? last + 1 : name.function, "start"))
            return true;
    }
    return false;
}

const char *st_own_wait(const struct st_call *call, const struct st_what *what,
                        const struct st_py_raw *py, int n)
{
    uint64_t cond;
    if (call->class != ST_LOCK || !st_shared->py.version)
        return NULL;
    if ((call->rule == ST_RULE_COND || call->rule == ST_RULE_MUTEX) &&
        what->kind == ST_WHAT_WORDS) {
        memcpy(&cond, what->bytes, sizeof(cond));
        if (st_is_gil(call, cond))
            return "the GIL";
    }
    return starts_thread(py, n) ? "the start of a thread" : NULL;
}

static bool is_library(const char *file)
{
    const char *lib = strstr(file, "/lib/python3");
    return file[0] == '<' || (lib && !strstr(lib, "-packages/"));
}

/* The innermost frame that is not the standard library's, else the innermost. False: there is none,
 * or it cannot be read. */
static bool find_place(uint64_t tstate, struct st_py_raw *at, struct st_py_name *name)
{
    static struct st_py_raw raw[FRAMES];
    const struct st_py_layout *py = &st_shared->py;
    int n = st_py_walk_other(py, tstate, raw, FRAMES);
    for (int i = 0; i < n; i++) {
        int r = st_py_resolve(py, &raw[i], name);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return false;
        *at = raw[i];
        if (!is_library(name->file))
            return true;
    }
    return n > 0 && st_py_resolve(py, &raw[0], name) == 0 && (*at = raw[0], true);
}

static void add_place(struct st_text *t, uint64_t tstate, struct st_held *held)
{
    static struct st_py_name names[2];
    struct st_py_raw at[2];
    for (int i = 0; i < 2; i++)
        if (!find_place(tstate, &at[i], &names[i]))
            return;
    if (at[0].frame != at[1].frame || at[0].code != at[1].code ||
        strcmp(names[0].function, names[1].function) != 0)
        return;
    st_text_add(t, " at ");
    st_text_add(t, names[1].file);
    if (names[1].line > 0) {
        st_text_char(t, ':');
        st_text_number(t, (uint64_t)names[1].line, 10, 1);
    }
    st_text_add(t, " in ");
    st_text_add(t, names[1].function);
    struct st_text file = {held->file, sizeof(held->file), 0};
    struct st_text function = {held->function, sizeof(held->function), 0};
    st_text_add(&file, names[1].file);
    st_text_add(&function, names[1].function);
    held->line = names[1].line;
}

static void add_gil_holder(struct st_text *t, const struct st_slot *s, uint64_t cond,
                           struct st_held *held)
{
    struct gil gil;
    uint64_t pthread;
    if (!read_gil(cond, &gil) || !gil.locked ||
        st_mem_read(gil.last_holder + st_shared->py.tstate_thread_id, &pthread, 8) < 0 ||
        pthread == s->pthread)
        return;
    pid_t tid = st_tid_of_pthread(pthread);
    if (!tid)
        return;
    st_add_thread(t, ", held by thread ", tid);
    st_held_by_thread(held, tid);
    add_place(t, gil.last_holder, held);
}

void st_add_holder(const struct st_slot *s, const struct st_what *what, const struct st_call *call,
                   const uint64_t *args, char *detail, size_t size, struct st_held *held)
{
    struct st_text t = {detail, size, strlen(detail)};
    st_add_other(&t, s, what, call, args, held);
    uint64_t thread, cond;
    if (call->rule == ST_RULE_COND && what->kind == ST_WHAT_WORDS) {
        memcpy(&cond, what->bytes, sizeof(cond));
        add_gil_holder(&t, s, cond, held);
        return;
    }
    pid_t tid = st_holder_of(what, call, &thread);
    if (tid)
        st_held_by_thread(held, tid);
    uint64_t tstate = tid ? st_py_tstate_of(&st_shared->py, thread, tid) : 0;
    if (tstate)
        add_place(&t, tstate, held);
}
