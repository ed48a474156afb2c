/* What the user writes: durations, thresholds, classes, loops, suppression rules. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/amounts.h"
#include "commands/outdir.h"
#include "trace/settings.h"
#include "model/suppress.h"

START_TEST(durations_have_units)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {{"10ms", 10000000},   {"0", 0},           {"1s", 1000000000},  {"500us", 500000},
                {"1.5s", 1500000000}, {"100ns", 100},     {"1m", 60000000000}, {"0ms", 0},
                {"0.5ms", 500000},    {".5s", 500000000}, {"00", 0},           {"0.0", 0}};
    static const char *const bad[] = {"",
                                      "5",
                                      "ms",
                                      "-1ms",
                                      "1 ms",
                                      "1h",
                                      "10ms ",
                                      "1..5s",
                                      "1e3s",
                                      "nan",
                                      "99999999999999999999s",
                                      "1.5",
                                      ".",
                                      "0x1s",
                                      "1msx"};
    uint64_t ns;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        ck_assert_msg(parse_duration(good[i].text, &ns) == 0, "%s", good[i].text);
        ck_assert_uint_eq(ns, good[i].ns);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(parse_duration(bad[i], &ns) == -EINVAL, "%s", bad[i]);
}
END_TEST

static void assert_checked(int (*check)(const char *text), const char *const *good,
                           const char *const *bad)
{
    for (; *good != NULL; good++)
        ck_assert_msg(check(*good) == 0, "%s", *good);
    for (; *bad != NULL; bad++)
        ck_assert_msg(check(*bad) == -EINVAL, "%s", *bad);
}

START_TEST(lists_are_checked_item_by_item)
{
    assert_checked(check_threshold,
                   (const char *const[]){"10ms", "10ms,dns=0,file=50ms", "dns=1s", "0", NULL},
                   (const char *const[]){"", "10ms,", "10", "10ms,5ms", "10ms,disk=1ms",
                                         "dns=", "dns=5", ",10ms", NULL});
    assert_checked(check_strict,
                   (const char *const[]){"1", "0", "sleep,net", "all", "default", NULL},
                   (const char *const[]){"2", "sleep,", "disk", "sleep net", NULL});
    assert_checked(
        check_loops,
        (const char *const[]){"auto", "poll,main", "api", "name=io-*", "auto,name=x", NULL},
        (const char *const[]){"", "all", "name=", "auto,", "Name=x", NULL});
    char longest[ST_LOOPS_SIZE + 1] = "name="; /* what is longer the probe does not take */
    memset(longest + 5, 'x', sizeof(longest) - 6);
    ck_assert_int_eq(check_loops(longest), -EINVAL);
    longest[ST_LOOPS_SIZE - 1] = 0;
    ck_assert_int_eq(check_loops(longest), 0);
}
END_TEST

START_TEST(sizes_have_units)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"64M", 64 << 20},
                {"1g", 1 << 30},
                {"512K", 512 << 10},
                {"1000000", 1000000},
                {"000000000000000000000064M", 64 << 20}};
    static const char *const bad[] = {
        "", "0", "0M", "-1", "1T", "1.5M", "M", "1MB", "1 M", "99999999999999999G", "2000000000G"};
    uint64_t bytes;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        ck_assert_msg(parse_size(good[i].text, &bytes) == 0, "%s", good[i].text);
        ck_assert_uint_eq(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(check_size(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

/* Returns the complaint about a rule, to be freed; NULL where it is good. */
static char *complaint_about(const char *line)
{
    struct rules *rules = rules_new();
    char *message = NULL;
    int result = rules_add(rules, line, "x", 1, &message);
    ck_assert_int_eq(result, message == NULL ? 0 : -EINVAL);
    rules_free(rules);
    return message;
}

START_TEST(rules_are_kind_and_pattern)
{
    static const char *const good[] = {"",
                                       "# comment",
                                       "   ",
                                       "call:fsync",
                                       "call:f* class:sync # why",
                                       "detail:\"300 ms\"",
                                       "detail:\"/tmp/a # b\" # why",
                                       "stack:a>…>b<c>::d>...>operator->",
                                       "frame:a::b#c",
                                       "callee:requests.* and function:pay until=2031-02-28",
                                       "fingerprint:0123456789abcdef",
                                       "loop:main class:s*",
                                       "\tfile:*/x.py\r"};
    static const char *const bad[] = {"fsync",
                                      "cal:fsync",
                                      "call:",
                                      "call:a fsync",
                                      "detail:\"x",
                                      "call:fsync :x",
                                      "call: fsync",
                                      "!",
                                      "!!call:read",
                                      "class:slep",
                                      "and call:a",
                                      "until=2031-02-30",
                                      "until=soon",
                                      "call:a until=",
                                      "until=2031-02-28",
                                      "stack:a>>b",
                                      "stack:...",
                                      "strict:maybe",
                                      "fingerprint:xyz",
                                      "call:\"a\"b"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        ck_assert_ptr_null(complaint_about(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char *message = complaint_about(bad[i]);
        ck_assert_msg(message != NULL, "%s", bad[i]);
        free(message);
    }
}
END_TEST

static bool covers(const char *line, const struct suppression_subject *subject)
{
    struct rules *rules = rules_new();
    char *message = NULL;
    ck_assert_int_eq(rules_add(rules, line, "x", 1, &message), 0);
    bool covered = rules_match(rules, subject) != NULL;
    rules_free(rules);
    return covered;
}

START_TEST(all_conditions_of_a_rule_must_hold)
{
    struct frame frames[] = {
        {.function = "read", .module = "libc.so.6", .module_path = "/l/libc.so.6"},
        {.function = "load", .file = "/srv/app.py", .lang = LANG_PYTHON}};
    struct stack_view view = {.frames = frames,
                              .count = 2,
                              .culprit = 1,
                              .natural = 1,
                              .callee = "fs.readFileSync",
                              .begins_with_call = true};
    struct suppression_subject subject = {.call = "read",
                                          .class_name = "file",
                                          .detail = "tcp 127.0.0.1:80",
                                          .exe = "/usr/bin/python3.11",
                                          .thread = "worker 1",
                                          .view = &view};
    static const char *const yes[] = {"call:read",
                                      "call:r*",
                                      "class:file",
                                      "detail:tcp*:80",
                                      "detail:\"tcp 127.*\"",
                                      "process:python3*",
                                      "process:/usr/bin/*",
                                      "frame:load",
                                      "module:libc.so*",
                                      "module:/l/*",
                                      "file:*.py",
                                      "thread:worker*",
                                      "caller:load",
                                      "!frame:app",
                                      "call:read !call:write !detail:\"udp *\"",
                                      "call:read frame:load",
                                      "function:load and loop:worker*",
                                      "callee:fs.r* until=2999-12-31",
                                      "stack:load>read",
                                      "stack:...>load>*d",
                                      "!stack:read>load",
                                      "!fingerprint:0123456789abcdef"};
    static const char *const no[] = {"call:rea",          "detail:80",
                                     "frame:app",         "file:app.py",
                                     "call:read frame:x", "process:node",
                                     "thread:work",       "caller:read",
                                     "!frame:load",       "!call:*",
                                     "call:x !call:y",    "function:read",
                                     "callee:read",       "call:read until=2001-01-01",
                                     "stack:read>load",   "stack:load>…>x"};
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        ck_assert_msg(covers(yes[i], &subject), "%s", yes[i]);
    for (size_t i = 0; i < COUNT_OF(no); i++)
        ck_assert_msg(!covers(no[i], &subject), "%s", no[i]);
    subject.detail = NULL;
    ck_assert(!covers("detail:*", &subject));
    ck_assert(covers("!detail:*", &subject));
    view.begins_with_call = false; /* an iteration: nobody called anything */
    ck_assert(!covers("caller:*", &subject));
}
END_TEST

START_TEST(bad_rules_are_named_with_file_and_line)
{
    char path[] = "/tmp/stalltrace-rules-XXXXXX";
    int fd = mkstemp(path);
    dprintf(fd, "# ours\ncall:fsync\n\nnonsense\n");
    close(fd);
    struct rules *rules = rules_new();
    char *message = NULL;
    ck_assert_int_eq(rules_load(rules, path, &message), -EINVAL);
    char *expected = mem_printf("%s:4:1: 'nonsense'", path);
    ck_assert_msg(starts_with(message, expected), "%s", message);
    free(expected);
    free(message);
    unlink(path);
    ck_assert_int_eq(rules_load(rules, path, &message), -ENOENT);
    free(message);
    ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody will ever write to it */
    ck_assert_int_lt(rules_load(rules, path, &message), 0);
    free(message);
    unlink(path);
    rules_free(rules);
}
END_TEST

START_TEST(a_parked_tokio_worker_is_suppressed)
{
    struct frame frames[] = {
        {.function = "pthread_cond_wait"},
        {.function = "tokio::runtime::scheduler::multi_thread::park::Parker::park"},
        {.function = "tokio::runtime::scheduler::multi_thread::worker::run"}};
    struct stack_view view = {.frames = frames, .count = 3};
    struct suppression_subject subject = {
        .call = "pthread_cond_wait", .class_name = "lock", .exe = "/srv/app", .view = &view};
    struct rules *rules = rules_new();
    ck_assert_ptr_null(rules_match(rules, &subject));
    rules_add_builtin(rules);
    ck_assert_ptr_nonnull(rules_match(rules, &subject));
    view.frames[1].function = "app::handler";
    ck_assert_ptr_null(rules_match(rules, &subject));
    rules_free(rules);
}
END_TEST

START_TEST(what_a_worker_runs_is_not_suppressed)
{
    static const struct {
        const char *functions[4]; /* below the futex, innermost first */
        const char *thread;
        bool suppressed;
    } cases[] = {
        {{"tokio::runtime::blocking::pool::Inner::run"}, "tokio-runtime-w", true},
        /* a worker is a task of the pool; what else is one may block */
        {{"app::f", "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
          "tokio::runtime::blocking::pool::Task::run",
          "tokio::runtime::blocking::pool::Inner::run"},
         "tokio-runtime-w",
         false},
        {{"app::f", "tokio::runtime::task::harness::Harness<T,S>::poll",
          "tokio::runtime::blocking::pool::Inner::run"},
         "tokio-runtime-w",
         true},
        {{"app::f", "tokio::runtime::scheduler::multi_thread::worker::block_in_place",
          "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
          "tokio::runtime::blocking::pool::Inner::run"},
         "tokio-runtime-w",
         true},
        {{NULL}, "tokio-runtime-w", true},
        {{NULL}, "app", false},
        {{"app::f"}, "tokio-runtime-w", false},
        {{"boost::asio::detail::scheduler::do_run_one", "boost::asio::detail::scheduler::run"},
         "app",
         true},
        {{"Shop::wait", "boost::asio::detail::scheduler::do_run_one"}, "app", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct frame frames[5] = {{.function = "futex"}};
        for (size_t j = 0; j < 4; j++)
            frames[j + 1].function = cases[i].functions[j];
        struct stack_view view = {.frames = frames, .count = 5, .begins_with_call = true};
        struct suppression_subject subject = {.call = "futex",
                                              .class_name = "lock",
                                              .exe = "/srv/app",
                                              .thread = cases[i].thread,
                                              .view = &view};
        struct rules *rules = rules_new();
        rules_add_builtin(rules);
        ck_assert_msg((rules_match(rules, &subject) != NULL) == cases[i].suppressed, "%zu", i);
        rules_free(rules);
    }
}
END_TEST

START_TEST(node_that_ends_is_suppressed)
{
    struct frame frames[] = {{.function = "pthread_join"},
                             {.function = "uv_thread_join"},
                             {.function = "node::WorkerThreadsTaskRunner::Shutdown"}};
    struct stack_view view = {.frames = frames, .count = 3};
    struct suppression_subject subject = {
        .call = "pthread_join", .class_name = "lock", .exe = "/usr/bin/node", .view = &view};
    struct rules *rules = rules_new();
    rules_add_builtin(rules);
    ck_assert_ptr_nonnull(rules_match(rules, &subject));
    frames[2].function = "addon::Stop";
    ck_assert_ptr_null(rules_match(rules, &subject));
    /* Draining is only excused while it waits, not for what it runs. */
    frames[1].function = "JSRun";
    frames[2].function = "node::NodePlatform::DrainTasks";
    ck_assert_ptr_null(rules_match(rules, &subject));
    rules_free(rules);
}
END_TEST

static void touch(const char *path)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

START_TEST(only_traces_are_moved_away)
{
    char root[] = "/tmp/stalltrace-outdir-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chdir(root), 0);
    char *out = mem_printf("%s/out", root);
    ck_assert_int_eq(outdir_prepare(out, false), 0);
    touch("out/first.jsonl");
    ck_assert_int_eq(outdir_prepare(out, false), 0);
    ck_assert_int_eq(access("out.old/first.jsonl", F_OK), 0);
    ck_assert_int_ne(access("out/first.jsonl", F_OK), 0);
    touch("out/second.jsonl");
    ck_assert_int_eq(outdir_prepare(out, false), 0);
    ck_assert_int_eq(access("out.old/second.jsonl", F_OK), 0);
    ck_assert_int_ne(access("out.old/first.jsonl", F_OK), 0);
    touch("out.old/thesis.txt");
    touch("out/third.jsonl");
    ck_assert_int_eq(outdir_prepare(out, false), -EEXIST);
    ck_assert_int_eq(access("out.old/thesis.txt", F_OK), 0);
    ck_assert_int_eq(access("out/third.jsonl", F_OK), 0);
    ck_assert_int_eq(outdir_prepare(root, false), -EEXIST);
    free(out);
    char *remove = mem_printf("rm -r %s", root);
    ck_assert_int_eq(system(remove), 0);
    free(remove);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: settings");
    TCase *tcase = tcase_create("settings");
    tcase_add_test(tcase, durations_have_units);
    tcase_add_test(tcase, sizes_have_units);
    tcase_add_test(tcase, lists_are_checked_item_by_item);
    tcase_add_test(tcase, rules_are_kind_and_pattern);
    tcase_add_test(tcase, all_conditions_of_a_rule_must_hold);
    tcase_add_test(tcase, bad_rules_are_named_with_file_and_line);
    tcase_add_test(tcase, a_parked_tokio_worker_is_suppressed);
    tcase_add_test(tcase, what_a_worker_runs_is_not_suppressed);
    tcase_add_test(tcase, node_that_ends_is_suppressed);
    tcase_add_test(tcase, only_traces_are_moved_away);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
