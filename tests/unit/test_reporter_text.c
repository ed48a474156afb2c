/* Text for people and machines: JSON with repaired UTF-8, durations, names for functions, hints. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "words/describe.h"
#include "util/json_writer.h"
#include "util/output.h"
#include "symbols/symbols.h"
#include "formats/text.h"

static void assert_quoted(const char *text, const char *expected)
{
    struct strbuf out = {0};
    json_quote(&out, text);
    ck_assert_str_eq(out.data, expected);
    sb_free(&out);
}

START_TEST(json_strings_are_valid_utf8)
{
    assert_quoted("a\"b\\c\n\x01", "\"a\\\"b\\\\c\\n\\u0001\"");
    assert_quoted("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\"");
    assert_quoted("x\xff", "\"x\xef\xbf\xbd\"");
    assert_quoted("\xc3", "\"\xef\xbf\xbd\"");
    assert_quoted("\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_quoted("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_quoted("\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}
END_TEST

START_TEST(json_nests)
{
    struct strbuf out = {0};
    struct json_writer w = {.out = &out};
    json_begin_object(&w, NULL);
    json_begin_array(&w, "a");
    json_int(&w, NULL, -1);
    json_ms(&w, NULL, 1234567);
    json_null(&w, NULL);
    json_end_array(&w);
    json_begin_object(&w, "b");
    json_end_object(&w);
    json_end_object(&w);
    ck_assert_str_eq(out.data,
                     "{\n  \"a\": [\n    -1,\n    1.235,\n    null\n  ],\n  \"b\": {}\n}");
    sb_free(&out);
}
END_TEST

START_TEST(durations_are_short)
{
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {{999, "999 ns"},       {850000, "850 µs"},     {12345678, "12.3 ms"},
                 {312400000, "312 ms"}, {1250000000, "1.25 s"}, {125000000000, "2 min 5 s"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct strbuf out = {0};
        describe_duration(&out, cases[i].ns);
        ck_assert_str_eq(out.data, cases[i].text);
        sb_free(&out);
    }
}
END_TEST

START_TEST(function_names_are_readable_and_stable)
{
    static const char *const cases[][2] = {
        {"read", "read"},
        {"main.cold", "main"},
        {"parse.constprop.0.isra.0", "parse"},
        {"read@@GLIBC_2.2.5", "read"},
        {"_ZN4shop2Db5queryIiEEvT_", "shop::Db::query<int>"},
        {"_ZN3app7handler17h0123456789abcdefE", "app::handler"},
        {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
        {"_ZN4shop2Db2goEv.part.0", "shop::Db::go"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        ck_assert_str_eq(function_name(cases[i][0]), cases[i][1]);
}
END_TEST

START_TEST(long_names_lose_their_generics)
{
    static const char *const cases[][2] = {
        {"f<int>", "f<int>"},
        {"boost::asio::ip::basic_resolver<boost::asio::ip::tcp, boost::any_executor<x<0> > >::go",
         "boost::asio::ip::basic_resolver<…>::go"},
        {"<core::future::from_generator::GenFuture<app::Shop> as core::future::Future>::poll",
         "<core::future::from_generator::GenFuture<…> as core::future::Future>::poll"},
        {"std::basic_ostream<char, std::char_traits<char> >& std::operator<< <std::char_traits>",
         "std::basic_ostream<…>& std::operator<< <std::char_traits>"},
        {"a_name_that_goes_on_and_on_and_on_and_on_and_on::f<g(int)->h>::operator->",
         "a_name_that_goes_on_and_on_and_on_and_on_and_on::f<…>::operator->"},
        {"a_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and::f<int",
         "a_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and::f<int"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct strbuf out = {0};
        describe_function(&out, cases[i][0]);
        ck_assert_str_eq(out.data, cases[i][1]);
        sb_free(&out);
    }
}
END_TEST

START_TEST(hints_are_near_or_absent)
{
    const char *const names[] = {"run", "report", "check", "doctor", NULL};
    ck_assert_str_eq(nearest_name("reprot", names), "report");
    ck_assert_str_eq(nearest_name("rnu", names), "run");
    ck_assert_str_eq(nearest_name("chek", names), "check");
    ck_assert_ptr_null(nearest_name("x", names));
    ck_assert_ptr_null(nearest_name("python3", names));
}
END_TEST

START_TEST(terminals_get_no_control_characters)
{
    struct strbuf out = {0};
    sb_add_clean(&out, "a\033[2Jb\xc2\x9b"
                       "c\x7f\xc3\xbc");
    ck_assert_str_eq(out.data, "a?[2Jb?c?\xc3\xbc");
    sb_free(&out);
}
END_TEST

START_TEST(logs_get_no_commands_and_no_turned_text)
{
    static const struct {
        const char *before, *text, *shown;
    } cases[] = {
        {"", "::error::x", "?:error::x"},
        {"", " \t::error::x", " \t?:error::x"},
        {"a\n  ", "::set-output name=x::y", "?:set-output name=x::y"},
        {"a ", "::operator new", "::operator new"},
        {"", "std::vector", "std::vector"},
        {"", "a\n::error::x", "a?::error::x"},
        {"a ", "b ##[error]x", "b ?#[error]x"},
        {"", "##vso[task.x]", "?#vso[task.x]"},
        {"", "###[group]", "#?#[group]"},
        {"", "## a heading [1]", "## a heading [1]"},
        {"",
         "a\xe2\x80\xae"
         "b\xe2\x81\xa6"
         "c\xd8\x9c"
         "d\xe2\x80\x8f"
         "e\xe2\x80\xa8",
         "a?b?c?d?e?"},
        {"", "\xe2\x80\xa6 \xe2\x80\xaf \xe2\x81\xa5", "\xe2\x80\xa6 \xe2\x80\xaf \xe2\x81\xa5"},
        {"",
         "\x9b"
         "2J\xff\xc2",
         "?2J??"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct strbuf out = {0};
        sb_add(&out, cases[i].before);
        sb_add_clean(&out, cases[i].text);
        ck_assert_str_eq(out.data + strlen(cases[i].before), cases[i].shown);
        sb_free(&out);
    }
}
END_TEST

START_TEST(without_utf8_text_is_ascii)
{
    struct strbuf text = {0};
    sb_add(&text, "850 µs  a → b … █▏ gr\xc3\xbc\xc3\x9f");
    text_to_ascii(&text);
    ck_assert_str_eq(text.data, "850 us  a -> b ... #: gr\xc3\xbc\xc3\x9f");
    sb_free(&text);
}
END_TEST

START_TEST(bars_are_as_wide_as_their_share)
{
    static const struct {
        uint64_t part, whole;
        const char *bar;
    } cases[] = {
        {0, 10, "    "}, {10, 10, "████"}, {5, 10, "██  "}, {1, 1000000, "▏   "}, {5, 0, "▏   "}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct strbuf out = {0};
        text_bar(&out, cases[i].part, cases[i].whole, 4);
        ck_assert_str_eq(out.data, cases[i].bar);
        sb_free(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: text");
    TCase *tcase = tcase_create("text");
    tcase_add_test(tcase, json_strings_are_valid_utf8);
    tcase_add_test(tcase, json_nests);
    tcase_add_test(tcase, durations_are_short);
    tcase_add_test(tcase, function_names_are_readable_and_stable);
    tcase_add_test(tcase, long_names_lose_their_generics);
    tcase_add_test(tcase, hints_are_near_or_absent);
    tcase_add_test(tcase, terminals_get_no_control_characters);
    tcase_add_test(tcase, logs_get_no_commands_and_no_turned_text);
    tcase_add_test(tcase, without_utf8_text_is_ascii);
    tcase_add_test(tcase, bars_are_as_wide_as_their_share);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
