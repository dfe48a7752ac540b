/* The list of messages: newest first, filtered, in pages of bounded work. */
#include "store/mongo_message.h"

#include <stdlib.h>
#include <string.h>

/* ---- what matches ---- */

static bool matches_fields(const struct store_message_filter *filter, const struct store_message *message)
{
    if (filter->state >= 0 && (int)message->state != filter->state)
        return false;
    if (filter->location != NULL && strcmp(message->location, filter->location) != 0)
        return false;
    if (message->created_ms < filter->since_ms)
        return false;
    return filter->until_ms == 0 || message->created_ms < filter->until_ms;
}

static bool matches(const struct store_message_filter *filter, const struct store_message *message,
                    bool by_words)
{
    if (!matches_fields(filter, message))
        return false;
    if (filter->query == NULL || !by_words)
        return true;
    struct slice words = slice_from(filter->query);
    return slice_holds_ignoring_case((struct slice){message->payload, message->payload_length}, words) ||
           slice_holds_ignoring_case(slice_from(message->sent), words);
}

/* ---- walking ---- */

/* Ids on the page: below the cursor, and not below the first of `since_ms`. */
static bson_t *page_filter(const struct store_message_filter *filter, int64_t before)
{
    return BCON_NEW("_id", "{", "$lt", BCON_INT64(before), "$gte",
                    BCON_INT64(mongo_first_id(filter->since_ms)), "}");
}

/* Takes what matches until the page is full and one more match is seen, so that `next` promises no empty
 * page, or until the bound. Returns whether there is more to come. */
static bool walk_on(const struct store_message_filter *filter, size_t limit, bool by_words,
                    struct store_message *message, unsigned examined, struct store_message_list *list)
{
    bool found = matches(filter, message, by_words);
    bool full = found && list->count == limit;
    if (full)
        strcpy(list->next, list->items[limit - 1].id);
    else if (examined == STORE_LIST_EXAMINED_MOST)
        strcpy(list->next, message->id);
    if (found && !full)
        list->items[list->count++] = *message;
    else
        store_message_deinit(message);
    return list->next[0] == '\0';
}

/* `which` goes to the server; the rest is looked at here, so that what does not match is counted too. */
static enum store_status walk(struct store_session *session, const struct store_message_filter *filter,
                              bson_t *which, size_t limit, bool by_words, struct store_message_list *list)
{
    const bson_t *document;
    enum store_status status;
    unsigned examined = 0;
    bool more = true;
    mongoc_cursor_t *cursor = mongo_search(session, MONGO_MESSAGE, which,
                                           BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}", "limit",
                                                    BCON_INT64(STORE_LIST_EXAMINED_MOST), "projection", "{",
                                                    "events", BCON_INT32(0), "}"));
    while (more && (status = mongo_next(session, cursor, &document)) == STORE_OK) {
        struct store_message message;
        mongo_message_read(document, &message);
        more = walk_on(filter, limit, by_words, &message, ++examined, list);
    }
    mongoc_cursor_destroy(cursor);
    return !more || status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status find_exactly(struct store_session *session,
                                      const struct store_message_filter *filter, int64_t before, size_t limit,
                                      struct store_message_list *list)
{
    int64_t id;
    enum store_status status = STORE_OK;
    if (store_id_parse(filter->query, &id) == 0) {
        bson_t *which = page_filter(filter, before);
        BCON_APPEND(which, "$and", "[", "{", "_id", BCON_INT64(id), "}", "]");
        status = walk(session, filter, which, limit, false, list);
    }
    if (status != STORE_OK || list->count > 0)
        return status;
    bson_t *which = page_filter(filter, before);
    BSON_APPEND_UTF8(which, "external_id", filter->query);
    return walk(session, filter, which, limit, false, list);
}

static enum store_status find_page(struct store_session *session, const struct store_message_filter *filter,
                                   int64_t before, size_t limit, struct store_message_list *list)
{
    if (filter->query != NULL) {
        enum store_status status = find_exactly(session, filter, before, limit, list);
        if (status != STORE_OK || list->count > 0)
            return status;
    }
    bson_t *which = page_filter(filter, before);
    if (filter->state == MESSAGE_REJECTED || filter->state == MESSAGE_DEAD)
        BSON_APPEND_INT32(which, "state", filter->state);
    else if (filter->location != NULL)
        BSON_APPEND_UTF8(which, "location", filter->location);
    return walk(session, filter, which, limit, true, list);
}

static enum store_status message_list(struct store_session *session,
                                      const struct store_message_filter *filter,
                                      struct store_message_list *list)
{
    int64_t before = INT64_MAX;
    size_t limit = filter->limit < 1 ? 1 : filter->limit > 500 ? 500 : filter->limit;
    *list = (struct store_message_list){0};
    if (filter->cursor != NULL && store_id_parse(filter->cursor, &before) != 0)
        return STORE_NOT_FOUND;
    list->items = memory_allocate(limit * sizeof *list->items);
    enum store_status status = find_page(session, filter, before, limit, list);
    if (status != STORE_OK)
        store_message_list_deinit(list);
    return status;
}

void mongo_list_calls(struct store_backend *backend)
{
    backend->message_list = message_list;
}
