/* Writing the trace: one record at a time, built in a fixed buffer and appended by one write, so
 * that a kill at any moment leaves whole records. What is not UTF-8 is repaired. */
#include "json.h"

#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static char line[384 * 1024];
static size_t length;
static bool overflow; /* the record did not fit: it is left out */
static bool torn;     /* the last write stopped in the middle of a line */
static int file = -1;
static uint64_t lost;           /* records that could not be written */
static uint64_t written, limit; /* bytes of this trace, and how many it may have; 0: any */
static bool essential;          /* this record is let through when the trace is full */
static bool full;
static uint64_t writing;

static void put(char c)
{
    if (length < sizeof(line))
        line[length++] = c;
    else
        overflow = true;
}

static void put_text(const char *s)
{
    while (*s)
        put(*s++);
}

static void put_number(uint64_t v)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + v % 10);
    } while (v /= 10);
    while (n)
        put(digits[--n]);
}

/* Length of the UTF-8 sequence at `s`; 0: it is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void put_quoted(const char *value, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)value;
    put('"');
    for (size_t i = 0; i < len;) {
        unsigned char c = s[i];
        size_t n = utf8_length(s + i, len - i);
        if (n == 0) {
            put_text("\xef\xbf\xbd");
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            put('\\');
            put((char)c);
        } else if (c < 0x20 || c == 0x7f) {
            put_text("\\u00");
            put(hex[c >> 4]);
            put(hex[c & 15]);
        } else {
            for (size_t k = 0; k < n; k++)
                put((char)s[i + k]);
        }
        i += n;
    }
    put('"');
}

static void put_key(const char *key)
{
    char last = length ? line[length - 1] : 0;
    if (last != '{' && last != '[')
        put(',');
    if (key) {
        put_quoted(key, strlen(key));
        put(':');
    }
}

/* A full trace still takes what the summary needs: the figures, the end and what is missing. */
static bool is_essential(const char *type)
{
    static const char *const types[] = {"process",   "loop",        "loop_end", "stats",
                                        "dropped",   "loss",        "notice",   "end",
                                        "stall_end", "stall_still", "frozen"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (!strcmp(types[i], type))
            return true;
    return false;
}

void js_limit(uint64_t bytes)
{
    limit = bytes;
}

void js_begin(const char *type)
{
    length = 0;
    essential = is_essential(type);
    overflow = false;
    if (torn)
        put('\n');
    put('{');
    js_string("type", type);
}

void js_string_n(const char *key, const char *value, size_t len)
{
    put_key(key);
    put_quoted(value, len);
}

void js_string(const char *key, const char *value)
{
    js_string_n(key, value, strlen(value));
}

void js_number(const char *key, uint64_t value)
{
    put_key(key);
    put_number(value);
}

void js_hex(const char *key, uint64_t value)
{
    static const char hex[] = "0123456789abcdef";
    char text[19] = "0x";
    int n = 2, shift = 60;
    while (shift && !(value >> shift & 15))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        text[n++] = hex[value >> shift & 15];
    text[n] = 0;
    js_string(key, text);
}

void js_bool(const char *key, bool value)
{
    put_key(key);
    put_text(value ? "true" : "false");
}

void js_open(const char *key, char bracket)
{
    put_key(key);
    put(bracket);
}

void js_close(char bracket)
{
    put(bracket);
}

/* The disk was full and has room again: say what is missing. */
static void say_lost(void)
{
    char note[160];
    size_t n = 0;
    uint64_t v = lost;
    lost = 0;
    const char *head =
        "{\"type\":\"notice\",\"code\":\"lost\",\"message\":\"records that could not be "
        "written: ";
    for (; *head; head++)
        note[n++] = *head;
    char digits[20];
    int d = 0;
    do {
        digits[d++] = (char)('0' + v % 10);
    } while (v /= 10);
    while (d)
        note[n++] = digits[--d];
    for (const char *tail = "\"}\n"; *tail; tail++)
        note[n++] = *tail;
    if (syscall(SYS_write, file, note, n) < 0)
        lost = v;
}

/* Once. The records that are left out are counted where they are made. */
static void say_full(void)
{
    static const char note[] =
        "{\"type\":\"notice\",\"code\":\"trace-full\",\"message\":\"the trace has reached its "
        "greatest "
        "size: further stalls are only counted (STALLTRACE_MAX_TRACE_SIZE)\"}\n";
    if (full)
        return;
    full = true;
    written += (uint64_t)syscall(SYS_write, file, note, sizeof(note) - 1);
}

bool js_end(void)
{
    put('}');
    put('\n');
    if (overflow || file < 0) {
        lost++;
        return false;
    }
    /* the reserve is for the figures; it, too, has an end */
    uint64_t most = limit + (essential ? limit / 8 + 65536 : 0);
    if (limit && written + length > most) {
        say_full();
        return false;
    }
    long r;
    uint64_t before = st_ticks_now();
    do {
        r = syscall(SYS_write, file, line, length);
    } while (r < 0 && errno == EINTR);
    writing += st_ticks_now() - before;
    st_progress();
    while (atomic_load(&st_shared->vanish))
        syscall(SYS_exit, 0); /* which every filter allows */
    if (r != (long)length) {
        torn = torn || r > 0;
        lost++;
        return false;
    }
    torn = false;
    written += length;
    if (lost)
        say_lost();
    return true;
}

uint64_t js_writing_ticks(void)
{
    return writing;
}

int js_file_open(const char *path, bool again)
{
    int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (again ? 0 : O_CREAT | O_EXCL);
    long fd = syscall(SYS_openat, AT_FDCWD, path, flags, 0644);
    if (fd < 0)
        return -errno;
    /* Above the standard three: whoever writes to those must not write here. */
    long high = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 10);
    if (high >= 0) {
        syscall(SYS_close, fd);
        fd = high;
    }
    file = (int)fd;
    if (!again) {
        written = lost = 0;
        full = torn = false;
    }
    return 0;
}

int js_file_number(void)
{
    return file;
}

void js_file_use(int fd)
{
    file = fd;
}
