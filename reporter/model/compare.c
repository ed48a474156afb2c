/* See compare.h. A figure is worse where it has grown by more than the noise that is asked for, by
 * more than chance gives so few events, and by more than nobody would notice. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double ns_per_hour = 3600e9;
static const double unnoticed_ns = 10e6; /* the threshold at which a call is a finding */

uint64_t model_life(const struct model *model)
{
    uint64_t life = 0;
    for (size_t i = 0; i < model->trace_count; i++) {
        for (size_t j = 0; j < model->traces[i]->loop_count; j++) {
            const struct loop *loop = model->traces[i]->loops[j];
            if (loop->seen_ns > loop->began_ns)
                add_to(&life, loop->seen_ns - loop->began_ns);
        }
    }
    return life;
}

static uint64_t bounded(double figure)
{
    return figure < (double)LARGEST_NUMBER ? (uint64_t)figure : LARGEST_NUMBER;
}

uint64_t per_hour(uint64_t figure, uint64_t life_ns)
{
    return life_ns == 0 ? 0 : bounded((double)figure * ns_per_hour / (double)life_ns + 0.5);
}

/* The change of a fingerprint; `gathered` holds their numbers from 1 on. */
static struct change *change_of(struct comparison *comparison, struct map *gathered,
                                const char *fingerprint)
{
    uint64_t key = strtoull(fingerprint, NULL, 16);
    size_t number = (size_t)(uintptr_t)map_get(gathered, key);
    if (number == 0) {
        GROW(comparison->changes, comparison->count, comparison->cap);
        struct change *change = &comparison->changes[comparison->count++];
        *change = (struct change){0};
        memcpy(change->fingerprint, fingerprint, sizeof(change->fingerprint));
        number = comparison->count;
        map_put(gathered, key, (void *)(uintptr_t)number);
    }
    return &comparison->changes[number - 1];
}

static void add_finding(struct change *change, struct side_figures *figures,
                        const struct finding *finding)
{
    figures->places++;
    figures->any_number = figures->any_number || finding->whole_function;
    add_to(&figures->count, finding->count);
    add_to(&figures->total_ns, finding->total_ns);
    if (finding->max_ns > figures->max_ns)
        figures->max_ns = finding->max_ns;
    if (change->finding == NULL) /* they are sorted: the one with the most time */
        change->finding = finding;
}

static void gather(struct comparison *comparison, struct map *gathered, const struct side *side)
{
    bool is_now = side == &comparison->now;
    for (size_t i = 0; side->model != NULL && i < side->model->count; i++) {
        const struct finding *finding = side->model->findings[i];
        if (finding->suppressed_by != NULL)
            continue;
        struct change *change = change_of(comparison, gathered, finding->fingerprint);
        add_finding(change, is_now ? &change->now : &change->before, finding);
    }
    for (size_t i = 0; side->model == NULL && i < side->baseline->count; i++) {
        const struct baseline_entry *entry = &side->baseline->entries[i];
        struct change *change = change_of(comparison, gathered, entry->fingerprint);
        struct side_figures *figures = is_now ? &change->now : &change->before;
        figures->places = entry->places;
        figures->any_number = entry->any_number;
        change->words = entry->words;
    }
}

/* Has a sum of `events` events grown from what was to be expected, `each` one being so large? */
static bool has_grown(double from, double to, double each, double events, double noise,
                      double unnoticed)
{
    return to > from * (1 + noise) && to - from > each * sqrt(events) + unnoticed;
}

static unsigned int worse_by(const struct comparison *comparison, const struct change *change)
{
    const struct side_figures *before = &change->before, *now = &change->now;
    if (comparison->before.model == NULL || comparison->now.model == NULL || before->count == 0)
        return 0;
    double noise = comparison->noise_percent / 100.0, scale = 1;
    if (!comparison->per_run && comparison->before.life_ns > 0)
        scale = (double)comparison->now.life_ns / (double)comparison->before.life_ns;
    double count = (double)before->count * scale;
    double each = (double)before->total_ns / (double)before->count;
    unsigned int by = 0;
    if (has_grown((double)before->total_ns * scale, (double)now->total_ns, each, count, noise,
                  unnoticed_ns))
        by |= WORSE_TOTAL;
    if (has_grown((double)before->max_ns, (double)now->max_ns, 0, 0, noise, unnoticed_ns))
        by |= WORSE_MAX;
    if (has_grown(count, (double)now->count, 1, count, noise, 1))
        by |= WORSE_COUNT;
    return by & comparison->by;
}

static enum change_state state_of(const struct change *change)
{
    if (change->now.places == 0)
        return CHANGE_GONE;
    bool counted = !change->before.any_number && !change->now.any_number;
    if (change->before.places == 0 || (counted && change->now.places > change->before.places))
        return CHANGE_NEW;
    return change->worse_by != 0 ? CHANGE_WORSE : CHANGE_NONE;
}

static int by_weight(const void *left, const void *right)
{
    const struct change *a = left, *b = right;
    if (a->state != b->state)
        return a->state < b->state ? -1 : 1;
    uint64_t weight[2] = {a->now.places > 0 ? a->now.total_ns : a->before.total_ns,
                          b->now.places > 0 ? b->now.total_ns : b->before.total_ns};
    if (weight[0] != weight[1])
        return weight[0] > weight[1] ? -1 : 1;
    return strcmp(a->fingerprint, b->fingerprint);
}

void compare(struct comparison *comparison)
{
    struct map gathered = {0};
    gather(comparison, &gathered, &comparison->now);
    gather(comparison, &gathered, &comparison->before);
    map_free(&gathered, NULL);
    for (size_t i = 0; i < comparison->count; i++) {
        struct change *change = &comparison->changes[i];
        if (change->now.places > 0)
            change->worse_by = worse_by(comparison, change);
        change->state = state_of(change);
        comparison->counts[change->state]++;
    }
    if (comparison->count > 0)
        qsort(comparison->changes, comparison->count, sizeof(*comparison->changes), by_weight);
}

void comparison_free(struct comparison *comparison)
{
    free(comparison->changes);
    comparison->changes = NULL;
    comparison->count = comparison->cap = 0;
}

const char *change_state_name(enum change_state state)
{
    static const char *const names[] = {"new", "worse", "gone", "same"};
    return names[state];
}
