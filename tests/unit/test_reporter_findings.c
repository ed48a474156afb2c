/* From stacks to findings: merging native and Python frames, the culprit, the fingerprint and what
 * it must not depend on, aggregation, suppressions. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"
#include "reporter_trace.h"

#define MODULES                                                                                    \
    MODULE(1, "/usr/lib/libc.so.6") MODULE(2, "/usr/bin/python3.11") MODULE(3, "/srv/bin/app")
#define ASYNCIO     "/usr/lib/python3.11/asyncio/"
#define STDLIB_RUN  PYTHON("Handle._run", ASYNCIO "events.py", 80, false)
#define STDLIB_ONCE PYTHON("BaseEventLoop._run_once", ASYNCIO "base_events.py", 1922, false)

static struct model model;
static struct rules *rules;

static void setup(void)
{
    static const char *const names[] = {
        NULL,         "clock_nanosleep", "time_sleep", "_PyEval_EvalFrameDefault", "gen_send",
        "Py_RunMain", "handle_request",  "main",       "leaf<inlined_middle<outer"};
    memset(fake_functions, 0, sizeof(fake_functions));
    memcpy(fake_functions, names, sizeof(names));
    rules = rules_new();
    model_init(&model, NULL, rules);
}

static void teardown(void)
{
    model_free(&model);
    rules_free(rules);
}

/* The only finding of a trace whose one stall has this stack. */
static const struct finding *finding_of(const char *modules, const char *stack)
{
    char *lines = mem_printf("%s%s%s%s" STALL(1, "clock_nanosleep", 1, 1000, true), FIRST, LOOP,
                             modules, stack);
    size_t before = model.count;
    feed_model(&model, lines);
    free(lines);
    ck_assert_uint_ge(model.count, before);
    return model.findings[model.count - 1];
}

static void assert_frames(const struct stack_view *view, const char *expected)
{
    struct strbuf names = {0};
    for (size_t i = 0; i < view->count; i++) {
        sb_add(&names, i > 0 ? " " : "");
        sb_add(&names, (ptrdiff_t)i == view->culprit ? "*" : "");
        sb_add(&names, view->frames[i].function ? view->frames[i].function : "?");
    }
    ck_assert_str_eq(names.data, expected);
    sb_free(&names);
}

#define EVAL_ONCE NATIVE(1, "0x1") "," NATIVE(2, "0x2") "," NATIVE(2, "0x3") "," NATIVE(2, "0x5")

START_TEST(python_frames_stand_where_the_evaluation_loop_was)
{
    const struct finding *f = finding_of(
        MODULES,
        STACK(1,
              NATIVE(1, "0x1") "," NATIVE(2, "0x2") "," NATIVE(2, "0x3") "," NATIVE(
                  2, "0x4") "," NATIVE(2, "0x3") "," NATIVE(2, "0x5"),
              PYTHON("inner", "/srv/app.py", 4, false) "," PYTHON(
                  "mid", "/srv/app.py", 8, true) "," PYTHON("outer", "/srv/app.py", 9, true)));
    assert_frames(f->view, "clock_nanosleep time_sleep *inner mid gen_send outer Py_RunMain");
}
END_TEST

START_TEST(python_frames_without_an_evaluation_loop_are_kept)
{
    fake_functions[3] = NULL;
    const struct finding *f =
        finding_of(MODULES, STACK(1, EVAL_ONCE, PYTHON("inner", "/srv/app.py", 4, true)));
    ck_assert_str_eq(f->view->frames[f->view->culprit].function, "inner");
    ck_assert_str_eq(f->view->frames[0].function, "clock_nanosleep");
}
END_TEST

START_TEST(the_interpreter_goes_without_saying_between_its_frames)
{
    static const char stack[] = "       clock_nanosleep  libc.so.6\n"
                                "       … 1 frame of python3.11\n"
                                "     > inner            /srv/a.py:4\n"
                                "       outer            /srv/a.py:9\n"
                                "       … 1 frame of python3.11\n";
    struct strbuf out = {0};
    struct format_options options = {0};
    finding_of(MODULES, STACK(1,
                              NATIVE(1, "0x1") "," NATIVE(2, "0x2") "," NATIVE(2, "0x3") "," NATIVE(
                                  2, "0x4") "," NATIVE(2, "0x3") "," NATIVE(2, "0x5"),
                              PYTHON("inner", "/srv/a.py", 4, true) "," PYTHON("outer", "/srv/a.py",
                                                                               9, true)));
    format_text(&out, &model, &options);
    ck_assert_msg(strstr(out.data, stack) != NULL, "%s", out.data);
    sb_free(&out);
}
END_TEST

START_TEST(inlined_functions_are_frames)
{
    const struct finding *f =
        finding_of(MODULES, STACK(1, NATIVE(1, "0x1") "," NATIVE(3, "0x8"), ""));
    assert_frames(f->view, "clock_nanosleep *leaf inlined_middle outer");
    ck_assert(f->view->frames[1].inlined);
    ck_assert(!f->view->frames[3].inlined);
}
END_TEST

START_TEST(the_standard_library_is_not_to_blame)
{
    const struct finding *f = finding_of(
        MODULES,
        STACK(1, EVAL_ONCE,
              PYTHON("getaddrinfo", "/usr/lib/python3.11/socket.py", 9, false) "," PYTHON(
                  "get", "/usr/lib/python3/dist-packages/requests/api.py", 7,
                  false) "," PYTHON("handler", "/srv/app.py", 4,
                                    false) "," STDLIB_RUN "," STDLIB_ONCE
                                           "," PYTHON("<module>", "/srv/app.py", 99, true)));
    ck_assert_str_eq(f->view->frames[f->view->culprit].function, "handler");
}
END_TEST

START_TEST(what_called_the_loop_is_not_to_blame_for_a_package)
{
    const struct finding *f =
        finding_of(MODULES, STACK(1, EVAL_ONCE,
                                  PYTHON("tick", "/usr/lib/python3/dist-packages/pkg/timer.py", 7,
                                         false) "," STDLIB_RUN "," STDLIB_ONCE
                                                "," PYTHON("<module>", "/srv/app.py", 99, true)));
    ck_assert_str_eq(f->view->frames[f->view->culprit].function, "tick");
}
END_TEST

START_TEST(the_callers_of_the_loop_are_better_than_the_standard_library)
{
    const struct finding *f = finding_of(
        MODULES, STACK(1, EVAL_ONCE,
                       STDLIB_RUN "," STDLIB_ONCE "," PYTHON("<module>", "/srv/app.py", 99, true)));
    ck_assert_str_eq(f->view->frames[f->view->culprit].function, "<module>");
}
END_TEST

START_TEST(native_programs_are_to_blame_and_libraries_are_not)
{
    const struct finding *f = finding_of(
        MODULES MODULE(4, "/usr/lib/x86_64-linux-gnu/libhiredis.so.1"),
        STACK(1, NATIVE(1, "0x1") "," NATIVE(4, "0x9") "," NATIVE(3, "0x6") "," NATIVE(3, "0x7"),
              ""));
    ck_assert_str_eq(f->view->frames[f->view->culprit].function, "handle_request");
    const struct finding *other =
        finding_of(MODULES MODULE(4, "/usr/lib/x86_64-linux-gnu/libhiredis.so.1"),
                   STACK(1, NATIVE(1, "0x1") "," NATIVE(4, "0x9"), ""));
    ck_assert_int_eq(other->view->culprit, 1);
}
END_TEST

START_TEST(fingerprints_ignore_lines_addresses_and_places)
{
    const struct finding *a =
        finding_of(MODULES, STACK(1, EVAL_ONCE,
                                  PYTHON("get", "/srv/users/views.py", 4,
                                         false) "," PYTHON("<module>", "/srv/app.py", 90, true)));
    const struct finding *b = finding_of(
        MODULES, STACK(1, NATIVE(1, "0x1") "," NATIVE(2, "0x3") "," NATIVE(2, "0x4"),
                       PYTHON("get", "/home/ci/build/users/views.py", 444,
                              false) "," PYTHON("<module>", "/home/ci/build/app.py", 1, true)));
    ck_assert_str_eq(a->fingerprint, b->fingerprint);
    ck_assert_ptr_ne(a, b); /* two lines of two files */
}
END_TEST

START_TEST(a_finding_is_a_place)
{
    const char *const stacks[] = {
        STACK(1, EVAL_ONCE, PYTHON("get", "/srv/views.py", 4, true)),
        STACK(1, EVAL_ONCE, PYTHON("get", "/srv/views.py", 5, true)),
        STACK(1, EVAL_ONCE,
              PYTHON("get", "/srv/views.py", 4, false) "," PYTHON("x", "/srv/b.py", 1, true)),
        STACK(1, EVAL_ONCE,
              PYTHON("get", "/usr/lib/python3/dist-packages/requests/api.py", 70,
                     false) "," PYTHON("get", "/srv/views.py", 4, true)),
    };
    const struct finding *found[COUNT_OF(stacks)];
    for (size_t i = 0; i < COUNT_OF(stacks); i++)
        found[i] = finding_of(MODULES, stacks[i]);
    ck_assert_uint_eq(model.count, 3);
    ck_assert_uint_eq(found[0]->count, 2); /* who called the line does not matter */
    ck_assert_str_eq(found[0]->fingerprint, found[1]->fingerprint);
    ck_assert_str_ne(found[0]->fingerprint, found[3]->fingerprint);
    ck_assert_ptr_null(found[0]->view->callee);
    ck_assert_str_eq(found[3]->view->callee, "requests.get");
    ck_assert_uint_eq(found[0]->stack_count, 2);
}
END_TEST

START_TEST(callees_are_named_as_they_are_written)
{
    static const struct {
        const char *function, *file, *label;
    } cases[] = {
        {"get", "/usr/lib/python3/dist-packages/requests/api.py", "requests.get"},
        {"SMTP.__init__", "/usr/lib/python3.11/smtplib.py", "smtplib.SMTP"},
        {"Future.result", "/usr/lib/python3.11/concurrent/futures/_base.py",
         "concurrent.futures.Future.result"},
        {"urlopen", "/usr/lib/python3.11/urllib/request.py", "urllib.request.urlopen"},
        {"HTTPConnection.request", "/usr/lib/python3.11/http/client.py",
         "http.client.HTTPConnection.request"},
        {"connect", "/srv/venv/lib/python3.12/site-packages/psycopg2/__init__.py",
         "psycopg2.connect"},
        {"Popen.__exit__", "/usr/lib/python3.11/subprocess.py", "with Popen"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *stack = mem_printf(
            STACK(1, EVAL_ONCE,
                  PYTHON("%s", "%s", 70, false) "," PYTHON("f", "/srv/a%zu.py", 4, true)),
            cases[i].function, cases[i].file, i);
        ck_assert_str_eq(finding_of(MODULES, stack)->view->callee, cases[i].label);
        free(stack);
    }
}
END_TEST

START_TEST(fingerprints_tell_functions_and_files_apart)
{
    const char *const stacks[] = {
        STACK(1, EVAL_ONCE, PYTHON("get", "/srv/users/views.py", 4, true)),
        STACK(1, EVAL_ONCE, PYTHON("put", "/srv/users/views.py", 4, true)),
        STACK(1, EVAL_ONCE, PYTHON("get", "/srv/users/orders.py", 4, true)),
    };
    const struct finding *found[COUNT_OF(stacks)];
    for (size_t i = 0; i < COUNT_OF(stacks); i++)
        found[i] = finding_of(MODULES, stacks[i]);
    for (size_t i = 1; i < COUNT_OF(stacks); i++)
        ck_assert_str_ne(found[i]->fingerprint, found[i - 1]->fingerprint);
}
END_TEST

START_TEST(recursion_depth_is_no_difference)
{
    finding_of(MODULES, STACK(1, NATIVE(1, "0x1") "," NATIVE(3, "0x6") "," NATIVE(3, "0x7"), ""));
    finding_of(
        MODULES,
        STACK(1, NATIVE(1, "0x1") "," NATIVE(3, "0x6") "," NATIVE(3, "0x6") "," NATIVE(3, "0x7"),
              ""));
    ck_assert_uint_eq(model.count, 1);
}
END_TEST

START_TEST(totals_come_from_ends_and_counts_too)
{
    feed_model(&model, FIRST LOOP MODULES STACK(1, EVAL_ONCE, PYTHON("f", "/srv/a.py", 4, true))
                           STALL(1, "clock_nanosleep", 1, 20, false)
                               STALL(2, "clock_nanosleep", 1, 100, true) "{\"type\":\"stall_end\","
                                                                         "\"stall\":1,\"elapsed_"
                                                                         "ns\":500}\n"
                                                                         "{\"type\":\"more\","
                                                                         "\"kind\":\"call\","
                                                                         "\"loop\":1,\"call\":"
                                                                         "\"clock_nanosleep\","
                                                                         "\"class\":\"sleep\","
                                                                         "\"stack\":1,\"count\":3,"
                                                                         "\"total_ns\":1090,\"max_"
                                                                         "ns\":1040}\n");
    ck_assert_uint_eq(model.count, 1);
    const struct finding *f = model.findings[0];
    ck_assert_uint_eq(f->count, 5);
    ck_assert_uint_eq(f->total_ns, 1690);
    ck_assert_uint_eq(f->max_ns, 1040);
    ck_assert_uint_eq(f->in_progress, 0);
    ck_assert_str_eq(f->detail, "1 s");
}
END_TEST

START_TEST(a_stall_without_end_is_in_progress)
{
    feed_model(&model, FIRST LOOP STALL(1, "read", 9, 20, false));
    ck_assert_uint_eq(model.findings[0]->in_progress, 1);
    assert_frames(model.findings[0]->view, "*read");
}
END_TEST

START_TEST(suppressed_findings_stand_apart)
{
    char *message = NULL;
    ck_assert_int_eq(rules_add(rules, "frame:handle_* module:app # why", "t", 1, &message), 0);
    const struct finding *f = finding_of(
        MODULES, STACK(1, NATIVE(1, "0x1") "," NATIVE(3, "0x6") "," NATIVE(3, "0x7"), ""));
    ck_assert_ptr_nonnull(f->suppressed_by);
    ck_assert_str_eq(f->suppressed_by->text, "frame:handle_* module:app");
    ck_assert_str_eq(f->suppressed_by->reason, "why");
    ck_assert_uint_eq(rules_unused(rules), 0);
    model_sort(&model);
    ck_assert_uint_eq(f->suppressed_by->hits, f->count);
    ck_assert_uint_eq(model_totals(&model).findings, 0);
    ck_assert_uint_eq(model_totals(&model).suppressed, 1);
}
END_TEST

START_TEST(javascript_frames_come_from_perf_maps)
{
    const struct finding *f = finding_of(
        "", "{\"type\":\"stack\",\"stack\":1,\"frames\":[{\"pc\":\"0x1\",\"exact\":true},"
            "{\"pc\":\"0x2\",\"symbol\":\"LazyCompile:*handler file:///srv/app.js:12:5\"},"
            "{\"pc\":\"0x3\",\"symbol\":\"JS:~ node:internal/timers:9:1\"}]}\n");
    const struct frame *frame = &f->view->frames[1];
    ck_assert_int_eq(frame->lang, LANG_JAVASCRIPT);
    ck_assert_str_eq(frame->function, "handler");
    ck_assert_str_eq(frame->file, "/srv/app.js");
    ck_assert_int_eq(frame->line, 12);
    ck_assert_int_eq(f->view->culprit, 1);
    ck_assert_str_eq(f->view->frames[2].file, "node:internal/timers");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: findings");
    TCase *tcase = tcase_create("findings");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, python_frames_stand_where_the_evaluation_loop_was);
    tcase_add_test(tcase, python_frames_without_an_evaluation_loop_are_kept);
    tcase_add_test(tcase, the_interpreter_goes_without_saying_between_its_frames);
    tcase_add_test(tcase, inlined_functions_are_frames);
    tcase_add_test(tcase, the_standard_library_is_not_to_blame);
    tcase_add_test(tcase, what_called_the_loop_is_not_to_blame_for_a_package);
    tcase_add_test(tcase, the_callers_of_the_loop_are_better_than_the_standard_library);
    tcase_add_test(tcase, native_programs_are_to_blame_and_libraries_are_not);
    tcase_add_test(tcase, fingerprints_ignore_lines_addresses_and_places);
    tcase_add_test(tcase, a_finding_is_a_place);
    tcase_add_test(tcase, callees_are_named_as_they_are_written);
    tcase_add_test(tcase, fingerprints_tell_functions_and_files_apart);
    tcase_add_test(tcase, recursion_depth_is_no_difference);
    tcase_add_test(tcase, totals_come_from_ends_and_counts_too);
    tcase_add_test(tcase, a_stall_without_end_is_in_progress);
    tcase_add_test(tcase, suppressed_findings_stand_apart);
    tcase_add_test(tcase, javascript_frames_come_from_perf_maps);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
