/* What must not reach a trace, see redact.h. No more than looking at words: in doubt about an
 * option whose name speaks of a secret its value goes, in doubt about any other it stays. Each byte
 * is looked at a bounded number of times, whatever the text. */
#include "redact.h"

#include <string.h>

enum { NAME = 64, DEPTH = 3 };

static void add(struct st_text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        st_text_char(t, s[i]);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool in_name(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

static bool equal(const char *s, size_t n, const char *word)
{
    return strlen(word) == n && !memcmp(s, word, n);
}

static bool ends_in(const char *s, size_t n, const char *word)
{
    size_t w = strlen(word);
    return n >= w && !memcmp(s + n - w, word, w);
}

static bool is_one_of(const char *s, size_t n, const char *const *words)
{
    for (; *words; words++)
        if (equal(s, n, *words))
            return true;
    return false;
}

/* ---- names ---- */

/* These speak of a secret wherever they stand in a name, unless its last part says otherwise
 * ("password-file"); the others only at its end. */
static bool is_strong(const char *s, size_t n)
{
    static const char *const ends[] = {
        "password",  "passwd",     "passphrase", "secret",     "secrets",     "apikey", "accesskey",
        "secretkey", "privatekey", "authkey",    "credential", "credentials", NULL};
    for (const char *const *e = ends; *e; e++)
        if (ends_in(s, n, *e))
            return true;
    return false;
}

static bool is_weak(const char *s, size_t n)
{
    static const char *const words[] = {
        "key",    "keys",   "pwd",     "pw",        "pass", "auth",   "authorization", "cookie",
        "bearer", "passin", "passout", "signature", "sig",  "dbpass", "userpass",      NULL};
    return ends_in(s, n, "token") || is_one_of(s, n, words);
}

static bool is_harmless_end(const char *s, size_t n)
{
    static const char *const words[] = {
        "file",   "path",  "dir",    "type",   "length",   "len",       "size",   "id",
        "count",  "name",  "env",    "ttl",    "store",    "algorithm", "field",  "command",
        "prompt", "limit", "expiry", "age",    "provider", "plugin",    "policy", "method",
        "hash",   "stdin", "fd",     "helper", "mode",     "format",    NULL};
    return is_one_of(s, n, words);
}

/* Whether what follows a name is a secret: "--db-password", "apiKey", "PGPASSWORD", "token2". */
static bool is_secret(const char *s, size_t n)
{
    char part[NAME + 1];
    size_t len = 0;
    bool strong = false, first = true, no = false;
    while (n > 0 && (is_digit(s[n - 1]) || s[n - 1] == '.' || s[n - 1] == '-' || s[n - 1] == '_'))
        n--;
    if (n > NAME) { /* its end decides */
        s += n - NAME;
        n = NAME;
    }
    for (size_t i = 0; i <= n; i++) {
        bool separator = i == n || !(is_letter(s[i]) || is_digit(s[i]));
        bool camel = !separator && i > 0 && s[i] != lower(s[i]) && s[i - 1] == lower(s[i - 1]) &&
                     is_letter(s[i - 1]);
        if ((separator || camel) && len > 0) {
            if (first && (equal(part, len, "no") || equal(part, len, "ask")))
                no = true;
            first = false;
            strong = strong || is_strong(part, len);
            if (i == n)
                break;
            len = 0;
        }
        if (!separator)
            part[len++] = lower(s[i]);
    }
    if (!len || no)
        return false;
    return is_weak(part, len) || (strong && !is_harmless_end(part, len));
}

/* The shell's own directory is no password. */
static bool is_directory(const char *name, size_t n, const char *value, size_t left)
{
    return (equal(name, n, "PWD") || equal(name, n, "OLDPWD")) && left > 0 && value[0] == '/';
}

static void mask(struct st_text *t)
{
    st_text_add(t, "***");
}

/* ---- inside of a word: URLs, name=value, "name": value ---- */

static bool is_number(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_digit(s[i]))
            return false;
    return n <= 5;
}

/* At the "user:secret@" behind "://": how much of it is copied as it is, and how much is replaced.
 * A text may have been cut off before the "@", and a secret may hold what should have been escaped.
 */
static void user_of_url(const char *s, size_t n, size_t *keep, size_t *drop)
{
    size_t end = 0, at = 0, colon = 0;
    bool has_at = false, has_colon = false;
    for (end = 0; end < n && !strchr("/?#\"'<>|;", s[end]) && !is_blank(s[end]); end++) {
        if (s[end] == '@') {
            at = end;
            has_at = true;
        }
        if (s[end] == ':' && !has_colon) {
            colon = end;
            has_colon = true;
        }
    }
    *keep = *drop = 0;
    if (!has_colon || s[0] == '[') {
        /* "https://ghp_token@host": a name, or a token; which of them cannot be told */
        if (has_at && at >= 20)
            *drop = at;
        return;
    }
    if (!has_at && !is_number(s + colon + 1, end - colon - 1))
        for (size_t i = end; i < n && !is_blank(s[i]); i++)
            if (s[i] == '@') {
                at = i;
                has_at = true;
            }
    if (has_at && at < colon)
        return; /* user@host:port */
    if (!has_at && is_number(s + colon + 1, end - colon - 1))
        return; /* host:port */
    *keep = colon + 1;
    *drop = (has_at ? at : end) - colon - 1;
}

/* How long the value at `s` is, that stands behind a name; where it is quoted, without the quotes.
 */
static size_t value_length(const char *s, size_t n, char quote)
{
    size_t i = 0;
    if (quote) {
        for (; i < n && s[i] != quote; i++)
            if (s[i] == '\\' && i + 1 < n)
                i++;
        return i < n ? i : n;
    }
    while (i < n && !is_blank(s[i]) && !strchr("&;\"'}`#|", s[i]))
        i++;
    return i;
}

/* The name at s[from..to) is one of a secret: is there a value behind it? Copies what lies between.
 * Returns where to go on. */
static size_t value_after(struct st_redactor *r, const char *s, size_t n, size_t from, size_t to,
                          struct st_text *out)
{
    static const char *const plain[] = {"secret", "secrets", "token", "auth", "key",
                                        "keys",   "pass",    "sig",   NULL};
    size_t p = to;
    bool quoted = p < n && (s[p] == '"' || s[p] == '\'');
    p += quoted || (p + 1 < n && s[p] == '\\' && s[p + 1] == '"' && (quoted = true)) ? 1 : 0;
    if (quoted && s[p] == '"' && s[p - 1] == '\\')
        p++;
    while (quoted && p < n && is_blank(s[p]))
        p++;
    if (p >= n || (s[p] != '=' && s[p] != ':') ||
        is_directory(s + from, to - from, s + p + 1, n - p - 1))
        return to;
    bool colon = s[p] == ':';
    size_t v = p + 1;
    while (v < n && is_blank(s[v]))
        v++;
    if (colon && !quoted && v == p + 1 && v < n && s[v] != '"' &&
        (from > 0 || is_number(s + v, n - v) || is_one_of(s, to, plain)))
        return to; /* "host:port", "image:tag" */
    if (colon && v < n && s[v] == '/' && !quoted)
        return to;
    add(out, s + to, v - to);
    if (v == n) { /* it is the next word */
        bool header = ends_in(s, to, "uthorization") || ends_in(s, to, "ookie");
        if (colon || !quoted)
            r->next = header ? ST_NEXT_REST : colon ? ST_NEXT_VALUE : ST_NEXT_ANY;
        return n;
    }
    char quote = s[v] == '"' || s[v] == '\'' ? s[v] : 0;
    if (quote)
        st_text_char(out, s[v++]);
    mask(out);
    return v + (colon && !quote && !quoted ? n - v : value_length(s + v, n - v, quote));
}

static void inside(struct st_redactor *r, const char *s, size_t n, struct st_text *out)
{
    for (size_t i = 0; i < n;) {
        if (i + 3 <= n && !memcmp(s + i, "://", 3)) {
            size_t keep, drop;
            add(out, s + i, 3);
            i += 3;
            user_of_url(s + i, n - i, &keep, &drop);
            add(out, s + i, keep);
            if (drop)
                mask(out);
            i += keep + drop;
            continue;
        }
        size_t end = i;
        while (end < n && in_name(s[end]))
            end++;
        if (end == i) {
            st_text_char(out, s[i++]);
            continue;
        }
        add(out, s + i, end - i);
        i = is_secret(s + i, end - i) ? value_after(r, s, n, i, end, out) : end;
    }
}

/* ---- words of a command ---- */

struct program {
    const char *name; /* of it and of those that begin so where it ends in '*' */
    char joined;      /* an option whose value is joined to it */
    char apart;       /* one whose value may follow, too */
    char user;        /* one with "user:secret" */
};

static const struct program programs[] = {
    {"mysql*", 'p', 0, 0},   {"mariadb*", 'p', 0, 0},      {"sshpass", 'p', 'p', 0},
    {"curl", 0, 0, 'u'},     {"curl", 0, 0, 'U'},          {"redis-cli", 'a', 'a', 0},
    {"mongo*", 'p', 'p', 0}, {"ldap*", 'w', 'w', 0},       {"7z*", 'p', 0, 0},
    {"zip", 'P', 'P', 0},    {"unzip", 'P', 'P', 0},       {"sqlcmd", 'P', 'P', 0},
    {"docker", 0, 'p', 0},   {"podman", 0, 'p', 0},        {"smbclient", 0, 0, 'U'},
    {"lftp", 0, 0, 'u'},     {"rabbitmqadmin", 0, 'p', 0}, {"ipmitool", 'P', 'P', 0},
};

static const struct program *program_of(const char *s, size_t n)
{
    size_t from = n;
    while (from > 0 && s[from - 1] != '/')
        from--;
    s += from;
    n -= from;
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        const char *name = programs[i].name;
        size_t len = strlen(name);
        bool prefix = name[len - 1] == '*' && n >= len - 1 && !memchr(s, '.', n);
        if (equal(s, n, name) || (prefix && !memcmp(s, name, len - 1)))
            return &programs[i];
    }
    return NULL;
}

/* "user:secret", as curl has it; smbclient's has a '%', lftp's a comma. */
static void add_user(const char *s, size_t n, struct st_text *out)
{
    size_t i = 0;
    while (i < n && s[i] != ':' && s[i] != '%' && s[i] != ',')
        i++;
    add(out, s, i < n ? i + 1 : n);
    if (i < n)
        mask(out);
}

/* An option of one letter of a program that is known. True: it was one, and is written. "docker -p"
 * is a port but for "login". */
static bool short_option(struct st_redactor *r, const char *s, size_t n, struct st_text *out)
{
    const struct program *first = r->program,
                         *end = programs + sizeof(programs) / sizeof(programs[0]);
    for (const struct program *p = first; p && p < end && !strcmp(p->name, first->name); p++) {
        if (s[1] == p->user && n == 2)
            r->next = ST_NEXT_USER;
        else if (s[1] == p->apart && n == 2)
            r->next = ST_NEXT_VALUE;
        else if (!(s[1] == p->user || s[1] == p->joined) || n == 2)
            continue;
        add(out, s, 2);
        if (n > 2 && s[1] == p->user)
            add_user(s + 2, n - 2, out);
        else if (n > 2)
            mask(out);
        return true;
    }
    return false;
}

static bool is_option(const char *s, size_t n)
{
    return n >= 2 && s[0] == '-' && (s[1] == '-' ? n > 2 && is_letter(s[2]) : n == 2);
}

static void command(const char *s, size_t n, struct st_text *out, int depth);

/* What the option before announced. False: it is none. */
static bool announced(struct st_redactor *r, const char *s, size_t n, struct st_text *out)
{
    enum st_next next = r->next;
    if (next == ST_NEXT_REST) { /* "Basic dXNlcg==": the scheme goes with it */
        mask(out);
        return true;
    }
    r->next = ST_NEXT_ANY;
    if (next == ST_NEXT_ANY || is_option(s, n))
        return false;
    if (next == ST_NEXT_USER)
        add_user(s, n, out);
    else
        mask(out);
    return true;
}

/* "--password", "--password=X", "PASSWORD=X", "-Dkey=X": the whole rest is the value. */
static bool assignment(struct st_redactor *r, const char *s, size_t n, struct st_text *out)
{
    size_t from = 0, end;
    while (from < n && from < 2 && s[from] == '-')
        from++;
    bool option = from > 0;
    for (end = from; end < n && in_name(s[end]); end++)
        ;
    if (end == from || (end < n && s[end] != '='))
        return false;
    if (end == n && (!option || n == 2))
        return false;
    static const char *const users[] = {"user", "proxy-user", NULL};
    if (is_one_of(s + from, end - from, users) && from == 2 && r->program &&
        equal(((const struct program *)r->program)->name, 4, "curl")) {
        add(out, s, end < n ? end + 1 : end);
        if (end < n)
            add_user(s + end + 1, n - end - 1, out);
        else
            r->next = ST_NEXT_USER;
        return true;
    }
    if (!is_secret(s + from, end - from) ||
        (end < n && is_directory(s + from, end - from, s + end + 1, n - end - 1)))
        return false;
    add(out, s, end < n ? end + 1 : end);
    if (end < n && end + 1 < n)
        mask(out);
    else if (end == n)
        r->next = ST_NEXT_VALUE;
    return true;
}

static bool has_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_blank(s[i]))
            return true;
    return false;
}

static void word(struct st_redactor *r, const char *s, size_t n, struct st_text *out, int depth)
{
    if (announced(r, s, n, out))
        return;
    if (n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n - 1] == s[0] && depth < DEPTH) {
        st_text_char(out, s[0]);
        word(r, s + 1, n - 2, out, depth + 1);
        st_text_char(out, s[0]);
        return;
    }
    if (n > 1 && s[0] == '-' && s[1] != '-' && r->program && short_option(r, s, n, out))
        return;
    if (assignment(r, s, n, out))
        return;
    if (has_blank(s, n) && !strchr("{[", s[0]) && depth < DEPTH) {
        command(s, n, out, depth + 1);
        return;
    }
    if (equal(s, n, "Bearer") || equal(s, n, "Basic"))
        r->next = ST_NEXT_VALUE;
    const struct program *p = s[0] == '-' ? NULL : program_of(s, n);
    if (p)
        r->program = p;
    inside(r, s, n, out);
}

static size_t word_length(const char *s, size_t n)
{
    char quote = 0;
    size_t i = 0;
    for (; i < n && (quote || !is_blank(s[i])); i++) {
        if (quote ? s[i] == quote : s[i] == '"' || s[i] == '\'')
            quote = quote ? 0 : s[i];
        else if (s[i] == '\\' && quote != '\'' && i + 1 < n)
            i++;
    }
    return i;
}

static void command(const char *s, size_t n, struct st_text *out, int depth)
{
    struct st_redactor r = {NULL, ST_NEXT_ANY};
    for (size_t i = 0; i < n;) {
        if (is_blank(s[i])) {
            st_text_char(out, s[i++]);
            continue;
        }
        size_t len = word_length(s + i, n - i);
        /* a quote that nobody closes ("it's") hides no words */
        if (depth >= DEPTH || (i == 0 && len == n && !strchr("\"'", s[0]) && has_blank(s, n)))
            for (len = 0; i + len < n && !is_blank(s[i + len]); len++)
                ;
        word(&r, s + i, len, out, depth);
        i += len;
    }
}

void st_redact_argument(struct st_redactor *r, const char *s, size_t n, struct st_text *out)
{
    word(r, s, n, out, 0);
    if (r->next == ST_NEXT_REST)
        r->next = ST_NEXT_VALUE; /* the header ended with its argument */
}

void st_redact_command(const char *s, size_t n, struct st_text *out)
{
    command(s, n, out, 0);
}

void st_redact_name(const char *s, size_t n, struct st_text *out)
{
    struct st_redactor r = {NULL, ST_NEXT_ANY};
    inside(&r, s, n, out);
}

void st_hash_text(const char *s, size_t n, const char *salt, struct st_text *out)
{
    enum { DIGITS = 12 };
    uint64_t h = 0xcbf29ce484222325u;
    for (; *salt; salt++)
        h = (h ^ (unsigned char)*salt) * 0x100000001b3u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    h ^= h >> 29;
    st_text_char(out, '#');
    st_text_number(out, h >> (64 - 4 * DIGITS), 16, DIGITS);
}
