/* Python stacks read from a live interpreter, from outside while it blocks and by its own thread,
 * against the interpreter's own account: functions, files, lines, and where the native evaluation
 * loop was entered. Every scenario of python_stack.py, under every interpreter found. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/lang/python.h"
#include "python_child.h"
#include "python_memory.h"

static const char *const scenarios[] = {
    "plain",  "callbacks",  "comparisons",    "generators",   "stepped",       "coroutine",
    "task",   "thread",     "loop_callback",  "control",      "unicode_names", "long_code",
    "deep",   "destructor", "subinterpreter", "bare_thread",  "traced",        "importing",
    "forked", "greenlets",  "named_task",     "constructors",
};

enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]), DEADLINE_S = 10 };

static char *interpreters[INTERPRETERS];
static int interpreter_count;

static const char *python_of(int i)
{
    return interpreters[i / SCENARIOS];
}

static const char *scenario_of(int i)
{
    return scenarios[i % SCENARIOS];
}

static const char *maps_of(pid_t pid)
{
    static char path[64];
    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    return path;
}

/* `name` is `expected`, or as much of it as fits, and says so. */
static bool same_text(const char *name, const char *expected, size_t size)
{
    size_t length = strlen(name);

    if (strlen(expected) < size) {
        return strcmp(name, expected) == 0;
    }
    return length > size - 8 && strcmp(name + length - 3, "…") == 0 &&
           strncmp(name, expected, length - 3) == 0;
}

/* Takes out what Python itself does not show; returns how many are left. */
static int shown(const struct st_py_layout *layout, struct st_py_raw *raw, int count)
{
    int left = 0;

    for (int i = 0; i < count; i++) {
        struct st_py_name name;
        if (st_py_resolve(layout, &raw[i], &name) != -ENOENT) {
            raw[left++] = raw[i];
        }
    }
    return left;
}

/* The first frame that differs, or -1; what was read is left in `name`. */
static int difference(const struct child *child, const struct st_py_layout *layout,
                      const struct st_py_raw *raw, int count, struct st_py_name *name)
{
    for (int i = 0; i < count; i++) {
        memset(name, 0, sizeof(*name));
        if (i >= child->count || st_py_resolve(layout, &raw[i], name) != 0 ||
            !same_text(name->function, child->frames[i].function, sizeof(name->function)) ||
            !same_text(name->file, child->frames[i].file, sizeof(name->file)) ||
            name->line != child->frames[i].line) {
            return i;
        }
    }
    return count == child->count ? -1 : count;
}

/* What can be said of `entry` without looking at the native stack. */
static void check_entries(const struct st_py_raw *raw, int count, int minor)
{
    ck_assert_uint_ne(raw[count - 1].entry, 0); /* somebody entered the outermost */
    for (int i = 0; i < count; i++) {
        ck_assert(minor >= 12 || raw[i].entry <= 1);
        if (minor <= 10) {
            ck_assert_uint_eq(raw[i].entry, 1);
        }
    }
}

START_TEST(from_outside)
{
    static struct child child;
    static struct st_py_raw raw[CHILD_FRAMES], few[100];
    struct st_py_layout layout;
    struct st_py_name name;
    const char *python = python_of(_i);
    time_t deadline = time(NULL) + DEADLINE_S;
    uint64_t tstate;
    int count, walked, wrong;

    if (!child_supported(python)) {
        return;
    }
    child_start(&child, python, scenario_of(_i), NULL);
    test_target = child.target;
    st_py_maps_path = maps_of(child.target);
    ck_assert_int_eq(st_py_detect(&layout), 0);
    ck_assert_int_eq(layout.version >> 16, 0x300 + child_minor(python));
    tstate = st_py_tstate_of(&layout, child.pthread, child.tid);
    ck_assert_uint_ne(tstate, 0);
    do { /* it has announced itself, and is about to block */
        sched_yield();
        walked = st_py_walk_other(&layout, tstate, raw, CHILD_FRAMES);
        count = shown(&layout, raw, walked);
        wrong = walked < 0 ? 0 : difference(&child, &layout, raw, count, &name);
    } while (wrong >= 0 && time(NULL) < deadline);
    ck_assert_msg(wrong < 0, "%s %s: frame %d of %d is %s %s:%d, should be %s %s:%d", python,
                  scenario_of(_i), wrong, count, name.function, name.file, name.line,
                  child.frames[wrong].function, child.frames[wrong].file, child.frames[wrong].line);
    check_entries(raw, count, child_minor(python));

    /* A walk that is cut short gives the innermost frames. */
    ck_assert_int_eq(st_py_walk_other(&layout, tstate, few, 100), walked < 100 ? walked : 100);
    shown(&layout, few, walked < 100 ? walked : 100);
    for (int i = 0; i < count && i < 99; i++) {
        ck_assert_uint_eq(few[i].code, raw[i].code);
        ck_assert(i == 0 || few[i].instr == raw[i].instr); /* it may not quite block yet */
    }
    ck_assert_uint_eq(st_py_tstate_of(&layout, child.pthread + 8, child.tid), 0);
    ck_assert_int_eq(child_end(&child), 0);
}
END_TEST

/* The library that walks from within: as the environment says, or where `make check` builds it.
 * NULL: there is none. */
static const char *own_library(void)
{
    static char path[4096];
    const char *given = getenv("STALLTRACE_TEST_PYTHON_OWN");
    const char *build = getenv("STALLTRACE_BUILD");

    if (given) {
        return given;
    }
    snprintf(path, sizeof(path), "%s/tests/unit/.libs/python_own.so", build ? build : ".");
    return access(path, R_OK) == 0 ? path : NULL;
}

/* The measurements that walk_own prints before its frames. */
static void read_measurements(struct child *child, int *evaluations, long *nanoseconds)
{
    char *line = NULL;
    size_t size = 0;

    ck_assert_int_gt(getline(&line, &size, child->output), 0);
    ck_assert_int_eq(sscanf(line, "%d\t%*d\t%ld", evaluations, nanoseconds), 2);
    free(line);
}

START_TEST(by_its_own_thread)
{
    static struct child child;
    static struct child_frame frames[CHILD_FRAMES];
    const char *python = python_of(_i);
    int count, evaluations, entries = 0;
    long nanoseconds;

    if (!child_supported(python) || strcmp(scenario_of(_i), "subinterpreter") == 0) {
        return; /* ctypes does not work in every sub-interpreter */
    }
    child_start(&child, python, scenario_of(_i), own_library());
    read_measurements(&child, &evaluations, &nanoseconds);
    count = child_read(&child, frames);
    ck_assert_int_eq(count, child.count);
    for (int i = 0; i < count; i++) {
        struct st_py_name sizes;
        ck_assert(same_text(frames[i].function, child.frames[i].function, sizeof(sizes.function)));
        ck_assert(same_text(frames[i].file, child.frames[i].file, sizeof(sizes.file)));
        ck_assert_int_eq(frames[i].line, child.frames[i].line);
        entries += frames[i].entry;
    }
    /* The native stack goes on below a greenlet, into the one that switched to it. */
    if (strcmp(scenario_of(_i), "greenlets") == 0 && evaluations > entries) {
        evaluations = entries;
    }
    ck_assert_msg(entries == evaluations || evaluations < 0,
                  "%s %s: %d entries, but %d runs of the evaluation loop", python, scenario_of(_i),
                  entries, evaluations);
    ck_assert_int_lt(nanoseconds, 50000);
    child_free(frames, count);
    ck_assert_int_eq(child_end(&child), 0);
}
END_TEST

/* A daemon thread that walks while the interpreter frees its frames. */
START_TEST(while_finalizing)
{
    static struct child child;
    const char *python = interpreters[_i];

    if (!child_supported(python)) {
        return;
    }
    child_start(&child, python, "finalizing", own_library());
    ck_assert_int_eq(child_end(&child), 0);
}
END_TEST

/* Interpreters that are not known are recognised as such, not misread. */
START_TEST(unknown_version)
{
    static struct child child;
    struct st_py_layout layout;
    const char *python = interpreters[_i];
    int rc;

    if (child_supported(python)) {
        return;
    }
    child_start(&child, python, "foreign", NULL);
    test_target = child.pid;
    st_py_maps_path = maps_of(child.pid);
    rc = st_py_detect(&layout);
    ck_assert_msg(rc == -ENOTSUP || rc == -ENOENT, "%s: %d", python, rc);
    ck_assert_uint_eq(layout.version, 0);
    ck_assert_int_eq(child_end(&child), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("python frames");
    TCase *stacks = tcase_create("stacks");
    SRunner *runner;
    int failed;

    interpreter_count = child_interpreters(interpreters);
    if (interpreter_count == 0) {
        fputs("test_python_frames: no interpreter found\n", stderr);
        return 77;
    }
    tcase_set_timeout(stacks, 3 * DEADLINE_S);
    tcase_add_loop_test(stacks, from_outside, 0, interpreter_count * SCENARIOS);
    if (own_library()) {
        tcase_add_loop_test(stacks, by_its_own_thread, 0, interpreter_count * SCENARIOS);
        tcase_add_loop_test(stacks, while_finalizing, 0, interpreter_count);
    } else {
        fputs("test_python_frames: no python_own.so: walks from within are left out\n", stderr);
    }
    tcase_add_loop_test(stacks, unknown_version, 0, interpreter_count);
    suite_add_tcase(suite, stacks);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
