/* The asyncio task of a thread, read from a live interpreter while it blocks: the right one, or
 * none, under every interpreter found; and from one whose tasks are overwritten at random. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "agent/lang/python.h"
#include "python_child.h"
#include "python_memory.h"

enum { FRAMES = 128, DEADLINE_S = 10, ROUNDS = 3000 };

/* A scenario of python_stack.py, and what task it blocks in. */
static const struct {
    const char *scenario, *name, *coroutine;
} cases[] = {
    {"plain", NULL, NULL},         {"thread", NULL, NULL},
    {"loop_callback", NULL, NULL}, {"coroutine", "Task-1", "close_inside"},
    {"task", "Task-2", "leaf"},    {"named_task", "Zoë Zoë ", "named_task.<locals>.Server.handle"},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static char *interpreters[INTERPRETERS];
static struct st_py_raw raw[FRAMES];

/* Starts the scenario and waits until it blocks. Returns how many frames it has. */
static int start(struct child *child, const char *python, const char *scenario,
                 struct st_py_layout *layout, uint64_t *tstate)
{
    static char maps[64];
    time_t deadline = time(NULL) + DEADLINE_S;
    struct st_py_name name;
    int count;

    child_start(child, python, scenario, NULL);
    test_target = child->target;
    snprintf(maps, sizeof(maps), "/proc/%d/maps", child->target);
    st_py_maps_path = maps;
    ck_assert_int_eq(st_py_detect(layout), 0);
    *tstate = st_py_tstate_of(layout, child->pthread, child->tid);
    ck_assert_uint_ne(*tstate, 0);
    do { /* it has announced itself, and is about to block */
        sched_yield();
        count = st_py_walk_other(layout, *tstate, raw, FRAMES);
    } while ((count < 1 || st_py_resolve(layout, &raw[0], &name) != 0 ||
              strcmp(name.function, child->frames[0].function) != 0) &&
             time(NULL) < deadline);
    ck_assert_int_eq(count, child->count);
    return count;
}

static void check_name(const char *name, const char *expected)
{
    size_t length = strlen(expected);

    if (expected[length - 1] != ' ') {
        ck_assert_str_eq(name, expected);
        return;
    }
    ck_assert_int_eq(strncmp(name, expected, length), 0); /* too long: cut */
    ck_assert_str_eq(name + strlen(name) - strlen("…"), "…");
    ck_assert_uint_lt(strlen(name), sizeof(((struct st_py_task *)NULL)->name));
}

START_TEST(by_its_coroutine)
{
    static struct child child;
    struct st_py_layout layout;
    struct st_py_task task;
    const char *python = interpreters[_i / CASES];
    const char *name = cases[_i % CASES].name;
    uint64_t tstate;
    int count;

    if (!child_supported(python)) {
        return;
    }
    count = start(&child, python, cases[_i % CASES].scenario, &layout, &tstate);
    if (name == NULL) {
        ck_assert_int_eq(st_py_task(&layout, tstate, raw, count, &task), -ENOENT);
        ck_assert_str_eq(task.name, "");
    } else {
        ck_assert_int_eq(st_py_task(&layout, tstate, raw, count, &task), 0);
        check_name(task.name, name);
        ck_assert_str_eq(task.coroutine, cases[_i % CASES].coroutine);
        ck_assert_int_eq(st_py_task(&layout, tstate, raw, count, &task), 0); /* found again */
        check_name(task.name, name);
    }
    /* Frames of another moment: the task that runs now is not theirs. */
    for (int i = 0; i < count; i++) {
        raw[i].frame += 8;
    }
    ck_assert_int_eq(st_py_task(&layout, tstate, raw, count, &task), -ENOENT);
    ck_assert_int_eq(st_py_task(&layout, tstate, raw, 0, &task), -ENOENT);
    ck_assert_int_eq(child_end(&child), 0);
}
END_TEST

static uint64_t anything(uint64_t near)
{
    uint64_t value = (uint64_t)mrand48() << 32 ^ (uint64_t)mrand48();

    switch (lrand48() % 4) {
    case 0:
        return value;
    case 1:
        return value % 64;
    case 2:
        return near + value % 4096 / 8 * 8;
    default:
        return 0 - value % 64;
    }
}

static void overwrite(uint64_t addr, uint64_t word)
{
    struct iovec local = {&word, sizeof(word)};
    struct iovec remote = {(void *)(uintptr_t)addr, sizeof(word)};
    process_vm_writev(test_target, &local, 1, &remote, 1, 0);
}

/* Around the coroutine lie its task, the loop and their dicts; words of all of them are replaced,
 * one after the other, and some put back. The victim is stopped, so that it does not fall over. */
START_TEST(corrupted)
{
    static struct child child;
    struct st_py_layout layout;
    struct st_py_task task;
    const char *python = interpreters[_i];
    uint64_t tstate, interp, where[4];
    int count;

    if (!child_supported(python)) {
        return;
    }
    count = start(&child, python, "task", &layout, &tstate);
    kill(child.pid, SIGSTOP);
    ck_assert_int_eq(st_mem_read(tstate + layout.tstate_interp, &interp, sizeof(interp)), 0);
    where[0] = raw[0].frame;
    where[1] = raw[count - 1].frame;
    ck_assert_int_eq(st_mem_read(interp + layout.interp_modules, &where[2], sizeof(where[2])), 0);
    ck_assert_int_eq(st_mem_read(where[2] + layout.dict_keys, &where[3], sizeof(where[3])), 0);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t target = where[lrand48() % 4] + (uint64_t)(lrand48() % 512) * 8;
        uint64_t word;
        bool back = st_mem_read(target, &word, sizeof(word)) == 0 && round % 8 != 0;
        overwrite(target, anything(target));
        int rc = st_py_task(&layout, tstate, raw, count, &task);
        ck_assert_int_le(rc, 0);
        ck_assert(rc == 0 || task.name[0] == '\0');
        ck_assert_uint_lt(strnlen(task.name, sizeof(task.name)), sizeof(task.name));
        ck_assert_uint_lt(strnlen(task.coroutine, sizeof(task.coroutine)), sizeof(task.coroutine));
        if (back) {
            overwrite(target, word);
        }
        st_py_task(&layout, anything(tstate), raw, count, &task);
    }
    kill(child.pid, SIGKILL);
    child_end(&child);
}
END_TEST

START_TEST(not_known)
{
    struct st_py_layout layout = {0};
    struct st_py_task task = {"x", "y"};

    ck_assert_int_eq(st_py_task(&layout, 4096, raw, 0, &task), -ENOTSUP);
    ck_assert_str_eq(task.name, "");
    ck_assert_str_eq(task.coroutine, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("python tasks");
    TCase *tests = tcase_create("tasks");
    int count = child_interpreters(interpreters);
    SRunner *runner;
    int failed;

    if (count == 0) {
        fputs("test_python_tasks: no interpreter found\n", stderr);
        return 77;
    }
    srand48(20240229);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, by_its_coroutine, 0, count * CASES);
    tcase_add_loop_test(tests, corrupted, 0, count);
    tcase_add_test(tests, not_known);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
