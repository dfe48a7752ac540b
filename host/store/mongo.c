/* The MongoDB backend's ground: the address, the pool, sessions, operations, errors. */
#include "store/mongo.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- the address ---- */

/* What the address does not say itself. A call ends within the time that a write may wait for the majority
 * and that of the socket; where no primary is to be found, within the time that the caller gave. */
#define SOCKET_TIMEOUT_MS 10000
#define CONNECT_TIMEOUT_MS 5000
#define MAJORITY_TIMEOUT_MS 5000
#define POOL_MOST 100

static void default_ms(mongoc_uri_t *uri, const char *option, int32_t value)
{
    if (mongoc_uri_get_option_as_int32(uri, option, 0) == 0)
        mongoc_uri_set_option_as_int32(uri, option, value);
}

/* Durability is not the address's to choose: "acknowledged" must mean the same everywhere. */
static void require_durability(mongoc_uri_t *uri)
{
    mongoc_write_concern_t *concern = mongoc_write_concern_new();
    int32_t timeout_ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_WTIMEOUTMS, MAJORITY_TIMEOUT_MS);
    mongoc_write_concern_set_wmajority(concern, timeout_ms);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_uri_set_write_concern(uri, concern);
    mongoc_write_concern_destroy(concern);
    mongoc_read_prefs_t *primary = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_uri_set_read_prefs_t(uri, primary);
    mongoc_read_prefs_destroy(primary);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, true);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, true);
}

/* The address may hold a password: what the driver says about it is not passed on. */
static mongoc_uri_t *address_parse(const struct store_options *options, struct error *error)
{
    bson_error_t why;
    mongoc_uri_t *uri = mongoc_uri_new_with_error(options->url, &why);
    if (uri == NULL) {
        error_set(error, ERROR_INVALID,
                  "the store's address is no MongoDB address: mongodb://HOST:PORT,.../DATABASE?OPTIONS");
        return NULL;
    }
    if (mongoc_uri_get_database(uri) == NULL) {
        error_set(error, ERROR_INVALID,
                  "the store's address names no database: mongodb://HOST:PORT,.../DATABASE?OPTIONS");
        mongoc_uri_destroy(uri);
        return NULL;
    }
    default_ms(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, (int32_t)options->busy_timeout_ms);
    default_ms(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_TIMEOUT_MS);
    default_ms(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_TIMEOUT_MS);
    default_ms(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, (int32_t)options->busy_timeout_ms);
    default_ms(uri, MONGOC_URI_MAXPOOLSIZE, POOL_MOST);
    mongoc_uri_set_appname(uri, "bascule");
    require_durability(uri);
    return uri;
}

/* ---- stores and sessions ---- */

static const char *const COLLECTION_NAMES[] = {
    [MONGO_SCHEMA] = "schema",           [MONGO_MESSAGE] = "message", [MONGO_INSTALLATION] = "installation",
    [MONGO_STATE] = "one_time_state",    [MONGO_SETTING] = "setting", [MONGO_MEMORY] = "memory",
    [MONGO_MARK] = "memory_mark",        [MONGO_RULES] = "rules",     [MONGO_SOURCE] = "rules_source",
    [MONGO_REVISION] = "rules_revision", [MONGO_PROBE] = "probe",
};

const char *mongo_collection_name(enum mongo_collection collection)
{
    return COLLECTION_NAMES[collection];
}

static void close_store(struct store *base)
{
    struct mongo_store *store = (struct mongo_store *)base;
    if (store->pool != NULL)
        mongoc_client_pool_destroy(store->pool);
    free(store->database);
    free(store);
}

static void session_close(struct store_session *base)
{
    struct mongo_session *session = mongo_session(base);
    for (size_t i = 0; i < MONGO_COLLECTIONS; i++)
        mongoc_collection_destroy(session->collections[i]);
    mongoc_client_pool_push(session->store->pool, session->client);
    free(session->lost.location);
    free(session);
}

static int session_open(struct store *base, struct store_session **out, struct error *error)
{
    struct mongo_store *store = (struct mongo_store *)base;
    mongoc_client_t *client = mongoc_client_pool_pop(store->pool);
    if (client == NULL)
        return error_set(error, ERROR_RETRYABLE,
                         "all connections of the store's pool are in use: raise maxPoolSize in its address");
    struct mongo_session *session = memory_allocate(sizeof *session);
    session->store = store;
    session->client = client;
    for (size_t i = 0; i < MONGO_COLLECTIONS; i++)
        session->collections[i] = mongoc_client_get_collection(client, store->database, COLLECTION_NAMES[i]);
    *out = &session->base;
    return 0;
}

static int prepare(struct store *store, struct error *error)
{
    struct store_session *session;
    if (session_open(store, &session, error) != 0)
        return -1;
    int result = mongo_migrate(session, error);
    session_close(session);
    return result;
}

/* What the driver would write to standard error: what matters comes back as an error of a call, and its other
 * lines may quote an address with its password. */
static void library_configure(void)
{
    mongoc_log_set_handler(NULL, NULL);
    mongoc_init();
}

static int open_store(const struct store_options *options, struct store **out, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_configure);
    bson_error_t why;
    mongoc_uri_t *uri = address_parse(options, error);
    if (uri == NULL)
        return -1;
    struct mongo_store *store = memory_allocate(sizeof *store);
    store->database = text_duplicate(mongoc_uri_get_database(uri));
    store->pool = mongoc_client_pool_new_with_error(uri, &why);
    mongoc_uri_destroy(uri);
    int result = store->pool != NULL ? 0 : error_set(error, ERROR_INVALID, "the store: %s", why.message);
    if (result == 0) {
        mongoc_client_pool_set_error_api(store->pool, MONGOC_ERROR_API_VERSION_2);
        result = prepare(&store->base, error);
    }
    if (result != 0)
        close_store(&store->base);
    else
        *out = &store->base;
    return result;
}

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

/* ---- fields ---- */

void mongo_push(bson_t *array, const bson_t *document, const char *field)
{
    char digits[16];
    const char *key;
    bson_iter_t at;
    bson_uint32_to_string(bson_count_keys(array), &key, digits, sizeof digits);
    if (bson_iter_init_find(&at, document, field))
        bson_append_iter(array, key, -1, &at);
}

char *mongo_text(const bson_t *document, const char *field)
{
    bson_iter_t at;
    uint32_t length;
    if (!bson_iter_init_find(&at, document, field) || !BSON_ITER_HOLDS_UTF8(&at))
        return NULL;
    const char *text = bson_iter_utf8(&at, &length);
    return slice_duplicate((struct slice){text, length});
}

int64_t mongo_integer(const bson_t *document, const char *field)
{
    bson_iter_t at;
    if (!bson_iter_init_find(&at, document, field))
        return 0;
    return BSON_ITER_HOLDS_DATE_TIME(&at) ? bson_iter_date_time(&at) : bson_iter_as_int64(&at);
}

bool mongo_flag(const bson_t *document, const char *field)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, field) && bson_iter_as_bool(&at);
}

bool mongo_has(const bson_t *document, const char *field)
{
    bson_iter_t at;
    return bson_iter_init_find(&at, document, field) && !BSON_ITER_HOLDS_NULL(&at);
}

void mongo_put_text(bson_t *document, const char *field, const char *text)
{
    if (text != NULL)
        BSON_APPEND_UTF8(document, field, text);
}

void mongo_put_time(bson_t *document, const char *field, int64_t ms)
{
    if (ms != 0)
        BSON_APPEND_INT64(document, field, ms);
}

/* ---- batches and housekeeping ---- */

/* Every call is durable when it returns, in a batch as without: there is nothing left to commit, and nothing
 * that could be taken back. */
static enum store_status batch_begin(struct store_session *session)
{
    if (session->in_batch)
        return store_session_refuse(session, "a batch is open already");
    session->in_batch = true;
    session->broken = STORE_OK;
    return STORE_OK;
}

static enum store_status batch_commit(struct store_session *session)
{
    if (!session->in_batch)
        return store_session_refuse(session, "no batch is open");
    session->in_batch = false;
    return session->broken;
}

static void batch_abort(struct store_session *session)
{
    session->in_batch = false;
}

static void session_tend_later(struct store_session *session)
{
    (void)session; /* the server keeps its house itself */
}

static bool session_tend_due(const struct store_session *session)
{
    (void)session;
    return false;
}

static enum store_status session_tend(struct store_session *session)
{
    (void)session;
    return STORE_OK;
}

/* ---- the clock ---- */

#define COMMAND_NOT_FOUND 59

/* "hello" is the name since MongoDB 5. */
static enum store_status ask_for_time(struct store_session *session, int64_t *server_ms)
{
    static const char *const names[] = {"hello", "isMaster"};
    struct mongo_session *own = mongo_session(session);
    bson_error_t error = {0};
    bool done = false;
    for (size_t i = 0; i < 2 && !done && (i == 0 || error.code == COMMAND_NOT_FOUND); i++) {
        bson_t reply, *command = BCON_NEW(names[i], BCON_INT32(1));
        done = mongoc_client_command_simple(own->client, own->store->database, command, NULL, &reply, &error);
        *server_ms = mongo_integer(&reply, "localTime");
        bson_destroy(&reply);
        bson_destroy(command);
    }
    return done ? STORE_OK : mongo_fail(session, &error);
}

/* The server read its clock at some time between the question and the answer. */
static enum store_status read_clock(struct store_session *session, int64_t *now_ms, int64_t *error_ms)
{
    int64_t server_ms, asked_ms = clock_monotonic_ms();
    enum store_status status = ask_for_time(session, &server_ms);
    int64_t half_ms = (clock_monotonic_ms() - asked_ms + 1) / 2;
    *now_ms = server_ms + half_ms;
    *error_ms = half_ms + 1;
    return status;
}

/* ---- the backend ---- */

void mongo_backend(struct store_backend *backend)
{
    *backend = (struct store_backend){
        .has_clock = true,
        .open = open_store,
        .close = close_store,
        .session_open = session_open,
        .session_close = session_close,
        .session_tend_later = session_tend_later,
        .session_tend_due = session_tend_due,
        .session_tend = session_tend,
        .batch_begin = batch_begin,
        .batch_commit = batch_commit,
        .batch_abort = batch_abort,
        .clock = read_clock,
    };
    mongo_claim_calls(backend);
    mongo_installation_calls(backend);
    mongo_list_calls(backend);
    mongo_memory_calls(backend);
    mongo_message_calls(backend);
    mongo_rules_calls(backend);
    mongo_setting_calls(backend);
    mongo_settle_calls(backend);
}
