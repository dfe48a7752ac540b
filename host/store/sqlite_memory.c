/* Memory of rules: counters, values, and what each message did to them. */
#include "store/store_memory.h"

#include <stdlib.h>
#include <string.h>

#include "store/effects.h"
#include "store/sqlite.h"

/* ---- entries ---- */

struct entry {
    int64_t id; /* 0: there is none */
    struct memory_entry is;
};

static void entry_deinit(struct entry *entry)
{
    memory_entry_deinit(&entry->is);
    entry->id = 0;
}

static const char FIND[] =
    "SELECT id, count, coalesce(added, 0), value, previous, kept_by = ?4, previous_expires_ms, expires_ms"
    " FROM memory LEFT JOIN memory_mark ON entry = id AND message = ?4"
    " WHERE scope = ?1 AND name = ?2 AND key = ?3";

static enum store_status find(struct store_session *session, const struct store_memory_key *key,
                              const char *message_id, struct entry *entry)
{
    *entry = (struct entry){0};
    sqlite3_stmt *s = sqlite_statement(session, FIND);
    sqlite_bind_text(s, 1, key->scope);
    sqlite_bind_text(s, 2, key->name);
    sqlite_bind_text(s, 3, key->key);
    sqlite_bind_text(s, 4, message_id);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? STORE_OK : status;
    entry->id = sqlite3_column_int64(s, 0);
    entry->is.added = sqlite3_column_int64(s, 2);
    entry->is.count = sqlite3_column_int64(s, 1) - entry->is.added;
    entry->is.value = sqlite_text(s, 3);
    entry->is.previous = sqlite_text(s, 4);
    entry->is.own = sqlite3_column_int(s, 5) != 0;
    entry->is.previous_expires_ms = sqlite3_column_int64(s, 6);
    entry->is.expires_ms = sqlite3_column_int64(s, 7);
    sqlite3_reset(s);
    return STORE_OK;
}

/* Leaves the entry empty where it is past its time; it is still there, for whoever writes. */
static enum store_status find_kept(struct store_session *session, const struct store_memory_key *key,
                                   const char *message_id, int64_t now_ms, struct entry *entry)
{
    enum store_status status = find(session, key, message_id, entry);
    if (entry->is.expires_ms <= now_ms)
        entry_deinit(entry);
    return status;
}

/* ---- reading ---- */

static enum store_status read_entry(struct store_session *session, const struct store_memory_key *key,
                                    const char *message_id, int64_t now_ms,
                                    struct store_remembered *remembered)
{
    struct entry entry;
    enum store_status status = find_kept(session, key, message_id, now_ms, &entry);
    const char *value = memory_entry_value(&entry.is, now_ms);
    *remembered = (struct store_remembered){entry.is.count, value != NULL ? text_duplicate(value) : NULL};
    entry_deinit(&entry);
    return status;
}

static enum store_status memory_read(struct store_session *session, const char *message_id,
                                     const struct store_memory_key *keys, size_t count, int64_t now_ms,
                                     struct store_remembered *remembered)
{
    memset(remembered, 0, count * sizeof *remembered);
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    for (size_t i = 0; status == STORE_OK && i < count; i++)
        status = read_entry(session, &keys[i], message_id, now_ms, &remembered[i]);
    status = sqlite_end(session, status);
    if (status != STORE_OK)
        store_remembered_deinit(remembered, count);
    return status;
}

/* ---- conditions ---- */

static enum store_status check(struct store_session *session, const char *message_id,
                               const struct store_effect *effect, int64_t now_ms)
{
    struct entry entry;
    enum store_status status = find_kept(session, &effect->entry, message_id, now_ms, &entry);
    if (status == STORE_OK && !effect_holds(effect, &entry.is))
        status = STORE_REFUSED;
    entry_deinit(&entry);
    return status;
}

/* ---- effects ---- */

static const char INSERT[] = "INSERT INTO memory (scope, name, key, expires_ms) VALUES (?1, ?2, ?3, ?4)";
static const char COUNT[] = "UPDATE memory SET count = ?2, expires_ms = max(expires_ms, ?3) WHERE id = ?1";
static const char MARK[] = "INSERT INTO memory_mark (entry, message, added) VALUES (?1, ?2, ?3)"
                           " ON CONFLICT (entry, message) DO UPDATE SET added = excluded.added";
static const char KEEP[] = "UPDATE memory SET value = ?2, kept_by = ?3, previous = ?4,"
                           " previous_expires_ms = ?5, expires_ms = ?6 WHERE id = ?1";
static const char REMOVE_MARKS[] = "DELETE FROM memory_mark WHERE entry = ?1";
static const char REMOVE[] = "DELETE FROM memory WHERE id = ?1";

static enum store_status run_on(struct store_session *session, const char *sql, int64_t id)
{
    sqlite3_stmt *s = sqlite_statement(session, sql);
    sqlite3_bind_int64(s, 1, id);
    return sqlite_run(session, s);
}

/* What is past its time makes room for an entry of the same name. */
static enum store_status begin_anew(struct store_session *session, const struct store_effect *effect,
                                    struct entry *entry)
{
    int64_t old = entry->id;
    entry_deinit(entry);
    enum store_status status = old == 0 ? STORE_OK : run_on(session, REMOVE_MARKS, old);
    if (status == STORE_OK && old != 0)
        status = run_on(session, REMOVE, old);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, INSERT);
    sqlite_bind_text(s, 1, effect->entry.scope);
    sqlite_bind_text(s, 2, effect->entry.name);
    sqlite_bind_text(s, 3, effect->entry.key);
    sqlite3_bind_int64(s, 4, effect->expires_ms);
    status = sqlite_run(session, s);
    entry->id = sqlite3_last_insert_rowid(sqlite_session(session)->db);
    return status;
}

static enum store_status add(struct store_session *session, const char *message_id,
                             const struct store_effect *effect, const struct entry *entry)
{
    sqlite3_stmt *s = sqlite_statement(session, COUNT);
    sqlite3_bind_int64(s, 1, entry->id);
    sqlite3_bind_int64(s, 2, entry->is.count + effect->by);
    sqlite3_bind_int64(s, 3, effect->expires_ms);
    enum store_status status = sqlite_run(session, s);
    if (status != STORE_OK || message_id == NULL)
        return status;
    s = sqlite_statement(session, MARK);
    sqlite3_bind_int64(s, 1, entry->id);
    sqlite_bind_text(s, 2, message_id);
    sqlite3_bind_int64(s, 3, effect->by);
    return sqlite_run(session, s);
}

/* A value, or NULL: it is forgotten, but what was there before still is what the message is shown. */
static enum store_status keep(struct store_session *session, const char *message_id, const char *value,
                              int64_t expires_ms, const struct entry *entry)
{
    sqlite3_stmt *s = sqlite_statement(session, KEEP);
    sqlite3_bind_int64(s, 1, entry->id);
    sqlite_bind_text(s, 2, value);
    sqlite_bind_text(s, 3, message_id);
    sqlite_bind_text(s, 4, entry->is.own ? entry->is.previous : entry->is.value);
    sqlite3_bind_int64(s, 5, entry->is.own ? entry->is.previous_expires_ms : entry->is.expires_ms);
    sqlite3_bind_int64(s, 6, expires_ms);
    return sqlite_run(session, s);
}

static enum store_status apply(struct store_session *session, const char *message_id,
                               const struct store_effect *effect, int64_t now_ms)
{
    struct entry entry;
    enum store_status status = find(session, &effect->entry, message_id, &entry);
    bool kept = entry.is.expires_ms > now_ms;
    if (status == STORE_OK && !kept && effect->op != EFFECT_FORGET)
        status = begin_anew(session, effect, &entry);
    if (status == STORE_OK && effect->op == EFFECT_ADD)
        status = add(session, message_id, effect, &entry);
    else if (status == STORE_OK && effect->op == EFFECT_SET)
        status = keep(session, message_id, effect->value, effect->expires_ms, &entry);
    else if (status == STORE_OK && kept && entry.is.value != NULL)
        status = keep(session, message_id, NULL, entry.is.expires_ms, &entry);
    entry_deinit(&entry);
    return status;
}

/* All conditions first: within a batch nothing can be taken back. */
enum store_status sqlite_memory_apply(struct store_session *session, const char *message_id,
                                      const struct store_effect *effects, size_t count, int64_t now_ms)
{
    struct store_effect taken[STORE_EFFECTS_MOST];
    enum store_status status = effects_check(session, effects, count);
    size_t taken_count = status == STORE_OK ? effects_take_together(effects, count, taken) : 0;
    for (size_t i = 0; status == STORE_OK && i < taken_count; i++)
        status = check(session, message_id, &taken[i], now_ms);
    for (size_t i = 0; status == STORE_OK && i < taken_count; i++)
        status = apply(session, message_id, &taken[i], now_ms);
    return status;
}

static enum store_status memory_apply(struct store_session *session, const char *message_id,
                                      const struct store_effect *effects, size_t count, int64_t now_ms)
{
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    return sqlite_end(session, sqlite_memory_apply(session, message_id, effects, count, now_ms));
}

/* ---- forgetting ---- */

/* Rows of one call: the writer must not be held up by what a busy day left behind. */
#define SWEPT_AT_ONCE 1000

/* A counter has as many marks as messages that counted; it goes once they are gone. Its marks are looked for
 * in the order in which entries expire, so that one counter after the other is emptied. */
static const char SWEEP_MARKS[] =
    "DELETE FROM memory_mark WHERE (entry, message) IN"
    " (SELECT entry, message FROM memory INDEXED BY memory_expires CROSS JOIN memory_mark ON entry = id"
    "  WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2)";
static const char SWEEP[] =
    "DELETE FROM memory WHERE id IN"
    " (SELECT id FROM memory WHERE expires_ms <= ?1"
    "  AND NOT EXISTS (SELECT 1 FROM memory_mark WHERE entry = id) ORDER BY expires_ms LIMIT ?2)";

static enum store_status sweep(struct store_session *session, const char *sql, int64_t now_ms, bool *more)
{
    sqlite3_stmt *s = sqlite_statement(session, sql);
    sqlite3_bind_int64(s, 1, now_ms);
    sqlite3_bind_int64(s, 2, SWEPT_AT_ONCE);
    enum store_status status = sqlite_change(session, s);
    if (status == STORE_OK && sqlite3_changes(sqlite_session(session)->db) == SWEPT_AT_ONCE)
        *more = true;
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status memory_sweep(struct store_session *session, int64_t now_ms, bool *more)
{
    *more = false;
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = sweep(session, SWEEP_MARKS, now_ms, more);
    if (status == STORE_OK)
        status = sweep(session, SWEEP, now_ms, more);
    return sqlite_end(session, status);
}

void sqlite_memory_calls(struct store_backend *backend)
{
    backend->memory_read = memory_read;
    backend->memory_apply = memory_apply;
    backend->memory_sweep = memory_sweep;
}
