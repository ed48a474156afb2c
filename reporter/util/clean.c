/* Text from a trace, made fit for a terminal and for a CI job's log: a thread's name or a path may
 * not move the cursor, turn the direction of the text, or give the machine that runs the job a
 * command. What would is shown as `?`. */
#include <string.h>

#include "util.h"

size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf)
            return 0;
    }
    return len;
}

/* Control characters (C1 are two bytes in UTF-8), what sets the direction of text, and what some
 * take for the end of a line. A byte that is no UTF-8 may be a C1 control to a terminal. */
static bool is_harmful(const unsigned char *s, size_t len)
{
    if (len == 0)
        return true;
    if (len == 1)
        return (*s < 0x20 && *s != '\t') || *s == 0x7f;
    if (len == 2) /* U+0080 to U+009F; U+061C */
        return (s[0] == 0xc2 && s[1] <= 0x9f) || (s[0] == 0xd8 && s[1] == 0x9c);
    if (len != 3 || s[0] != 0xe2)
        return false;
    if (s[1] == 0x80) /* U+200E, U+200F; U+2028 to U+202E */
        return s[2] == 0x8e || s[2] == 0x8f || (s[2] >= 0xa8 && s[2] <= 0xae);
    return s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9; /* U+2066 to U+2069 */
}

static bool begins_line(const struct strbuf *sb)
{
    size_t len = sb->len;
    while (len > 0 && (sb->data[len - 1] == ' ' || sb->data[len - 1] == '\t'))
        len--;
    return len == 0 || sb->data[len - 1] == '\n';
}

/* `::error::` is a command at the beginning of a line; `##[error]`, `##vso[…]` and
 * `##teamcity[…]` are anywhere in one. */
static bool begins_command(const struct strbuf *sb, const char *text)
{
    if (text[0] == ':' && text[1] == ':')
        return begins_line(sb);
    if (text[0] != '#' || text[1] != '#')
        return false;
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return text[2 + strspn(text + 2, letters)] == '[';
}

void sb_add_clean(struct strbuf *sb, const char *text)
{
    while (*text != '\0') {
        size_t len = utf8_length((const unsigned char *)text);
        bool harmful = is_harmful((const unsigned char *)text, len) || begins_command(sb, text);
        len += len == 0;
        sb_addn(sb, harmful ? "?" : text, harmful ? 1 : len);
        text += len;
    }
}
