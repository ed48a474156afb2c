/* Suppressions: rules that take known and accepted findings out of reports and verdicts. */
#ifndef STALLTRACE_SUPPRESS_H
#define STALLTRACE_SUPPRESS_H

#include "stacks/stackview.h"

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

enum condition_kind {
    BY_CALL,
    BY_CLASS,
    BY_DETAIL,
    BY_PROCESS,
    BY_THREAD,
    BY_CALLER,
    BY_FRAME,
    BY_MODULE,
    BY_FILE,
    BY_STRICT, /* yes, no */
    BY_CALLEE,
    BY_FUNCTION, /* the culprit's */
    BY_LOOP,
    BY_FINGERPRINT,
    BY_STACK,
    CONDITION_KINDS,
};

/* A frame of a path: `a>…>b`. */
struct step {
    char *pattern;
    bool after_gap; /* any frames may lie between it and the one that called it */
};

struct condition {
    enum condition_kind kind;
    bool negated;
    char *pattern;
    struct step *steps; /* of BY_STACK: outermost first */
    size_t step_count, step_cap;
};

struct rule {
    struct condition *conditions; /* all must hold */
    size_t count, cap;
    const char *text;   /* the conditions, as they were written; pooled */
    const char *reason; /* what stands behind `#`, or NULL; pooled */
    const char *file;   /* NULL: built in; pooled */
    size_t line;
    uint64_t until; /* Unix time in s at which it no longer holds; 0: it always does */
    bool matched;   /* some stall, whether another rule came first or not */
    uint64_t hits;  /* stalls that it covers, once the model is sorted */
};

struct rules {
    struct rule *rules;
    size_t count, cap;
};

struct rules *rules_new(void);
void rules_free(struct rules *rules);
/* The rules for idle waits that runtimes make by design (a parked tokio worker). */
void rules_add_builtin(struct rules *rules);
/* Reads a file of rules. Returns 0 or a negative errno; on failure `*message` (to be freed) says
 * what is wrong, with file, line and column. */
int rules_load(struct rules *rules, const char *path, char **message);
/* One line, the `number`th of `file` (NULL: built in). Returns 0, or -EINVAL with `*message` set
 * (`COLUMN: what is wrong`). */
int rules_add(struct rules *rules, const char *line, const char *file, size_t number,
              char **message);
/* Whether any rule asks for the detail, which differs between stalls of one stack. */
bool rules_use_detail(const struct rules *rules);
/* The first rule that covers the subject, NULL where none does. */
struct rule *rules_match(const struct rules *rules, const struct suppression_subject *subject);

/* Is it one of the user's that has matched nothing so far? */
bool rule_is_unused(const struct rule *rule);
size_t rules_unused(const struct rules *rules);
bool rule_has_expired(const struct rule *rule);
/* `call:fsync file:*.py (rules.txt:3)`: as it stands in reports. */
void describe_rule(struct strbuf *out, const struct rule *rule);
/* The user's rules that have matched nothing, a line each. */
void describe_unused(struct strbuf *out, const struct rules *rules, const char *prefix);
/* Of a finding: the rule that covers it, how many stalls that does, and its reason. */
void describe_suppression(struct strbuf *out, const struct rule *rule);

/* The kinds' names, in the order of enum condition_kind. */
extern const char *const condition_names[CONDITION_KINDS];
/* Does some path of the stack's frames have these steps (suppress_stack.c)? */
bool stack_has_steps(const struct stack_view *view, const struct step *steps, size_t count);
/* A frame's function, of Python also its last part, which is all that older interpreters tell. */
bool function_is_like(const struct frame *frame, const char *pattern);

#endif
