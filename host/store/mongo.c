/* The MongoDB backend's ground: the address, the pool, sessions, batches, the clock. */
#include "store/mongo.h"

#include <pthread.h>
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
