/* Runs the self-test with and without the preload, side by side, and compares: each function has to
 * give the same result and errno, and to be in the trace under its name. */
#define _GNU_SOURCE
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace/trace.h"

extern char **environ;

/* Processes in each of the two runs: the rows wait most of the time. */
enum { SHARDS = 4, PATIENCE_MS = 90000 };

/* One line of --list, and what became of it. */
struct test_row {
    const char *symbol, *name, *class_name, *kind;
    const char *plain, *traced; /* what the two runs said; NULL: nothing */
    const char *owner;
    bool seen, while_hanging;
};

struct selftest {
    struct diagnosis *d;
    char *program;
    char directory[64];
    struct test_row *rows;
    size_t count, cap;
    pid_t running[2 * SHARDS];
    size_t running_count;
};

/* ---- where it is, and what it has -------------------------------------------------------------*/

static char *locate_selftest(void)
{
    static const char *const relative[] = {"/stalltrace-selftest",
                                           "/../libexec/stalltrace/stalltrace-selftest"};
    char exe[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (len > 0) {
        exe[len] = '\0';
        *strrchr(exe, '/') = '\0';
        for (size_t i = 0; i < COUNT_OF(relative); i++) {
            char *path = mem_printf("%s%s", exe, relative[i]);
            if (access(path, X_OK) == 0)
                return path;
            free(path);
        }
    }
    return access(STALLTRACE_PKGLIBEXECDIR "/stalltrace-selftest", X_OK) == 0
               ? mem_strdup(STALLTRACE_PKGLIBEXECDIR "/stalltrace-selftest")
               : NULL;
}

static int read_list(struct selftest *s)
{
    char *argv[] = {s->program, (char[]){"--list"}, NULL}, *output = NULL;
    int status = run_quietly(argv, NULL, &output);
    if (status != 0)
        return -EINVAL;
    for (char *save, *line = strtok_r(output, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char symbol[128], name[128], class_name[32], kind[32];
        if (sscanf(line, "%127s %127s %31s %31s", symbol, name, class_name, kind) != 4)
            continue;
        GROW(s->rows, s->count, s->cap);
        s->rows[s->count++] = (struct test_row){.symbol = intern(symbol),
                                                .name = intern(name),
                                                .class_name = intern(class_name),
                                                .kind = intern(kind)};
    }
    free(output);
    return s->count > 0 ? 0 : -EINVAL;
}

/* ---- the runs ---------------------------------------------------------------------------------*/

/* Our environment without what would change the outcome; `preload`: with ours in front. */
static char **make_environment(const struct selftest *s, bool preload)
{
    char **env = NULL;
    size_t count = 0, cap = 0;
    const char *others = getenv("LD_PRELOAD");
    bool foreign = others != NULL && strstr(others, "libstalltrace") == NULL;
    for (char **e = environ; *e != NULL; e++) {
        if (starts_with(*e, "STALLTRACE_") || starts_with(*e, "LD_PRELOAD=") ||
            starts_with(*e, "TMPDIR="))
            continue;
        GROW(env, count, cap);
        env[count++] = mem_strdup(*e);
    }
    env = mem_realloc(env, count + 8, sizeof(*env));
    env[count++] = mem_printf("TMPDIR=%s", s->directory);
    if (preload) {
        env[count++] = mem_printf("LD_PRELOAD=%s%s%s", s->d->library, foreign ? ":" : "",
                                  foreign ? others : "");
        env[count++] = mem_printf("STALLTRACE_OUTPUT=%s/traces", s->directory);
        env[count++] = mem_strdup("STALLTRACE_THRESHOLD=0");
        env[count++] = mem_strdup("STALLTRACE_ITERATION_THRESHOLD=1m");
        env[count++] = mem_strdup("STALLTRACE_LOOPS=api");
        env[count++] = mem_strdup("STALLTRACE_QUIET=1");
    } else if (foreign) {
        env[count++] = mem_printf("LD_PRELOAD=%s", others);
    }
    env[count] = NULL;
    return env;
}

static void free_environment(char **env)
{
    for (char **e = env; *e != NULL; e++)
        free(*e);
    free(env);
}

static char *output_path(const struct selftest *s, const char *run, size_t shard)
{
    return mem_printf("%s/%s.%zu", s->directory, run, shard);
}

static void start_shard(struct selftest *s, const char *run, size_t shard, char **env)
{
    posix_spawn_file_actions_t actions;
    char **argv = mem_calloc(s->count + 3, sizeof(*argv));
    char *output = output_path(s, run, shard), *problems = mem_printf("%s.err", output);
    size_t argc = 0;
    argv[argc++] = s->program;
    argv[argc++] = (char[]){"--run"};
    for (size_t i = shard; i < s->count; i += SHARDS)
        argv[argc++] = (char *)(uintptr_t)s->rows[i].symbol;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, problems, O_WRONLY | O_CREAT, 0600);
    if (argc > 2 &&
        posix_spawn(&s->running[s->running_count], s->program, &actions, NULL, argv, env) == 0)
        s->running_count++;
    posix_spawn_file_actions_destroy(&actions);
    free(output);
    free(problems);
    free(argv);
}

/* Not for ever: what a broken machine makes hang is to be told, too. */
static void wait_for_all(struct selftest *s)
{
    struct timespec nap = {0, 5000000};
    for (int ms = 0; s->running_count > 0; ms += 5) {
        for (size_t i = 0; i < s->running_count;) {
            if (ms > PATIENCE_MS)
                kill(s->running[i], SIGKILL);
            if (waitpid(s->running[i], NULL, WNOHANG) != 0)
                s->running[i] = s->running[--s->running_count];
            else
                i++;
        }
        nanosleep(&nap, NULL);
    }
}

static char *read_whole(const char *path)
{
    struct strbuf text = {0};
    char buffer[4096];
    FILE *file = fopen(path, "re");
    size_t len;
    sb_add(&text, "");
    while (file != NULL && (len = fread(buffer, 1, sizeof(buffer), file)) > 0)
        sb_addn(&text, buffer, len);
    if (file != NULL)
        fclose(file);
    return text.data;
}

static struct test_row *find_row(struct selftest *s, const char *symbol)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].symbol, symbol) == 0)
            return &s->rows[i];
    return NULL;
}

/* `symbol rest` in each line: the rest, into the field at `offset` of the symbol's row. */
static void take_lines(struct selftest *s, char *text, size_t offset)
{
    for (char *save, *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *rest = strchr(line, ' ');
        if (rest == NULL)
            continue;
        *rest++ = '\0';
        struct test_row *row = find_row(s, line);
        if (row != NULL)
            *(const char **)(void *)((char *)row + offset) = intern(rest);
    }
}

static void run_all(struct selftest *s)
{
    char **plain = make_environment(s, false), **traced = make_environment(s, true);
    for (size_t i = 0; i < SHARDS; i++) {
        start_shard(s, "plain", i, plain);
        start_shard(s, "traced", i, traced);
    }
    wait_for_all(s);
    for (size_t i = 0; i < SHARDS; i++) {
        static const struct {
            const char *run;
            size_t offset;
        } runs[] = {{"plain", offsetof(struct test_row, plain)},
                    {"traced", offsetof(struct test_row, traced)}};
        for (size_t k = 0; k < COUNT_OF(runs); k++) {
            char *path = output_path(s, runs[k].run, i), *text = read_whole(path);
            take_lines(s, text, runs[k].offset);
            free(text);
            free(path);
        }
    }
    char *argv[] = {s->program, (char[]){"--owners"}, NULL}, *owners = NULL;
    if (run_quietly(argv, traced, &owners) == 0)
        take_lines(s, owners, offsetof(struct test_row, owner));
    free(owners);
    free_environment(plain);
    free_environment(traced);
}

/* ---- the traces -------------------------------------------------------------------------------*/

/* The thread's name is "row N". */
static void take_stall(void *ctx, struct trace *trace, const struct stall *stall)
{
    struct selftest *s = ctx;
    unsigned index;
    (void)trace;
    if (stall->loop == NULL || stall->loop->name == NULL || stall->call == NULL ||
        sscanf(stall->loop->name, "row %u", &index) != 1 || index >= s->count)
        return;
    struct test_row *row = &s->rows[index];
    bool any_class = strcmp(row->class_name, "fd") == 0;
    if (strcmp(stall->call, row->name) != 0 ||
        (!any_class && strcmp(stall->class_name, row->class_name) != 0))
        return;
    row->seen = true;
    row->while_hanging = row->while_hanging || !stall->ended;
}

static void no_stall_end(void *ctx, struct trace *trace, const struct stall *stall, uint64_t added)
{
    (void)ctx, (void)trace, (void)stall, (void)added;
}

static void no_more(void *ctx, struct trace *trace, const struct stall *stall, uint64_t count,
                    uint64_t total)
{
    (void)ctx, (void)trace, (void)stall, (void)count, (void)total;
}

static void read_traces(struct selftest *s)
{
    const struct trace_sink sink = {
        .ctx = s, .stall = take_stall, .stall_end = no_stall_end, .more = no_more};
    char *directory = mem_printf("%s/traces", s->directory);
    DIR *dir = opendir(directory);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct trace *trace = NULL;
        char *path = mem_printf("%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.' && trace_open(&trace, path) == 0) {
            trace_read(trace, &sink);
            trace_free(trace);
        }
        free(path);
    }
    if (dir != NULL)
        closedir(dir);
    free(directory);
}

/* ---- the comparison ---------------------------------------------------------------------------*/

static void add_problem(struct diagnosis *d, const struct test_row *row, char *problem)
{
    GROW(d->problems, d->problem_count, d->problem_cap);
    d->problems[d->problem_count++] =
        (struct row_problem){.symbol = row->symbol, .problem = problem};
}

static void judge_row(struct diagnosis *d, const struct test_row *row)
{
    bool support = strcmp(row->kind, "support") == 0;
    bool ours = row->owner != NULL && strstr(row->owner, "libstalltrace") != NULL;
    if (row->plain != NULL && starts_with(row->plain, "absent")) {
        GROW(d->absent, d->absent_count, d->absent_cap);
        d->absent[d->absent_count++] = row->symbol;
        return;
    }
    d->rows++;
    bool seen = support ? ours : row->seen;
    d->seen += seen;
    d->while_hanging += row->while_hanging;
    if (row->plain == NULL || starts_with(row->plain, "FAIL"))
        add_problem(d, row,
                    mem_printf("fails on this machine without stalltrace, too: %s",
                               row->plain != NULL ? row->plain + 4 : "no answer"));
    else if (row->traced == NULL || starts_with(row->traced, "FAIL"))
        add_problem(d, row,
                    mem_printf("fails under the preload: %s",
                               row->traced != NULL ? row->traced + 4 : "no answer"));
    else if (strcmp(row->plain, row->traced) != 0)
        add_problem(d, row,
                    mem_printf("the result differs (result, errno, data): %s without, %s under the "
                               "preload",
                               row->plain, row->traced));
    else if (!seen)
        add_problem(d, row,
                    mem_printf(support ? "is not served by the preload (but by %s)"
                                       : "its call is not in the trace%s",
                               support ? (row->owner != NULL ? row->owner : "nothing") : ""));
}

static void remove_all(const char *directory)
{
    DIR *dir = opendir(directory);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = mem_printf("%s/%s", directory, entry->d_name);
        if (unlink(path) != 0)
            remove_all(path);
        free(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(directory);
}

int diagnose_selftest(struct diagnosis *d)
{
    struct selftest s = {.d = d};
    const char *tmp = getenv("TMPDIR");
    snprintf(s.directory, sizeof(s.directory), "%s/stalltrace-XXXXXX",
             tmp != NULL && tmp[0] == '/' && strlen(tmp) < 20 ? tmp : "/tmp");
    s.program = locate_selftest();
    if (s.program == NULL) {
        complain("doctor: stalltrace-selftest is not there: is stalltrace fully installed?");
        return -ENOENT;
    }
    if (read_list(&s) != 0 || mkdtemp(s.directory) == NULL) {
        complain("doctor: the self-test cannot be run: %s", s.count == 0 ? s.program : s.directory);
        free(s.program);
        return -EIO;
    }
    run_all(&s);
    read_traces(&s);
    for (size_t i = 0; i < s.count; i++)
        judge_row(d, &s.rows[i]);
    d->tested = true;
    remove_all(s.directory);
    free(s.rows);
    free(s.program);
    return 0;
}
