/* `stalltrace stats`: the figures of every loop. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "choices.h"
#include "commands.h"
#include "formats/format_stats.h"
#include "load.h"
#include "util/output.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace stats                     what stalltrace.out holds\n"
    "  stalltrace stats --format json web.out\n"
    "\n"
    "Usage: stalltrace stats [options] [TRACE...]\n"
    "\n"
    "Shows how long the iterations of each event loop took: percentiles, a histogram,\n"
    "the longest ones and when they were. TRACE is a trace or a directory of traces\n"
    "(default: stalltrace.out).\n"
    "\n"
    "Options:\n"
    "  -f, --format F[=FILE] one of the formats below (repeatable)\n"
    "  -o, --output FILE     write to FILE instead of standard output\n"
    "      --no-pager        never start a pager\n"
    "  -h, --help            show this help\n"
    "\n"
    "Exit status: 0; 2 usage error, a file that is no trace, or the figures cannot be\n"
    "written.\n";

enum { OPT_NO_PAGER = 256 };

static const struct option options[] = {
    {"format", required_argument, NULL, 'f'},
    {"output", required_argument, NULL, 'o'},
    {"no-pager", no_argument, NULL, OPT_NO_PAGER},
    {"help", no_argument, NULL, 'h'},
    {0},
};

struct settings {
    struct choices choices;
    bool no_pager;
    const char *file; /* -o, or NULL */
};

/* Returns -1 to go on, or the exit status. */
static int parse_options(struct settings *settings, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, ":f:o:h", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            if (choices_add(&settings->choices, "stats", FOR_STATS, optarg) < 0)
                return EXIT_ERROR;
            break;
        case 'o':
            settings->file = optarg;
            break;
        case OPT_NO_PAGER:
            settings->no_pager = true;
            break;
        case 'h':
            print_help(help, FOR_STATS);
            return EXIT_CLEAN;
        default:
            return bad_option("stats", options, option, argv);
        }
    }
    return -1;
}

static void render(struct strbuf *out, const struct model *model, const struct format *format,
                   bool color, void *context)
{
    (void)context;
    if (format->paged)
        format_stats_text(out, model, color);
    else
        format_stats_json(out, model);
}

int cmd_stats(int argc, char **argv)
{
    struct settings settings = {0};
    int status = parse_options(&settings, argc, argv);
    if (status < 0 && settings.file != NULL &&
        choices_set_output(&settings.choices, "stats", settings.file) < 0)
        status = EXIT_ERROR;
    if (status >= 0)
        return status;
    struct loaded loaded;
    struct load_options load_options = {.figures_only = true};
    int result = load(&loaded, argv + optind, argc - optind, &load_options);
    if (result == 0 && loaded.missing != NULL) {
        complain_missing(&loaded);
        result = -ENOENT;
    }
    status = result < 0 ? EXIT_ERROR
                        : choices_write(&settings.choices, &loaded.model, !settings.no_pager,
                                        render, NULL);
    loaded_free(&loaded);
    choices_free(&settings.choices);
    return status;
}
