/* See load.h. A directory is read in the order of names, so that reports are reproducible; what is
 * no trace in it is skipped with a warning, while an argument that is no trace is an error. */
#define _GNU_SOURCE
#include "load.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "util/files.h"
#include "model/losses.h"
#include "trace/settings.h"

void warn_about_symbols(const char *message)
{
    complain("%s", message);
}

void rule_files_add(struct rule_files *files, const char *path)
{
    GROW(files->paths, files->count, files->cap);
    files->paths[files->count++] = path;
}

void rule_files_free(struct rule_files *files)
{
    free(files->paths);
    *files = (struct rule_files){0};
}

static int load_rules_of(struct rules *rules, const char *path)
{
    char *message = NULL;
    int result = rules_load(rules, path, &message);
    if (result < 0)
        complain("%s", message);
    free(message);
    return result;
}

/* Paths with colons between them, or one that is the name of a file as it stands. */
static int load_rules_of_list(struct rules *rules, const char *list)
{
    struct stat st;
    if (strchr(list, ':') == NULL || stat(list, &st) == 0)
        return load_rules_of(rules, list);
    int result = 0;
    for (const char *at = list; result == 0 && *at != '\0'; at += strspn(at, ":")) {
        size_t len = strcspn(at, ":");
        char *path = mem_printf("%.*s", (int)len, at);
        result = len > 0 ? load_rules_of(rules, path) : 0;
        free(path);
        at += len;
    }
    return result;
}

int load_rules(struct rules **out, const struct rule_files *files, bool no_builtin)
{
    const char *list = getenv("STALLTRACE_SUPPRESSIONS");
    struct rules *rules = rules_new();
    int result = 0;
    for (size_t i = 0; result == 0 && i < files->count; i++)
        result = load_rules_of(rules, files->paths[i]);
    if (files->count == 0 && list != NULL && list[0] != '\0')
        result = load_rules_of_list(rules, list);
    /* After the user's own, so that reports name those where both match. */
    if (!no_builtin)
        rules_add_builtin(rules);
    if (result < 0) {
        rules_free(rules);
        rules = NULL;
    }
    *out = rules;
    return result;
}

void complain_missing(const struct loaded *loaded)
{
    complain("%s: no such file or directory; record one with `stalltrace run -- COMMAND`",
             loaded->missing);
}

/* Reads one file into the model. Returns 0, or a negative errno with `*problem` set. */
/* Returns 1 where a process began a trace there and nothing of it can be used: that is a loss. */
static int load_file(struct loaded *loaded, const char *path, char **problem)
{
    struct trace *trace = NULL;
    int result = trace_open(&trace, path);
    if (result < 0) {
        *problem = result == -ESPIPE
                       ? mem_strdup("is no regular file; a trace is read more than once")
                       : mem_printf("cannot be read: %s", why_not_opened(result));
        return result;
    }
    trace_find_moments(trace);
    struct trace_sink model = model_sink(&loaded->model);
    const struct trace_sink *sink = loaded->figures_only ? NULL : &model;
    result = trace_read(trace, sink);
    if (result < 0) {
        *problem = mem_printf("cannot be read: %s", strerror(-result));
    } else if ((*problem = trace_problem(trace)) != NULL) {
        result = trace_is_lost(trace) ? 1 : -EINVAL;
    }
    /* A failed read may have handed stalls over already: then the trace must stay. */
    if (result != 0 && trace->state != TRACE_GOOD) {
        trace_free(trace);
        return result;
    }
    trace_finish(trace, sink);
    trace_release(trace);
    model_add_trace(&loaded->model, trace);
    return result;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_entry(struct loaded *loaded, const char *directory, const char *name)
{
    char *path = mem_printf("%s/%s", directory, name);
    struct stat st;
    char *problem = NULL;
    int result = 0;
    if (!ends_with(name, ".jsonl"))
        problem = mem_strdup("is no trace (traces are .jsonl files)");
    else if (stat(path, &st) != 0)
        problem = mem_printf("cannot be read: %s", strerror(errno));
    else if (!S_ISREG(st.st_mode)) /* opening a FIFO would wait for its other end */
        problem = mem_strdup("is no regular file");
    else
        result = load_file(loaded, path, &problem);
    if (problem != NULL)
        complain("%s: %s; skipped", path, problem);
    if (result != 0)
        note_unread(&loaded->model, path, problem, result > 0);
    free(problem);
    free(path);
}

static int load_directory(struct loaded *loaded, const char *path, char **problem)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_visible, by_name);
    if (count < 0) {
        int error = errno;
        *problem = mem_printf("cannot be read: %s", strerror(error));
        return -error;
    }
    size_t before = loaded->model.trace_count;
    for (int i = 0; i < count; i++) {
        load_entry(loaded, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (loaded->model.trace_count == before && loaded->empty == NULL)
        loaded->empty = path;
    return 0;
}

static int load_argument(struct loaded *loaded, const char *path)
{
    struct stat st;
    char *problem = NULL;
    int result;
    if (stat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            loaded->missing = loaded->missing ? loaded->missing : path;
            return 0;
        }
        result = -errno;
        problem = mem_printf("cannot be read: %s", strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        result = load_directory(loaded, path, &problem);
    } else {
        result = load_file(loaded, path, &problem);
        if (result > 0)
            note_unread(&loaded->model, path, problem, true);
        result = result > 0 ? 0 : result;
    }
    if (problem != NULL)
        complain("%s: %s", path, problem);
    free(problem);
    return result;
}

int set_budget_option(uint64_t *budget_ns, const char *command, const char *value)
{
    if (parse_duration(value, budget_ns) == 0 && *budget_ns > 0)
        return 0;
    complain("%s: --budget: '%s' is not understood; allowed: a duration above 0 with its unit (1s, "
             "500ms)",
             command, value);
    return -EINVAL;
}

void set_budget(struct model *model, uint64_t budget_ns)
{
    const char *variable = getenv("STALLTRACE_BUDGET");
    if (budget_ns == 0 && variable != NULL && variable[0] != '\0' &&
        parse_duration(variable, &budget_ns) < 0)
        budget_ns = 0;
    model->budget_ns = budget_ns;
    for (size_t i = 0; budget_ns == 0 && i < model->trace_count; i++) {
        uint64_t recorded = model->traces[i]->budget_ns;
        if (recorded > 0 && (model->budget_ns == 0 || recorded < model->budget_ns))
            model->budget_ns = recorded;
    }
}

/* Rules that this command has written itself. */
static void add_lines(struct rules *rules, const char *lines)
{
    char *message = NULL;
    for (size_t number = 1; lines != NULL && *lines != '\0'; number++) {
        size_t len = strcspn(lines, "\n");
        char *line = mem_printf("%.*s", (int)len, lines);
        (void)rules_add(rules, line, "suppress", number, &message);
        free(message);
        message = NULL;
        free(line);
        lines += len + (lines[len] == '\n');
    }
}

int load_baseline(struct baseline *baseline, const char *path)
{
    char *message = NULL;
    int result = baseline_read(baseline, path, &message);
    if (result == -ENOENT) {
        complain("%s: there is no such baseline; write it with `stalltrace baseline %s`", path,
                 path);
    } else if (result < 0) {
        complain("%s", message);
    } else if (baseline->newer) {
        complain("%s: a newer stalltrace wrote this baseline; use that one, or move the file away "
                 "and write it anew with `stalltrace baseline %s`",
                 path, path);
        result = -EINVAL;
    } else if (baseline->scheme != FINGERPRINT_SCHEME) {
        complain("%s: the fingerprints of this baseline are of scheme %u, those of this version of "
                 "%d; write it anew with `stalltrace baseline %s`",
                 path, baseline->scheme, FINGERPRINT_SCHEME, path);
        result = -EINVAL;
    }
    free(message);
    return result;
}

int load(struct loaded *loaded, char **paths, int count, const struct load_options *options)
{
    *loaded = (struct loaded){.figures_only = options->figures_only};
    int result = load_rules(&loaded->rules, &options->suppressions, options->no_builtin);
    if (result < 0)
        return result;
    if (options->baseline != NULL)
        result = load_baseline(&loaded->baseline, options->baseline);
    if (result < 0)
        return result;
    add_lines(loaded->rules, options->more_rules);
    loaded->symbols = symbols_new(options->debuginfod, warn_about_symbols);
    model_init(&loaded->model, loaded->symbols, loaded->rules);
    if (options->app_dirs.count > 0)
        loaded->model.app_dirs = &options->app_dirs;
    if (count == 0)
        result = load_argument(loaded, DEFAULT_OUTPUT);
    for (int i = 0; i < count; i++) {
        int one = load_argument(loaded, paths[i]);
        result = result < 0 ? result : one;
    }
    model_sort(&loaded->model);
    if (options->baseline != NULL) {
        loaded->model.baseline = &loaded->baseline;
        baseline_apply(&loaded->baseline, &loaded->model);
    }
    set_budget(&loaded->model, options->budget_ns);
    return result;
}

void loaded_free(struct loaded *loaded)
{
    model_free(&loaded->model);
    symbols_free(loaded->symbols);
    rules_free(loaded->rules);
    baseline_free(&loaded->baseline);
}
