/* The recording's settings: what `run` takes as options and hands on as STALLTRACE_* variables. The
 * probe reads the same grammar; here it is checked before a program starts. */
#ifndef STALLTRACE_SETTINGS_H
#define STALLTRACE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

/* Each returns 0 or -EINVAL. */
int parse_duration(const char *text, uint64_t *ns); /* 10ms, 0, 1s, 500us, 1.5s, 100ns, 1m */
int check_threshold(const char *text);              /* 10ms,dns=0,file=50ms */
int check_iteration_threshold(const char *text);
int check_budget(const char *text);                /* 1s; 0 is none */
int parse_size(const char *text, uint64_t *bytes); /* 64M, 1G, 512K, 1000000 */
int check_size(const char *text);
int check_strict(const char *text); /* sleep,net; all; default; 1 and 0 */
bool is_class_name(const char *text);
int check_loops(const char *text); /* auto,poll,main,api,name=GLOB */

/* One row a setting that is a plain value; `option` is its name without the dashes. */
struct setting {
    const char *option;
    const char *variable;
    int (*check)(const char *text);
    const char *allowed; /* for the complaint */
};
extern const struct setting recording_settings[];
extern const int recording_setting_count;

#define DURATIONS_ALLOWED "a duration with its unit (10ms, 1.5s, 500us, 100ns, 1m, or 0)"

#endif
