/* See quantities.h. */
#include "quantities.h"

#include <inttypes.h>

void describe_duration(struct strbuf *out, uint64_t ns)
{
    const uint64_t us = 1000, ms = 1000 * us, s = 1000 * ms;
    if (ns < us)
        sb_addf(out, "%" PRIu64 " ns", ns);
    else if (ns < ms)
        sb_addf(out, "%" PRIu64 " µs", ns / us);
    else if (ns < 100 * ms)
        sb_addf(out, "%" PRIu64 ".%" PRIu64 " ms", ns / ms, ns % ms / (100 * us));
    else if (ns < s)
        sb_addf(out, "%" PRIu64 " ms", ns / ms);
    else if (ns < 60 * s)
        sb_addf(out, "%" PRIu64 ".%02" PRIu64 " s", ns / s, ns % s / (10 * ms));
    else
        sb_addf(out, "%" PRIu64 " min %" PRIu64 " s", ns / (60 * s), ns / s % 60);
}

void describe_count(struct strbuf *out, uint64_t count, const char *noun)
{
    sb_addf(out, "%" PRIu64 " %s%s", count, noun, count == 1 ? "" : "s");
}
