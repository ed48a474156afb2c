/* Reading Python's memory where it is not what it should be: bogus thread states, broken chains,
 * freed objects, cut-off tables, a victim whose objects are overwritten at random. Nothing may
 * crash, hang or be taken for a frame that it is not. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "agent/lang/python.h"
#include "agent/lang/python_offsets.h"
#include "python_child.h"
#include "python_memory.h"

enum { VERSIONS = sizeof(st_py_offsets) / sizeof(st_py_offsets[0]), ROUNDS = 3000 };

static char *interpreters[INTERPRETERS];

/* What stands for the type objects; only their addresses count. */
static uint64_t code_type[2], str_type[2], bytes_type[2];

static uint64_t address(const void *object)
{
    return (uint64_t)(uintptr_t)object;
}

static struct st_py_layout made_layout(int version)
{
    struct st_py_layout layout = st_py_offsets[version];

    layout.frame_size = ST_PY_FRAME_MAX;
    layout.code_type = address(code_type);
    layout.str_type = address(str_type);
    layout.bytes_type = address(bytes_type);
    return layout;
}

static void put(void *object, uint32_t offset, uint64_t word)
{
    memcpy((char *)object + offset, &word, sizeof(word));
}

/* An object of ours at `object`: refcount 1, and its type. */
static void put_head(const struct st_py_layout *layout, void *object, const void *type)
{
    put(object, 0, 1);
    put(object, layout->object_type, address(type));
}

static uint64_t anything(void)
{
    uint64_t value = (uint64_t)mrand48() << 32 ^ (uint64_t)mrand48();

    switch (lrand48() % 6) {
    case 0:
        return value;
    case 1:
        return value & 0x7fffffffff8; /* looks like a pointer */
    case 2:
        return value % 64;
    case 3:
        return address(&value) & ~7ull; /* the stack */
    case 4:
        return address(st_py_offsets) + value % 512 * 8;
    default:
        return 0 - value % 64;
    }
}

START_TEST(bogus_addresses)
{
    struct st_py_layout layout = made_layout(_i);
    struct st_py_raw raw[64];
    struct st_py_name name;

    for (int round = 0; round < ROUNDS; round++) {
        int count = st_py_walk_other(&layout, anything(), raw, 64);
        ck_assert_int_le(count, 64);
        for (int i = 0; i < count; i++) {
            ck_assert_int_lt(st_py_resolve(&layout, &raw[i], &name), 0);
        }
        raw[0] = (struct st_py_raw){.code = anything(), .instr = anything()};
        ck_assert_int_lt(st_py_resolve(&layout, &raw[0], &name), 0);
        layout.runtime = anything();
        ck_assert_uint_eq(st_py_tstate_of(&layout, anything() | 1, 1), 0);
    }
    ck_assert_int_eq(st_py_walk_other(&layout, 0, raw, 64), -EFAULT);
    ck_assert_int_eq(st_py_walk_other(&layout, 8, raw, 64), -EFAULT);
}
END_TEST

enum { CHAIN = 50 };

/* A thread state with a chain of CHAIN frames, of which the last leads to frame `tail`. */
static uint64_t make_chain(const struct st_py_layout *layout, int tail)
{
    static unsigned char tstate[512], cframe[64], frames[CHAIN][ST_PY_FRAME_MAX];

    memset(frames, 0, sizeof(frames));
    put(tstate, layout->tstate_frame, address(frames));
    if (layout->cframe_frame != ST_PY_ABSENT) {
        put(tstate, layout->tstate_frame, address(cframe));
        put(cframe, layout->cframe_frame, address(frames));
    }
    for (int i = 0; i < CHAIN; i++) {
        put(frames[i], layout->frame_code, 8 * (1000u + (unsigned)i));
        if (i + 1 < CHAIN) {
            put(frames[i], layout->frame_previous, address(frames[i + 1]));
        } else if (tail >= 0) {
            put(frames[i], layout->frame_previous, address(frames[tail]));
        }
    }
    return address(tstate);
}

START_TEST(broken_chains)
{
    struct st_py_layout layout = made_layout(_i);
    struct st_py_raw raw[4 * CHAIN];

    ck_assert_int_eq(st_py_walk_other(&layout, make_chain(&layout, -1), raw, 4 * CHAIN), CHAIN);
    ck_assert_uint_eq(raw[0].code, 8 * 1000);
    ck_assert_uint_eq(raw[CHAIN - 1].code, 8 * (1000 + CHAIN - 1));
    ck_assert_int_eq(st_py_walk_other(&layout, make_chain(&layout, -1), raw, 7), 7);
    for (int tail = 0; tail < CHAIN; tail++) {
        ck_assert_int_eq(st_py_walk_other(&layout, make_chain(&layout, tail), raw, 4 * CHAIN),
                         -ELOOP);
    }
}
END_TEST

/* Frames that are all shims must end too: they never fill `out`. */
START_TEST(shims_alone)
{
    struct st_py_layout layout = made_layout(VERSIONS - 1);
    struct st_py_raw raw[8];

    layout.owner_shim = 0;
    ck_assert_int_eq(st_py_walk_other(&layout, make_chain(&layout, -1), raw, 8), 0);
    ck_assert_int_eq(st_py_walk_other(&layout, make_chain(&layout, 3), raw, 8), -ELOOP);
}
END_TEST

/* Bytes objects of any content as line tables; the page after them cannot be read. */
START_TEST(random_tables)
{
    struct st_py_layout layout = made_layout(_i);
    unsigned char *pages =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert(pages != MAP_FAILED);
    ck_assert_int_eq(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    for (int round = 0; round < ROUNDS * 10; round++) {
        uint64_t size = (uint64_t)lrand48() % 400;
        unsigned char *object = pages + ((4096 - size - layout.bytes_data) & ~7ull);
        put_head(&layout, object, bytes_type);
        put(object, layout.var_size, size);
        for (uint64_t i = 0; i < size; i++) {
            object[layout.bytes_data + i] = (unsigned char)(lrand48() & (round & 1 ? 255 : 135));
        }
        ck_assert_int_ge(st_py_line(&layout, address(object), 1, lrand48() % 2000), -EINVAL);
        put(object, layout.var_size, size + 4096); /* beyond what can be read */
        ck_assert_int_ge(st_py_line(&layout, address(object), 1, 1 << 20), -EINVAL);
    }
    munmap(pages, 8192);
}
END_TEST

START_TEST(strings)
{
    struct st_py_layout layout = made_layout(_i);
    _Alignas(8) unsigned char object[256];
    const unsigned one_byte = 1 << 2, compact = 1 << 5, ascii = 1 << 6;
    const struct {
        const void *type;
        uint64_t refcount, length;
        unsigned state;
        int result;
    } cases[] = {
        {str_type, 1, 3, one_byte | compact | ascii, 0},
        {str_type, UINT32_MAX, 3, one_byte | compact | ascii, 0},       /* immortal */
        {bytes_type, 1, 3, one_byte | compact | ascii, -EINVAL},        /* not a str */
        {str_type, 0, 3, one_byte | compact | ascii, -EINVAL},          /* freed */
        {str_type, 1ull << 40, 3, one_byte | compact | ascii, -EINVAL}, /* freed */
        {str_type, 1, UINT64_MAX, one_byte | compact | ascii, -EINVAL},
        {str_type, 1, 3, one_byte | ascii, -EINVAL}, /* not compact */
        {str_type, 1, 3, 3 << 2 | compact, -EINVAL}, /* no such width */
        {str_type, 1, 3, 2 << 2 | compact | ascii, -EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[8] = "";
        memset(object, 'x', sizeof(object));
        put_head(&layout, object, cases[i].type);
        put(object, 0, cases[i].refcount);
        put(object, layout.str_length, cases[i].length);
        memcpy(object + layout.str_state, &cases[i].state, sizeof(cases[i].state));
        ck_assert_int_eq(st_py_text(&layout, address(object), text, sizeof(text)), cases[i].result);
        ck_assert_str_eq(text, cases[i].result == 0 ? "xxx" : "");
    }
}
END_TEST

/* However long the text: it ends within the buffer, is whole where it fits, and else says "…". */
START_TEST(long_strings)
{
    struct st_py_layout layout = made_layout(VERSIONS - 1);
    _Alignas(8) unsigned char object[1024] = {0};
    const unsigned four_bytes_compact = 4 << 2 | 1 << 5;
    const uint32_t points[] = {'a', 0xe9, 0x65e5, 0x1f600};
    const char *const encoded[] = {"a", "é", "日", "😀"};

    put_head(&layout, object, str_type);
    memcpy(object + layout.str_state, &four_bytes_compact, sizeof(four_bytes_compact));
    for (int round = 0; round < ROUNDS; round++) {
        char text[64], whole[1024] = "";
        uint64_t length = (uint64_t)lrand48() % 100;
        size_t size = 8 + (size_t)lrand48() % 56;
        put(object, layout.str_length, length);
        for (uint64_t i = 0; i < length; i++) {
            long pick = lrand48() % 4;
            memcpy(object + layout.str_data + i * 4, &points[pick], 4);
            strcat(whole, encoded[pick]);
        }
        memset(text, '#', sizeof(text));
        ck_assert_int_eq(st_py_text(&layout, address(object), text, size), 0);
        ck_assert_uint_lt(strnlen(text, sizeof(text)), size);
        if (strlen(whole) < size) {
            ck_assert_str_eq(text, whole);
        } else {
            size_t kept = strlen(text) - strlen("…");
            ck_assert_str_eq(text + kept, "…");
            ck_assert_int_eq(strncmp(text, whole, kept), 0);
            ck_assert_int_ne(whole[kept] & 0xc0, 0x80); /* cut between characters */
        }
    }
}
END_TEST

/* Offsets that an interpreter may state, but that lie outside of what is read: either they are
 * refused, or nothing is read or written by them beyond it (the sanitizers see). */
START_TEST(stated_offsets)
{
    static const uint32_t values[] = {
        0,   4,   8,   24,  40,  72,  79,  80,  81,  120,  124,  127,   128,        200,       201,
        208, 247, 248, 256, 500, 504, 511, 512, 744, 2000, 4096, 65535, 0x7fffffff, UINT32_MAX};
    const size_t from = offsetof(struct st_py_layout, tstate_next);
    const size_t count = (offsetof(struct st_py_layout, proven) - from) / sizeof(uint32_t);
    static uint64_t object[64];
    int fitting = 0;

    ck_assert(st_py_offsets_fit(&st_py_offsets[_i]));
    for (size_t member = 0; member < count; member++) {
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            struct st_py_layout layout = made_layout(_i);
            struct st_py_raw raw = {.frame = address(object), .code = address(object)};
            struct st_py_name name;
            struct st_py_task task;
            memcpy((char *)&layout + from + member * sizeof(uint32_t), &values[k],
                   sizeof(values[k]));
            if (layout.frame_size > ST_PY_FRAME_MAX || !st_py_offsets_fit(&layout)) {
                continue;
            }
            fitting++;
            layout.dict_type = layout.int_type = layout.coroutine_type = address(code_type);
            layout.runtime = address(object);
            for (size_t i = 0; i < sizeof(object) / sizeof(object[0]); i++) {
                object[i] = i % 3 ? address(object) : address(code_type);
            }
            put_head(&layout, object, code_type);
            st_py_resolve(&layout, &raw, &name);
            st_py_line(&layout, address(object), 1, 4);
            st_py_task(&layout, address(object), &raw, 1, &task);
            st_py_tstate_of(&layout, 1, 1);
            st_py_prove(&layout);
        }
    }
    ck_assert_int_gt(fitting, 0);
}
END_TEST

START_TEST(no_python_here)
{
    struct st_py_layout layout;

    ck_assert_int_eq(st_py_detect(&layout), -ENOENT);
    ck_assert_uint_eq(layout.version, 0);
    ck_assert_uint_eq(st_py_tstate_of(&layout, 1, 1), 0);
    ck_assert_int_eq(st_py_walk_own(&layout, NULL, 0), 0);
    st_py_maps_path = "/nonexistent/maps";
    ck_assert_int_eq(st_py_detect(&layout), -ENOENT);
    st_py_maps_path = "/dev/null";
    ck_assert_int_eq(st_py_detect(&layout), -ENOENT);
}
END_TEST

static void overwrite(pid_t pid, uint64_t addr, uint64_t word)
{
    struct iovec local = {&word, sizeof(word)};
    struct iovec remote = {(void *)(uintptr_t)addr, sizeof(word)};
    process_vm_writev(pid, &local, 1, &remote, 1, 0); /* some of it may be read-only: no matter */
}

static struct child *start_victim(const char *python, struct st_py_layout *layout)
{
    static struct child child;
    static char maps[64];

    if (!child_supported(python)) {
        return NULL;
    }
    child_start(&child, python, "callbacks", NULL);
    test_target = child.pid;
    snprintf(maps, sizeof(maps), "/proc/%d/maps", child.pid);
    st_py_maps_path = maps;
    ck_assert_int_eq(st_py_detect(layout), 0);
    return &child;
}

static void kill_victim(struct child *child)
{
    kill(child->pid, SIGKILL);
    child_end(child);
}

/* Overwrites what the walk and the names are read from, word by word. The victim is stopped, so
 * that it does not fall over it first. */
START_TEST(corrupted_victim)
{
    struct st_py_layout layout;
    struct st_py_raw raw[64];
    struct st_py_name name;
    struct child *child = start_victim(interpreters[_i], &layout);
    uint64_t tstate;
    int count;

    if (!child) {
        return;
    }
    kill(child->pid, SIGSTOP);
    tstate = st_py_tstate_of(&layout, child->pthread, child->tid);
    count = st_py_walk_other(&layout, tstate, raw, 64);
    ck_assert_int_gt(count, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct st_py_raw again[64];
        const struct st_py_raw *victim = &raw[lrand48() % count];
        uint64_t target = victim->code;
        uint32_t member = round % 2 ? layout.code_lines : layout.code_name;
        uint64_t pointed;
        if (round % 3 == 1 && st_mem_read(target + member, &pointed, sizeof(pointed)) == 0) {
            target = pointed; /* not the code, but its line table or its name */
        }
        overwrite(child->pid, target + (uint64_t)(lrand48() % 32) * 8, anything());
        if (round % 50 == 49) {
            overwrite(child->pid, tstate + (uint64_t)(lrand48() % 24) * 8, anything());
        }
        int walked = st_py_walk_other(&layout, tstate, again, 64);
        ck_assert_int_le(walked, 64);
        for (int i = 0; i < count; i++) {
            if (st_py_resolve(&layout, &raw[i], &name) == 0) {
                ck_assert_uint_lt(strnlen(name.function, sizeof(name.function)), 192);
                ck_assert_uint_lt(strnlen(name.file, sizeof(name.file)), 512);
                ck_assert_int_ge(name.line, 0);
            }
        }
        st_py_tstate_of(&layout, child->pthread, child->tid);
    }
    kill_victim(child);
}
END_TEST

/* 3.13 and later say themselves what they are; a word of it changed, they are not known any more.
 */
START_TEST(describes_itself)
{
    struct st_py_layout layout, again;
    struct child *child = start_victim(interpreters[_i], &layout);
    const uint64_t changed[][2] = {{0, 1}, {8, 0x031f00f0}, {16, 1}, {24 + 8, 1 << 20}};

    if (!child) {
        return;
    }
    for (size_t i = 0; layout.version >= 0x030d0000 && i < sizeof(changed) / sizeof(*changed);
         i++) {
        uint64_t word;
        ck_assert_int_eq(st_mem_read(layout.runtime + changed[i][0], &word, sizeof(word)), 0);
        overwrite(child->pid, layout.runtime + changed[i][0], changed[i][1]);
        ck_assert_int_eq(st_py_detect(&again), -ENOTSUP);
        overwrite(child->pid, layout.runtime + changed[i][0], word);
        ck_assert_int_eq(st_py_detect(&again), 0);
    }
    /* What it says is what its headers say. */
    if (layout.version >= 0x030d0000) {
        const struct st_py_layout *row = st_py_offsets;
        size_t from = offsetof(struct st_py_layout, runtime_finalizing);
        while (row->version >> 16 != layout.version >> 16) {
            row++;
        }
        again = layout;
        again.frame_size = row->frame_size;
        ck_assert_mem_eq((const char *)&again + from, (const char *)row + from,
                         offsetof(struct st_py_layout, str_data) - from);
    }
    kill_victim(child);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("python garbage");
    TCase *tests = tcase_create("garbage");
    int count = child_interpreters(interpreters);
    SRunner *runner;
    int failed;

    srand48(20240229);
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, bogus_addresses, 0, VERSIONS);
    tcase_add_loop_test(tests, broken_chains, 0, VERSIONS);
    tcase_add_test(tests, shims_alone);
    tcase_add_loop_test(tests, random_tables, 0, VERSIONS);
    tcase_add_loop_test(tests, strings, 0, VERSIONS);
    tcase_add_test(tests, long_strings);
    tcase_add_loop_test(tests, stated_offsets, 0, VERSIONS);
    tcase_add_test(tests, no_python_here);
    tcase_add_loop_test(tests, corrupted_victim, 0, count);
    tcase_add_loop_test(tests, describes_itself, 0, count);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
