/* The subcommands. Each is a file of its own with its options and its help, gets argv with its own
 * name in argv[0], and returns the exit status. */
#ifndef STALLTRACE_COMMANDS_H
#define STALLTRACE_COMMANDS_H

#include <getopt.h>

#include "util/exit_status.h"

int cmd_run(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_baseline(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_suppress(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* After getopt_long gave '?' or ':' (options.c): says which option of which command is wrong and
 * what was probably meant. Returns EXIT_ERROR. */
int bad_option(const char *command, const struct option *options, int result, char **argv);

#endif
