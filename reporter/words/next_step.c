/* See next_step.h. */
#include "next_step.h"

#include <string.h>

/* A word that a shell takes apart is quoted. */
static void add_word(struct strbuf *out, const char *word)
{
    bool plain = word[0] != '\0' && strpbrk(word, " \t\n\"'\\$`*?[]{}()<>|&;~#!") == NULL;
    sb_add(out, plain ? " " : " '");
    for (const char *at = word; *at != '\0';) {
        size_t len = strcspn(at, "'");
        struct strbuf part = {0};
        sb_addn(&part, at, len);
        sb_add_clean(out, part.data);
        sb_free(&part);
        at += len;
        if (*at == '\'') {
            sb_add(out, "'\\''");
            at++;
        }
    }
    sb_add(out, plain ? "" : "'");
}

void describe_command(struct strbuf *out, const char *subcommand, const char *option,
                      const char *value, char *const *paths, size_t count)
{
    enum { NAMED = 3 };
    sb_add(out, "stalltrace ");
    sb_add(out, subcommand);
    if (option != NULL && value != NULL) {
        sb_add(out, " ");
        sb_add(out, option);
        add_word(out, value);
    }
    for (size_t i = 0; count <= NAMED && i < count; i++)
        add_word(out, paths[i]);
    if (count > NAMED)
        sb_add(out, " TRACE...");
}
