/* `stats --format json`: schema stalltrace.stats/1. Members may be added; none is renamed or
 * removed. */
#include "format_stats.h"
#include "json_writer.h"
#include "version.h"

static void write_histogram(struct json_writer *w, const char *name,
                            const struct histogram *histogram, uint64_t max_ns)
{
    static const struct {
        const char *name;
        unsigned int per_mille;
    } percentiles[] = {{"p50_ms", 500}, {"p90_ms", 900}, {"p99_ms", 990}, {"p999_ms", 999}};
    json_key(w, name);
    json_begin_object(w);
    json_key(w, "count");
    json_uint(w, histogram->total);
    for (size_t i = 0; i < COUNT_OF(percentiles); i++) {
        json_key(w, percentiles[i].name);
        json_ms_exact(w, histogram_percentile(histogram, percentiles[i].per_mille, max_ns));
    }
    json_key(w, "max_ms");
    json_ms_exact(w, max_ns > 0 ? max_ns : histogram_percentile(histogram, 1000, 0));
    json_key(w, "buckets");
    json_begin_array(w);
    for (size_t i = 0; i < histogram->count; i++) {
        json_begin_object(w);
        json_key(w, "from_ms");
        json_ms_exact(w, histogram->buckets[i].low_ns);
        json_key(w, "count");
        json_uint(w, histogram->buckets[i].count);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_longest(struct json_writer *w, const struct trace *trace, const struct loop *loop)
{
    json_key(w, "longest");
    json_begin_array(w);
    for (size_t i = 0; i < loop->longest_count; i++) {
        struct strbuf moment = {0};
        sb_add(&moment, "");
        format_moment(&moment, trace, loop->longest[i].at_ns, true);
        json_begin_object(w);
        json_key(w, "ms");
        json_ms_exact(w, loop->longest[i].elapsed_ns);
        json_key(w, "at");
        json_string(w, moment.data);
        json_key(w, "at_ms");
        json_ms_exact(w, loop->longest[i].at_ns);
        json_end_object(w);
        sb_free(&moment);
    }
    json_end_array(w);
}

static void write_loop(struct json_writer *w, const struct trace *trace, const struct loop *loop)
{
    json_begin_object(w);
    json_key(w, "pid");
    json_int(w, trace->pid);
    json_key(w, "exe");
    json_string(w, trace->exe);
    json_key(w, "tid");
    json_int(w, loop->tid);
    json_key(w, "name");
    json_string(w, loop->name);
    json_key(w, "home");
    json_string(w, loop->home);
    json_key(w, "iterations");
    json_uint(w, loop->iterations);
    json_key(w, "rate_per_s");
    json_uint_scaled(w, (uint64_t)(loop_rate(loop) * 1000 + 0.5));
    json_key(w, "busy_share");
    json_share(w, loop->busy_ns, loop->busy_ns + loop->wait_ns);
    json_key(w, "busy_ms");
    json_ms_exact(w, loop->busy_ns);
    json_key(w, "wait_ms");
    json_ms_exact(w, loop->wait_ns);
    json_key(w, "calls_ms");
    json_ms_exact(w, loop->calls_ns);
    json_key(w, "frozen");
    json_begin_object(w);
    json_key(w, "count");
    json_uint(w, trace->frozen_count);
    json_key(w, "total_ms");
    json_ms_exact(w, trace->frozen_ns);
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
    json_begin_object(w);
    json_key(w, "schema");
    json_string(w, "stalltrace.stats/1");
    json_key(w, "tool");
    json_begin_object(w);
    json_key(w, "name");
    json_string(w, "stalltrace");
    json_key(w, "version");
    json_string(w, STALLTRACE_VERSION);
    json_end_object(w);
    json_key(w, "loops");
    json_begin_array(w);
    for (size_t i = 0; i < model->trace_count; i++) {
        const struct trace *trace = model->traces[i];
        for (size_t j = 0; j < trace->loop_count; j++)
            write_loop(w, trace, trace->loops[j]);
    }
    json_end_array(w);
    json_end_object(w);
    sb_add(out, "\n");
}
