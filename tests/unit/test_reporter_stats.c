/* Histograms and percentiles, the figures of loops, and the JSON reports against their schema. */
#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "formats/format_stats.h"
#include "formats/formats.h"
#include "reporter_trace.h"
#include "schema.h"

START_TEST(percentiles_are_by_nearest_rank)
{
    struct histogram h = {0};
    ck_assert_uint_eq(histogram_percentile(&h, 500, 0), 0);
    /* Buckets of 8000 and up are 1000 wide: their middle is 500 more. */
    histogram_add(&h, 16000, 1);
    histogram_add(&h, 8000, 1);
    ck_assert_uint_eq(histogram_percentile(&h, 0, 0), 8500);
    ck_assert_uint_eq(histogram_percentile(&h, 500, 0), 8500);
    ck_assert_uint_eq(histogram_percentile(&h, 501, 0), 17000);
    ck_assert_uint_eq(histogram_percentile(&h, 1000, 16500), 16500);
    histogram_add(&h, 8000, 997);
    ck_assert_uint_eq(h.total, 999);
    ck_assert_uint_eq(histogram_percentile(&h, 998, 0), 8500);
    ck_assert_uint_eq(histogram_percentile(&h, 999, 0), 17000);
    ck_assert_uint_eq(histogram_count_from(&h, 8000), 999);
    ck_assert_uint_eq(histogram_count_from(&h, 8001), 1);
    ck_assert_uint_eq(histogram_count_from(&h, 16001), 0);
    histogram_free(&h);
}
END_TEST

START_TEST(large_counts_do_not_overflow)
{
    struct histogram h = {0}, other = {0};
    histogram_add(&h, 100, UINT64_MAX / 2);
    histogram_add(&h, 200, UINT64_MAX / 4);
    histogram_add(&h, 300, UINT64_MAX); /* nonsense is left out */
    histogram_settle(&h);
    ck_assert_uint_eq(h.count, 2);
    ck_assert_uint_eq(histogram_percentile(&h, 500, 0), 106);
    ck_assert_uint_eq(histogram_percentile(&h, 999, 0), 212);
    histogram_add(&other, 50, 2);
    histogram_merge(&other, &h);
    ck_assert_uint_eq(other.count, 3);
    ck_assert_uint_eq(other.buckets[0].low_ns, 50);
    ck_assert_uint_eq(bucket_end(UINT64_MAX), UINT64_MAX);
    ck_assert_uint_eq(bucket_end(0), 1);
    histogram_free(&h);
    histogram_free(&other);
}
END_TEST

#define STATS(at, iterations, hist)                                                                \
    "{\"type\":\"stats\",\"loop\":1,\"at_ns\":" #at ",\"iterations\":" #iterations                 \
    ",\"max_iteration_ns\":300000000,\"busy_ns\":300000000,\"wait_ns\":900000000,\"calls_ns\":5,"  \
    "\"iteration_hist\":" hist ",\"wait_hist\":[[8000,1]],\"calls_hist\":[[4,1]],"                 \
    "\"longest\":[[5,300000000],[9,20]]}\n"

START_TEST(counts_are_deltas_and_figures_are_not)
{
    struct model model;
    model_init(&model, NULL, NULL);
    const struct trace *trace =
        feed_model(&model, FIRST LOOP STATS(10, 2, "[[8000,2]]")
                               STATS(20, 5, "[[8000,2],[280000000,1],\"x\",[1],[1,\"y\"]]"));
    const struct loop *loop = trace->loops[0];
    ck_assert_uint_eq(loop->iterations, 5);
    ck_assert_uint_eq(loop->iteration_hist.total, 5);
    ck_assert_uint_eq(loop->wait_hist.total, 2);
    ck_assert_uint_eq(loop->longest_count, 2);
    ck_assert_uint_eq(histogram_percentile(&loop->iteration_hist, 990, 300000000), 297500000);
    ck_assert_double_eq_tol(loop_busy_share(loop), 0.25, 1e-9);
    ck_assert_double_eq_tol(loop_rate(loop), 5 / 1.2, 1e-9);
    struct strbuf text = {0}, json = {0};
    format_stats_text(&text, &model, false);
    ck_assert_ptr_nonnull(strstr(text.data, "25 %"));
    ck_assert_ptr_nonnull(strstr(text.data, "300ms"));
    for (const char *line = text.data; *line != '\0';) {
        size_t len = strcspn(line, "\n"), columns = 0;
        for (size_t i = 0; i < len; i++)
            columns += ((unsigned char)line[i] & 0xc0) != 0x80;
        ck_assert_uint_le(columns, 80);
        line += len + (line[len] == '\n');
    }
    format_stats_json(&json, &model);
    struct json_object *parsed = json_tokener_parse(json.data);
    ck_assert_ptr_nonnull(parsed);
    json_object_put(parsed);
    sb_free(&text);
    sb_free(&json);
    model_free(&model);
}
END_TEST

#define FROZEN(at, by, to, ns)                                                                     \
    "{\"type\":\"frozen\",\"at_ns\":" #at ",\"began_by_ns\":" #by ",\"ended_by_ns\":" #to          \
    ",\"elapsed_ns\":" #ns "}\n"
#define FIGURES(iterations, busy, wait, calls, hists, longest, longest_calls)                      \
    "{\"type\":\"stats\",\"loop\":1,\"at_ns\":99000,\"iterations\":" #iterations                   \
    ",\"max_iteration_ns\":90000,\"busy_ns\":" #busy ",\"wait_ns\":" #wait ",\"calls_ns\":" #calls \
    "," hists ",\"longest\":" longest ",\"longest_calls\":" longest_calls "}\n"

START_TEST(time_without_a_cpu_is_no_time_of_its_loops)
{
    struct model model;
    model_init(&model, NULL, NULL);
    const struct trace *trace = feed_model(
        &model, FIRST LOOP
        "{\"type\":\"stats\",\"loop\":1,\"at_ns\":10,\"iterations\":3,\"max_iteration_ns\":"
        "900000000,"
        "\"busy_ns\":1500000000,\"wait_ns\":500000000,\"calls_ns\":0,"
        "\"iteration_hist\":[[83886080,2],[805306368,1]],\"longest\":[[5,900000000],[9,90000000]],"
        "\"longest_calls\":[400000000,0],\"not_own_ns\":700000000,"
        "\"iteration_moves\":[[805306368,184549376,1],[83886080,0,1],[7,8,9],[1,2],5],"
        "\"longest_own\":[[5,900000000,700000000],[9,90000000,95000000],\"x\"]}\n");
    const struct loop *loop = trace->loops[0];
    ck_assert_uint_eq(loop->max_iteration_ns, 200000000);
    ck_assert_uint_eq(loop->busy_ns, 800000000);
    ck_assert_uint_eq(loop->longest_count, 1);
    ck_assert_uint_eq(loop->longest[0].elapsed_ns, 200000000);
    ck_assert_uint_eq(loop->longest[0].calls_ns, 200000000);
    ck_assert_uint_eq(loop->iteration_hist.total, 2);
    ck_assert_uint_eq(histogram_count_from(&loop->iteration_hist, 300000000), 0);
    model_free(&model);
}
END_TEST

START_TEST(time_for_which_the_process_was_stopped_is_no_time_of_its_loops)
{
    /* Stopped at home, in an iteration on CPU, in a call of another, and once more than is told. */
    const char *lines = FIRST LOOP FROZEN(1000, 1100, 5000, 4000) FROZEN(10000, 10500, 80000, 60000)
        FROZEN(90500, 90600, 94500,
               4000) "{\"type\":\"frozen\",\"count\":2,\"elapsed_ns\":7}"
                     "\n" FIGURES(4, 96100, 20000, 4600,
                                  "\"iteration_hist\":[[480,1],[960,1],[4352,1],[63488,"
                                  "1]],\"calls_hist\":[[480,1],"
                                  "[4096,1]]",
                                  "[[10300,65000],[90500,4500],[9300,1000],[300,500]]",
                                  "[500,4100,0,0]");
    struct model model;
    model_init(&model, NULL, NULL);
    const struct trace *trace = feed_model(&model, lines);
    const struct loop *loop = trace->loops[0];
    ck_assert_uint_eq(trace->frozen_count, 5);
    ck_assert_uint_eq(trace->frozen_ns, 68007);
    ck_assert_uint_eq(loop->busy_ns, 96100 - 60000 - 4000);
    ck_assert_uint_eq(loop->wait_ns, 20000 - 4000);
    ck_assert_uint_eq(loop->calls_ns, 4600 - 4000);
    ck_assert_uint_eq(loop->max_iteration_ns, 5000);
    ck_assert_uint_eq(loop->longest_count, 4);
    ck_assert_uint_eq(loop->longest[0].elapsed_ns, 5000);
    ck_assert_uint_eq(loop->longest[0].frozen_ns, 60000);
    ck_assert_uint_eq(loop->longest[0].calls_ns, 500);
    ck_assert_uint_eq(loop->longest[1].elapsed_ns, 1000); /* it ended before the freeze began */
    ck_assert_uint_eq(loop->longest[3].elapsed_ns, 500);
    ck_assert_uint_eq(loop->longest[3].calls_ns, 100);
    ck_assert_uint_eq(loop->iteration_hist.total, 4);
    ck_assert_uint_eq(histogram_count_from(&loop->iteration_hist, 5400), 0);
    ck_assert_uint_eq(histogram_percentile(&loop->iteration_hist, 500, 0), 510);
    ck_assert_uint_eq(loop->calls_hist.total, 2);
    ck_assert_uint_eq(histogram_count_from(&loop->calls_hist, 520), 0);
    model.budget_ns = 5500;
    uint64_t longest;
    ck_assert_uint_eq(loop_over_budget(&model, loop, &longest), 0);
    struct strbuf out = {0};
    format_stats_text(&out, &model, false);
    ck_assert_ptr_nonnull(
        strstr(out.data, "68 \xc2\xb5s for which the process was stopped (5 times)"));
    sb_clear(&out);
    format_stats_json(&out, &model);
    struct json_object *parsed = json_tokener_parse(out.data);
    ck_assert_ptr_nonnull(parsed);
    json_object_put(parsed);
    ck_assert_ptr_nonnull(strstr(out.data, "\"total_ms\": 0.068007"));
    sb_free(&out);
    model_free(&model);
}
END_TEST

START_TEST(a_stall_that_never_ended_did_not_last_while_the_process_was_stopped)
{
    struct model model;
    model_init(&model, NULL, NULL);
    feed_model(&model, FIRST LOOP STALL(1, "read", 0, 10, false)
                           FROZEN(2000, 2100, 6000, 4000) "{\"type\":\"end\",\"at_ns\":9000}\n");
    ck_assert_uint_eq(model.findings[0]->max_ns, 9000 - 1000 - 4000);
    model_free(&model);
}
END_TEST

START_TEST(a_loop_without_figures_is_no_problem)
{
    struct model model;
    model_init(&model, NULL, NULL);
    feed_model(&model, FIRST LOOP);
    struct strbuf text = {0};
    format_stats_text(&text, &model, true);
    format_stats_json(&text, &model);
    sb_free(&text);
    model_free(&model);
}
END_TEST

#define RICH                                                                                       \
    FIRST LOOP MODULE(1, "/usr/lib/libc.so.6")                                                     \
        STACK(1, NATIVE(1, "0x1"),                                                                 \
              PYTHON("f", "/srv/a.py", 4,                                                          \
                     true)) "{\"type\":\"stack\",\"stack\":2,\"broken\":true,\"frames\":[{\"pc\":" \
                            "\"0x2\",\"symbol\":"                                                  \
                            "\"JS:~ /a.js:1:2\"}]}\n" STALL(1, "read", 1, 20, true)                \
                                STALL(2, "open", 2, 2000000000,                                    \
                                      false) "{\"type\":\"stall\",\"stall\":3,\"kind\":"           \
                                             "\"iteration\",\"loop\":1,\"call\":\"iteration\","    \
                                             "\"class\":\"iteration\",\"stack\":1,\"at_ns\":1,"    \
                                             "\"elapsed_ns\":9,\"ended\":false}\n"                 \
                                             "{\"type\":\"sample\",\"stall\":3,\"stack\":1}\n"     \
                                             "{\"type\":\"sample\",\"stall\":3,\"stack\":2,"       \
                                             "\"asleep\":{\"wchan\":\"w\"}}\n"                     \
                                             "{\"type\":\"stall_end\",\"stall\":3,\"elapsed_ns\":" \
                                             "99,\"time\":{\"calls_ns\":1,\"cpu_ns\":"             \
                                             "2,\"runnable_ns\":3,\"asleep_ns\":4,\"frozen_ns\":"  \
                                             "5},\"calls\":[{\"call\":\"read\",\"class\""          \
                                             ":\"file\",\"count\":2,\"total_ns\":1}]}\n"           \
                                             "{\"type\":\"stall\",\"stall\":4,\"kind\":"           \
                                             "\"iteration\",\"loop\":1,\"call\":\"iteration\","    \
                                             "\"class\":\"iteration\",\"at_ns\":1,\"elapsed_ns\":" \
                                             "9,\"ended\":false}\n"                                \
                                             "{\"type\":\"notice\",\"code\":\"trace-full\","       \
                                             "\"message\":\"full\"}\n"

START_TEST(json_reports_follow_their_schema)
{
    struct rules *rules = rules_new();
    char *message = NULL;
    ck_assert_int_eq(rules_add(rules, "call:read # why", "t", 1, &message), 0);
    for (int round = 0; round < 2; round++) {
        struct model model;
        model_init(&model, NULL, round == 0 ? NULL : rules);
        model.budget_ns = round == 0 ? 0 : 1000000000;
        feed_model(&model, RICH);
        model_sort(&model);
        struct strbuf out = {0};
        struct format_options options = {0};
        format_json(&out, &model, &options);
        schema_check_report(out.data);
        sb_clear(&out);
        format_text(&out, &model, &options);
        ck_assert_ptr_nonnull(strstr(out.data, "--max-trace-size"));
        ck_assert_ptr_nonnull(strstr(out.data, "blind spot"));
        ck_assert_ptr_nonnull(strstr(out.data, "(broken off)"));
        ck_assert((strstr(out.data, "OVER BUDGET") != NULL) == (round == 1));
        sb_free(&out);
        model_free(&model);
    }
    rules_free(rules);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: stats");
    TCase *tcase = tcase_create("stats");
    tcase_add_test(tcase, percentiles_are_by_nearest_rank);
    tcase_add_test(tcase, large_counts_do_not_overflow);
    tcase_add_test(tcase, counts_are_deltas_and_figures_are_not);
    tcase_add_test(tcase, time_without_a_cpu_is_no_time_of_its_loops);
    tcase_add_test(tcase, time_for_which_the_process_was_stopped_is_no_time_of_its_loops);
    tcase_add_test(tcase, a_stall_that_never_ended_did_not_last_while_the_process_was_stopped);
    tcase_add_test(tcase, a_loop_without_figures_is_no_problem);
    tcase_add_test(tcase, json_reports_follow_their_schema);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
