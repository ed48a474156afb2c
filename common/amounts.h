/* Durations and sizes as a user writes them. The command checks them before a program starts and
 * the probe reads them within it: both by this, so that they always agree. Nothing but arithmetic.
 */
#ifndef STALLTRACE_AMOUNTS_H
#define STALLTRACE_AMOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 30 years, 1 EiB: nothing that is added to them overflows. */
#define ST_LONGEST_NS   1000000000000000000u
#define ST_LARGEST_SIZE ((uint64_t)1 << 60)

/* Which threads are loop threads: with the NUL at its end. */
#define ST_LOOPS_SIZE 256

static inline bool st_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool st_parse_unit(const char *text, size_t len, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {"m", 60000000000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strlen(units[i].name) == len && memcmp(text, units[i].name, len) == 0) {
            *ns = units[i].ns;
            return true;
        }
    }
    return false;
}

/* "10ms", "0", "1.5s", "500us", "100ns", "2m". */
static inline bool st_parse_duration(const char *text, size_t len, uint64_t *ns)
{
    uint64_t value = 0, scale = 1, unit;
    size_t at = 0, digits = 0;
    bool fraction = false;
    for (; at < len && (st_is_digit(text[at]) || (text[at] == '.' && !fraction)); at++) {
        if (text[at] == '.') {
            fraction = true;
            continue;
        }
        if (value > ST_LONGEST_NS / 10 || scale > ST_LONGEST_NS / 10)
            return false;
        value = value * 10 + (uint64_t)(text[at] - '0');
        scale *= fraction ? 10 : 1;
        digits++;
    }
    if (digits == 0)
        return false;
    if (at == len && value == 0) {
        *ns = 0;
        return true;
    }
    if (!st_parse_unit(text + at, len - at, &unit) || value / scale > ST_LONGEST_NS / unit)
        return false;
    double rest = (double)(value % scale) / (double)scale;
    *ns = value / scale * unit + (uint64_t)(rest * (double)unit + 0.5);
    return true;
}

/* "64M", "512K", "1G", "1000000"; not 0. */
static inline bool st_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "KkMmGg";
    uint64_t value = 0;
    const char *p = text;
    for (; st_is_digit(*p); p++) {
        if (value > ST_LARGEST_SIZE / 10)
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return false;
    if (*p) {
        const char *unit = strchr(units, *p);
        if (!unit || p[1])
            return false;
        size_t shift = 10 * ((size_t)(unit - units) / 2 + 1);
        if (value > ST_LARGEST_SIZE >> shift)
            return false;
        value <<= shift;
    }
    if (!value)
        return false;
    *bytes = value;
    return true;
}

#endif
