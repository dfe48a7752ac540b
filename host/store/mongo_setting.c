/* One-time states, settings, and the probe. */
#include "store/mongo.h"

#include <sodium.h>
#include <stdlib.h>

/* ---- one-time states ---- */

static enum store_status state_put(struct store_session *session, const char *state, const char *data,
                                   int64_t expires_ms)
{
    return mongo_insert(session, MONGO_STATE,
                        BCON_NEW("_id", BCON_UTF8(state), "data", BCON_UTF8(data != NULL ? data : ""),
                                 "expires_ms", BCON_INT64(expires_ms)));
}

/* A few at a time: after a long stop a sign-in must not pay for all of them. */
#define FORGOTTEN_AT_ONCE 100

static enum store_status state_take(struct store_session *session, const char *state, int64_t now_ms,
                                    char **data)
{
    bson_t before;
    bool more;
    *data = NULL;
    enum store_status status = mongo_forget(session, MONGO_STATE, FORGOTTEN_AT_ONCE, now_ms, &more);
    if (status != STORE_OK)
        return status;
    bson_t *kept = BCON_NEW("_id", BCON_UTF8(state), "expires_ms", "{", "$gt", BCON_INT64(now_ms), "}");
    status = mongo_take(session, MONGO_STATE, kept, NULL, NULL, NULL, &before);
    if (status == STORE_OK)
        *data = mongo_text(&before, "data");
    bson_destroy(&before);
    return status;
}

/* ---- settings ---- */

static bson_t *setting_name(const char *scope, const char *name)
{
    return BCON_NEW("scope", BCON_UTF8(scope), "name", BCON_UTF8(name));
}

static enum store_status setting_remove(struct store_session *session, const char *scope, const char *name)
{
    enum store_status status = mongo_remove(session, MONGO_SETTING, setting_name(scope, name));
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status setting_put(struct store_session *session, const char *scope, const char *name,
                                     const char *value, bool sealed, int64_t now_ms)
{
    if (value == NULL)
        return setting_remove(session, scope, name);
    enum store_status status;
    do
        status = mongo_upsert(session, MONGO_SETTING, setting_name(scope, name),
                              BCON_NEW("$set", "{", "value", BCON_UTF8(value), "sealed", BCON_BOOL(sealed),
                                       "updated_ms", BCON_INT64(now_ms), "}"));
    while (status == STORE_DUPLICATE);
    return status;
}

static struct store_setting read_setting(const bson_t *document)
{
    return (struct store_setting){
        .scope = mongo_text(document, "scope"),
        .name = mongo_text(document, "name"),
        .value = mongo_text(document, "value"),
        .sealed = mongo_flag(document, "sealed"),
        .updated_ms = mongo_integer(document, "updated_ms"),
    };
}

static enum store_status setting_list(struct store_session *session, const char *scope,
                                      struct store_setting_list *list)
{
    const bson_t *document;
    enum store_status status;
    bson_t *filter = bson_new();
    *list = (struct store_setting_list){0};
    mongo_put_text(filter, "scope", scope);
    mongoc_cursor_t *cursor =
        mongo_search(session, MONGO_SETTING, filter,
                     BCON_NEW("sort", "{", "scope", BCON_INT32(1), "name", BCON_INT32(1), "}"));
    while ((status = mongo_next(session, cursor, &document)) == STORE_OK) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        list->items[list->count++] = read_setting(document);
    }
    mongoc_cursor_destroy(cursor);
    if (status != STORE_NOT_FOUND)
        store_setting_list_deinit(list);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* ---- the probe ---- */

/* As much as a long message. Random, because servers compress what they keep. */
#define PROBE_BYTES 16384

static enum store_status probe(struct store_session *session, int64_t now_ms)
{
    uint8_t room[PROBE_BYTES];
    enum store_status status;
    randombytes_buf(room, sizeof room);
    do
        status = mongo_upsert(session, MONGO_PROBE, BCON_NEW("_id", BCON_INT32(1)),
                              BCON_NEW("$set", "{", "at_ms", BCON_INT64(now_ms), "room",
                                       BCON_BIN(BSON_SUBTYPE_BINARY, room, sizeof room), "}"));
    while (status == STORE_DUPLICATE);
    return status;
}

void mongo_setting_calls(struct store_backend *backend)
{
    backend->state_put = state_put;
    backend->state_take = state_take;
    backend->setting_put = setting_put;
    backend->setting_list = setting_list;
    backend->probe = probe;
}
