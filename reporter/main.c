/* The stalltrace command: the table of subcommands. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/commands.h"
#include "util/util.h"
#include "util/version.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", cmd_run, "run a program and record what blocks its event loops"},
    {"report", cmd_report, "show what a recording found"},
    {"stats", cmd_stats, "show how long the iterations of each loop took"},
    {"check", cmd_check, "exit with 1 if a recording has findings, for CI"},
    {"baseline", cmd_baseline, "write down the findings that are known, for `check --baseline`"},
    {"diff", cmd_diff, "say what is new, gone or worse in another recording"},
    {"suppress", cmd_suppress, "write rules that accept what a recording found"},
    {"doctor", cmd_doctor, "say whether a program can be traced"},
};

static void print_help(void)
{
    fputs("Examples:\n"
          "  stalltrace run -- python3 server.py   live lines while it runs, summary at the end\n"
          "  stalltrace -- ./server --port 80      the same\n"
          "  stalltrace report                     look closer\n"
          "  stalltrace check                      0 clean, 1 findings, 2 error, 3 no verdict\n"
          "\n"
          "Usage: stalltrace SUBCOMMAND [options] [arguments]\n"
          "       stalltrace [run options] -- COMMAND...\n"
          "\n"
          "Finds what blocks an event loop.\n"
          "\n"
          "Subcommands:\n",
          stdout);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    fputs("\n"
          "`stalltrace SUBCOMMAND --help` has the options of each.\n"
          "\n"
          "Options:\n"
          "  -h, --help      show this help\n"
          "  -V, --version   show the version\n",
          stdout);
}

static int unknown_command(const char *word)
{
    const char *names[COUNT_OF(commands) + 1] = {NULL};
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    const char *near = nearest_name(word, names);
    if (near != NULL)
        complain("%s: no such subcommand; did you mean `stalltrace %s`?", word, near);
    else
        complain("%s: no such subcommand; to trace a program: stalltrace run -- %s", word, word);
    return EXIT_ERROR;
}

/* `stalltrace --threshold 5ms -- command`: options of `run` in front of its command. */
static bool is_short_run(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return true;
    }
    return false;
}

/* Standard output may be a full disk: what stdio still holds must not get lost silently. */
static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("standard output: cannot be written to; was the disk full?");
        return EXIT_ERROR;
    }
    return status;
}

static int dispatch(int argc, char **argv)
{
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help();
        return EXIT_CLEAN;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("stalltrace " STALLTRACE_VERSION);
        return EXIT_CLEAN;
    }
    if (word[0] == '-' && is_short_run(argc, argv))
        return cmd_run(argc, argv);
    if (word[0] == '-') {
        static const struct option none[] = {
            {"help", 0, NULL, 'h'}, {"version", 0, NULL, 'V'}, {0}};
        const char *const names[] = {none[0].name, none[1].name, NULL};
        const char *near = nearest_name(word + strspn(word, "-"), names);
        if (near != NULL)
            complain("unknown option %s; did you mean --%s?", word, near);
        else
            complain("unknown option %s; `stalltrace --help` lists them", word);
        return EXIT_ERROR;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].name, word) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return unknown_command(word);
}

/* A standard descriptor that is closed would be the next file's that is opened, and messages would
 * go there. Those that are closed stay so for a program that is started. */
static void keep_standard_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    if (argc < 2) {
        complain("what shall be done? Try `stalltrace run -- COMMAND` or `stalltrace --help`");
        return EXIT_ERROR;
    }
    return finish(dispatch(argc, argv));
}
