/* `stalltrace run`: starts a program with the probe preloaded, follows what it records, and ends
 * with the program's own exit status. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "jsmaps.h"
#include "launch.h"
#include "doctor/untraceable.h"
#include "live/live.h"
#include "model/losses.h"
#include "load.h"
#include "util/locate.h"
#include "outdir.h"
#include "run_environment.h"
#include "run_page.h"
#include "trace/settings.h"
#include "words/summary.h"
#include "model/verdict.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace run -- python3 server.py\n"
    "  stalltrace run --threshold 5ms,file=50ms -o web.out -- ./server --port 80\n"
    "  stalltrace run --strict --error-exitcode=1 -- pytest    fail a CI job\n"
    "  stalltrace run --js --budget 1s -- node server.js\n"
    "  stalltrace -- ./server                                  `run` may be left out\n"
    "\n"
    "Usage: stalltrace run [options] [--] COMMAND [ARGUMENT...]\n"
    "\n"
    "Runs COMMAND and records what blocks its event loops, in it and in the\n"
    "processes it starts. Findings are shown on standard error as they happen.\n"
    "\n"
    "Options:\n"
    "      --threshold TIME[,CLASS=TIME...]\n"
    "                            calls that take this long are findings (10ms)\n"
    "      --iteration-threshold TIME\n"
    "                            so are loop iterations that take this long (100ms)\n"
    "      --strict[=CLASSES]    so are calls that could have blocked, however fast;\n"
    "                            CLASSES: sleep,wait,net,dns,sync,process, ..., all\n"
    "      --loops LIST          which threads run loops: auto (default), poll, main,\n"
    "                            api, name=GLOB\n"
    "      --budget TIME         mark findings and iterations that take longer (1s)\n"
    "      --js, --node          for Node: give JavaScript functions their names\n"
    "      --app-dir DIR         the user's code is what is below DIR (repeatable)\n"
    "      --suppressions FILE   leave findings out that the rules in FILE cover\n"
    "                            (repeatable; `stalltrace suppress` writes them)\n"
    "  -o, --output DIR          where the traces go (stalltrace.out); earlier\n"
    "                            ones are moved to DIR.old\n"
    "      --shared              processes of other users write there, too\n"
    "      --redact              paths, hosts and arguments are recorded by hash\n"
    "      --max-trace-size SIZE a process's trace grows no larger (64M)\n"
    "      --max-total-size SIZE all traces of the directory together (no limit)\n"
    "  -q, --quiet               no live lines, no summary\n"
    "      --error-exitcode N    exit with N if there are findings, with 3 if the\n"
    "                            recording allows no verdict (as `check` would)\n"
    "      --fail-on LIST        what counts for that, see `stalltrace check --help`\n"
    "      --baseline FILE       only what is not in FILE does (`stalltrace baseline`\n"
    "                            writes it)\n"
    "      --allow-no-loop       a program without an event loop is fine\n"
    "  -h, --help                show this help\n"
    "\n"
    "Times have a unit: 10ms, 1.5s, 500us, 100ns, 1m, or 0. Sizes: 64M, 512K, 1G.\n"
    "Classes: sleep wait net dns file meta sync stdio lock process ipc tty raw.\n"
    "The STALLTRACE_* variables say the same; an option wins.\n"
    "\n"
    "Exit status: COMMAND's, 128+n if signal n ended it; N of --error-exitcode;\n"
    "2 usage error; 126 COMMAND cannot be run; 127 there is no such COMMAND.\n";

enum {
    OPT_SETTING = 256,
    OPT_SUPPRESSIONS = 300,
    OPT_ERROR_EXITCODE,
    OPT_APP_DIR,
    OPT_JS,
    OPT_FAIL_ON,
    OPT_BASELINE,
    OPT_ALLOW_NO_LOOP,
    OPT_SHARED,
    OPT_REDACT
};

/* The settings' rows in the order of recording_settings. */
static const struct option options[] = {
    {"threshold", required_argument, NULL, OPT_SETTING},
    {"iteration-threshold", required_argument, NULL, OPT_SETTING + 1},
    {"strict", optional_argument, NULL, OPT_SETTING + 2},
    {"loops", required_argument, NULL, OPT_SETTING + 3},
    {"budget", required_argument, NULL, OPT_SETTING + 4},
    {"max-trace-size", required_argument, NULL, OPT_SETTING + 5},
    {"max-total-size", required_argument, NULL, OPT_SETTING + 6},
    {"app-dir", required_argument, NULL, OPT_APP_DIR},
    {"js", no_argument, NULL, OPT_JS},
    {"node", no_argument, NULL, OPT_JS},
    {"suppressions", required_argument, NULL, OPT_SUPPRESSIONS},
    {"shared", no_argument, NULL, OPT_SHARED},
    {"redact", no_argument, NULL, OPT_REDACT},
    {"output", required_argument, NULL, 'o'},
    {"quiet", no_argument, NULL, 'q'},
    {"error-exitcode", required_argument, NULL, OPT_ERROR_EXITCODE},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON},
    {"baseline", required_argument, NULL, OPT_BASELINE},
    {"allow-no-loop", no_argument, NULL, OPT_ALLOW_NO_LOOP},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct run {
    const char *output; /* as the user said, or NULL */
    struct rule_files suppressions;
    bool quiet;
    bool js;
    struct app_dirs app_dirs;
    struct jsmaps *jsmaps; /* with --js */
    int error_exitcode;    /* -1: none */
    struct criteria criteria;
    const char *baseline_path; /* or NULL */
    struct baseline baseline;
    bool no_loop_is_fine;
    bool shared;              /* other users' processes write there, too */
    char *id;                 /* marks its processes */
    struct st_run_page *page; /* where they say what they cannot write; or NULL */
    char **argv;              /* of the program */
    char *directory;          /* absolute */
    bool recording;
    bool nested; /* inside another run, into its directory */
    struct rules *rules;
};

static int set_setting(int index, const char *value)
{
    const struct setting *setting = &recording_settings[index];
    if (setting->check(value) < 0) {
        complain("run: --%s: '%s' is not understood; allowed: %s", setting->option, value,
                 setting->allowed);
        return -EINVAL;
    }
    return setenv(setting->variable, value, 1) == 0 ? 0 : -errno;
}

static int set_error_exitcode(struct run *run, const char *value)
{
    char *end = NULL;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || number < 0 || number > 255) {
        complain("run: --error-exitcode: '%s' is not understood; allowed: a number from 0 to 255",
                 value);
        return -EINVAL;
    }
    run->error_exitcode = number == 0 ? -1 : (int)number; /* 0, as in valgrind: the program's */
    return 0;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct run *run, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "+:o:qh", options, NULL)) != -1) {
        if (option >= OPT_SETTING && option < OPT_SETTING + recording_setting_count) {
            if (set_setting(option - OPT_SETTING, optarg ? optarg : "1") < 0)
                return EXIT_ERROR;
            continue;
        }
        switch (option) {
        case OPT_SUPPRESSIONS:
            rule_files_add(&run->suppressions, optarg);
            break;
        case OPT_ERROR_EXITCODE:
            if (set_error_exitcode(run, optarg) < 0)
                return EXIT_ERROR;
            break;
        case OPT_FAIL_ON:
            if (criteria_add(&run->criteria, "run", optarg) < 0)
                return EXIT_ERROR;
            break;
        case OPT_BASELINE:
            run->baseline_path = optarg;
            break;
        case OPT_SHARED:
            run->shared = true;
            break;
        case OPT_REDACT:
            setenv("STALLTRACE_REDACT", "1", 1);
            break;
        case OPT_ALLOW_NO_LOOP:
            run->no_loop_is_fine = true;
            break;
        case OPT_APP_DIR:
            app_dirs_add(&run->app_dirs, optarg);
            break;
        case OPT_JS:
            run->js = true;
            break;
        case 'o':
            run->output = optarg;
            break;
        case 'q':
            run->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_CLEAN;
        default:
            return bad_option("run", options, option, argv);
        }
    }
    if (criteria_are_met_by("run", &run->criteria, run->baseline_path) < 0)
        return EXIT_ERROR;
    run->argv = argv + optind;
    if (run->argv[0] != NULL)
        return -1;
    complain("run: no command; say `stalltrace run -- COMMAND`");
    return EXIT_ERROR;
}

static char *absolute(const char *path)
{
    char cwd[PATH_MAX];
    if (path[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
        return mem_strdup(path);
    return mem_printf("%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path);
}

/* The object to preload, or NULL after a complaint. */
static char *find_library(void)
{
    char *library = locate_library();
    if (library == NULL) {
        complain("libstalltrace.so: not found beside this command, in ../lib, or in the configured "
                 "library directory; install it with `make install`");
    } else if (strpbrk(library, ": ") != NULL) {
        /* LD_PRELOAD has no way to quote its separators. */
        complain("%s: a path with blanks or colons cannot be preloaded; install it elsewhere",
                 library);
        free(library);
        library = NULL;
    }
    return library;
}

static int find_command(const char *command)
{
    int result = locate_command(command);
    if (result == -ENOENT) {
        complain("%s: command not found; check the name and PATH", command);
        return EXIT_NOT_FOUND;
    }
    if (result < 0) {
        complain("%s: cannot be executed: %s; check its permissions", command, strerror(-result));
        return EXIT_NOT_EXECUTABLE;
    }
    return -1;
}

/* Says so where the program will run untraced. False: it must run without the preload. */
static bool may_preload(const struct run *run)
{
    bool harmful;
    const char *why = untraceable(run->argv[0], &harmful);
    if (why != NULL && !run->quiet)
        complain("%s: runs untraced: it is %s; try: stalltrace doctor %s", run->argv[0], why,
                 run->argv[0]);
    return !harmful;
}

/* For runs and reports inside the program: the files by their absolute paths. */
static void set_suppressions(const struct rule_files *files)
{
    struct strbuf list = {0};
    for (size_t i = 0; i < files->count; i++) {
        char *path = absolute(files->paths[i]);
        sb_add(&list, i > 0 ? ":" : "");
        sb_add(&list, path);
        free(path);
    }
    setenv("STALLTRACE_SUPPRESSIONS", list.data, 1);
    sb_free(&list);
}

/* The environment that the program is to find. */
static void set_environment(const struct run *run, const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    bool alone = others == NULL || others[0] == '\0';
    bool preload_it = may_preload(run);
    if (preload_it && (alone || strstr(others, library) == NULL)) {
        char *preload = alone ? mem_strdup(library) : mem_printf("%s:%s", library, others);
        setenv("LD_PRELOAD", preload, 1);
        free(preload);
    }
    setenv("STALLTRACE_OUTPUT", run->directory, 1);
    setenv("STALLTRACE_RUN", run->id, 1);
    if (run->shared)
        setenv("STALLTRACE_SHARED", "1", 1);
    if (run->quiet)
        setenv("STALLTRACE_QUIET", "1", 1);
    if (run->suppressions.count > 0)
        set_suppressions(&run->suppressions);
}

static void choose_directory(struct run *run)
{
    const char *inherited = getenv("STALLTRACE_OUTPUT"), *preload = getenv("LD_PRELOAD");
    if (run->output == NULL && inherited != NULL && inherited[0] != '\0') {
        run->output = inherited;
        /* The outer run is writing there: nothing is to be moved away, and it shows the lines. */
        run->nested = preload != NULL && strstr(preload, "libstalltrace.so") != NULL;
    }
    run->directory = absolute(run->output ? run->output : DEFAULT_OUTPUT);
    for (size_t len = strlen(run->directory); len > 1 && run->directory[len - 1] == '/'; len--)
        run->directory[len - 1] = '\0';
}

/* Everything that can be wrong is found before an earlier recording is moved away. Returns -1 to go
 * on, or the exit status. */
static int prepare(struct run *run)
{
    if (check_environment() < 0 || load_rules(&run->rules, &run->suppressions, false) < 0)
        return EXIT_ERROR;
    if (run->baseline_path != NULL && load_baseline(&run->baseline, run->baseline_path) < 0)
        return EXIT_ERROR;
    const char *quiet = getenv("STALLTRACE_QUIET");
    if (quiet != NULL && quiet[0] != '\0' && strcmp(quiet, "0") != 0)
        run->quiet = true;
    const char *shared = getenv("STALLTRACE_SHARED");
    if (shared != NULL && shared[0] != '\0' && strcmp(shared, "0") != 0)
        run->shared = true;
    choose_directory(run);
    run->id = run_page_make(&run->page, run->nested ? getenv("STALLTRACE_RUN") : NULL, run->shared);
    int status = find_command(run->argv[0]);
    if (status >= 0)
        return status;
    char *library = find_library();
    if (library == NULL)
        return EXIT_ERROR;
    bool none = strcmp(run->output != NULL ? run->output : "", "none") == 0;
    int result = run->nested || none ? 0 : outdir_prepare(run->directory, run->shared);
    run->recording = result == 0 && !none;
    if (run->recording)
        set_environment(run, library);
    if (run->recording && run->js)
        run->jsmaps = jsmaps_begin();
    free(library);
    return result == -EEXIST ? EXIT_ERROR : -1;
}

/* Waits for the program and shows what its traces say meanwhile. Returns its exit status. */
static int follow(struct launch *launch, struct live *live)
{
    struct pollfd fds[2] = {{.fd = launch->signal_fd, .events = POLLIN},
                            {.fd = live ? live_fd(live) : -1, .events = POLLIN}};
    for (;;) {
        int ready = poll(fds, COUNT_OF(fds), live != NULL ? live_timeout(live) : -1);
        if (ready > 0 && (fds[0].revents & POLLIN)) {
            int status = launch_handle(launch);
            if (status >= 0)
                return status;
        }
        if (live != NULL && (ready == 0 || (ready > 0 && (fds[1].revents & POLLIN))))
            live_read(live, false);
    }
}

/* While a program starts nobody can know whether it will serve. Afterwards the traces say so, and
 * are read once more: what the run says at its end is what `check` will say. */
static void know_startup(struct model *model)
{
    bool any = false;
    for (size_t i = 0; i < model->trace_count; i++)
        any = any || trace_has_startup(model->traces[i]);
    if (!any)
        return;
    struct model again;
    model_init(&again, model->symbols, model->rules);
    again.app_dirs = model->app_dirs;
    again.budget_ns = model->budget_ns;
    again.losses = model->losses;
    again.loss_count = model->loss_count;
    again.loss_cap = model->loss_cap;
    model->losses = NULL;
    model_read_again(&again, model);
    model_free(model);
    *model = again;
}

/* What --error-exitcode makes of the program's own status: a message says which it is. */
static int exit_status(const struct run *run, const struct model *model, int own)
{
    struct verdict verdict =
        judge(model, &run->criteria, run->recording ? NULL : run->directory, run->no_loop_is_fine);
    int status = own;
    if (verdict.status == EXIT_FINDINGS) {
        status = run->error_exitcode;
        complain("exit status %d: %s (--error-exitcode)", status, verdict.reason);
    } else if (own != 0) {
        complain("exit status %d: the program's own; %s", own,
                 verdict.status == EXIT_NOTHING ? verdict.reason : "nothing to fail on was found");
    } else if (verdict.status == EXIT_NOTHING) {
        status = EXIT_NOTHING;
        complain("exit status %d: no verdict: %s%s", status, verdict.reason,
                 has_losses(model) || !run->recording
                     ? ""
                     : "; --allow-no-loop if that is as it should be");
    }
    verdict_free(&verdict);
    return status;
}

static int execute(struct run *run, struct model *model)
{
    struct launch launch;
    bool following = run->recording && !run->quiet && !run->nested;
    bool reading = following || (run->recording && run->error_exitcode >= 0);
    /* Before the program starts, so that no change of its trace goes unnoticed. */
    struct live *live =
        reading ? live_start(run->directory, model, following, run->id, run->shared) : NULL;
    int result = launch_start(&launch, run->argv);
    int status;
    /* The program has it; the symboliser must not go to the network while it follows. */
    unsetenv("DEBUGINFOD_URLS");
    if (result < 0) {
        complain("%s: cannot be executed: %s", run->argv[0], strerror(-result));
        status = result == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    } else {
        status = follow(&launch, following ? live : NULL);
    }
    if (result == 0 && run->recording) /* the outer run writes them */
        run_page_finish(run->page, model, run->nested ? NULL : run->directory, run->id);
    if (live != NULL)
        live_finish(live);
    if (result == 0 && live != NULL)
        run_page_check(run->page, model);
    if (live != NULL)
        know_startup(model);
    if (run->baseline_path != NULL) {
        model->baseline = &run->baseline;
        baseline_apply(model->baseline, model);
    }
    jsmaps_clean(run->jsmaps, run->directory);
    if (result == 0 && following)
        print_summary(model, run->output, run->argv);
    if (result == 0 && run->error_exitcode >= 0)
        status = exit_status(run, model, status);
    return status;
}

int cmd_run(int argc, char **argv)
{
    struct run run = {.error_exitcode = -1};
    int status = parse_options(&run, argc, argv);
    if (status < 0)
        status = prepare(&run);
    if (status < 0) {
        struct model model;
        struct symbols *symbols = symbols_new(true, NULL);
        model_init(&model, symbols, run.rules);
        model.app_dirs = run.app_dirs.count > 0 ? &run.app_dirs : NULL;
        set_budget(&model, 0);
        criteria_set_budget(&run.criteria, &model);
        status = execute(&run, &model);
        model_free(&model);
        symbols_free(symbols);
    }
    rules_free(run.rules);
    baseline_free(&run.baseline);
    criteria_free(&run.criteria);
    app_dirs_free(&run.app_dirs);
    rule_files_free(&run.suppressions);
    free(run.directory);
    free(run.id);
    return status;
}
