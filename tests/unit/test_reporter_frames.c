/* Whose code a frame is in each language, what perf maps say, --app-dir, and what to do about
 * broken stacks. */
#define _GNU_SOURCE
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stacks/stackview.h"

static enum frame_origin origin_at(enum frame_lang lang, const char *function, const char *file,
                                   const char *module)
{
    struct frame frame = {.lang = lang,
                          .function = function,
                          .file = file,
                          .module = module != NULL ? base_name(module) : NULL,
                          .module_path = module};
    return origin_of(&frame, "/srv/bin/app");
}

START_TEST(python_code_is_known_by_its_path)
{
    static const struct {
        const char *file;
        enum frame_origin origin;
    } cases[] = {
        {"/srv/app.py", ORIGIN_USER},
        {"/srv/shop.zip/shop/app.py", ORIGIN_USER},
        {"<string>", ORIGIN_GENERATED},
        {"<stdin>", ORIGIN_GENERATED},
        {"<frozen importlib._bootstrap>", ORIGIN_STDLIB},
        {"<template>", ORIGIN_THIRD_PARTY},
        {"/usr/lib/python3.11/socket.py", ORIGIN_STDLIB},
        {"/usr/lib/python3/dist-packages/requests/api.py", ORIGIN_THIRD_PARTY},
        {"/root/.pyenv/versions/3.12.1/lib/python3.12/json/decoder.py", ORIGIN_STDLIB},
        {"/root/.pyenv/versions/3.12.1/lib/python3.12/site-packages/x/y.py", ORIGIN_THIRD_PARTY},
        {"/srv/venv/lib64/python3.12/site-packages/x.py", ORIGIN_THIRD_PARTY},
        {"/usr/lib/python311.zip/os.py", ORIGIN_STDLIB},
        {"/srv/lib/python-tools/app.py", ORIGIN_USER},
        {"/srv/venv/bin/uvicorn", ORIGIN_THIRD_PARTY},
        {"/usr/lib/python3/dist-packages/tornado/ioloop.py", ORIGIN_RUNTIME},
        {"/usr/lib/python3/dist-packages/tornado/web.py", ORIGIN_THIRD_PARTY},
        {"/srv/gevent/app.py", ORIGIN_USER},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(origin_at(LANG_PYTHON, "f", cases[i].file, NULL) == cases[i].origin, "%s",
                      cases[i].file);
}
END_TEST

START_TEST(javascript_code_is_known_by_its_path)
{
    ck_assert_int_eq(origin_at(LANG_JAVASCRIPT, "f", "/srv/app.js", NULL), ORIGIN_USER);
    ck_assert_int_eq(origin_at(LANG_JAVASCRIPT, "f", "node:internal/timers", NULL), ORIGIN_STDLIB);
    ck_assert_int_eq(origin_at(LANG_JAVASCRIPT, "f", "/srv/node_modules/a/b.js", NULL),
                     ORIGIN_THIRD_PARTY);
    ck_assert_int_eq(origin_at(LANG_JAVASCRIPT, "RegExp /a/", NULL, NULL), ORIGIN_RUNTIME);
    ck_assert_int_eq(origin_at(LANG_NATIVE, "v8::internal::X", NULL, "/usr/bin/node"),
                     ORIGIN_RUNTIME);
}
END_TEST

START_TEST(linked_in_code_is_not_the_users)
{
    static const struct {
        const char *function, *file;
        enum frame_origin origin;
    } cases[] = {
        {"app::handler", "/srv/src/main.rs", ORIGIN_USER},
        {"app::handler::{{closure}}", NULL, ORIGIN_USER},
        {"alloc::vec::Vec<T,A>::push", "/rustc/59807616/library/alloc/src/vec/mod.rs",
         ORIGIN_STDLIB},
        {"x", "library/std/src/sys/thread/unix.rs", ORIGIN_STDLIB},
        {"x", "/usr/src/rustc-1.63.0/library/core/src/a.rs", ORIGIN_STDLIB},
        {"std::sync::mutex::Mutex<T>::lock", NULL, ORIGIN_STDLIB},
        {"__rust_try", NULL, ORIGIN_STDLIB},
        {"<core::iter::Map<I,F> as core::iter::Iterator>::fold", NULL, ORIGIN_STDLIB},
        {"<app::Server as core::future::Future>::poll", NULL, ORIGIN_USER},
        {"tokio::runtime::park::park", NULL, ORIGIN_THIRD_PARTY},
        {"x", "/root/.cargo/registry/src/index/tokio-1.2/src/lib.rs", ORIGIN_THIRD_PARTY},
        {"x", "/usr/share/cargo/registry/tokio-1.24.2/src/lib.rs", ORIGIN_THIRD_PARTY},
        {"std::vector<int>::push_back", "/usr/include/c++/12/bits/stl_vector.h", ORIGIN_STDLIB},
        {"boost::asio::detail::scheduler::run", "/usr/include/boost/asio/x.ipp",
         ORIGIN_THIRD_PARTY},
        {"shop::Db::query", "/srv/db.cc", ORIGIN_USER},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_msg(origin_at(LANG_NATIVE, cases[i].function, cases[i].file, "/srv/bin/app") ==
                          cases[i].origin,
                      "%zu: %s", i, cases[i].function);
}
END_TEST

START_TEST(perf_maps_are_read_in_each_runtimes_manner)
{
    static const struct {
        const char *symbol;
        enum frame_lang lang;
        const char *function, *file;
        int line;
    } cases[] = {
        {"JS:*burn /srv/app.js:1:14", LANG_JAVASCRIPT, "burn", "/srv/app.js", 1},
        {"JS:~ /srv/app.js:3:12", LANG_JAVASCRIPT, "(anonymous)", "/srv/app.js", 3},
        {"JS:^Module.load node:internal/loader:10:2", LANG_JAVASCRIPT, "Module.load",
         "node:internal/loader", 10},
        {"LazyCompile:*f file:///srv/a:b.mjs:12:5", LANG_JAVASCRIPT, "f", "/srv/a:b.mjs", 12},
        {"JS:~get total /srv/my app/x.js:7:1", LANG_JAVASCRIPT, "get total", "/srv/my app/x.js", 7},
        {"Function:~g /srv/a.js:4", LANG_JAVASCRIPT, "g", "/srv/a.js", 4},
        {"Script:~ /srv/a.js:1:1", LANG_JAVASCRIPT, "(anonymous)", "/srv/a.js", 1},
        {"JS:*", LANG_JAVASCRIPT, "(anonymous)", NULL, 0},
        {"RegExp:^(a+)+$", LANG_JAVASCRIPT, "RegExp /^(a+)+$/", NULL, 0},
        {"py::handler:/srv/app.py", LANG_PYTHON, "handler", "/srv/app.py", 0},
        {"Lcom/shop/Db;::query", LANG_JIT, "com.shop.Db.query", NULL, 0},
        {"java.lang.Object com.shop.Db.query(int)", LANG_JIT, "com.shop.Db.query", NULL, 0},
        {"int32_t f(int)", LANG_JIT, "int32_t f(int)", NULL, 0},
        {"TRACE_1::app.lua:7", LANG_JIT, "TRACE_1::app.lua:7", NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct frame frame = {.lang = LANG_NATIVE};
        name_jit_frame(&frame, intern(cases[i].symbol));
        ck_assert_int_eq(frame.lang, cases[i].lang);
        ck_assert_str_eq(frame.function, cases[i].function);
        ck_assert_int_eq(frame.line, cases[i].line);
        if (cases[i].file != NULL)
            ck_assert_str_eq(frame.file, cases[i].file);
        else
            ck_assert_ptr_null(frame.file);
    }
    struct frame noise = {.lang = LANG_NATIVE};
    name_jit_frame(&noise, "BytecodeHandler:LdaGlobal");
    ck_assert(noise.noise);
    struct frame unknown = {.lang = LANG_NATIVE};
    name_jit_frame(&unknown, NULL);
    ck_assert_ptr_null(unknown.function);
}
END_TEST

START_TEST(the_jvms_own_classes_are_not_to_blame)
{
    ck_assert_int_eq(origin_at(LANG_JIT, "java.util.HashMap.get", NULL, NULL), ORIGIN_STDLIB);
    ck_assert_int_eq(origin_at(LANG_JIT, "com.shop.Db.query", NULL, NULL), ORIGIN_USER);
    ck_assert_int_eq(origin_at(LANG_JIT, "Interpreter", NULL, NULL), ORIGIN_RUNTIME);
    ck_assert_int_eq(origin_at(LANG_JIT, NULL, NULL, NULL), ORIGIN_RUNTIME);
}
END_TEST

static struct frame frames[] = {
    {.lang = LANG_PYTHON, .function = "sleep", .file = "/srv/shop/.venv/lib/python3.11/time.py"},
    {.lang = LANG_PYTHON,
     .function = "helper",
     .file = "/srv/shop/.venv/lib/python3.11/site-packages/h.py"},
    {.lang = LANG_PYTHON, .function = "util", .file = "/srv/common/util.py"},
    {.lang = LANG_PYTHON, .function = "view", .file = "/srv/shop/views.py"},
    {.lang = LANG_PYTHON, .function = "main", .file = "/srv/shop/main.py"},
};

static const char *culprit_in(const char *app_dir)
{
    struct stack_view view = {.frames = frames, .count = COUNT_OF(frames)};
    struct app_dirs dirs = {0};
    if (app_dir != NULL)
        app_dirs_add(&dirs, app_dir);
    find_culprit(&view, "/usr/bin/python3.11", &dirs);
    app_dirs_free(&dirs);
    ck_assert_str_eq(view.frames[view.natural].function, "util");
    return view.frames[view.culprit].function;
}

START_TEST(app_dirs_narrow_the_culprit)
{
    ck_assert_str_eq(culprit_in(NULL), "util");
    ck_assert_str_eq(culprit_in("/srv/shop"), "view");
    ck_assert_str_eq(culprit_in("/srv/shop/"), "view");
    ck_assert_str_eq(culprit_in("/srv/sho"), "util");
    ck_assert_str_eq(culprit_in("/srv/shop/main.py/.."), "util");
    ck_assert_str_eq(culprit_in("/nowhere"), "util");
    /* What is named is the user's, even inside an environment. */
    ck_assert_str_eq(culprit_in("/srv/shop/.venv/lib/python3.11/site-packages"), "helper");
}
END_TEST

START_TEST(app_dirs_match_modules_and_sources)
{
    struct frame native[] = {
        {.function = "read", .module = "libc.so.6", .module_path = "/lib/libc.so.6"},
        {.function = "a", .module = "x.so", .module_path = "/opt/x.so", .file = "/src/dep/a.c"},
        {.function = "b", .module = "y.so", .module_path = "/opt/app/y.so"},
        {.function = "c", .module = "x.so", .module_path = "/opt/x.so", .file = "/src/app/c.c"},
    };
    static const char *const expected[][2] = {{"/opt/app", "b"}, {"/src/app", "c"}, {"/src", "a"}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        struct stack_view view = {
            .frames = native, .count = COUNT_OF(native), .begins_with_call = true};
        struct app_dirs dirs = {0};
        app_dirs_add(&dirs, expected[i][0]);
        find_culprit(&view, "/srv/bin/app", &dirs);
        ck_assert_str_eq(native[view.culprit].function, expected[i][1]);
        app_dirs_free(&dirs);
    }
}
END_TEST

START_TEST(broken_stacks_say_what_would_mend_them)
{
    struct frame jit[] = {{.lang = LANG_JIT, .origin = ORIGIN_RUNTIME}};
    struct frame own[] = {{.lang = LANG_NATIVE, .module = "app", .origin = ORIGIN_USER}};
    struct stack_view in_jit = {.frames = jit, .count = 1};
    struct stack_view in_own = {.frames = own, .count = 1};
    static const char *const expected[][2] = {{"/usr/bin/java", "PreserveFramePointer"},
                                              {"/usr/bin/python3.12", "-X perf"},
                                              {"/usr/bin/node", "--interpreted-frames"},
                                              {"/srv/bin/app", "-fno-omit-frame-pointer"}};
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        ck_assert_ptr_nonnull(strstr(hint_for_broken(&in_jit, expected[i][0]), expected[i][1]));
    ck_assert_ptr_nonnull(strstr(hint_for_broken(&in_own, "/usr/bin/java"), ".eh_frame"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: frames");
    TCase *tcase = tcase_create("frames");
    tcase_add_test(tcase, python_code_is_known_by_its_path);
    tcase_add_test(tcase, javascript_code_is_known_by_its_path);
    tcase_add_test(tcase, linked_in_code_is_not_the_users);
    tcase_add_test(tcase, perf_maps_are_read_in_each_runtimes_manner);
    tcase_add_test(tcase, the_jvms_own_classes_are_not_to_blame);
    tcase_add_test(tcase, app_dirs_narrow_the_culprit);
    tcase_add_test(tcase, app_dirs_match_modules_and_sources);
    tcase_add_test(tcase, broken_stacks_say_what_would_mend_them);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
