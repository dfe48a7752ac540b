/* Messages: accepting, reading, replaying.
 *
 * A message is one document, its events within it. Its fields are named as SQLite's columns are, and absent
 * where they say nothing. Beside those of store.h:
 *
 *     revision      grows with every write
 *     owner, lease  of TRACK_DELIVERY; report_owner, report_lease of TRACK_REPORT
 *     begun_lease   the lease under which the newest attempt began: where the message is SENDING under
 * another one, it was taken over, and the attempt's outcome is unknown parked        it waits behind another
 * of its conversation; due_ms is when somebody looks again, should whoever ought to have freed it have died
 * (mongo_claim.c) report_changed_ms  as SQLite's: when to report next, once the report that is being made has
 * ended */
#include "store/mongo_message.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- ids ---- */

#define ID_TIME_SHIFT 20
#define ID_RANDOM_MOST (1 << 19) /* leaves as many again to count on from there in the same millisecond */

int64_t mongo_first_id(int64_t time_ms)
{
    if (time_ms < 0)
        return 0;
    return time_ms > INT64_MAX >> ID_TIME_SHIFT ? INT64_MAX : time_ms << ID_TIME_SHIFT;
}

/* The time in the upper bits, chance in the lower ones, and above every id that this process gave before. Two
 * replicas that choose the same meet at _id's own unique index. */
static int64_t next_id(struct mongo_store *store, int64_t now_ms)
{
    int64_t first = mongo_first_id(now_ms);
    int64_t by_time = first < INT64_MAX ? first + randombytes_uniform(ID_RANDOM_MOST) : first;
    int64_t last = atomic_load(&store->last_id), id;
    do
        id = by_time > last ? by_time : last + 1;
    while (!atomic_compare_exchange_weak(&store->last_id, &last, id));
    return id;
}

/* ---- accepting ---- */

static bson_t *place_of(const struct store_message_new *message)
{
    return BCON_NEW("location", BCON_UTF8(message->location), "external_id", BCON_UTF8(message->external_id),
                    "direction", BCON_INT32(message->direction));
}

static bson_t *document_of(const struct store_message_new *message, int64_t id)
{
    bson_t *document = bson_new();
    BSON_APPEND_INT64(document, "_id", id);
    BSON_APPEND_INT64(document, "revision", 1);
    BSON_APPEND_INT32(document, "direction", message->direction);
    BSON_APPEND_INT32(document, "state", MESSAGE_QUEUED);
    BSON_APPEND_UTF8(document, "location", message->location);
    mongo_put_text(document, "company", message->company);
    BSON_APPEND_UTF8(document, "external_id", message->external_id);
    BSON_APPEND_UTF8(document, "conversation", message->conversation);
    mongo_put_text(document, "received", message->received);
    BSON_APPEND_INT64(document, "created_ms", message->now_ms);
    BSON_APPEND_INT64(document, "updated_ms", message->now_ms);
    BSON_APPEND_INT64(document, "ready_ms", message->now_ms);
    BSON_APPEND_INT64(document, "due_ms", message->now_ms);
    bson_append_binary(document, "payload", -1, BSON_SUBTYPE_BINARY,
                       (const uint8_t *)(message->payload.length == 0 ? "" : message->payload.data),
                       (uint32_t)message->payload.length);
    return document;
}

static enum store_status find_place(struct store_session *session, const struct store_message_new *message,
                                    int64_t *id)
{
    bson_t found;
    enum store_status status = mongo_find(session, MONGO_MESSAGE, place_of(message),
                                          BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}"), &found);
    *id = mongo_integer(&found, "_id");
    bson_destroy(&found);
    return status;
}

/* What is refused as a duplicate is the same message, or another one with the same id: then another id is
 * tried. */
static enum store_status message_accept(struct store_session *session,
                                        const struct store_message_new *message, char id_text[STORE_ID_SIZE])
{
    int64_t id;
    enum store_status status, there = STORE_NOT_FOUND;
    do {
        id = next_id(mongo_session(session)->store, message->now_ms);
        status = mongo_insert(session, MONGO_MESSAGE, document_of(message, id));
        if (status == STORE_DUPLICATE)
            there = find_place(session, message, &id);
    } while (status == STORE_DUPLICATE && there == STORE_NOT_FOUND);
    if (status == STORE_DUPLICATE && there != STORE_OK)
        return there;
    if (!store_status_is_error(status))
        store_id_format(id, id_text);
    return status;
}

/* ---- reading ---- */

static char *payload_of(const bson_t *document, size_t *length)
{
    bson_iter_t at;
    bson_subtype_t subtype;
    uint32_t size = 0;
    const uint8_t *data = NULL;
    if (bson_iter_init_find(&at, document, "payload") && BSON_ITER_HOLDS_BINARY(&at))
        bson_iter_binary(&at, &subtype, &size, &data);
    *length = size;
    return slice_duplicate((struct slice){(const char *)data, size});
}

/* An attempt under another lease than the present one was cut off. */
static bool is_cut_off(const bson_t *document)
{
    return mongo_integer(document, "state") == MESSAGE_SENDING &&
           mongo_integer(document, "begun_lease") != mongo_integer(document, "lease");
}

void mongo_message_read(const bson_t *document, struct store_message *message)
{
    *message = (struct store_message){
        .direction = (enum message_direction)mongo_integer(document, "direction"),
        .state = (enum message_state)mongo_integer(document, "state"),
        .created_ms = mongo_integer(document, "created_ms"),
        .updated_ms = mongo_integer(document, "updated_ms"),
        .due_ms = mongo_flag(document, "parked") ? 0 : mongo_integer(document, "due_ms"),
        .attempts = (unsigned)mongo_integer(document, "attempts"),
        .polls = (unsigned)mongo_integer(document, "polls"),
        .epoch = (unsigned)mongo_integer(document, "epoch"),
        .outcome_unknown = mongo_flag(document, "outcome_unknown") || is_cut_off(document),
        .accepted_ms = mongo_integer(document, "accepted_ms"),
        .report_due_ms = mongo_integer(document, "report_due_ms"),
        .report_attempts = (unsigned)mongo_integer(document, "report_attempts"),
        .ready_ms = mongo_integer(document, "ready_ms"),
        .location = mongo_text(document, "location"),
        .company = mongo_text(document, "company"),
        .external_id = mongo_text(document, "external_id"),
        .conversation = mongo_text(document, "conversation"),
        .provider = mongo_text(document, "provider"),
        .provider_message_id = mongo_text(document, "provider_message_id"),
        .reason = mongo_text(document, "reason"),
        .report_status = mongo_text(document, "report_status"),
        .report_error = mongo_text(document, "report_error"),
        .received = mongo_text(document, "received"),
        .sent = mongo_text(document, "sent"),
    };
    message->payload = payload_of(document, &message->payload_length);
    store_id_format(mongo_integer(document, "_id"), message->id);
}

static void event_add(struct store_message *message, int64_t at_ms, char *kind, char *data)
{
    size_t size = (message->event_count + 1) * sizeof *message->events;
    message->events = memory_resize(message->events, size);
    message->events[message->event_count++] = (struct store_event){at_ms, kind, data};
}

static void read_events(const bson_t *document, struct store_message *message)
{
    bson_iter_t array, at;
    /* "received" is not kept: the message's own fields say it all. */
    event_add(message, message->created_ms, text_duplicate("received"), text_duplicate(message->received));
    if (!bson_iter_init_find(&array, document, "events") || !bson_iter_recurse(&array, &at))
        return;
    while (bson_iter_next(&at)) {
        const uint8_t *data;
        uint32_t length;
        bson_t event;
        if (!BSON_ITER_HOLDS_DOCUMENT(&at))
            continue;
        bson_iter_document(&at, &length, &data);
        if (bson_init_static(&event, data, length))
            event_add(message, mongo_integer(&event, "at_ms"), mongo_text(&event, "kind"),
                      mongo_text(&event, "data"));
    }
}

static enum store_status message_get(struct store_session *session, const char *id_text,
                                     struct store_message *message)
{
    int64_t id;
    bson_t found;
    *message = (struct store_message){0};
    if (store_id_parse(id_text, &id) != 0)
        return STORE_NOT_FOUND;
    enum store_status status =
        mongo_find(session, MONGO_MESSAGE, BCON_NEW("_id", BCON_INT64(id)), NULL, &found);
    if (status == STORE_OK) {
        mongo_message_read(&found, message);
        read_events(&found, message);
    }
    bson_destroy(&found);
    return status;
}

static enum store_status message_count(struct store_session *session, int64_t *waiting)
{
    return mongo_count(session, MONGO_MESSAGE,
                       BCON_NEW("state", "{", "$lte", BCON_INT32(MESSAGE_DEFERRED), "}"), waiting);
}

/* ---- replaying ---- */

struct replay {
    const char *event;
    int64_t now_ms;
};

static enum store_status decide_replay(struct store_session *session, const bson_t *read,
                                       struct mongo_change *change, void *argument)
{
    const struct replay *replay = argument;
    int64_t state = mongo_integer(read, "state");
    int64_t epoch = mongo_integer(read, "epoch") + !mongo_flag(read, "outcome_unknown");
    (void)session;
    if (state != MESSAGE_DEAD && state != MESSAGE_REJECTED)
        return STORE_CONFLICT;
    BSON_APPEND_INT32(&change->set, "state", MESSAGE_QUEUED);
    BSON_APPEND_INT64(&change->set, "due_ms", replay->now_ms);
    BSON_APPEND_INT64(&change->set, "updated_ms", replay->now_ms);
    BSON_APPEND_INT64(&change->set, "ready_ms", replay->now_ms);
    BSON_APPEND_INT64(&change->set, "attempts", 0);
    BSON_APPEND_INT64(&change->set, "polls", 0);
    BSON_APPEND_INT64(&change->set, "epoch", epoch);
    mongo_change_text(change, "reason", NULL);
    mongo_change_event(change, replay->now_ms, "replayed", replay->event);
    return STORE_OK;
}

static enum store_status message_replay(struct store_session *session, const char *id_text, const char *event,
                                        int64_t now_ms)
{
    int64_t id;
    struct replay replay = {event, now_ms};
    if (store_id_parse(id_text, &id) != 0)
        return STORE_NOT_FOUND;
    return mongo_change_message(session, id, decide_replay, &replay);
}

void mongo_message_calls(struct store_backend *backend)
{
    backend->message_accept = message_accept;
    backend->message_get = message_get;
    backend->message_count = message_count;
    backend->message_replay = message_replay;
}
