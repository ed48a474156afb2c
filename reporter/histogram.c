/* See histogram.h. */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Where the bucket is, or would have to be. */
static size_t find(const struct histogram *histogram, uint64_t low_ns)
{
    size_t from = 0, to = histogram->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (histogram->buckets[middle].low_ns < low_ns)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void histogram_add(struct histogram *histogram, uint64_t low_ns, uint64_t count)
{
    if (count == 0 || histogram->total + count < count)
        return;
    size_t at = find(histogram, low_ns);
    if (at == histogram->count || histogram->buckets[at].low_ns != low_ns) {
        GROW(histogram->buckets, histogram->count, histogram->cap);
        memmove(&histogram->buckets[at + 1], &histogram->buckets[at],
                (histogram->count - at) * sizeof(*histogram->buckets));
        histogram->buckets[at] = (struct bucket){.low_ns = low_ns};
        histogram->count++;
    }
    histogram->buckets[at].count += count;
    histogram->total += count;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < from->count; i++)
        histogram_add(into, from->buckets[i].low_ns, from->buckets[i].count);
}

void histogram_move_many(struct histogram *histogram, uint64_t from_low_ns, uint64_t to_low_ns,
                         uint64_t count)
{
    size_t at = find(histogram, from_low_ns);
    if (at == histogram->count || histogram->buckets[at].low_ns != from_low_ns)
        return;
    struct bucket *from = &histogram->buckets[at];
    if (count > from->count)
        count = from->count;
    from->count -= count;
    histogram->total -= count;
    if (from->count == 0) {
        histogram->count--;
        memmove(from, from + 1, (histogram->count - at) * sizeof(*from));
    }
    if (to_low_ns > 0)
        histogram_add(histogram, to_low_ns, count);
}

/* The bucket that a value is in; NULL: there is none. */
static struct bucket *bucket_of(const struct histogram *histogram, uint64_t ns)
{
    size_t at = find(histogram, ns + 1);
    struct bucket *bucket = at > 0 ? &histogram->buckets[at - 1] : NULL;
    return bucket != NULL && ns < bucket_end(bucket->low_ns) ? bucket : NULL;
}

void histogram_move(struct histogram *histogram, uint64_t from_ns, uint64_t to_ns)
{
    struct bucket *from = bucket_of(histogram, from_ns);
    if (from == NULL || from->count == 0)
        return;
    from->count--;
    histogram->total--;
    const struct bucket *to = bucket_of(histogram, to_ns);
    /* A new one has the value for its middle. */
    uint64_t low_ns = to != NULL ? to->low_ns : to_ns - to_ns / 17;
    if (from->count == 0) {
        size_t at = (size_t)(from - histogram->buckets);
        histogram->count--;
        memmove(from, from + 1, (histogram->count - at) * sizeof(*from));
    }
    histogram_add(histogram, low_ns, 1);
}

uint64_t bucket_end(uint64_t low_ns)
{
    /* The bounds were ticks before they were nanoseconds, so the width is not exactly an eighth of
     * a power of two: between 1/8 and 1/16 of the bound. The wider one is the promise (12.5 %). */
    uint64_t width = low_ns / 8;
    uint64_t end = low_ns + (width > 0 ? width : 1);
    return end < low_ns ? UINT64_MAX : end;
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_mille,
                              uint64_t max_ns)
{
    if (histogram->total == 0)
        return 0;
    /* Nearest rank: the smallest value with at least that share at or below it. */
    uint64_t whole = histogram->total / 1000, rest = histogram->total % 1000;
    uint64_t rank = whole * per_mille + (rest * per_mille + 999) / 1000;
    rank = rank > 0 ? rank : 1;
    uint64_t seen = 0;
    const struct bucket *bucket = histogram->buckets;
    for (size_t i = 0; i < histogram->count; i++) {
        bucket = &histogram->buckets[i];
        seen += bucket->count;
        if (seen >= rank)
            break;
    }
    uint64_t value = bucket->low_ns + (bucket_end(bucket->low_ns) - bucket->low_ns) / 2;
    return max_ns > 0 && value > max_ns ? max_ns : value;
}

uint64_t histogram_count_from(const struct histogram *histogram, uint64_t ns)
{
    uint64_t count = 0;
    for (size_t i = find(histogram, ns); i < histogram->count; i++)
        count += histogram->buckets[i].count;
    return count;
}

void histogram_free(struct histogram *histogram)
{
    free(histogram->buckets);
    *histogram = (struct histogram){0};
}
