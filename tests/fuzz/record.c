/* Records an image (image.h) for the corpus: of all the memory that the agent's readers ask for
 * when they look at a process that runs.
 *
 *     record python INTERPRETER SCENARIO   one of tests/unit/python_stack.py's
 *     record v8 PID                        a process of Node's that is in interpreted code
 *
 * The image goes to standard output. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/memory.h"
#include "agent/lang/python.h"
#include "agent/lang/v8.h"

enum { MAX_BYTES = 1 << 22, PIECE = 8 };

static pid_t target;
static uint64_t pieces[MAX_BYTES / PIECE]; /* the addresses, of eight bytes each, that were read */
static size_t count;

static bool read_target(uint64_t addr, void *buf, size_t len)
{
    struct iovec local = {buf, len}, remote = {(void *)(uintptr_t)addr, len};
    return process_vm_readv(target, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

int st_mem_read(uint64_t addr, void *buf, size_t len)
{
    if (!read_target(addr, buf, len))
        return -EFAULT;
    for (uint64_t at = addr & ~7ull; at < addr + len && count < MAX_BYTES / PIECE; at += PIECE)
        pieces[count++] = at;
    return 0;
}

int st_mem_read_cached(uint64_t addr, void *buf, size_t len)
{
    return st_mem_read(addr, buf, len);
}

static int by_address(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void write_image(const uint64_t a[4], const char *text)
{
    uint32_t len = (uint32_t)strlen(text);
    fwrite(a, sizeof(uint64_t), 4, stdout);
    fwrite(&len, sizeof(len), 1, stdout);
    fwrite(text, 1, len, stdout);
    qsort(pieces, count, sizeof(pieces[0]), by_address);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && pieces[end] <= pieces[end - 1] + PIECE; end++)
            ;
        static char bytes[MAX_BYTES];
        len = (uint32_t)(pieces[end - 1] + PIECE - pieces[i]);
        if (!read_target(pieces[i], bytes, len))
            continue;
        fwrite(&pieces[i], sizeof(pieces[i]), 1, stdout);
        fwrite(&len, sizeof(len), 1, stdout);
        fwrite(bytes, 1, len, stdout);
    }
}

/* The mappings of the objects whose path holds `name`; the others would only make it larger. */
static char *maps_of(const char *name)
{
    static char path[64], text[1 << 16], line[4096];
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)target);
    FILE *maps = fopen(path, "r");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, name) != NULL && strlen(text) + strlen(line) < sizeof(text))
            strcat(text, line);
    if (maps != NULL)
        fclose(maps);
    static char file[] = "/tmp/stalltrace-maps-XXXXXX";
    int fd = mkstemp(file);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        abort();
    close(fd);
    st_py_maps_path = file;
    return text;
}

static int record_python(const char *python, const char *scenario)
{
    int out[2], in[2];
    uint64_t a[4] = {0};
    int tid, pid;
    if (pipe(out) != 0 || pipe(in) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], 1);
        dup2(in[0], 0);
        close(in[1]);
        execl(python, python, "tests/unit/python_stack.py", scenario, NULL);
        _exit(127);
    }
    FILE *lines = fdopen(out[0], "r");
    if (fscanf(lines, "%lu\t%d\t%d", &a[0], &tid, &pid) != 3)
        return 1;
    for (char line[4096]; fgets(line, sizeof(line), lines) != NULL && strcmp(line, "END\n") != 0;)
        ;
    target = pid;
    a[1] = (uint64_t)tid;
    usleep(100000); /* it says so in the arguments of the call that blocks */
    char *maps = maps_of("python");
    struct st_py_layout layout = {0};
    struct st_py_raw raw[128];
    struct st_py_name name;
    struct st_py_task task;
    if (st_py_detect(&layout) != 0)
        return 1;
    a[2] = st_py_tstate_of(&layout, a[0], tid);
    st_py_is_tstate(&layout, a[2]);
    int frames = st_py_walk_other(&layout, a[2], raw, 128);
    for (int i = 0; i < frames; i++)
        st_py_resolve(&layout, &raw[i], &name);
    int told = st_py_task(&layout, a[2], raw, frames, &task);
    fprintf(stderr, "%s %s: %d frames, %s\n", python, scenario, frames,
            told == 0 ? task.name : "no task");
    write_image(a, maps);
    unlink(st_py_maps_path);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return frames > 0 ? 0 : 1;
}

/* Every word of the main thread's stack is tried as a frame pointer; the last place that is one is
 * the outermost, with most to read. */
static int record_v8(void)
{
    int32_t function, bytecode, offset;
    char *maps = maps_of("node");
    if (!st_v8_words(&function, &bytecode, &offset))
        return 1;
    size_t constants = count;
    char path[64], line[512];
    uint64_t sp = 0, a[4] = {0};
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)target);
    FILE *file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL)
        return 1;
    char *words[16] = {0};
    size_t n = 0;
    for (char *word = strtok(line, " \n"); word != NULL && n < 16; word = strtok(NULL, " \n"))
        words[n++] = word;
    sp = strtoull(words[n - 2], NULL, 16);
    size_t best = 0;
    uint64_t text_at = 0;
    for (uint64_t fp = sp; fp < sp + 65536; fp += 8) {
        struct st_v8_frame frame;
        count = constants;
        if (!read_target(fp + (uint64_t)(int64_t)function, &frame.function, 8) ||
            !read_target(fp + (uint64_t)(int64_t)bytecode, &frame.bytecode, 8) ||
            !read_target(fp + (uint64_t)(int64_t)offset, &frame.offset, 8))
            continue;
        struct st_v8_place place = st_v8_place(&frame);
        if (place.line && count > best && count < 4096) {
            best = count;
            text_at = place.script;
            memcpy(a, &frame, sizeof(frame));
        }
    }
    if (!best)
        return 1;
    count = constants;
    struct st_v8_place place = st_v8_place(&(struct st_v8_frame){a[0], a[1], a[2]});
    char symbol[1024] = "JS:~name ", name[900];
    int32_t length = 0;
    if (read_target(text_at - 1 + 12, &length, 4) && length > 0 && length < 800 &&
        read_target(text_at - 1 + 16, name, (size_t)length))
        strncat(symbol, name, (size_t)length);
    strcat(symbol, ":1:1");
    fprintf(stderr, "line %u of %s: %d\n", place.line, symbol, st_v8_is_in(&place, symbol));
    strcat(maps, symbol);
    write_image(a, maps);
    unlink(st_py_maps_path);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "python") == 0)
        return record_python(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "v8") == 0) {
        target = atoi(argv[2]);
        return record_v8();
    }
    fputs("record python INTERPRETER SCENARIO | record v8 PID\n", stderr);
    return 2;
}
