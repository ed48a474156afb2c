/* Putting short texts together without stdio. */
#ifndef STALLTRACE_TEXT_H
#define STALLTRACE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct st_text {
    char *at;
    size_t size, len;
};

static inline void st_text_char(struct st_text *t, char c)
{
    if (t->len + 1 < t->size) {
        t->at[t->len++] = c;
        t->at[t->len] = 0;
    }
}

static inline void st_text_add(struct st_text *t, const char *s)
{
    while (*s)
        st_text_char(t, *s++);
}

static inline void st_text_number(struct st_text *t, uint64_t v, unsigned base, unsigned least)
{
    char digits[20];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
    } while ((v /= base) || n < least);
    while (n)
        st_text_char(t, digits[--n]);
}

#endif
