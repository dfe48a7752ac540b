/* The SQLite backend's ground: files and connections, statements, transactions, errors. */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files and connections ---- */

/* Debian's library overwrites deleted content (secure_delete); the texts here are not deleted, and secrets
 * are sealed. The cache is what one group's random index pages need; the kernel caches the rest. */
static const char CONNECTION_SETUP[] = "PRAGMA page_size=4096;"
                                       "PRAGMA journal_mode=WAL;"
                                       "PRAGMA synchronous=FULL;"
                                       "PRAGMA cache_spill=OFF;"
                                       "PRAGMA cache_size=-1000;"
                                       "PRAGMA secure_delete=OFF;"
                                       "PRAGMA temp_store=MEMORY;"
                                       "PRAGMA foreign_keys=OFF;"
                                       "PRAGMA trusted_schema=OFF;";

static int on_commit(void *session, sqlite3 *db, const char *name, int pages);

static void library_configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS,
                   0); /* counters behind a lock, at every allocation; refused is harmless */
    sqlite3_initialize();
    if (sodium_init() < 0)
        abort();
}

static int folder_make(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int made = mkdir(path, 0700);
        int why = errno;
        *slash = '/';
        if (made != 0 && why != EEXIST) {
            errno = why;
            return -1;
        }
    }
    return 0;
}

/* SQLite would create the file with the umask's permissions; its log and index take those of the file. */
static int file_prepare(char *path, struct error *error)
{
    if (folder_make(path) != 0)
        return error_set(error, ERROR_PERMANENT, "cannot make the folder of the store %s: %s", path,
                         strerror(errno));
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return error_set(error, ERROR_PERMANENT, "cannot open the store %s: %s", path, strerror(errno));
    close(file);
    return 0;
}

static int setup_error(sqlite3 *db, const char *path, struct error *error)
{
    int code = sqlite3_errcode(db);
    bool again = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL;
    error_set(error, again ? ERROR_RETRYABLE : ERROR_PERMANENT, "cannot open the store %s: %s", path,
              sqlite3_errmsg(db));
    sqlite3_close(db);
    return -1;
}

/* Two processes that turn a new file to the log mode at once get in each other's way past the busy timeout.
 */
static int connection_setup(sqlite3 *db)
{
    int rc = SQLITE_BUSY;
    for (int i = 0; i < 50 && (rc & 0xff) == SQLITE_BUSY; i++) {
        if (i > 0)
            sqlite3_sleep(20);
        rc = sqlite3_exec(db, CONNECTION_SETUP, NULL, NULL, NULL);
    }
    return rc;
}

static int connection_open(const struct sqlite_store *store, sqlite3 **out, struct error *error)
{
    const char *path = store->in_memory ? ":memory:" : store->path;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (store->in_memory ? SQLITE_OPEN_CREATE : 0);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags, sqlite_vfs_name());
    if (db == NULL)
        return error_set(error, ERROR_RETRYABLE, "cannot open the store %s: out of memory", path);
    if (rc != SQLITE_OK)
        return setup_error(db, path, error);
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, (int)store->busy_timeout_ms);
    if (connection_setup(db) != SQLITE_OK || sqlite_list_functions(db) != SQLITE_OK)
        return setup_error(db, path, error);
    *out = db;
    return 0;
}

static int url_parse(const char *url, struct sqlite_store *store, struct error *error)
{
    const char *path = url + strlen("sqlite:");
    if (*path == '\0')
        return error_set(error, ERROR_INVALID, "a store's address is sqlite:PATH");
    store->in_memory = strcmp(path, ":memory:") == 0;
    store->path = text_duplicate(path);
    return 0;
}

static int store_prepare(struct sqlite_store *store, struct error *error)
{
    sqlite3 *db;
    if (!store->in_memory && file_prepare(store->path, error) != 0)
        return -1;
    if (connection_open(store, &db, error) != 0)
        return -1;
    if (sqlite_migrate(db, error) != 0) {
        sqlite3_close(db);
        return -1;
    }
    if (store->in_memory)
        store->memory = db;
    else
        sqlite3_close(db);
    return 0;
}

static void close_store(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    sqlite3_close(store->memory);
    free(store->path);
    free(store);
}

static int open_store(const struct store_options *options, struct store **out, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, library_configure);
    struct sqlite_store *store = memory_allocate(sizeof *store);
    store->busy_timeout_ms = options->busy_timeout_ms;
    if (url_parse(options->url, store, error) != 0 || store_prepare(store, error) != 0) {
        close_store(&store->base);
        return -1;
    }
    *out = &store->base;
    return 0;
}

static int session_open(struct store *base, struct store_session **out, struct error *error)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    sqlite3 *db = store->memory;
    store->memory = NULL;
    if (store->in_memory && db == NULL)
        return error_set(error, ERROR_INVALID, "a store in memory has one session only");
    if (db == NULL && connection_open(store, &db, error) != 0)
        return -1;
    struct sqlite_session *session = memory_allocate(sizeof *session);
    session->store = store;
    session->db = db;
    sqlite3_wal_hook(db, on_commit, session);
    *out = &session->base;
    return 0;
}

static void session_close(struct store_session *base)
{
    struct sqlite_session *session = sqlite_session(base);
    for (size_t i = 0; i < SQLITE_STATEMENTS; i++)
        sqlite3_finalize(session->statements[i].statement);
    sqlite3_close(session->db);
    free(session);
}

/* ---- errors ---- */

static enum store_status status_of(sqlite3 *db, int rc)
{
    int system_errno = sqlite3_system_errno(db);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STORE_BUSY;
    case SQLITE_FULL:
        return STORE_FULL;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return system_errno == ENOSPC || system_errno == EDQUOT ? STORE_FULL : STORE_FAILED;
    default:
        return STORE_FAILED;
    }
}

static enum store_status note(struct store_session *session, int rc)
{
    sqlite3 *db = sqlite_session(session)->db;
    session->status = status_of(db, rc);
    snprintf(session->error, sizeof session->error, "%s", sqlite3_errmsg(db));
    return session->status;
}

/* ---- statements ---- */

sqlite3_stmt *sqlite_statement(struct store_session *base, const char *sql)
{
    struct sqlite_session *session = sqlite_session(base);
    size_t slot = ((uintptr_t)sql >> 4) % SQLITE_STATEMENTS;
    while (session->statements[slot].sql != NULL && session->statements[slot].sql != sql)
        slot = (slot + 1) % SQLITE_STATEMENTS;
    if (session->statements[slot].sql == sql)
        return session->statements[slot].statement;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v3(session->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (rc != SQLITE_OK) {
        note(base, rc);
        return NULL;
    }
    session->statements[slot].sql = sql;
    session->statements[slot].statement = statement;
    return statement;
}

void sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}

void sqlite_bind_time(sqlite3_stmt *statement, int index, int64_t ms)
{
    if (ms == 0)
        sqlite3_bind_null(statement, index);
    else
        sqlite3_bind_int64(statement, index, ms);
}

enum store_status sqlite_next(struct store_session *session, sqlite3_stmt *statement)
{
    if (statement == NULL)
        return session->status;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return STORE_OK;
    enum store_status status = rc == SQLITE_DONE ? STORE_NOT_FOUND : note(session, rc);
    sqlite3_reset(statement);
    return status;
}

enum store_status sqlite_run(struct store_session *session, sqlite3_stmt *statement)
{
    enum store_status status;
    while ((status = sqlite_next(session, statement)) == STORE_OK)
        ;
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

enum store_status sqlite_change(struct store_session *session, sqlite3_stmt *statement)
{
    enum store_status status = sqlite_run(session, statement);
    return status == STORE_OK && sqlite3_changes(sqlite_session(session)->db) == 0 ? STORE_NOT_FOUND : status;
}

char *sqlite_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text == NULL
               ? NULL
               : slice_duplicate((struct slice){text, (size_t)sqlite3_column_bytes(statement, column)});
}

/* ---- transactions ---- */

static const char BEGIN_WRITE[] = "BEGIN IMMEDIATE";
static const char BEGIN_READ[] = "BEGIN";
static const char COMMIT[] = "COMMIT";
static const char ROLLBACK[] = "ROLLBACK";

static enum store_status transaction_begin(struct store_session *session, const char *sql)
{
    sqlite_session(session)->last_id = 0;
    return sqlite_run(session, sqlite_statement(session, sql));
}

/* SQLite rolls back by itself after some errors; the session's error is the first one, not this one's. */
static void transaction_rollback(struct store_session *session)
{
    if (!sqlite3_get_autocommit(sqlite_session(session)->db))
        sqlite3_exec(sqlite_session(session)->db, ROLLBACK, NULL, NULL, NULL);
}

static enum store_status transaction_commit(struct store_session *session)
{
    enum store_status status = sqlite_run(session, sqlite_statement(session, COMMIT));
    if (status != STORE_OK)
        transaction_rollback(session);
    return status;
}

static enum store_status batch_begin(struct store_session *session)
{
    if (session->in_batch)
        return store_session_refuse(session, "a batch is open already");
    enum store_status status = transaction_begin(session, BEGIN_WRITE);
    session->in_batch = status == STORE_OK;
    session->broken = STORE_OK;
    return status;
}

static enum store_status batch_commit(struct store_session *session)
{
    if (!session->in_batch)
        return store_session_refuse(session, "no batch is open");
    session->in_batch = false;
    if (session->broken == STORE_OK)
        return transaction_commit(session);
    transaction_rollback(session);
    return session->broken;
}

static void batch_abort(struct store_session *session)
{
    session->in_batch = false;
    transaction_rollback(session);
}

static enum store_status call_begin(struct store_session *session, const char *sql)
{
    if (session->in_batch)
        return session->broken;
    return transaction_begin(session, sql);
}

enum store_status sqlite_write_begin(struct store_session *session)
{
    return call_begin(session, BEGIN_WRITE);
}

enum store_status sqlite_read_begin(struct store_session *session)
{
    return call_begin(session, BEGIN_READ);
}

enum store_status sqlite_end(struct store_session *session, enum store_status status)
{
    if (session->in_batch) {
        if (store_status_is_error(status) && session->broken == STORE_OK)
            session->broken = status;
        return status;
    }
    if (store_status_is_error(status)) {
        transaction_rollback(session);
        return status;
    }
    enum store_status committed = transaction_commit(session);
    return committed == STORE_OK ? status : committed;
}

/* ---- the log ---- */

static enum store_status checkpoint(struct store_session *session)
{
    int pages = 0;
    int rc =
        sqlite3_wal_checkpoint_v2(sqlite_session(session)->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages, NULL);
    return rc == SQLITE_OK ? STORE_OK : note(session, rc);
}

/* A checkpoint that fails (a full disk) leaves the log as it is: the commit holds, and a later one tries
 * again. */
static int on_commit(void *argument, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct sqlite_session *session = argument;
    atomic_store_explicit(&session->store->log_pages, pages, memory_order_relaxed);
    if (pages >= SQLITE_LOG_PAGES && !session->tends_later)
        checkpoint(&session->base);
    return SQLITE_OK;
}

static void session_tend_later(struct store_session *session)
{
    sqlite_session(session)->tends_later = true;
}

static bool session_tend_due(const struct store_session *session)
{
    const struct sqlite_store *store = ((const struct sqlite_session *)session)->store;
    return atomic_load_explicit(&store->log_pages, memory_order_relaxed) >= SQLITE_LOG_PAGES;
}

static enum store_status session_tend(struct store_session *session)
{
    return session_tend_due(session) ? checkpoint(session) : STORE_OK;
}

/* ---- the backend ---- */

static enum store_status no_clock(struct store_session *session, int64_t *now_ms, int64_t *error_ms)
{
    (void)session;
    (void)now_ms;
    (void)error_ms;
    return STORE_NOT_FOUND;
}

void sqlite_backend(struct store_backend *backend)
{
    *backend = (struct store_backend){
        .atomic_batches = true,
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
        .clock = no_clock,
    };
    sqlite_claim_calls(backend);
    sqlite_installation_calls(backend);
    sqlite_list_calls(backend);
    sqlite_memory_calls(backend);
    sqlite_message_calls(backend);
    sqlite_rules_calls(backend);
    sqlite_setting_calls(backend);
    sqlite_settle_calls(backend);
}
