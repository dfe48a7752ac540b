/* What becomes of a claim: the attempt that begins, the settlements that end it, and what a stepped clock
 * left behind. */
#include "store/sqlite.h"

#include <stdlib.h>

/* ---- who holds what ---- */

struct held {
    int64_t id;
    int64_t conversation_hash;
    enum message_state state;
    int64_t events;
    unsigned attempts;
    int64_t until_ms; /* the lease's end; 0: parked since it ran out */
};

static const char HELD_DELIVERY[] = "SELECT conversation_hash, state, events, attempts, due_ms FROM message"
                                    " WHERE id = ?1 AND lease = ?2 AND lease_owner IS NOT NULL";
static const char HELD_REPORT[] =
    "SELECT conversation_hash, state, events, attempts, report_due_ms FROM message"
    " WHERE id = ?1 AND report_lease = ?2 AND report_owner IS NOT NULL";

/* STORE_CONFLICT where the lease is not the caller's any more, or never was. */
static enum store_status find_held(struct store_session *session, const char *sql, const char *id_text,
                                   uint64_t lease, struct held *held)
{
    if (store_id_parse(id_text, &held->id) != 0)
        return STORE_CONFLICT;
    sqlite3_stmt *s = sqlite_statement(session, sql);
    sqlite3_bind_int64(s, 1, held->id);
    sqlite3_bind_int64(s, 2, (int64_t)lease);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? STORE_CONFLICT : status;
    held->conversation_hash = sqlite3_column_int64(s, 0);
    held->state = (enum message_state)sqlite3_column_int(s, 1);
    held->events = sqlite3_column_int64(s, 2);
    held->attempts = (unsigned)sqlite3_column_int(s, 3);
    held->until_ms = sqlite3_column_int64(s, 4);
    sqlite3_reset(s);
    return STORE_OK;
}

static enum store_status add_events(struct store_session *session, const struct held *held,
                                    const struct store_event *events, size_t count)
{
    enum store_status status = STORE_OK;
    for (size_t i = 0; status == STORE_OK && i < count; i++)
        status = sqlite_event_add(session, held->id, held->events + (int64_t)i, &events[i]);
    return status;
}

/* ---- attempts ---- */

static const char BEGIN_ATTEMPT[] =
    "UPDATE message SET state = 1, attempts = attempts + 1, outcome_unknown = 0, reason = NULL, sent = ?2,"
    " provider = ?3, updated_ms = ?4, events = events + ?5 WHERE id = ?1";

static const char RENEW[] = "UPDATE message SET due_ms = ?2 WHERE id = ?1";

/* Seldom needed, and so it costs the index nothing in general. */
static enum store_status renew(struct store_session *session, const struct store_attempt *attempt,
                               const struct held *held)
{
    if (held->until_ms >= attempt->now_ms + attempt->lease_ms - attempt->lease_ms / 8)
        return STORE_OK;
    sqlite3_stmt *s = sqlite_statement(session, RENEW);
    sqlite3_bind_int64(s, 1, held->id);
    sqlite3_bind_int64(s, 2, attempt->now_ms + attempt->lease_ms);
    return sqlite_run(session, s);
}

static char *begun_data(const struct store_attempt *attempt, unsigned number)
{
    struct buffer data = {0};
    buffer_append_format(&data, "{\"attempt\":%u,\"provider\":", number);
    buffer_append_json_string(&data, slice_from(attempt->provider));
    if (attempt->parts > 0)
        buffer_append_format(&data, ",\"part\":%u,\"of\":%u", attempt->part, attempt->parts);
    buffer_append_text(&data, "}");
    return data.data;
}

static enum store_status begin_attempt(struct store_session *session, const struct store_attempt *attempt,
                                       const struct held *held)
{
    size_t rule = attempt->event != NULL ? 1 : 0;
    sqlite3_stmt *s = sqlite_statement(session, BEGIN_ATTEMPT);
    sqlite3_bind_int64(s, 1, held->id);
    sqlite_bind_text(s, 2, attempt->sent);
    sqlite_bind_text(s, 3, attempt->provider);
    sqlite3_bind_int64(s, 4, attempt->now_ms);
    sqlite3_bind_int64(s, 5, (int64_t)rule + 1);
    enum store_status status = sqlite_run(session, s);
    if (status == STORE_OK && attempt->lease_ms > 0)
        status = renew(session, attempt, held);
    if (status != STORE_OK)
        return status;
    char *begun = begun_data(attempt, held->attempts + 1);
    struct store_event events[] = {{attempt->now_ms, (char *)"rule", (char *)attempt->event},
                                   {attempt->now_ms, (char *)"attempt_begun", begun}};
    status = add_events(session, held, &events[1 - rule], rule + 1);
    free(begun);
    return status;
}

static enum store_status attempt_begin(struct store_session *session, const struct store_attempt *attempt)
{
    struct held held;
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = find_held(session, HELD_DELIVERY, attempt->id, attempt->lease, &held);
    if (status == STORE_OK && held.state > MESSAGE_DEFERRED)
        status = STORE_CONFLICT;
    if (status == STORE_OK)
        status = sqlite_memory_apply(session, attempt->id, attempt->effects, attempt->effect_count,
                                     attempt->now_ms);
    if (status == STORE_OK)
        status = begin_attempt(session, attempt, &held);
    return sqlite_end(session, status);
}

/* ---- settling delivery ---- */

/* ?13 is the status that GHL should hear, ?15 when. While a report is being made its lease keeps
 * report_due_ms, and report_changed_ms remembers what the end of that lease must turn it into. Right-hand
 * sides see the row as it was. */
static const char SETTLE[] =
    "UPDATE message SET state = ?2, reason = ?3, due_ms = ?4, ready_ms = iif(?2 = 2, ?4, ready_ms),"
    " lease_owner = NULL, outcome_unknown = ?5,"
    " accepted_ms = coalesce(?6, accepted_ms), polls = polls + ?7, attempts = attempts - (?8 AND state = 1),"
    " provider_message_id = coalesce(?9, provider_message_id), updated_ms = ?10, events = events + ?11,"
    " report_status = coalesce(?13, report_status),"
    " report_error = CASE WHEN ?12 THEN ?14 ELSE coalesce(?14, report_error) END,"
    " report_attempts = CASE WHEN ?12 THEN 0 ELSE report_attempts END,"
    " report_due_ms = CASE WHEN ?12 AND report_owner IS NULL THEN ?15 ELSE report_due_ms END,"
    " report_changed_ms = CASE WHEN ?12 AND report_owner IS NOT NULL THEN ?15 ELSE report_changed_ms END,"
    " sent = coalesce(?16, sent)"
    " WHERE id = ?1";

static const char REPORT_STATUS[] = "SELECT report_status IS NOT ?2 FROM message WHERE id = ?1";

static const char UNPARK[] = "UPDATE message SET due_ms = ?3 WHERE id ="
                             " (SELECT id FROM message INDEXED BY message_waiting"
                             "  WHERE conversation_hash = ?1 AND state <= 2 AND id > ?2 AND due_ms IS NULL"
                             "  ORDER BY id LIMIT 1)";

static bool is_waiting(enum message_state state)
{
    return state == MESSAGE_QUEUED || state == MESSAGE_SENDING || state == MESSAGE_DEFERRED;
}

static bool is_final(enum message_state state)
{
    return state == MESSAGE_DELIVERED || state == MESSAGE_UNDELIVERED;
}

/* Work that waits must be due some time, or nobody would find it again; work that has ended must not. */
static int64_t due_of(const struct store_settlement *settlement, enum message_state state)
{
    if (is_waiting(state))
        return settlement->due_ms != 0 ? settlement->due_ms : settlement->now_ms;
    return state == MESSAGE_SENT ? settlement->due_ms : 0;
}

static enum store_status status_changes(struct store_session *session, const struct held *held,
                                        const char *status_text, bool *changes)
{
    *changes = false;
    if (status_text == NULL || is_final(held->state))
        return STORE_OK;
    sqlite3_stmt *s = sqlite_statement(session, REPORT_STATUS);
    sqlite3_bind_int64(s, 1, held->id);
    sqlite_bind_text(s, 2, status_text);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *changes = sqlite3_column_int(s, 0) != 0;
        sqlite3_reset(s);
    }
    return status;
}

static enum store_status update_settled(struct store_session *session,
                                        const struct store_settlement *settlement, const struct held *held,
                                        enum message_state state)
{
    bool changes;
    enum store_status status = status_changes(session, held, settlement->report_status, &changes);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, SETTLE);
    sqlite3_bind_int64(s, 1, held->id);
    sqlite3_bind_int(s, 2, (int)state);
    sqlite_bind_text(s, 3, settlement->reason);
    sqlite_bind_time(s, 4, due_of(settlement, state));
    sqlite3_bind_int(s, 5, settlement->outcome_unknown);
    sqlite_bind_time(s, 6, settlement->accepted ? settlement->now_ms : 0);
    sqlite3_bind_int(s, 7, settlement->polled);
    sqlite3_bind_int(s, 8, settlement->uncounted);
    sqlite_bind_text(s, 9, settlement->provider_message_id);
    sqlite3_bind_int64(s, 10, settlement->now_ms);
    sqlite3_bind_int64(s, 11, (int64_t)settlement->event_count);
    sqlite3_bind_int(s, 12, changes);
    sqlite_bind_text(s, 13, settlement->report_status);
    sqlite_bind_text(s, 14, settlement->report_error);
    sqlite3_bind_int64(s, 15, settlement->now_ms + settlement->report_delay_ms);
    sqlite_bind_text(s, 16, settlement->sent);
    return sqlite_run(session, s);
}

/* Where the message no longer stands in the way of its conversation, the next one that was parked goes on.
 * One is enough: that one's own settlement frees the one after it. */
static enum store_status unpark_next(struct store_session *session, const struct store_settlement *settlement,
                                     const struct held *held, enum message_state state)
{
    bool blocked = is_waiting(held->state);
    bool blocks =
        is_waiting(state) && (state != MESSAGE_DEFERRED || due_of(settlement, state) <= settlement->now_ms);
    if (!blocked || blocks)
        return STORE_OK;
    sqlite3_stmt *s = sqlite_statement(session, UNPARK);
    sqlite3_bind_int64(s, 1, held->conversation_hash);
    sqlite3_bind_int64(s, 2, held->id);
    sqlite3_bind_int64(s, 3, settlement->now_ms);
    return sqlite_run(session, s);
}

static enum store_status settle(struct store_session *session, const struct store_settlement *settlement)
{
    struct held held;
    enum store_status status = find_held(session, HELD_DELIVERY, settlement->id, settlement->lease, &held);
    if (status != STORE_OK)
        return status;
    enum message_state state = is_final(held.state) ? held.state : settlement->state;
    status = update_settled(session, settlement, &held, state);
    if (status == STORE_OK)
        status = add_events(session, &held, settlement->events, settlement->event_count);
    if (status == STORE_OK)
        status = unpark_next(session, settlement, &held, state);
    return status;
}

static enum store_status message_settle(struct store_session *session,
                                        const struct store_settlement *settlement)
{
    if (settlement->state == MESSAGE_SENDING)
        return store_session_refuse(session, "a settlement cannot leave a message sending");
    enum store_status status = sqlite_write_begin(session);
    return status == STORE_OK ? sqlite_end(session, settle(session, settlement)) : status;
}

/* ---- settling reports ---- */

static const char SETTLE_REPORT[] =
    "UPDATE message SET report_owner = NULL, report_changed_ms = NULL, updated_ms = ?4, events = events + ?5,"
    " report_attempts = CASE WHEN report_changed_ms IS NULL THEN report_attempts + ?6 ELSE 0 END,"
    " report_due_ms = CASE WHEN report_changed_ms IS NOT NULL THEN report_changed_ms"
    "  WHEN ?2 IS NOT NULL AND ?2 IS NOT report_status THEN ?4 ELSE ?3 END"
    " WHERE id = ?1";

static enum store_status settle_report(struct store_session *session,
                                       const struct store_report_settlement *settlement)
{
    struct held held;
    enum store_status status = find_held(session, HELD_REPORT, settlement->id, settlement->lease, &held);
    if (status != STORE_OK)
        return status;
    size_t events = settlement->event != NULL ? 1 : 0;
    sqlite3_stmt *s = sqlite_statement(session, SETTLE_REPORT);
    sqlite3_bind_int64(s, 1, held.id);
    sqlite_bind_text(s, 2, settlement->reported);
    sqlite_bind_time(s, 3, settlement->due_ms);
    sqlite3_bind_int64(s, 4, settlement->now_ms);
    sqlite3_bind_int64(s, 5, (int64_t)events);
    sqlite3_bind_int(s, 6, !settlement->uncounted);
    status = sqlite_run(session, s);
    return status == STORE_OK ? add_events(session, &held, settlement->event, events) : status;
}

static enum store_status report_settle(struct store_session *session,
                                       const struct store_report_settlement *settlement)
{
    enum store_status status = sqlite_write_begin(session);
    return status == STORE_OK ? sqlite_end(session, settle_report(session, settlement)) : status;
}

/* ---- sweeping ---- */

static const char SWEEP_DELIVERY[] =
    "UPDATE message INDEXED BY message_due SET due_ms = ?1"
    " WHERE due_ms > ?2 AND (lease_owner IS NOT NULL OR (state = 0 AND attempts = 0))";
static const char SWEEP_REPORT[] =
    "UPDATE message INDEXED BY message_report SET report_due_ms = ?1"
    " WHERE report_due_ms > ?2 AND (report_owner IS NOT NULL OR report_attempts = 0)";
static const char SWEEP_REFRESH[] =
    "UPDATE installation SET refresh_until_ms = ?1 WHERE refresh_until_ms > ?2";

static enum store_status sweep(struct store_session *session, const char *sql, int64_t now_ms,
                               int64_t latest_ms, int64_t *moved)
{
    sqlite3_stmt *s = sqlite_statement(session, sql);
    sqlite3_bind_int64(s, 1, now_ms);
    sqlite3_bind_int64(s, 2, latest_ms);
    enum store_status status = sqlite_change(session, s);
    if (status == STORE_OK)
        *moved += sqlite3_changes64(sqlite_session(session)->db);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status message_sweep(struct store_session *session, int64_t now_ms, int64_t most_ahead_ms,
                                       int64_t *moved)
{
    *moved = 0;
    const char *const sweeps[] = {SWEEP_DELIVERY, SWEEP_REPORT, SWEEP_REFRESH};
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    for (size_t i = 0; status == STORE_OK && i < sizeof sweeps / sizeof sweeps[0]; i++)
        status = sweep(session, sweeps[i], now_ms, now_ms + most_ahead_ms, moved);
    return sqlite_end(session, status);
}

void sqlite_settle_calls(struct store_backend *backend)
{
    backend->attempt_begin = attempt_begin;
    backend->message_settle = message_settle;
    backend->report_settle = report_settle;
    backend->message_sweep = message_sweep;
}
