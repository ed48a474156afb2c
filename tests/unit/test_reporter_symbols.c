/* The symboliser on this very program: functions, lines, inlined frames, build-ids, the vDSO, and
 * files that are missing or other ones. */
#define _GNU_SOURCE
#include <check.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "symbols/symbols.h"

static int warnings;
static struct symbols *symbols;

static void count_warning(const char *message)
{
    (void)message;
    warnings++;
}

static void setup(void)
{
    warnings = 0;
    symbols = symbols_new(false, count_warning);
}

static void teardown(void)
{
    symbols_free(symbols);
}

static int inlined_line;
static const void *here;

/* Records the address of a place inside an inlined function. */
static inline __attribute__((always_inline)) void innermost(void)
{
    void *address;
    __asm__ volatile("lea 0(%%rip), %0" : "=r"(address));
    here = address, inlined_line = __LINE__;
}

static __attribute__((noinline)) void surrounding(void)
{
    innermost();
    __asm__ volatile("");
}

/* This program's load bias: the first object is the executable. */
static int take_bias(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(uint64_t *)data = info->dlpi_addr;
    return 1;
}

static uint64_t vaddr_of(const void *address)
{
    uint64_t bias = 0;
    dl_iterate_phdr(take_bias, &bias);
    return (uint64_t)(uintptr_t)address - bias;
}

static struct module own_module(const char *build_id)
{
    static char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    ck_assert_int_gt(len, 0);
    path[len] = '\0';
    return (struct module){.path = path, .build_id = build_id};
}

START_TEST(names_inlined_functions)
{
    surrounding();
    struct module module = own_module(NULL);
    const struct positions *found = symbols_find(symbols, &module, vaddr_of(here));
    ck_assert_uint_eq(found->count, 2);
    ck_assert_str_eq(found->at[0].function, "innermost");
    ck_assert_str_eq(found->at[1].function, "surrounding");
    ck_assert(ends_with(found->at[0].file, "test_reporter_symbols.c"));
    ck_assert(ends_with(found->at[1].file, "test_reporter_symbols.c"));
    ck_assert_int_le(abs(found->at[0].line - inlined_line), 3);
    ck_assert_int_gt(found->at[1].line, found->at[0].line);
    ck_assert_ptr_eq(found, symbols_find(symbols, &module, vaddr_of(here)));
    ck_assert_int_eq(warnings, 0);
}
END_TEST

START_TEST(a_changed_file_is_not_asked)
{
    struct module module = own_module("0123456789abcdef0123456789abcdef01234567");
    surrounding();
    const struct positions *found = symbols_find(symbols, &module, vaddr_of(here));
    ck_assert_uint_eq(found->count, 1);
    ck_assert_ptr_null(found->at[0].function);
    symbols_find(symbols, &module, 1);
    ck_assert_int_eq(warnings, 1);
}
END_TEST

START_TEST(files_that_are_no_objects_are_survived)
{
    static const char *const paths[] = {"/nonexistent", "/etc/passwd", "/", "", "/dev/null"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct module module = {.path = paths[i]};
        const struct positions *found = symbols_find(symbols, &module, 0x1000);
        ck_assert_uint_eq(found->count, 1);
        ck_assert_ptr_null(found->at[0].function);
    }
    ck_assert_int_eq(warnings, (int)COUNT_OF(paths));
}
END_TEST

START_TEST(addresses_outside_the_file_have_no_name)
{
    struct module module = own_module(NULL);
    ck_assert_ptr_null(symbols_find(symbols, &module, UINT64_MAX)->at[0].function);
    ck_assert_ptr_null(symbols_find(symbols, &module, 0)->at[0].function);
}
END_TEST

START_TEST(knows_the_vdso)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
    if (header == NULL)
        return;
    /* Any of its functions will do: look at all addresses of its text for one with a name. */
    struct module module = {.path = "[vdso]"};
    size_t named = 0;
    for (uint64_t vaddr = 0; vaddr < 0x1000; vaddr += 16)
        named += symbols_find(symbols, &module, vaddr)->at[0].function != NULL;
    ck_assert_uint_gt(named, 0);
    ck_assert_int_eq(warnings, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reporter: symbols");
    TCase *tcase = tcase_create("symbols");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, names_inlined_functions);
    tcase_add_test(tcase, a_changed_file_is_not_asked);
    tcase_add_test(tcase, files_that_are_no_objects_are_survived);
    tcase_add_test(tcase, addresses_outside_the_file_have_no_name);
    tcase_add_test(tcase, knows_the_vdso);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
