/* Values of settings: the command's own checks and the probe's, which must agree. The first byte
 * says which of them. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/probe.h"
#include "trace/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *variable;
    int (*check)(const char *text);
} rows[] = {
    {"STALLTRACE_THRESHOLD", check_threshold},
    {"STALLTRACE_ITERATION_THRESHOLD", check_iteration_threshold},
    {"STALLTRACE_STRICT", check_strict},
    {"STALLTRACE_LOOPS", check_loops},
    {"STALLTRACE_BUDGET", check_budget},
    {"STALLTRACE_MAX_TRACE_SIZE", check_size},
};

static const char *variable, *value_of_it;

/* In place of libc's: setenv keeps each value for ever. */
char *secure_getenv(const char *name)
{
    static char quiet[] = "1";
    if (strcmp(name, "STALLTRACE_QUIET") == 0)
        return quiet;
    return variable && strcmp(name, variable) == 0 ? (char *)(uintptr_t)value_of_it : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = strndup((const char *)data + 1, size - 1);
    size_t which = data[0] % (sizeof(rows) / sizeof(rows[0]));
    if (text == NULL)
        return 0;
    variable = rows[which].variable;
    value_of_it = text;
    memset(&st_settings, 0, sizeof(st_settings));
    st_settings_read();
    st_name_matches("worker-1");
    if (strlen(st_settings.loops) >= sizeof(st_settings.loops) ||
        strlen(st_settings.bad) >= sizeof(st_settings.bad))
        abort();
    if (text[0] && (rows[which].check(text) == 0) != (st_settings.bad[0] == 0)) {
        fprintf(stderr, "%s=%s: the command and the probe do not agree\n", rows[which].variable,
                text);
        abort();
    }
    uint64_t value;
    parse_duration(text, &value);
    parse_size(text, &value);
    is_class_name(text);
    free(text);
    return 0;
}
