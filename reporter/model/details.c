/* See details.h. */
#include "details.h"

#include <stdlib.h>

enum { DETAILS_KEPT = 10000 };

void details_add(struct details *details, const char *text, uint64_t count, uint64_t ns)
{
    if (text == NULL)
        return;
    uint64_t key = (uint64_t)(uintptr_t)text;
    size_t at = (size_t)(uintptr_t)map_get(&details->by_text, key);
    struct detail *detail = &details->others;
    if (at > 0) {
        detail = &details->kept[at - 1];
    } else if (details->count < DETAILS_KEPT) {
        GROW(details->kept, details->count, details->cap);
        detail = &details->kept[details->count++];
        *detail = (struct detail){.text = text};
        map_put(&details->by_text, key, (void *)(uintptr_t)details->count);
    }
    detail->count += count;
    detail->total_ns += ns;
}

void details_add_others(struct details *details, uint64_t count, uint64_t ns)
{
    if (details->count == 0)
        return;
    add_to(&details->others.count, count);
    add_to(&details->others.total_ns, ns);
}

void details_merge(struct details *into, const struct details *from)
{
    for (size_t i = 0; i < from->count; i++)
        details_add(into, from->kept[i].text, from->kept[i].count, from->kept[i].total_ns);
    into->others.count += from->others.count;
    into->others.total_ns += from->others.total_ns;
}

static int by_total(const void *left, const void *right)
{
    const struct detail *a = left, *b = right;
    if (a->total_ns != b->total_ns)
        return a->total_ns > b->total_ns ? -1 : 1;
    return a->count != b->count ? (a->count > b->count ? -1 : 1) : 0;
}

void details_sort(struct details *details)
{
    size_t kept = 0;
    for (size_t i = 0; i < details->count; i++) {
        if (details->kept[i].count > 0)
            details->kept[kept++] = details->kept[i];
    }
    details->count = kept;
    if (kept > 0)
        qsort(details->kept, kept, sizeof(details->kept[0]), by_total);
    map_free(&details->by_text, NULL);
}

void details_free(struct details *details)
{
    map_free(&details->by_text, NULL);
    free(details->kept);
    *details = (struct details){0};
}
