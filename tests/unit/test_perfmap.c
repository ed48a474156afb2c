/* Names from a perf map that grows, is written anew in place (as the JVM does), or is cut off. */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/stack/perfmap.h"

static struct st_shared shared;
struct st_shared *st_shared = &shared;

static char path[64];

static void set_up(void)
{
    snprintf(path, sizeof(path), "/tmp/perf-%d.map", getpid());
    unlink(path);
    st_perfmap_reset();
}

static void tear_down(void)
{
    unlink(path);
}

static void put(int flags, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static const char *name(uint64_t pc)
{
    static char text[64];
    return st_perfmap_name(pc, text, sizeof(text)) ? text : "";
}

START_TEST(grows)
{
    ck_assert_str_eq(name(0x1000), "");
    put(0, "1000 10 first\n2000 10 sec");
    ck_assert_str_eq(name(0x100f), "first");
    ck_assert_str_eq(name(0x1010), "");
    ck_assert_str_eq(name(0x2000), "");
    put(O_APPEND, "ond\n1000 8 third\n");
    ck_assert_str_eq(name(0x2000), "second");
    ck_assert_str_eq(name(0x1000), "third");
    ck_assert_str_eq(name(0x1008), "first");
}
END_TEST

START_TEST(is_written_anew)
{
    put(0, "1000 10 Two.chargeA\n3000 10 Two.main\n");
    ck_assert_str_eq(name(0x1000), "Two.chargeA");
    put(O_TRUNC, "0x1000 0x20 Interpreter\n0x2000 0x10 Two.chargeB\n0x3000 0x10 Two.main\n");
    ck_assert_str_eq(name(0x2000), "Two.chargeB");
    ck_assert_str_eq(name(0x3000), "Two.main");
    ck_assert_str_eq(name(0x1018), "Interpreter");
}
END_TEST

/* Of the same length, and the same where the last reading ended. */
START_TEST(is_written_anew_in_the_middle)
{
    const char *end = "9000 10 this line stands there each time, and is longer than what is kept\n";
    put(0, "1000 10 Two.chargeA\n");
    put(O_APPEND, end);
    ck_assert_str_eq(name(0x1000), "Two.chargeA");
    put(O_TRUNC, "5000 10 Two.chargeB\n");
    put(O_APPEND, end);
    ck_assert_str_eq(name(0x1000), "");
    ck_assert_str_eq(name(0x5000), "Two.chargeB");
}
END_TEST

START_TEST(shrinks)
{
    put(0, "1000 10 first\n2000 10 second\n");
    ck_assert_str_eq(name(0x2000), "second");
    put(O_TRUNC, "2000 10 other\n");
    ck_assert_str_eq(name(0x2000), "other");
    ck_assert_str_eq(name(0x1000), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perfmap");
    TCase *tests = tcase_create("map");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, grows);
    tcase_add_test(tests, is_written_anew);
    tcase_add_test(tests, is_written_anew_in_the_middle);
    tcase_add_test(tests, shrinks);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
