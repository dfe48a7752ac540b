/* Memory of rules: counters, values, and what each message did to them. */
#include "store/store_memory.h"

#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"

/* ---- entries ---- */

struct entry {
    int64_t id;    /* 0: there is none */
    int64_t count; /* without the message's own share */
    int64_t added; /* the message's own share */
    char *value, *previous;
    bool own; /* the value is what the message itself set or forgot */
    int64_t previous_expires_ms, expires_ms;
};

static void entry_deinit(struct entry *entry)
{
    free(entry->value);
    free(entry->previous);
    *entry = (struct entry){0};
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
    entry->added = sqlite3_column_int64(s, 2);
    entry->count = sqlite3_column_int64(s, 1) - entry->added;
    entry->value = sqlite_text(s, 3);
    entry->previous = sqlite_text(s, 4);
    entry->own = sqlite3_column_int(s, 5) != 0;
    entry->previous_expires_ms = sqlite3_column_int64(s, 6);
    entry->expires_ms = sqlite3_column_int64(s, 7);
    sqlite3_reset(s);
    return STORE_OK;
}

/* Leaves the entry empty where it is past its time; it is still there, for whoever writes. */
static enum store_status find_kept(struct store_session *session, const struct store_memory_key *key,
                                   const char *message_id, int64_t now_ms, struct entry *entry)
{
    enum store_status status = find(session, key, message_id, entry);
    if (entry->expires_ms <= now_ms)
        entry_deinit(entry);
    return status;
}

/* The value as the message is shown it: not what it did itself. */
static const char *value_shown(const struct entry *entry, int64_t now_ms)
{
    if (!entry->own)
        return entry->value;
    return entry->previous_expires_ms > now_ms ? entry->previous : NULL;
}

/* ---- reading ---- */

static enum store_status read_entry(struct store_session *session, const struct store_memory_key *key,
                                    const char *message_id, int64_t now_ms,
                                    struct store_remembered *remembered)
{
    struct entry entry;
    enum store_status status = find_kept(session, key, message_id, now_ms, &entry);
    const char *value = value_shown(&entry, now_ms);
    *remembered = (struct store_remembered){entry.count, value != NULL ? text_duplicate(value) : NULL};
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

static bool same_entry(const struct store_memory_key *a, const struct store_memory_key *b)
{
    return strcmp(a->key, b->key) == 0 && strcmp(a->name, b->name) == 0 && strcmp(a->scope, b->scope) == 0;
}

static bool adds_to_same(const struct store_effect *a, const struct store_effect *b)
{
    return a->op == EFFECT_ADD && b->op == EFFECT_ADD && same_entry(&a->entry, &b->entry);
}

/* Whether an effect before the one at `index` stands for it too: additions to one counter are one. */
static bool is_taken_together(const struct store_effect *effects, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (adds_to_same(&effects[i], &effects[index]))
            return true;
    return false;
}

/* Of all additions to this one's counter. */
static struct store_effect sum_of(const struct store_effect *effects, size_t count, size_t index)
{
    struct store_effect sum = effects[index];
    for (size_t i = index + 1; i < count; i++) {
        if (!adds_to_same(&effects[i], &sum))
            continue;
        sum.by += effects[i].by;
        sum.most = effects[i].most < sum.most ? effects[i].most : sum.most;
        sum.expires_ms = effects[i].expires_ms > sum.expires_ms ? effects[i].expires_ms : sum.expires_ms;
    }
    return sum;
}

static bool holds(const struct store_effect *effect, const struct entry *entry)
{
    if (effect->op == EFFECT_ADD)
        return entry->count + effect->by <= effect->most;
    return effect->op != EFFECT_SET || !effect->first || entry->own || entry->value == NULL;
}

static enum store_status check(struct store_session *session, const char *message_id,
                               const struct store_effect *effect, int64_t now_ms)
{
    struct entry entry;
    enum store_status status = find_kept(session, &effect->entry, message_id, now_ms, &entry);
    if (status == STORE_OK && !holds(effect, &entry))
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
    sqlite3_bind_int64(s, 2, entry->count + effect->by);
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
    sqlite_bind_text(s, 4, entry->own ? entry->previous : entry->value);
    sqlite3_bind_int64(s, 5, entry->own ? entry->previous_expires_ms : entry->expires_ms);
    sqlite3_bind_int64(s, 6, expires_ms);
    return sqlite_run(session, s);
}

static enum store_status apply(struct store_session *session, const char *message_id,
                               const struct store_effect *effect, int64_t now_ms)
{
    struct entry entry;
    enum store_status status = find(session, &effect->entry, message_id, &entry);
    bool kept = entry.expires_ms > now_ms;
    if (status == STORE_OK && !kept && effect->op != EFFECT_FORGET)
        status = begin_anew(session, effect, &entry);
    if (status == STORE_OK && effect->op == EFFECT_ADD)
        status = add(session, message_id, effect, &entry);
    else if (status == STORE_OK && effect->op == EFFECT_SET)
        status = keep(session, message_id, effect->value, effect->expires_ms, &entry);
    else if (status == STORE_OK && kept && entry.value != NULL)
        status = keep(session, message_id, NULL, entry.expires_ms, &entry);
    entry_deinit(&entry);
    return status;
}

static bool is_sound(const struct store_effect *effect)
{
    const int64_t most = STORE_EFFECT_NUMBER_MOST;
    if (effect->op == EFFECT_SET)
        return effect->value != NULL;
    if (effect->op == EFFECT_FORGET)
        return true;
    return effect->by >= -most && effect->by <= most && effect->most >= -most;
}

static enum store_status check_limits(struct store_session *session, const struct store_effect *effects,
                                      size_t count)
{
    if (count > STORE_EFFECTS_MOST)
        return store_session_refuse(session, "too many effects on memory in one call");
    for (size_t i = 0; i < count; i++)
        if (!is_sound(&effects[i]))
            return store_session_refuse(session,
                                        "an effect on memory with no value, or a number out of range");
    return STORE_OK;
}

/* All conditions first: within a batch nothing can be taken back. */
enum store_status sqlite_memory_apply(struct store_session *session, const char *message_id,
                                      const struct store_effect *effects, size_t count, int64_t now_ms)
{
    enum store_status status = check_limits(session, effects, count);
    for (size_t i = 0; status == STORE_OK && i < count; i++) {
        struct store_effect effect = sum_of(effects, count, i);
        if (!is_taken_together(effects, i))
            status = check(session, message_id, &effect, now_ms);
    }
    for (size_t i = 0; status == STORE_OK && i < count; i++) {
        struct store_effect effect = sum_of(effects, count, i);
        if (!is_taken_together(effects, i))
            status = apply(session, message_id, &effect, now_ms);
    }
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
