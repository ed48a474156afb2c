/* `stalltrace suppress`: writes rules that cover what a recording found, to be pasted into a file
 * of suppressions; or lists those that are built in. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "words/describe.h"
#include "load.h"
#include "model/losses.h"
#include "util/output.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace suppress >> ci/stalls.txt    accept what stalltrace.out holds\n"
    "  stalltrace check --suppressions ci/stalls.txt\n"
    "  stalltrace suppress --list              the rules that are built in\n"
    "\n"
    "Usage: stalltrace suppress [options] [TRACE...]\n"
    "\n"
    "Writes a rule for each finding of a recording: with them `check` has none. What\n"
    "stands behind # is the reason, which reports show: say there why it is accepted.\n"
    "TRACE is a trace or a directory of traces (default: stalltrace.out).\n"
    "\n"
    "Options:\n"
    "      --list                      list the built-in rules, and nothing else\n"
    "  -o, --output FILE               write to FILE instead of standard output\n"
    "      --suppressions FILE         no rules for what those in FILE cover (repeatable)\n"
    "      --no-builtin-suppressions   rules also for known idle waits of runtimes\n"
    "      --app-dir DIR               the user's code is below DIR (repeatable)\n"
    "      --debuginfod                fetch missing debug symbols (DEBUGINFOD_URLS)\n"
    "  -h, --help                      show this help\n"
    "\n"
    "Exit status: 0; 2 usage error, a file that is no trace, or the rules cannot be\n"
    "written.\n";

enum { OPT_LIST = 256, OPT_SUPPRESSIONS, OPT_NO_BUILTIN, OPT_APP_DIR, OPT_DEBUGINFOD };

static const struct option options[] = {
    {"list", no_argument, NULL, OPT_LIST},
    {"output", required_argument, NULL, 'o'},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"no-builtin-suppressions", no_argument, NULL, OPT_NO_BUILTIN},
    {"app-dir", required_argument, NULL, OPT_APP_DIR},
    {"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct settings {
    bool list;
    const char *file; /* NULL: standard output */
    struct load_options load_options;
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    struct load_options *load_options = &settings->load_options;
    int option;
    while ((option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1) {
        switch (option) {
        case OPT_LIST:
            settings->list = true;
            break;
        case 'o':
            settings->file = optarg;
            break;
        case OPT_SUPPRESSIONS:
            rule_files_add(&load_options->suppressions, optarg);
            break;
        case OPT_NO_BUILTIN:
            load_options->no_builtin = true;
            break;
        case OPT_APP_DIR:
            app_dirs_add(&load_options->app_dirs, optarg);
            break;
        case OPT_DEBUGINFOD:
            load_options->debuginfod = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_CLEAN;
        default:
            return bad_option("suppress", options, option, argv);
        }
    }
    return -1;
}

static void list_builtin(struct strbuf *out)
{
    struct rules *rules = rules_new();
    rules_add_builtin(rules);
    for (size_t i = 0; i < rules->count; i++) {
        sb_add(out, rules->rules[i].text);
        sb_addf(out, " # %s\n", rules->rules[i].reason);
    }
    rules_free(rules);
}

/* A rule for each fingerprint that is in `findings` and has none. */
static size_t add_rules(struct strbuf *out, const struct model *model, struct map *written)
{
    size_t added = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct finding *finding = model->findings[i];
        uint64_t key = strtoull(finding->fingerprint, NULL, 16);
        if (finding->suppressed_by != NULL || map_get(written, key) != NULL)
            continue;
        map_put(written, key, written);
        sb_addf(out, "fingerprint:%s # ", finding->fingerprint);
        describe_place(out, finding);
        sb_add(out, "\n");
        added++;
    }
    return added;
}

/* Of the stalls of one place some may have another fingerprint than the first (--app-dir): what the
 * rules leave over is asked for until there is nothing. */
static int write_rules(struct strbuf *out, const struct settings *settings, char **paths, int count)
{
    enum { ROUNDS = 20 };
    struct map written = {0};
    size_t added = 1;
    int result = 0;
    for (int round = 0; result == 0 && added > 0 && round < ROUNDS; round++) {
        struct load_options load_options = settings->load_options;
        struct loaded loaded;
        load_options.more_rules = out->data;
        result = load(&loaded, paths, count, &load_options);
        if (result == 0 && loaded.missing != NULL) {
            complain_missing(&loaded);
            result = -ENOENT;
        }
        added = result == 0 ? add_rules(out, &loaded.model, &written) : 0;
        if (result == 0 && round == 0 && has_losses(&loaded.model))
            complain("suppress: something is missing in the recording, so that `stalltrace check` "
                     "will be 3 even with these rules; `stalltrace report` says what");
        loaded_free(&loaded);
    }
    map_free(&written, NULL);
    if (result == 0 && out->len == 0)
        complain("suppress: there are no findings to write rules for");
    return result;
}

int cmd_suppress(int argc, char **argv)
{
    struct settings settings = {0};
    struct strbuf text = {0};
    int status = parse_options(&settings, argc, argv);
    if (status < 0) {
        sb_add(&text, "");
        int result = 0;
        if (settings.list)
            list_builtin(&text);
        else
            result = write_rules(&text, &settings, argv + optind, argc - optind);
        if (!output_is_utf8())
            text_to_ascii(&text);
        if (result == 0 && settings.file != NULL)
            result = output_to_file(settings.file, text.data, text.len);
        else if (result == 0)
            result = output_to_stdout(text.data, text.len);
        status = result < 0 ? EXIT_ERROR : EXIT_CLEAN;
        sb_free(&text);
    }
    app_dirs_free(&settings.load_options.app_dirs);
    rule_files_free(&settings.load_options.suppressions);
    return status;
}
