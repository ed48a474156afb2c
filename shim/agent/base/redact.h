/* What must not reach a trace: the values behind names like password or token in command lines and
 * URLs, and, where it was asked for, paths, hosts and arguments, which stand there by hash. */
#ifndef STALLTRACE_REDACT_H
#define STALLTRACE_REDACT_H

#include "text.h"

#include <stdbool.h>

enum st_next { ST_NEXT_ANY, ST_NEXT_VALUE, ST_NEXT_USER, ST_NEXT_REST };

/* From one word of a command to the next. Begin with zeros. */
struct st_redactor {
    const void *program; /* the last one that is known for options of its own */
    enum st_next next;   /* what the next word is */
};

/* One argument of a command line, as the program gets it. */
void st_redact_argument(struct st_redactor *r, const char *s, size_t n, struct st_text *out);
/* A command as a shell reads it. */
void st_redact_command(const char *s, size_t n, struct st_text *out);
/* A name of any other kind: a path, a host, a URL. */
void st_redact_name(const char *s, size_t n, struct st_text *out);

/* "#" and 12 hexadecimal digits: the same for the same text and salt. */
void st_hash_text(const char *s, size_t n, const char *salt, struct st_text *out);

#endif
