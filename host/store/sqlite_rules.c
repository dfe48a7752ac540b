/* Versions of the agencies' rules. */
#include "store/store_rules.h"

#include <stdlib.h>

#include "store/rules.h"
#include "store/sqlite.h"

/* ---- reading ---- */

#define COLUMNS                                                                                     \
    "agency, version, hash, origin, mode, percent, published_by, note, at_ms, changed_by, reason, " \
    "changed_ms"
#define SOURCE_COLUMN 12

static const char GET[] = "SELECT " COLUMNS ", source FROM rules_version WHERE agency = ?1 AND version = ?2";
static const char LIST[] = "SELECT " COLUMNS " FROM rules_version WHERE agency = ?1 AND version < ?2"
                           " ORDER BY version DESC LIMIT ?3";
static const char CURRENT[] = "SELECT " COLUMNS ", source FROM rules_version INDEXED BY rules_version_current"
                              " WHERE mode <= 2 AND origin = 0 ORDER BY agency, mode";

static struct store_rules_version read_version(sqlite3_stmt *s)
{
    return (struct store_rules_version){
        .agency = sqlite_text(s, 0),
        .version = (uint64_t)sqlite3_column_int64(s, 1),
        .hash = sqlite_text(s, 2),
        .origin = (enum store_rules_origin)sqlite3_column_int(s, 3),
        .mode = (enum store_rules_mode)sqlite3_column_int(s, 4),
        .percent = (unsigned)sqlite3_column_int(s, 5),
        .by = sqlite_text(s, 6),
        .note = sqlite_text(s, 7),
        .at_ms = sqlite3_column_int64(s, 8),
        .changed_by = sqlite_text(s, 9),
        .reason = sqlite_text(s, 10),
        .changed_ms = sqlite3_column_int64(s, 11),
    };
}

static struct store_rules_version read_with_source(sqlite3_stmt *s)
{
    struct store_rules_version version = read_version(s);
    if (sqlite3_column_type(s, SOURCE_COLUMN) == SQLITE_NULL)
        return version;
    const char *data = sqlite3_column_blob(s, SOURCE_COLUMN);
    version.source_length = (size_t)sqlite3_column_bytes(s, SOURCE_COLUMN);
    version.source = slice_duplicate((struct slice){data, version.source_length});
    return version;
}

static enum store_status get(struct store_session *session, const char *agency, uint64_t version,
                             struct store_rules_version *found)
{
    sqlite3_stmt *s = sqlite_statement(session, GET);
    sqlite_bind_text(s, 1, agency);
    sqlite3_bind_int64(s, 2, (int64_t)version);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *found = read_with_source(s);
        sqlite3_reset(s);
    }
    return status;
}

static enum store_status rules_get(struct store_session *session, const char *agency, uint64_t version,
                                   struct store_rules_version *found)
{
    *found = (struct store_rules_version){0};
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    status = sqlite_end(session, get(session, agency, version, found));
    if (status != STORE_OK)
        store_rules_version_deinit(found);
    return status;
}

static enum store_status read_list(struct store_session *session, sqlite3_stmt *s,
                                   struct store_rules_version (*read)(sqlite3_stmt *s),
                                   struct store_rules_list *list)
{
    enum store_status status;
    while ((status = sqlite_next(session, s)) == STORE_OK) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        list->items[list->count++] = read(s);
    }
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status rules_list(struct store_session *session, const char *agency, uint64_t before,
                                    unsigned limit, struct store_rules_list *list)
{
    *list = (struct store_rules_list){0};
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, LIST);
    sqlite_bind_text(s, 1, agency);
    sqlite3_bind_int64(s, 2, before == 0 || before > INT64_MAX ? INT64_MAX : (int64_t)before);
    sqlite3_bind_int64(s, 3, limit);
    status = sqlite_end(session, read_list(session, s, read_version, list));
    if (status != STORE_OK)
        store_rules_list_deinit(list);
    return status;
}

static enum store_status rules_current(struct store_session *session, struct store_rules_list *list)
{
    *list = (struct store_rules_list){0};
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, CURRENT);
    status = sqlite_end(session, read_list(session, s, read_with_source, list));
    if (status != STORE_OK)
        store_rules_list_deinit(list);
    return status;
}

static const char REVISION[] = "SELECT revision FROM rules_revision WHERE id = 1";

static enum store_status rules_revision(struct store_session *session, uint64_t *revision)
{
    *revision = 0;
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, REVISION);
    status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *revision = (uint64_t)sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
    }
    return sqlite_end(session, status == STORE_NOT_FOUND ? STORE_OK : status);
}

/* ---- adding ---- */

static const char NEWEST[] = "SELECT max(version) FROM rules_version WHERE agency = ?1";
static const char INSERT[] =
    "INSERT INTO rules_version (agency, version, hash, origin, mode, percent, published_by, note, at_ms,"
    " source) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
/* `reason` names the version that takes the place. */
static const char SUPERSEDE[] =
    "UPDATE rules_version INDEXED BY rules_version_current"
    " SET mode = 3, percent = 0, changed_by = ?5, changed_ms = ?6, reason = ?7"
    " WHERE agency = ?1 AND mode <= 2 AND mode >= ?2 AND origin = ?3 AND version <> ?4";
static const char FORGET_SOURCES[] =
    "UPDATE rules_version INDEXED BY rules_version_source SET source = NULL"
    " WHERE agency = ?1 AND origin = ?2 AND source IS NOT NULL AND mode > 2 AND version NOT IN"
    " (SELECT version FROM rules_version INDEXED BY rules_version_source"
    "  WHERE agency = ?1 AND origin = ?2 AND source IS NOT NULL ORDER BY version DESC LIMIT ?3)";
static const char COUNT_REVISION[] = "INSERT INTO rules_revision (id, revision) VALUES (1, 1)"
                                     " ON CONFLICT (id) DO UPDATE SET revision = revision + 1";

static enum store_status next_version(struct store_session *session, const char *agency, uint64_t *version)
{
    sqlite3_stmt *s = sqlite_statement(session, NEWEST);
    sqlite_bind_text(s, 1, agency);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *version = (uint64_t)sqlite3_column_int64(s, 0) + 1;
        sqlite3_reset(s);
    }
    return status;
}

static enum store_status insert(struct store_session *session, const struct store_rules_new *rules,
                                enum store_rules_origin origin, uint64_t version)
{
    sqlite3_stmt *s = sqlite_statement(session, INSERT);
    sqlite_bind_text(s, 1, rules->agency);
    sqlite3_bind_int64(s, 2, (int64_t)version);
    sqlite_bind_text(s, 3, rules->hash);
    sqlite3_bind_int(s, 4, (int)origin);
    sqlite3_bind_int(s, 5, (int)rules->mode);
    sqlite3_bind_int64(s, 6, rules_percent(rules->mode, rules->percent));
    sqlite_bind_text(s, 7, rules->by);
    sqlite_bind_text(s, 8, rules->note);
    sqlite3_bind_int64(s, 9, rules->now_ms);
    sqlite3_bind_blob64(s, 10, rules->source.length == 0 ? "" : rules->source.data, rules->source.length,
                        SQLITE_STATIC);
    return sqlite_run(session, s);
}

/* One that goes live ends the live one and the candidate, a candidate ends the candidate. */
static enum store_status supersede(struct store_session *session, const struct store_rules_change *by,
                                   enum store_rules_origin origin)
{
    char reason[RULES_REASON_SIZE];
    rules_superseded_reason(by->version, reason);
    sqlite3_stmt *s = sqlite_statement(session, SUPERSEDE);
    sqlite_bind_text(s, 1, by->agency);
    sqlite3_bind_int(s, 2, by->mode == RULES_LIVE ? RULES_LIVE : RULES_SHADOW);
    sqlite3_bind_int(s, 3, (int)origin);
    sqlite3_bind_int64(s, 4, (int64_t)by->version);
    sqlite_bind_text(s, 5, by->by);
    sqlite3_bind_int64(s, 6, by->now_ms);
    sqlite_bind_text(s, 7, reason);
    return sqlite_run(session, s);
}

static enum store_status forget_sources(struct store_session *session, const struct store_rules_new *rules,
                                        enum store_rules_origin origin)
{
    sqlite3_stmt *s = sqlite_statement(session, FORGET_SOURCES);
    sqlite_bind_text(s, 1, rules->agency);
    sqlite3_bind_int(s, 2, (int)origin);
    sqlite3_bind_int64(s, 3, rules->kept > 0 ? rules->kept : 1);
    return sqlite_run(session, s);
}

static enum store_status count_revision(struct store_session *session)
{
    return sqlite_run(session, sqlite_statement(session, COUNT_REVISION));
}

static enum store_status add(struct store_session *session, const struct store_rules_new *rules,
                             enum store_rules_origin origin, uint64_t *version)
{
    enum store_status status = next_version(session, rules->agency, version);
    if (status == STORE_OK)
        status = insert(session, rules, origin, *version);
    struct store_rules_change change = {.agency = rules->agency,
                                        .version = *version,
                                        .mode = rules->mode,
                                        .by = rules->by,
                                        .now_ms = rules->now_ms};
    if (status == STORE_OK)
        status = supersede(session, &change, origin);
    if (status == STORE_OK)
        status = forget_sources(session, rules, origin);
    return status;
}

static const char NEWEST_PUBLISHED[] =
    "SELECT max(version) FROM rules_version WHERE agency = ?1 AND origin = 0";

static enum store_status check_expected(struct store_session *session, const struct store_rules_new *rules)
{
    if (rules->expected_version == NULL)
        return STORE_OK;
    sqlite3_stmt *s = sqlite_statement(session, NEWEST_PUBLISHED);
    sqlite_bind_text(s, 1, rules->agency);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status;
    bool expected = (uint64_t)sqlite3_column_int64(s, 0) == *rules->expected_version;
    sqlite3_reset(s);
    return expected ? STORE_OK : STORE_CONFLICT;
}

static enum store_status rules_add(struct store_session *session, const struct store_rules_new *rules,
                                   uint64_t *version)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = rules_new_check(session, rules);
    if (status == STORE_OK)
        status = check_expected(session, rules);
    if (status == STORE_OK)
        status = add(session, rules, RULES_PUBLISHED, version);
    if (status == STORE_OK)
        status = count_revision(session);
    return sqlite_end(session, status);
}

/* ---- recording ---- */

static const char NEWEST_OF_FILE[] =
    "SELECT version, hash = ?2 FROM rules_version WHERE agency = ?1 AND origin = 1"
    " ORDER BY version DESC LIMIT 1";

/* STORE_NOT_FOUND: it is none that is there. */
static enum store_status find_same(struct store_session *session, const struct store_rules_new *rules,
                                   uint64_t *version)
{
    sqlite3_stmt *s = sqlite_statement(session, NEWEST_OF_FILE);
    sqlite_bind_text(s, 1, rules->agency);
    sqlite_bind_text(s, 2, rules->hash);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status;
    *version = (uint64_t)sqlite3_column_int64(s, 0);
    bool same = sqlite3_column_int(s, 1) != 0;
    sqlite3_reset(s);
    return same ? STORE_DUPLICATE : STORE_NOT_FOUND;
}

static enum store_status rules_record(struct store_session *session, const struct store_rules_new *rules,
                                      uint64_t *version)
{
    struct store_rules_new live = *rules;
    live.mode = RULES_LIVE;
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = rules_new_check(session, &live);
    if (status == STORE_OK)
        status = find_same(session, &live, version);
    if (status == STORE_NOT_FOUND)
        status = add(session, &live, RULES_FILE, version);
    return sqlite_end(session, status);
}

/* ---- changing ---- */

static const char FIND[] =
    "SELECT mode, origin, source IS NULL FROM rules_version WHERE agency = ?1 AND version = ?2";
static const char SET_MODE[] =
    "UPDATE rules_version SET mode = ?3, percent = ?4, reason = ?5, changed_by = ?6, changed_ms = ?7"
    " WHERE agency = ?1 AND version = ?2";

/* STORE_OK: it may be changed so. */
static enum store_status check_change(struct store_session *session, const struct store_rules_change *change)
{
    sqlite3_stmt *s = sqlite_statement(session, FIND);
    sqlite_bind_text(s, 1, change->agency);
    sqlite3_bind_int64(s, 2, (int64_t)change->version);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status;
    bool expected = sqlite3_column_int(s, 0) == (int)change->expected;
    bool published = sqlite3_column_int(s, 1) == RULES_PUBLISHED;
    bool forgotten = sqlite3_column_int(s, 2) != 0;
    sqlite3_reset(s);
    if (!expected || !published)
        return STORE_CONFLICT;
    return forgotten && rules_mode_runs(change->mode) ? STORE_NOT_FOUND : STORE_OK;
}

static enum store_status change_mode(struct store_session *session, const struct store_rules_change *change)
{
    sqlite3_stmt *s = sqlite_statement(session, SET_MODE);
    sqlite_bind_text(s, 1, change->agency);
    sqlite3_bind_int64(s, 2, (int64_t)change->version);
    sqlite3_bind_int(s, 3, (int)change->mode);
    sqlite3_bind_int64(s, 4, rules_percent(change->mode, change->percent));
    sqlite_bind_text(s, 5, change->reason);
    sqlite_bind_text(s, 6, change->by);
    sqlite3_bind_int64(s, 7, change->now_ms);
    return sqlite_run(session, s);
}

static enum store_status rules_set_mode(struct store_session *session,
                                        const struct store_rules_change *change)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = check_change(session, change);
    if (status == STORE_OK)
        status = change_mode(session, change);
    if (status == STORE_OK && rules_mode_runs(change->mode))
        status = supersede(session, change, RULES_PUBLISHED);
    if (status == STORE_OK)
        status = count_revision(session);
    return sqlite_end(session, status);
}

void sqlite_rules_calls(struct store_backend *backend)
{
    backend->rules_add = rules_add;
    backend->rules_record = rules_record;
    backend->rules_get = rules_get;
    backend->rules_list = rules_list;
    backend->rules_current = rules_current;
    backend->rules_set_mode = rules_set_mode;
    backend->rules_revision = rules_revision;
}
