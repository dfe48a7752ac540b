/* Changing a message: read, decide, write on the condition that the revision is still the same. */
#include "store/mongo_message.h"

static void change_init(struct mongo_change *change)
{
    bson_init(&change->set);
    bson_init(&change->unset);
    bson_init(&change->events);
    change->event_count = 0;
}

static void change_deinit(struct mongo_change *change)
{
    bson_destroy(&change->set);
    bson_destroy(&change->unset);
    bson_destroy(&change->events);
}

void mongo_change_text(struct mongo_change *change, const char *field, const char *text)
{
    if (text != NULL)
        BSON_APPEND_UTF8(&change->set, field, text);
    else
        BSON_APPEND_BOOL(&change->unset, field, true);
}

void mongo_change_time(struct mongo_change *change, const char *field, int64_t ms)
{
    if (ms != 0)
        BSON_APPEND_INT64(&change->set, field, ms);
    else
        BSON_APPEND_BOOL(&change->unset, field, true);
}

void mongo_change_event(struct mongo_change *change, int64_t at_ms, const char *kind, const char *data)
{
    char digits[16];
    const char *key;
    bson_t event;
    bson_uint32_to_string(change->event_count++, &key, digits, sizeof digits);
    bson_append_document_begin(&change->events, key, -1, &event);
    BSON_APPEND_INT64(&event, "at_ms", at_ms);
    BSON_APPEND_UTF8(&event, "kind", kind);
    mongo_put_text(&event, "data", data);
    bson_append_document_end(&change->events, &event);
}

static bson_t *update_of(const struct mongo_change *change)
{
    bson_t *update =
        BCON_NEW("$inc", "{", "revision", BCON_INT64(1), "}", "$set", BCON_DOCUMENT(&change->set));
    if (!bson_empty(&change->unset))
        BSON_APPEND_DOCUMENT(update, "$unset", &change->unset);
    if (change->event_count > 0)
        BCON_APPEND(update, "$push", "{", "events", "{", "$each", BCON_ARRAY(&change->events), "$slice",
                    BCON_INT32(-MONGO_EVENTS_MOST), "}", "}");
    return update;
}

/* `moved`: somebody else wrote since it was read. */
static enum store_status decide_and_write(struct store_session *session, const bson_t *read,
                                          mongo_decide *decide, void *argument, bool *moved)
{
    struct mongo_change change;
    change_init(&change);
    enum store_status status = decide(session, read, &change, argument);
    if (status == STORE_OK) {
        bson_t *as_read = BCON_NEW("_id", BCON_INT64(mongo_integer(read, "_id")), "revision",
                                   BCON_INT64(mongo_integer(read, "revision")));
        status = mongo_update(session, MONGO_MESSAGE, as_read, update_of(&change));
        *moved = status == STORE_NOT_FOUND;
    }
    change_deinit(&change);
    return status;
}

enum store_status mongo_change_message(struct store_session *session, int64_t id, mongo_decide *decide,
                                       void *argument)
{
    enum store_status status;
    bool moved;
    do {
        bson_t read;
        moved = false;
        status = mongo_find(
            session, MONGO_MESSAGE, BCON_NEW("_id", BCON_INT64(id)),
            BCON_NEW("projection", "{", "payload", BCON_INT32(0), "events", BCON_INT32(0), "}"), &read);
        if (status == STORE_OK)
            status = decide_and_write(session, &read, decide, argument, &moved);
        bson_destroy(&read);
    } while (moved);
    return status;
}
