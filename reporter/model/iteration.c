/* See iteration.h. */
#include "iteration.h"

#include <stdlib.h>
#include <string.h>

#include "place.h"

static struct sample_group *group_of(struct profile *profile, uint64_t key)
{
    for (size_t i = 0; i < profile->group_count; i++) {
        if (profile->groups[i].key == key)
            return &profile->groups[i];
    }
    GROW(profile->groups, profile->group_count, profile->group_cap);
    struct sample_group *group = &profile->groups[profile->group_count++];
    *group = (struct sample_group){.key = key};
    return group;
}

static void add_stack(struct profile *profile, uint64_t key, const struct stack_view *view,
                      uint64_t count)
{
    struct sample_group *group = group_of(profile, key);
    add_to(&group->count, count);
    add_to(&profile->samples, count);
    for (size_t i = 0; i < group->stack_count; i++) {
        if (group->stacks[i].view == view) {
            add_to(&group->stacks[i].count, count);
            return;
        }
    }
    GROW(group->stacks, group->stack_count, group->stack_cap);
    group->stacks[group->stack_count++] = (struct sampled_stack){view, count};
}

static void add_spot(struct profile *profile, const struct blind_spot *spot)
{
    for (size_t i = 0; i < profile->spot_count; i++) {
        struct blind_spot *known = &profile->spots[i];
        /* Pooled strings. */
        if (known->syscall_name == spot->syscall_name &&
            known->wait_channel == spot->wait_channel) {
            add_to(&known->count, spot->count);
            return;
        }
    }
    GROW(profile->spots, profile->spot_count, profile->spot_cap);
    profile->spots[profile->spot_count++] = *spot;
}

static void add_wait(struct waits *waits, const struct wait *wait)
{
    for (size_t i = 0; i < waits->count; i++) {
        if (strcmp(waits->kept[i].detail, wait->detail) == 0) {
            add_to(&waits->kept[i].count, wait->count);
            return;
        }
    }
    if (waits->count < WAITS_KEPT)
        waits->kept[waits->count++] = *wait;
    else
        add_to(&waits->others, wait->count);
}

void profile_sample(struct profile *profile, const struct sample *sample,
                    const struct stack_view *view)
{
    add_stack(profile, place_key(view, STALL_ITERATION, NULL), view, sample->count);
    if (sample->asleep) {
        struct blind_spot spot = {sample->syscall_name, sample->wait_channel, sample->count};
        add_spot(profile, &spot);
    }
    if (sample->no_stack != NULL) {
        profile->no_stack = sample->no_stack;
        add_to(&profile->no_stack_count, sample->count);
    }
    if (sample->detail != NULL)
        add_wait(&profile->waits,
                 &(struct wait){sample->detail, sample->wait_kind, sample->holder, sample->count});
}

static void add_call(struct profile *profile, const struct call_sum *sum)
{
    for (size_t i = 0; i < profile->call_count; i++) {
        struct call_sum *known = &profile->calls[i];
        if (known->call == sum->call && known->class_name == sum->class_name) {
            add_to(&known->count, sum->count);
            add_to(&known->total_ns, sum->total_ns);
            known->max_ns = sum->max_ns > known->max_ns ? sum->max_ns : known->max_ns;
            return;
        }
    }
    GROW(profile->calls, profile->call_count, profile->call_cap);
    profile->calls[profile->call_count++] = *sum;
}

static void add_time(struct time_split *into, const struct time_split *from)
{
    add_to(&into->calls_ns, from->calls_ns);
    add_to(&into->cpu_ns, from->cpu_ns);
    add_to(&into->runnable_ns, from->runnable_ns);
    add_to(&into->asleep_ns, from->asleep_ns);
    add_to(&into->throttled_ns, from->throttled_ns);
    add_to(&into->frozen_ns, from->frozen_ns);
    add_to(&into->found_ns, from->found_ns);
    into->found_unknown |= from->found_unknown;
    into->measured |= from->measured;
}

void profile_time(struct profile *profile, const struct breakdown *breakdown, uint64_t elapsed_ns)
{
    add_time(&profile->time, &breakdown->time);
    for (size_t i = 0; i < breakdown->call_count; i++)
        add_call(profile, &breakdown->calls[i]);
    if (!profile->timed || elapsed_ns > profile->worst_ns) {
        profile->worst_ns = elapsed_ns;
        profile->worst = *breakdown;
    }
    profile->timed = true;
}

void profile_merge(struct profile *into, const struct profile *from)
{
    for (size_t i = 0; i < from->group_count; i++) {
        const struct sample_group *group = &from->groups[i];
        for (size_t j = 0; j < group->stack_count; j++)
            add_stack(into, group->key, group->stacks[j].view, group->stacks[j].count);
    }
    for (size_t i = 0; i < from->spot_count; i++)
        add_spot(into, &from->spots[i]);
    for (size_t i = 0; i < from->waits.count; i++)
        add_wait(&into->waits, &from->waits.kept[i]);
    add_to(&into->waits.others, from->waits.others);
    if (from->no_stack != NULL)
        into->no_stack = from->no_stack;
    add_to(&into->no_stack_count, from->no_stack_count);
    if (!from->timed)
        return;
    add_time(&into->time, &from->time);
    for (size_t i = 0; i < from->call_count; i++)
        add_call(into, &from->calls[i]);
    if (!into->timed || from->worst_ns > into->worst_ns) {
        into->worst_ns = from->worst_ns;
        into->worst = from->worst;
    }
    into->timed = true;
}

/* Did the unwind stop before it came to anybody's code? OpenSSL's assembler, say, has tables that
 * are wrong in the middle of a round. Such samples are of the same function as others, but say
 * nothing. */
static bool is_lost(const struct sample_group *group)
{
    const struct stack_view *view = group->stacks[0].view;
    for (size_t i = 0; i < view->count; i++) {
        if (view->frames[i].origin <= ORIGIN_THIRD_PARTY)
            return false;
    }
    return view->broken;
}

static bool is_heavier(const struct sample_group *a, const struct sample_group *b)
{
    if (is_lost(a) != is_lost(b))
        return is_lost(b);
    return a->count > b->count;
}

/* Insertion sorts: the lists are short, and equal ones have to keep their order. */
void profile_sort(struct profile *profile)
{
    for (size_t i = 1; i < profile->group_count; i++) {
        for (size_t j = i; j > 0 && is_heavier(&profile->groups[j], &profile->groups[j - 1]); j--) {
            struct sample_group lighter = profile->groups[j - 1];
            profile->groups[j - 1] = profile->groups[j];
            profile->groups[j] = lighter;
        }
    }
    for (size_t i = 1; i < profile->call_count; i++) {
        for (size_t j = i; j > 0 && profile->calls[j].total_ns > profile->calls[j - 1].total_ns;
             j--) {
            struct call_sum lighter = profile->calls[j - 1];
            profile->calls[j - 1] = profile->calls[j];
            profile->calls[j] = lighter;
        }
    }
    struct wait *waits = profile->waits.kept;
    for (size_t i = 1; i < profile->waits.count; i++) {
        for (size_t j = i; j > 0 && waits[j].count > waits[j - 1].count; j--) {
            struct wait lighter = waits[j - 1];
            waits[j - 1] = waits[j];
            waits[j] = lighter;
        }
    }
}

const struct sample_group *profile_dominant(const struct profile *profile)
{
    const struct sample_group *dominant = NULL;
    for (size_t i = 0; i < profile->group_count; i++) {
        if (dominant == NULL || is_heavier(&profile->groups[i], dominant))
            dominant = &profile->groups[i];
    }
    return dominant;
}

static int culprit_line(const struct stack_view *view)
{
    return view->culprit < 0 ? 0 : view->frames[view->culprit].line;
}

const struct stack_view *group_view(const struct sample_group *group)
{
    const struct sampled_stack *best = NULL;
    uint64_t best_line = 0;
    for (size_t i = 0; i < group->stack_count; i++) {
        const struct sampled_stack *stack = &group->stacks[i];
        uint64_t on_line = 0;
        for (size_t j = 0; j < group->stack_count; j++) {
            if (culprit_line(group->stacks[j].view) == culprit_line(stack->view))
                on_line += group->stacks[j].count;
        }
        if (best == NULL || on_line > best_line ||
            (on_line == best_line && stack->count > best->count)) {
            best = stack;
            best_line = on_line;
        }
    }
    return best->view;
}

void profile_free(struct profile *profile)
{
    for (size_t i = 0; i < profile->group_count; i++)
        free(profile->groups[i].stacks);
    free(profile->groups);
    free(profile->spots);
    free(profile->calls);
    *profile = (struct profile){0};
}

const struct wait *profile_wait(const struct profile *profile)
{
    const struct waits *waits = &profile->waits;
    for (size_t i = 0; i < waits->count; i++) {
        const struct wait *heaviest = &waits->kept[i];
        uint64_t count = 0;
        for (size_t j = 0; j < waits->count; j++) {
            const struct wait *wait = &waits->kept[j];
            if (wait->wait_kind != heaviest->wait_kind)
                continue;
            count += wait->count;
            heaviest = wait->count > heaviest->count ? wait : heaviest;
        }
        if (count > profile->samples / 2)
            return heaviest;
    }
    return NULL;
}
