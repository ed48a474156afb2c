/* A statement of the diagnosis. */
#include <stdarg.h>

#include "doctor.h"

void state(struct diagnosis *d, enum verdict verdict, const char *code, const char *format, ...)
{
    struct strbuf text = {0};
    va_list args;
    va_start(args, format);
    sb_vaddf(&text, format, args);
    va_end(args);
    GROW(d->statements, d->count, d->cap);
    d->statements[d->count++] = (struct statement){verdict, code, text.data};
    if (verdict > d->worst)
        d->worst = verdict;
}
