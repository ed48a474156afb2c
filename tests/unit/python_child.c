/* The interpreters and children of the tests of Python frames: see python_child.h. */
#define _GNU_SOURCE
#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "python_child.h"

static int add(char *paths[INTERPRETERS], int count, const char *path)
{
    const char *name = strrchr(path, '/');
    size_t length;

    name = name ? name + 1 : path;
    length = strlen(name);
    /* python3.11 and python3.11d, but neither python3.11-config nor python3.11t-gdb.py */
    if (count == INTERPRETERS || strspn(name, "python3.0123456789dt") != length ||
        access(path, X_OK) != 0) {
        return count;
    }
    paths[count] = strdup(path);
    return count + 1;
}

static int add_matching(char *paths[INTERPRETERS], int count, const char *pattern)
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            count = add(paths, count, found.gl_pathv[i]);
        }
        globfree(&found);
    }
    return count;
}

int child_interpreters(char *paths[INTERPRETERS])
{
    const char *given = getenv("STALLTRACE_TEST_PYTHONS");
    const char *home = getenv("HOME");
    char *pattern;
    int count = 0;

    if (given) {
        char *list = strdup(given);
        for (char *path = strtok(list, ":"); path; path = strtok(NULL, ":")) {
            count = add(paths, count, path);
        }
        free(list);
        return count;
    }
    count = add_matching(paths, count, "/usr/bin/python3.*");
    if (asprintf(&pattern, "%s/.pyenv/versions/*/bin/python3.*", home ? home : "") > 0) {
        count = add_matching(paths, count, pattern);
        free(pattern);
    }
    return count;
}

int child_minor(const char *python)
{
    const char *name = strstr(strrchr(python, '/'), "python3.");
    return name ? atoi(name + strlen("python3.")) : -1;
}

bool child_supported(const char *python)
{
    int minor = child_minor(python);
    return minor >= 8 && minor <= 15 && python[strlen(python) - 1] != 't'; /* free-threaded */
}

static void run(const char *python, const char *scenario, const char *library, int in, int out)
{
    const char *source = getenv("srcdir");
    char *script;

    if (asprintf(&script, "%s/tests/unit/python_stack.py", source ? source : ".") < 0) {
        _exit(126);
    }
    dup2(in, 0);
    dup2(out, 1);
    setenv("PYTHONUTF8", "1", 1);
    if (strcmp(scenario, "foreign") == 0) { /* any Python at all, without an account of its own */
        execl(python, python, "-c",
              "import os; os.write(1, b'0\\t0\\t0\\nx\\tx\\t0\\nEND\\n'); os.read(0, 1)",
              (char *)NULL);
    }
    execl(python, python, script, scenario, library, (char *)NULL);
    _exit(127);
}

void child_start(struct child *child, const char *python, const char *scenario, const char *library)
{
    int in[2], out[2];
    char *line = NULL;
    size_t size = 0;
    unsigned long pthread;

    memset(child, 0, sizeof(*child));
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    child->pid = fork();
    ck_assert_int_ge(child->pid, 0);
    if (child->pid == 0) {
        run(python, scenario, library, in[0], out[1]);
    }
    close(in[0]);
    close(out[1]);
    child->input = in[1];
    child->output = fdopen(out[0], "r");
    ck_assert_int_gt(getline(&line, &size, child->output), 0);
    ck_assert_int_eq(sscanf(line, "%lu\t%d\t%d", &pthread, &child->tid, &child->target), 3);
    free(line);
    child->pthread = pthread;
    child->count = child_read(child, child->frames);
    ck_assert_int_gt(child->count, 0);
}

int child_read(struct child *child, struct child_frame *frames)
{
    char *line = NULL;
    size_t size = 0;
    int count = 0;

    while (count < CHILD_FRAMES && getline(&line, &size, child->output) > 0) {
        char *rest = line;
        char *fields[4];
        if (strcmp(line, "END\n") == 0) {
            free(line);
            return count;
        }
        for (int i = 0; i < 4; i++) {
            fields[i] = strsep(&rest, "\t\n");
        }
        ck_assert_msg(fields[2] != NULL, "not a frame: %s", line);
        frames[count].function = strdup(fields[0]);
        frames[count].file = strdup(fields[1]);
        frames[count].line = atoi(fields[2]);
        frames[count].entry = fields[3] ? atoi(fields[3]) : -1;
        count++;
    }
    free(line);
    child_free(frames, count);
    return -1;
}

void child_free(struct child_frame *frames, int count)
{
    for (int i = 0; i < count; i++) {
        free(frames[i].function);
        free(frames[i].file);
    }
}

int child_end(struct child *child)
{
    char rest[4096];
    int status = -1;

    close(child->input);
    while (fread(rest, 1, sizeof(rest), child->output) > 0) {
        /* a scenario may block, and announce itself, more than once */
    }
    fclose(child->output);
    child_free(child->frames, child->count);
    waitpid(child->pid, &status, 0);
    return status;
}
