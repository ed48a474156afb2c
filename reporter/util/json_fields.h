/* Members of a record, by name; what is missing or of another type reads as nothing. */
#ifndef STALLTRACE_JSON_FIELDS_H
#define STALLTRACE_JSON_FIELDS_H

#include <json-c/json.h>

#include "util.h"

struct json_object *member(struct json_object *object, const char *name); /* or NULL */
/* NULL where it is no array or no object. */
struct json_object *get_array(struct json_object *object, const char *name);
struct json_object *get_object(struct json_object *object, const char *name);
/* Pooled; NULL where the value is no string. */
const char *text_of(struct json_object *value);
const char *get_text(struct json_object *object, const char *name);
uint64_t number_of(struct json_object *value);
uint64_t get_number(struct json_object *object, const char *name);
bool get_bool(struct json_object *object, const char *name);
uint64_t get_address(struct json_object *object, const char *name);
int get_line(struct json_object *object, const char *name);

#endif
