/* Which rule covers a stall. See suppress.h; how a rule is written is in suppress_parse.c. */
#define _GNU_SOURCE
#include "suppress.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "util/quantities.h"
#include "place.h"

bool rules_use_detail(const struct rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        for (size_t j = 0; j < rules->rules[i].count; j++) {
            if (rules->rules[i].conditions[j].kind == BY_DETAIL)
                return true;
        }
    }
    return false;
}

static bool glob(const char *pattern, const char *text)
{
    return text != NULL && fnmatch(pattern, text, 0) == 0;
}

bool function_is_like(const struct frame *frame, const char *pattern)
{
    return glob(pattern, frame->function) ||
           (frame->lang == LANG_PYTHON && glob(pattern, last_name(frame->function)));
}

static bool any_frame(const struct condition *condition, const struct stack_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        const struct frame *frame = &view->frames[i];
        bool found = false;
        if (condition->kind == BY_FRAME)
            found = glob(condition->pattern, frame->function);
        else if (condition->kind == BY_FILE)
            found = glob(condition->pattern, frame->file);
        else
            found = glob(condition->pattern, frame->module) ||
                    glob(condition->pattern, frame->module_path);
        if (found)
            return true;
    }
    return false;
}

/* What called the blocking function; an iteration has none. */
static const char *caller(const struct stack_view *view)
{
    return view->begins_with_call && view->count > 1 ? view->frames[1].function : NULL;
}

/* A subject with what is only made where a rule asks for it. */
struct prepared {
    const struct suppression_subject *subject;
    char digits[FINGERPRINT_DIGITS + 1];
};

static const char *digits_of(struct prepared *prepared)
{
    const struct suppression_subject *subject = prepared->subject;
    if (prepared->digits[0] == '\0')
        fingerprint(prepared->digits, subject->kind, subject->call, subject->view);
    return prepared->digits;
}

static bool matches(const struct condition *condition, struct prepared *prepared)
{
    const struct suppression_subject *subject = prepared->subject;
    const struct stack_view *view = subject->view;
    switch (condition->kind) {
    case BY_CALL:
        return glob(condition->pattern, subject->call);
    case BY_CLASS:
        return glob(condition->pattern, subject->class_name);
    case BY_DETAIL:
        return glob(condition->pattern, subject->detail);
    case BY_PROCESS:
        return glob(condition->pattern, subject->exe) ||
               (subject->exe != NULL && glob(condition->pattern, base_name(subject->exe)));
    case BY_THREAD:
    case BY_LOOP:
        return glob(condition->pattern, subject->thread);
    case BY_CALLER:
        return glob(condition->pattern, caller(view));
    case BY_STRICT:
        return glob(condition->pattern, subject->strict ? "yes" : "no");
    case BY_CALLEE:
        return glob(condition->pattern, view->callee);
    case BY_FUNCTION:
        return view->culprit >= 0 &&
               function_is_like(&view->frames[view->culprit], condition->pattern);
    case BY_FINGERPRINT:
        return glob(condition->pattern, digits_of(prepared));
    case BY_STACK:
        return stack_has_steps(view, condition->steps, condition->step_count);
    case BY_FRAME:
    case BY_MODULE:
    case BY_FILE:
    case CONDITION_KINDS:
        break;
    }
    return any_frame(condition, view);
}

static bool holds(const struct rule *rule, struct prepared *prepared)
{
    for (size_t i = 0; i < rule->count; i++) {
        const struct condition *condition = &rule->conditions[i];
        if (matches(condition, prepared) == condition->negated)
            return false;
    }
    return true;
}

bool rule_has_expired(const struct rule *rule)
{
    return rule->until > 0 && (uint64_t)time(NULL) >= rule->until;
}

struct rule *rules_match(const struct rules *rules, const struct suppression_subject *subject)
{
    struct prepared prepared = {.subject = subject};
    struct rule *first = NULL;
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->rules[i];
        /* A rule of the user's that matches is of use, though another one came first. */
        if (first != NULL && (rule->file == NULL || rule->matched))
            continue;
        if (rule_has_expired(rule) || !holds(rule, &prepared))
            continue;
        rule->matched = true;
        first = first != NULL ? first : rule;
    }
    return first;
}

bool rule_is_unused(const struct rule *rule)
{
    return rule->file != NULL && !rule->matched;
}

size_t rules_unused(const struct rules *rules)
{
    size_t count = 0;
    for (size_t i = 0; rules != NULL && i < rules->count; i++)
        count += rule_is_unused(&rules->rules[i]);
    return count;
}

void describe_rule(struct strbuf *out, const struct rule *rule)
{
    sb_add_clean(out, rule->text);
    if (rule->file == NULL) {
        sb_add(out, " (built in)");
        return;
    }
    sb_add(out, " (");
    sb_add_clean(out, base_name(rule->file));
    sb_addf(out, ":%zu)", rule->line);
}

void describe_suppression(struct strbuf *out, const struct rule *rule)
{
    sb_add(out, "suppressed by ");
    describe_rule(out, rule);
    sb_add(out, ", which covers ");
    describe_count(out, rule->hits, "stall");
    if (rule->reason != NULL) {
        sb_add(out, ": ");
        sb_add_clean(out, rule->reason);
    }
}

void describe_unused(struct strbuf *out, const struct rules *rules, const char *prefix)
{
    enum { SHOWN = 20 };
    size_t unused = rules_unused(rules), shown = 0;
    for (size_t i = 0; shown < unused && shown < SHOWN && i < rules->count; i++) {
        const struct rule *rule = &rules->rules[i];
        if (!rule_is_unused(rule))
            continue;
        shown++;
        sb_add(out, prefix);
        sb_add(out, "unused suppression: ");
        sb_add_clean(out, rule->file);
        sb_addf(out, ":%zu: ", rule->line);
        sb_add_clean(out, rule->text);
        sb_add(out, rule_has_expired(rule) ? " (its date is over)\n" : "\n");
    }
    if (unused > shown) {
        sb_add(out, prefix);
        sb_addf(out, "and %zu more unused suppressions (`unused_rules` in --format json)\n",
                unused - shown);
    }
}
