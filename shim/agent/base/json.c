/* Writing the trace: one record at a time, built in a fixed buffer and appended by one write, so
 * that a kill at any moment leaves whole records. What is not UTF-8 is repaired. */
#include "json.h"

#include "agent/agent.h"
#include "output.h"
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static char line[384 * 1024];
static size_t length;
static bool overflow; /* the record did not fit: it is left out */
static bool torn;     /* the last write stopped in the middle of a line */
static int file = -1;
static bool is_end_of_stall;
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

void js_begin(const char *type)
{
    length = 0;
    overflow = false;
    is_end_of_stall = !strcmp(type, "stall_end");
    room_begin(type);
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

static bool append(const char *bytes, size_t n)
{
    long r;
    uint64_t before = st_ticks_now();
    do {
        r = syscall(SYS_write, file, bytes, n);
    } while (r < 0 && errno == EINTR);
    writing += st_ticks_now() - before;
    if (r == (long)n) {
        torn = false;
        return true;
    }
    room_refused(r < 0 ? errno : ENOSPC);
    torn = torn || r > 0;
    return false;
}

/* The disk is full: what must not be lost waits here until there is room again. It goes before all
 * that refers to it. */
static char waiting[64 * 1024];
static size_t waiting_length;
static uint64_t waiting_records;

static bool wait_for_room(void)
{
    size_t from = line[0] == '\n';
    if (waiting_length + length - from > sizeof(waiting)) {
        room_refused(ENOSPC);
        return false;
    }
    memcpy(waiting + waiting_length, line + from, length - from);
    waiting_length += length - from;
    waiting_records++;
    return true;
}

static void write_waiting(void)
{
    if (waiting_length == 0)
        return;
    if (torn)
        append("\n", 1);
    if (append(waiting, waiting_length))
        room_taken(waiting_length);
    else
        for (; waiting_records; waiting_records--)
            room_refused(ENOSPC);
    waiting_length = waiting_records = 0;
}

size_t js_length(void)
{
    return length;
}

bool js_end(void)
{
    put('}');
    put('\n');
    if (overflow || file < 0) {
        room_refused(overflow ? EMSGSIZE : EBADF);
        return false;
    }
    if (room_disk_is_full() && room_keep(file) && waiting_length) {
        write_waiting();
        if (line[0] == '\n' && !torn) /* an empty line would be a damaged one */
            memmove(line, line + 1, --length);
    }
    bool waits = room_is_of_place() || (is_end_of_stall && waiting_length);
    if (room_disk_is_full() && waits)
        return wait_for_room();
    if (!room_for(length))
        return false;
    if (!append(line, length))
        return room_disk_is_full() && waits ? wait_for_room() : false;
    room_taken(length);
    room_keep(file);
    return true;
}

void js_last_try(void)
{
    write_waiting();
}

uint64_t js_writing_ticks(void)
{
    return writing;
}

int js_file_open(const char *directory, const char *name, bool again)
{
    long fd = st_output_open(directory, name, again);
    if (fd < 0)
        return (int)fd;
    /* Above the standard three: whoever writes to those must not write here. */
    long high = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 10);
    if (high >= 0) {
        syscall(SYS_close, fd);
        fd = high;
    }
    file = (int)fd;
    if (!again) {
        room_reset();
        torn = false;
        waiting_length = waiting_records = 0;
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
