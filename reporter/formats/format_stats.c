/* See format_stats.h: one line a loop, then its histogram and its longest iterations. */
#define _GNU_SOURCE
#include "format_stats.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "words/describe.h"
#include "text.h"

enum { NAME = 19, FIGURE = 7, BAR = 40 };

double loop_busy_share(const struct loop *loop)
{
    uint64_t both = loop->busy_ns + loop->wait_ns;
    return both == 0 ? 0.0 : (double)loop->busy_ns / (double)both;
}

double loop_rate(const struct loop *loop)
{
    uint64_t both = loop->busy_ns + loop->wait_ns;
    return both == 0 ? 0.0 : (double)loop->iterations * 1e9 / (double)both;
}

void format_moment(struct strbuf *out, const struct trace *trace, uint64_t at_ns, bool iso)
{
    uint64_t unix_ns = trace->start_ns + at_ns;
    time_t seconds = (time_t)(unix_ns / 1000000000);
    struct tm local;
    char text[64];
    if (localtime_r(&seconds, &local) == NULL)
        return;
    strftime(text, sizeof(text), iso ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &local);
    sb_addf(out, "%s.%03u", text, (unsigned int)(unix_ns / 1000000 % 1000));
    strftime(text, sizeof(text), "%z", &local);
    sb_add(out, iso ? text : "");
}

/* `850ns`, `12.3µs`, `312ms`, `1.25s`, `125s`: three digits, so that columns stay narrow. */
static void add_figure(struct strbuf *out, uint64_t ns)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    double value = (double)ns;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < COUNT_OF(units)) {
        value /= 1000;
        unit++;
    }
    int decimals = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    char text[32];
    int len = snprintf(text, sizeof(text), "%.*f%s", decimals, value, units[unit]);
    int columns = unit == 1 ? len - 1 : len; /* µ is two bytes */
    sb_addf(out, "%*s%s", FIGURE - columns > 0 ? FIGURE - columns : 1, "", text);
}

static void add_percentiles(struct strbuf *out, const struct histogram *histogram, uint64_t max_ns)
{
    static const unsigned int per_mille[] = {500, 900, 990, 999};
    for (size_t i = 0; i < COUNT_OF(per_mille); i++)
        add_figure(out, histogram_percentile(histogram, per_mille[i], max_ns));
    add_figure(out, max_ns > 0 ? max_ns : histogram_percentile(histogram, 1000, 0));
    sb_add(out, "\n");
}

static void add_name(struct strbuf *out, const struct trace *trace, const struct loop *loop)
{
    struct strbuf name = {0};
    sb_add_clean(&name, loop->name[0] != '\0' ? loop->name : base_name(trace->exe));
    sb_addf(&name, " %" PRId64, loop->tid);
    sb_addf(out, "%-*s", NAME, name.data);
    sb_free(&name);
}

static void add_rate(struct strbuf *out, double rate)
{
    char text[32];
    snprintf(text, sizeof(text), rate < 99.95 ? "%.1f/s" : "%.0f/s", rate);
    sb_addf(out, "%10s", text);
}

static void add_line(struct strbuf *out, const struct trace *trace, const struct loop *loop)
{
    add_name(out, trace, loop);
    sb_addf(out, "%10" PRIu64, loop->iterations);
    add_rate(out, loop_rate(loop));
    sb_addf(out, "%4.0f %%", loop_busy_share(loop) * 100);
    add_percentiles(out, &loop->iteration_hist, loop->max_iteration_ns);
    if (loop->calls_hist.total > 0) {
        sb_addf(out, "  %-*s%10" PRIu64 "%16s", NAME - 2, "in blocking calls",
                loop->calls_hist.total, "");
        add_percentiles(out, &loop->calls_hist, 0);
    }
}

/* Which row of the histogram a value is in: 1, 3, 10, 30, … nanoseconds. */
static unsigned int row_of(uint64_t ns)
{
    unsigned int row = 0;
    for (uint64_t bound = 1; ns >= bound * 3 && row < 38; bound *= 10) {
        row++;
        if (ns < bound * 10)
            break;
        row++;
    }
    return row;
}

static uint64_t row_start(unsigned int row)
{
    uint64_t bound = 1;
    for (unsigned int i = 0; i < row / 2; i++)
        bound *= 10;
    return row % 2 ? bound * 3 : bound;
}

/* Bars grow with the logarithm of the count: what is rare is what one looks for. */
static void add_histogram(struct strbuf *out, const struct histogram *histogram)
{
    enum { ROWS = 40, SCALE = 10000 };
    uint64_t counts[ROWS] = {0}, most = 0;
    unsigned int first = ROWS, last = 0;
    for (size_t i = 0; i < histogram->count; i++) {
        const struct bucket *bucket = &histogram->buckets[i];
        uint64_t middle = bucket->low_ns + (bucket_end(bucket->low_ns) - bucket->low_ns) / 2;
        unsigned int row = row_of(middle);
        counts[row] += bucket->count;
        first = row < first ? row : first;
        last = row > last ? row : last;
        most = counts[row] > most ? counts[row] : most;
    }
    for (unsigned int row = first; row <= last && row < ROWS; row++) {
        double share =
            counts[row] == 0 ? 0 : log2(1 + (double)counts[row]) / log2(1 + (double)most);
        add_figure(out, row_start(row));
        sb_add(out, " to ");
        add_figure(out, row_start(row + 1));
        sb_add(out, "  ");
        text_bar(out, (uint64_t)(share * SCALE), SCALE, BAR);
        if (counts[row] > 0)
            sb_addf(out, " %" PRIu64, counts[row]);
        while (out->len > 0 && out->data[out->len - 1] == ' ')
            out->data[--out->len] = '\0';
        sb_add(out, "\n");
    }
}

static void add_details(struct strbuf *out, const struct trace *trace, const struct loop *loop,
                        const char *bold, const char *reset)
{
    if (loop->iteration_hist.total == 0 && loop->longest_count == 0)
        return;
    sb_addf(out, "\n%s", bold);
    sb_add_clean(out, loop->name);
    sb_addf(out, " %" PRId64 "%s, ", loop->tid, reset);
    sb_add_clean(out, loop->home);
    sb_add(out, " loop of ");
    sb_add_clean(out, base_name(trace->exe));
    sb_addf(out, " (pid %" PRId64 ")\n", trace->pid);
    if (trace->frozen_count > 0) {
        sb_add(out, "  not counted: ");
        describe_duration(out, trace->frozen_ns);
        sb_add(out, " for which the process was stopped (");
        describe_count(out, trace->frozen_count, "time");
        sb_add(out, ")\n");
    }
    sb_add(out, "  length of iterations; the bars are the logarithm of the count:\n");
    add_histogram(out, &loop->iteration_hist);
    if (loop->longest_count > 0)
        sb_add(out, "  longest:\n");
    for (size_t i = 0; i < loop->longest_count; i++) {
        sb_add(out, "  ");
        add_figure(out, loop->longest[i].elapsed_ns);
        sb_add(out, "  at ");
        format_moment(out, trace, loop->longest[i].at_ns, false);
        sb_add(out, "\n");
    }
}

void format_stats_text(struct strbuf *out, const struct model *model, bool color)
{
    const char *bold = color ? "\033[1m" : "", *reset = color ? "\033[0m" : "";
    if (model_totals(model).loops == 0) {
        sb_add(out, "no event loop was seen; `stalltrace doctor COMMAND` says why\n");
        return;
    }
    sb_addf(out, "%s%-*s%10s%10s%6s%7s%7s%7s%7s%7s%s\n", bold, NAME, "LOOP", "ITERATIONS", "RATE",
            "BUSY", "P50", "P90", "P99", "P99.9", "MAX", reset);
    for (size_t i = 0; i < model->trace_count; i++) {
        for (size_t j = 0; j < model->traces[i]->loop_count; j++)
            add_line(out, model->traces[i], model->traces[i]->loops[j]);
    }
    for (size_t i = 0; i < model->trace_count; i++) {
        for (size_t j = 0; j < model->traces[i]->loop_count; j++)
            add_details(out, model->traces[i], model->traces[i]->loops[j], bold, reset);
    }
}
