/* What a baseline covers of a model, and how it is brought up to date. See baseline.h. */
#include "baseline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/json_writer.h"

enum { FINGERPRINTS_OF_ONE = STACKS_KEPT + 1 };

void baseline_free(struct baseline *baseline)
{
    free(baseline->entries);
    *baseline = (struct baseline){0};
}

static int by_fingerprint(const void *left, const void *right)
{
    const struct baseline_entry *a = left, *b = right;
    return strcmp(a->fingerprint, b->fingerprint);
}

static struct baseline_entry *find_entry(const struct baseline *baseline, const char *fingerprint)
{
    struct baseline_entry key;
    if (baseline->count == 0)
        return NULL;
    memcpy(key.fingerprint, fingerprint, sizeof(key.fingerprint));
    return bsearch(&key, baseline->entries, baseline->count, sizeof(key), by_fingerprint);
}

void baseline_sort(struct baseline *baseline)
{
    size_t kept = 0;
    if (baseline->count > 0)
        qsort(baseline->entries, baseline->count, sizeof(*baseline->entries), by_fingerprint);
    for (size_t i = 0; i < baseline->count; i++) {
        const struct baseline_entry *entry = &baseline->entries[i];
        struct baseline_entry *last = kept > 0 ? &baseline->entries[kept - 1] : NULL;
        if (last == NULL || by_fingerprint(last, entry) != 0) {
            baseline->entries[kept++] = *entry;
            continue;
        }
        last->any_number = last->any_number || entry->any_number;
        if (entry->places > last->places)
            last->places = entry->places;
    }
    baseline->count = kept;
}

/* With --app-dir the culprit is a line of the user's, and the fingerprint is of what it would be
 * without: one place may have several, and which of them comes first is chance. */
static size_t fingerprints_of(const struct finding *finding,
                              char out[FINGERPRINTS_OF_ONE][FINGERPRINT_DIGITS + 1])
{
    size_t count = 1;
    memcpy(out[0], finding->fingerprint, sizeof(out[0]));
    for (size_t i = 0; i < finding->stack_count; i++) {
        bool there = false;
        fingerprint(out[count], finding->kind, finding->call, finding->stacks[i]);
        for (size_t j = 0; j < count; j++)
            there = there || strcmp(out[j], out[count]) == 0;
        count += !there;
    }
    return count;
}

static bool can_fail(const struct finding *finding)
{
    return finding->suppressed_by == NULL;
}

/* Adds a place. The fingerprints of a model are not in order while they are gathered. */
static void add_place(struct baseline *baseline, struct map *gathered, const char *fingerprint,
                      const struct finding *finding,
                      void (*words)(struct strbuf *out, const struct finding *finding))
{
    uint64_t key = strtoull(fingerprint, NULL, 16);
    size_t number = (size_t)(uintptr_t)map_get(gathered, key); /* from 1 on */
    if (number == 0) {
        struct strbuf text = {0};
        sb_add(&text, "");
        words(&text, finding);
        GROW(baseline->entries, baseline->count, baseline->cap);
        struct baseline_entry *entry = &baseline->entries[baseline->count++];
        *entry = (struct baseline_entry){.words = intern(text.data)};
        memcpy(entry->fingerprint, fingerprint, sizeof(entry->fingerprint));
        number = baseline->count;
        map_put(gathered, key, (void *)(uintptr_t)number);
        sb_free(&text);
    }
    struct baseline_entry *entry = &baseline->entries[number - 1];
    entry->places++;
    entry->any_number = entry->any_number || finding->whole_function;
}

void baseline_of_model(struct baseline *baseline, const struct model *model,
                       void (*words)(struct strbuf *out, const struct finding *finding))
{
    char fingerprints[FINGERPRINTS_OF_ONE][FINGERPRINT_DIGITS + 1];
    struct map gathered = {0};
    *baseline = (struct baseline){.scheme = FINGERPRINT_SCHEME};
    for (size_t i = 0; i < model->count; i++) {
        if (!can_fail(model->findings[i]))
            continue;
        size_t count = fingerprints_of(model->findings[i], fingerprints);
        for (size_t j = 0; j < count; j++)
            add_place(baseline, &gathered, fingerprints[j], model->findings[i], words);
    }
    map_free(&gathered, NULL);
    baseline_sort(baseline);
}

/* Returns whether `entry` changed. */
static bool raise_entry(struct baseline_entry *entry, const struct baseline_entry *now)
{
    bool more = now->places > entry->places || (now->any_number && !entry->any_number);
    if (now->places > entry->places)
        entry->places = now->places;
    entry->any_number = entry->any_number || now->any_number;
    return more;
}

/* The words that stand there stay: a call may have been reached through another function. */
static bool lower_entry(struct baseline_entry *entry, const struct baseline_entry *now)
{
    bool fewer = now->places < entry->places;
    if (fewer)
        entry->places = now->places;
    return fewer;
}

struct baseline_change baseline_update(struct baseline *baseline, const struct baseline *now,
                                       bool prune)
{
    struct baseline_change change = {0};
    size_t kept = 0, before = baseline->count;
    for (size_t i = 0; i < before; i++) {
        struct baseline_entry *entry = &baseline->entries[i];
        const struct baseline_entry *same = find_entry(now, entry->fingerprint);
        if (same != NULL)
            change.added += raise_entry(entry, same);
        else
            change.kept++;
        if (prune)
            change.dropped += same == NULL || lower_entry(entry, same);
        if (same != NULL || !prune)
            baseline->entries[kept++] = *entry;
    }
    baseline->count = kept; /* still in order: */
    for (size_t i = 0; i < now->count; i++) {
        if (find_entry(&(struct baseline){.entries = baseline->entries, .count = kept},
                       now->entries[i].fingerprint) != NULL)
            continue;
        GROW(baseline->entries, baseline->count, baseline->cap);
        baseline->entries[baseline->count++] = now->entries[i];
        change.added++;
    }
    baseline_sort(baseline);
    if (prune)
        change.kept = 0;
    return change;
}

/* Which of several places of one function was there before cannot be known: the upper ones are
 * taken for the old, so that the answer is the same each time. */
static int by_line(const void *left, const void *right)
{
    const struct finding *a = *(const struct finding *const *)left;
    const struct finding *b = *(const struct finding *const *)right;
    int line[2] = {a->view->culprit < 0 ? 0 : a->view->frames[a->view->culprit].line,
                   b->view->culprit < 0 ? 0 : b->view->frames[b->view->culprit].line};
    if (line[0] != line[1])
        return line[0] < line[1] ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool is_covered(const struct baseline_entry *entry)
{
    return entry != NULL && (entry->any_number || entry->known < entry->places);
}

static void apply_to(const struct baseline *baseline, struct finding *finding)
{
    char fingerprints[FINGERPRINTS_OF_ONE][FINGERPRINT_DIGITS + 1];
    size_t count = fingerprints_of(finding, fingerprints), covered = 0;
    for (size_t i = 0; i < count; i++)
        covered += is_covered(find_entry(baseline, fingerprints[i]));
    finding->baseline_state = covered == count ? BASELINE_KNOWN : BASELINE_NEW;
    for (size_t i = 0; covered == count && i < count; i++)
        find_entry(baseline, fingerprints[i])->known++;
}

static void note_seen(const struct baseline *baseline, struct finding *const *findings,
                      size_t count)
{
    char fingerprints[FINGERPRINTS_OF_ONE][FINGERPRINT_DIGITS + 1];
    for (size_t i = 0; i < count; i++) {
        size_t number = fingerprints_of(findings[i], fingerprints);
        for (size_t j = 0; j < number; j++) {
            struct baseline_entry *entry = find_entry(baseline, fingerprints[j]);
            if (entry != NULL)
                entry->seen = true;
        }
    }
}

void baseline_apply(struct baseline *baseline, const struct model *model)
{
    struct finding **order = NULL;
    size_t count = 0, cap = 0;
    for (size_t i = 0; i < baseline->count; i++) {
        baseline->entries[i].known = 0;
        baseline->entries[i].seen = false;
    }
    for (size_t i = 0; i < model->count; i++) {
        if (!can_fail(model->findings[i]))
            continue;
        GROW(order, count, cap);
        order[count++] = model->findings[i];
    }
    if (count > 0)
        qsort(order, count, sizeof(struct finding *), by_line);
    for (size_t i = 0; i < count; i++)
        apply_to(baseline, order[i]);
    free(order);
    note_seen(baseline, model->findings, model->count);
    note_seen(baseline, model->startup, model->startup_count);
}

size_t baseline_unseen(const struct baseline *baseline)
{
    size_t count = 0;
    for (size_t i = 0; i < baseline->count; i++)
        count += !baseline->entries[i].seen;
    return count;
}

uint64_t baseline_places(const struct baseline *baseline, const struct finding *finding)
{
    const struct baseline_entry *entry = find_entry(baseline, finding->fingerprint);
    return entry != NULL ? entry->places : 0;
}

const char *baseline_state_name(enum baseline_state state)
{
    static const char *const names[] = {NULL, "new", "known"};
    return names[state];
}

void baseline_write(struct strbuf *out, const struct baseline *baseline)
{
    sb_addf(out,
            "{\"schema\": \"" BASELINE_SCHEMA "%d\", \"fingerprint_scheme\": %d, \"entries\": [",
            BASELINE_VERSION, FINGERPRINT_SCHEME);
    for (size_t i = 0; i < baseline->count; i++) {
        const struct baseline_entry *entry = &baseline->entries[i];
        sb_add(out, i > 0 ? ",\n" : "\n");
        sb_addf(out, "{\"fingerprint\": \"%s\", \"places\": %" PRIu64 ", ", entry->fingerprint,
                entry->places);
        sb_add(out, entry->any_number ? "\"any_number\": true, " : "");
        sb_add(out, "\"what\": ");
        json_quote(out, entry->words);
        sb_add(out, "}");
    }
    sb_add(out, "\n]}\n");
}
