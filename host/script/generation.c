#include "script/generation.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const struct claims *agency_claims(const struct agency *agency)
{
    return agency->unit != NULL ? &agency->unit->claims : &agency->broken_claims;
}

void agency_deinit(struct agency *agency)
{
    free(agency->slug);
    free(agency->hidden);
    free(agency->fault);
    free(agency->excerpt);
    unit_unref(agency->unit);
    candidate_unref(agency->candidate);
    claims_deinit(&agency->broken_claims);
}

static void index_add(struct claim_index *index, const struct texts *keys, size_t agency, bool broken)
{
    if (keys->count == 0)
        return;
    index->items = memory_resize(index->items, (index->count + keys->count) * sizeof *index->items);
    for (size_t i = 0; i < keys->count; i++)
        index->items[index->count++] = (struct claim){keys->items[i], agency, broken};
}

static int by_precedence(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    int order = strcmp(left->key, right->key);
    if (order != 0)
        return order;
    if (left->broken != right->broken)
        return left->broken ? 1 : -1;
    return (left->agency > right->agency) - (left->agency < right->agency);
}

/* Of several that claim a key, rules that work go before a broken file (which may seem to claim anything),
 * then the first by slug. */
static void index_finish(struct claim_index *index)
{
    if (index->count == 0)
        return;
    qsort(index->items, index->count, sizeof *index->items, by_precedence);
    size_t kept = 1;
    for (size_t i = 1; i < index->count; i++) {
        if (strcmp(index->items[kept - 1].key, index->items[i].key) != 0)
            index->items[kept++] = index->items[i];
    }
    index->count = kept;
}

static int key_against(const void *key, const void *claim)
{
    return strcmp(key, ((const struct claim *)claim)->key);
}

static const struct agency *index_find(const struct generation *generation, const struct claim_index *index,
                                       const char *key)
{
    if (key == NULL || index->count == 0)
        return NULL;
    const struct claim *found = bsearch(key, index->items, index->count, sizeof *index->items, key_against);
    return found == NULL ? NULL : &generation->agencies[found->agency];
}

const struct agency *generation_find_agency(const struct generation *generation, const char *location,
                                            const char *company)
{
    const struct agency *agency = index_find(generation, &generation->locations, location);
    return agency != NULL ? agency : index_find(generation, &generation->companies, company);
}

static void list_agency(struct buffer *listing, const struct agency *agency)
{
    const struct unit *unit = agency->unit;
    const struct candidate *candidate = agency->candidate;
    buffer_append_format(listing, "%s %s %s", agency->slug, unit != NULL ? "runs" : "broken",
                         unit != NULL ? unit->hash : agency->broken_hash);
    if (unit != NULL && unit->version != 0)
        buffer_append_format(listing, " version %lld", (long long)unit->version);
    if (candidate != NULL)
        buffer_append_format(listing, " %s %u version %lld", candidate_mode_names[candidate->mode],
                             candidate->percent, (long long)candidate->unit->version);
    buffer_append_text(listing, "\n");
}

/* The id tells what runs: the trusted set, and of every agency its good unit or the file that was never good,
 * and its candidate. */
static void make_id(struct generation *generation)
{
    struct buffer listing = {0};
    buffer_append_format(&listing, "%s\n", generation->trusted->hash);
    for (size_t i = 0; i < generation->agency_count; i++)
        list_agency(&listing, &generation->agencies[i]);
    char hash[UNIT_HASH_SIZE];
    unit_hash((struct slice){listing.data, listing.length}, hash);
    memcpy(generation->id, hash, 12);
    buffer_deinit(&listing);
}

struct generation *generation_new(struct unit_set *trusted, struct unit_set *library, struct agency *agencies,
                                  size_t agency_count)
{
    struct generation *generation = memory_allocate(sizeof *generation);
    atomic_init(&generation->references, 1);
    generation->loaded_at_ms = clock_wall_ms();
    generation->trusted = unit_set_ref(trusted);
    generation->library = unit_set_ref(library);
    generation->agencies = agencies;
    generation->agency_count = agency_count;
    for (size_t i = 0; i < agency_count; i++) {
        const struct claims *claims = agency_claims(&agencies[i]);
        bool broken = agencies[i].unit == NULL;
        index_add(&generation->locations, &claims->locations, i, broken);
        index_add(&generation->companies, &claims->companies, i, broken);
    }
    index_finish(&generation->locations);
    index_finish(&generation->companies);
    make_id(generation);
    return generation;
}

struct generation *generation_ref(struct generation *generation)
{
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (generation == NULL ||
        atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < generation->agency_count; i++)
        agency_deinit(&generation->agencies[i]);
    free(generation->agencies);
    free(generation->locations.items);
    free(generation->companies.items);
    unit_set_unref(generation->trusted);
    unit_set_unref(generation->library);
    free(generation);
}
