/* See json_fields.h. */
#include "json_fields.h"

#include <limits.h>
#include <stdlib.h>

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

uint64_t number_of(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return 0;
    return json_object_get_uint64(value);
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
    return line > INT_MAX ? 0 : (int)line;
}
