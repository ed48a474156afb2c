/* Allocation, text, messages. See util.h; the pool and the map are in tables.c. */
#define _GNU_SOURCE
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
    static const char message[] = "stalltrace: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)ignored;
    _exit(2);
}

void *mem_calloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

void *mem_realloc(void *old, size_t count, size_t size)
{
    void *memory = reallocarray(old, count ? count : 1, size ? size : 1);
    if (memory == NULL)
        out_of_memory();
    return memory;
}

char *mem_strdup(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        out_of_memory();
    return copy;
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        out_of_memory();
    return text;
}

static void sb_reserve(struct strbuf *sb, size_t extra)
{
    if (sb->cap - sb->len > extra)
        return;
    size_t cap = sb->cap ? sb->cap : 64;
    while (cap - sb->len <= extra)
        cap *= 2;
    sb->data = mem_realloc(sb->data, cap, 1);
    sb->cap = cap;
}

void sb_addn(struct strbuf *sb, const char *text, size_t len)
{
    sb_reserve(sb, len);
    if (len > 0)
        memcpy(sb->data + sb->len, text, len);
    sb->len += len;
    sb->data[sb->len] = '\0';
}

void sb_add(struct strbuf *sb, const char *text)
{
    sb_addn(sb, text, strlen(text));
}

void sb_vaddf(struct strbuf *sb, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len > 0) {
        sb_reserve(sb, (size_t)len);
        vsnprintf(sb->data + sb->len, (size_t)len + 1, format, again);
        sb->len += (size_t)len;
    }
    va_end(again);
}

void sb_addf(struct strbuf *sb, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sb_vaddf(sb, format, args);
    va_end(args);
}

void sb_clear(struct strbuf *sb)
{
    sb->len = 0;
    if (sb->data != NULL)
        sb->data[0] = '\0';
}

void sb_free(struct strbuf *sb)
{
    free(sb->data);
    *sb = (struct strbuf){0};
}

int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);
        if (done < 0) {
            if (errno == EINTR)
                continue;
            /* The program shares our stderr and may have made it nonblocking (Node does). */
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            if (errno == EAGAIN && poll(&writable, 1, -1) >= 0)
                continue;
            return -errno;
        }
        data += done;
        len -= (size_t)done;
    }
    return 0;
}

void complain(const char *format, ...)
{
    struct strbuf message = {0}, line = {0};
    va_list args;
    va_start(args, format);
    sb_vaddf(&message, format, args);
    va_end(args);
    sb_add(&line, "stalltrace: ");
    sb_add_clean(&line, message.data ? message.data : "");
    sb_add(&line, "\n");
    (void)write_all(STDERR_FILENO, line.data, line.len);
    sb_free(&message);
    sb_free(&line);
}

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text), tail = strlen(suffix);
    return len >= tail && strcmp(text + len - tail, suffix) == 0;
}

/* How many letters to change, add, drop or swap with their neighbour to get from one word to the
 * other (optimal string alignment); long words are "far" and not looked at. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t d[LONGEST + 1][LONGEST + 1];
    size_t len_a = strlen(a), len_b = strlen(b);
    if (len_a > LONGEST || len_b > LONGEST)
        return LONGEST;
    for (size_t i = 0; i <= len_a; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= len_b; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        for (size_t j = 1; j <= len_b; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[len_a][len_b];
}

const char *nearest_name(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 2 < 3 ? strlen(word) / 2 : 3;
    for (; *candidates != NULL; candidates++) {
        size_t distance = edit_distance(word, *candidates);
        if (distance <= best && distance < strlen(*candidates)) {
            if (nearest == NULL || distance < best)
                nearest = *candidates;
            best = distance;
        }
    }
    return nearest;
}
