/* See settings.h. */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "util.h"

#define CLASSES "sleep wait net dns file meta sync stdio lock process ipc tty raw"

static const char *const class_names[] = {"sleep", "wait", "net",     "dns", "file", "meta", "sync",
                                          "stdio", "lock", "process", "ipc", "tty",  "raw"};

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

static int unit_of(const char *text, size_t len, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}};
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (is_word(text, len, units[i].name)) {
            *ns = units[i].ns;
            return 0;
        }
    }
    return -EINVAL;
}

/* Integer arithmetic: a longest value that all parts agree on (30 years), and no rounding. */
static int parse_duration_n(const char *text, size_t len, uint64_t *ns)
{
    const uint64_t longest = 1000000000000000000u;
    uint64_t value = 0, scale = 1;
    size_t at = 0, digits = 0;
    bool fraction = false;
    for (; at < len && (isdigit((unsigned char)text[at]) || (text[at] == '.' && !fraction)); at++) {
        if (text[at] == '.') {
            fraction = true;
            continue;
        }
        if (value > longest / 10 || scale > longest / 10)
            return -EINVAL;
        value = value * 10 + (uint64_t)(text[at] - '0');
        scale *= fraction ? 10 : 1;
        digits++;
    }
    if (digits == 0)
        return -EINVAL;
    if (at == len && value == 0) {
        *ns = 0;
        return 0;
    }
    uint64_t unit = 0;
    if (unit_of(text + at, len - at, &unit) < 0 || value / scale > longest / unit)
        return -EINVAL;
    uint64_t whole = value / scale * unit;
    *ns = whole + (uint64_t)((double)(value % scale) / (double)scale * (double)unit + 0.5);
    return 0;
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
    static const char units[] = "KMG";
    uint64_t value = 0;
    size_t digits = strspn(text, "0123456789");
    /* A trace that is smaller holds nothing, one of 2^60 bytes no disk. */
    if (digits == 0 || digits > 18)
        return -EINVAL;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    const char *rest = text + digits;
    if (*rest != '\0') {
        const char *unit = strchr(units, toupper((unsigned char)*rest));
        if (unit == NULL || rest[1] != '\0')
            return -EINVAL;
        unsigned int shift = 10 * (unsigned int)(unit - units + 1);
        if (value > UINT64_MAX >> shift)
            return -EINVAL;
        value <<= shift;
    }
    if (value == 0)
        return -EINVAL;
    *bytes = value;
    return 0;
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
    return check_list(text, check_loops_item);
}

const struct setting recording_settings[] = {
    {"threshold", "STALLTRACE_THRESHOLD", check_threshold,
     DURATIONS_ALLOWED ", also per class: 10ms,dns=0,file=50ms (classes: " CLASSES ")"},
    {"iteration-threshold", "STALLTRACE_ITERATION_THRESHOLD", check_iteration_threshold,
     DURATIONS_ALLOWED},
    {"strict", "STALLTRACE_STRICT", check_strict,
     "classes, separated by commas (" CLASSES "), or all"},
    {"loops", "STALLTRACE_LOOPS", check_loops,
     "auto, poll, main, api, name=GLOB, separated by commas"},
    {"budget", "STALLTRACE_BUDGET", check_budget, DURATIONS_ALLOWED},
    {"max-trace-size", "STALLTRACE_MAX_TRACE_SIZE", check_size,
     "a size in bytes or with a unit (64M, 512K, 1G)"},
};
const int recording_setting_count = (int)COUNT_OF(recording_settings);
