/* `stalltrace report`: reads traces and writes them in one of the formats. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "choices.h"
#include "commands.h"
#include "load.h"
#include "util/output.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace report                          what stalltrace.out holds\n"
    "  stalltrace report --full web.out           every frame of every stack\n"
    "  stalltrace report --format json -o r.json  for scripts\n"
    "\n"
    "Usage: stalltrace report [options] [TRACE...]\n"
    "\n"
    "Shows what a recording found. TRACE is a trace or a directory of traces\n"
    "(default: stalltrace.out).\n"
    "\n"
    "Options:\n"
    "  -f, --format F[=FILE]           one of the formats below (repeatable)\n"
    "  -o, --output FILE               write to FILE instead of standard output\n"
    "      --full                      do not fold frames of libc and interpreters\n"
    "      --suppressions FILE         leave out what the rules in FILE cover (repeatable)\n"
    "      --no-builtin-suppressions   show known idle waits of runtimes\n"
    "      --show-suppressed           show what was left out, too\n"
    "      --baseline FILE             say which findings are new and which FILE knows\n"
    "      --app-dir DIR               the user's code is below DIR (repeatable)\n"
    "      --source-root DIR           quote sources below DIR (default: the nearest\n"
    "                                  directory upward that holds .git, and the current)\n"
    "      --no-source                 quote none\n"
    "      --budget TIME               mark what takes longer, e.g. 1s\n"
    "      --debuginfod                fetch missing debug symbols (DEBUGINFOD_URLS)\n"
    "      --no-pager                  never start a pager\n"
    "  -h, --help                      show this help\n"
    "\n"
    "Exit status: 0; 2 usage error, a file that is no trace, or the report cannot be\n"
    "written.\n";

enum {
    OPT_FULL = 256,
    OPT_SUPPRESSIONS,
    OPT_NO_BUILTIN,
    OPT_SHOW_SUPPRESSED,
    OPT_BASELINE,
    OPT_APP_DIR,
    OPT_SOURCE_ROOT,
    OPT_NO_SOURCE,
    OPT_BUDGET,
    OPT_DEBUGINFOD,
    OPT_NO_PAGER
};

static const struct option options[] = {
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, 'o'},
    {"full", no_argument, NULL, OPT_FULL},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"no-builtin-suppressions", no_argument, NULL, OPT_NO_BUILTIN},
    {"show-suppressed", no_argument, NULL, OPT_SHOW_SUPPRESSED},
    {"baseline", required_argument, NULL, OPT_BASELINE},
    {"app-dir", required_argument, NULL, OPT_APP_DIR},
    {"source-root", required_argument, NULL, OPT_SOURCE_ROOT},
    {"no-source", no_argument, NULL, OPT_NO_SOURCE},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
    {"no-pager", no_argument, NULL, OPT_NO_PAGER},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct settings {
    struct choices choices;
    const char *file; /* -o, or NULL */
    bool no_pager;
    struct format_options format_options;
    struct load_options load_options;
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, ":f:o:h", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            if (choices_add(&settings->choices, "report", FOR_REPORT, optarg) < 0)
                return EXIT_ERROR;
            break;
        case 'o':
            settings->file = optarg;
            break;
        case OPT_FULL:
            settings->format_options.full = true;
            break;
        case OPT_SUPPRESSIONS:
            rule_files_add(&settings->load_options.suppressions, optarg);
            break;
        case OPT_NO_BUILTIN:
            settings->load_options.no_builtin = true;
            break;
        case OPT_SHOW_SUPPRESSED:
            settings->format_options.show_suppressed = true;
            break;
        case OPT_BASELINE:
            settings->load_options.baseline = optarg;
            break;
        case OPT_APP_DIR:
            app_dirs_add(&settings->load_options.app_dirs, optarg);
            break;
        case OPT_SOURCE_ROOT:
            if (access(optarg, F_OK) != 0) {
                complain("report: --source-root: %s: %s", optarg, strerror(errno));
                return EXIT_ERROR;
            }
            settings->format_options.source_root = optarg;
            break;
        case OPT_NO_SOURCE:
            settings->format_options.no_source = true;
            break;
        case OPT_BUDGET:
            if (set_budget_option(&settings->load_options.budget_ns, "report", optarg) < 0)
                return EXIT_ERROR;
            break;
        case OPT_DEBUGINFOD:
            settings->load_options.debuginfod = true;
            break;
        case OPT_NO_PAGER:
            settings->no_pager = true;
            break;
        case 'h':
            print_help(help, FOR_REPORT);
            return EXIT_CLEAN;
        default:
            return bad_option("report", options, option, argv);
        }
    }
    return -1;
}

/* See choices_write; `context` is the command's settings. */
static void render(struct strbuf *out, const struct model *model, const struct format *format,
                   bool color, void *context)
{
    struct settings *settings = context;
    settings->format_options.color = color;
    format->render(out, model, &settings->format_options);
}

int cmd_report(int argc, char **argv)
{
    struct settings settings = {0};
    int status = parse_options(&settings, argc, argv);
    if (status < 0 && settings.file != NULL &&
        choices_set_output(&settings.choices, "report", settings.file) < 0)
        status = EXIT_ERROR;
    if (status >= 0)
        return status;
    struct loaded loaded;
    int result = load(&loaded, argv + optind, argc - optind, &settings.load_options);
    if (result == 0 && loaded.missing != NULL) {
        complain_missing(&loaded);
        result = -ENOENT;
    }
    status = result < 0 ? EXIT_ERROR
                        : choices_write(&settings.choices, &loaded.model, !settings.no_pager,
                                        render, &settings);
    loaded_free(&loaded);
    choices_free(&settings.choices);
    app_dirs_free(&settings.load_options.app_dirs);
    rule_files_free(&settings.load_options.suppressions);
    return status;
}
