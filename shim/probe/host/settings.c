/* The settings, from the environment. A value that cannot be understood is replaced by the default;
 * a process that runs a loop names it in one line on stderr, and again in its trace (complaint.c).
 */
#include "probe/probe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <fnmatch.h>

struct st_settings st_settings;
uint32_t st_loops;

static const char *const class_names[] = {
#define CLASS(upper, lower) #lower,
#include "common/classes.def"
#undef CLASS
};

static void append(char *to, size_t size, const char *text)
{
    size_t n = strlen(to);
    for (; *text && n + 1 < size; text++)
        to[n++] = *text;
    to[n] = 0;
}

static void complain(const char *variable, const char *value, const char *allowed)
{
    if (st_settings.bad[0])
        return; /* the first is enough to go on with */
    char *b = st_settings.bad;
    size_t n = sizeof(st_settings.bad);
    append(b, n, variable);
    append(b, n, "=");
    append(b, n > 200 ? 200 : n, value);
    append(b, n, ": not understood; allowed: ");
    append(b, n, allowed);
    append(b, n, ". The default is used");
}

static bool is_word(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - p) == n && !strncmp(p, word, n);
}

static bool parse_duration(const char *p, const char *end, uint64_t *ns)
{
    return st_parse_duration(p, (size_t)(end - p), ns);
}

static int class_of(const char *p, const char *end)
{
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        if (is_word(p, end, class_names[i]))
            return i;
    return -1;
}

static const char *end_of_item(const char *p)
{
    const char *comma = strchr(p, ',');
    return comma ? comma : p + strlen(p);
}

/* "10ms,dns=0,file=50ms" */
static bool parse_thresholds(const char *text, uint64_t *thresholds)
{
    uint64_t t[ST_CLASS_COUNT], all;
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        t[i] = thresholds[i];
    for (const char *p = text, *end;; p = end + 1) {
        end = end_of_item(p);
        const char *equals = memchr(p, '=', (size_t)(end - p));
        if (equals) {
            int class = class_of(p, equals);
            if (class < 0 || !parse_duration(equals + 1, end, &t[class]))
                return false;
        } else {
            if (p != text || !parse_duration(p, end, &all))
                return false;
            for (int i = 0; i < ST_CLASS_COUNT; i++)
                t[i] = all;
        }
        if (!*end)
            break;
    }
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        thresholds[i] = t[i];
    return true;
}

static bool parse_strict(const char *text, uint32_t *strict)
{
    const uint32_t usual = 1u << ST_SLEEP | 1u << ST_WAIT | 1u << ST_NET | 1u << ST_DNS |
                           1u << ST_SYNC | 1u << ST_PROCESS;
    if (!*text || !strcmp(text, "0") || !strcmp(text, "no")) {
        *strict = 0;
        return true;
    }
    if (!strcmp(text, "1") || !strcmp(text, "yes")) {
        *strict = usual;
        return true;
    }
    uint32_t mask = 0;
    for (const char *p = text, *end;; p = end + 1) {
        end = end_of_item(p);
        int class = class_of(p, end);
        if (is_word(p, end, "all"))
            mask |= (1u << ST_CLASS_COUNT) - 1;
        else if (is_word(p, end, "default"))
            mask |= usual;
        else if (class >= 0)
            mask |= 1u << class;
        else
            return false;
        if (!*end)
            break;
    }
    *strict = mask;
    return true;
}

static bool parse_loops(const char *text, uint32_t *loops)
{
    uint32_t mask = 0;
    for (const char *p = text, *end;; p = end + 1) {
        end = end_of_item(p);
        if (is_word(p, end, "auto"))
            mask |= ST_LOOPS_AUTO;
        else if (is_word(p, end, "poll"))
            mask |= ST_LOOPS_POLL;
        else if (is_word(p, end, "main"))
            mask |= ST_LOOPS_MAIN;
        else if (is_word(p, end, "api"))
            mask |= ST_LOOPS_API;
        else if (end - p > 5 && !strncmp(p, "name=", 5))
            mask |= ST_LOOPS_NAME;
        else
            return false;
        if (!*end)
            break;
    }
    *loops = mask;
    return true;
}

/* Is there a name=GLOB among the loops that this thread name matches? */
bool st_name_matches(const char *name)
{
    for (const char *p = st_settings.loops, *end; *p; p = *end ? end + 1 : end) {
        char glob[64];
        end = end_of_item(p);
        size_t n = (size_t)(end - p);
        if (n <= 5 || strncmp(p, "name=", 5) != 0 || n - 5 >= sizeof(glob))
            continue;
        memcpy(glob, p + 5, n - 5);
        glob[n - 5] = 0;
        if (fnmatch(glob, name, 0) == 0)
            return true;
    }
    return false;
}

/* The directory, made absolute now: a daemon changes its own later. Empty for "none": nothing is
 * written. */
static void set_output(const char *text)
{
    char *out = st_settings.output;
    size_t size = sizeof(st_settings.output);
    out[0] = 0;
    if (!text || !*text)
        text = "stalltrace.out";
    if (!strcmp(text, "none"))
        return;
    if (*text != '/') {
        if (ST_RAW(SYS_getcwd, out, size, 0, 0) < 0)
            out[0] = 0;
        append(out, size, "/");
    }
    append(out, size, text);
}

static bool is_on(const char *text)
{
    return text && *text && strcmp(text, "0") != 0;
}

extern char **environ;

/* A variable of ours that does not exist is a mistake, and its setting has no effect. */
static void name_unknown(void)
{
    static const char *const known[] = {"OUTPUT", "THRESHOLD",      "ITERATION_THRESHOLD",
                                        "STRICT", "LOOPS",          "SUPPRESSIONS",
                                        "QUIET",  "MAX_TRACE_SIZE", "BUDGET",
                                        "LOG",    "SHARED",         "MAX_TOTAL_SIZE",
                                        "REDACT", "PAGER",          "RUN"};
    static const char prefix[] = "STALLTRACE_";
    if (st_settings.run[0])
        return; /* `run` has named it */
    for (char **v = environ; v && *v; v++) {
        const char *name = *v + sizeof(prefix) - 1, *equals = strchr(*v, '=');
        bool is_known = strncmp(*v, prefix, sizeof(prefix) - 1) != 0 || !equals;
        for (size_t i = 0; !is_known && i < sizeof(known) / sizeof(known[0]); i++)
            is_known = is_word(name, equals, known[i]);
        if (is_known || st_settings.bad[0])
            continue;
        char *b = st_settings.bad;
        size_t n = sizeof(st_settings.bad);
        for (const char *c = *v; c < equals && strlen(b) < 64; c++)
            append(b, n, (char[]){*c, 0});
        append(b, n,
               ": there is no such setting; `stalltrace run --help` and the manual list them");
    }
}

void st_settings_read(void)
{
    const char *text;
    for (int i = 0; i < ST_CLASS_COUNT; i++)
        st_settings.threshold_ns[i] = 10000000;
    st_settings.iteration_ns = 100000000;
    st_settings.max_trace_size = 64 << 20;
    st_loops = ST_LOOPS_AUTO;
    append(st_settings.loops, sizeof(st_settings.loops), "auto");

    text = secure_getenv("STALLTRACE_THRESHOLD");
    if (text && !parse_thresholds(text, st_settings.threshold_ns))
        complain("STALLTRACE_THRESHOLD", text,
                 "a duration (10ms, 0, 1.5s) and then, separated by commas, CLASS=DURATION with a "
                 "class of sleep wait net dns file meta sync stdio lock process ipc tty raw");
    text = secure_getenv("STALLTRACE_ITERATION_THRESHOLD");
    if (text && !parse_duration(text, text + strlen(text), &st_settings.iteration_ns))
        complain("STALLTRACE_ITERATION_THRESHOLD", text, "a duration (100ms, 1.5s)");
    text = secure_getenv("STALLTRACE_STRICT");
    if (text && !parse_strict(text, &st_settings.strict))
        complain("STALLTRACE_STRICT", text,
                 "1, 0, all, or classes of sleep wait net dns file meta sync stdio lock process "
                 "ipc tty raw, separated by commas");
    text = secure_getenv("STALLTRACE_LOOPS");
    if (text) {
        if (strlen(text) < sizeof(st_settings.loops) && parse_loops(text, &st_loops)) {
            st_settings.loops[0] = 0;
            append(st_settings.loops, sizeof(st_settings.loops), text);
        } else {
            complain(
                "STALLTRACE_LOOPS", text,
                "auto, poll, main, api, name=GLOB, separated by commas (255 characters at most)");
        }
    }
    text = secure_getenv("STALLTRACE_BUDGET");
    if (text && *text && !parse_duration(text, text + strlen(text), &st_settings.budget_ns))
        complain("STALLTRACE_BUDGET", text, "a duration (1s, 500ms)");
    text = secure_getenv("STALLTRACE_MAX_TRACE_SIZE");
    if (text && *text && !st_parse_size(text, &st_settings.max_trace_size))
        complain("STALLTRACE_MAX_TRACE_SIZE", text,
                 "a size above 0 in bytes, or with K, M or G (64M)");
    text = secure_getenv("STALLTRACE_MAX_TOTAL_SIZE");
    if (text && *text && !st_parse_size(text, &st_settings.max_total_size))
        complain("STALLTRACE_MAX_TOTAL_SIZE", text,
                 "a size above 0 in bytes, or with K, M or G (1G)");
    st_settings.shared = is_on(secure_getenv("STALLTRACE_SHARED"));
    st_settings.redact = is_on(secure_getenv("STALLTRACE_REDACT"));
    text = secure_getenv("STALLTRACE_RUN");
    append(st_settings.run, sizeof(st_settings.run), text ? text : "");
    name_unknown();
    text = secure_getenv("STALLTRACE_QUIET");
    st_settings.quiet = text && *text && strcmp(text, "0") != 0;
    set_output(secure_getenv("STALLTRACE_OUTPUT"));
}
