/* See histogram.h. */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

#include "util/util.h"

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

static int by_bound(const void *left, const void *right)
{
    const struct bucket *a = left, *b = right;
    return a->low_ns < b->low_ns ? -1 : a->low_ns > b->low_ns;
}

/* Appends a bucket, or adds to the last one where that is the same. */
static void append(struct histogram *to, const struct bucket *bucket)
{
    struct bucket *last = to->count > 0 ? &to->buckets[to->count - 1] : NULL;
    if (last != NULL && last->low_ns == bucket->low_ns)
        last->count += bucket->count; /* less than the total */
    else if (bucket->count > 0)
        to->buckets[to->count++] = *bucket;
}

void histogram_settle(struct histogram *histogram)
{
    size_t n = histogram->count, m = histogram->pending_count, i = 0, j = 0;
    if (m == 0 && histogram->empty == 0)
        return;
    if (m > 0)
        qsort(histogram->pending, m, sizeof(*histogram->pending), by_bound);
    struct histogram merged = {.cap = n + m, .total = histogram->total};
    merged.buckets = mem_calloc(merged.cap, sizeof(*merged.buckets));
    while (i < n || j < m) {
        bool settled =
            j == m || (i < n && histogram->buckets[i].low_ns <= histogram->pending[j].low_ns);
        append(&merged, settled ? &histogram->buckets[i++] : &histogram->pending[j++]);
    }
    histogram_free(histogram);
    *histogram = merged;
}

/* The bucket with this bound; NULL: there is none, or not yet. */
static struct bucket *at_bound(const struct histogram *histogram, uint64_t low_ns)
{
    size_t at = find(histogram, low_ns);
    return at < histogram->count && histogram->buckets[at].low_ns == low_ns
               ? &histogram->buckets[at]
               : NULL;
}

void histogram_add(struct histogram *histogram, uint64_t low_ns, uint64_t count)
{
    enum { ENOUGH = 64 };
    if (count == 0 || histogram->total + count < count)
        return;
    histogram->total += count;
    struct bucket *known = at_bound(histogram, low_ns);
    if (known != NULL) {
        histogram->empty -= known->count == 0;
        known->count += count;
        return;
    }
    GROW(histogram->pending, histogram->pending_count, histogram->pending_cap);
    histogram->pending[histogram->pending_count++] = (struct bucket){low_ns, count};
    if (histogram->pending_count > histogram->count + ENOUGH)
        histogram_settle(histogram);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < from->count; i++)
        histogram_add(into, from->buckets[i].low_ns, from->buckets[i].count);
    for (size_t i = 0; i < from->pending_count; i++)
        histogram_add(into, from->pending[i].low_ns, from->pending[i].count);
    histogram_settle(into);
}

/* A bucket that is empty goes when the histogram is settled. */
static void take(struct histogram *histogram, struct bucket *bucket, uint64_t count)
{
    bucket->count -= count;
    histogram->total -= count;
    histogram->empty += bucket->count == 0 && count > 0;
}

void histogram_move_many(struct histogram *histogram, uint64_t from_low_ns, uint64_t to_low_ns,
                         uint64_t count)
{
    struct bucket *from = at_bound(histogram, from_low_ns);
    if (from == NULL && histogram->pending_count > 0) {
        histogram_settle(histogram);
        from = at_bound(histogram, from_low_ns);
    }
    if (from == NULL)
        return;
    if (count > from->count)
        count = from->count;
    take(histogram, from, count);
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
    histogram_settle(histogram);
    struct bucket *from = bucket_of(histogram, from_ns);
    if (from == NULL || from->count == 0)
        return;
    take(histogram, from, 1);
    const struct bucket *to = bucket_of(histogram, to_ns);
    /* A new one has the value for its middle. */
    histogram_add(histogram, to != NULL ? to->low_ns : to_ns - to_ns / 17, 1);
    histogram_settle(histogram);
}

uint64_t bucket_end(uint64_t low_ns)
{
    /* The bounds were ticks before they were nanoseconds, so the width is not exactly an eighth of
     * a power of two: between 1/8 and 1/16 of the bound. The wider one is the promise (12.5 %). */
    uint64_t width = low_ns / 8;
    uint64_t end = low_ns + (width > 0 ? width : 1);
    return end < low_ns ? UINT64_MAX : end;
}

/* What a histogram says is the same before and after. */
static void settle_for_reader(const struct histogram *histogram)
{
    histogram_settle((struct histogram *)(uintptr_t)histogram);
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_mille,
                              uint64_t max_ns)
{
    if (histogram->total == 0)
        return 0;
    settle_for_reader(histogram);
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
    settle_for_reader(histogram);
    for (size_t i = find(histogram, ns); i < histogram->count; i++)
        count += histogram->buckets[i].count;
    return count;
}

void histogram_free(struct histogram *histogram)
{
    free(histogram->buckets);
    free(histogram->pending);
    *histogram = (struct histogram){0};
}
