/* Installations, and the lease that makes a token refresh single flight. */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

#define COLUMNS                                                                                              \
    "company, location, account, status, reason, access_token, refresh_token, expires_ms, scopes, user_id, " \
    "user_type, details, created_ms, updated_ms, refreshed_ms, version"

static const char SELECT_EXACT[] =
    "SELECT " COLUMNS " FROM installation WHERE company = ?1 AND location = ?2";
/* Where several companies claim one location, the one that was heard of last. */
static const char SELECT_BY_LOCATION[] =
    "SELECT " COLUMNS " FROM installation WHERE location = ?1 ORDER BY updated_ms DESC LIMIT 1";
static const char SELECT_ALL[] = "SELECT " COLUMNS " FROM installation ORDER BY company, location";
static const char SELECT_OF_COMPANY[] =
    "SELECT " COLUMNS " FROM installation WHERE company = ?1 ORDER BY location";
static const char SELECT_EXPIRING[] =
    "SELECT " COLUMNS " FROM installation INDEXED BY installation_expiring"
    " WHERE status = 'connected' AND refresh_token IS NOT NULL AND expires_ms < ?1"
    " ORDER BY expires_ms LIMIT ?2";

static void read_row(sqlite3_stmt *s, struct store_installation *installation)
{
    *installation = (struct store_installation){
        .company = sqlite_text(s, 0),
        .location = sqlite_text(s, 1),
        .account = sqlite_text(s, 2),
        .status = sqlite_text(s, 3),
        .reason = sqlite_text(s, 4),
        .access_token = sqlite_text(s, 5),
        .refresh_token = sqlite_text(s, 6),
        .expires_ms = sqlite3_column_int64(s, 7),
        .scopes = sqlite_text(s, 8),
        .user_id = sqlite_text(s, 9),
        .user_type = sqlite_text(s, 10),
        .details = sqlite_text(s, 11),
        .created_ms = sqlite3_column_int64(s, 12),
        .updated_ms = sqlite3_column_int64(s, 13),
        .refreshed_ms = sqlite3_column_int64(s, 14),
        .version = (uint64_t)sqlite3_column_int64(s, 15),
    };
}

static enum store_status read_list(struct store_session *session, sqlite3_stmt *s,
                                   struct store_installation_list *list)
{
    enum store_status status;
    while ((status = sqlite_next(session, s)) == STORE_OK) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        read_row(s, &list->items[list->count++]);
    }
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static sqlite3_stmt *bind_key(struct store_session *session, const char *sql, const char *company,
                              const char *location)
{
    sqlite3_stmt *s = sqlite_statement(session, sql);
    sqlite_bind_text(s, 1, company);
    sqlite_bind_text(s, 2, location);
    return s;
}

static enum store_status installation_get(struct store_session *session, const char *company,
                                          const char *location, struct store_installation *installation)
{
    *installation = (struct store_installation){0};
    if (company == NULL && *location == '\0')
        return STORE_NOT_FOUND;
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = company != NULL ? bind_key(session, SELECT_EXACT, company, location)
                                      : sqlite_statement(session, SELECT_BY_LOCATION);
    if (company == NULL)
        sqlite_bind_text(s, 1, location);
    status = sqlite_next(session, s);
    if (status == STORE_OK) {
        read_row(s, installation);
        sqlite3_reset(s);
    }
    status = sqlite_end(session, status);
    if (status != STORE_OK)
        store_installation_deinit(installation);
    return status;
}

static enum store_status installation_list(struct store_session *session, const char *company,
                                           struct store_installation_list *list)
{
    *list = (struct store_installation_list){0};
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, company != NULL ? SELECT_OF_COMPANY : SELECT_ALL);
    if (company != NULL)
        sqlite_bind_text(s, 1, company);
    status = sqlite_end(session, read_list(session, s, list));
    if (status != STORE_OK)
        store_installation_list_deinit(list);
    return status;
}

static enum store_status installation_expiring(struct store_session *session, int64_t before_ms,
                                               unsigned limit, struct store_installation_list *list)
{
    *list = (struct store_installation_list){0};
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, SELECT_EXPIRING);
    sqlite3_bind_int64(s, 1, before_ms);
    sqlite3_bind_int64(s, 2, limit);
    status = sqlite_end(session, read_list(session, s, list));
    if (status != STORE_OK)
        store_installation_list_deinit(list);
    return status;
}

/* ---- adding ---- */

static const char ADOPT[] =
    "UPDATE OR IGNORE installation SET company = ?1 WHERE company = '' AND location = ?2";
static const char DROP_ORPHAN[] =
    "DELETE FROM installation WHERE company = '' AND location = ?2 AND ?1 <> ''";
static const char COMPANY_OF[] = "SELECT company FROM installation WHERE location = ?1 AND company <> ''"
                                 " ORDER BY updated_ms DESC LIMIT 1";

static const char PUT[] =
    "INSERT INTO installation (" COLUMNS ")"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, 1)"
    " ON CONFLICT (company, location) DO UPDATE SET account = excluded.account, status = excluded.status,"
    " reason = excluded.reason, access_token = excluded.access_token, refresh_token = excluded.refresh_token,"
    " expires_ms = excluded.expires_ms, scopes = excluded.scopes, user_id = excluded.user_id,"
    " user_type = excluded.user_type, details = excluded.details, updated_ms = excluded.updated_ms,"
    " refreshed_ms = excluded.refreshed_ms, version = version + 1, refresh_owner = NULL, refresh_until_ms = "
    "NULL";

/* A location whose company was not known becomes the company's, with its history. */
static enum store_status adopt(struct store_session *session, const char *company, const char *location)
{
    enum store_status status = sqlite_run(session, bind_key(session, ADOPT, company, location));
    return status == STORE_OK ? sqlite_run(session, bind_key(session, DROP_ORPHAN, company, location))
                              : status;
}

/* The other way round: a record without a company belongs to the company that is known. The caller frees. */
static enum store_status find_company(struct store_session *session, const char *location, char **company)
{
    sqlite3_stmt *s = sqlite_statement(session, COMPANY_OF);
    sqlite_bind_text(s, 1, location);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *company = sqlite_text(s, 0);
        sqlite3_reset(s);
    } else if (status == STORE_NOT_FOUND) {
        *company = text_duplicate("");
        status = STORE_OK;
    }
    return status;
}

static enum store_status put_row(struct store_session *session, const char *company,
                                 const struct store_installation *installation, int64_t now_ms)
{
    sqlite3_stmt *s = bind_key(session, PUT, company, installation->location);
    sqlite_bind_text(s, 3, installation->account);
    sqlite_bind_text(s, 4, installation->status != NULL ? installation->status : "connected");
    sqlite_bind_text(s, 5, installation->reason);
    sqlite_bind_text(s, 6, installation->access_token);
    sqlite_bind_text(s, 7, installation->refresh_token);
    sqlite3_bind_int64(s, 8, installation->expires_ms);
    sqlite_bind_text(s, 9, installation->scopes);
    sqlite_bind_text(s, 10, installation->user_id);
    sqlite_bind_text(s, 11, installation->user_type);
    sqlite_bind_text(s, 12, installation->details);
    sqlite3_bind_int64(s, 13, now_ms);
    sqlite3_bind_int64(s, 14, installation->refreshed_ms);
    return sqlite_run(session, s);
}

static enum store_status put(struct store_session *session, const struct store_installation *installation,
                             int64_t now_ms)
{
    const char *company = installation->company != NULL ? installation->company : "";
    if (*installation->location == '\0')
        return put_row(session, company, installation, now_ms);
    if (*company != '\0') {
        enum store_status status = adopt(session, company, installation->location);
        return status == STORE_OK ? put_row(session, company, installation, now_ms) : status;
    }
    char *known = NULL;
    enum store_status status = find_company(session, installation->location, &known);
    if (status == STORE_OK)
        status = put_row(session, known, installation, now_ms);
    free(known);
    return status;
}

static enum store_status installation_put(struct store_session *session,
                                          const struct store_installation *installation, int64_t now_ms)
{
    if (installation->location == NULL)
        return store_session_refuse(session, "an installation needs a location, \"\" for the company's own");
    enum store_status status = sqlite_write_begin(session);
    return status == STORE_OK ? sqlite_end(session, put(session, installation, now_ms)) : status;
}

/* ---- changing ---- */

static const char EXISTS[] = "SELECT 1 FROM installation WHERE company = ?1 AND location = ?2";

/* Runs one update whose WHERE holds the caller's claim: no row changed means CONFLICT, or NOT_FOUND where
 * there is no such installation at all. */
static enum store_status change(struct store_session *session, sqlite3_stmt *s, const char *company,
                                const char *location)
{
    enum store_status status = sqlite_change(session, s);
    if (status != STORE_NOT_FOUND)
        return status;
    sqlite3_stmt *exists = bind_key(session, EXISTS, company, location);
    status = sqlite_next(session, exists);
    if (status != STORE_OK)
        return status;
    sqlite3_reset(exists);
    return STORE_CONFLICT;
}

static const char REFRESH_BEGIN[] = "UPDATE installation SET refresh_owner = ?3, refresh_until_ms = ?4"
                                    " WHERE company = ?1 AND location = ?2 AND version = ?5"
                                    " AND (refresh_owner IS NULL OR refresh_until_ms <= ?6)";

static enum store_status installation_refresh_begin(struct store_session *session, const char *company,
                                                    const char *location, uint64_t version, const char *owner,
                                                    int64_t now_ms, int64_t lease_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = bind_key(session, REFRESH_BEGIN, company, location);
    sqlite_bind_text(s, 3, owner);
    sqlite3_bind_int64(s, 4, now_ms + lease_ms);
    sqlite3_bind_int64(s, 5, (int64_t)version);
    sqlite3_bind_int64(s, 6, now_ms);
    return sqlite_end(session, change(session, s, company, location));
}

static const char REFRESHED[] =
    "UPDATE installation SET access_token = ?4, refresh_token = coalesce(?5, refresh_token), expires_ms = ?6,"
    " scopes = coalesce(?7, scopes), refreshed_ms = ?8, updated_ms = ?8, version = version + 1,"
    " refresh_owner = NULL, refresh_until_ms = NULL,"
    " reason = CASE status WHEN 'removed' THEN reason END,"
    " status = CASE status WHEN 'removed' THEN status ELSE 'connected' END"
    " WHERE company = ?1 AND location = ?2 AND refresh_owner = ?3";

static enum store_status installation_refreshed(struct store_session *session, const char *company,
                                                const char *location, const char *owner,
                                                const char *access_token, const char *refresh_token,
                                                int64_t expires_ms, const char *scopes, int64_t now_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = bind_key(session, REFRESHED, company, location);
    sqlite_bind_text(s, 3, owner);
    sqlite_bind_text(s, 4, access_token);
    sqlite_bind_text(s, 5, refresh_token);
    sqlite3_bind_int64(s, 6, expires_ms);
    sqlite_bind_text(s, 7, scopes);
    sqlite3_bind_int64(s, 8, now_ms);
    return sqlite_end(session, change(session, s, company, location));
}

static const char REFRESH_FAILED[] =
    "UPDATE installation SET refresh_owner = NULL, refresh_until_ms = NULL, updated_ms = ?6,"
    " reason = CASE WHEN ?5 AND status <> 'removed' THEN ?4 ELSE reason END,"
    " status = CASE WHEN ?5 AND status <> 'removed' THEN 'invalid' ELSE status END"
    " WHERE company = ?1 AND location = ?2 AND refresh_owner = ?3";

static enum store_status installation_refresh_failed(struct store_session *session, const char *company,
                                                     const char *location, const char *owner,
                                                     const char *reason, bool invalid, int64_t now_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = bind_key(session, REFRESH_FAILED, company, location);
    sqlite_bind_text(s, 3, owner);
    sqlite_bind_text(s, 4, reason);
    sqlite3_bind_int(s, 5, invalid);
    sqlite3_bind_int64(s, 6, now_ms);
    return sqlite_end(session, change(session, s, company, location));
}

static const char SET_STATUS[] = "UPDATE installation SET status = ?3, reason = ?4, updated_ms = ?5"
                                 " WHERE company = ?1 AND location = ?2";

static enum store_status installation_set_status(struct store_session *session, const char *company,
                                                 const char *location, const char *status_text,
                                                 const char *reason, int64_t now_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = bind_key(session, SET_STATUS, company, location);
    sqlite_bind_text(s, 3, status_text);
    sqlite_bind_text(s, 4, reason);
    sqlite3_bind_int64(s, 5, now_ms);
    return sqlite_end(session, sqlite_change(session, s));
}

static const char RESEAL[] =
    "UPDATE installation SET access_token = coalesce(?3, access_token),"
    " refresh_token = coalesce(?4, refresh_token) WHERE company = ?1 AND location = ?2 AND version = ?5";

static enum store_status installation_reseal(struct store_session *session, const char *company,
                                             const char *location, uint64_t version, const char *access_token,
                                             const char *refresh_token)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = bind_key(session, RESEAL, company, location);
    sqlite_bind_text(s, 3, access_token);
    sqlite_bind_text(s, 4, refresh_token);
    sqlite3_bind_int64(s, 5, (int64_t)version);
    return sqlite_end(session, change(session, s, company, location));
}

void sqlite_installation_calls(struct store_backend *backend)
{
    backend->installation_put = installation_put;
    backend->installation_get = installation_get;
    backend->installation_list = installation_list;
    backend->installation_expiring = installation_expiring;
    backend->installation_refresh_begin = installation_refresh_begin;
    backend->installation_refreshed = installation_refreshed;
    backend->installation_refresh_failed = installation_refresh_failed;
    backend->installation_set_status = installation_set_status;
    backend->installation_reseal = installation_reseal;
}
