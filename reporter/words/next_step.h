/* The command to type next. */
#ifndef STALLTRACE_NEXT_STEP_H
#define STALLTRACE_NEXT_STEP_H

#include "util/util.h"

/* `stalltrace report --baseline ci/known.json web.out`: for a shell, in so far as the words are.
 * `option` with its value may be NULL; `paths` too. Many paths are `TRACE...`. */
void describe_command(struct strbuf *out, const char *subcommand, const char *option,
                      const char *value, char *const *paths, size_t count);

#endif
