/* See tasks.h. */
#include "tasks.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/quantities.h"

/* asyncio numbers the tasks that nobody named: a server has one a request. */
static bool is_numbered(const char *name)
{
    static const char prefix[] = "Task-";
    if (name == NULL)
        return true;
    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return false;
    const char *digit = name + sizeof(prefix) - 1;
    while (isdigit((unsigned char)*digit))
        digit++;
    return *digit == '\0';
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void add(struct tasks *tasks, const struct task_count *more)
{
    for (size_t i = 0; i < tasks->count; i++) {
        struct task_count *task = &tasks->kept[i];
        if (!same_text(task->coroutine, more->coroutine))
            continue;
        bool same_name = same_text(task->name, more->name);
        if (!same_name && !(is_numbered(task->name) && is_numbered(more->name)))
            continue;
        if (!same_name)
            task->name = NULL;
        add_to(&task->count, more->count);
        return;
    }
    if (tasks->count < TASKS_KEPT)
        tasks->kept[tasks->count++] = *more;
    else
        add_to(&tasks->others, more->count);
}

void tasks_add(struct tasks *tasks, const char *name, const char *coroutine, uint64_t count)
{
    if (name != NULL && count > 0)
        add(tasks, &(struct task_count){name, coroutine, count});
}

void tasks_merge(struct tasks *into, const struct tasks *from)
{
    for (size_t i = 0; i < from->count; i++)
        add(into, &from->kept[i]);
    add_to(&into->others, from->others);
}

static int by_count(const void *left, const void *right)
{
    const struct task_count *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->name != NULL ? a->name : "", b->name != NULL ? b->name : "");
}

void tasks_sort(struct tasks *tasks)
{
    if (tasks->count > 1)
        qsort(tasks->kept, tasks->count, sizeof(tasks->kept[0]), by_count);
}

void tasks_describe(struct strbuf *out, const struct tasks *tasks, bool counted)
{
    enum { SHOWN = 3 };
    uint64_t others = tasks->others;
    for (size_t i = 0; i < tasks->count; i++) {
        const struct task_count *task = &tasks->kept[i];
        if (i >= SHOWN) {
            others += task->count;
            continue;
        }
        sb_add(out, i > 0 ? ", " : "");
        sb_add(out, task->name != NULL ? "task " : "tasks");
        sb_add_clean(out, task->name != NULL ? task->name : "");
        if (task->coroutine != NULL) {
            sb_add(out, task->name != NULL ? " (coroutine " : " of coroutine ");
            sb_add_clean(out, task->coroutine);
            sb_add(out, task->name != NULL ? ")" : "");
        }
        if (counted && task->count > 1)
            sb_addf(out, " %" PRIu64 " times", task->count);
    }
    if (counted && others > 0)
        sb_addf(out, ", and %" PRIu64 " in other tasks", others);
}
