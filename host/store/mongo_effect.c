/* Effects on entries of the rules' memory: each is one write to one document, on a condition. */
#include "store/mongo_memory.h"

#include <stdio.h>

/* Somebody else was faster as often as this: the caller may try again. */
#define TRIES_MOST 200
#define WRITE_CONFLICT 112 /* of MongoDB's error_codes.yml */

/* ---- writing ---- */

/* The whole of an entry in its first state: an array of one mark, or none. */
static bson_t *first_state(const char *message_id, const struct store_effect *effect)
{
    bson_oid_t life;
    bson_oid_init(&life, NULL);
    bson_t *state = BCON_NEW("life", BCON_OID(&life), "moved", BCON_INT64(0), "expires_ms",
                             BCON_INT64(effect->expires_ms));
    BSON_APPEND_INT64(state, "count", effect->op == EFFECT_ADD ? effect->by : 0);
    if (effect->op == EFFECT_ADD && message_id != NULL)
        BCON_APPEND(state, "marks", "[", "{", "message", BCON_UTF8(message_id), "added",
                    BCON_INT64(effect->by), "}", "]");
    else
        BCON_APPEND(state, "marks", "[", "]");
    if (effect->op == EFFECT_SET) {
        BSON_APPEND_UTF8(state, "value", effect->value);
        mongo_put_text(state, "kept_by", message_id);
    }
    return state;
}

static bson_t *as_read(const struct store_memory_key *key, const struct mongo_entry *entry)
{
    bson_t *filter = mongo_entry_key(key);
    BSON_APPEND_OID(filter, "life", &entry->life); /* revisions begin anew where an entry was swept */
    BSON_APPEND_INT64(filter, "revision", entry->revision);
    return filter;
}

/* Adds the entry, or puts it in the place of one that is past its time. NOT_FOUND, here and below: somebody
 * else was faster. */
static enum store_status begin_anew(struct store_session *session, const char *message_id,
                                    const struct store_effect *effect, const struct mongo_entry *old)
{
    enum store_status status;
    bson_t *state = first_state(message_id, effect);
    if (old->revision == 0) {
        bson_t *document = mongo_entry_key(&effect->entry);
        bson_concat(document, state);
        BSON_APPEND_INT64(document, "revision", 1);
        status = mongo_insert(session, MONGO_MEMORY, document);
    } else {
        bson_t gone = BSON_INITIALIZER;
        BSON_APPEND_BOOL(&gone, "previous", true);
        BSON_APPEND_BOOL(&gone, "previous_expires_ms", true);
        if (!bson_has_field(state, "value"))
            BSON_APPEND_BOOL(&gone, "value", true);
        if (!bson_has_field(state, "kept_by"))
            BSON_APPEND_BOOL(&gone, "kept_by", true);
        bson_t *update = BCON_NEW("$set", BCON_DOCUMENT(state), "$unset", BCON_DOCUMENT(&gone), "$inc", "{",
                                  "revision", BCON_INT64(1), "}");
        status = mongo_update(session, MONGO_MEMORY, as_read(&effect->entry, old), update);
        bson_destroy(&gone);
    }
    bson_destroy(state);
    return status == STORE_DUPLICATE ? STORE_NOT_FOUND : status;
}

/* What most additions are: the message has no mark yet. Many add to one counter at a time, so this does not
 * depend on the revision. */
static enum store_status add_first(struct store_session *session, const char *message_id,
                                   const struct store_effect *effect, int64_t now_ms,
                                   const struct mongo_entry *entry)
{
    bson_t *filter = mongo_entry_key(&effect->entry);
    BCON_APPEND(filter, "life", BCON_OID(&entry->life), "expires_ms", "{", "$gt", BCON_INT64(now_ms), "}");
    if (effect->most != STORE_EFFECT_NO_LIMIT)
        BCON_APPEND(filter, "count", "{", "$lte", BCON_INT64(effect->most - effect->by), "}");
    bson_t *update = BCON_NEW("$inc", "{", "count", BCON_INT64(effect->by), "revision", BCON_INT64(1), "}",
                              "$max", "{", "expires_ms", BCON_INT64(effect->expires_ms), "}");
    if (message_id != NULL) {
        BCON_APPEND(filter, "moved", BCON_INT64(entry->moved), "marks.message", "{", "$ne",
                    BCON_UTF8(message_id), "}");
        BCON_APPEND(update, "$push", "{", "marks", "{", "message", BCON_UTF8(message_id), "added",
                    BCON_INT64(effect->by), "}", "}");
    }
    enum store_status status = mongo_update(session, MONGO_MEMORY, filter, update);
    if (status == STORE_OK && entry->marks + 1 >= MONGO_MARKS_HELD)
        status = mongo_entry_move_marks(session, &effect->entry);
    return status;
}

/* The message counts for another number than before. */
static enum store_status add_again(struct store_session *session, const char *message_id,
                                   const struct store_effect *effect, const struct mongo_entry *entry)
{
    char place[32];
    bson_t *update =
        BCON_NEW("$inc", "{", "count", BCON_INT64(effect->by - entry->is.added), "revision", BCON_INT64(1),
                 "}", "$max", "{", "expires_ms", BCON_INT64(effect->expires_ms), "}");
    snprintf(place, sizeof place, "marks.%d.added", entry->mark);
    if (entry->mark >= 0)
        BCON_APPEND(update, "$set", "{", place, BCON_INT64(effect->by), "}");
    else
        BCON_APPEND(update, "$push", "{", "marks", "{", "message", BCON_UTF8(message_id), "added",
                    BCON_INT64(effect->by), "}", "}");
    return mongo_update(session, MONGO_MEMORY, as_read(&effect->entry, entry), update);
}

static enum store_status add(struct store_session *session, const char *message_id,
                             const struct store_effect *effect, int64_t now_ms,
                             const struct mongo_entry *entry)
{
    if (!entry->has_mark)
        return add_first(session, message_id, effect, now_ms, entry);
    if (entry->is.added == effect->by && entry->is.expires_ms >= effect->expires_ms)
        return STORE_OK;
    return add_again(session, message_id, effect, entry);
}

struct kept {
    const char *value, *by, *previous;
    int64_t previous_expires_ms, expires_ms;
};

static void put_or_drop(bson_t *set, bson_t *unset, const char *field, const char *text)
{
    if (text != NULL)
        BSON_APPEND_UTF8(set, field, text);
    else
        BSON_APPEND_BOOL(unset, field, true);
}

static enum store_status keep(struct store_session *session, const struct store_memory_key *key,
                              const struct mongo_entry *entry, const struct kept *kept)
{
    bson_t set = BSON_INITIALIZER, unset = BSON_INITIALIZER;
    BSON_APPEND_INT64(&set, "previous_expires_ms", kept->previous_expires_ms);
    BSON_APPEND_INT64(&set, "expires_ms", kept->expires_ms);
    put_or_drop(&set, &unset, "value", kept->value);
    put_or_drop(&set, &unset, "kept_by", kept->by);
    put_or_drop(&set, &unset, "previous", kept->previous);
    bson_t *update = BCON_NEW("$set", BCON_DOCUMENT(&set), "$inc", "{", "revision", BCON_INT64(1), "}");
    if (!bson_empty(&unset))
        BSON_APPEND_DOCUMENT(update, "$unset", &unset);
    bson_destroy(&set);
    bson_destroy(&unset);
    return mongo_update(session, MONGO_MEMORY, as_read(key, entry), update);
}

/* A value, or none: it is forgotten, but what was there before still is what the message is shown. */
static enum store_status replace(struct store_session *session, const char *message_id,
                                 const struct store_effect *effect, const struct mongo_entry *entry)
{
    bool set = effect->op == EFFECT_SET;
    const struct memory_entry *is = &entry->is;
    struct kept kept = {.value = set ? effect->value : NULL,
                        .by = message_id,
                        .previous = is->own ? is->previous : is->value,
                        .previous_expires_ms = is->own ? is->previous_expires_ms : is->expires_ms,
                        .expires_ms = set ? effect->expires_ms : is->expires_ms};
    return set || is->value != NULL ? keep(session, &effect->entry, entry, &kept) : STORE_OK;
}

static enum store_status write_effect(struct store_session *session, const char *message_id,
                                      const struct store_effect *effect, int64_t now_ms,
                                      const struct mongo_entry *entry)
{
    static const struct memory_entry NOTHING = {0};
    bool kept = entry->is.expires_ms > now_ms;
    if (!effect_holds(effect, kept ? &entry->is : &NOTHING))
        return STORE_REFUSED;
    if (!kept)
        return effect->op != EFFECT_FORGET ? begin_anew(session, message_id, effect, entry) : STORE_OK;
    return effect->op == EFFECT_ADD ? add(session, message_id, effect, now_ms, entry)
                                    : replace(session, message_id, effect, entry);
}

static enum store_status overrun(struct store_session *session)
{
    bson_error_t error;
    bson_set_error(&error, MONGOC_ERROR_SERVER, WRITE_CONFLICT,
                   "too many write to one entry of the rules' memory at a time");
    return mongo_fail(session, &error);
}

enum store_status mongo_entry_apply(struct store_session *session, const char *message_id,
                                    const struct store_effect *effect, int64_t now_ms,
                                    struct mongo_entry *before)
{
    *before = (struct mongo_entry){.mark = -1};
    for (int i = 0; i < TRIES_MOST; i++) {
        mongo_entry_deinit(before);
        enum store_status status = mongo_entry_find(session, &effect->entry, message_id, before);
        if (status == STORE_OK)
            status = write_effect(session, message_id, effect, now_ms, before);
        if (status != STORE_NOT_FOUND)
            return status;
    }
    return overrun(session);
}

/* ---- taking back ---- */

static enum store_status take_back_addition(struct store_session *session, const char *message_id,
                                            const struct store_effect *effect, int64_t now_ms,
                                            const struct mongo_entry *before)
{
    struct mongo_entry found;
    struct store_effect back = {.entry = effect->entry, .op = EFFECT_ADD, .most = STORE_EFFECT_NO_LIMIT};
    back.by = message_id != NULL ? before->is.added : -effect->by;
    enum store_status status = mongo_entry_apply(session, message_id, &back, now_ms, &found);
    mongo_entry_deinit(&found);
    return status;
}

static bool is_as_left(const struct mongo_entry *entry, const char *message_id,
                       const struct mongo_entry *before)
{
    return message_id != NULL ? entry->is.own : entry->revision == before->revision + 1;
}

static enum store_status take_back_value(struct store_session *session, const char *message_id,
                                         const struct store_effect *effect, int64_t now_ms,
                                         const struct mongo_entry *before)
{
    const struct memory_entry *was = &before->is;
    bool none = was->expires_ms <= now_ms;
    struct mongo_entry entry;
    enum store_status status = mongo_entry_find_kept(session, &effect->entry, message_id, now_ms, &entry);
    struct kept kept = {.value = none ? NULL : was->value,
                        .by = none ? NULL : before->kept_by,
                        .previous = none ? NULL : was->previous,
                        .previous_expires_ms = none ? 0 : was->previous_expires_ms,
                        .expires_ms = none ? entry.is.expires_ms : was->expires_ms};
    if (status == STORE_OK && entry.revision != 0 && is_as_left(&entry, message_id, before))
        status = keep(session, &effect->entry, &entry, &kept);
    mongo_entry_deinit(&entry);
    return status;
}

enum store_status mongo_entry_take_back(struct store_session *session, const char *message_id,
                                        const struct store_effect *effect, int64_t now_ms,
                                        const struct mongo_entry *before)
{
    if (effect->op == EFFECT_ADD)
        return take_back_addition(session, message_id, effect, now_ms, before);
    enum store_status status = STORE_NOT_FOUND;
    for (int i = 0; i < TRIES_MOST && status == STORE_NOT_FOUND; i++)
        status = take_back_value(session, message_id, effect, now_ms, before);
    return status == STORE_NOT_FOUND ? overrun(session) : status;
}
