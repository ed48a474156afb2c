/* The last words of `run`: what was found, and what to type next. */
#ifndef STALLTRACE_SUMMARY_H
#define STALLTRACE_SUMMARY_H

#include "model/model.h"

/* Writes to stderr. `directory` as the user named it, NULL for the default; `argv` is the program's
 * command line. */
void print_summary(const struct model *model, const char *directory, char **argv);

#endif
