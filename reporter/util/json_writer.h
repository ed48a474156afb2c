/* Writes JSON: a small streaming writer that keeps track of commas and indentation and repairs
 * invalid UTF-8, which paths and thread names may contain. */
#ifndef STALLTRACE_JSON_WRITER_H
#define STALLTRACE_JSON_WRITER_H

#include "util.h"

struct json_writer {
    struct strbuf *out;
    unsigned int depth;
    bool after_value; /* a comma is due before the next one */
};

/* A value is the member `key` of an object, or where that is NULL an element of an array, or the
 * whole document. */
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
/* The object that is the whole document, with its schema and who wrote it. */
void json_begin_document(struct json_writer *w, const char *schema);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
void json_string(struct json_writer *w, const char *key,
                 const char *text); /* NULL is written as null */
void json_int(struct json_writer *w, const char *key, int64_t value);
void json_uint(struct json_writer *w, const char *key, uint64_t value);
void json_bool(struct json_writer *w, const char *key, bool value);
void json_null(struct json_writer *w, const char *key);
/* Nanoseconds as milliseconds with three decimals, exactly and whatever the locale. */
void json_ms(struct json_writer *w, const char *key, uint64_t ns);
/* The same with six decimals. */
void json_ms_exact(struct json_writer *w, const char *key, uint64_t ns);
/* A moment, in ns since 1970, as RFC 3339 in UTC with milliseconds. */
void json_time(struct json_writer *w, const char *key, uint64_t unix_ns);
/* Thousandths as a number with three decimals. */
void json_uint_scaled(struct json_writer *w, const char *key, uint64_t thousandths);
/* A part of a whole, 0 to 1, with four decimals. */
void json_share(struct json_writer *w, const char *key, uint64_t part, uint64_t whole);
/* An address as `"0x…"`, 0 as null. */
void json_address(struct json_writer *w, const char *key, uint64_t address);

/* Appends `text` as a quoted JSON string; each invalid byte becomes U+FFFD. */
void json_quote(struct strbuf *out, const char *text);

#endif
