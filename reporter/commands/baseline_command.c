/* `stalltrace baseline`: writes down the findings of a recording, so that `check --baseline` fails
 * on what is new only; or brings such a file up to date. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "load.h"
#include "model/losses.h"
#include "util/output.h"
#include "words/describe.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace baseline ci/stalls.json            what stalltrace.out holds is known\n"
    "  stalltrace check --baseline ci/stalls.json    and only what is new fails\n"
    "  stalltrace baseline --prune ci/stalls.json    forget what is mended\n"
    "\n"
    "Usage: stalltrace baseline [options] FILE [TRACE...]\n"
    "\n"
    "Writes the findings of a recording into FILE, or adds them to those that are in it.\n"
    "FILE belongs into the repository: it has a line a finding, in order, without\n"
    "lines, times or hosts, and holds on other machines and after a rebuild. TRACE is a\n"
    "trace or a directory of traces (default: stalltrace.out).\n"
    "\n"
    "Options:\n"
    "      --prune                     drop what was not found now\n"
    "      --force                     although something is missing in the recording\n"
    "      --suppressions FILE         leave out what the rules in FILE cover (repeatable)\n"
    "      --no-builtin-suppressions   with known idle waits of runtimes\n"
    "      --app-dir DIR               the user's code is below DIR (repeatable)\n"
    "      --debuginfod                fetch missing debug symbols (DEBUGINFOD_URLS)\n"
    "  -h, --help                      show this help\n"
    "\n"
    "Exit status: 0; 2 usage or other error, and nothing was changed: FILE is there and\n"
    "no baseline, it cannot be written, a TRACE is none; 3 the recording allows no\n"
    "verdict (as `check` would say), nothing was changed.\n";

enum { OPT_PRUNE = 256, OPT_FORCE, OPT_SUPPRESSIONS, OPT_NO_BUILTIN, OPT_APP_DIR, OPT_DEBUGINFOD };

static const struct option options[] = {
    {"prune", no_argument, NULL, OPT_PRUNE},
    {"force", no_argument, NULL, OPT_FORCE},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"no-builtin-suppressions", no_argument, NULL, OPT_NO_BUILTIN},
    {"app-dir", required_argument, NULL, OPT_APP_DIR},
    {"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct settings {
    bool prune, force;
    const char *file; /* as the user said */
    char *target;     /* what it leads to */
    struct load_options load_options;
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    struct load_options *load_options = &settings->load_options;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case OPT_PRUNE:
            settings->prune = true;
            break;
        case OPT_FORCE:
            settings->force = true;
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
            return bad_option("baseline", options, option, argv);
        }
    }
    settings->file = argv[optind];
    if (settings->file != NULL)
        return -1;
    complain("baseline: no file; say `stalltrace baseline FILE`, e.g. ci/stalls.json");
    return EXIT_ERROR;
}

/* Reads what is there: nothing, or a baseline. 0, or a negative errno after a complaint. */
static int read_existing(struct baseline *baseline, struct settings *settings)
{
    struct stat st;
    char *message = NULL;
    int result = baseline_read(baseline, settings->file, &message);
    if (result == -ENOENT && lstat(settings->file, &st) == 0) {
        complain("%s: is a symbolic link that leads nowhere; nothing was changed", settings->file);
    } else if (result == -ENOENT) {
        settings->target = mem_strdup(settings->file);
        *baseline = (struct baseline){.scheme = FINGERPRINT_SCHEME};
        result = 0;
    } else if (result < 0) {
        complain("%s; nothing was changed", message);
    } else if (baseline->newer) {
        complain("%s: a newer stalltrace wrote this baseline; use that one; nothing was changed",
                 settings->file);
        result = -EINVAL;
    } else if ((settings->target = realpath(settings->file, NULL)) == NULL) {
        result = -errno;
        complain("%s: %s; nothing was changed", settings->file, strerror(-result));
    }
    free(message);
    return result;
}

/* 0, or the exit status after a complaint: a baseline of half a recording would call the other half
 * new some day. */
static int refuse_losses(const struct settings *settings, const struct loaded *loaded)
{
    struct model_totals totals = model_totals(&loaded->model);
    const char *why = NULL;
    if (has_losses(&loaded->model))
        why = "something is missing in the recording (`stalltrace report` says what)";
    else if (loaded->empty != NULL)
        why = "nothing was recorded";
    else if (totals.loops == 0)
        why = "no event loop was seen";
    if (why == NULL)
        return 0;
    if (settings->force) {
        complain("baseline: %s; written all the same (--force)", why);
        return 0;
    }
    complain("baseline: %s; nothing was changed; record it again, or say --force", why);
    return EXIT_NOTHING;
}

static void print_outcome(const struct settings *settings, const struct baseline *baseline,
                          const struct baseline_change *change, unsigned int old_scheme)
{
    struct strbuf line = {0};
    sb_add(&line, "stalltrace: ");
    sb_add_clean(&line, settings->file);
    sb_add(&line, ": ");
    describe_count(&line, baseline->count, "known finding");
    sb_addf(&line, ", %zu added", change->added);
    if (settings->prune)
        sb_addf(&line, "; %zu dropped", change->dropped);
    else if (change->kept > 0)
        sb_addf(&line, "; %zu not seen now and kept (--prune drops them)", change->kept);
    if (old_scheme != FINGERPRINT_SCHEME)
        sb_addf(&line, "; the entries of scheme %u are gone", old_scheme);
    sb_add(&line, "\n");
    if (!output_is_utf8())
        text_to_ascii(&line);
    fwrite(line.data, 1, line.len, stdout);
    sb_free(&line);
}

/* Returns the exit status. */
static int update(struct settings *settings, struct baseline *baseline, char **paths, int count)
{
    struct loaded loaded;
    int result = load(&loaded, paths, count, &settings->load_options);
    if (result == 0 && loaded.missing != NULL) {
        complain_missing(&loaded);
        result = -ENOENT;
    }
    int status = result < 0 ? EXIT_ERROR : refuse_losses(settings, &loaded);
    if (status == 0) {
        struct baseline now;
        struct strbuf text = {0};
        unsigned int old_scheme = baseline->scheme;
        baseline_of_model(&now, &loaded.model, describe_place);
        struct baseline_change change = baseline_update(baseline, &now, settings->prune);
        baseline_write(&text, baseline);
        if (output_to_file(settings->target, text.data, text.len) < 0)
            status = EXIT_ERROR;
        else
            print_outcome(settings, baseline, &change, old_scheme);
        sb_free(&text);
        baseline_free(&now);
    }
    loaded_free(&loaded);
    return status;
}

int cmd_baseline(int argc, char **argv)
{
    struct settings settings = {0};
    struct baseline baseline = {0};
    int status = parse_options(&settings, argc, argv);
    if (status < 0)
        status = read_existing(&baseline, &settings) < 0
                     ? EXIT_ERROR
                     : update(&settings, &baseline, argv + optind + 1, argc - optind - 1);
    baseline_free(&baseline);
    free(settings.target);
    app_dirs_free(&settings.load_options.app_dirs);
    rule_files_free(&settings.load_options.suppressions);
    return status;
}
