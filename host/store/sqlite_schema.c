/* The tables, version by version. A migration that has been released is never changed; a new one is added. */
#include "store/sqlite.h"

#include <stdio.h>

#define APPLICATION_ID 0x42534355 /* "BSCU": what `file` and a wrong path can be told apart by */

/* What every accepted message pays for is its row and three index entries, so these are narrow:
 *
 * message_external  deduplication, and finding by GHL's id alone: 64 bits of hash of the external id, then 64
 * bits of hash of direction, location and external id together message_waiting   order within a conversation:
 * a hash of direction, location and conversation, of waiting messages only; two conversations of one hash
 * merely wait for each other message_due       the delivery lanes; a message that waits behind another of its
 * conversation has no due_ms message_report    the report lanes message_failed    dead and rejected messages,
 * for whoever looks for them among millions
 *
 * State numbers are those of enum message_state. "state <= 2" and not "IN (0, 1, 2)": for a list of more than
 * two SQLite builds a table in memory at each insert, to ask it whether the row belongs to the index. The
 * payload is last: reading the others never walks through it. */
static const char VERSION_1[] =
    "CREATE TABLE message ("
    " id INTEGER PRIMARY KEY,"
    " external_hash INTEGER NOT NULL,"
    " place_hash INTEGER NOT NULL,"
    " conversation_hash INTEGER NOT NULL,"
    " direction INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " due_ms INTEGER,"
    " lease INTEGER NOT NULL DEFAULT 0,"
    " lease_owner TEXT,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " polls INTEGER NOT NULL DEFAULT 0,"
    " epoch INTEGER NOT NULL DEFAULT 0,"
    " outcome_unknown INTEGER NOT NULL DEFAULT 0,"
    " events INTEGER NOT NULL DEFAULT 0,"
    " created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL,"
    " ready_ms INTEGER NOT NULL,"
    " accepted_ms INTEGER,"
    " report_due_ms INTEGER,"
    " report_lease INTEGER NOT NULL DEFAULT 0,"
    " report_owner TEXT,"
    " report_changed_ms INTEGER,"
    " report_attempts INTEGER NOT NULL DEFAULT 0,"
    " report_status TEXT,"
    " report_error TEXT,"
    " location TEXT NOT NULL,"
    " company TEXT,"
    " external_id TEXT NOT NULL,"
    " conversation TEXT NOT NULL,"
    " reason TEXT,"
    " provider TEXT,"
    " provider_message_id TEXT,"
    " sent TEXT,"
    " received TEXT,"
    " payload BLOB NOT NULL);"
    "CREATE UNIQUE INDEX message_external ON message (external_hash, place_hash);"
    "CREATE INDEX message_waiting ON message (conversation_hash) WHERE state <= 2;"
    "CREATE INDEX message_due ON message (location, due_ms) WHERE due_ms IS NOT NULL;"
    "CREATE INDEX message_report ON message (location, report_due_ms) WHERE report_due_ms IS NOT NULL;"
    "CREATE INDEX message_failed ON message (state) WHERE state IN (6, 7);"

    "CREATE TABLE event ("
    " message INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " data TEXT,"
    " PRIMARY KEY (message, sequence)) WITHOUT ROWID;"

    "CREATE TABLE installation ("
    " company TEXT NOT NULL,"
    " location TEXT NOT NULL,"
    " account TEXT,"
    " status TEXT NOT NULL,"
    " reason TEXT,"
    " access_token TEXT,"
    " refresh_token TEXT,"
    " expires_ms INTEGER NOT NULL,"
    " scopes TEXT,"
    " user_id TEXT,"
    " user_type TEXT,"
    " details TEXT,"
    " created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL,"
    " refreshed_ms INTEGER NOT NULL,"
    " version INTEGER NOT NULL,"
    " refresh_owner TEXT,"
    " refresh_until_ms INTEGER,"
    " PRIMARY KEY (company, location)) WITHOUT ROWID;"
    "CREATE INDEX installation_location ON installation (location);"
    "CREATE INDEX installation_expiring ON installation (expires_ms)"
    " WHERE status = 'connected' AND refresh_token IS NOT NULL;"

    "CREATE TABLE one_time_state ("
    " state TEXT PRIMARY KEY,"
    " data TEXT,"
    " expires_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX one_time_state_expires ON one_time_state (expires_ms);"

    "CREATE TABLE setting ("
    " scope TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " sealed INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL,"
    " PRIMARY KEY (scope, name)) WITHOUT ROWID;"

    "CREATE TABLE probe (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, room BLOB NOT NULL);";

/* Memory of rules. An entry's marks say what each message has added to it; they go with the entry. Ids are
 * not given twice, so that a mark never belongs to a later entry. */
static const char VERSION_2[] = "CREATE TABLE memory ("
                                " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                                " scope TEXT NOT NULL,"
                                " name TEXT NOT NULL,"
                                " key TEXT NOT NULL,"
                                " count INTEGER NOT NULL DEFAULT 0,"
                                " value TEXT,"
                                " kept_by TEXT,"
                                " previous TEXT,"
                                " previous_expires_ms INTEGER,"
                                " expires_ms INTEGER NOT NULL,"
                                " UNIQUE (scope, name, key));"
                                "CREATE INDEX memory_expires ON memory (expires_ms);"

                                "CREATE TABLE memory_mark ("
                                " entry INTEGER NOT NULL,"
                                " message TEXT NOT NULL,"
                                " added INTEGER NOT NULL,"
                                " PRIMARY KEY (entry, message)) WITHOUT ROWID;";

/* Versions of rules. Numbers of modes and origins are those of store_rules.h. The source is last: reading the
 * others never walks through it. */
static const char VERSION_3[] =
    "CREATE TABLE rules_version ("
    " agency TEXT NOT NULL,"
    " version INTEGER NOT NULL,"
    " hash TEXT NOT NULL,"
    " origin INTEGER NOT NULL,"
    " mode INTEGER NOT NULL,"
    " percent INTEGER NOT NULL,"
    " published_by TEXT,"
    " note TEXT,"
    " at_ms INTEGER NOT NULL,"
    " changed_by TEXT,"
    " reason TEXT,"
    " changed_ms INTEGER,"
    " source BLOB);"
    "CREATE UNIQUE INDEX rules_version_number ON rules_version (agency, version);"
    "CREATE INDEX rules_version_current ON rules_version (agency, mode) WHERE mode <= 2;"
    "CREATE INDEX rules_version_source ON rules_version (agency, origin, version) WHERE source IS NOT NULL;"

    "CREATE TABLE rules_revision (id INTEGER PRIMARY KEY, revision INTEGER NOT NULL);";

/* In which blocks of ids a location has messages, so that its own are found without reading everybody's. An
 * index of message by location would write a page of its own for nearly every message, and took half as much
 * CPU time again as accepting one does; a block is noted once in four minutes. */
static const char VERSION_4[] = "CREATE TABLE message_place ("
                                " location TEXT NOT NULL,"
                                " block INTEGER NOT NULL,"
                                " PRIMARY KEY (location, block)) WITHOUT ROWID;"
                                "INSERT INTO message_place SELECT DISTINCT location, id >> 38 FROM message;";

static const char *const MIGRATIONS[] = {VERSION_1, VERSION_2, VERSION_3, VERSION_4};
#define NEWEST_VERSION ((int)(sizeof MIGRATIONS / sizeof MIGRATIONS[0]))

static int read_integer(sqlite3 *db, const char *sql, int *value)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        *value = sqlite3_column_int(statement, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return rc;
}

static int migration_error(sqlite3 *db, struct error *error)
{
    int code = sqlite3_errcode(db);
    return error_set(error, code == SQLITE_BUSY || code == SQLITE_FULL ? ERROR_RETRYABLE : ERROR_PERMANENT,
                     "cannot bring the store's tables up to date: %s", sqlite3_errmsg(db));
}

/* A file with tables that are not Bascule's is somebody else's: a path mistyped in the configuration. */
static int check_ownership(sqlite3 *db, int version, struct error *error)
{
    int application = 0, tables = 0;
    /* In this order: another process may make the store's tables, with its mark, between two statements. */
    if (read_integer(db, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK ||
        read_integer(db, "PRAGMA application_id", &application) != SQLITE_OK)
        return migration_error(db, error);
    if (application != APPLICATION_ID && (tables > 0 || version != 0))
        return error_set(error, ERROR_PERMANENT, "the store's file is a database of another program");
    if (version > NEWEST_VERSION)
        return error_set(error, ERROR_PERMANENT,
                         "the store's file is of version %d, newer than this program, which knows %d",
                         version, NEWEST_VERSION);
    return 0;
}

static int migrate_one(sqlite3 *db, int version)
{
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT", APPLICATION_ID,
             version + 1);
    int rc = sqlite3_exec(db, MIGRATIONS[version], NULL, NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_exec(db, stamp, NULL, NULL, NULL) : rc;
}

static int read_version(sqlite3 *db, int *version, struct error *error)
{
    if (read_integer(db, "PRAGMA user_version", version) != SQLITE_OK)
        return migration_error(db, error);
    return check_ownership(db, *version, error);
}

/* The version is read again once the file is locked, because another process may have been faster. */
static int migrate_locked(sqlite3 *db, struct error *error)
{
    int version = 0;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return migration_error(db, error);
    if (read_version(db, &version, error) != 0)
        return -1;
    if (version == NEWEST_VERSION)
        return 0;
    return migrate_one(db, version) == SQLITE_OK ? 0 : migration_error(db, error);
}

int sqlite_migrate(sqlite3 *db, struct error *error)
{
    int version = 0, result = 0;
    while (result == 0 && (result = read_version(db, &version, error)) == 0 && version < NEWEST_VERSION) {
        result = migrate_locked(db, error);
        if (!sqlite3_get_autocommit(db))
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    }
    return result;
}
