/* See criteria.h. */
#include "criteria.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "trace/settings.h"

static const struct {
    const char *word;
    enum criterion_kind kind;
} words[] = {
    {"findings", ON_FINDINGS}, {"finding", ON_FINDINGS}, {"new", ON_NEW},
    {"budget", ON_BUDGET},     {"unused", ON_UNUSED},    {"starved", ON_STARVED},
    {"startup", ON_STARTUP},
};

/* The rest of `item` after `prefix`, where it begins with that and has a rest. */
static const char *after(const char *item, const char *prefix)
{
    size_t len = strlen(prefix);
    return starts_with(item, prefix) && item[len] != '\0' ? item + len : NULL;
}

static int parse_item(struct criterion *criterion, const char *item)
{
    const char *rest;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(item, words[i].word) == 0) {
            criterion->kind = words[i].kind;
            return 0;
        }
    }
    if ((rest = after(item, "class:")) != NULL) {
        criterion->kind = ON_CLASS;
        criterion->text = intern(rest);
        return is_class_name(rest) || strcmp(rest, "iteration") == 0 ? 0 : -EINVAL;
    }
    if ((rest = after(item, "file:")) != NULL) {
        criterion->kind = ON_FILE;
        criterion->text = intern(rest);
        return 0;
    }
    if ((rest = after(item, "duration>")) != NULL) {
        criterion->kind = ON_DURATION;
        return parse_duration(rest, &criterion->ns);
    }
    return -EINVAL;
}

int criteria_add(struct criteria *criteria, const char *command, const char *list)
{
    for (const char *item = list;; item++) {
        size_t len = strcspn(item, ",");
        char *one = mem_printf("%.*s", (int)len, item);
        GROW(criteria->items, criteria->count, criteria->cap);
        struct criterion *criterion = &criteria->items[criteria->count];
        *criterion = (struct criterion){0};
        int result = parse_item(criterion, one);
        if (result < 0)
            complain("%s: --fail-on: '%s' is not understood; allowed: " FAIL_ON_ALLOWED, command,
                     one);
        criterion->item = intern(one);
        criteria->count += result == 0;
        free(one);
        item += len;
        if (result < 0 || *item == '\0')
            return result;
    }
}

void criteria_describe(struct strbuf *out, const struct criteria *criteria)
{
    sb_add(out, criteria->count == 0 ? "findings" : "");
    for (size_t i = 0; i < criteria->count; i++) {
        sb_add(out, i > 0 ? "," : "");
        sb_add_clean(out, criteria->items[i].item);
    }
}

void criteria_free(struct criteria *criteria)
{
    free(criteria->items);
    *criteria = (struct criteria){0};
}

bool criteria_have(const struct criteria *criteria, enum criterion_kind kind)
{
    for (size_t i = 0; i < criteria->count; i++) {
        if (criteria->items[i].kind == kind)
            return true;
    }
    return criteria->count == 0 && kind == ON_FINDINGS;
}

int criteria_are_met_by(const char *command, struct criteria *criteria, const char *baseline)
{
    if (baseline != NULL && criteria->count == 0)
        return criteria_add(criteria, command, "new");
    if (!criteria_have(criteria, ON_NEW) || baseline != NULL)
        return 0;
    complain("%s: --fail-on new: new against what? It needs --baseline FILE", command);
    return -EINVAL;
}

void criteria_set_budget(const struct criteria *criteria, struct model *model)
{
    if (criteria_have(criteria, ON_BUDGET) && model->budget_ns == 0)
        model->budget_ns = UINT64_C(1000000000);
}

/* Does it match the path, or the end of it from a slash on? */
static bool matches_path(const char *glob, const char *path)
{
    for (; path != NULL; path = strchr(path, '/')) {
        path += *path == '/' && glob[0] != '/';
        if (fnmatch(glob, path, 0) == 0)
            return true;
        path += *path == '/';
    }
    return false;
}

/* The culprit's file, or any frame's where there is no culprit. */
static bool in_file(const char *glob, const struct stack_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        bool asked = view->culprit < 0 || (size_t)view->culprit == i;
        if (asked && matches_path(glob, view->frames[i].file))
            return true;
    }
    return false;
}

static bool fails(const struct criterion *criterion, const struct model *model,
                  const struct finding *finding)
{
    switch (criterion->kind) {
    case ON_FINDINGS:
        return true;
    case ON_BUDGET:
        return over_budget(model, finding->max_ns);
    case ON_CLASS:
        return finding->class_name != NULL && strcmp(criterion->text, finding->class_name) == 0;
    case ON_DURATION:
        return finding->max_ns > criterion->ns;
    case ON_FILE:
        return in_file(criterion->text, finding->view);
    case ON_NEW:
        return finding->baseline_state == BASELINE_NEW;
    case ON_UNUSED:
    case ON_STARVED:
    case ON_STARTUP:
        break;
    }
    return false;
}

bool criteria_fail(const struct criteria *criteria, const struct model *model,
                   const struct finding *finding, bool starts)
{
    if (finding->suppressed_by != NULL)
        return false;
    if (starts || criteria->count == 0)
        return !starts || criteria_have(criteria, ON_STARTUP);
    for (size_t i = 0; i < criteria->count; i++) {
        if (fails(&criteria->items[i], model, finding))
            return true;
    }
    return false;
}
