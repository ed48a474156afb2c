/* Where a report goes: standard output, a file that is complete or absent, or a pager. */
#ifndef STALLTRACE_OUTPUT_H
#define STALLTRACE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

bool output_is_terminal(int fd);
/* A terminal, and neither NO_COLOR nor TERM=dumb speak against it. */
bool output_wants_color(int fd);
/* Does the user's locale say UTF-8? Where it does not, text is made of what everybody has. */
bool output_is_utf8(void);
/* Replaces the characters of the reports' own that are not ASCII; what is the user's stays. */
void text_to_ascii(struct strbuf *text);
/* These complain themselves; 0 or a negative errno. */
int output_to_file(const char *path, const char *text, size_t len);
int output_to_stdout(const char *text, size_t len);
int output_to_pager(const char *text, size_t len);

#endif
