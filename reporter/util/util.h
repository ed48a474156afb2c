/* The reporter's small tools: allocation that cannot fail, growing text, a string pool, an integer
 * map and one-line messages. Nothing in here knows what a trace is. */
#ifndef STALLTRACE_UTIL_H
#define STALLTRACE_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Allocation. Running out of memory ends the command with a message and status 2: every caller
 * would do the same, and the program under `run` is another process. */
void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *old, size_t count, size_t size);
char *mem_strdup(const char *text);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element in an array that doubles. */
#define GROW(array, count, capacity)                                                               \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) ? (capacity)*2 : 8;                                            \
            (array) = mem_realloc((array), (capacity), sizeof(*(array)));                          \
        }                                                                                          \
    } while (0)

/* No number out of a trace is larger, and no sum of them: 73 years in ns. A handful of them can be
 * added to each other without a look. */
#define LARGEST_NUMBER ((UINT64_C(1) << 61) - 1)

static inline void add_to(uint64_t *sum, uint64_t more)
{
    *sum = more < LARGEST_NUMBER - *sum ? *sum + more : LARGEST_NUMBER;
}

/* Growing text; always NUL-terminated once something was added. */
struct strbuf {
    char *data;
    size_t len;
    size_t cap;
};

void sb_addn(struct strbuf *sb, const char *text, size_t len);
void sb_add(struct strbuf *sb, const char *text);
void sb_addf(struct strbuf *sb, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sb_vaddf(struct strbuf *sb, const char *format, va_list args);
/* Text from a trace for a terminal or a CI job's log (clean.c): what would move the cursor, turn
 * the text's direction or be a command to the machine that runs the job is shown as `?`. */
void sb_add_clean(struct strbuf *sb, const char *text);
void sb_clear(struct strbuf *sb);
void sb_free(struct strbuf *sb);

/* The length of the UTF-8 sequence at `s` (RFC 3629: no overlong forms, no surrogates, nothing past
 * U+10FFFF), or 0 where the byte does not begin one. */
size_t utf8_length(const unsigned char *s);

/* The string pool: equal texts get the same pointer, which lives as long as the process. */
const char *intern(const char *text);
const char *intern_n(const char *text, size_t len);

/* A map from 64-bit keys to pointers (open addressing). Zero-initialised is empty; NULL is "not
 * there", so it cannot be stored. */
struct map {
    uint64_t *keys;
    void **values;
    size_t count;
    size_t cap;
};

void *map_get(const struct map *map, uint64_t key);
void map_put(struct map *map, uint64_t key, void *value);
/* Frees the map, and with `free_value` each value. */
void map_free(struct map *map, void (*free_value)(void *));

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len);
#define HASH_SEED 0xcbf29ce484222325u

/* One line on stderr, `stalltrace: <message>`, in a single write so that lines of several processes
 * do not mix. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* write() until all is written. Returns 0 or a negative errno. */
int write_all(int fd, const char *data, size_t len);

const char *base_name(const char *path);
bool starts_with(const char *text, const char *prefix);
bool ends_with(const char *text, const char *suffix);

/* The candidate that `word` was probably meant to be, or NULL. `candidates` ends with NULL. */
const char *nearest_name(const char *word, const char *const *candidates);

#endif
