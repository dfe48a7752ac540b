/* Versions of the agencies' rules (mongo_rules.h says how they are kept). */
#include "store/mongo_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the revision ---- */

static enum store_status announce(struct store_session *session, const char *agency, int64_t revision)
{
    enum store_status status;
    do
        status = mongo_upsert(session, MONGO_REVISION, BCON_NEW("_id", BCON_UTF8("rules")),
                              BCON_NEW("$inc", "{", "revision", BCON_INT64(1), "}"));
    while (status == STORE_DUPLICATE);
    if (status == STORE_OK)
        status = mongo_update(session, MONGO_RULES,
                              BCON_NEW("_id", BCON_UTF8(agency), "revision", BCON_INT64(revision)),
                              BCON_NEW("$unset", "{", "unannounced", BCON_BOOL(true), "}"));
    return status == STORE_NOT_FOUND ? STORE_OK : status; /* it was changed again, which is announced too */
}

static enum store_status announce_what_is_left(struct store_session *session)
{
    const bson_t *found;
    enum store_status status;
    mongoc_cursor_t *cursor = mongo_search(session, MONGO_RULES, BCON_NEW("unannounced", BCON_BOOL(true)),
                                           BCON_NEW("projection", "{", "revision", BCON_INT32(1), "}"));
    while ((status = mongo_next(session, cursor, &found)) == STORE_OK) {
        char *agency = mongo_text(found, "_id");
        status = announce(session, agency, mongo_integer(found, "revision"));
        free(agency);
        if (status != STORE_OK)
            break;
    }
    mongoc_cursor_destroy(cursor);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status rules_revision(struct store_session *session, uint64_t *revision)
{
    bson_t found;
    *revision = 0;
    enum store_status status = announce_what_is_left(session);
    if (status != STORE_OK)
        return status;
    status = mongo_find(session, MONGO_REVISION, BCON_NEW("_id", BCON_UTF8("rules")), NULL, &found);
    if (status == STORE_OK)
        *revision = (uint64_t)mongo_integer(&found, "revision");
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* ---- sources ---- */

static void take_source(struct store_rules_version *version, const bson_t *document)
{
    bson_iter_t at;
    bson_subtype_t subtype;
    const uint8_t *data;
    uint32_t length;
    if (!bson_iter_init_find(&at, document, "source") || !BSON_ITER_HOLDS_BINARY(&at))
        return;
    bson_iter_binary(&at, &subtype, &length, &data);
    version->source = slice_duplicate((struct slice){(const char *)data, length});
    version->source_length = length;
}

static enum store_status add_source(struct store_session *session, const struct store_rules_new *rules,
                                    bson_oid_t *id)
{
    bson_oid_init(id, NULL);
    bson_t *document =
        BCON_NEW("_id", BCON_OID(id), "agency", BCON_UTF8(rules->agency), "at_ms", BCON_INT64(rules->now_ms));
    const char *data = rules->source.length == 0 ? "" : rules->source.data;
    BSON_APPEND_BINARY(document, "source", BSON_SUBTYPE_BINARY, (const uint8_t *)data,
                       (uint32_t)rules->source.length);
    return mongo_insert(session, MONGO_SOURCE, document);
}

static bool is_named(const struct mongo_agency *agency, const bson_oid_t *id)
{
    for (size_t i = 0; i < agency->count; i++)
        if (agency->items[i].has_source && bson_oid_equal(&agency->items[i].source, id))
            return true;
    return false;
}

static enum store_status remove_source(struct store_session *session, const bson_oid_t *id)
{
    enum store_status status = mongo_remove(session, MONGO_SOURCE, BCON_NEW("_id", BCON_OID(id)));
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* Younger ones may be about to be named by whoever added them. */
#define UNNAMED_MS (60 * 60 * INT64_C(1000))

static enum store_status sweep_sources(struct store_session *session, const char *name,
                                       const struct mongo_agency *agency, int64_t now_ms)
{
    const bson_t *found;
    bson_iter_t id;
    enum store_status status;
    mongoc_cursor_t *cursor = mongo_search(
        session, MONGO_SOURCE,
        BCON_NEW("agency", BCON_UTF8(name), "at_ms", "{", "$lt", BCON_INT64(now_ms - UNNAMED_MS), "}"),
        BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}"));
    while ((status = mongo_next(session, cursor, &found)) == STORE_OK) {
        if (!bson_iter_init_find(&id, found, "_id") || is_named(agency, bson_iter_oid(&id)))
            continue;
        status = remove_source(session, bson_iter_oid(&id));
        if (status != STORE_OK)
            break;
    }
    mongoc_cursor_destroy(cursor);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* ---- reading ---- */

/* A source that is not there any more has been forgotten since the agency's document was read. */
static enum store_status get_source(struct store_session *session, const struct mongo_rules_version *version,
                                    struct store_rules_version *found)
{
    bson_t document;
    if (!version->has_source)
        return STORE_OK;
    enum store_status status =
        mongo_find(session, MONGO_SOURCE, BCON_NEW("_id", BCON_OID(&version->source)), NULL, &document);
    if (status == STORE_OK)
        take_source(found, &document);
    bson_destroy(&document);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* Out of the agency, to the caller. */
static struct store_rules_version hand_over(struct mongo_rules_version *version)
{
    struct store_rules_version is = version->is;
    version->is = (struct store_rules_version){0};
    return is;
}

static enum store_status rules_get(struct store_session *session, const char *agency_name, uint64_t version,
                                   struct store_rules_version *found)
{
    struct mongo_agency agency;
    *found = (struct store_rules_version){0};
    enum store_status status = mongo_agency_load(session, agency_name, &agency);
    struct mongo_rules_version *item = mongo_agency_find(&agency, version);
    if (status == STORE_OK && item == NULL)
        status = STORE_NOT_FOUND;
    if (status == STORE_OK) {
        *found = hand_over(item);
        status = get_source(session, item, found);
    }
    mongo_agency_deinit(&agency);
    if (status != STORE_OK)
        store_rules_version_deinit(found);
    return status;
}

static void push(struct store_rules_list *list, struct store_rules_version version)
{
    list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = version;
}

static enum store_status rules_list(struct store_session *session, const char *agency_name, uint64_t before,
                                    unsigned limit, struct store_rules_list *list)
{
    struct mongo_agency agency;
    *list = (struct store_rules_list){0};
    enum store_status status = mongo_agency_load(session, agency_name, &agency);
    for (size_t i = agency.count; status == STORE_OK && list->count < limit && i-- > 0;)
        if (before == 0 || agency.items[i].is.version < before)
            push(list, hand_over(&agency.items[i]));
    mongo_agency_deinit(&agency);
    return status;
}

static int compare_current(const void *left, const void *right)
{
    const struct mongo_rules_version *a = left, *b = right;
    int agencies = strcmp(a->is.agency, b->is.agency);
    return agencies != 0 ? agencies : (a->is.mode > b->is.mode) - (a->is.mode < b->is.mode);
}

/* What runs, of all agencies at once. */
static enum store_status load_running(struct store_session *session, struct mongo_agency *all)
{
    const bson_t *found;
    enum store_status status;
    mongoc_cursor_t *cursor =
        mongo_search(session, MONGO_RULES, BCON_NEW("running.0", "{", "$exists", BCON_BOOL(true), "}"),
                     BCON_NEW("projection", "{", "running", BCON_INT32(1), "}"));
    while ((status = mongo_next(session, cursor, &found)) == STORE_OK)
        mongo_agency_read_versions(found, "running", all);
    mongoc_cursor_destroy(cursor);
    if (all->count > 0)
        qsort(all->items, all->count, sizeof *all->items, compare_current);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static bson_t *sources_of(const struct mongo_agency *all)
{
    bson_t ids = BSON_INITIALIZER;
    for (size_t i = 0; i < all->count; i++) {
        char digits[16];
        const char *key;
        bson_uint32_to_string((uint32_t)i, &key, digits, sizeof digits);
        bson_append_oid(&ids, key, -1, &all->items[i].source);
    }
    bson_t *filter = BCON_NEW("_id", "{", "$in", BCON_ARRAY(&ids), "}");
    bson_destroy(&ids);
    return filter;
}

static void give_source(struct mongo_agency *all, const bson_t *document, size_t *given)
{
    bson_iter_t id;
    if (!bson_iter_init_find(&id, document, "_id") || !BSON_ITER_HOLDS_OID(&id))
        return;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].is.source == NULL && bson_oid_equal(&all->items[i].source, bson_iter_oid(&id))) {
            take_source(&all->items[i].is, document);
            (*given)++;
        }
}

/* NOT_FOUND: one of them has been superseded, and its source forgotten, since they were read. */
static enum store_status load_sources(struct store_session *session, struct mongo_agency *all)
{
    const bson_t *found;
    enum store_status status;
    size_t given = 0;
    if (all->count == 0)
        return STORE_OK;
    mongoc_cursor_t *cursor = mongo_search(session, MONGO_SOURCE, sources_of(all), NULL);
    while ((status = mongo_next(session, cursor, &found)) == STORE_OK)
        give_source(all, found, &given);
    mongoc_cursor_destroy(cursor);
    return status == STORE_NOT_FOUND && given == all->count ? STORE_OK : status;
}

/* A source goes an hour after it was added at the earliest, and only as another version takes its place: to
 * meet that again and again means that something is wrong. */
#define CURRENT_TRIES 5

static enum store_status rules_current(struct store_session *session, struct store_rules_list *list)
{
    enum store_status status = STORE_NOT_FOUND;
    *list = (struct store_rules_list){0};
    for (int i = 0; i < CURRENT_TRIES && status == STORE_NOT_FOUND; i++) {
        struct mongo_agency all = {0};
        status = load_running(session, &all);
        if (status == STORE_OK)
            status = load_sources(session, &all);
        for (size_t k = 0; status == STORE_OK && k < all.count; k++)
            push(list, hand_over(&all.items[k]));
        mongo_agency_deinit(&all);
    }
    return status == STORE_NOT_FOUND
               ? store_session_refuse(session, "the source of rules that run is missing")
               : status;
}

/* ---- adding ---- */

static void set_text(char **field, const char *text)
{
    free(*field);
    *field = text_duplicate(text);
}

/* One that goes live ends the live one and the candidate, a candidate ends the candidate. */
static void supersede(struct mongo_agency *agency, const struct store_rules_change *by,
                      enum store_rules_origin origin)
{
    char reason[RULES_REASON_SIZE];
    rules_superseded_reason(by->version, reason);
    for (size_t i = 0; i < agency->count; i++) {
        struct store_rules_version *is = &agency->items[i].is;
        if (is->origin != origin || is->version == by->version || !rules_mode_runs(is->mode) ||
            (by->mode != RULES_LIVE && is->mode == RULES_LIVE))
            continue;
        is->mode = RULES_SUPERSEDED;
        is->percent = 0;
        is->changed_ms = by->now_ms;
        set_text(&is->changed_by, by->by);
        set_text(&is->reason, reason);
    }
}

/* Of the versions of one origin, the newest `kept` that have a source keep it, and so does what runs. */
static void forget_sources(struct mongo_agency *agency, enum store_rules_origin origin, unsigned kept)
{
    unsigned seen = 0;
    for (size_t i = agency->count; i-- > 0;) {
        struct mongo_rules_version *version = &agency->items[i];
        if (version->is.origin != origin || !version->has_source)
            continue;
        if (++seen > (kept > 0 ? kept : 1) && !rules_mode_runs(version->is.mode))
            version->has_source = false;
    }
}

struct addition {
    const struct store_rules_new *rules;
    enum store_rules_origin origin;
    bson_oid_t source;
    uint64_t version; /* the one added, or the same that is there */
};

static void add_version(struct mongo_agency *agency, struct addition *addition)
{
    const struct store_rules_new *rules = addition->rules;
    addition->version = ++agency->newest;
    if (addition->origin == RULES_PUBLISHED)
        agency->published = addition->version;
    agency->items = memory_resize(agency->items, (agency->count + 1) * sizeof *agency->items);
    agency->items[agency->count++] = (struct mongo_rules_version){
        .is = {.version = addition->version,
               .agency = text_duplicate(rules->agency),
               .hash = text_duplicate(rules->hash),
               .origin = addition->origin,
               .mode = rules->mode,
               .percent = rules_percent(rules->mode, rules->percent),
               .by = text_duplicate(rules->by),
               .note = text_duplicate(rules->note),
               .at_ms = rules->now_ms},
        .has_source = true,
        .source = addition->source,
    };
    struct store_rules_change change = {
        .version = addition->version, .mode = rules->mode, .by = rules->by, .now_ms = rules->now_ms};
    supersede(agency, &change, addition->origin);
    forget_sources(agency, addition->origin, rules->kept);
}

static enum store_status decide_add(struct mongo_agency *agency, void *argument)
{
    struct addition *addition = argument;
    const uint64_t *expected = addition->rules->expected_version;
    if (expected != NULL && agency->published != *expected)
        return STORE_CONFLICT;
    add_version(agency, addition);
    return STORE_OK;
}

static const struct mongo_rules_version *newest_of_file(const struct mongo_agency *agency)
{
    for (size_t i = agency->count; i-- > 0;)
        if (agency->items[i].is.origin == RULES_FILE)
            return &agency->items[i];
    return NULL;
}

static enum store_status decide_record(struct mongo_agency *agency, void *argument)
{
    struct addition *addition = argument;
    const struct mongo_rules_version *newest = newest_of_file(agency);
    if (newest != NULL && strcmp(newest->is.hash, addition->rules->hash) == 0) {
        addition->version = newest->is.version;
        return STORE_DUPLICATE;
    }
    add_version(agency, addition);
    return STORE_OK;
}

/* Once the version is there, what follows is tidying, and its errors are not the caller's: a later call does
 * the rest. An answer that leaves open whether it is there leaves the source too. */
static enum store_status add(struct store_session *session, struct addition *addition,
                             mongo_agency_decide *decide)
{
    struct mongo_agency after;
    const struct store_rules_new *rules = addition->rules;
    bool published = addition->origin == RULES_PUBLISHED;
    enum store_status status = add_source(session, rules, &addition->source);
    if (status != STORE_OK)
        return status;
    status = mongo_agency_change(session, rules->agency, decide, addition, published, &after);
    if (status == STORE_CONFLICT || status == STORE_DUPLICATE)
        remove_source(session, &addition->source);
    if (status == STORE_OK && published)
        announce(session, rules->agency, after.revision);
    if (status == STORE_OK)
        sweep_sources(session, rules->agency, &after, rules->now_ms);
    mongo_agency_deinit(&after);
    return status;
}

static enum store_status rules_add(struct store_session *session, const struct store_rules_new *rules,
                                   uint64_t *version)
{
    struct addition addition = {.rules = rules, .origin = RULES_PUBLISHED};
    enum store_status status = rules_new_check(session, rules);
    if (status == STORE_OK)
        status = add(session, &addition, decide_add);
    if (status == STORE_OK)
        *version = addition.version;
    return status;
}

/* Most files are as they were: that is looked at before a source is added. */
static enum store_status is_recorded(struct store_session *session, struct addition *addition)
{
    struct mongo_agency agency;
    enum store_status status = mongo_agency_load(session, addition->rules->agency, &agency);
    const struct mongo_rules_version *newest = newest_of_file(&agency);
    if (status == STORE_OK && newest != NULL && strcmp(newest->is.hash, addition->rules->hash) == 0) {
        addition->version = newest->is.version;
        status = STORE_DUPLICATE;
    }
    mongo_agency_deinit(&agency);
    return status;
}

static enum store_status rules_record(struct store_session *session, const struct store_rules_new *rules,
                                      uint64_t *version)
{
    struct store_rules_new live = *rules;
    struct addition addition = {.rules = &live, .origin = RULES_FILE};
    live.mode = RULES_LIVE;
    enum store_status status = rules_new_check(session, &live);
    if (status == STORE_OK)
        status = is_recorded(session, &addition);
    if (status == STORE_OK)
        status = add(session, &addition, decide_record);
    if (status == STORE_OK || status == STORE_DUPLICATE)
        *version = addition.version;
    return status;
}

/* ---- changing ---- */

static enum store_status decide_mode(struct mongo_agency *agency, void *argument)
{
    const struct store_rules_change *change = argument;
    struct mongo_rules_version *version = mongo_agency_find(agency, change->version);
    if (version == NULL)
        return STORE_NOT_FOUND;
    if (version->is.mode != change->expected || version->is.origin != RULES_PUBLISHED)
        return STORE_CONFLICT;
    bool will_run = rules_mode_runs(change->mode);
    if (will_run && !version->has_source)
        return STORE_NOT_FOUND;
    version->is.mode = change->mode;
    version->is.percent = rules_percent(change->mode, change->percent);
    version->is.changed_ms = change->now_ms;
    set_text(&version->is.reason, change->reason);
    set_text(&version->is.changed_by, change->by);
    if (will_run)
        supersede(agency, change, RULES_PUBLISHED);
    return STORE_OK;
}

static enum store_status rules_set_mode(struct store_session *session,
                                        const struct store_rules_change *change)
{
    struct mongo_agency after;
    enum store_status status =
        mongo_agency_change(session, change->agency, decide_mode, (void *)change, true, &after);
    if (status == STORE_OK)
        announce(session, change->agency, after.revision);
    mongo_agency_deinit(&after);
    return status;
}

void mongo_rules_calls(struct store_backend *backend)
{
    backend->rules_add = rules_add;
    backend->rules_record = rules_record;
    backend->rules_get = rules_get;
    backend->rules_list = rules_list;
    backend->rules_current = rules_current;
    backend->rules_set_mode = rules_set_mode;
    backend->rules_revision = rules_revision;
}
