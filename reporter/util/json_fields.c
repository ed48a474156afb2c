/* See json_fields.h. */
#include "json_fields.h"

#include <stdlib.h>

enum { LARGEST_LINE = 1 << 30 };

struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, name, &value) ? value : NULL;
}

struct json_object *get_array(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    return json_object_is_type(value, json_type_array) ? value : NULL;
}

struct json_object *get_object(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    return json_object_is_type(value, json_type_object) ? value : NULL;
}

const char *text_of(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return NULL;
    return intern_n(json_object_get_string(value), (size_t)json_object_get_string_len(value));
}

const char *get_text(struct json_object *object, const char *name)
{
    return text_of(member(object, name));
}

static uint64_t double_to_number(double value)
{
    return value < (double)LARGEST_NUMBER ? (uint64_t)value : LARGEST_NUMBER;
}

uint64_t number_of(struct json_object *value)
{
    uint64_t number = 0;
    if (json_object_is_type(value, json_type_int))
        number = json_object_get_uint64(value);
    else if (json_object_is_type(value, json_type_double))
        /* false for what is no number, too */
        number =
            json_object_get_double(value) > 0 ? double_to_number(json_object_get_double(value)) : 0;
    return number < LARGEST_NUMBER ? number : LARGEST_NUMBER;
}

uint64_t get_number(struct json_object *object, const char *name)
{
    return number_of(member(object, name));
}

bool get_bool(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

uint64_t get_address(struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name);
    if (!json_object_is_type(value, json_type_string))
        return 0;
    return strtoull(json_object_get_string(value), NULL, 16);
}

int get_line(struct json_object *object, const char *name)
{
    uint64_t line = get_number(object, name);
    return line > LARGEST_LINE ? 0 : (int)line;
}
