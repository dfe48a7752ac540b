/* Entries of the rules' memory: finding them, and moving their marks out. */
#include "store/mongo_memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

bson_t *mongo_entry_key(const struct store_memory_key *key)
{
    return BCON_NEW("_id", "{", "scope", BCON_UTF8(key->scope), "name", BCON_UTF8(key->name), "key",
                    BCON_UTF8(key->key), "}");
}

/* Ids are texts here: the life's digits are always as many, so that the message's follow without a sign. */
static bson_t *mark_key(const bson_oid_t *life, const char *message_id)
{
    char digits[25];
    struct buffer id = {0};
    bson_oid_to_string(life, digits);
    buffer_append_text(&id, digits);
    buffer_append_text(&id, message_id);
    bson_t *key = BCON_NEW("_id", BCON_UTF8(id.data));
    buffer_deinit(&id);
    return key;
}

void mongo_entry_deinit(struct mongo_entry *entry)
{
    memory_entry_deinit(&entry->is);
    free(entry->kept_by);
    *entry = (struct mongo_entry){.mark = -1};
}

static bool next_document(bson_iter_t *at, bson_t *document)
{
    const uint8_t *data;
    uint32_t length;
    if (!bson_iter_next(at) || !BSON_ITER_HOLDS_DOCUMENT(at))
        return false;
    bson_iter_document(at, &length, &data);
    return bson_init_static(document, data, length);
}

static bool marks_of(const bson_t *document, bson_t *marks)
{
    bson_iter_t at;
    const uint8_t *data;
    uint32_t length;
    if (!bson_iter_init_find(&at, document, "marks") || !BSON_ITER_HOLDS_ARRAY(&at))
        return false;
    bson_iter_array(&at, &length, &data);
    return bson_init_static(marks, data, length);
}

static void read_marks(const bson_t *document, const char *message_id, struct mongo_entry *entry)
{
    bson_t marks, mark;
    bson_iter_t at;
    if (!marks_of(document, &marks) || !bson_iter_init(&at, &marks))
        return;
    for (; next_document(&at, &mark); entry->marks++) {
        char *message = mongo_text(&mark, "message");
        if (message_id != NULL && message != NULL && strcmp(message, message_id) == 0) {
            entry->mark = (int)entry->marks;
            entry->is.added = mongo_integer(&mark, "added");
        }
        free(message);
    }
    entry->has_mark = entry->mark >= 0;
}

static void read_entry(const bson_t *document, const char *message_id, struct mongo_entry *entry)
{
    bson_iter_t life;
    entry->revision = mongo_integer(document, "revision");
    entry->moved = mongo_integer(document, "moved");
    if (bson_iter_init_find(&life, document, "life") && BSON_ITER_HOLDS_OID(&life))
        bson_oid_copy(bson_iter_oid(&life), &entry->life);
    entry->kept_by = mongo_text(document, "kept_by");
    entry->is = (struct memory_entry){
        .count = mongo_integer(document, "count"),
        .value = mongo_text(document, "value"),
        .previous = mongo_text(document, "previous"),
        .own = message_id != NULL && entry->kept_by != NULL && strcmp(entry->kept_by, message_id) == 0,
        .previous_expires_ms = mongo_integer(document, "previous_expires_ms"),
        .expires_ms = mongo_integer(document, "expires_ms"),
    };
    read_marks(document, message_id, entry);
}

/* The message's mark, where it has moved out of the entry. */
static enum store_status find_mark(struct store_session *session, const char *message_id,
                                   struct mongo_entry *entry)
{
    bson_t found;
    if (message_id == NULL || entry->has_mark || entry->moved == 0)
        return STORE_OK;
    enum store_status status =
        mongo_find(session, MONGO_MARK, mark_key(&entry->life, message_id), NULL, &found);
    entry->has_mark = status == STORE_OK;
    entry->is.added = mongo_integer(&found, "added");
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

enum store_status mongo_entry_find(struct store_session *session, const struct store_memory_key *key,
                                   const char *message_id, struct mongo_entry *entry)
{
    bson_t found;
    *entry = (struct mongo_entry){.mark = -1};
    enum store_status status = mongo_find(session, MONGO_MEMORY, mongo_entry_key(key), NULL, &found);
    if (status == STORE_OK) {
        read_entry(&found, message_id, entry);
        status = find_mark(session, message_id, entry);
        entry->is.count -= entry->is.added;
    }
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

enum store_status mongo_entry_find_kept(struct store_session *session, const struct store_memory_key *key,
                                        const char *message_id, int64_t now_ms, struct mongo_entry *entry)
{
    enum store_status status = mongo_entry_find(session, key, message_id, entry);
    if (entry->is.expires_ms <= now_ms)
        mongo_entry_deinit(entry);
    return status;
}

enum store_status mongo_entry_lives(struct store_session *session, const bson_t *mark, int64_t now_ms,
                                    int64_t *until_ms)
{
    bson_t found;
    bson_iter_t key, mark_life, life;
    *until_ms = 0;
    if (!bson_iter_init_find(&key, mark, "entry") || !bson_iter_init_find(&mark_life, mark, "life"))
        return STORE_OK;
    bson_t *filter = bson_new();
    bson_append_iter(filter, "_id", -1, &key);
    enum store_status status = mongo_find(session, MONGO_MEMORY, filter, NULL, &found);
    int64_t expires_ms = mongo_integer(&found, "expires_ms");
    if (status == STORE_OK && expires_ms > now_ms && bson_iter_init_find(&life, &found, "life") &&
        bson_oid_equal(bson_iter_oid(&life), bson_iter_oid(&mark_life)))
        *until_ms = expires_ms;
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* ---- marks that move out ---- */

/* A mark that is there from a later state of the entry stays as it is: the filter then finds none, and adding
 * one is refused. A second try tells that from somebody who added an earlier one at the same time. */
static enum store_status put_mark(struct store_session *session, const struct store_memory_key *key,
                                  const struct mongo_entry *entry, const bson_t *mark)
{
    char *message = mongo_text(mark, "message");
    enum store_status status = STORE_DUPLICATE;
    for (int i = 0; i < 2 && status == STORE_DUPLICATE && message != NULL; i++) {
        bson_t *filter = mark_key(&entry->life, message);
        BCON_APPEND(filter, "revision", "{", "$lt", BCON_INT64(entry->revision), "}");
        status = mongo_upsert(session, MONGO_MARK, filter,
                              BCON_NEW("$set", "{", "added", BCON_INT64(mongo_integer(mark, "added")),
                                       "revision", BCON_INT64(entry->revision), "life",
                                       BCON_OID(&entry->life), "expires_ms", BCON_INT64(entry->is.expires_ms),
                                       "entry", "{", "scope", BCON_UTF8(key->scope), "name",
                                       BCON_UTF8(key->name), "key", BCON_UTF8(key->key), "}", "}"));
    }
    free(message);
    return status == STORE_DUPLICATE ? STORE_OK : status;
}

static enum store_status put_marks(struct store_session *session, const struct store_memory_key *key,
                                   const struct mongo_entry *entry, const bson_t *marks)
{
    bson_t mark;
    bson_iter_t at;
    enum store_status status = STORE_OK;
    bson_iter_init(&at, marks);
    while (status == STORE_OK && next_document(&at, &mark))
        status = put_mark(session, key, entry, &mark);
    return status;
}

/* First beside, then out of the entry, and only such as are still as they were read. Stopping in between
 * leaves marks in both places, which say the same. */
static enum store_status move_out(struct store_session *session, const struct store_memory_key *key,
                                  const struct mongo_entry *entry, const bson_t *marks)
{
    enum store_status status = put_marks(session, key, entry, marks);
    if (status != STORE_OK)
        return status;
    bson_t *same_life = mongo_entry_key(key);
    BSON_APPEND_OID(same_life, "life", &entry->life);
    return mongo_update(session, MONGO_MEMORY, same_life,
                        BCON_NEW("$pullAll", "{", "marks", BCON_ARRAY(marks), "}", "$inc", "{", "moved",
                                 BCON_INT64(1), "revision", BCON_INT64(1), "}"));
}

enum store_status mongo_entry_move_marks(struct store_session *session, const struct store_memory_key *key)
{
    bson_t found, marks;
    struct mongo_entry entry = {.mark = -1};
    enum store_status status = mongo_find(session, MONGO_MEMORY, mongo_entry_key(key), NULL, &found);
    if (status == STORE_OK && marks_of(&found, &marks)) {
        read_entry(&found, NULL, &entry);
        status = move_out(session, key, &entry, &marks);
    }
    mongo_entry_deinit(&entry);
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}
