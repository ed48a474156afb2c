/* Suppression rules. A line is one rule: `kind:pattern`, several separated by blanks must all hold,
 * one with `!` before it must not; patterns are shell globs, in double quotes where they contain
 * blanks; `#` begins a comment. */
#define _GNU_SOURCE
#include "suppress.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "files.h"
#include "slot.h"

enum subject_kind {
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
};

static const char *const kind_names[] = {
    [BY_CALL] = "call",     [BY_CLASS] = "class",
    [BY_DETAIL] = "detail", [BY_PROCESS] = "process",
    [BY_THREAD] = "thread", [BY_CALLER] = "caller",
    [BY_FRAME] = "frame",   [BY_MODULE] = "module",
    [BY_FILE] = "file",     [BY_STRICT] = "strict",
    [BY_CALLEE] = "callee", [BY_FUNCTION] = "function",
    [BY_LOOP] = "loop",     [BY_FINGERPRINT] = "fingerprint",
};

struct condition {
    enum subject_kind kind;
    bool negated;
    char *pattern;
};

struct rule {
    struct condition *conditions;
    size_t count, cap;
    char *text;     /* as reports show it */
    uint64_t until; /* Unix time in s at which it no longer holds; 0: it always does */
    bool is_builtin, used;
};

struct rules {
    struct rule *rules;
    size_t count, cap;
};

struct rules *rules_new(void)
{
    return mem_calloc(1, sizeof(struct rules));
}

static void free_rule(struct rule *rule)
{
    for (size_t i = 0; i < rule->count; i++)
        free(rule->conditions[i].pattern);
    free(rule->conditions);
    free(rule->text);
}

void rules_free(struct rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++)
        free_rule(&rules->rules[i]);
    free(rules->rules);
    free(rules);
}

static bool find_kind(const char *name, size_t len, enum subject_kind *kind)
{
    for (size_t i = 0; i < COUNT_OF(kind_names); i++) {
        if (strlen(kind_names[i]) == len && memcmp(kind_names[i], name, len) == 0) {
            *kind = (enum subject_kind)i;
            return true;
        }
    }
    return false;
}

/* A class that does not exist covers nothing, and is a slip of the pen. */
static bool is_class(const char *pattern)
{
#define X(upper, lower) #lower,
    static const char *const classes[] = {ST_CLASSES(X) "iteration"};
#undef X
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (fnmatch(pattern, classes[i], 0) == 0)
            return true;
    }
    return false;
}

static bool is_date_in(const char *text, struct tm *date)
{
    int length = 0;
    *date = (struct tm){0};
    if (sscanf(text, "%4d-%2d-%2d%n", &date->tm_year, &date->tm_mon, &date->tm_mday, &length) != 3)
        return false;
    date->tm_year -= 1900;
    date->tm_mon--;
    struct tm same = *date;
    return (text[length] == '\0' || text[length] == ' ' || text[length] == '\t') &&
           timegm(&same) >= 0 && same.tm_mon == date->tm_mon && same.tm_mday == date->tm_mday;
}

/* `until=2027-01-31`: the rule holds to the end of that day (UTC). */
static int parse_until(const char **text, struct rule *rule, char **message)
{
    struct tm date;
    const char *word = *text + strlen("until=");
    if (!is_date_in(word, &date)) {
        *message = mem_printf("'%.*s' is no date; until= takes one like 2027-01-31",
                              (int)strcspn(word, " \t"), word);
        return -EINVAL;
    }
    date.tm_mday++;
    rule->until = (uint64_t)timegm(&date);
    *text = word + strcspn(word, " \t");
    return 0;
}

/* Takes one `kind:pattern` off `*text`. Returns 0, or -EINVAL with `*message` set. */
static int parse_condition(const char **text, struct condition *condition, char **message)
{
    const char *word = *text;
    condition->negated = *word == '!';
    word += condition->negated;
    size_t kind_len = strcspn(word, ": \t");
    if (word[kind_len] != ':' || !find_kind(word, kind_len, &condition->kind)) {
        *message =
            mem_printf("'%.*s' is not kind:pattern; the kinds are call, class, detail, "
                       "process, thread, loop, caller, callee, function, frame, module, file, "
                       "fingerprint, strict",
                       (int)strcspn(word, " \t"), word);
        return -EINVAL;
    }
    const char *pattern = word + kind_len + 1;
    size_t len;
    if (*pattern == '"') {
        pattern++;
        len = strcspn(pattern, "\"");
        if (pattern[len] != '"') {
            *message = mem_strdup("a quote is not closed");
            return -EINVAL;
        }
        *text = pattern + len + 1;
    } else {
        len = strcspn(pattern, " \t");
        *text = pattern + len;
    }
    if (len == 0) {
        *message = mem_printf("'%.*s' has no pattern; `%.*s:*` matches all", (int)kind_len + 1,
                              word, (int)kind_len, word);
        return -EINVAL;
    }
    condition->pattern = mem_printf("%.*s", (int)len, pattern);
    if (condition->kind == BY_CLASS && !is_class(condition->pattern)) {
        *message = mem_printf("there is no class '%s'", condition->pattern);
        return -EINVAL;
    }
    return 0;
}

/* Takes one term off `*text`: a condition, a date, or the word `and`. */
static int parse_term(const char **text, struct rule *rule, char **message)
{
    size_t len = strcspn(*text, " \t");
    if (starts_with(*text, "until="))
        return parse_until(text, rule, message);
    if (rule->count > 0 && len == strlen("and") && starts_with(*text, "and")) {
        *text += len;
        return 0;
    }
    GROW(rule->conditions, rule->count, rule->cap);
    rule->conditions[rule->count] = (struct condition){0};
    return parse_condition(text, &rule->conditions[rule->count++], message);
}

/* The line without comment and blanks around it. A `#` inside a word is part of a pattern. */
static char *strip(const char *line)
{
    const char *start = line + strspn(line, " \t\r\n");
    size_t len = strlen(start);
    for (size_t i = 0; i < len; i++) {
        if (start[i] == '#' && (i == 0 || start[i - 1] == ' ' || start[i - 1] == '\t'))
            len = i;
    }
    while (len > 0 && strchr(" \t\r\n", start[len - 1]) != NULL)
        len--;
    return mem_printf("%.*s", (int)len, start);
}

int rules_add(struct rules *rules, const char *line, const char *origin, char **message)
{
    char *text = strip(line);
    struct rule rule = {0};
    int result = 0;
    size_t column = strspn(line, " \t\r\n") + 1;
    for (const char *rest = text; result == 0 && *rest != '\0'; rest += strspn(rest, " \t")) {
        char *problem = NULL;
        const char *term = rest;
        result = parse_term(&rest, &rule, &problem);
        if (result < 0)
            *message = mem_printf("%zu: %s", column + (size_t)(term - text), problem);
        free(problem);
    }
    if (result == 0 && rule.count > 0) {
        rule.text = mem_printf("%s (%s)", text, origin);
        rule.is_builtin = strcmp(origin, "built in") == 0;
        GROW(rules->rules, rules->count, rules->cap);
        rules->rules[rules->count++] = rule;
    } else {
        free_rule(&rule);
    }
    free(text);
    return result;
}

int rules_load(struct rules *rules, const char *path, char **message)
{
    const off_t largest = 16 << 20;
    int fd = open_regular(path, largest);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        int error = fd < 0 ? -fd : errno;
        *message = mem_printf("%s: cannot read the suppressions: %s", path, why_not_opened(error));
        return -error;
    }
    char *line = NULL, *problem = NULL;
    size_t cap = 0, number = 0;
    int result = 0;
    while (result == 0 && getline(&line, &cap, file) >= 0) {
        char *origin = mem_printf("%s:%zu", base_name(path), ++number);
        result = rules_add(rules, line, origin, &problem);
        free(origin);
    }
    if (result < 0) {
        *message = mem_printf("%s:%zu:%s", path, number, problem);
    } else if (ferror(file)) {
        result = -EIO;
        *message = mem_printf("%s: cannot read the suppressions: %s", path, strerror(EISDIR));
    }
    free(problem);
    free(line);
    fclose(file);
    return result;
}

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

static bool matches(const struct condition *condition, const struct suppression_subject *subject)
{
    char digits[FINGERPRINT_DIGITS + 1];
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
        return glob(condition->pattern, subject->thread);
    case BY_CALLER:
        return glob(condition->pattern, caller(subject->view));
    case BY_STRICT:
        return glob(condition->pattern, subject->strict ? "yes" : "no");
    case BY_CALLEE:
        return glob(condition->pattern, subject->view->callee);
    case BY_FUNCTION:
        return subject->view->culprit >= 0 &&
               glob(condition->pattern, subject->view->frames[subject->view->culprit].function);
    case BY_LOOP:
        return glob(condition->pattern, subject->thread);
    case BY_FINGERPRINT:
        fingerprint(digits, subject->kind, subject->call, subject->view);
        return glob(condition->pattern, digits);
    case BY_FRAME:
    case BY_MODULE:
    case BY_FILE:
        break;
    }
    return any_frame(condition, subject->view);
}

static bool holds(const struct condition *condition, const struct suppression_subject *subject)
{
    return matches(condition, subject) != condition->negated;
}

const char *rules_match(const struct rules *rules, const struct suppression_subject *subject)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->rules[i];
        size_t held = 0;
        while (held < rule->count && holds(&rule->conditions[held], subject))
            held++;
        if (held == rule->count && (rule->until == 0 || (uint64_t)time(NULL) < rule->until)) {
            rule->used = true;
            return rule->text;
        }
    }
    return NULL;
}

size_t rules_unused(const struct rules *rules)
{
    size_t count = 0;
    for (size_t i = 0; i < rules->count; i++)
        count += !rules->rules[i].is_builtin && !rules->rules[i].used;
    return count;
}
