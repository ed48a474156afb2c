/* `stalltrace check`: the verdict as an exit status, for CI. */
#include <stdio.h>
#include <string.h>

#include "choices.h"
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
    "  -f, --format F[=FILE]           one of the formats below (repeatable)\n"
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
    {"format", required_argument, NULL, 'f'},
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
    struct choices choices;
    bool show_suppressed;
    struct criteria criteria;
};

static void print_finding(struct strbuf *out, const struct model *model,
                          const struct finding *finding)
{
    sb_add(out, "  ");
    describe_finding(out, finding);
    sb_add(out, over_budget(model, finding->max_ns) ? "  OVER BUDGET" : "");
    describe_baseline_state(out, model, finding);
    sb_addf(out, "  [%s]\n", finding->fingerprint);
    if (finding->suppressed_by != NULL) {
        sb_add(out, "      ");
        describe_suppression(out, finding->suppressed_by);
        sb_add(out, "\n");
    }
}

static void print_verdict(struct strbuf *out, const struct model *model,
                          const struct model_totals *totals)
{
    sb_add(out, "stalltrace: ");
    if (totals->findings > 0) {
        describe_count(out, totals->findings, "finding");
        sb_add(out, ": ");
        describe_duration(out, totals->total_ns);
        sb_add(out, " blocked in all, worst ");
        describe_duration(out, totals->max_ns);
    } else {
        bool clean = totals->iterations_over_budget == 0 && !has_losses(model);
        sb_add(out, clean ? "clean: no blocking calls in " : "no findings in ");
        describe_count(out, totals->loops, "loop");
        sb_add(out, ", ");
        describe_count(out, totals->iterations, "iteration");
    }
    if (totals->known > 0)
        sb_addf(out, " (%zu known)", totals->known);
    if (totals->suppressed > 0)
        sb_addf(out, " (%zu suppressed)", totals->suppressed);
    sb_add(out, "\n");
    describe_budget(out, model, totals, "stalltrace: ");
}

/* Says why no verdict is possible; losses have been listed. */
static void print_impossible(struct strbuf *out, const struct loaded *loaded,
                             const struct model_totals *totals, const char *reason)
{
    sb_add(out, "stalltrace: no verdict: ");
    if (loaded->missing != NULL) {
        sb_add(out, "nothing was recorded: ");
        sb_add_clean(out, loaded->missing);
        sb_add(out, " does not exist; was the program started with `stalltrace run`?\n");
    } else if (loaded->empty != NULL && totals->loops > 0) {
        sb_add(out, "nothing was recorded in ");
        sb_add_clean(out, loaded->empty);
        sb_add(out, ": no process that wrote there ran an event loop\n");
    } else if (totals->loops == 0 && !has_losses(&loaded->model)) {
        sb_add(out, totals->processes == 0 ? "nothing was recorded: no process ran an event loop; "
                                           : "no event loop was seen; ");
        sb_add(out, "`stalltrace doctor COMMAND` says why, --loops widens what counts\n");
    } else {
        sb_add(out, reason);
        sb_add(out, "\n");
    }
}

static void print_findings(struct strbuf *out, const struct settings *settings,
                           const struct model *model)
{
    for (size_t i = 0; i < model->count; i++) {
        const struct finding *finding = model->findings[i];
        bool shown = finding->suppressed_by != NULL
                         ? settings->show_suppressed
                         : finding->baseline_state != BASELINE_KNOWN ||
                               criteria_fail(&settings->criteria, model, finding, false);
        if (shown)
            print_finding(out, model, finding);
    }
    for (size_t i = 0; i < model->startup_count; i++) {
        if (criteria_fail(&settings->criteria, model, model->startup[i], true))
            print_finding(out, model, model->startup[i]);
    }
}

/* Why it fails, and what shows more: one line. */
static void print_failure(struct strbuf *out, const struct settings *settings,
                          const struct verdict *verdict, char **paths, int count)
{
    sb_addf(out, "stalltrace: check fails: %s (--fail-on ", verdict->reason);
    criteria_describe(out, &settings->criteria);
    sb_add(out, "); look closer: ");
    describe_command(out, verdict->failing > 0 ? "report" : "stats",
                     verdict->failing > 0 ? "--baseline" : NULL, settings->load_options.baseline,
                     paths, (size_t)count);
    sb_add(out, "\n");
}

/* The verdict and what led to it, in words. */
static void print_all(struct strbuf *out, const struct loaded *loaded,
                      const struct settings *settings, const struct verdict *verdict, char **paths,
                      int count)
{
    const struct model *model = &loaded->model;
    struct model_totals totals = model_totals(model);
    if (totals.findings > 0 || totals.loops > 0)
        print_verdict(out, model, &totals);
    print_findings(out, settings, model);
    describe_remarks(out, model, "  ");
    if (verdict->status == EXIT_NOTHING)
        print_impossible(out, loaded, &totals, verdict->reason);
    else if (verdict->status == EXIT_FINDINGS)
        print_failure(out, settings, verdict, paths, count);
    else if (totals.findings > 0 && model->baseline != NULL && totals.known == totals.findings)
        sb_add(out, "stalltrace: passes: nothing is new\n");
    else if (totals.findings > 0)
        sb_add(out, "stalltrace: passes: none of it is what --fail-on names\n");
}

/* A format other than text writes the findings that `report` writes. */
static int write_choice(const struct choice *choice, const struct loaded *loaded,
                        const struct settings *settings, struct strbuf *words)
{
    if (choice->format == format_at(0))
        return choice->file != NULL ? output_to_file(choice->file, words->data, words->len)
                                    : output_to_stdout(words->data, words->len);
    struct format_options how = {.show_suppressed = settings->show_suppressed};
    struct strbuf text = {0};
    sb_add(&text, "");
    choice->format->render(&text, &loaded->model, &how);
    int result = choice->file != NULL ? output_to_file(choice->file, text.data, text.len)
                                      : output_to_stdout(text.data, text.len);
    sb_free(&text);
    return result;
}

/* The words go to standard output, unless a format does. */
static int verdict(struct loaded *loaded, const struct settings *settings, char **paths, int count)
{
    const struct choices *choices = &settings->choices;
    criteria_set_budget(&settings->criteria, &loaded->model);
    struct verdict verdict = judge(&loaded->model, &settings->criteria,
                                   loaded->missing ? loaded->missing : loaded->empty, false);
    struct strbuf words = {0};
    sb_add(&words, "");
    print_all(&words, loaded, settings, &verdict, paths, count);
    if (!output_is_utf8())
        text_to_ascii(&words);
    int status = verdict.status;
    if (choices_stdout(choices) == NULL && output_to_stdout(words.data, words.len) < 0)
        status = EXIT_ERROR;
    for (size_t i = 0; i < choices->count; i++) {
        if (write_choice(&choices->items[i], loaded, settings, &words) < 0)
            status = EXIT_ERROR;
    }
    sb_free(&words);
    verdict_free(&verdict);
    return status;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    struct load_options *load_options = &settings->load_options;
    int option;
    while ((option = getopt_long(argc, argv, ":f:h", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            if (choices_add(&settings->choices, "check", FOR_CHECK, optarg) < 0)
                return EXIT_ERROR;
            break;
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
            print_help(help, FOR_CHECK);
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
    choices_free(&settings.choices);
    criteria_free(&settings.criteria);
    app_dirs_free(&settings.load_options.app_dirs);
    rule_files_free(&settings.load_options.suppressions);
    return status;
}
