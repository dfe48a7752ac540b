/* One-time states, settings, and the probe. */
#include "store/sqlite.h"

#include <stdlib.h>

/* ---- one-time states ---- */

static const char STATE_PUT[] = "INSERT INTO one_time_state (state, data, expires_ms) VALUES (?1, ?2, ?3)"
                                " ON CONFLICT (state) DO NOTHING";
static const char STATE_SELECT[] = "SELECT data FROM one_time_state WHERE state = ?1 AND expires_ms > ?2";
static const char STATE_DELETE[] = "DELETE FROM one_time_state WHERE state = ?1";
/* A few at a time: after a long stop a sign-in must not pay for all of them. */
static const char STATE_FORGET[] =
    "DELETE FROM one_time_state WHERE state IN"
    " (SELECT state FROM one_time_state WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT 100)";

static enum store_status state_put(struct store_session *session, const char *state, const char *data,
                                   int64_t expires_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, STATE_PUT);
    sqlite_bind_text(s, 1, state);
    sqlite_bind_text(s, 2, data != NULL ? data : "");
    sqlite3_bind_int64(s, 3, expires_ms);
    status = sqlite_change(session, s);
    return sqlite_end(session, status == STORE_NOT_FOUND ? STORE_DUPLICATE : status);
}

static enum store_status forget_expired(struct store_session *session, int64_t now_ms)
{
    sqlite3_stmt *s = sqlite_statement(session, STATE_FORGET);
    sqlite3_bind_int64(s, 1, now_ms);
    return sqlite_run(session, s);
}

static enum store_status take_state(struct store_session *session, const char *state, int64_t now_ms,
                                    char **data)
{
    sqlite3_stmt *s = sqlite_statement(session, STATE_SELECT);
    sqlite_bind_text(s, 1, state);
    sqlite3_bind_int64(s, 2, now_ms);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status;
    *data = sqlite_text(s, 0);
    sqlite3_reset(s);
    s = sqlite_statement(session, STATE_DELETE);
    sqlite_bind_text(s, 1, state);
    return sqlite_run(session, s);
}

static enum store_status state_take(struct store_session *session, const char *state, int64_t now_ms,
                                    char **data)
{
    *data = NULL;
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = forget_expired(session, now_ms);
    if (status == STORE_OK)
        status = take_state(session, state, now_ms, data);
    status = sqlite_end(session, status);
    if (status != STORE_OK) {
        free(*data);
        *data = NULL;
    }
    return status;
}

/* ---- settings ---- */

static const char SETTING_PUT[] =
    "INSERT INTO setting (scope, name, value, sealed, updated_ms) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (scope, name) DO UPDATE SET value = excluded.value, sealed = excluded.sealed,"
    " updated_ms = excluded.updated_ms";
static const char SETTING_REMOVE[] = "DELETE FROM setting WHERE scope = ?1 AND name = ?2";
static const char SETTINGS_ALL[] =
    "SELECT scope, name, value, sealed, updated_ms FROM setting ORDER BY scope, name";
static const char SETTINGS_OF[] =
    "SELECT scope, name, value, sealed, updated_ms FROM setting WHERE scope = ?1 ORDER BY name";

static enum store_status setting_put(struct store_session *session, const char *scope, const char *name,
                                     const char *value, bool sealed, int64_t now_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, value != NULL ? SETTING_PUT : SETTING_REMOVE);
    sqlite_bind_text(s, 1, scope);
    sqlite_bind_text(s, 2, name);
    if (value != NULL) {
        sqlite_bind_text(s, 3, value);
        sqlite3_bind_int(s, 4, sealed);
        sqlite3_bind_int64(s, 5, now_ms);
    }
    return sqlite_end(session, sqlite_run(session, s));
}

static enum store_status read_settings(struct store_session *session, sqlite3_stmt *s,
                                       struct store_setting_list *list)
{
    enum store_status status;
    while ((status = sqlite_next(session, s)) == STORE_OK) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        list->items[list->count++] = (struct store_setting){
            .scope = sqlite_text(s, 0),
            .name = sqlite_text(s, 1),
            .value = sqlite_text(s, 2),
            .sealed = sqlite3_column_int(s, 3) != 0,
            .updated_ms = sqlite3_column_int64(s, 4),
        };
    }
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status setting_list(struct store_session *session, const char *scope,
                                      struct store_setting_list *list)
{
    *list = (struct store_setting_list){0};
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, scope != NULL ? SETTINGS_OF : SETTINGS_ALL);
    if (scope != NULL)
        sqlite_bind_text(s, 1, scope);
    status = sqlite_end(session, read_settings(session, s, list));
    if (status != STORE_OK)
        store_setting_list_deinit(list);
    return status;
}

/* ---- the probe ---- */

/* As many pages as a long message takes: where they do not fit, the next webhook would not either. Random,
 * because an update rewrites only the pages that differ. */
static const char PROBE[] = "INSERT INTO probe (id, at_ms, room) VALUES (1, ?1, randomblob(16384))"
                            " ON CONFLICT (id) DO UPDATE SET at_ms = excluded.at_ms, room = excluded.room";

static enum store_status probe(struct store_session *session, int64_t now_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, PROBE);
    sqlite3_bind_int64(s, 1, now_ms);
    return sqlite_end(session, sqlite_run(session, s));
}

void sqlite_setting_calls(struct store_backend *backend)
{
    backend->state_put = state_put;
    backend->state_take = state_take;
    backend->setting_put = setting_put;
    backend->setting_list = setting_list;
    backend->probe = probe;
}
