/* One way to do each kind of operation, and what their errors are to callers of store.h. */
#include "store/mongo.h"

#include <stdio.h>

/* ---- errors ---- */

bool mongo_is_duplicate(const bson_error_t *error)
{
    return error->domain == MONGOC_ERROR_SERVER && error->code == MONGOC_ERROR_DUPLICATE_KEY;
}

/* Codes of MongoDB's error_codes.yml. */
static enum store_status server_status(uint32_t code)
{
    switch (code) {
    case 14031: /* OutOfDiskSpace */
        return STORE_FULL;
    case 6:     /* HostUnreachable */
    case 7:     /* HostNotFound */
    case 24:    /* LockTimeout */
    case 46:    /* LockBusy */
    case 50:    /* MaxTimeMSExpired */
    case 64:    /* WriteConcernFailed: not by the majority within its time */
    case 89:    /* NetworkTimeout */
    case 91:    /* ShutdownInProgress */
    case 112:   /* WriteConflict */
    case 133:   /* FailedToSatisfyReadPreference */
    case 134:   /* ReadConcernMajorityNotAvailableYet */
    case 189:   /* PrimarySteppedDown */
    case 202:   /* NetworkInterfaceExceededTimeLimit */
    case 262:   /* ExceededTimeLimit */
    case 9001:  /* SocketException */
    case 10107: /* NotWritablePrimary */
    case 11600: /* InterruptedAtShutdown */
    case 11601: /* Interrupted */
    case 11602: /* InterruptedDueToReplStateChange */
    case 13388: /* StaleConfig */
    case 13435: /* NotPrimaryNoSecondaryOk */
    case 13436: /* NotPrimaryOrSecondary */
        return STORE_BUSY;
    default:
        return STORE_FAILED;
    }
}

static enum store_status status_of(const bson_error_t *error)
{
    switch (error->domain) {
    case MONGOC_ERROR_STREAM:
    case MONGOC_ERROR_SERVER_SELECTION:
        return STORE_BUSY;
    case MONGOC_ERROR_SERVER:
    case MONGOC_ERROR_WRITE_CONCERN:
        return server_status(error->code);
    default:
        return STORE_FAILED;
    }
}

enum store_status mongo_fail(struct store_session *session, const bson_error_t *error)
{
    session->status = status_of(error);
    snprintf(session->error, sizeof session->error, "%.*s", (int)sizeof session->error - 1, error->message);
    if (session->in_batch && session->broken == STORE_OK)
        session->broken = session->status;
    return session->status;
}

/* ---- operations ---- */

static mongoc_collection_t *collection_of(struct store_session *session, enum mongo_collection collection)
{
    return mongo_session(session)->collections[collection];
}

static enum store_status broken(const struct store_session *session)
{
    return session->in_batch ? session->broken : STORE_OK;
}

mongoc_cursor_t *mongo_search(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                              bson_t *options)
{
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(collection_of(session, collection), filter, options, NULL);
    bson_destroy(filter);
    bson_destroy(options);
    return cursor;
}

enum store_status mongo_next(struct store_session *session, mongoc_cursor_t *cursor, const bson_t **document)
{
    bson_error_t error;
    if (broken(session) != STORE_OK)
        return broken(session);
    if (mongoc_cursor_next(cursor, document))
        return STORE_OK;
    return mongoc_cursor_error(cursor, &error) ? mongo_fail(session, &error) : STORE_NOT_FOUND;
}

enum store_status mongo_find(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                             bson_t *options, bson_t *found)
{
    const bson_t *document;
    bson_t *one = options != NULL ? options : bson_new();
    BSON_APPEND_INT64(one, "limit", 1);
    mongoc_cursor_t *cursor = mongo_search(session, collection, filter, one);
    enum store_status status = mongo_next(session, cursor, &document);
    if (status == STORE_OK)
        bson_copy_to(document, found);
    else
        bson_init(found);
    mongoc_cursor_destroy(cursor);
    return status;
}

/* What a write answered; the reply's number tells whether anything matched. */
static enum store_status written(struct store_session *session, bool done, const bson_error_t *error)
{
    if (done)
        return STORE_OK;
    return mongo_is_duplicate(error) ? STORE_DUPLICATE : mongo_fail(session, error);
}

enum store_status mongo_insert(struct store_session *session, enum mongo_collection collection,
                               bson_t *document)
{
    bson_error_t error;
    enum store_status status = broken(session);
    if (status == STORE_OK)
        status = written(
            session,
            mongoc_collection_insert_one(collection_of(session, collection), document, NULL, NULL, &error),
            &error);
    bson_destroy(document);
    return status;
}

static enum store_status update(struct store_session *session, enum mongo_collection collection,
                                bson_t *filter, bson_t *change, bson_t *options)
{
    bson_t reply;
    bson_error_t error;
    enum store_status status = broken(session);
    if (status == STORE_OK) {
        bool done = mongoc_collection_update_one(collection_of(session, collection), filter, change, options,
                                                 &reply, &error);
        status = written(session, done, &error);
        if (status == STORE_OK && options == NULL && mongo_integer(&reply, "matchedCount") == 0)
            status = STORE_NOT_FOUND;
        bson_destroy(&reply);
    }
    bson_destroy(filter);
    bson_destroy(change);
    bson_destroy(options);
    return status;
}

enum store_status mongo_update(struct store_session *session, enum mongo_collection collection,
                               bson_t *filter, bson_t *change)
{
    return update(session, collection, filter, change, NULL);
}

enum store_status mongo_upsert(struct store_session *session, enum mongo_collection collection,
                               bson_t *filter, bson_t *change)
{
    return update(session, collection, filter, change, BCON_NEW("upsert", BCON_BOOL(true)));
}

enum store_status mongo_update_all(struct store_session *session, enum mongo_collection collection,
                                   bson_t *filter, bson_t *change, int64_t *changed)
{
    bson_t reply;
    bson_error_t error;
    enum store_status status = broken(session);
    if (status == STORE_OK) {
        bool done = mongoc_collection_update_many(collection_of(session, collection), filter, change, NULL,
                                                  &reply, &error);
        status = written(session, done, &error);
        if (status == STORE_OK && changed != NULL)
            *changed += mongo_integer(&reply, "matchedCount");
        bson_destroy(&reply);
    }
    bson_destroy(filter);
    bson_destroy(change);
    return status;
}

enum store_status mongo_remove(struct store_session *session, enum mongo_collection collection,
                               bson_t *filter)
{
    bson_t reply;
    bson_error_t error;
    enum store_status status = broken(session);
    if (status == STORE_OK) {
        bool done =
            mongoc_collection_delete_one(collection_of(session, collection), filter, NULL, &reply, &error);
        status = written(session, done, &error);
        if (status == STORE_OK && mongo_integer(&reply, "deletedCount") == 0)
            status = STORE_NOT_FOUND;
        bson_destroy(&reply);
    }
    bson_destroy(filter);
    return status;
}

static bson_t *past_its_time(int64_t now_ms)
{
    return BCON_NEW("expires_ms", "{", "$lte", BCON_INT64(now_ms), "}");
}

/* The ids of the earliest. */
static enum store_status find_past(struct store_session *session, enum mongo_collection collection,
                                   unsigned limit, int64_t now_ms, bson_t *ids)
{
    const bson_t *found;
    enum store_status status;
    mongoc_cursor_t *cursor =
        mongo_search(session, collection, past_its_time(now_ms),
                     BCON_NEW("sort", "{", "expires_ms", BCON_INT32(1), "_id", BCON_INT32(1), "}", "limit",
                              BCON_INT64(limit), "projection", "{", "_id", BCON_INT32(1), "}"));
    while ((status = mongo_next(session, cursor, &found)) == STORE_OK)
        mongo_push(ids, found, "_id");
    mongoc_cursor_destroy(cursor);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* The filter holds their time too: one may have been given a later end since it was found. */
enum store_status mongo_forget_these(struct store_session *session, enum mongo_collection collection,
                                     const bson_t *ids, int64_t now_ms)
{
    bson_error_t error;
    enum store_status status = broken(session);
    if (status != STORE_OK || bson_empty(ids))
        return status;
    bson_t *filter = past_its_time(now_ms);
    BCON_APPEND(filter, "_id", "{", "$in", BCON_ARRAY(ids), "}");
    bool done = mongoc_collection_delete_many(collection_of(session, collection), filter, NULL, NULL, &error);
    bson_destroy(filter);
    return written(session, done, &error);
}

enum store_status mongo_forget(struct store_session *session, enum mongo_collection collection,
                               unsigned limit, int64_t now_ms, bool *more)
{
    bson_t ids = BSON_INITIALIZER;
    enum store_status status = find_past(session, collection, limit, now_ms, &ids);
    *more = bson_count_keys(&ids) == limit;
    if (status == STORE_OK)
        status = mongo_forget_these(session, collection, &ids, now_ms);
    bson_destroy(&ids);
    return status;
}

/* The driver answers a find-and-modify that the majority did not confirm as done. */
static bool is_unconfirmed(const bson_t *reply, bson_error_t *error)
{
    bson_iter_t top, code;
    if (!bson_iter_init(&top, reply) || !bson_iter_find_descendant(&top, "writeConcernError.code", &code))
        return false;
    bson_set_error(error, MONGOC_ERROR_WRITE_CONCERN, (uint32_t)bson_iter_as_int64(&code),
                   "the majority of the replica set did not confirm in time");
    return true;
}

/* "value" of the reply is the document, or null. */
static enum store_status taken(const bson_t *reply, bson_t *before)
{
    bson_iter_t value;
    const uint8_t *data;
    uint32_t length;
    bson_t document;
    if (!bson_iter_init_find(&value, reply, "value") || !BSON_ITER_HOLDS_DOCUMENT(&value))
        return STORE_NOT_FOUND;
    bson_iter_document(&value, &length, &data);
    if (!bson_init_static(&document, data, length))
        return STORE_NOT_FOUND;
    bson_destroy(before);
    bson_copy_to(&document, before);
    return STORE_OK;
}

static mongoc_find_and_modify_opts_t *take_options(const bson_t *sort, const bson_t *change,
                                                   const bson_t *fields)
{
    mongoc_find_and_modify_opts_t *options = mongoc_find_and_modify_opts_new();
    if (change != NULL)
        mongoc_find_and_modify_opts_set_update(options, change);
    else
        mongoc_find_and_modify_opts_set_flags(options, MONGOC_FIND_AND_MODIFY_REMOVE);
    if (sort != NULL)
        mongoc_find_and_modify_opts_set_sort(options, sort);
    if (fields != NULL)
        mongoc_find_and_modify_opts_set_fields(options, fields);
    return options;
}

enum store_status mongo_take(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                             bson_t *sort, bson_t *change, bson_t *fields, bson_t *before)
{
    bson_t reply;
    bson_error_t error;
    enum store_status status = broken(session);
    bson_init(before);
    if (status == STORE_OK) {
        mongoc_find_and_modify_opts_t *options = take_options(sort, change, fields);
        bool done = mongoc_collection_find_and_modify_with_opts(collection_of(session, collection), filter,
                                                                options, &reply, &error);
        done = done && !is_unconfirmed(&reply, &error);
        status = written(session, done, &error);
        if (status == STORE_OK)
            status = taken(&reply, before);
        bson_destroy(&reply);
        mongoc_find_and_modify_opts_destroy(options);
    }
    bson_destroy(filter);
    bson_destroy(sort);
    bson_destroy(change);
    bson_destroy(fields);
    return status;
}

enum store_status mongo_count(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                              int64_t *count)
{
    bson_t reply;
    bson_t *command =
        BCON_NEW("count", BCON_UTF8(mongo_collection_name(collection)), "query", BCON_DOCUMENT(filter));
    enum store_status status = mongo_command(session, command, &reply);
    if (status == STORE_OK)
        *count = mongo_integer(&reply, "n");
    bson_destroy(&reply);
    bson_destroy(filter);
    return status;
}

enum store_status mongo_command(struct store_session *session, bson_t *command, bson_t *reply)
{
    bson_error_t error;
    struct mongo_session *own = mongo_session(session);
    enum store_status status = broken(session);
    if (status != STORE_OK)
        bson_init(reply);
    else if (!mongoc_client_command_simple(own->client, own->store->database, command, NULL, reply, &error))
        status = mongo_fail(session, &error);
    bson_destroy(command);
    return status;
}
