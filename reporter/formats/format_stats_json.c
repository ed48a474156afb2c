/* `stats --format json`: schema stalltrace.stats/1. Members may be added; none is renamed or
 * removed. */
#include "format_stats.h"
#include "util/json_writer.h"

static void write_histogram(struct json_writer *w, const char *name,
                            const struct histogram *histogram, uint64_t max_ns)
{
    static const struct {
        const char *name;
        unsigned int per_mille;
    } percentiles[] = {{"p50_ms", 500}, {"p90_ms", 900}, {"p99_ms", 990}, {"p999_ms", 999}};
    json_begin_object(w, name);
    json_uint(w, "count", histogram->total);
    for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
        json_ms_exact(w, percentiles[i].name,
                      histogram_percentile(histogram, percentiles[i].per_mille, max_ns));
    }
    json_ms_exact(w, "max_ms", max_ns > 0 ? max_ns : histogram_percentile(histogram, 1000, 0));
    json_begin_array(w, "buckets");
    for (size_t i = 0; i < histogram->count; i++) {
        json_begin_object(w, NULL);
        json_ms_exact(w, "from_ms", histogram->buckets[i].low_ns);
        json_uint(w, "count", histogram->buckets[i].count);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_longest(struct json_writer *w, const struct trace *trace, const struct loop *loop)
{
    json_begin_array(w, "longest");
    for (size_t i = 0; i < loop->longest_count; i++) {
        struct strbuf moment = {0};
        sb_add(&moment, "");
        format_moment(&moment, trace, loop->longest[i].at_ns, true);
        json_begin_object(w, NULL);
        json_ms_exact(w, "ms", loop->longest[i].elapsed_ns);
        json_string(w, "at", moment.data);
        json_ms_exact(w, "at_ms", loop->longest[i].at_ns);
        json_end_object(w);
        sb_free(&moment);
    }
    json_end_array(w);
}

static void write_loop(struct json_writer *w, const struct trace *trace, const struct loop *loop)
{
    json_begin_object(w, NULL);
    json_int(w, "pid", trace->pid);
    json_string(w, "exe", trace->exe);
    json_int(w, "tid", loop->tid);
    json_string(w, "name", loop->name);
    json_string(w, "home", loop->home);
    json_uint(w, "iterations", loop->iterations);
    json_uint_scaled(w, "rate_per_s", (uint64_t)(loop_rate(loop) * 1000 + 0.5));
    json_share(w, "busy_share", loop->busy_ns, loop->busy_ns + loop->wait_ns);
    json_ms_exact(w, "busy_ms", loop->busy_ns);
    json_ms_exact(w, "wait_ms", loop->wait_ns);
    json_ms_exact(w, "calls_ms", loop->calls_ns);
    json_begin_object(w, "frozen");
    json_uint(w, "count", trace->frozen_count);
    json_ms_exact(w, "total_ms", trace->frozen_ns);
    json_end_object(w);
    write_histogram(w, "iteration", &loop->iteration_hist, loop->max_iteration_ns);
    write_histogram(w, "wait", &loop->wait_hist, 0);
    write_histogram(w, "calls", &loop->calls_hist, 0);
    write_longest(w, trace, loop);
    json_end_object(w);
}

void format_stats_json(struct strbuf *out, const struct model *model)
{
    struct json_writer writer = {.out = out}, *w = &writer;
    json_begin_document(w, "stalltrace.stats/1");
    json_begin_array(w, "loops");
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        for (size_t j = 0; j < trace->loop_count; j++)
            write_loop(w, trace, trace->loops[j]);
    }
    json_end_array(w);
    json_end_object(w);
    sb_add(out, "\n");
}
