/* `stalltrace check`: the verdict as an exit status, for CI. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "describe.h"
#include "load.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace run -- pytest && stalltrace check\n"
    "  stalltrace check stalltrace.out\n"
    "  stalltrace check --suppressions ci/stalls.txt web.out worker.out\n"
    "\n"
    "Usage: stalltrace check [options] [TRACE...]\n"
    "\n"
    "Says whether a recording has findings. TRACE is a trace or a directory of traces\n"
    "(default: stalltrace.out).\n"
    "\n"
    "Options:\n"
    "      --suppressions FILE         leave findings out that the rules in FILE cover\n"
    "      --no-builtin-suppressions   do not leave the idle waits of known runtimes out\n"
    "      --show-suppressed           list what was left out, too\n"
    "      --debuginfod                fetch missing debug symbols (DEBUGINFOD_URLS)\n"
    "  -h, --help                      show this help\n"
    "\n"
    "Exit status: 0 clean; 1 findings; 2 usage or other error; 3 nothing was recorded, or no\n"
    "event loop was seen.\n";

enum { OPT_SUPPRESSIONS = 256, OPT_NO_BUILTIN, OPT_SHOW_SUPPRESSED, OPT_DEBUGINFOD };

static const struct option options[] = {
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"no-builtin-suppressions", no_argument, NULL, OPT_NO_BUILTIN},
    {"show-suppressed", no_argument, NULL, OPT_SHOW_SUPPRESSED},
    {"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void print_finding(const struct finding *finding)
{
    struct strbuf line = {0};
    describe_finding(&line, finding);
    printf("  %s  [%s]\n", line.data, finding->fingerprint);
    if (finding->suppressed_by != NULL)
        printf("      suppressed by %s\n", finding->suppressed_by);
    sb_free(&line);
}

static void print_verdict(const struct model_totals *totals)
{
    struct strbuf line = {0};
    if (totals->findings > 0) {
        describe_count(&line, totals->findings, "finding");
        sb_add(&line, ": ");
        describe_duration(&line, totals->total_ns);
        sb_add(&line, " blocked in all, worst ");
        describe_duration(&line, totals->max_ns);
    } else {
        sb_add(&line, "clean: no blocking calls in ");
        describe_count(&line, totals->loops, "loop");
        sb_add(&line, ", ");
        describe_count(&line, totals->iterations, "iteration");
    }
    if (totals->suppressed > 0)
        sb_addf(&line, " (%zu suppressed)", totals->suppressed);
    printf("stalltrace: %s\n", line.data);
    sb_free(&line);
}

static int verdict(const struct loaded *loaded, bool show_suppressed)
{
    const struct model *model = &loaded->model;
    struct model_totals totals = model_totals(model);
    if (totals.findings == 0 && loaded->missing != NULL) {
        printf("stalltrace: nothing was recorded: %s does not exist; was the program started with "
               "`stalltrace run`?\n",
               loaded->missing);
        return EXIT_NOTHING;
    }
    if (totals.findings == 0 && totals.loops == 0) {
        if (totals.processes == 0)
            printf("stalltrace: nothing was recorded: no process ran an event loop; "
                   "`stalltrace doctor COMMAND` says why, --loops widens what counts\n");
        else
            printf("stalltrace: no event loop was seen; "
                   "`stalltrace doctor COMMAND` says why, --loops widens what counts\n");
        return EXIT_NOTHING;
    }
    print_verdict(&totals);
    for (size_t i = 0; i < model->count; i++) {
        if (model->findings[i]->suppressed_by == NULL || show_suppressed)
            print_finding(model->findings[i]);
    }
    if (totals.dropped_stalls > 0)
        printf("  and %llu stalls that could not be captured\n",
               (unsigned long long)totals.dropped_stalls);
    return totals.findings > 0 ? EXIT_FINDINGS : EXIT_CLEAN;
}

int cmd_check(int argc, char **argv)
{
    struct load_options load_options = {0};
    bool show_suppressed = false;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case OPT_SUPPRESSIONS:
            load_options.suppressions = optarg;
            break;
        case OPT_NO_BUILTIN:
            load_options.no_builtin = true;
            break;
        case OPT_SHOW_SUPPRESSED:
            show_suppressed = true;
            break;
        case OPT_DEBUGINFOD:
            load_options.debuginfod = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_CLEAN;
        default:
            return bad_option("check", options, option, argv);
        }
    }
    struct loaded loaded;
    int result = load(&loaded, argv + optind, argc - optind, &load_options);
    int status = result < 0 ? EXIT_ERROR : verdict(&loaded, show_suppressed);
    loaded_free(&loaded);
    return status;
}
