/* See json_writer.h. */
#include "json_writer.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "version.h"

static void quote_ascii(struct strbuf *out, unsigned char c)
{
    static const char *const escapes[] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f",
        ['\r'] = "\\r", ['"'] = "\\\"", ['\\'] = "\\\\"};
    if (c < COUNT_OF(escapes) && escapes[c] != NULL)
        sb_add(out, escapes[c]);
    else if (c < 0x20 || c == 0x7f)
        sb_addf(out, "\\u%04x", c);
    else
        sb_addn(out, (const char *)&c, 1);
}

void json_quote(struct strbuf *out, const char *text)
{
    sb_add(out, "\"");
    const unsigned char *s = (const unsigned char *)text;
    while (*s != '\0') {
        size_t len = utf8_length(s);
        if (len == 0) {
            sb_add(out, "\xef\xbf\xbd");
            len = 1;
        } else if (len == 1) {
            quote_ascii(out, *s);
        } else {
            sb_addn(out, (const char *)s, len);
        }
        s += len;
    }
    sb_add(out, "\"");
}

static void new_line(struct json_writer *w)
{
    sb_add(w->out, "\n");
    for (unsigned int i = 0; i < w->depth; i++)
        sb_add(w->out, "  ");
}

static void before_value(struct json_writer *w, const char *key)
{
    if (w->after_value)
        sb_add(w->out, ",");
    if (w->depth > 0)
        new_line(w);
    if (key != NULL) {
        json_quote(w->out, key);
        sb_add(w->out, ": ");
    }
    w->after_value = true;
}

static void begin(struct json_writer *w, const char *key, const char *bracket)
{
    before_value(w, key);
    sb_add(w->out, bracket);
    w->depth++;
    w->after_value = false;
}

static void end(struct json_writer *w, const char *bracket)
{
    w->depth--;
    if (w->after_value)
        new_line(w);
    sb_add(w->out, bracket);
    w->after_value = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
    begin(w, key, "{");
}

void json_end_object(struct json_writer *w)
{
    end(w, "}");
}

void json_begin_document(struct json_writer *w, const char *schema)
{
    json_begin_object(w, NULL);
    json_string(w, "schema", schema);
    json_begin_object(w, "tool");
    json_string(w, "name", "stalltrace");
    json_string(w, "version", STALLTRACE_VERSION);
    json_end_object(w);
}

void json_begin_array(struct json_writer *w, const char *key)
{
    begin(w, key, "[");
}

void json_end_array(struct json_writer *w)
{
    end(w, "]");
}

void json_string(struct json_writer *w, const char *key, const char *text)
{
    if (text == NULL) {
        json_null(w, key);
        return;
    }
    before_value(w, key);
    json_quote(w->out, text);
}

void json_int(struct json_writer *w, const char *key, int64_t value)
{
    before_value(w, key);
    sb_addf(w->out, "%" PRId64, value);
}

void json_uint(struct json_writer *w, const char *key, uint64_t value)
{
    before_value(w, key);
    sb_addf(w->out, "%" PRIu64, value);
}

void json_bool(struct json_writer *w, const char *key, bool value)
{
    before_value(w, key);
    sb_add(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w, const char *key)
{
    before_value(w, key);
    sb_add(w->out, "null");
}

void json_ms(struct json_writer *w, const char *key, uint64_t ns)
{
    before_value(w, key);
    uint64_t us = ns / 1000 + (ns % 1000 >= 500);
    sb_addf(w->out, "%" PRIu64 ".%03u", us / 1000, (unsigned int)(us % 1000));
}

void json_ms_exact(struct json_writer *w, const char *key, uint64_t ns)
{
    before_value(w, key);
    sb_addf(w->out, "%" PRIu64 ".%06u", ns / 1000000, (unsigned int)(ns % 1000000));
}

void json_time(struct json_writer *w, const char *key, uint64_t unix_ns)
{
    char text[64] = "";
    struct tm utc;
    time_t seconds = (time_t)(unix_ns / 1000000000);
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        json_null(w, key);
        return;
    }
    before_value(w, key);
    sb_addf(w->out, "\"%s.%03uZ\"", text, (unsigned int)(unix_ns % 1000000000 / 1000000));
}

void json_uint_scaled(struct json_writer *w, const char *key, uint64_t thousandths)
{
    before_value(w, key);
    sb_addf(w->out, "%" PRIu64 ".%03u", thousandths / 1000, (unsigned int)(thousandths % 1000));
}

void json_share(struct json_writer *w, const char *key, uint64_t part, uint64_t whole)
{
    before_value(w, key);
    double share = whole == 0 ? 0.0 : (double)part / (double)whole;
    unsigned int parts = (unsigned int)((share > 1.0 ? 1.0 : share) * 10000.0 + 0.5);
    sb_addf(w->out, "%u.%04u", parts / 10000, parts % 10000);
}

void json_address(struct json_writer *w, const char *key, uint64_t address)
{
    if (address == 0) {
        json_null(w, key);
        return;
    }
    before_value(w, key);
    sb_addf(w->out, "\"0x%" PRIx64 "\"", address);
}
