/* Reads the file of a baseline. It is a file that people merge and that others may have written:
 * what is in it is looked at before anything is made of it. See baseline.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "baseline.h"
#include "util/files.h"
#include "util/json_fields.h"

#define SCHEMA BASELINE_SCHEMA
enum { LARGEST_FILE = 16 << 20, DEPTH = 8 };

static int refuse(char **message, const char *path, const char *problem)
{
    *message = mem_printf("%s: is no baseline: %s", path, problem);
    return -EINVAL;
}

static int read_whole(const char *path, struct strbuf *text, char **message)
{
    char buffer[1 << 16];
    int fd = open_regular(path, LARGEST_FILE);
    ssize_t got = 0;
    sb_add(text, "");
    if (fd >= 0) {
        /* A file of /proc may hold more than it says. */
        while (text->len <= LARGEST_FILE && (got = read(fd, buffer, sizeof(buffer))) > 0)
            sb_addn(text, buffer, (size_t)got);
    }
    int error = fd < 0 ? -fd : (got < 0 ? errno : 0);
    if (fd >= 0)
        close(fd);
    if (error == 0 && text->len > LARGEST_FILE)
        error = EFBIG;
    if (error != 0)
        *message = mem_printf("%s: cannot read the baseline: %s", path, why_not_opened(error));
    return -error;
}

static size_t line_of(const struct strbuf *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at && i < text->len; i++)
        line += text->data[i] == '\n';
    return line;
}

/* 0, or what is wrong with the text itself. */
static int check_text(const struct strbuf *text, const char *path, char **message)
{
    if (text->len == 0)
        return refuse(message, path, "it is empty");
    for (size_t i = 0; i < text->len;) {
        size_t len = utf8_length((const unsigned char *)text->data + i);
        if (len == 0 || text->data[i] == '\0') {
            char *problem = mem_printf("line %zu is not UTF-8 text", line_of(text, i));
            int result = refuse(message, path, problem);
            free(problem);
            return result;
        }
        i += len;
    }
    return 0;
}

/* The text as JSON, or NULL with a message. */
static struct json_object *parse(const struct strbuf *text, const char *path, char **message)
{
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *root = json_tokener_parse_ex(tokener, text->data, (int)text->len);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    char *problem = NULL;
    if (error == json_tokener_continue)
        problem = mem_strdup("it ends in the middle (cut off?)");
    else if (error != json_tokener_success)
        problem = mem_printf("line %zu is not JSON as it should be there (a conflict of a merge?)",
                             line_of(text, end));
    else if (end + strspn(text->data + end, " \t\r\n") != text->len)
        problem = mem_printf("something follows its end in line %zu", line_of(text, end));
    if (problem == NULL)
        return root;
    (void)refuse(message, path, problem);
    free(problem);
    json_object_put(root);
    return NULL;
}

static bool is_fingerprint(const char *text)
{
    return text != NULL && strlen(text) == FINGERPRINT_DIGITS &&
           strspn(text, "0123456789abcdef") == FINGERPRINT_DIGITS;
}

/* NULL, or what is wrong. */
static const char *read_entry(struct baseline_entry *entry, struct json_object *object)
{
    if (!json_object_is_type(object, json_type_object))
        return "is no object";
    const char *fingerprint = get_text(object, "fingerprint");
    if (!is_fingerprint(fingerprint))
        return "has no fingerprint of 16 digits";
    struct json_object *places = member(object, "places"), *any = member(object, "any_number");
    if (!json_object_is_type(places, json_type_int) || json_object_get_int64(places) < 1)
        return "has no number of places above 0";
    if (any != NULL && !json_object_is_type(any, json_type_boolean))
        return "has an any_number that is neither true nor false";
    const char *words = get_text(object, "what");
    if (words == NULL)
        return "does not say what it is";
    *entry = (struct baseline_entry){
        .places = number_of(places), .any_number = get_bool(object, "any_number"), .words = words};
    memcpy(entry->fingerprint, fingerprint, sizeof(entry->fingerprint));
    return NULL;
}

static int read_entries(struct baseline *baseline, struct json_object *root, char **message)
{
    struct json_object *entries = get_array(root, "entries");
    if (entries == NULL)
        return refuse(message, baseline->path, "it has no list of entries");
    for (size_t i = 0; i < json_object_array_length(entries); i++) {
        struct baseline_entry entry;
        const char *wrong = read_entry(&entry, json_object_array_get_idx(entries, i));
        if (wrong != NULL) {
            char *problem = mem_printf("entry %zu %s", i + 1, wrong);
            int result = refuse(message, baseline->path, problem);
            free(problem);
            return result;
        }
        GROW(baseline->entries, baseline->count, baseline->cap);
        baseline->entries[baseline->count++] = entry;
    }
    baseline_sort(baseline);
    return 0;
}

static int read_root(struct baseline *baseline, struct json_object *root, char **message)
{
    const char *schema = get_text(root, "schema");
    size_t len = strlen(SCHEMA);
    if (schema == NULL || !starts_with(schema, SCHEMA) || schema[len] < '1' || schema[len] > '9')
        return refuse(message, baseline->path, "its schema is not " SCHEMA "1");
    struct json_object *scheme = member(root, "fingerprint_scheme");
    bool counted = json_object_is_type(scheme, json_type_int) && json_object_get_int64(scheme) > 0;
    if (counted && json_object_get_int64(scheme) < INT32_MAX)
        baseline->scheme = (unsigned int)json_object_get_int64(scheme);
    baseline->newer =
        strtoul(schema + len, NULL, 10) > BASELINE_VERSION || baseline->scheme > FINGERPRINT_SCHEME;
    if (baseline->newer)
        return 0;
    if (baseline->scheme == 0)
        return refuse(message, baseline->path, "its fingerprint_scheme is no number above 0");
    return baseline->scheme == FINGERPRINT_SCHEME ? read_entries(baseline, root, message) : 0;
}

int baseline_read(struct baseline *baseline, const char *path, char **message)
{
    struct strbuf text = {0};
    struct json_object *root = NULL;
    *baseline = (struct baseline){.path = path};
    int result = read_whole(path, &text, message);
    if (result == 0)
        result = check_text(&text, path, message);
    if (result == 0) {
        root = parse(&text, path, message);
        result = root == NULL && *message != NULL ? -EINVAL : 0;
    }
    if (result == 0 && !json_object_is_type(root, json_type_object))
        result = refuse(message, path, "it is no JSON object");
    if (result == 0)
        result = read_root(baseline, root, message);
    json_object_put(root);
    sb_free(&text);
    if (result < 0)
        baseline_free(baseline);
    return result;
}
