/* Over-long iterations: samples merged by the user's frames, where the time went and what it is
 * called, the budget. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "words/describe.h"
#include "formats/formats.h"
#include "reporter_trace.h"

#define MODULES MODULE(1, "/usr/lib/libc.so.6") MODULE(2, "/usr/bin/python3.11")
#define EVAL    NATIVE(2, "0x1")
#define LONG_PROCESS                                                                               \
    "{\"type\":\"process\",\"format\":\"stalltrace.trace/1\",\"pid\":7,\"exe\":\"/srv/bin/app\","  \
    "\"argv\":[\"app\"],\"start_ns\":1,\"threshold_ns\":{\"sleep\":10000000},"                     \
    "\"iteration_threshold_ns\":100000000}\n"
#define ITERATION(id, stack)                                                                       \
    "{\"type\":\"stall\",\"stall\":" #id ",\"kind\":\"iteration\",\"loop\":1,\"call\":"            \
    "\"iteration\",\"class\":\"iteration\",\"stack\":" #stack ",\"at_ns\":" #id                    \
    "000000000,\"elapsed_ns\":100000000,\"ended\":false,\"strict\":false}\n"
#define SAMPLE(id, stack, count)                                                                   \
    "{\"type\":\"sample\",\"stall\":" #id ",\"stack\":" #stack ",\"count\":" #count "}\n"
#define END(id, ms, calls, cpu, runnable, asleep, sums)                                            \
    "{\"type\":\"stall_end\",\"stall\":" #id ",\"elapsed_ns\":" #ms                                \
    "000000,\"time\":{\"calls_ns\":" #calls "000000,\"cpu_ns\":" #cpu                              \
    "000000,\"runnable_ns\":" #runnable "000000,\"asleep_ns\":" #asleep "000000},\"calls\":[" sums \
    "]}\n"
#define CALLS(name, count, ms)                                                                     \
    "{\"call\":\"" name "\",\"class\":\"sleep\",\"count\":" #count ",\"total_ns\":" #ms "000000}"
#define STACKS                                                                                     \
    STACK(1, EVAL, PYTHON("parse", "/srv/app.py", 4, true))                                        \
    STACK(2, NATIVE(1, "0x2") "," EVAL, PYTHON("parse", "/srv/app.py", 4, true))                   \
    STACK(3, EVAL, PYTHON("parse", "/srv/app.py", 5, true))                                        \
    STACK(4, EVAL, PYTHON("render", "/srv/app.py", 9, true))

static struct model model;

static void setup(void)
{
    memset(fake_functions, 0, sizeof(fake_functions));
    fake_functions[1] = "_PyEval_EvalFrameDefault";
    fake_functions[2] = "memcpy";
    model_init(&model, NULL, NULL);
}

static void teardown(void)
{
    model_free(&model);
}

static const struct finding *feed(const char *lines)
{
    char *all = mem_printf("%s%s%s%s%s", LONG_PROCESS, LOOP, MODULES, STACKS, lines);
    feed_model(&model, all);
    free(all);
    ck_assert_uint_gt(model.count, 0);
    return model.findings[0];
}

static const char *culprit_of(const struct stack_view *view)
{
    return view->culprit < 0 ? "" : view->frames[view->culprit].function;
}

START_TEST(samples_are_merged_by_the_users_frames)
{
    const struct finding *f = feed(ITERATION(1, 4) SAMPLE(1, 4, 1) SAMPLE(1, 1, 2) SAMPLE(1, 2, 1)
                                       SAMPLE(1, 3, 6) END(1, 300, 0, 300, 0, 0, ""));
    ck_assert_uint_eq(model.count, 1);
    ck_assert_uint_eq(f->profile->samples, 10);
    ck_assert_uint_eq(f->profile->group_count, 2);
    ck_assert_uint_eq(f->profile->groups[0].count, 9);
    ck_assert_str_eq(culprit_of(group_view(&f->profile->groups[0])), "parse");
    ck_assert_str_eq(culprit_of(group_view(&f->profile->groups[1])), "render");
    /* Of the dominant group, its commonest line. */
    ck_assert_str_eq(culprit_of(f->view), "parse");
    ck_assert_int_eq(f->view->frames[f->view->culprit].line, 5);
    ck_assert_uint_eq(f->in_progress, 0);
    ck_assert_uint_eq(f->max_ns, 300000000);
}
END_TEST

START_TEST(a_stack_that_broke_off_is_not_to_blame)
{
    static const char lost[] =
        "{\"type\":\"stack\",\"stack\":9,\"frames\":[" NATIVE(1, "0x2") "],\"broken\":true}\n";
    char *lines =
        mem_printf("%s%s", lost,
                   ITERATION(1, 9) SAMPLE(1, 9, 8) SAMPLE(1, 1, 2) END(1, 300, 0, 300, 0, 0, ""));
    const struct finding *f = feed(lines);
    ck_assert_uint_eq(f->profile->samples, 10);
    ck_assert_str_eq(culprit_of(f->view), "parse");
    ck_assert_uint_eq(f->profile->groups[1].count, 8);
    free(lines);
}
END_TEST

START_TEST(an_iteration_is_told_of_once)
{
    /* old agents told of some again when they had ended, and of no end then */
    feed(ITERATION(1, 1) SAMPLE(1, 1, 5)
             END(1, 300, 0, 300, 0, 0,
                 "") "{\"type\":\"stall\",\"stall\":2,\"kind\":\"iteration\",\"loop\":1,\"call\":"
                     "\"iteration\",\"class\":\"iteration\",\"stack\":1,\"at_ns\":1000000000,"
                     "\"elapsed_ns\":310000000,\"ended\":false,\"strict\":false}\n" SAMPLE(2, 1, 5)
                         ITERATION(3, 1) "{\"type\":\"end\",\"at_ns\":9000000000}\n");
    ck_assert_uint_eq(model.count, 1);
    ck_assert_uint_eq(model.findings[0]->count, 2);
    ck_assert_uint_eq(model.findings[0]->in_progress, 1);
    ck_assert_uint_eq(model.findings[0]->max_ns, 6000000000);
}
END_TEST

START_TEST(time_without_a_cpu_is_no_finding)
{
#define STARVED_END(id, ms, starved)                                                               \
    "{\"type\":\"stall_end\",\"stall\":" #id ",\"elapsed_ns\":" #ms                                \
    "000000,\"starved_ns\":" #starved "000000,\"time\":{\"calls_ns\":0,\"found_ns\":0}}\n"
    feed(ITERATION(1, 1) STARVED_END(1, 300, 50) ITERATION(2, 4) STARVED_END(
        2, 900, 850) "{\"type\":\"starved\",\"count\":2,\"elapsed_ns\":900000000}\n");
    ck_assert_uint_eq(model.count, 1);
    ck_assert_uint_eq(model.findings[0]->max_ns, 250000000);
    ck_assert_uint_eq(model.findings[0]->starved_ns, 50000000);
    ck_assert_uint_eq(model_totals(&model).starved_ns, 900000000);
    struct strbuf line = {0};
    describe_finding(&line, model.findings[0]);
    ck_assert_msg(strstr(line.data, "CPU") == NULL, "not measured: %s", line.data);
    sb_free(&line);
}
END_TEST

START_TEST(the_first_sample_does_not_make_the_fingerprint)
{
    feed(ITERATION(1, 4) SAMPLE(1, 4, 1) SAMPLE(1, 1, 5) END(1, 300, 0, 300, 0, 0, "")
             ITERATION(2, 2) SAMPLE(2, 2, 3) SAMPLE(2, 4, 2) END(2, 200, 0, 200, 0, 0, ""));
    ck_assert_uint_eq(model.count, 1);
    ck_assert_uint_eq(model.findings[0]->count, 2);
    ck_assert_uint_eq(model.findings[0]->total_ns, 500000000);
    ck_assert_uint_eq(model.findings[0]->profile->samples, 11);
    ck_assert_uint_eq(model.findings[0]->profile->time.cpu_ns, 500000000);
}
END_TEST

#define LONGEST(name, count, ms, max)                                                              \
    "{\"call\":\"" name "\",\"class\":\"sleep\",\"count\":" #count ",\"total_ns\":" #ms            \
    "000000,\"max_ns\":" #max "000000}"

START_TEST(time_is_counted_once)
{
    /* An iteration of 629 ms, 400 of which are a call that is a finding, too. */
    feed(ITERATION(1, 1) SAMPLE(1, 1, 1) STALL(
        2, "recv", 2, 400000000,
        true) "{\"type\":\"stall_end\",\"stall\":1,\"elapsed_ns\":629000000,\"time\":{\"calls_ns\":"
              "402000000,\"found_ns\":400000000,\"cpu_ns\":227000000},\"calls\":[" LONGEST(
                  "recv", 3, 402, 400) "]}\n");
    ck_assert_uint_eq(model.count, 2);
    struct model_totals totals = model_totals(&model);
    ck_assert_uint_eq(totals.total_ns, 629000000);
    ck_assert_uint_eq(totals.max_ns, 629000000);
}
END_TEST

START_TEST(the_longest_call_is_told_from_the_others)
{
    static const struct {
        const char *sums, *words, *detail;
        const char *found; /* empty: the trace does not say */
    } cases[] = {
        {LONGEST("recv", 3, 402, 400),
         "3 calls of recv, 402 ms in all, the longest 400 ms (a finding of its own)\n",
         "on CPU 33 %", ""},
        {LONGEST("recv", 100, 402, 5), "100 calls of recv, 402 ms in all, 4.0 ms each\n",
         "100 calls of recv under the threshold, 402 ms", ""},
        {LONGEST("recv", 101, 402, 100),
         "101 calls of recv, 402 ms in all, the longest 100 ms (a finding of its own)\n",
         "100 calls of recv under the threshold, 302 ms", ""},
        {LONGEST("recv", 3, 402, 140),
         "3 calls of recv, 402 ms in all, 134 ms each (findings of their own)\n", "on CPU 33 %",
         ""},
        {LONGEST("recv", 1, 402, 402), "1 call of recv, 402 ms (a finding of its own)\n",
         "on CPU 33 %", ""},
        /* as traces without the longest have it */
        {CALLS("recv", 3, 402),
         "3 calls of recv, 402 ms in all, 134 ms on average (findings of their own)\n",
         "on CPU 33 %", ""},
        /* some were over the threshold, and so is the mean; most of the time was in the others */
        {LONGEST("recv", 30, 402, 60),
         "30 calls of recv, 402 ms in all, the longest 60.0 ms (a finding of its own)\n",
         "29 calls of recv under the threshold, 282 ms", "\"found_ns\":120000000,"},
        /* over the threshold, but no finding */
        {LONGEST("recv", 1, 402, 402), "1 call of recv, 402 ms\n",
         "1 call of recv told not to wait, 402 ms", "\"found_ns\":0,"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        model_free(&model);
        setup();
        char *end =
            mem_printf("{\"type\":\"stall_end\",\"stall\":1,\"elapsed_ns\":602000000,\"time\":"
                       "{\"calls_ns\":402000000,%s\"cpu_ns\":200000000},\"calls\":[%s]}\n",
                       cases[i].found, cases[i].sums);
        char *lines = mem_printf("%s%s%s", ITERATION(1, 1), SAMPLE(1, 1, 1), end);
        const struct finding *f = feed(lines);
        ck_assert_str_eq(f->detail, cases[i].detail);
        struct strbuf out = {0};
        struct format_options options = {0};
        format_text(&out, &model, &options);
        ck_assert_msg(strstr(out.data, cases[i].words) != NULL, "%s\n%s", cases[i].words, out.data);
        sb_free(&out);
        free(lines);
        free(end);
    }
}
END_TEST

START_TEST(the_time_has_a_name)
{
    static const struct {
        const char *end, *detail, *headline;
    } cases[] = {
        {END(1, 400, 0, 388, 12, 0, ""), "on CPU 97 %", "running code"},
        {END(1, 400, 380, 10, 10, 0, CALLS("clock_nanosleep", 120, 380)),
         "120 calls of clock_nanosleep under the threshold, 380 ms", "120 small blocking calls"},
        {END(1, 400, 20, 60, 320, 0, ""), "runnable but not running 80 % (CPU starved)",
         "waiting for a CPU"},
        /* Too long without the wait for a CPU, too. */
        {END(1, 1000, 0, 200, 800, 0, ""),
         "on CPU 20 %, runnable but not running 80 % (CPU starved)", "running code"},
        {END(1, 400, 0, 20, 0, 380, ""), "asleep in something that no wrapper saw",
         "a wait that no wrapper saw"},
        {END(1, 400, 0, 200, 20, 180, ""), "on CPU 50 %", "running code"},
        {END(1, 400, 110, 140, 10, 140, CALLS("clock_nanosleep", 40, 110)),
         "in calls 28 %, on CPU 35 %, asleep unseen 35 %", "a long iteration"},
        /* A call over its threshold is another finding: the rest is what this one is about. */
        {END(1, 600, 300, 280, 20, 0, CALLS("clock_nanosleep", 1, 300)), "on CPU 47 %",
         "running code"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        model_free(&model);
        setup();
        char *lines = mem_printf("%s%s%s", ITERATION(1, 1), SAMPLE(1, 1, 1), cases[i].end);
        const struct finding *f = feed(lines);
        struct strbuf headline = {0};
        describe_iteration(&headline, f->profile);
        ck_assert_str_eq(f->detail, cases[i].detail);
        ck_assert_str_eq(headline.data, cases[i].headline);
        sb_free(&headline);
        free(lines);
    }
}
END_TEST

START_TEST(blind_spots_are_counted)
{
    const struct finding *f =
        feed(ITERATION(1, 1) "{\"type\":\"sample\",\"stall\":1,\"stack\":1,\"asleep\":{"
                             "\"syscall\":\"futex\",\"wchan\":\"futex_wait_queue\"}}\n"
                             "{\"type\":\"sample\",\"stall\":1,\"count\":2,\"asleep\":{"
                             "\"syscall\":\"futex\",\"wchan\":\"futex_wait_queue\"}}\n"
                             "{\"type\":\"sample\",\"stall\":1,\"asleep\":{\"wchan\":\"x\"}}\n" END(
                                 1, 400, 0, 20, 0, 380, ""));
    ck_assert_uint_eq(f->profile->spot_count, 2);
    ck_assert_uint_eq(f->profile->spots[0].count, 3);
    ck_assert_str_eq(f->profile->spots[0].syscall_name, "futex");
    ck_assert_str_eq(f->detail, "asleep in futex that no wrapper saw");
}
END_TEST

START_TEST(an_iteration_that_never_ended_is_a_finding)
{
    const struct finding *f = feed(ITERATION(1, 1) SAMPLE(1, 1, 3));
    ck_assert_uint_eq(f->count, 1);
    ck_assert_uint_eq(f->in_progress, 1);
    ck_assert(!f->profile->timed);
    ck_assert_ptr_null(f->detail);
    ck_assert_str_eq(culprit_of(f->view), "parse");
}
END_TEST

START_TEST(an_iteration_without_samples_has_its_stack)
{
    const struct finding *f = feed(ITERATION(1, 1) END(1, 400, 0, 400, 0, 0, ""));
    ck_assert_uint_eq(f->profile->samples, 1);
    ck_assert_str_eq(culprit_of(f->view), "parse");
    const struct finding *none = feed(ITERATION(1, 0) END(1, 400, 0, 400, 0, 0, ""));
    ck_assert_ptr_nonnull(none);
    ck_assert_uint_eq(model.count, 2);
    ck_assert_int_eq(model.findings[1]->view->culprit, -1);
}
END_TEST

static unsigned int announced, ended;

static void on_stall(void *ctx, const struct finding *finding, const struct trace *trace,
                     const struct stall *stall, bool is_new)
{
    (void)ctx, (void)trace, (void)stall;
    announced += is_new;
    ck_assert_str_eq(culprit_of(finding->view), "render");
}

static void on_end(void *ctx, const struct finding *finding, const struct trace *trace,
                   const struct stall *stall)
{
    (void)ctx, (void)trace, (void)stall;
    ended++;
    ck_assert_str_eq(culprit_of(finding->view), "parse");
}

START_TEST(an_iteration_is_told_of_while_it_runs)
{
    model.on_stall = on_stall;
    model.on_stall_end = on_end;
    feed(ITERATION(1, 4) SAMPLE(1, 4, 1) SAMPLE(1, 1, 5) END(1, 300, 0, 300, 0, 0, ""));
    ck_assert_uint_eq(announced, 1);
    ck_assert_uint_eq(ended, 1);
}
END_TEST

#define STATS(max, longest)                                                                        \
    "{\"type\":\"stats\",\"loop\":1,\"at_ns\":9,\"iterations\":5,\"max_iteration_ns\":" #max       \
    ",\"iteration_hist\":[[1000,3],[1100000000,2]],\"longest\":[" longest "]}\n"

START_TEST(iterations_over_the_budget_count_though_findings_explain_them)
{
    model.budget_ns = 1000000000;
    feed(STACK(9, EVAL, PYTHON("f", "/srv/a.py", 1, true))
             STALL(1, "clock_nanosleep", 9, 150000000, true)
                 STATS(1500000000, "[5,1500000000],[9000000000,1200000000],[7,900000000]"));
    struct model_totals totals = model_totals(&model);
    ck_assert_uint_eq(totals.over_budget, 0);
    ck_assert_uint_eq(totals.iterations_over_budget, 2);
    ck_assert_uint_eq(totals.longest_over_budget_ns, 1500000000);
    model.budget_ns = 2000000000;
    ck_assert_uint_eq(model_totals(&model).iterations_over_budget, 0);
    model.budget_ns = 100000000;
    ck_assert_uint_eq(model_totals(&model).over_budget, 1);
}
END_TEST

START_TEST(a_suppressed_stall_excuses_its_iteration)
{
    struct rules *rules = rules_new();
    char *message = NULL;
    ck_assert_int_eq(rules_add(rules, "call:clock_nanosleep", "t", 1, &message), 0);
    model.rules = rules;
    model.budget_ns = 1000000000;
    feed(STALL(1, "clock_nanosleep", 1, 1400000000, true)
             STATS(1500000000, "[5,1500000000],[9000000000,1200000000]"));
    ck_assert_uint_eq(model_totals(&model).iterations_over_budget, 1);
    ck_assert_uint_eq(model_totals(&model).longest_over_budget_ns, 1200000000);
    rules_free(rules);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: iterations");
    TCase *tcase = tcase_create("iterations");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, samples_are_merged_by_the_users_frames);
    tcase_add_test(tcase, a_stack_that_broke_off_is_not_to_blame);
    tcase_add_test(tcase, an_iteration_is_told_of_once);
    tcase_add_test(tcase, time_without_a_cpu_is_no_finding);
    tcase_add_test(tcase, the_first_sample_does_not_make_the_fingerprint);
    tcase_add_test(tcase, time_is_counted_once);
    tcase_add_test(tcase, the_longest_call_is_told_from_the_others);
    tcase_add_test(tcase, the_time_has_a_name);
    tcase_add_test(tcase, blind_spots_are_counted);
    tcase_add_test(tcase, an_iteration_that_never_ended_is_a_finding);
    tcase_add_test(tcase, an_iteration_without_samples_has_its_stack);
    tcase_add_test(tcase, an_iteration_is_told_of_while_it_runs);
    tcase_add_test(tcase, iterations_over_the_budget_count_though_findings_explain_them);
    tcase_add_test(tcase, a_suppressed_stall_excuses_its_iteration);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
