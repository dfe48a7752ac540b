#include "script/cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

#define BUCKETS 4096
#define ENTRIES_MOST 16384

struct entry {
    struct entry *next;
    char *key;
    size_t key_length;
    struct cache_value value;
    int64_t ends_ms; /* monotonic */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct entry *buckets[BUCKETS];
static size_t entries, hand;

/* FNV-1a. */
static size_t bucket_of(struct slice key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * UINT64_C(0x100000001b3);
    return (hash ^ hash >> 32) % BUCKETS;
}

static void remove_at(struct entry **link)
{
    struct entry *entry = *link;
    *link = entry->next;
    buffer_deinit(&entry->value.text);
    free(entry->key);
    free(entry);
    entries--;
}

/* The link to the entry, or to the end of its chain; what has ended on the way is removed. */
static struct entry **find(struct slice key, int64_t now_ms)
{
    struct entry **link = &buckets[bucket_of(key)];
    while (*link != NULL) {
        if ((*link)->ends_ms <= now_ms)
            remove_at(link);
        else if (slice_equal((struct slice){(*link)->key, (*link)->key_length}, key))
            break;
        else
            link = &(*link)->next;
    }
    return link;
}

/* Goes round the buckets and empties the next one that holds something. */
static void make_room(void)
{
    while (entries >= ENTRIES_MOST) {
        while (buckets[hand] != NULL)
            remove_at(&buckets[hand]);
        hand = (hand + 1) % BUCKETS;
    }
}

void cache_put(struct slice key, const struct cache_value *value, int64_t ttl_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&mutex);
    struct entry **link = find(key, now_ms);
    if (*link != NULL)
        remove_at(link);
    if (value->type != CACHE_NOTHING && ttl_ms > 0) {
        make_room();
        size_t bucket = bucket_of(key);
        struct entry *entry = memory_allocate(sizeof *entry);
        entry->key = slice_duplicate(key);
        entry->key_length = key.length;
        entry->value = *value;
        entry->value.text = (struct buffer){0};
        buffer_append(&entry->value.text, value->text.data, value->text.length);
        entry->ends_ms = now_ms + ttl_ms;
        entry->next = buckets[bucket];
        buckets[bucket] = entry;
        entries++;
    }
    pthread_mutex_unlock(&mutex);
}

struct cache_value cache_get(struct slice key)
{
    struct cache_value value = {.type = CACHE_NOTHING};
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&mutex);
    const struct entry *entry = *find(key, now_ms);
    if (entry != NULL) {
        value = entry->value;
        value.text = (struct buffer){0};
        buffer_append(&value.text, entry->value.text.data, entry->value.text.length);
    }
    pthread_mutex_unlock(&mutex);
    return value;
}

void cache_clear(void)
{
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < BUCKETS; i++) {
        while (buckets[i] != NULL)
            remove_at(&buckets[i]);
    }
    pthread_mutex_unlock(&mutex);
}
