/* `stalltrace diff`: what one recording has that another had not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "formats/format_diff.h"
#include "load.h"
#include "model/losses.h"
#include "util/files.h"
#include "util/output.h"
#include "words/next_step.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace diff stalltrace.out.old stalltrace.out    this run and the one before\n"
    "  stalltrace diff --noise 100% main.out branch.out\n"
    "  stalltrace diff --format json ci/stalls.json stalltrace.out\n"
    "\n"
    "Usage: stalltrace diff [options] OLD NEW\n"
    "\n"
    "Says what is new in NEW, gone from it, or worse than in OLD. Each of them is a\n"
    "trace, a directory of traces, or a baseline, which has no figures.\n"
    "\n"
    "Options:\n"
    "  -f, --format FORMAT             text (default) or json\n"
    "  -o, --output FILE               write to FILE instead of standard output\n"
    "      --noise PERCENT             a figure may grow by so much (50%)\n"
    "      --by LIST                   which figures: total, max, count (all of them)\n"
    "      --per hour|run              total and count per hour of the loops' life\n"
    "                                  (default), or as they are, where both runs did\n"
    "                                  the same work\n"
    "      --suppressions FILE         leave out what the rules in FILE cover (repeatable)\n"
    "      --no-builtin-suppressions   with known idle waits of runtimes\n"
    "      --app-dir DIR               the user's code is below DIR (repeatable)\n"
    "      --debuginfod                fetch missing debug symbols (DEBUGINFOD_URLS)\n"
    "  -h, --help                      show this help\n"
    "\n"
    "Exit status: 0 nothing is new or worse; 1 something is; 2 usage or other error; 3 no\n"
    "verdict is possible: a side has no event loop, or something is missing in it.\n";

enum {
    OPT_NOISE = 256,
    OPT_BY,
    OPT_PER,
    OPT_SUPPRESSIONS,
    OPT_NO_BUILTIN,
    OPT_APP_DIR,
    OPT_DEBUGINFOD
};

static const struct option options[] = {
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, 'o'},
    {"noise", required_argument, NULL, OPT_NOISE},
    {"by", required_argument, NULL, OPT_BY},
    {"per", required_argument, NULL, OPT_PER},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"no-builtin-suppressions", no_argument, NULL, OPT_NO_BUILTIN},
    {"app-dir", required_argument, NULL, OPT_APP_DIR},
    {"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct settings {
    bool json;
    const char *file; /* NULL: standard output */
    struct load_options load_options;
    struct comparison comparison;
};

static int not_understood(const char *option, const char *value, const char *allowed)
{
    complain("diff: --%s: '%s' is not understood; allowed: %s", option, value, allowed);
    return -EINVAL;
}

static int set_noise(struct comparison *comparison, const char *value)
{
    char *end = NULL;
    unsigned long percent = value[0] >= '0' && value[0] <= '9' ? strtoul(value, &end, 10) : 0;
    if (end == NULL || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) || percent > 1000000)
        return not_understood("noise", value, "a percentage (50%, 0)");
    comparison->noise_percent = (unsigned int)percent;
    return 0;
}

static int set_by(struct comparison *comparison, const char *value)
{
    static const char *const words[] = {"total", "max", "count"};
    comparison->by = 0;
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ","), i = 0;
        while (i < COUNT_OF(words) && (strlen(words[i]) != len || strncmp(words[i], at, len) != 0))
            i++;
        if (i == COUNT_OF(words))
            return not_understood("by", value, "total, max, count, with commas between");
        comparison->by |= 1U << i;
        at += len;
        if (*at == '\0')
            return 0;
    }
}

static int set_per(struct comparison *comparison, const char *value)
{
    comparison->per_run = strcmp(value, "run") == 0;
    return comparison->per_run || strcmp(value, "hour") == 0
               ? 0
               : not_understood("per", value, "hour, run");
}

static int set_format(struct settings *settings, const char *value)
{
    settings->json = strcmp(value, "json") == 0;
    return settings->json || strcmp(value, "text") == 0
               ? 0
               : not_understood("format", value, "text, json");
}

static int set_option(struct settings *settings, int option)
{
    switch (option) {
    case 'f':
        return set_format(settings, optarg);
    case 'o':
        settings->file = optarg;
        return 0;
    case OPT_NOISE:
        return set_noise(&settings->comparison, optarg);
    case OPT_BY:
        return set_by(&settings->comparison, optarg);
    case OPT_PER:
        return set_per(&settings->comparison, optarg);
    case OPT_SUPPRESSIONS:
        rule_files_add(&settings->load_options.suppressions, optarg);
        return 0;
    case OPT_NO_BUILTIN:
        settings->load_options.no_builtin = true;
        return 0;
    case OPT_APP_DIR:
        app_dirs_add(&settings->load_options.app_dirs, optarg);
        return 0;
    default: /* OPT_DEBUGINFOD */
        settings->load_options.debuginfod = true;
        return 0;
    }
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, ":f:o:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return EXIT_CLEAN;
        }
        if (option == '?' || option == ':')
            return bad_option("diff", options, option, argv);
        if (set_option(settings, option) < 0)
            return EXIT_ERROR;
    }
    if (argc - optind == 2)
        return -1;
    complain("diff: it takes two recordings: `stalltrace diff OLD NEW`, e.g. stalltrace.out.old "
             "stalltrace.out");
    return EXIT_ERROR;
}

/* Does it say so at its beginning? What else is wrong with it is its reader's to say. */
static bool is_baseline(const char *path)
{
    char head[512];
    int fd = open_regular(path, LARGEST_PROGRAM);
    ssize_t len = fd >= 0 ? read(fd, head, sizeof(head) - 1) : 0;
    if (fd >= 0)
        close(fd);
    head[len > 0 ? len : 0] = '\0';
    return !starts_with(head, "{\"type\"") && strstr(head, BASELINE_SCHEMA) != NULL;
}

static int load_side(struct side *side, struct loaded *loaded, struct baseline *baseline,
                     char **path, const struct load_options *load_options)
{
    if (is_baseline(*path)) {
        side->baseline = baseline;
        return load_baseline(baseline, *path);
    }
    int result = load(loaded, path, 1, load_options);
    if (result == 0 && loaded->missing != NULL) {
        complain_missing(loaded);
        result = -ENOENT;
    }
    side->model = &loaded->model;
    side->life_ns = result == 0 ? model_life(&loaded->model) : 0;
    return result;
}

/* Why nothing can be said of this side, or NULL. */
static const char *why_impossible(const struct side *side, const struct loaded *loaded)
{
    if (side->model == NULL)
        return NULL;
    if (has_losses(side->model))
        return "something is missing in it (see LOST)";
    if (loaded->empty != NULL)
        return "nothing was recorded in it";
    return model_totals(side->model).loops == 0 ? "no event loop was seen in it" : NULL;
}

/* Without a loop there is nothing to compare with; what was found beside a loss is true. */
static bool has_loop(const struct side *side)
{
    return side->model == NULL || model_totals(side->model).loops > 0;
}

/* One line: the verdict, and what shows more. */
static int judge_sides(struct strbuf *line, const struct comparison *comparison,
                       const struct loaded loaded[2], char **paths)
{
    const size_t *counts = comparison->counts;
    const char *why[2] = {why_impossible(&comparison->before, &loaded[0]),
                          why_impossible(&comparison->now, &loaded[1])};
    bool comparable = has_loop(&comparison->before) && has_loop(&comparison->now);
    if (comparable && counts[CHANGE_NEW] + counts[CHANGE_WORSE] > 0) {
        const char *baseline = comparison->before.model == NULL ? paths[0] : NULL;
        sb_addf(line, "stalltrace: diff fails: %zu new, %zu worse (--noise %u%%)",
                counts[CHANGE_NEW], counts[CHANGE_WORSE], comparison->noise_percent);
        if (comparison->now.model != NULL) {
            sb_add(line, "; look closer: ");
            describe_command(line, "report", baseline != NULL ? "--baseline" : NULL, baseline,
                             paths + 1, 1);
        }
        sb_add(line, "\n");
        return EXIT_FINDINGS;
    }
    for (size_t i = 0; i < 2; i++) {
        if (why[i] == NULL)
            continue;
        sb_add(line, "stalltrace: no verdict: ");
        sb_add_clean(line, paths[i]);
        sb_addf(line, ": %s\n", why[i]);
        return EXIT_NOTHING;
    }
    sb_add(line, "stalltrace: passes: nothing is new or worse\n");
    return EXIT_CLEAN;
}

/* The verdict is part of the text; beside JSON it is for people, and goes to stderr. */
static int show(struct settings *settings, const struct loaded loaded[2], char **paths)
{
    struct strbuf text = {0}, line = {0};
    const char *const names[2] = {paths[0], paths[1]};
    if (settings->json)
        format_diff_json(&text, &settings->comparison, names);
    else
        format_diff_text(&text, &settings->comparison, names);
    int status = judge_sides(&line, &settings->comparison, loaded, paths);
    if (settings->json)
        (void)write_all(STDERR_FILENO, line.data, line.len);
    else
        sb_addn(&text, line.data, line.len);
    if (!settings->json && !output_is_utf8())
        text_to_ascii(&text);
    int result = settings->file != NULL ? output_to_file(settings->file, text.data, text.len)
                                        : output_to_stdout(text.data, text.len);
    sb_free(&text);
    sb_free(&line);
    return result < 0 ? EXIT_ERROR : status;
}

static int diff(struct settings *settings, char **paths)
{
    struct loaded loaded[2] = {0};
    struct baseline baselines[2] = {0};
    struct side *sides[2] = {&settings->comparison.before, &settings->comparison.now};
    int result = 0;
    for (size_t i = 0; result == 0 && i < 2; i++)
        result = load_side(sides[i], &loaded[i], &baselines[i], &paths[i], &settings->load_options);
    int status = EXIT_ERROR;
    if (result == 0) {
        compare(&settings->comparison);
        status = show(settings, loaded, paths);
    }
    comparison_free(&settings->comparison);
    for (size_t i = 0; i < 2; i++) {
        loaded_free(&loaded[i]);
        baseline_free(&baselines[i]);
    }
    return status;
}

int cmd_diff(int argc, char **argv)
{
    struct settings settings = {.comparison = {.noise_percent = 50, .by = WORSE_ANY}};
    int status = parse_options(&settings, argc, argv);
    if (status < 0)
        status = diff(&settings, argv + optind);
    app_dirs_free(&settings.load_options.app_dirs);
    rule_files_free(&settings.load_options.suppressions);
    return status;
}
