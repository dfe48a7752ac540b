/* The collections' indexes, and the version of all of them.
 *
 * Replicas of two versions run side by side while they are replaced one by one. So a version only adds: an
 * index, a field that older programs leave alone. What an older program would get wrong raises
 * OLDEST_PROGRAM with it, and older programs then refuse to start; that is a step to be made in two releases,
 * of which the first understands both. The schema's document keeps both numbers, and they only grow. */
#include "store/mongo.h"

#include <string.h>

#define NEWEST_VERSION 1
#define OLDEST_PROGRAM 1 /* the version that a program must know at least */

struct index {
    enum mongo_collection collection;
    const char *name;
    const char *keys; /* JSON, in order */
    bool unique;
    const char *partial; /* JSON of what documents it holds, or NULL: all */
};

/* message_place     deduplication
 * message_external  finding by GHL's id alone
 * message_newest    a location's messages, newest first
 * message_state     dead and rejected ones, newest first; how many wait
 * message_due       the delivery lanes
 * message_report    the report lanes
 * message_waiting   order within a conversation
 *
 * All of a claim's searches and message_place lead with the location, which so may be the shard key. State
 * numbers are those of enum message_state. A partial index is used where the query says the same. */
static const struct index INDEXES[] = {
    {MONGO_MESSAGE, "message_place", "{\"location\":1,\"external_id\":1,\"direction\":1}", true, NULL},
    {MONGO_MESSAGE, "message_external", "{\"external_id\":1,\"_id\":1}", false, NULL},
    {MONGO_MESSAGE, "message_newest", "{\"location\":1,\"_id\":1}", false, NULL},
    {MONGO_MESSAGE, "message_state", "{\"state\":1,\"_id\":1}", false, NULL},
    {MONGO_MESSAGE, "message_due", "{\"location\":1,\"due_ms\":1,\"_id\":1}", false,
     "{\"due_ms\":{\"$gt\":0}}"},
    {MONGO_MESSAGE, "message_report", "{\"location\":1,\"report_due_ms\":1,\"_id\":1}", false,
     "{\"report_due_ms\":{\"$gt\":0}}"},
    {MONGO_MESSAGE, "message_waiting", "{\"location\":1,\"conversation\":1,\"direction\":1,\"_id\":1}", false,
     "{\"state\":{\"$lte\":2}}"},
    {MONGO_INSTALLATION, "installation_key", "{\"company\":1,\"location\":1}", true, NULL},
    {MONGO_INSTALLATION, "installation_location", "{\"location\":1,\"updated_ms\":1}", false, NULL},
    {MONGO_INSTALLATION, "installation_expiring", "{\"expires_ms\":1}", false,
     "{\"status\":\"connected\",\"refresh_token\":{\"$exists\":true}}"},
    {MONGO_STATE, "one_time_state_expires", "{\"expires_ms\":1,\"_id\":1}", false, NULL},
    {MONGO_SETTING, "setting_name", "{\"scope\":1,\"name\":1}", true, NULL},
    {MONGO_MEMORY, "memory_expires", "{\"expires_ms\":1,\"_id\":1}", false, NULL},
    {MONGO_MARK, "memory_mark_expires", "{\"expires_ms\":1,\"_id\":1}", false, NULL},
    {MONGO_RULES, "rules_unannounced", "{\"unannounced\":1}", false, "{\"unannounced\":true}"},
    {MONGO_SOURCE, "rules_source_agency", "{\"agency\":1}", false, NULL},
};
#define INDEX_COUNT (sizeof INDEXES / sizeof INDEXES[0])

static int failed(const struct store_session *session, const char *what, struct error *error)
{
    return error_set(error, session->status == STORE_FAILED ? ERROR_PERMANENT : ERROR_RETRYABLE,
                     "cannot %s: %s", what, session->error);
}

/* ---- the version ---- */

static int version_read(struct store_session *session, int64_t *version, struct error *error)
{
    bson_t found;
    enum store_status status =
        mongo_find(session, MONGO_SCHEMA, BCON_NEW("_id", BCON_UTF8("bascule")), NULL, &found);
    int64_t oldest = mongo_integer(&found, "oldest_program");
    *version = mongo_integer(&found, "version");
    bson_destroy(&found);
    if (status != STORE_OK && status != STORE_NOT_FOUND)
        return failed(session, "open the store", error);
    if (oldest > NEWEST_VERSION)
        return error_set(error, ERROR_PERMANENT,
                         "the store is of version %lld, which programs that know version %d cannot use",
                         (long long)*version, NEWEST_VERSION);
    return 0;
}

/* A replica that starts at the same time may have added the document first: then there is one to update. */
static int version_write(struct store_session *session, struct error *error)
{
    enum store_status status = STORE_DUPLICATE;
    for (int i = 0; i < 2 && status == STORE_DUPLICATE; i++)
        status = mongo_upsert(session, MONGO_SCHEMA, BCON_NEW("_id", BCON_UTF8("bascule")),
                              BCON_NEW("$max", "{", "version", BCON_INT64(NEWEST_VERSION), "oldest_program",
                                       BCON_INT64(OLDEST_PROGRAM), "}"));
    return status == STORE_OK ? 0 : failed(session, "write the store's version", error);
}

/* ---- indexes ---- */

static void append_json(bson_t *document, const char *field, const char *json)
{
    bson_t *value = bson_new_from_json((const uint8_t *)json, -1, NULL);
    BSON_APPEND_DOCUMENT(document, field, value);
    bson_destroy(value);
}

/* Making one that is there already does nothing; one of the same name that says something else is an error.
 */
static int index_make(struct store_session *session, const struct index *index, struct error *error)
{
    bson_t reply, indexes, definition;
    bson_t *command = BCON_NEW("createIndexes", BCON_UTF8(mongo_collection_name(index->collection)));
    bson_append_array_begin(command, "indexes", -1, &indexes);
    bson_append_document_begin(&indexes, "0", -1, &definition);
    append_json(&definition, "key", index->keys);
    BSON_APPEND_UTF8(&definition, "name", index->name);
    if (index->unique)
        BSON_APPEND_BOOL(&definition, "unique", true);
    if (index->partial != NULL)
        append_json(&definition, "partialFilterExpression", index->partial);
    bson_append_document_end(&indexes, &definition);
    bson_append_array_end(command, &indexes);
    enum store_status status = mongo_command(session, command, &reply);
    bson_destroy(&reply);
    return status == STORE_OK ? 0 : failed(session, "make the store's indexes", error);
}

static bool is_index(const bson_t *found, const struct index *index)
{
    bson_iter_t name;
    return bson_iter_init_find(&name, found, "name") && BSON_ITER_HOLDS_UTF8(&name) &&
           strcmp(bson_iter_utf8(&name, NULL), index->name) == 0 &&
           mongo_flag(found, "unique") == index->unique;
}

/* What a unique index promises is what deduplication rests on: it is looked at, not believed. */
static int index_check(struct store_session *session, const struct index *index, struct error *error)
{
    const bson_t *found;
    bson_error_t why;
    bool there = false;
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(
        mongo_session(session)->collections[index->collection], NULL);
    while (!there && mongoc_cursor_next(cursor, &found))
        there = is_index(found, index);
    bool read = !mongoc_cursor_error(cursor, &why);
    mongoc_cursor_destroy(cursor);
    if (!read) {
        mongo_fail(session, &why);
        return failed(session, "read the store's indexes", error);
    }
    if (!there)
        return error_set(error, ERROR_PERMANENT, "the store's index %s is not as it must be", index->name);
    return 0;
}

/* A newer program may have put others in the place of the indexes known here: it answers for them. */
int mongo_migrate(struct store_session *session, struct error *error)
{
    int64_t version;
    int result = version_read(session, &version, error);
    if (result != 0 || version > NEWEST_VERSION)
        return result;
    for (size_t i = 0; result == 0 && i < INDEX_COUNT; i++)
        result = index_make(session, &INDEXES[i], error);
    for (size_t i = 0; result == 0 && i < INDEX_COUNT; i++)
        result = index_check(session, &INDEXES[i], error);
    return result == 0 ? version_write(session, error) : result;
}
