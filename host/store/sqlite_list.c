/* The list of messages: newest first, filtered, in pages of bounded work. */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

/* ---- text within text ---- */

static struct slice slice_of(sqlite3_value *value)
{
    const void *data = sqlite3_value_blob(value);
    return (struct slice){data, (size_t)sqlite3_value_bytes(value)};
}

/* holds(text, words): LIKE stops at a NUL byte, takes % and _ for more than they are, and refuses long
 * patterns. */
static void sql_holds(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    sqlite3_result_int(context, slice_holds_ignoring_case(slice_of(values[0]), slice_of(values[1])));
}

int sqlite_list_functions(sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "holds", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                      NULL, sql_holds, NULL, NULL, NULL);
}

/* ---- pages ---- */

/* Each row says whether it matches, so that those that do not are counted too. CASE stops at the first that
 * is false; AND would read the texts of every row. */
#define MATCHES                                                                                      \
    "CASE WHEN ?2 >= 0 AND state <> ?2 THEN 0 WHEN ?3 IS NOT NULL AND message.location <> ?3 THEN 0" \
    " WHEN created_ms < ?6 OR created_ms >= ?7 THEN 0"                                               \
    " WHEN ?4 IS NULL THEN 1 WHEN holds(payload, ?4) THEN 1 ELSE holds(coalesce(sent, ''), ?4) END"

#define MATCHES_EXACTLY                                        \
    "(?2 < 0 OR state = ?2) AND (?3 IS NULL OR location = ?3)" \
    " AND created_ms >= ?6 AND created_ms < ?7"
/* ?8 is the first id of the time ?6: what is older is not walked through. */
#define ON_PAGE " id < ?1 AND id >= ?8 ORDER BY id DESC"

static const char WALK[] = "SELECT id, " MATCHES " FROM message WHERE" ON_PAGE;
static const char WALK_FAILED[] = "SELECT id, " MATCHES " FROM message INDEXED BY message_failed"
                                  " WHERE state IN (6, 7) AND state = ?2 AND" ON_PAGE;
/* Block by block of those in which the location has messages. */
static const char WALK_PLACE[] =
    "SELECT id, " MATCHES " FROM message_place AS place CROSS JOIN message"
    " ON id >= max(place.block << 38, ?8) AND id < min((place.block + 1) << 38, ?1)"
    " WHERE place.location = ?3 AND place.block <= ?1 >> 38 AND place.block >= ?8 >> 38"
    " ORDER BY place.block DESC, id DESC";
static const char WALK_EXACT[] = "SELECT id, " MATCHES_EXACTLY " AND external_id = ?4 FROM message"
                                 " WHERE external_hash = ?5 AND" ON_PAGE;

struct page {
    int64_t ids[500];
    size_t count;
    int64_t next; /* ids below it are on the next page; 0: there is none */
};

/* Walks until the page is full and one more match is seen, so that `next` promises no empty page, or until
 * the bound. */
static enum store_status walk(struct store_session *session, sqlite3_stmt *s, size_t limit, struct page *page)
{
    enum store_status status;
    unsigned examined = 0;
    *page = (struct page){0};
    while ((status = sqlite_next(session, s)) == STORE_OK) {
        int64_t id = sqlite3_column_int64(s, 0);
        bool matches = sqlite3_column_int(s, 1) != 0;
        if (matches && page->count == limit) {
            page->next = page->ids[limit - 1];
            break;
        }
        if (matches)
            page->ids[page->count++] = id;
        if (++examined == STORE_LIST_EXAMINED_MOST) {
            page->next = id;
            break;
        }
    }
    if (status == STORE_OK)
        sqlite3_reset(s);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static sqlite3_stmt *bind_filter(struct store_session *session, const char *sql,
                                 const struct store_message_filter *filter, int64_t before)
{
    sqlite3_stmt *s = sqlite_statement(session, sql);
    sqlite3_bind_int64(s, 1, before);
    sqlite3_bind_int(s, 2, filter->state);
    sqlite_bind_text(s, 3, filter->location);
    sqlite_bind_text(s, 4, filter->query);
    sqlite3_bind_int64(s, 6, filter->since_ms);
    sqlite3_bind_int64(s, 7, filter->until_ms != 0 ? filter->until_ms : INT64_MAX);
    sqlite3_bind_int64(s, 8, sqlite_first_id(filter->since_ms));
    return s;
}

static enum store_status find_by_id(struct store_session *session, const struct store_message_filter *filter,
                                    int64_t before, size_t limit, struct page *page)
{
    static const char BY_ID[] =
        "SELECT id, " MATCHES_EXACTLY " AND ?4 IS NOT NULL FROM message WHERE id = ?5 AND" ON_PAGE;
    int64_t id;
    *page = (struct page){0};
    if (store_id_parse(filter->query, &id) != 0)
        return STORE_OK;
    sqlite3_stmt *s = bind_filter(session, BY_ID, filter, before);
    sqlite3_bind_int64(s, 5, id);
    return walk(session, s, limit, page);
}

static enum store_status find_by_external_id(struct store_session *session,
                                             const struct store_message_filter *filter, int64_t before,
                                             size_t limit, struct page *page)
{
    sqlite3_stmt *s = bind_filter(session, WALK_EXACT, filter, before);
    sqlite3_bind_int64(s, 5, sqlite_external_hash(filter->query));
    return walk(session, s, limit, page);
}

static enum store_status find_page(struct store_session *session, const struct store_message_filter *filter,
                                   int64_t before, size_t limit, struct page *page)
{
    enum store_status status = STORE_OK;
    page->count = 0;
    if (filter->query != NULL)
        status = find_by_id(session, filter, before, limit, page);
    if (filter->query != NULL && status == STORE_OK && page->count == 0)
        status = find_by_external_id(session, filter, before, limit, page);
    if (status != STORE_OK || page->count > 0)
        return status;
    bool failed = filter->state == MESSAGE_REJECTED || filter->state == MESSAGE_DEAD;
    const char *sql = failed ? WALK_FAILED : filter->location != NULL ? WALK_PLACE : WALK;
    return walk(session, bind_filter(session, sql, filter, before), limit, page);
}

static enum store_status load_page(struct store_session *session, const struct page *page,
                                   struct store_message_list *list)
{
    enum store_status status = STORE_OK;
    list->items = memory_allocate(page->count * sizeof *list->items);
    for (size_t i = 0; status == STORE_OK && i < page->count; i++) {
        status = sqlite_message_load(session, page->ids[i], &list->items[i]);
        list->count += status == STORE_OK;
    }
    if (status == STORE_OK && page->next != 0)
        store_id_format(page->next, list->next);
    return status;
}

static enum store_status message_list(struct store_session *session,
                                      const struct store_message_filter *filter,
                                      struct store_message_list *list)
{
    struct page page;
    int64_t before = INT64_MAX;
    size_t limit = filter->limit < 1 ? 1 : filter->limit > 500 ? 500 : filter->limit;
    *list = (struct store_message_list){0};
    if (filter->cursor != NULL && store_id_parse(filter->cursor, &before) != 0)
        return STORE_NOT_FOUND;
    enum store_status status = sqlite_read_begin(session);
    if (status != STORE_OK)
        return status;
    status = find_page(session, filter, before, limit, &page);
    if (status == STORE_OK)
        status = load_page(session, &page, list);
    status = sqlite_end(session, status);
    if (status != STORE_OK)
        store_message_list_deinit(list);
    return status;
}

void sqlite_list_calls(struct store_backend *backend)
{
    backend->message_list = message_list;
}
