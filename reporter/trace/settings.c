/* See settings.h. */
#include "settings.h"

#include <errno.h>
#include <string.h>

#include "common/amounts.h"
#include "util/util.h"

static const char *const class_names[] = {
#define CLASS(upper, lower) #lower,
#include "common/classes.def"
#undef CLASS
};

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static bool is_class(const char *text, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(class_names); i++) {
        if (is_word(text, len, class_names[i]))
            return true;
    }
    return false;
}

bool is_class_name(const char *text)
{
    return is_class(text, strlen(text));
}

static int parse_duration_n(const char *text, size_t len, uint64_t *ns)
{
    return st_parse_duration(text, len, ns) ? 0 : -EINVAL;
}

int parse_duration(const char *text, uint64_t *ns)
{
    return parse_duration_n(text, strlen(text), ns);
}

/* Calls `check` for each item of a comma-separated list. */
static int check_list(const char *text, int (*check)(const char *item, size_t len, bool first))
{
    for (const char *item = text;; item++) {
        size_t len = strcspn(item, ",");
        int result = check(item, len, item == text);
        if (result < 0 || item[len] == '\0')
            return result;
        item += len;
    }
}

static int check_threshold_item(const char *item, size_t len, bool first)
{
    uint64_t ns;
    const char *equals = memchr(item, '=', len);
    if (equals == NULL)
        return first ? parse_duration_n(item, len, &ns) : -EINVAL;
    size_t name = (size_t)(equals - item);
    if (!is_class(item, name))
        return -EINVAL;
    return parse_duration_n(equals + 1, len - name - 1, &ns);
}

int check_threshold(const char *text)
{
    return check_list(text, check_threshold_item);
}

int check_iteration_threshold(const char *text)
{
    uint64_t ns;
    return parse_duration(text, &ns);
}

int check_budget(const char *text)
{
    uint64_t ns;
    return parse_duration(text, &ns);
}

int parse_size(const char *text, uint64_t *bytes)
{
    return st_parse_size(text, bytes) ? 0 : -EINVAL;
}

int check_size(const char *text)
{
    uint64_t bytes;
    return parse_size(text, &bytes);
}

static int check_strict_item(const char *item, size_t len, bool first)
{
    (void)first;
    bool known = is_class(item, len) || is_word(item, len, "all") || is_word(item, len, "default");
    return known ? 0 : -EINVAL;
}

int check_strict(const char *text)
{
    static const char *const whole[] = {"", "0", "1", "no", "yes"};
    for (size_t i = 0; i < COUNT_OF(whole); i++) {
        if (strcmp(text, whole[i]) == 0)
            return 0;
    }
    return check_list(text, check_strict_item);
}

static int check_loops_item(const char *item, size_t len, bool first)
{
    (void)first;
    static const char *const words[] = {"auto", "poll", "main", "api"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (is_word(item, len, words[i]))
            return 0;
    }
    return len > strlen("name=") && starts_with(item, "name=") ? 0 : -EINVAL;
}

int check_loops(const char *text)
{
    return strlen(text) < ST_LOOPS_SIZE ? check_list(text, check_loops_item) : -EINVAL;
}

/* In the messages: each class with a blank before it. */
#define CLASS(upper, lower) " " #lower
const struct setting recording_settings[] = {
    {"threshold", "STALLTRACE_THRESHOLD", check_threshold,
     DURATIONS_ALLOWED ", also per class: 10ms,dns=0,file=50ms (classes:"
#include "common/classes.def"
                       ")"},
    {"iteration-threshold", "STALLTRACE_ITERATION_THRESHOLD", check_iteration_threshold,
     DURATIONS_ALLOWED},
    {"strict", "STALLTRACE_STRICT", check_strict,
     "classes, separated by commas (of"
#include "common/classes.def"
     "), or all"},
    {"loops", "STALLTRACE_LOOPS", check_loops,
     "auto, poll, main, api, name=GLOB, separated by commas (255 characters at most)"},
    {"budget", "STALLTRACE_BUDGET", check_budget, DURATIONS_ALLOWED},
    {"max-trace-size", "STALLTRACE_MAX_TRACE_SIZE", check_size,
     "a size in bytes or with a unit (64M, 512K, 1G)"},
    {"max-total-size", "STALLTRACE_MAX_TOTAL_SIZE", check_size,
     "a size in bytes or with a unit (64M, 512K, 1G)"},
};
#undef CLASS
const int recording_setting_count = (int)COUNT_OF(recording_settings);
