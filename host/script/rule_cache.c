#include "script/rule_cache.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 512
#define KEPT_OF_AN_AGENCY 3 /* the rules that run, a candidate, and those before for messages on the way */

struct entry {
    struct rule_state *state;
    struct entry *next_in_bucket;
    struct entry *newer, *older;
};

struct rule_cache {
    struct rule_limits limits;
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    unsigned count, most;
};

struct rule_cache *rule_cache_new(const struct rule_limits *limits, unsigned kept)
{
    struct rule_cache *cache = memory_allocate(sizeof *cache);
    cache->limits = *limits;
    cache->most = kept;
    return cache;
}

/* Units are shared by all generations that have the same file, so their address says what they are. */
static struct entry **bucket_of(struct rule_cache *cache, const struct unit *unit)
{
    uint64_t hash = (uint64_t)(uintptr_t)unit * UINT64_C(0x9E3779B97F4A7C15);
    return &cache->buckets[hash >> 55];
}

static void unlink_use(struct rule_cache *cache, struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct rule_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest != NULL ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void drop(struct rule_cache *cache, struct entry *entry)
{
    struct entry **link = bucket_of(cache, entry->state->unit);
    while (*link != entry)
        link = &(*link)->next_in_bucket;
    *link = entry->next_in_bucket;
    unlink_use(cache, entry);
    rule_state_free(entry->state);
    free(entry);
    cache->count--;
}

void rule_cache_free(struct rule_cache *cache)
{
    while (cache->newest != NULL)
        drop(cache, cache->newest);
    free(cache);
}

static struct entry *find(struct rule_cache *cache, const struct unit *unit, const struct unit_set *library)
{
    struct entry *entry = *bucket_of(cache, unit);
    while (entry != NULL && (entry->state->unit != unit || entry->state->library != library))
        entry = entry->next_in_bucket;
    return entry;
}

struct rule_state *rule_cache_find(struct rule_cache *cache, const struct unit *unit,
                                   const struct unit_set *library)
{
    struct entry *entry = find(cache, unit, library);
    if (entry == NULL)
        return NULL;
    if (entry != cache->newest) {
        unlink_use(cache, entry);
        link_newest(cache, entry);
    }
    return entry->state;
}

/* Rules that are replaced again and again must not fill the cache with what nobody asks for any more. */
static void drop_replaced(struct rule_cache *cache, const char *agency)
{
    struct entry *oldest = NULL;
    unsigned count = 0;
    for (struct entry *entry = cache->newest; entry != NULL; entry = entry->older) {
        if (strcmp(entry->state->unit->name, agency) == 0 && ++count >= KEPT_OF_AN_AGENCY)
            oldest = entry;
    }
    if (oldest != NULL)
        drop(cache, oldest);
}

struct rule_state *rule_cache_load(struct rule_cache *cache, struct unit *unit, struct unit_set *library,
                                   struct error *error)
{
    struct rule_state *state = rule_state_new(unit, library, &cache->limits, error);
    if (state == NULL)
        return NULL;
    drop_replaced(cache, unit->name);
    if (cache->count == cache->most)
        drop(cache, cache->oldest);
    struct entry *entry = memory_allocate(sizeof *entry);
    struct entry **bucket = bucket_of(cache, unit);
    entry->state = state;
    entry->next_in_bucket = *bucket;
    *bucket = entry;
    link_newest(cache, entry);
    cache->count++;
    return state;
}

struct rule_state *rule_cache_get(struct rule_cache *cache, struct unit *unit, struct unit_set *library,
                                  struct error *error)
{
    struct rule_state *state = rule_cache_find(cache, unit, library);
    return state != NULL ? state : rule_cache_load(cache, unit, library, error);
}

void rule_cache_return(struct rule_cache *cache, struct rule_state *state)
{
    if (state->spoiled)
        drop(cache, find(cache, state->unit, state->library));
}
