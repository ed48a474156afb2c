/* The registry of formats: one row each. What the commands accept, their help and their messages
 * come from here, and nothing else lists formats. A new one is a file and a row. */
#include <string.h>

#include "formats.h"

static const struct format formats[] = {
    /* name, what it is for, whom it serves, paged, how */
    {"text", "for people", FOR_REPORT | FOR_CHECK | FOR_STATS, true, format_text},
    {"json", "for scripts", FOR_REPORT | FOR_CHECK | FOR_STATS, false, format_json},
};

const struct format *format_at(size_t i)
{
    return i < COUNT_OF(formats) ? &formats[i] : NULL;
}

const struct format *format_named(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (strlen(formats[i].name) == len && memcmp(formats[i].name, name, len) == 0)
            return &formats[i];
    }
    return NULL;
}

void formats_list(struct strbuf *out, unsigned int command)
{
    size_t left = 0;
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        left += (formats[i].serves & command) != 0;
    const char *before = "";
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if ((formats[i].serves & command) == 0)
            continue;
        sb_add(out, before);
        sb_add(out, formats[i].name);
        before = --left == 1 ? " and " : ", ";
    }
}
