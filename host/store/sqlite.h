/* What the files of the SQLite backend share: the connection behind a session, its statements, its
 * transactions. Private to host/store/sqlite*.c and their tests.
 *
 * A call of store.h is written as: sqlite_write_begin (or sqlite_read_begin), statements, sqlite_end. Outside
 * a batch that is a transaction of its own; inside one it joins the batch's. An error inside a batch breaks
 * the batch: what the failed call left half done can only be undone with the rest, so nothing more runs and
 * the commit answers that error. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/backend.h"

/* Pages in the log from which it is moved into the file: 64 MB. Larger logs write a page of the indexes less
 * often, and cost start-up time after a crash. */
#define SQLITE_LOG_PAGES 16000

struct sqlite_store {
    struct store base;
    char *path;
    unsigned busy_timeout_ms;
    sqlite3 *memory; /* ":memory:": the one connection, until the one session takes it */
    bool in_memory;
    atomic_int log_pages; /* as of the last commit of this process */
};

#define SQLITE_STATEMENTS 128 /* slots; a power of two, well above the number of statements */

struct sqlite_session {
    struct store_session base;
    struct sqlite_store *store;
    sqlite3 *db;
    struct {
        const char *sql; /* the address is the key */
        sqlite3_stmt *statement;
    } statements[SQLITE_STATEMENTS];
    bool tends_later;
    int64_t last_id; /* the newest message's, within a write transaction; 0: not looked up yet */
};

static inline struct sqlite_session *sqlite_session(struct store_session *session)
{
    return (struct sqlite_session *)session;
}

/* The statement of `sql`, prepared once a session and ready to be bound. `sql` must be a static array. NULL
 * where that fails; binding NULL does nothing, and sqlite_next answers the error, so callers need not look.
 */
sqlite3_stmt *sqlite_statement(struct store_session *session, const char *sql);

/* Borrowed until the statement is stepped to its end; NULL binds NULL. */
void sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text);
void sqlite_bind_time(sqlite3_stmt *statement, int index, int64_t ms); /* 0 binds NULL */

/* STORE_OK: there is a row. STORE_NOT_FOUND: no more rows, the statement is reset. Else an error, noted. */
enum store_status sqlite_next(struct store_session *session, sqlite3_stmt *statement);
/* Runs to the end: STORE_OK or an error. */
enum store_status sqlite_run(struct store_session *session, sqlite3_stmt *statement);
/* As sqlite_run, and STORE_NOT_FOUND where no row was changed. */
enum store_status sqlite_change(struct store_session *session, sqlite3_stmt *statement);

char *sqlite_text(sqlite3_stmt *statement, int column); /* a copy, or NULL */

enum store_status sqlite_write_begin(struct store_session *session);
enum store_status sqlite_read_begin(struct store_session *session);
/* Ends what begin began: commits where `status` is an answer, rolls back where it is an error. */
enum store_status sqlite_end(struct store_session *session, enum store_status status);

/* Each fills the functions of its file into the backend's table. */
void sqlite_claim_calls(struct store_backend *backend);
void sqlite_installation_calls(struct store_backend *backend);
void sqlite_list_calls(struct store_backend *backend);
void sqlite_memory_calls(struct store_backend *backend);
void sqlite_message_calls(struct store_backend *backend);
void sqlite_rules_calls(struct store_backend *backend);
void sqlite_setting_calls(struct store_backend *backend);
void sqlite_settle_calls(struct store_backend *backend);

/* sqlite_schema.c */
int sqlite_migrate(sqlite3 *db, struct error *error);

/* sqlite_vfs.c: SQLite's own file system layer, but that the log's pages of one commit reach the kernel in a
 * few large writes. Returns its name. Only for connections with synchronous=FULL and cache_spill=OFF. */
const char *sqlite_vfs_name(void);

/* sqlite_message.c: a message's columns, in the order that sqlite_message_read takes them. */
#define SQLITE_MESSAGE_COLUMNS                                                                              \
    "id, direction, state, created_ms, updated_ms, due_ms, attempts, polls, epoch, outcome_unknown, "       \
    "accepted_ms, report_due_ms, report_attempts, ready_ms, location, company, external_id, conversation, " \
    "provider, "                                                                                            \
    "provider_message_id, reason, report_status, report_error, received, sent, payload"
void sqlite_message_read(sqlite3_stmt *statement, struct store_message *message);
/* NOT_FOUND leaves `message` alone. Without events. */
enum store_status sqlite_message_load(struct store_session *session, int64_t id,
                                      struct store_message *message);
enum store_status sqlite_event_add(struct store_session *session, int64_t id, int64_t sequence,
                                   const struct store_event *event);

int64_t sqlite_external_hash(const char *external_id); /* the first column of message_external */
/* Ids of one block of message_place: 2^18 ms, four minutes. The number stands in statements too. */
#define SQLITE_BLOCK_SHIFT 38
/* No message that is accepted at that time or later has a lower id. */
int64_t sqlite_first_id(int64_t time_ms);

/* sqlite_memory.c: store_memory_apply within a transaction that is open. REFUSED has changed nothing. */
enum store_status sqlite_memory_apply(struct store_session *session, const char *message_id,
                                      const struct store_effect *effects, size_t count, int64_t now_ms);

/* sqlite_list.c: the SQL functions that its statements use. */
int sqlite_list_functions(sqlite3 *db);

#endif
