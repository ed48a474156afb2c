/* The string pool and the integer map of util.h. */
#include "util.h"

#include <stdlib.h>
#include <string.h>

uint64_t hash_bytes(uint64_t seed, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t hash = seed;
    for (size_t i = 0; i < len; i++) {
        hash ^= bytes[i];
        hash *= 0x100000001b3u; /* FNV-1a */
    }
    return hash;
}

/* Identifiers count up from 1, so the low bits of a key alone would cluster (splitmix64). */
static uint64_t mix(uint64_t key)
{
    key ^= key >> 30;
    key *= 0xbf58476d1ce4e5b9u;
    key ^= key >> 27;
    key *= 0x94d049bb133111ebu;
    return key ^ (key >> 31);
}

static size_t find_slot(const struct map *map, uint64_t key)
{
    size_t slot = (size_t)mix(key) & (map->cap - 1);
    while (map->values[slot] != NULL && map->keys[slot] != key)
        slot = (slot + 1) & (map->cap - 1);
    return slot;
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->cap == 0 ? NULL : map->values[find_slot(map, key)];
}

static void map_grow(struct map *map)
{
    struct map bigger = {.cap = map->cap ? map->cap * 2 : 16};
    bigger.keys = mem_calloc(bigger.cap, sizeof(*bigger.keys));
    bigger.values = mem_calloc(bigger.cap, sizeof(*bigger.values));
    for (size_t i = 0; i < map->cap; i++) {
        if (map->values[i] != NULL)
            map_put(&bigger, map->keys[i], map->values[i]);
    }
    free(map->keys);
    free(map->values);
    *map = bigger;
}

void map_put(struct map *map, uint64_t key, void *value)
{
    if (map->count * 4 >= map->cap * 3)
        map_grow(map);
    size_t slot = find_slot(map, key);
    if (map->values[slot] == NULL)
        map->count++;
    map->keys[slot] = key;
    map->values[slot] = value;
}

void map_free(struct map *map, void (*free_value)(void *))
{
    for (size_t i = 0; free_value != NULL && i < map->cap; i++) {
        if (map->values[i] != NULL)
            free_value(map->values[i]);
    }
    free(map->keys);
    free(map->values);
    *map = (struct map){0};
}

/* One pooled string; those with the same 64-bit hash are chained, so equality is exact. */
struct pooled {
    struct pooled *next;
    size_t len;
    char text[];
};

static struct map pool;

const char *intern_n(const char *text, size_t len)
{
    uint64_t hash = hash_bytes(HASH_SEED, text, len);
    struct pooled *first = map_get(&pool, hash);
    for (struct pooled *p = first; p != NULL; p = p->next) {
        if (p->len == len && memcmp(p->text, text, len) == 0)
            return p->text;
    }
    struct pooled *added = mem_calloc(1, sizeof(*added) + len + 1);
    added->next = first;
    added->len = len;
    memcpy(added->text, text, len);
    map_put(&pool, hash, added);
    return added->text;
}

const char *intern(const char *text)
{
    return intern_n(text, strlen(text));
}
