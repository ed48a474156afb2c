/* Reading suppression rules. A line is one rule: `kind:pattern`, several separated by blanks must
 * all hold, one with `!` before it must not; patterns are shell globs, in double quotes where they
 * contain blanks; `#` at the beginning of a word begins the reason. */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/files.h"
#include "suppress.h"

#define BLANKS " \t\r\n"

const char *const condition_names[CONDITION_KINDS] = {
    [BY_CALL] = "call",     [BY_CLASS] = "class",
    [BY_DETAIL] = "detail", [BY_PROCESS] = "process",
    [BY_THREAD] = "thread", [BY_CALLER] = "caller",
    [BY_FRAME] = "frame",   [BY_MODULE] = "module",
    [BY_FILE] = "file",     [BY_STRICT] = "strict",
    [BY_CALLEE] = "callee", [BY_FUNCTION] = "function",
    [BY_LOOP] = "loop",     [BY_FINGERPRINT] = "fingerprint",
    [BY_STACK] = "stack",
};

static void free_condition(struct condition *condition)
{
    for (size_t i = 0; i < condition->step_count; i++)
        free(condition->steps[i].pattern);
    free(condition->steps);
    free(condition->pattern);
}

static void free_rule(struct rule *rule)
{
    for (size_t i = 0; i < rule->count; i++)
        free_condition(&rule->conditions[i]);
    free(rule->conditions);
}

struct rules *rules_new(void)
{
    return mem_calloc(1, sizeof(struct rules));
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

static bool find_kind(const char *name, size_t len, enum condition_kind *kind)
{
    for (size_t i = 0; i < CONDITION_KINDS; i++) {
        if (strlen(condition_names[i]) == len && memcmp(condition_names[i], name, len) == 0) {
            *kind = (enum condition_kind)i;
            return true;
        }
    }
    return false;
}

/* A class that does not exist covers nothing, and is a slip of the pen. */
static bool is_class(const char *pattern)
{
    static const char *const classes[] = {
#define CLASS(upper, lower) #lower,
#include "common/classes.def"
#undef CLASS
        "iteration"};
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
    return strcspn(text, BLANKS) == (size_t)length && timegm(&same) >= 0 &&
           same.tm_mon == date->tm_mon && same.tm_mday == date->tm_mday;
}

/* `until=2027-01-31`: the rule holds to the end of that day (UTC). */
static int parse_until(const char **text, struct rule *rule, char **message)
{
    struct tm date;
    const char *word = *text + strlen("until=");
    if (!is_date_in(word, &date)) {
        *message = mem_printf("'%.*s' is no date; until= takes one like 2027-01-31",
                              (int)strcspn(word, BLANKS), word);
        return -EINVAL;
    }
    date.tm_mday++;
    rule->until = (uint64_t)timegm(&date);
    *text = word + strcspn(word, BLANKS);
    return 0;
}

/* The length of what comes before the next `>` of a path. Brackets of templates and generics come
 * in pairs, and an arrow is not a step: `f<int>`, `operator->`. */
static size_t step_len(const char *text)
{
    size_t depth = 0, at = 0;
    for (; text[at] != '\0'; at++) {
        if (text[at] == '<')
            depth++;
        else if (text[at] == '>' && depth > 0)
            depth--;
        else if (text[at] == '>' && (at == 0 || text[at - 1] != '-'))
            break;
    }
    return at;
}

static bool is_gap(const char *step, size_t len)
{
    return len == 3 && (memcmp(step, "...", len) == 0 || memcmp(step, "…", len) == 0);
}

/* `a>b>…>c`: the frames of a path, the caller first. */
static int parse_steps(struct condition *condition, char **message)
{
    bool gap = true; /* before the first one */
    for (const char *at = condition->pattern;; at++) {
        size_t whole = step_len(at), len = whole;
        const char *step = at + strspn(at, " ");
        len -= (size_t)(step - at) < len ? (size_t)(step - at) : len;
        while (len > 0 && step[len - 1] == ' ')
            len--;
        if (len == 0) {
            *message = mem_printf("'%s' has a step without a name; a path is like a>b or a>...>b",
                                  condition->pattern);
            return -EINVAL;
        }
        if (is_gap(step, len)) {
            gap = true;
        } else {
            GROW(condition->steps, condition->step_count, condition->step_cap);
            condition->steps[condition->step_count++] =
                (struct step){mem_printf("%.*s", (int)len, step), gap};
            gap = false;
        }
        at += whole;
        if (*at == '\0')
            break;
    }
    if (condition->step_count > 0)
        return 0;
    *message = mem_printf("'%s' names no frame", condition->pattern);
    return -EINVAL;
}

static bool is_digits_pattern(const char *pattern)
{
    return pattern[strspn(pattern, "0123456789abcdef*?[]!^-")] == '\0';
}

/* Is the pattern one that can match at all? */
static int check_pattern(struct condition *condition, char **message)
{
    const char *pattern = condition->pattern;
    switch (condition->kind) {
    case BY_CLASS:
        if (is_class(pattern))
            return 0;
        *message = mem_printf("there is no class '%s'", pattern);
        return -EINVAL;
    case BY_STRICT:
        if (fnmatch(pattern, "yes", 0) == 0 || fnmatch(pattern, "no", 0) == 0)
            return 0;
        *message = mem_printf("strict is yes or no, not '%s'", pattern);
        return -EINVAL;
    case BY_FINGERPRINT:
        if (is_digits_pattern(pattern))
            return 0;
        *message =
            mem_printf("'%s' is no fingerprint; it has %d digits, 0 to 9 and a to f, as reports "
                       "show it",
                       pattern, FINGERPRINT_DIGITS);
        return -EINVAL;
    case BY_STACK:
        return parse_steps(condition, message);
    default:
        return 0;
    }
}

static char *unknown_kind(const char *word)
{
    char *kinds = mem_strdup("");
    for (size_t i = 0; i < CONDITION_KINDS; i++) {
        char *longer = mem_printf("%s%s%s", kinds, i > 0 ? ", " : "", condition_names[i]);
        free(kinds);
        kinds = longer;
    }
    char *message = mem_printf("'%.*s' is not kind:pattern; the kinds are %s",
                               (int)strcspn(word, BLANKS), word, kinds);
    free(kinds);
    return message;
}

/* Takes one `kind:pattern` off `*text`. Returns 0, or -EINVAL with `*message` set. */
static int parse_condition(const char **text, struct condition *condition, char **message)
{
    const char *word = *text;
    condition->negated = *word == '!';
    word += condition->negated;
    size_t kind_len = strcspn(word, ":" BLANKS);
    if (word[kind_len] != ':' || !find_kind(word, kind_len, &condition->kind)) {
        *message = unknown_kind(word);
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
        len = strcspn(pattern, BLANKS);
        *text = pattern + len;
    }
    if (len == 0) {
        *message = mem_printf("'%.*s' has no pattern; `%.*s:*` matches all", (int)kind_len + 1,
                              word, (int)kind_len, word);
        return -EINVAL;
    }
    condition->pattern = mem_printf("%.*s", (int)len, pattern);
    return check_pattern(condition, message);
}

/* Takes one term off `*text`: a condition, a date, or the word `and`. */
static int parse_term(const char **text, struct rule *rule, char **message)
{
    size_t len = strcspn(*text, BLANKS);
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

static size_t trimmed(const char *text, size_t len)
{
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
        len--;
    return len;
}

/* Everything in front of the reason. Returns the beginning of that, or the end of the line. */
static const char *parse_terms(struct rule *rule, const char *line, char **message)
{
    const char *at = line + strspn(line, BLANKS);
    while (*at != '\0' && *at != '#') {
        char *problem = NULL;
        const char *term = at;
        int result = parse_term(&at, rule, &problem);
        if (result == 0 && *at != '\0' && strchr(BLANKS "#", *at) == NULL) {
            problem =
                mem_printf("'%.*s' is glued to a quoted pattern", (int)strcspn(at, BLANKS), at);
            term = at;
            result = -EINVAL;
        }
        if (result < 0) {
            *message = mem_printf("%zu: %s", (size_t)(term - line) + 1, problem);
            free(problem);
            return NULL;
        }
        at += strspn(at, BLANKS);
    }
    return at;
}

int rules_add(struct rules *rules, const char *line, const char *file, size_t number,
              char **message)
{
    struct rule rule = {.file = file != NULL ? intern(file) : NULL, .line = number};
    const char *start = line + strspn(line, BLANKS);
    const char *end = parse_terms(&rule, line, message);
    if (end != NULL && rule.count == 0 && rule.until > 0) {
        *message = mem_printf("%zu: a date alone covers nothing: a rule has a kind:pattern",
                              (size_t)(start - line) + 1);
        end = NULL;
    }
    if (end == NULL || rule.count == 0) {
        free_rule(&rule);
        return end == NULL ? -EINVAL : 0;
    }
    rule.text = intern_n(start, trimmed(start, (size_t)(end - start)));
    const char *reason = end + strspn(end, "#" BLANKS);
    size_t len = trimmed(reason, strlen(reason));
    rule.reason = len > 0 ? intern_n(reason, len) : NULL;
    GROW(rules->rules, rules->count, rules->cap);
    rules->rules[rules->count++] = rule;
    return 0;
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
    while (result == 0 && getline(&line, &cap, file) >= 0)
        result = rules_add(rules, line, path, ++number, &problem);
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
