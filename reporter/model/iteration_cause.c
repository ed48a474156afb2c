/* What an over-long iteration's time went to, and what to call that in a few words: see
 * iteration.h.
 */
#include "iteration.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "util/quantities.h"

unsigned int percent_of(uint64_t part, uint64_t whole)
{
    if (part > whole)
        return 100;
    return whole == 0 ? 0 : (unsigned int)((double)part * 100.0 / (double)whole + 0.5);
}

static uint64_t longest_ns(const struct call_sum *sum)
{
    return sum->max_ns > 0 || sum->count == 0 ? sum->max_ns : sum->total_ns / sum->count;
}

bool call_sum_is_found(const struct time_split *time, const struct call_sum *sum)
{
    return longest_ns(sum) >= sum->threshold_ns &&
           (time->found_unknown || time->found_ns >= longest_ns(sum));
}

/* Those below their threshold: a call over it has a finding of its own, and the others may be
 * short all the same. Where it is known how long those were in all, not all of the others need be.
 */
static struct call_sum small_calls(const struct profile *profile, const struct call_sum *sum)
{
    const struct time_split *time = &profile->worst.time;
    struct call_sum small = *sum;
    if (!call_sum_is_found(time, sum))
        return small;
    small.count -= small.count > 0;
    small.total_ns -= sum->max_ns < sum->total_ns ? sum->max_ns : sum->total_ns;
    if (sum->max_ns == 0 || small.count == 0 ||
        (time->found_unknown && small.total_ns / small.count >= sum->threshold_ns))
        small.count = small.total_ns = 0;
    return small;
}

void profile_small_calls(const struct profile *profile, uint64_t *count, uint64_t *total_ns)
{
    const struct time_split *time = &profile->worst.time;
    *count = 0;
    *total_ns = time->calls_ns;
    for (size_t i = 0; i < profile->worst.call_count; i++) {
        const struct call_sum *sum = &profile->worst.calls[i];
        struct call_sum small = small_calls(profile, sum);
        uint64_t found_ns = sum->total_ns - small.total_ns;
        *count += small.count;
        *total_ns -= found_ns < *total_ns ? found_ns : *total_ns;
    }
    if (!time->found_unknown)
        *total_ns = time->calls_ns > time->found_ns ? time->calls_ns - time->found_ns : 0;
    if (*count == 0 || *total_ns == 0)
        *count = *total_ns = 0;
}

enum cause profile_cause(const struct profile *profile)
{
    if (!profile->timed) {
        /* It never ended; what the samples say. */
        uint64_t asleep = 0;
        for (size_t i = 0; i < profile->spot_count; i++)
            asleep += profile->spots[i].count;
        return asleep > 0 && asleep * 2 >= profile->samples ? CAUSE_ASLEEP : CAUSE_UNKNOWN;
    }
    const struct time_split *time = &profile->worst.time;
    uint64_t small_count, small_ns;
    profile_small_calls(profile, &small_count, &small_ns);
    const struct {
        enum cause cause;
        uint64_t ns;
    } parts[] = {
        {CAUSE_CALLS, small_ns}, {CAUSE_CPU, time->cpu_ns}, {CAUSE_ASLEEP, time->asleep_ns}};
    size_t most = 0;
    uint64_t own = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        own += parts[i].ns;
        most = parts[i].ns > parts[most].ns ? i : most;
    }
    if (own + time->runnable_ns == 0)
        return CAUSE_UNKNOWN;
    if (!time->measured) /* but for the calls, nothing is known of it */
        return small_ns > profile->worst_ns / 2 ? CAUSE_CALLS : CAUSE_UNKNOWN;
    /* A busy machine makes everything longer. What is too long without that is the program's. */
    if (time->runnable_ns > own && own < profile->worst.threshold_ns)
        return CAUSE_RUNNABLE;
    return parts[most].ns > own / 2 ? parts[most].cause : CAUSE_MIXED;
}

void describe_spot(struct strbuf *out, const struct blind_spot *spot)
{
    if (spot->syscall_name != NULL) {
        sb_add_clean(out, spot->syscall_name);
    } else if (spot->wait_channel != NULL) {
        sb_add(out, "the kernel's ");
        sb_add_clean(out, spot->wait_channel);
    } else {
        sb_add(out, "something");
    }
}

static const struct blind_spot *commonest_spot(const struct profile *profile)
{
    const struct blind_spot *commonest = NULL;
    for (size_t i = 0; i < profile->spot_count; i++) {
        if (commonest == NULL || profile->spots[i].count > commonest->count)
            commonest = &profile->spots[i];
    }
    return commonest;
}

static void describe_asleep(struct strbuf *out, const struct profile *profile)
{
    static const struct blind_spot nothing;
    const struct blind_spot *spot = commonest_spot(profile);
    sb_add(out, "asleep in ");
    describe_spot(out, spot != NULL ? spot : &nothing);
    sb_add(out, " that no wrapper saw");
}

/* What more than half of the samples waited for, where that is the runtime's own doing: "the GIL,
 * held by thread 7 (python3) at a.py:3 in f", "the start of a thread". NULL: nothing of the kind.
 */
static const char *own_wait(const struct profile *profile)
{
    static const char *const own[] = {"the GIL", "the start of a thread"}; /* as the agent says */
    const struct waits *waits = &profile->waits;
    for (size_t k = 0; k < COUNT_OF(own); k++) {
        const struct wait *commonest = NULL;
        uint64_t count = 0;
        for (size_t i = 0; i < waits->count; i++) {
            const struct wait *wait = &waits->kept[i];
            if (!starts_with(wait->detail, own[k]))
                continue;
            count += wait->count;
            commonest = commonest == NULL || wait->count > commonest->count ? wait : commonest;
        }
        if (count > profile->samples / 2)
            return commonest->detail;
    }
    return NULL;
}

static bool is_collecting(const struct stack_view *view)
{
    static const char *const collectors[] = {
#define COLLECTOR(pattern) pattern,
#include "common/runtimes.def"
    };
    for (size_t i = 0; i < view->count; i++) {
        const char *function = view->frames[i].function;
        for (size_t k = 0; function != NULL && k < COUNT_OF(collectors); k++) {
            if (fnmatch(collectors[k], function, 0) == 0)
                return true;
        }
    }
    return false;
}

/* Were more than half of the samples taken while a garbage collector was at work? */
static bool collects(const struct profile *profile)
{
    uint64_t count = 0;
    for (size_t i = 0; i < profile->group_count; i++) {
        const struct sample_group *group = &profile->groups[i];
        for (size_t k = 0; k < group->stack_count; k++)
            count += is_collecting(group->stacks[k].view) ? group->stacks[k].count : 0;
    }
    return count > profile->samples / 2;
}

/* The kind that most of the time of the small calls went to; `call` is NULL where there are none.
 */
static struct call_sum top_small_calls(const struct profile *profile, size_t *kinds)
{
    struct call_sum top = {0};
    *kinds = 0;
    for (size_t i = 0; i < profile->worst.call_count; i++) {
        struct call_sum small = small_calls(profile, &profile->worst.calls[i]);
        if (small.count == 0)
            continue;
        ++*kinds;
        if (top.call == NULL || small.total_ns > top.total_ns)
            top = small;
    }
    return top;
}

static bool is_late(const struct profile *profile, const struct call_sum *top)
{
    return top->call != NULL && longest_ns(top) >= top->threshold_ns &&
           !call_sum_is_found(&profile->worst.time, top);
}

bool profile_calls_are_late(const struct profile *profile)
{
    size_t kinds;
    struct call_sum top = top_small_calls(profile, &kinds);
    return is_late(profile, &top);
}

static void describe_small_calls(struct strbuf *out, const struct profile *profile)
{
    uint64_t count, total_ns;
    size_t kinds;
    profile_small_calls(profile, &count, &total_ns);
    struct call_sum top = top_small_calls(profile, &kinds);
    describe_count(out, count, "call");
    if (top.call != NULL) {
        sb_add(out, kinds > 1 ? ", most of the time in " : " of ");
        sb_add_clean(out, top.call);
        sb_add(out, kinds > 1 ? "," : "");
    }
    sb_add(out, is_late(profile, &top) ? " told not to wait, " : " under the threshold, ");
    describe_duration(out, total_ns);
}

static void describe_mixture(struct strbuf *out, const struct time_split *time)
{
    const struct {
        const char *name;
        uint64_t ns;
    } parts[] = {{"in calls", time->calls_ns},
                 {"on CPU", time->cpu_ns},
                 {"asleep unseen", time->asleep_ns},
                 {"runnable but not running", time->runnable_ns}};
    uint64_t whole = time->calls_ns + time->cpu_ns + time->asleep_ns + time->runnable_ns;
    bool begun = false;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        unsigned int percent = percent_of(parts[i].ns, whole);
        if (percent < 10)
            continue;
        sb_addf(out, "%s%s %u %%", begun ? ", " : "", parts[i].name, percent);
        begun = true;
    }
}

bool describe_runtime(struct strbuf *out, const struct profile *profile)
{
    const char *own = own_wait(profile);
    if (own == NULL && !collects(profile))
        return false;
    sb_add(out, own != NULL ? "waiting for " : "garbage collection");
    sb_add_clean(out, own != NULL ? own : "");
    return true;
}

void describe_cause_of_time(struct strbuf *out, const struct profile *profile)
{
    if (describe_runtime(out, profile))
        return;
    const struct time_split *time = &profile->worst.time;
    uint64_t whole = time->calls_ns + time->cpu_ns + time->asleep_ns + time->runnable_ns;
    switch (profile_cause(profile)) {
    case CAUSE_UNKNOWN:
        break;
    case CAUSE_MIXED:
        describe_mixture(out, time);
        break;
    case CAUSE_CALLS:
        describe_small_calls(out, profile);
        break;
    case CAUSE_CPU:
        sb_addf(out, "on CPU %u %%", percent_of(time->cpu_ns, whole));
        if (time->runnable_ns > whole / 4)
            sb_addf(out, ", runnable but not running %u %% (CPU starved)",
                    percent_of(time->runnable_ns, whole));
        break;
    case CAUSE_RUNNABLE:
        if (time->throttled_ns > 0)
            sb_addf(out, "throttled by the cgroup's quota %u %%",
                    percent_of(time->runnable_ns, whole));
        else
            sb_addf(out, "runnable but not running %u %% (CPU starved)",
                    percent_of(time->runnable_ns, whole));
        break;
    case CAUSE_ASLEEP:
        describe_asleep(out, profile);
        break;
    }
}
