/* Histograms out of traces: counts in log-linear buckets, and the percentiles of what was counted.
 */
#ifndef STALLTRACE_HISTOGRAM_H
#define STALLTRACE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

struct bucket {
    uint64_t low_ns; /* its lower bound */
    uint64_t count;
};

/* Zero-initialised is empty. */
struct histogram {
    struct bucket *buckets; /* by lower bound, ascending */
    size_t count, cap;
    uint64_t total; /* of all counts */
    /* What has no bucket yet, in any order: put in its place many at a time, when there are enough
     * of them or somebody looks. */
    struct bucket *pending;
    size_t pending_count, pending_cap;
    size_t empty; /* buckets without a count */
};

/* Adds to a bucket, which is known by its lower bound. What reads `buckets` by itself settles the
 * histogram before. */
void histogram_add(struct histogram *histogram, uint64_t low_ns, uint64_t count);
void histogram_settle(struct histogram *histogram);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* Moves one count from the bucket that a value is in to that of another; nothing where there is
 * none. */
void histogram_move(struct histogram *histogram, uint64_t from_ns, uint64_t to_ns);
/* Moves so many counts from one bucket to another, both known by their lower bounds; `to_low_ns` 0:
 * they are forgotten. No more than there are. */
void histogram_move_many(struct histogram *histogram, uint64_t from_low_ns, uint64_t to_low_ns,
                         uint64_t count);
/* The value that `per_mille` of 1000 values are at or below: the middle of the bucket that the
 * value is in, but never more than `max_ns` (0: not known). 0 where nothing was counted. */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned int per_mille,
                              uint64_t max_ns);
/* How many values were surely at or over a bound. */
uint64_t histogram_count_from(const struct histogram *histogram, uint64_t ns);
/* The upper bound of the bucket with this lower bound: there are eight to a power of two. */
uint64_t bucket_end(uint64_t low_ns);
void histogram_free(struct histogram *histogram);

#endif
