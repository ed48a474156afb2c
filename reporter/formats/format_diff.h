/* What `stalltrace diff` shows: for people, and as JSON (stalltrace.diff/1). */
#ifndef STALLTRACE_FORMAT_DIFF_H
#define STALLTRACE_FORMAT_DIFF_H

#include "model/compare.h"

/* `names`: what the user called the two sides. */
void format_diff_text(struct strbuf *out, const struct comparison *comparison,
                      const char *const names[2]);
void format_diff_json(struct strbuf *out, const struct comparison *comparison,
                      const char *const names[2]);
/* `total, max`: by what it is worse. */
void describe_worse(struct strbuf *out, unsigned int worse_by);

#endif
