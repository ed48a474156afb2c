/* See excerpt.h. */
#define _GNU_SOURCE
#include "excerpt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AROUND = 1, LONGEST_SHOWN = 100, TAB = 4 };

/* One line as it is shown: tabs expanded, controls replaced, cut where it is very long. */
static void clean_line(struct strbuf *out, const char *text)
{
    struct strbuf clean = {0};
    sb_add(&clean, "|"); /* it stands behind a gutter, so that `::read(…)` is no command */
    sb_add_clean(&clean, text);
    for (size_t i = 1; i < clean.len; i++) {
        bool within_character = ((unsigned char)clean.data[i] & 0xc0) == 0x80;
        if (out->len >= LONGEST_SHOWN && !within_character) {
            sb_add(out, "…");
            break;
        }
        if (clean.data[i] == '\t')
            sb_addf(out, "%*s", TAB, "");
        else
            sb_addn(out, &clean.data[i], 1);
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
    sb_free(&clean);
}

static size_t columns(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80; /* not a continuation byte */
    return count;
}

static void add_gutter(struct strbuf *out, const struct palette *palette, int width, int line)
{
    sb_add(out, palette->gutter);
    if (line > 0)
        sb_addf(out, "%*d |", width, line);
    else
        sb_addf(out, "%*s |", width, "");
    sb_add(out, palette->reset);
}

static void add_marker(struct strbuf *out, const struct palette *palette, int width,
                       const struct strbuf *text)
{
    size_t indent = strspn(text->data, " ");
    size_t length = columns(text->data + indent, text->len - indent);
    add_gutter(out, palette, width, 0);
    sb_addf(out, " %*s%s", (int)indent, "", palette->error);
    for (size_t i = 0; i < length; i++)
        sb_add(out, "^");
    sb_addf(out, "%s\n", palette->reset);
}

void excerpt(struct strbuf *out, const struct palette *palette, struct sources *sources,
             const char *file, int line)
{
    int fd = line > 0 ? sources_open(sources, file) : -1;
    FILE *source = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (source == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    char *raw = NULL;
    size_t cap = 0;
    ssize_t len;
    int width = snprintf(NULL, 0, "%d", line + AROUND) + 1;
    bool begun = false;
    for (int at = 1; at <= line + AROUND && (len = getline(&raw, &cap, source)) >= 0; at++) {
        if (at < line - AROUND)
            continue;
        if (len > 0 && raw[len - 1] == '\n')
            raw[len - 1] = '\0';
        struct strbuf text = {0};
        sb_add(&text, "");
        clean_line(&text, raw);
        if (!begun) {
            add_gutter(out, palette, width, 0);
            sb_add(out, "\n");
        }
        begun = true;
        add_gutter(out, palette, width, at);
        sb_addf(out, "%s%s\n", text.len > 0 ? " " : "", text.data);
        if (at == line && text.len > 0)
            add_marker(out, palette, width, &text);
        sb_free(&text);
    }
    free(raw);
    fclose(source);
}
