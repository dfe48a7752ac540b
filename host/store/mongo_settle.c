/* What becomes of a claim: the attempt that begins, the settlements that end it, and what a stepped clock
 * left behind. Each is decided upon the message as it was read, and written where it still is so. */
#include "store/mongo_message.h"

#include <stdlib.h>
#include <string.h>

/* STORE_CONFLICT where the lease is not the caller's any more, or never was. */
static enum store_status check_held(const bson_t *read, const char *owner_field, const char *lease_field,
                                    uint64_t lease)
{
    bool held = mongo_has(read, owner_field) && (uint64_t)mongo_integer(read, lease_field) == lease;
    return held ? STORE_OK : STORE_CONFLICT;
}

/* As mongo_change_message, of a message that the caller must hold: none is held by an id that is none. */
static enum store_status change_held(struct store_session *session, const char *id_text, mongo_decide *decide,
                                     void *argument)
{
    int64_t id;
    if (store_id_parse(id_text, &id) != 0)
        return STORE_CONFLICT;
    enum store_status status = mongo_change_message(session, id, decide, argument);
    return status == STORE_NOT_FOUND ? STORE_CONFLICT : status;
}

static bool is_waiting(int64_t state)
{
    return state == MESSAGE_QUEUED || state == MESSAGE_SENDING || state == MESSAGE_DEFERRED;
}

static bool is_final(int64_t state)
{
    return state == MESSAGE_DELIVERED || state == MESSAGE_UNDELIVERED;
}

/* ---- attempts ---- */

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

static void begin_events(struct mongo_change *change, const struct store_attempt *attempt, unsigned number)
{
    char *begun = begun_data(attempt, number);
    if (attempt->event != NULL)
        mongo_change_event(change, attempt->now_ms, "rule", attempt->event);
    mongo_change_event(change, attempt->now_ms, "attempt_begun", begun);
    free(begun);
}

/* The effects on memory happen first, one after the other: an attempt must not begin without them. Where the
 * attempt then does not begin, because the process dies or somebody took the message over in the meantime,
 * they stand until the message's next ones take their place (store_memory.h). */
static enum store_status decide_attempt(struct store_session *session, const bson_t *read,
                                        struct mongo_change *change, void *argument)
{
    const struct store_attempt *attempt = argument;
    unsigned number = (unsigned)mongo_integer(read, "attempts") + 1;
    enum store_status status = check_held(read, "owner", "lease", attempt->lease);
    if (status == STORE_OK && !is_waiting(mongo_integer(read, "state")))
        status = STORE_CONFLICT;
    if (status == STORE_OK)
        status = mongo_memory_apply(session, attempt->id, attempt->effects, attempt->effect_count,
                                    attempt->now_ms);
    if (status != STORE_OK)
        return status;
    BSON_APPEND_INT32(&change->set, "state", MESSAGE_SENDING);
    BSON_APPEND_INT64(&change->set, "attempts", number);
    BSON_APPEND_INT64(&change->set, "begun_lease", (int64_t)attempt->lease);
    BSON_APPEND_BOOL(&change->set, "outcome_unknown", false);
    BSON_APPEND_INT64(&change->set, "updated_ms", attempt->now_ms);
    mongo_change_text(change, "reason", NULL);
    mongo_change_text(change, "sent", attempt->sent);
    mongo_change_text(change, "provider", attempt->provider);
    int64_t until_ms = mongo_integer(read, "due_ms");
    if (attempt->lease_ms > 0 && until_ms < attempt->now_ms + attempt->lease_ms - attempt->lease_ms / 8)
        BSON_APPEND_INT64(&change->set, "due_ms", attempt->now_ms + attempt->lease_ms);
    begin_events(change, attempt, number);
    return STORE_OK;
}

static enum store_status attempt_begin(struct store_session *session, const struct store_attempt *attempt)
{
    return change_held(session, attempt->id, decide_attempt, (void *)attempt);
}

/* ---- settling delivery ---- */

struct settling {
    const struct store_settlement *settlement;
    bool frees; /* the message stands in the way of its conversation no longer */
    bson_t read;
};

/* Work that waits must be due some time, or nobody would find it again; work that has ended must not. */
static int64_t due_of(const struct store_settlement *settlement, int64_t state)
{
    if (is_waiting(state))
        return settlement->due_ms != 0 ? settlement->due_ms : settlement->now_ms;
    return state == MESSAGE_SENT ? settlement->due_ms : 0;
}

/* While a report is being made its lease keeps report_due_ms, and report_changed_ms remembers what the end of
 * that lease must turn it into. */
static void settle_status(const struct store_settlement *settlement, const bson_t *read,
                          struct mongo_change *change)
{
    if (settlement->report_status == NULL)
        return;
    char *present = mongo_text(read, "report_status");
    bool changes = !is_final(mongo_integer(read, "state")) &&
                   (present == NULL || strcmp(present, settlement->report_status) != 0);
    free(present);
    BSON_APPEND_UTF8(&change->set, "report_status", settlement->report_status);
    if (changes || settlement->report_error != NULL)
        mongo_change_text(change, "report_error", settlement->report_error);
    if (!changes)
        return;
    BSON_APPEND_INT64(&change->set, "report_attempts", 0);
    BSON_APPEND_INT64(&change->set, mongo_has(read, "report_owner") ? "report_changed_ms" : "report_due_ms",
                      settlement->now_ms + settlement->report_delay_ms);
}

static void settle_counts(const struct store_settlement *settlement, const bson_t *read,
                          struct mongo_change *change)
{
    int64_t attempts = mongo_integer(read, "attempts"), polls = mongo_integer(read, "polls");
    if (settlement->uncounted && mongo_integer(read, "state") == MESSAGE_SENDING)
        BSON_APPEND_INT64(&change->set, "attempts", attempts - 1);
    if (settlement->polled)
        BSON_APPEND_INT64(&change->set, "polls", polls + 1);
}

static void settle_fields(const struct store_settlement *settlement, const bson_t *read, int64_t state,
                          struct mongo_change *change)
{
    BSON_APPEND_INT32(&change->set, "state", (int32_t)state);
    BSON_APPEND_BOOL(&change->set, "outcome_unknown", settlement->outcome_unknown);
    BSON_APPEND_INT64(&change->set, "updated_ms", settlement->now_ms);
    mongo_change_text(change, "reason", settlement->reason);
    mongo_change_time(change, "due_ms", due_of(settlement, state));
    mongo_change_text(change, "owner", NULL);
    mongo_change_text(change, "parked", NULL);
    if (state == MESSAGE_DEFERRED)
        BSON_APPEND_INT64(&change->set, "ready_ms", due_of(settlement, state));
    if (settlement->accepted)
        BSON_APPEND_INT64(&change->set, "accepted_ms", settlement->now_ms);
    mongo_put_text(&change->set, "provider_message_id", settlement->provider_message_id);
    mongo_put_text(&change->set, "sent", settlement->sent);
    settle_counts(settlement, read, change);
    settle_status(settlement, read, change);
    for (size_t i = 0; i < settlement->event_count; i++)
        mongo_change_event(change, settlement->events[i].at_ms, settlement->events[i].kind,
                           settlement->events[i].data);
}

static bool blocks(const struct store_settlement *settlement, int64_t state)
{
    return is_waiting(state) &&
           (state != MESSAGE_DEFERRED || due_of(settlement, state) <= settlement->now_ms);
}

static enum store_status decide_settlement(struct store_session *session, const bson_t *read,
                                           struct mongo_change *change, void *argument)
{
    struct settling *settling = argument;
    const struct store_settlement *settlement = settling->settlement;
    enum store_status status = check_held(read, "owner", "lease", settlement->lease);
    (void)session;
    if (status != STORE_OK)
        return status;
    int64_t before = mongo_integer(read, "state");
    int64_t state = is_final(before) ? before : settlement->state;
    settle_fields(settlement, read, state, change);
    settling->frees = is_waiting(before) && !blocks(settlement, state);
    bson_destroy(&settling->read);
    bson_copy_to(read, &settling->read);
    return STORE_OK;
}

/* The settlement is durable whatever becomes of the search after it: where that fails, the next message of
 * the conversation waits until its parking ends. */
static enum store_status message_settle(struct store_session *session,
                                        const struct store_settlement *settlement)
{
    if (settlement->state == MESSAGE_SENDING)
        return store_session_refuse(session, "a settlement cannot leave a message sending");
    struct settling settling = {.settlement = settlement};
    bson_init(&settling.read);
    enum store_status status = change_held(session, settlement->id, decide_settlement, &settling);
    if (status == STORE_OK && settling.frees)
        mongo_unpark_next(session, &settling.read, settlement->now_ms);
    bson_destroy(&settling.read);
    return status;
}

/* ---- settling reports ---- */

static int64_t report_due_of(const struct store_report_settlement *settlement, const bson_t *read)
{
    int64_t changed_ms = mongo_integer(read, "report_changed_ms");
    if (changed_ms != 0)
        return changed_ms;
    char *newest = mongo_text(read, "report_status");
    bool other =
        settlement->reported != NULL && (newest == NULL || strcmp(newest, settlement->reported) != 0);
    free(newest);
    return other ? settlement->now_ms : settlement->due_ms;
}

static enum store_status decide_report(struct store_session *session, const bson_t *read,
                                       struct mongo_change *change, void *argument)
{
    const struct store_report_settlement *settlement = argument;
    enum store_status status = check_held(read, "report_owner", "report_lease", settlement->lease);
    (void)session;
    if (status != STORE_OK)
        return status;
    int64_t attempts = mongo_has(read, "report_changed_ms")
                           ? 0
                           : mongo_integer(read, "report_attempts") + !settlement->uncounted;
    BSON_APPEND_INT64(&change->set, "updated_ms", settlement->now_ms);
    BSON_APPEND_INT64(&change->set, "report_attempts", attempts);
    mongo_change_time(change, "report_due_ms", report_due_of(settlement, read));
    mongo_change_text(change, "report_owner", NULL);
    mongo_change_text(change, "report_changed_ms", NULL);
    if (settlement->event != NULL)
        mongo_change_event(change, settlement->event->at_ms, settlement->event->kind,
                           settlement->event->data);
    return STORE_OK;
}

static enum store_status report_settle(struct store_session *session,
                                       const struct store_report_settlement *settlement)
{
    return change_held(session, settlement->id, decide_report, (void *)settlement);
}

/* ---- sweeping ---- */

/* Locations are texts: that condition lets the server search the index, which leads with them. */
static enum store_status sweep(struct store_session *session, const char *due, const char *owner,
                               bson_t *never_begun, int64_t now_ms, int64_t latest_ms, int64_t *moved)
{
    bson_t *filter = BCON_NEW("location", "{", "$gte", BCON_UTF8(""), "}", due, "{", "$gt",
                              BCON_INT64(latest_ms), "}", "$or", "[", "{", owner, "{", "$exists",
                              BCON_BOOL(true), "}", "}", BCON_DOCUMENT(never_begun), "]");
    bson_destroy(never_begun);
    return mongo_update_all(
        session, MONGO_MESSAGE, filter,
        BCON_NEW("$set", "{", due, BCON_INT64(now_ms), "}", "$inc", "{", "revision", BCON_INT64(1), "}"),
        moved);
}

/* What is not there counts as 0 attempts. */
static bson_t *never_sent(void)
{
    return BCON_NEW("state", BCON_INT32(MESSAGE_QUEUED), "attempts", "{", "$in", "[", BCON_NULL,
                    BCON_INT64(0), "]", "}");
}

static bson_t *never_reported(void)
{
    return BCON_NEW("report_attempts", "{", "$in", "[", BCON_NULL, BCON_INT64(0), "]", "}");
}

static enum store_status sweep_refreshes(struct store_session *session, int64_t now_ms, int64_t latest_ms,
                                         int64_t *moved)
{
    return mongo_update_all(session, MONGO_INSTALLATION,
                            BCON_NEW("refresh_until_ms", "{", "$gt", BCON_INT64(latest_ms), "}"),
                            BCON_NEW("$set", "{", "refresh_until_ms", BCON_INT64(now_ms), "}"), moved);
}

static enum store_status message_sweep(struct store_session *session, int64_t now_ms, int64_t most_ahead_ms,
                                       int64_t *moved)
{
    int64_t latest_ms = now_ms + most_ahead_ms;
    *moved = 0;
    enum store_status status = sweep(session, "due_ms", "owner", never_sent(), now_ms, latest_ms, moved);
    if (status == STORE_OK)
        status = sweep(session, "report_due_ms", "report_owner", never_reported(), now_ms, latest_ms, moved);
    return status == STORE_OK ? sweep_refreshes(session, now_ms, latest_ms, moved) : status;
}

void mongo_settle_calls(struct store_backend *backend)
{
    backend->attempt_begin = attempt_begin;
    backend->message_settle = message_settle;
    backend->report_settle = report_settle;
    backend->message_sweep = message_sweep;
}
