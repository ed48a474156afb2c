/* As much of JSON Schema as our own schema uses: type, required, properties, items, enum, const,
 * pattern, minimum, maximum, allOf, if/then and references into $defs. A keyword that is not known
 * here fails the test, so that none is passed over in silence. */
#include "schema.h"

#include <check.h>
#include <json-c/json.h>
#include <regex.h>
#include <stdbool.h>
#include <string.h>

#include "util/util.h"

static struct json_object *root;

/* Why the value does not follow the schema, to be freed; NULL where it does. */
static char *problem_with(struct json_object *schema, struct json_object *value, const char *path);

static bool has_type(struct json_object *value, const char *type)
{
    static const struct {
        const char *name;
        enum json_type type;
    } types[] = {{"object", json_type_object}, {"array", json_type_array},
                 {"string", json_type_string}, {"boolean", json_type_boolean},
                 {"null", json_type_null},     {"integer", json_type_int},
                 {"number", json_type_double}, {"number", json_type_int}};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].name, type) == 0 && json_object_is_type(value, types[i].type))
            return true;
    }
    return false;
}

/* The keyword's value is one, or an array of several. */
static bool has_one_of_types(struct json_object *types, struct json_object *value)
{
    if (json_object_is_type(types, json_type_string))
        return has_type(value, json_object_get_string(types));
    for (size_t i = 0; i < json_object_array_length(types); i++) {
        if (has_type(value, json_object_get_string(json_object_array_get_idx(types, i))))
            return true;
    }
    return false;
}

static bool is_among(struct json_object *values, struct json_object *value)
{
    for (size_t i = 0; i < json_object_array_length(values); i++) {
        if (json_object_equal(json_object_array_get_idx(values, i), value))
            return true;
    }
    return false;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t regex;
    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool matched = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return matched;
}

static char *problem_with_properties(struct json_object *properties, struct json_object *value,
                                     const char *path)
{
    char *problem = NULL;
    if (!json_object_is_type(value, json_type_object))
        return NULL;
    json_object_object_foreach(properties, name, schema)
    {
        struct json_object *member = NULL;
        if (problem == NULL && json_object_object_get_ex(value, name, &member)) {
            char *below = mem_printf("%s.%s", path, name);
            problem = problem_with(schema, member, below);
            free(below);
        }
    }
    return problem;
}

static char *problem_with_required(struct json_object *names, struct json_object *value,
                                   const char *path)
{
    for (size_t i = 0; i < json_object_array_length(names); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        if (json_object_is_type(value, json_type_object) &&
            !json_object_object_get_ex(value, name, NULL))
            return mem_printf("%s lacks %s", path, name);
    }
    return NULL;
}

static char *problem_with_items(struct json_object *schema, struct json_object *value,
                                const char *path)
{
    char *problem = NULL;
    size_t count =
        json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
    for (size_t i = 0; i < count && problem == NULL; i++) {
        char *below = mem_printf("%s[%zu]", path, i);
        problem = problem_with(schema, json_object_array_get_idx(value, i), below);
        free(below);
    }
    return problem;
}

static char *problem_with_all(struct json_object *schemas, struct json_object *value,
                              const char *path)
{
    char *problem = NULL;
    for (size_t i = 0; i < json_object_array_length(schemas) && problem == NULL; i++)
        problem = problem_with(json_object_array_get_idx(schemas, i), value, path);
    return problem;
}

static struct json_object *referred(const char *reference)
{
    struct json_object *defs = NULL, *schema = NULL;
    ck_assert(starts_with(reference, "#/$defs/"));
    ck_assert(json_object_object_get_ex(root, "$defs", &defs));
    ck_assert(json_object_object_get_ex(defs, reference + strlen("#/$defs/"), &schema));
    return schema;
}

static bool is_number(struct json_object *value)
{
    return has_type(value, "number");
}

static char *problem_with_keyword(const char *keyword, struct json_object *argument,
                                  struct json_object *value, const char *path)
{
    const char *text = json_object_get_string(argument);
    bool good = true;
    if (strcmp(keyword, "$ref") == 0)
        return problem_with(referred(text), value, path);
    if (strcmp(keyword, "properties") == 0)
        return problem_with_properties(argument, value, path);
    if (strcmp(keyword, "required") == 0)
        return problem_with_required(argument, value, path);
    if (strcmp(keyword, "items") == 0)
        return problem_with_items(argument, value, path);
    if (strcmp(keyword, "allOf") == 0)
        return problem_with_all(argument, value, path);
    if (strcmp(keyword, "type") == 0)
        good = has_one_of_types(argument, value);
    else if (strcmp(keyword, "enum") == 0)
        good = is_among(argument, value);
    else if (strcmp(keyword, "const") == 0)
        good = json_object_equal(argument, value);
    else if (strcmp(keyword, "pattern") == 0)
        good = !has_type(value, "string") || matches(text, json_object_get_string(value));
    else if (strcmp(keyword, "minimum") == 0)
        good =
            !is_number(value) || json_object_get_double(value) >= json_object_get_double(argument);
    else if (strcmp(keyword, "maximum") == 0)
        good =
            !is_number(value) || json_object_get_double(value) <= json_object_get_double(argument);
    else if (keyword[0] != '$' && strcmp(keyword, "title") != 0 &&
             strcmp(keyword, "description") != 0 && strcmp(keyword, "if") != 0 &&
             strcmp(keyword, "then") != 0)
        return mem_printf("the schema's keyword %s is not known here", keyword);
    return good ? NULL
                : mem_printf("%s is %s, against %s %s", path, json_object_get_string(value),
                             keyword, text);
}

static char *problem_with(struct json_object *schema, struct json_object *value, const char *path)
{
    char *problem = NULL;
    struct json_object *condition = NULL, *then = NULL;
    json_object_object_foreach(schema, keyword, argument)
    {
        if (problem == NULL)
            problem = problem_with_keyword(keyword, argument, value, path);
    }
    if (problem == NULL && json_object_object_get_ex(schema, "if", &condition) &&
        json_object_object_get_ex(schema, "then", &then)) {
        char *unmet = problem_with(condition, value, path);
        problem = unmet == NULL ? problem_with(then, value, path) : NULL;
        free(unmet);
    }
    return problem;
}

void schema_check_report(const char *json)
{
    root = json_object_from_file(REPORT_SCHEMA);
    ck_assert_msg(root != NULL, "%s cannot be read", REPORT_SCHEMA);
    struct json_object *report = json_tokener_parse(json);
    ck_assert_msg(report != NULL, "no JSON: %s", json);
    char *problem = problem_with(root, report, "report");
    ck_assert_msg(problem == NULL, "%s", problem);
    json_object_put(report);
    json_object_put(root);
}
