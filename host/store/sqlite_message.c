/* Messages: accepting, reading, listing, replaying. */
#include "store/sqlite.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- hashes ---- */

/* 64 bits of BLAKE2b over the parts, each with its length before it, so that no two lists of parts read the
 * same. */
static int64_t hash_of(const char *const *parts, size_t count)
{
    crypto_generichash_state state;
    unsigned char digest[crypto_generichash_BYTES_MIN];
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    for (size_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)strlen(parts[i]);
        crypto_generichash_update(&state, (const unsigned char *)&length, sizeof length);
        crypto_generichash_update(&state, (const unsigned char *)parts[i], length);
    }
    crypto_generichash_final(&state, digest, sizeof digest);
    int64_t hash;
    memcpy(&hash, digest, sizeof hash);
    return hash;
}

int64_t sqlite_external_hash(const char *external_id)
{
    return hash_of((const char *[]){external_id}, 1);
}

struct message_hashes {
    int64_t external, place, conversation;
};

static struct message_hashes hashes_of(const struct store_message_new *message)
{
    const char *direction = message->direction == MESSAGE_INBOUND ? "in" : "out";
    return (struct message_hashes){
        .external = sqlite_external_hash(message->external_id),
        .place = hash_of((const char *[]){direction, message->location, message->external_id}, 3),
        .conversation = hash_of((const char *[]){direction, message->location, message->conversation}, 3),
    };
}

/* ---- accepting ---- */

static const char NEWEST_ID[] = "SELECT max(id) FROM message";

static const char INSERT[] =
    "INSERT INTO message (id, external_hash, place_hash, conversation_hash, direction, state, due_ms, "
    "created_ms,"
    " updated_ms, ready_ms, location, company, external_id, conversation, received, payload)"
    " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?6, ?6, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    " ON CONFLICT (external_hash, place_hash) DO NOTHING";

static const char FIND_DUPLICATE[] = "SELECT id FROM message WHERE external_hash = ?1 AND place_hash = ?2";

#define ID_TIME_SHIFT 20

int64_t sqlite_first_id(int64_t time_ms)
{
    if (time_ms < 0)
        return 0;
    return time_ms > INT64_MAX >> ID_TIME_SHIFT ? INT64_MAX : time_ms << ID_TIME_SHIFT;
}

/* An id is the time in its upper bits, and above every id in the file. It is chosen while the file is locked
 * for writing, so ids grow in the order of commits, over all processes and whatever the clock does. */
static enum store_status next_id(struct store_session *session, int64_t now_ms, int64_t *id)
{
    int64_t *last = &sqlite_session(session)->last_id;
    if (*last == 0) {
        sqlite3_stmt *newest = sqlite_statement(session, NEWEST_ID);
        enum store_status status = sqlite_next(session, newest);
        if (status != STORE_OK)
            return status;
        *last = sqlite3_column_int64(newest, 0);
        sqlite3_reset(newest);
    }
    int64_t by_time = sqlite_first_id(now_ms);
    *id = by_time > *last ? by_time : *last + 1;
    return STORE_OK;
}

static enum store_status insert(struct store_session *session, const struct store_message_new *message,
                                const struct message_hashes *hashes, int64_t id)
{
    sqlite3_stmt *s = sqlite_statement(session, INSERT);
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, hashes->external);
    sqlite3_bind_int64(s, 3, hashes->place);
    sqlite3_bind_int64(s, 4, hashes->conversation);
    sqlite3_bind_int(s, 5, message->direction);
    sqlite3_bind_int64(s, 6, message->now_ms);
    sqlite_bind_text(s, 7, message->location);
    sqlite_bind_text(s, 8, message->company);
    sqlite_bind_text(s, 9, message->external_id);
    sqlite_bind_text(s, 10, message->conversation);
    sqlite_bind_text(s, 11, message->received);
    /* An empty payload is an empty blob, not NULL. */
    sqlite3_bind_blob64(s, 12, message->payload.length == 0 ? "" : message->payload.data,
                        message->payload.length, SQLITE_STATIC);
    return sqlite_change(session, s);
}

static const char NOTE_PLACE[] =
    "INSERT INTO message_place (location, block) VALUES (?1, ?2) ON CONFLICT (location, block) DO NOTHING";

static enum store_status note_place(struct store_session *session, const char *location, int64_t id)
{
    sqlite3_stmt *s = sqlite_statement(session, NOTE_PLACE);
    sqlite_bind_text(s, 1, location);
    sqlite3_bind_int64(s, 2, id >> SQLITE_BLOCK_SHIFT);
    return sqlite_run(session, s);
}

static enum store_status find_duplicate(struct store_session *session, const struct message_hashes *hashes,
                                        int64_t *id)
{
    sqlite3_stmt *s = sqlite_statement(session, FIND_DUPLICATE);
    sqlite3_bind_int64(s, 1, hashes->external);
    sqlite3_bind_int64(s, 2, hashes->place);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *id = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
        return STORE_DUPLICATE;
    }
    return status == STORE_NOT_FOUND ? store_session_refuse(session, "a duplicate without its original")
                                     : status;
}

static enum store_status accept_hashed(struct store_session *session, const struct store_message_new *message,
                                       const struct message_hashes *hashes, int64_t *id)
{
    enum store_status status = next_id(session, message->now_ms, id);
    if (status == STORE_OK)
        status = insert(session, message, hashes, *id);
    if (status == STORE_NOT_FOUND)
        return find_duplicate(session, hashes, id);
    if (status == STORE_OK)
        status = note_place(session, message->location, *id);
    if (status == STORE_OK)
        sqlite_session(session)->last_id = *id;
    return status;
}

static enum store_status message_accept(struct store_session *session,
                                        const struct store_message_new *message, char id_text[STORE_ID_SIZE])
{
    struct message_hashes hashes = hashes_of(message); /* before the file is locked */
    int64_t id = 0;
    enum store_status status = sqlite_write_begin(session);
    if (status != STORE_OK)
        return status;
    status = sqlite_end(session, accept_hashed(session, message, &hashes, &id));
    if (!store_status_is_error(status))
        store_id_format(id, id_text);
    return status;
}

/* ---- reading ---- */

static char *bytes_of(sqlite3_stmt *s, int column, size_t *length)
{
    const char *data = sqlite3_column_blob(s, column);
    *length = (size_t)sqlite3_column_bytes(s, column);
    return slice_duplicate((struct slice){data, *length});
}

void sqlite_message_read(sqlite3_stmt *s, struct store_message *message)
{
    *message = (struct store_message){
        .direction = (enum message_direction)sqlite3_column_int(s, 1),
        .state = (enum message_state)sqlite3_column_int(s, 2),
        .created_ms = sqlite3_column_int64(s, 3),
        .updated_ms = sqlite3_column_int64(s, 4),
        .due_ms = sqlite3_column_int64(s, 5),
        .attempts = (unsigned)sqlite3_column_int(s, 6),
        .polls = (unsigned)sqlite3_column_int(s, 7),
        .epoch = (unsigned)sqlite3_column_int(s, 8),
        .outcome_unknown = sqlite3_column_int(s, 9) != 0,
        .accepted_ms = sqlite3_column_int64(s, 10),
        .report_due_ms = sqlite3_column_int64(s, 11),
        .report_attempts = (unsigned)sqlite3_column_int(s, 12),
        .ready_ms = sqlite3_column_int64(s, 13),
        .location = sqlite_text(s, 14),
        .company = sqlite_text(s, 15),
        .external_id = sqlite_text(s, 16),
        .conversation = sqlite_text(s, 17),
        .provider = sqlite_text(s, 18),
        .provider_message_id = sqlite_text(s, 19),
        .reason = sqlite_text(s, 20),
        .report_status = sqlite_text(s, 21),
        .report_error = sqlite_text(s, 22),
        .received = sqlite_text(s, 23),
        .sent = sqlite_text(s, 24),
    };
    message->payload = bytes_of(s, 25, &message->payload_length);
    store_id_format(sqlite3_column_int64(s, 0), message->id);
}

static const char SELECT_MESSAGE[] = "SELECT " SQLITE_MESSAGE_COLUMNS " FROM message WHERE id = ?1";
static const char SELECT_EVENTS[] =
    "SELECT at_ms, kind, data FROM event WHERE message = ?1 ORDER BY sequence";

enum store_status sqlite_message_load(struct store_session *session, int64_t id,
                                      struct store_message *message)
{
    sqlite3_stmt *s = sqlite_statement(session, SELECT_MESSAGE);
    sqlite3_bind_int64(s, 1, id);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK) {
        sqlite_message_read(s, message);
        sqlite3_reset(s);
    }
    return status;
}

static struct store_event *event_append(struct store_message *message)
{
    size_t size = (message->event_count + 1) * sizeof *message->events;
    message->events = memory_resize(message->events, size);
    return &message->events[message->event_count++];
}

static enum store_status load_events(struct store_session *session, int64_t id, struct store_message *message)
{
    /* "received" is no row of its own: the message's columns say it all. */
    *event_append(message) = (struct store_event){message->created_ms, text_duplicate("received"),
                                                  text_duplicate(message->received)};
    sqlite3_stmt *s = sqlite_statement(session, SELECT_EVENTS);
    sqlite3_bind_int64(s, 1, id);
    enum store_status status;
    while ((status = sqlite_next(session, s)) == STORE_OK)
        *event_append(message) =
            (struct store_event){sqlite3_column_int64(s, 0), sqlite_text(s, 1), sqlite_text(s, 2)};
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status message_get(struct store_session *session, const char *id_text,
                                     struct store_message *message)
{
    int64_t id;
    *message = (struct store_message){0};
    if (store_id_parse(id_text, &id) != 0)
        return STORE_NOT_FOUND;
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    status = sqlite_message_load(session, id, message);
    if (status == STORE_OK)
        status = load_events(session, id, message);
    status = sqlite_end(session, status);
    if (status != STORE_OK)
        store_message_deinit(message);
    return status;
}

static const char COUNT_WAITING[] = "SELECT count(*) FROM message WHERE state <= 2";

static enum store_status message_count(struct store_session *session, int64_t *waiting)
{
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    sqlite3_stmt *s = sqlite_statement(session, COUNT_WAITING);
    status = sqlite_next(session, s);
    if (status == STORE_OK) {
        *waiting = sqlite3_column_int64(s, 0);
        sqlite3_reset(s);
    }
    return sqlite_end(session, status);
}

/* ---- events and replay ---- */

static const char INSERT_EVENT[] =
    "INSERT INTO event (message, sequence, at_ms, kind, data) VALUES (?1, ?2, ?3, ?4, ?5)";

enum store_status sqlite_event_add(struct store_session *session, int64_t id, int64_t sequence,
                                   const struct store_event *event)
{
    sqlite3_stmt *s = sqlite_statement(session, INSERT_EVENT);
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, sequence);
    sqlite3_bind_int64(s, 3, event->at_ms);
    sqlite_bind_text(s, 4, event->kind);
    sqlite_bind_text(s, 5, event->data);
    return sqlite_run(session, s);
}

static const char SELECT_REPLAY[] = "SELECT state, events FROM message WHERE id = ?1";

static const char REPLAY[] =
    "UPDATE message SET state = 0, due_ms = ?2, updated_ms = ?2, ready_ms = ?2, attempts = 0, polls = 0,"
    " epoch = epoch + (outcome_unknown = 0), reason = NULL, events = events + 1"
    " WHERE id = ?1";

static enum store_status replay(struct store_session *session, int64_t id, const char *data, int64_t now_ms)
{
    sqlite3_stmt *s = sqlite_statement(session, SELECT_REPLAY);
    sqlite3_bind_int64(s, 1, id);
    enum store_status status = sqlite_next(session, s);
    if (status != STORE_OK)
        return status;
    int state = sqlite3_column_int(s, 0);
    int64_t sequence = sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
    if (state != MESSAGE_DEAD && state != MESSAGE_REJECTED)
        return STORE_CONFLICT;
    s = sqlite_statement(session, REPLAY);
    sqlite3_bind_int64(s, 1, id);
    sqlite3_bind_int64(s, 2, now_ms);
    status = sqlite_run(session, s);
    struct store_event event = {now_ms, (char *)"replayed", (char *)data};
    return status == STORE_OK ? sqlite_event_add(session, id, sequence, &event) : status;
}

static enum store_status message_replay(struct store_session *session, const char *id_text, const char *event,
                                        int64_t now_ms)
{
    int64_t id;
    if (store_id_parse(id_text, &id) != 0)
        return STORE_NOT_FOUND;
    enum store_status status = sqlite_write_begin(session);
    return status == STORE_OK ? sqlite_end(session, replay(session, id, event, now_ms)) : status;
}

void sqlite_message_calls(struct store_backend *backend)
{
    backend->message_accept = message_accept;
    backend->message_get = message_get;
    backend->message_count = message_count;
    backend->message_replay = message_replay;
}
