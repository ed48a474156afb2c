/* See run_environment.h. */
#define _GNU_SOURCE
#include "run_environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/settings.h"
#include "util/util.h"

/* A variable of ours that does not exist is a mistake, and its setting has no effect. */
static void name_unknown(void)
{
    static const char prefix[] = "STALLTRACE_";
    static const char *const others[] = {"OUTPUT", "SUPPRESSIONS",   "QUIET",
                                         "LOG",    "SHARED",         "REDACT",
                                         "PAGER",  "MAX_TOTAL_SIZE", "RUN"};
    extern char **environ;
    const char *outer = getenv("STALLTRACE_RUN");
    if (outer != NULL && outer[0] != '\0')
        return; /* that run has named it */
    for (char **v = environ; *v != NULL; v++) {
        size_t len = strcspn(*v, "=");
        bool is_known = !starts_with(*v, prefix);
        char *name = mem_printf("%.*s", (int)len, *v);
        for (int i = 0; !is_known && i < recording_setting_count; i++)
            is_known = strcmp(name, recording_settings[i].variable) == 0;
        for (size_t i = 0; !is_known && i < COUNT_OF(others); i++)
            is_known = strcmp(name + strlen(prefix), others[i]) == 0;
        if (!is_known)
            complain(
                "%s: there is no such setting; `stalltrace run --help` and the manual list them",
                name);
        free(name);
    }
}

/* Values from the environment are held to the same: the program must not start with a bad one. */
int check_environment(void)
{
    name_unknown();
    for (int i = 0; i < recording_setting_count; i++) {
        const struct setting *setting = &recording_settings[i];
        const char *value = getenv(setting->variable);
        if (value != NULL && setting->check(value) < 0) {
            complain("%s: '%s' is not understood; allowed: %s", setting->variable, value,
                     setting->allowed);
            return -EINVAL;
        }
    }
    return 0;
}
