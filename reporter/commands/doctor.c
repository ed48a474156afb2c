/* `stalltrace doctor`: can this program be traced, on this machine? Says what it found, one
 * statement a line, and proves it by the self-test. */
#define _GNU_SOURCE
#include "doctor/doctor.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "util/json_writer.h"
#include "util/locate.h"
#include "util/output.h"
#include "util/version.h"

static const char help[] =
    "Examples:\n"
    "  stalltrace doctor python3 server.py    can this be traced?\n"
    "  stalltrace doctor ./server             the same, for a binary\n"
    "  stalltrace doctor                      the machine and stalltrace itself\n"
    "\n"
    "Usage: stalltrace doctor [options] [--] [COMMAND...]\n"
    "\n"
    "Says whether COMMAND can be traced, and why not. COMMAND is looked at, never started; the\n"
    "self-test calls every watched function with and without stalltrace and compares.\n"
    "\n"
    "Options:\n"
    "  -o, --output DIR     the directory that traces will go to (default: stalltrace.out)\n"
    "      --no-selftest    leave the self-test out (it takes some seconds)\n"
    "      --json           as JSON\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 it can be traced; 1 it cannot, or only partly; 2 usage or other error.\n";

enum { OPT_JSON = 256, OPT_NO_SELFTEST };

static const struct option options[] = {
    {"output", required_argument, NULL, 'o'},
    {"no-selftest", no_argument, NULL, OPT_NO_SELFTEST},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, 'h'},
    {0},
};

/* ---- the self-test's outcome ------------------------------------------------------------------*/

static void state_selftest(struct diagnosis *d)
{
    if (d->problem_count == 0)
        state(d, FINE, "selftest",
              "self-test: %zu of %zu functions seen, results equal (%zu reported while they hung)",
              d->seen, d->rows, d->while_hanging);
    else
        state(d, d->seen == 0 ? NEVER : PARTLY, "selftest",
              "self-test: %zu of %zu functions seen, %zu with a problem", d->seen, d->rows,
              d->problem_count);
    for (size_t i = 0; i < d->problem_count; i++)
        state(d, PARTLY, "selftest-row", "%s: %s", d->problems[i].symbol, d->problems[i].problem);
    if (d->absent_count > 0) {
        struct strbuf list = {0};
        for (size_t i = 0; i < d->absent_count; i++)
            sb_addf(&list, "%s%s", i > 0 ? ", " : "", d->absent[i]);
        state(d, HINT, "selftest-absent",
              "%zu watched function%s this libc or kernel does not have: %s", d->absent_count,
              d->absent_count == 1 ? "" : "s", list.data);
        sb_free(&list);
    }
}

/* ---- as text ----------------------------------------------------------------------------------*/

static const char *const verdict_words[] = {"fine", "hint", "partly", "never"};

/* Words at most as wide as a terminal's line, the following lines indented below the first. */
static void add_wrapped(struct strbuf *out, const char *text)
{
    enum { WIDTH = 94, INDENT = 4 };
    size_t column = INDENT;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > INDENT && column + len > WIDTH) {
            sb_add(out, "\n    ");
            column = INDENT;
        }
        char *word = mem_printf("%s%.*s", column > INDENT ? " " : "", (int)len, text);
        sb_add_clean(out, word);
        free(word);
        column += len + 1;
        text += len + strspn(text + len, " ");
    }
    sb_add(out, "\n");
}

static void add_statement(struct strbuf *out, const struct statement *s, bool utf8, bool color)
{
    static const char *const marks[][2] = {
        {"ok", "\u2713"}, {"! ", "!"}, {"no", "\u2717"}, {"no", "\u2717"}};
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m", "\033[31m"};
    sb_addf(out, "%s%s%s%s ", color ? colors[s->verdict] : "", marks[s->verdict][utf8],
            color ? "\033[0m" : "", utf8 ? "  " : " ");
    add_wrapped(out, s->text);
}

/* As one would type it. */
static void add_argument(struct strbuf *out, const char *argument)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:@%+,-";
    bool quote = argument[0] == '\0' || argument[strspn(argument, plain)] != '\0';
    sb_add(out, quote ? " '" : " ");
    for (const char *c = argument; *c != '\0'; c++) {
        char text[2] = {*c, '\0'};
        if (*c == '\'')
            sb_add(out, "'\\''");
        else
            sb_add_clean(out, text);
    }
    sb_add(out, quote ? "'" : "");
}

static void add_verdict(struct strbuf *out, const struct diagnosis *d, int argc, char **argv)
{
    struct strbuf name = {0};
    sb_add_clean(&name, argc > 0 ? argv[0] : "this machine");
    const char *subject = name.data != NULL ? name.data : "";
    if (d->worst == NEVER)
        sb_addf(out, "\n%s cannot be traced.\n", subject);
    else if (d->worst == PARTLY)
        sb_addf(out, "\n%s can be traced only in part.\n", subject);
    else if (argc == 0)
        sb_add(out, "\nPrograms can be traced here: stalltrace run -- COMMAND\n");
    else {
        sb_addf(out, "\n%s can be traced:\n  stalltrace run --", subject);
        for (int i = 0; i < argc; i++)
            add_argument(out, argv[i]);
        sb_add(out, "\n");
    }
    sb_free(&name);
}

static void render_text(struct strbuf *out, const struct diagnosis *d, int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    bool color = output_wants_color(STDOUT_FILENO);
    if (d->program != NULL) {
        sb_add_clean(out, d->program);
        sb_add(out, "\n");
    }
    for (size_t i = 0; i < d->count; i++)
        add_statement(out, &d->statements[i], utf8, color);
    add_verdict(out, d, argc, argv);
}

/* ---- as JSON ----------------------------------------------------------------------------------*/

static void render_selftest_json(struct json_writer *w, const struct diagnosis *d)
{
    if (!d->tested) {
        json_null(w, "selftest");
        return;
    }
    json_begin_object(w, "selftest");
    json_uint(w, "functions", d->rows);
    json_uint(w, "seen", d->seen);
    json_uint(w, "seen_while_hanging", d->while_hanging);
    json_begin_array(w, "problems");
    for (size_t i = 0; i < d->problem_count; i++) {
        json_begin_object(w, NULL);
        json_string(w, "symbol", d->problems[i].symbol);
        json_string(w, "problem", d->problems[i].problem);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_array(w, "absent");
    for (size_t i = 0; i < d->absent_count; i++)
        json_string(w, NULL, d->absent[i]);
    json_end_array(w);
    json_end_object(w);
}

static void render_json(struct strbuf *out, const struct diagnosis *d, int argc, char **argv)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w, NULL);
    json_string(&w, "schema", "stalltrace.doctor/1");
    json_string(&w, "version", STALLTRACE_VERSION);
    json_begin_array(&w, "command");
    for (int i = 0; i < argc; i++)
        json_string(&w, NULL, argv[i]);
    json_end_array(&w);
    json_string(&w, "program", d->program);
    json_string(&w, "traceable", d->worst == NEVER ? "no" : d->worst == PARTLY ? "partly" : "yes");
    json_begin_array(&w, "statements");
    for (size_t i = 0; i < d->count; i++) {
        json_begin_object(&w, NULL);
        json_string(&w, "verdict", verdict_words[d->statements[i].verdict]);
        json_string(&w, "code", d->statements[i].code);
        json_string(&w, "text", d->statements[i].text);
        json_end_object(&w);
    }
    json_end_array(&w);
    render_selftest_json(&w, d);
    json_end_object(&w);
    sb_add(out, "\n");
}

/* ---- the command ------------------------------------------------------------------------------*/

static void free_diagnosis(struct diagnosis *d)
{
    for (size_t i = 0; i < d->count; i++)
        free(d->statements[i].text);
    for (size_t i = 0; i < d->problem_count; i++)
        free(d->problems[i].problem);
    free(d->statements);
    free(d->problems);
    free(d->absent);
    free(d->library);
    free(d->program);
}

struct request {
    const char *output;
    bool json, no_selftest;
};

static int diagnose(struct diagnosis *d, const struct request *request, int argc, char **argv)
{
    d->library = locate_library();
    if (argc > 0 && diagnose_program(d, argv[0]) != 0)
        return EXIT_ERROR;
    bool hopeless = d->worst == NEVER; /* the machine's part is told all the same */
    diagnose_machine(d, request->output);
    if (!request->no_selftest && !hopeless && d->library != NULL) {
        if (diagnose_selftest(d) != 0)
            return EXIT_ERROR;
        state_selftest(d);
    }
    return d->worst >= PARTLY ? EXIT_FINDINGS : EXIT_CLEAN;
}

int cmd_doctor(int argc, char **argv)
{
    const char *output = getenv("STALLTRACE_OUTPUT");
    struct request request = {output != NULL && output[0] != '\0' ? output : DEFAULT_OUTPUT, 0, 0};
    struct diagnosis d = {0};
    struct strbuf text = {0};
    int option;
    while ((option = getopt_long(argc, argv, "+:ho:", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            request.output = optarg;
            break;
        case OPT_JSON:
            request.json = true;
            break;
        case OPT_NO_SELFTEST:
            request.no_selftest = true;
            break;
        case 'h':
            fputs(help, stdout);
            return EXIT_CLEAN;
        default:
            return bad_option("doctor", options, option, argv);
        }
    }
    int result = diagnose(&d, &request, argc - optind, argv + optind);
    if (result != EXIT_ERROR) {
        if (request.json)
            render_json(&text, &d, argc - optind, argv + optind);
        else
            render_text(&text, &d, argc - optind, argv + optind);
        if (output_to_stdout(text.data, text.len) < 0)
            result = EXIT_ERROR;
    }
    sb_free(&text);
    free_diagnosis(&d);
    return result;
}
