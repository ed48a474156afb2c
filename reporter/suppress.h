/* Suppressions: rules that take known and accepted findings out of reports and verdicts. */
#ifndef STALLTRACE_SUPPRESS_H
#define STALLTRACE_SUPPRESS_H

#include "stackview.h"

struct rules;

/* What a rule is matched against. */
struct suppression_subject {
    enum stall_kind kind;
    const char *call;
    const char *class_name;
    const char *detail;
    const char *exe;
    bool strict;        /* under its threshold */
    const char *thread; /* the name of the loop's thread, or NULL */
    const struct stack_view *view;
};

struct rules *rules_new(void);
void rules_free(struct rules *rules);
/* The rules for idle waits that runtimes make by design (a parked tokio worker). */
void rules_add_builtin(struct rules *rules);
/* Reads a file of rules. Returns 0 or a negative errno; on failure `*message` (to be freed) says
 * what is wrong, with file, line and column. */
int rules_load(struct rules *rules, const char *path, char **message);
/* One line. Returns 0, or -EINVAL with `*message` set (`COLUMN: what is wrong`). `origin` is
 * copied. */
int rules_add(struct rules *rules, const char *line, const char *origin, char **message);
/* Whether any rule asks for the detail, which differs between stalls of one stack. */
bool rules_use_detail(const struct rules *rules);
/* Rules of the user's that have covered nothing so far. */
size_t rules_unused(const struct rules *rules);
/* The first rule that covers the subject, as text with its origin; NULL where none does. */
const char *rules_match(const struct rules *rules, const struct suppression_subject *subject);

#endif
