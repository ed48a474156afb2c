/* `stalltrace check`: the verdict as an exit status, for CI. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "words/describe.h"
#include "load.h"
#include "model/losses.h"
#include "words/next_step.h"
#include "util/output.h"
#include "model/verdict.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace run -- pytest && stalltrace check\n"
    "  stalltrace check stalltrace.out\n"
    "  stalltrace check --budget 1s --fail-on budget\n"
    "  stalltrace check --fail-on 'class:dns,duration>500ms'\n"
    "  stalltrace check --suppressions ci/stalls.txt web.out worker.out\n"
    "  stalltrace check --baseline ci/stalls.json\n"
    "\n"
    "Usage: stalltrace check [options] [TRACE...]\n"
    "\n"
    "Says whether a recording has findings. TRACE is a trace or a directory of traces\n"
    "(default: stalltrace.out).\n"
    "\n"
    "Options:\n"
    "      --fail-on LIST              what fails, any of (repeatable, by commas):\n"
    "                                  findings (default), budget (what took longer\n"
    "                                  than --budget, or 1s), class:NAME,\n"
    "                                  duration>TIME, file:GLOB, startup, starved,\n"
    "                                  unused (suppressions), new (of --baseline)\n"
    "      --baseline FILE             fail on what is new: not in FILE, which\n"
    "                                  `stalltrace baseline` writes\n"
    "      --suppressions FILE         leave out what the rules in FILE cover (repeatable;\n"
    "                                  `stalltrace suppress` writes them)\n"
    "      --no-builtin-suppressions   show known idle waits of runtimes\n"
    "      --show-suppressed           list what was left out, too\n"
    "      --app-dir DIR               the user's code is below DIR (repeatable)\n"
    "      --budget TIME               mark what takes longer, e.g. 1s\n"
    "      --debuginfod                fetch missing debug symbols (DEBUGINFOD_URLS)\n"
    "  -h, --help                      show this help\n"
    "\n"
    "Exit status: 0 clean; 1 findings; 2 usage or other error; 3 no verdict is\n"
    "possible: nothing was recorded, no event loop was seen, or something is known to\n"
    "be missing in the recording.\n";

enum {
    OPT_SUPPRESSIONS = 256,
    OPT_NO_BUILTIN,
    OPT_SHOW_SUPPRESSED,
    OPT_DEBUGINFOD,
    OPT_APP_DIR,
    OPT_BUDGET,
    OPT_FAIL_ON,
    OPT_BASELINE
};

static const struct option options[] = {
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"no-builtin-suppressions", no_argument, NULL, OPT_NO_BUILTIN},
    {"show-suppressed", no_argument, NULL, OPT_SHOW_SUPPRESSED},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON},
    {"baseline", required_argument, NULL, OPT_BASELINE},
    {"app-dir", required_argument, NULL, OPT_APP_DIR},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"debuginfod", no_argument, NULL, OPT_DEBUGINFOD},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct settings {
    struct load_options load_options;
    bool show_suppressed;
    struct criteria criteria;
};

static void print_text(struct strbuf *text)
{
    if (!output_is_utf8())
        text_to_ascii(text);
    fwrite(text->data, 1, text->len, stdout);
    sb_free(text);
}

static void print_finding(const struct model *model, const struct finding *finding)
{
    struct strbuf line = {0};
    sb_add(&line, "  ");
    describe_finding(&line, finding);
    sb_add(&line, over_budget(model, finding->max_ns) ? "  OVER BUDGET" : "");
    describe_baseline_state(&line, model, finding);
    sb_addf(&line, "  [%s]\n", finding->fingerprint);
    if (finding->suppressed_by != NULL) {
        sb_add(&line, "      ");
        describe_suppression(&line, finding->suppressed_by);
        sb_add(&line, "\n");
    }
    print_text(&line);
}

static void print_verdict(const struct model *model, const struct model_totals *totals)
{
    struct strbuf line = {0};
    sb_add(&line, "stalltrace: ");
    if (totals->findings > 0) {
        describe_count(&line, totals->findings, "finding");
        sb_add(&line, ": ");
        describe_duration(&line, totals->total_ns);
        sb_add(&line, " blocked in all, worst ");
        describe_duration(&line, totals->max_ns);
    } else {
        bool clean = totals->iterations_over_budget == 0 && !has_losses(model);
        sb_add(&line, clean ? "clean: no blocking calls in " : "no findings in ");
        describe_count(&line, totals->loops, "loop");
        sb_add(&line, ", ");
        describe_count(&line, totals->iterations, "iteration");
    }
    if (totals->known > 0)
        sb_addf(&line, " (%zu known)", totals->known);
    if (totals->suppressed > 0)
        sb_addf(&line, " (%zu suppressed)", totals->suppressed);
    sb_add(&line, "\n");
    describe_budget(&line, model, totals, "stalltrace: ");
    print_text(&line);
}

/* Says why no verdict is possible; losses have been listed. */
static void print_impossible(const struct loaded *loaded, const struct model_totals *totals,
                             const char *reason)
{
    struct strbuf line = {0};
    sb_add(&line, "stalltrace: no verdict: ");
    if (loaded->missing != NULL) {
        sb_add(&line, "nothing was recorded: ");
        sb_add_clean(&line, loaded->missing);
        sb_add(&line, " does not exist; was the program started with `stalltrace run`?\n");
    } else if (loaded->empty != NULL && totals->loops > 0) {
        sb_add(&line, "nothing was recorded in ");
        sb_add_clean(&line, loaded->empty);
        sb_add(&line, ": no process that wrote there ran an event loop\n");
    } else if (totals->loops == 0 && !has_losses(&loaded->model)) {
        sb_add(&line, totals->processes == 0
                          ? "nothing was recorded: no process ran an event loop; "
                          : "no event loop was seen; ");
        sb_add(&line, "`stalltrace doctor COMMAND` says why, --loops widens what counts\n");
    } else {
        sb_add(&line, reason);
        sb_add(&line, "\n");
    }
    print_text(&line);
}

static void print_findings(const struct settings *settings, const struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct finding *finding = model->findings[i];
        bool shown = finding->suppressed_by != NULL
                         ? settings->show_suppressed
                         : finding->baseline_state != BASELINE_KNOWN ||
                               criteria_fail(&settings->criteria, model, finding, false);
        if (shown)
            print_finding(model, finding);
    }
    for (size_t i = 0; i < model->startup_count; i++) {
        if (criteria_fail(&settings->criteria, model, model->startup[i], true))
            print_finding(model, model->startup[i]);
    }
}

/* Why it fails, and what shows more: one line. */
static void print_failure(const struct settings *settings, const struct verdict *verdict,
                          char **paths, int count)
{
    struct strbuf line = {0};
    sb_addf(&line, "stalltrace: check fails: %s (--fail-on ", verdict->reason);
    criteria_describe(&line, &settings->criteria);
    sb_add(&line, "); look closer: ");
    describe_command(&line, verdict->failing > 0 ? "report" : "stats",
                     verdict->failing > 0 ? "--baseline" : NULL, settings->load_options.baseline,
                     paths, (size_t)count);
    sb_add(&line, "\n");
    print_text(&line);
}

static int verdict(struct loaded *loaded, const struct settings *settings, char **paths, int count)
{
    struct model *model = &loaded->model;
    criteria_set_budget(&settings->criteria, model);
    struct model_totals totals = model_totals(model);
    struct verdict verdict =
        judge(model, &settings->criteria, loaded->missing ? loaded->missing : loaded->empty, false);
    if (totals.findings > 0 || totals.loops > 0)
        print_verdict(model, &totals);
    print_findings(settings, model);
    struct strbuf remarks = {0};
    sb_add(&remarks, "");
    describe_remarks(&remarks, model, "  ");
    print_text(&remarks);
    if (verdict.status == EXIT_NOTHING)
        print_impossible(loaded, &totals, verdict.reason);
    else if (verdict.status == EXIT_FINDINGS)
        print_failure(settings, &verdict, paths, count);
    else if (totals.findings > 0 && model->baseline != NULL && totals.known == totals.findings)
        printf("stalltrace: passes: nothing is new\n");
    else if (totals.findings > 0)
        printf("stalltrace: passes: none of it is what --fail-on names\n");
    int status = verdict.status;
    verdict_free(&verdict);
    return status;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    struct load_options *load_options = &settings->load_options;
    int option;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case OPT_SUPPRESSIONS:
            rule_files_add(&load_options->suppressions, optarg);
            break;
        case OPT_NO_BUILTIN:
            load_options->no_builtin = true;
            break;
        case OPT_SHOW_SUPPRESSED:
            settings->show_suppressed = true;
            break;
        case OPT_DEBUGINFOD:
            load_options->debuginfod = true;
            break;
        case OPT_APP_DIR:
            app_dirs_add(&load_options->app_dirs, optarg);
            break;
        case OPT_BUDGET:
            if (set_budget_option(&load_options->budget_ns, "check", optarg) < 0)
                return EXIT_ERROR;
            break;
        case OPT_BASELINE:
            load_options->baseline = optarg;
            break;
        case OPT_FAIL_ON:
            if (criteria_add(&settings->criteria, "check", optarg) < 0)
                return EXIT_ERROR;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_CLEAN;
        default:
            return bad_option("check", options, option, argv);
        }
    }
    return criteria_are_met_by("check", &settings->criteria, load_options->baseline) < 0
               ? EXIT_ERROR
               : -1;
}

int cmd_check(int argc, char **argv)
{
    struct settings settings = {0};
    int status = parse_options(&settings, argc, argv);
    if (status < 0) {
        struct loaded loaded;
        int result = load(&loaded, argv + optind, argc - optind, &settings.load_options);
        status =
            result < 0 ? EXIT_ERROR : verdict(&loaded, &settings, argv + optind, argc - optind);
        loaded_free(&loaded);
    }
    criteria_free(&settings.criteria);
    app_dirs_free(&settings.load_options.app_dirs);
    rule_files_free(&settings.load_options.suppressions);
    return status;
}
