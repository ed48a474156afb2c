/* Reading traces: what is one and what is not, damage in the middle and at the end, records that
 * complete earlier ones. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "reporter_trace.h"

struct seen {
    int stalls, ends, mores;
    uint64_t elapsed, added, count, total;
    bool ended;
};

static void on_stall(void *ctx, struct trace *trace, const struct stall *stall)
{
    struct seen *seen = ctx;
    (void)trace;
    seen->stalls++;
    seen->elapsed = stall->elapsed_ns;
}

static void on_end(void *ctx, struct trace *trace, const struct stall *stall, uint64_t added)
{
    struct seen *seen = ctx;
    (void)trace;
    seen->ends++;
    seen->elapsed = stall->elapsed_ns;
    seen->added += added;
    seen->ended = stall->ended;
}

static void on_more(void *ctx, struct trace *trace, const struct stall *stall, uint64_t count,
                    uint64_t total)
{
    struct seen *seen = ctx;
    (void)trace;
    (void)stall;
    seen->mores++;
    seen->count = count;
    seen->total = total;
}

static struct trace *read_bytes(struct seen *seen, const char *bytes, size_t len)
{
    struct trace_sink sink = {.ctx = seen, .stall = on_stall, .stall_end = on_end, .more = on_more};
    *seen = (struct seen){0};
    struct trace *trace = trace_of(bytes, len);
    ck_assert_int_eq(trace_read(trace, &sink), 0);
    trace_finish(trace, &sink);
    return trace;
}

static void assert_problem(const char *bytes, const char *expected)
{
    struct seen seen;
    struct trace *trace = read_bytes(&seen, bytes, strlen(bytes));
    char *problem = trace_problem(trace);
    if (expected == NULL) {
        ck_assert_ptr_null(problem);
    } else {
        ck_assert_ptr_nonnull(problem);
        ck_assert_msg(strstr(problem, expected) != NULL, "%s lacks %s", problem, expected);
    }
    free(problem);
    trace_free(trace);
}

START_TEST(tells_traces_from_other_files)
{
    assert_problem(FIRST, NULL);
    assert_problem("", "is empty");
    assert_problem("root:x:0:0\n", "not a stalltrace trace");
    assert_problem("root:x:0:0", "not a stalltrace trace");
    assert_problem("{\"type\":\"process\"}\n", "not a stalltrace trace");
    assert_problem("[1]\n" FIRST, "not a stalltrace trace");
    assert_problem("{\"type\":\"process\",\"format\":\"stalltrace.trace/2\"}\n", "trace/2");
    assert_problem("{\"type\":\"process\",\"form", "no complete record");
}
END_TEST

START_TEST(reads_the_process)
{
    struct seen seen;
    struct trace *trace = read_bytes(&seen, FIRST LOOP, strlen(FIRST LOOP));
    ck_assert_int_eq(trace->pid, 7);
    ck_assert_str_eq(trace->exe, "/srv/bin/app");
    ck_assert_uint_eq(trace->argc, 2);
    ck_assert_str_eq(trace->argv[1], "-x");
    ck_assert_uint_eq(trace->loop_count, 1);
    ck_assert(!trace->ended);
    trace_free(trace);
}
END_TEST

START_TEST(skips_what_it_does_not_know)
{
    const char lines[] =
        FIRST LOOP "{\"type\":\"from_the_future\",\"x\":[1]}\n" STALL(1, "read", 0, 20, true);
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, strlen(lines));
    ck_assert_int_eq(seen.stalls, 1);
    ck_assert_uint_eq(trace->bad_lines, 0);
    trace_free(trace);
}
END_TEST

START_TEST(skips_and_counts_damaged_lines)
{
    const char lines[] =
        FIRST LOOP "{\"type\":\"stall\",\"sta\n"
                   "\n"
                   "nonsense\n"
                   "{\"type\":\"stats\"} {\"type\":\"stats\"}\n" STALL(1, "read", 0, 20, true);
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, strlen(lines));
    ck_assert_int_eq(seen.stalls, 1);
    ck_assert_uint_eq(trace->bad_lines, 4);
    trace_free(trace);
}
END_TEST

START_TEST(survives_being_cut_anywhere)
{
    const char lines[] =
        FIRST LOOP STALL(1, "read", 0, 20, false) "{\"type\":\"stall_end\",\"stall\":1,"
                                                  "\"elapsed_ns\":500}\n";
    for (size_t len = 0; len <= strlen(lines); len++) {
        struct seen seen;
        struct trace *trace = read_bytes(&seen, lines, len);
        ck_assert_uint_eq(trace->bad_lines, 0);
        ck_assert_int_eq(seen.ends, len == strlen(lines));
        trace_free(trace);
    }
}
END_TEST

START_TEST(takes_embedded_nul_and_bad_utf8)
{
    const char lines[] =
        FIRST "{\"type\":\"notice\",\"code\":\"x\",\"message\":\"a\xff\\u0000b\"}\n"
              "{\"a\":\0}\n" LOOP;
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, sizeof(lines) - 1);
    ck_assert_uint_eq(trace->loop_count, 1);
    ck_assert_uint_eq(trace->notice_count, 1);
    trace_free(trace);
}
END_TEST

START_TEST(completes_a_stall_when_it_ends)
{
    const char lines[] = FIRST LOOP STALL(
        1, "read", 0, 20, false) "{\"type\":\"stall_end\",\"stall\":1,\"elapsed_ns\":500}\n"
                                 "{\"type\":\"stall_end\",\"stall\":1,\"elapsed_ns\":900}\n"
                                 "{\"type\":\"end\",\"at_ns\":5000,\"reason\":\"exit\"}\n";
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, strlen(lines));
    ck_assert_int_eq(seen.ends, 1);
    ck_assert_uint_eq(seen.elapsed, 500);
    ck_assert_uint_eq(seen.added, 480);
    ck_assert(seen.ended);
    trace_free(trace);
}
END_TEST

START_TEST(extends_a_hang_to_the_end_of_the_process)
{
    const char lines[] = FIRST LOOP STALL(
        1, "read", 0, 20, false) "{\"type\":\"end\",\"at_ns\":5000,\"reason\":\"exit\"}\n";
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, strlen(lines));
    ck_assert_uint_eq(seen.elapsed, 4000);
    ck_assert(!seen.ended);
    trace_free(trace);
}
END_TEST

START_TEST(knows_how_long_a_killed_process_hung)
{
    const char lines[] = FIRST LOOP STALL(
        1, "read", 0, 20, false) "{\"type\":\"stall_still\",\"stall\":1,\"elapsed_ns\":70}\n"
                                 "{\"type\":\"stall_still\",\"stall\":1,\"elapsed_ns\":300}\n"
                                 "{\"type\":\"stall_still\",\"stall\":2,\"elapsed_ns\":9}\n";
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, strlen(lines));
    ck_assert_int_eq(seen.ends, 1);
    ck_assert_uint_eq(seen.elapsed, 300);
    ck_assert_uint_eq(seen.added, 280);
    ck_assert(!seen.ended);
    ck_assert_uint_eq(trace->bad_lines, 1);
    trace_free(trace);
}
END_TEST

START_TEST(tells_a_trace_that_is_cut_short)
{
    static const struct {
        const char *lines;
        bool cut;
    } cases[] = {
        {FIRST LOOP, false},
        {FIRST LOOP "{\"type\":\"sta", true},
        {FIRST LOOP "{\"type\":\"end\",\"at_ns\":5,\"reason\":\"exit\"}\n", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct seen seen;
        struct trace *trace = read_bytes(&seen, cases[i].lines, strlen(cases[i].lines));
        ck_assert_int_eq(trace_is_cut_short(trace), cases[i].cut);
        trace_free(trace);
    }
}
END_TEST

START_TEST(hands_over_counted_stalls)
{
    const char lines[] =
        FIRST LOOP "{\"type\":\"more\",\"kind\":\"call\",\"loop\":1,\"call\":\"read\","
                   "\"count\":4,\"total_ns\":100,\"max_ns\":40}\n";
    struct seen seen;
    struct trace *trace = read_bytes(&seen, lines, strlen(lines));
    ck_assert_int_eq(seen.mores, 1);
    ck_assert_uint_eq(seen.count, 4);
    ck_assert_uint_eq(seen.total, 100);
    trace_free(trace);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: reader");
    TCase *tcase = tcase_create("reader");
    tcase_add_test(tcase, tells_traces_from_other_files);
    tcase_add_test(tcase, reads_the_process);
    tcase_add_test(tcase, skips_what_it_does_not_know);
    tcase_add_test(tcase, skips_and_counts_damaged_lines);
    tcase_add_test(tcase, survives_being_cut_anywhere);
    tcase_add_test(tcase, takes_embedded_nul_and_bad_utf8);
    tcase_add_test(tcase, completes_a_stall_when_it_ends);
    tcase_add_test(tcase, extends_a_hang_to_the_end_of_the_process);
    tcase_add_test(tcase, knows_how_long_a_killed_process_hung);
    tcase_add_test(tcase, tells_a_trace_that_is_cut_short);
    tcase_add_test(tcase, hands_over_counted_stalls);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
