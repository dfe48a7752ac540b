/* Installations, and the lease that makes a token refresh single flight.
 *
 * Each call but installation_put is one update of one document. That one first gives a location whose company
 * was not known to its company, and then writes the record: stopped in between, the location is the company's
 * with its tokens of before, which the next put makes good. */
#include "store/mongo.h"

#include <stdlib.h>

/* ---- reading ---- */

static struct store_installation read_installation(const bson_t *document)
{
    return (struct store_installation){
        .company = mongo_text(document, "company"),
        .location = mongo_text(document, "location"),
        .account = mongo_text(document, "account"),
        .status = mongo_text(document, "status"),
        .reason = mongo_text(document, "reason"),
        .access_token = mongo_text(document, "access_token"),
        .refresh_token = mongo_text(document, "refresh_token"),
        .expires_ms = mongo_integer(document, "expires_ms"),
        .scopes = mongo_text(document, "scopes"),
        .user_id = mongo_text(document, "user_id"),
        .user_type = mongo_text(document, "user_type"),
        .details = mongo_text(document, "details"),
        .created_ms = mongo_integer(document, "created_ms"),
        .updated_ms = mongo_integer(document, "updated_ms"),
        .refreshed_ms = mongo_integer(document, "refreshed_ms"),
        .version = (uint64_t)mongo_integer(document, "version"),
    };
}

static enum store_status read_list(struct store_session *session, bson_t *filter, bson_t *options,
                                   struct store_installation_list *list)
{
    const bson_t *document;
    enum store_status status;
    *list = (struct store_installation_list){0};
    mongoc_cursor_t *cursor = mongo_search(session, MONGO_INSTALLATION, filter, options);
    while ((status = mongo_next(session, cursor, &document)) == STORE_OK) {
        list->items = memory_resize(list->items, (list->count + 1) * sizeof *list->items);
        list->items[list->count++] = read_installation(document);
    }
    mongoc_cursor_destroy(cursor);
    if (status != STORE_NOT_FOUND)
        store_installation_list_deinit(list);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static bson_t *key_of(const char *company, const char *location)
{
    return BCON_NEW("company", BCON_UTF8(company), "location", BCON_UTF8(location));
}

/* Where several companies claim one location, the one that was heard of last. */
static enum store_status installation_get(struct store_session *session, const char *company,
                                          const char *location, struct store_installation *installation)
{
    bson_t found;
    *installation = (struct store_installation){0};
    if (company == NULL && *location == '\0')
        return STORE_NOT_FOUND;
    bson_t *filter = company != NULL ? key_of(company, location) : BCON_NEW("location", BCON_UTF8(location));
    enum store_status status = mongo_find(session, MONGO_INSTALLATION, filter,
                                          BCON_NEW("sort", "{", "updated_ms", BCON_INT32(-1), "}"), &found);
    if (status == STORE_OK)
        *installation = read_installation(&found);
    bson_destroy(&found);
    return status;
}

static enum store_status installation_list(struct store_session *session, const char *company,
                                           struct store_installation_list *list)
{
    bson_t *filter = bson_new();
    mongo_put_text(filter, "company", company);
    return read_list(session, filter,
                     BCON_NEW("sort", "{", "company", BCON_INT32(1), "location", BCON_INT32(1), "}"), list);
}

static enum store_status installation_expiring(struct store_session *session, int64_t before_ms,
                                               unsigned limit, struct store_installation_list *list)
{
    *list = (struct store_installation_list){0};
    if (limit == 0)
        return STORE_OK; /* which MongoDB takes for "all" */
    return read_list(session,
                     BCON_NEW("status", BCON_UTF8("connected"), "refresh_token", "{", "$exists",
                              BCON_BOOL(true), "}", "expires_ms", "{", "$lt", BCON_INT64(before_ms), "}"),
                     BCON_NEW("sort", "{", "expires_ms", BCON_INT32(1), "}", "limit", BCON_INT64(limit)),
                     list);
}

/* ---- adding ---- */

static enum store_status drop_orphan(struct store_session *session, const char *location)
{
    enum store_status status = mongo_remove(session, MONGO_INSTALLATION, key_of("", location));
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* A location whose company was not known becomes the company's, with its history. */
static enum store_status adopt(struct store_session *session, const char *company, const char *location)
{
    enum store_status status = mongo_update(session, MONGO_INSTALLATION, key_of("", location),
                                            BCON_NEW("$set", "{", "company", BCON_UTF8(company), "}"));
    if (status == STORE_DUPLICATE)
        return drop_orphan(session, location);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* The other way round: a record without a company belongs to the company that is known. The caller frees. */
static enum store_status find_company(struct store_session *session, const char *location, char **company)
{
    bson_t found;
    enum store_status status =
        mongo_find(session, MONGO_INSTALLATION,
                   BCON_NEW("location", BCON_UTF8(location), "company", "{", "$gt", BCON_UTF8(""), "}"),
                   BCON_NEW("sort", "{", "updated_ms", BCON_INT32(-1), "}"), &found);
    *company = status == STORE_OK ? mongo_text(&found, "company") : text_duplicate("");
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static void put_or_drop(bson_t *set, bson_t *unset, const char *field, const char *text)
{
    if (text != NULL)
        BSON_APPEND_UTF8(set, field, text);
    else
        BSON_APPEND_BOOL(unset, field, true);
}

static bson_t *whole_record(const struct store_installation *installation, int64_t now_ms)
{
    bson_t *set = BCON_NEW("expires_ms", BCON_INT64(installation->expires_ms), "updated_ms",
                           BCON_INT64(now_ms), "refreshed_ms", BCON_INT64(installation->refreshed_ms));
    bson_t *unset = BCON_NEW("refresh_owner", BCON_BOOL(true), "refresh_until_ms", BCON_BOOL(true));
    BSON_APPEND_UTF8(set, "status", installation->status != NULL ? installation->status : "connected");
    put_or_drop(set, unset, "account", installation->account);
    put_or_drop(set, unset, "reason", installation->reason);
    put_or_drop(set, unset, "access_token", installation->access_token);
    put_or_drop(set, unset, "refresh_token", installation->refresh_token);
    put_or_drop(set, unset, "scopes", installation->scopes);
    put_or_drop(set, unset, "user_id", installation->user_id);
    put_or_drop(set, unset, "user_type", installation->user_type);
    put_or_drop(set, unset, "details", installation->details);
    bson_t *update =
        BCON_NEW("$set", BCON_DOCUMENT(set), "$unset", BCON_DOCUMENT(unset), "$inc", "{", "version",
                 BCON_INT64(1), "}", "$setOnInsert", "{", "created_ms", BCON_INT64(now_ms), "}");
    bson_destroy(set);
    bson_destroy(unset);
    return update;
}

static enum store_status put_record(struct store_session *session, const char *company,
                                    const struct store_installation *installation, int64_t now_ms)
{
    enum store_status status;
    do
        status = mongo_upsert(session, MONGO_INSTALLATION, key_of(company, installation->location),
                              whole_record(installation, now_ms));
    while (status == STORE_DUPLICATE);
    return status;
}

static enum store_status put(struct store_session *session, const struct store_installation *installation,
                             int64_t now_ms)
{
    const char *company = installation->company != NULL ? installation->company : "";
    if (*installation->location == '\0')
        return put_record(session, company, installation, now_ms);
    if (*company != '\0') {
        enum store_status status = adopt(session, company, installation->location);
        return status == STORE_OK ? put_record(session, company, installation, now_ms) : status;
    }
    char *known = NULL;
    enum store_status status = find_company(session, installation->location, &known);
    if (status == STORE_OK)
        status = put_record(session, known, installation, now_ms);
    free(known);
    return status;
}

static enum store_status installation_put(struct store_session *session,
                                          const struct store_installation *installation, int64_t now_ms)
{
    if (installation->location == NULL)
        return store_session_refuse(session, "an installation needs a location, \"\" for the company's own");
    return put(session, installation, now_ms);
}

/* ---- changing ---- */

/* Of an update whose filter holds the caller's claim: no match means CONFLICT, or NOT_FOUND where there is no
 * such installation at all. */
static enum store_status told_apart(struct store_session *session, enum store_status status,
                                    const char *company, const char *location)
{
    bson_t found;
    if (status != STORE_NOT_FOUND)
        return status;
    status = mongo_find(session, MONGO_INSTALLATION, key_of(company, location),
                        BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}"), &found);
    bson_destroy(&found);
    return status == STORE_OK ? STORE_CONFLICT : status;
}

static enum store_status installation_refresh_begin(struct store_session *session, const char *company,
                                                    const char *location, uint64_t version, const char *owner,
                                                    int64_t now_ms, int64_t lease_ms)
{
    bson_t *free_of_lease = key_of(company, location);
    BCON_APPEND(free_of_lease, "version", BCON_INT64((int64_t)version), "$or", "[", "{", "refresh_owner", "{",
                "$exists", BCON_BOOL(false), "}", "}", "{", "refresh_until_ms", "{", "$lte",
                BCON_INT64(now_ms), "}", "}", "]");
    enum store_status status = mongo_update(session, MONGO_INSTALLATION, free_of_lease,
                                            BCON_NEW("$set", "{", "refresh_owner", BCON_UTF8(owner),
                                                     "refresh_until_ms", BCON_INT64(now_ms + lease_ms), "}"));
    return told_apart(session, status, company, location);
}

static bson_t *held_by(const char *company, const char *location, const char *owner)
{
    bson_t *filter = key_of(company, location);
    BSON_APPEND_UTF8(filter, "refresh_owner", owner);
    return filter;
}

/* Ends the lease. `set` is taken over. */
static bson_t *ending_lease(bson_t *set, bool drops_reason)
{
    bson_t *unset = BCON_NEW("refresh_owner", BCON_BOOL(true), "refresh_until_ms", BCON_BOOL(true));
    if (drops_reason)
        BSON_APPEND_BOOL(unset, "reason", true);
    bson_t *update = BCON_NEW("$set", BCON_DOCUMENT(set), "$unset", BCON_DOCUMENT(unset));
    bson_destroy(set);
    bson_destroy(unset);
    return update;
}

/* What was removed stays removed: two updates, one of which finds its installation. The one for installations
 * in use goes first, so that a removal between the two is found by the second. */
static enum store_status end_refresh(struct store_session *session, const char *company, const char *location,
                                     const char *owner, bson_t *in_use, bson_t *removed)
{
    bson_t *filter = held_by(company, location, owner);
    BCON_APPEND(filter, "status", "{", "$ne", BCON_UTF8("removed"), "}");
    enum store_status status = mongo_update(session, MONGO_INSTALLATION, filter, in_use);
    if (status != STORE_NOT_FOUND) {
        bson_destroy(removed);
        return status;
    }
    filter = held_by(company, location, owner);
    BSON_APPEND_UTF8(filter, "status", "removed");
    status = mongo_update(session, MONGO_INSTALLATION, filter, removed);
    return told_apart(session, status, company, location);
}

struct pair {
    const char *access_token, *refresh_token, *scopes;
    int64_t expires_ms, now_ms;
};

static bson_t *storing_pair(const struct pair *pair, bool removed)
{
    bson_t *set = BCON_NEW("expires_ms", BCON_INT64(pair->expires_ms), "refreshed_ms",
                           BCON_INT64(pair->now_ms), "updated_ms", BCON_INT64(pair->now_ms));
    mongo_put_text(set, "access_token", pair->access_token);
    mongo_put_text(set, "refresh_token", pair->refresh_token);
    mongo_put_text(set, "scopes", pair->scopes);
    if (!removed)
        BSON_APPEND_UTF8(set, "status", "connected");
    bson_t *update = ending_lease(set, !removed);
    BCON_APPEND(update, "$inc", "{", "version", BCON_INT64(1), "}");
    return update;
}

static enum store_status installation_refreshed(struct store_session *session, const char *company,
                                                const char *location, const char *owner,
                                                const char *access_token, const char *refresh_token,
                                                int64_t expires_ms, const char *scopes, int64_t now_ms)
{
    struct pair pair = {access_token, refresh_token, scopes, expires_ms, now_ms};
    return end_refresh(session, company, location, owner, storing_pair(&pair, false),
                       storing_pair(&pair, true));
}

static bson_t *turning_invalid(const char *reason, int64_t now_ms)
{
    bson_t *set = BCON_NEW("updated_ms", BCON_INT64(now_ms), "status", BCON_UTF8("invalid"));
    mongo_put_text(set, "reason", reason);
    return ending_lease(set, reason == NULL);
}

static enum store_status installation_refresh_failed(struct store_session *session, const char *company,
                                                     const char *location, const char *owner,
                                                     const char *reason, bool invalid, int64_t now_ms)
{
    bson_t *ended = ending_lease(BCON_NEW("updated_ms", BCON_INT64(now_ms)), false);
    if (invalid)
        return end_refresh(session, company, location, owner, turning_invalid(reason, now_ms), ended);
    enum store_status status =
        mongo_update(session, MONGO_INSTALLATION, held_by(company, location, owner), ended);
    return told_apart(session, status, company, location);
}

static enum store_status installation_set_status(struct store_session *session, const char *company,
                                                 const char *location, const char *status, const char *reason,
                                                 int64_t now_ms)
{
    bson_t *set = BCON_NEW("status", BCON_UTF8(status), "updated_ms", BCON_INT64(now_ms));
    mongo_put_text(set, "reason", reason);
    bson_t *update = BCON_NEW("$set", BCON_DOCUMENT(set));
    if (reason == NULL)
        BCON_APPEND(update, "$unset", "{", "reason", BCON_BOOL(true), "}");
    bson_destroy(set);
    return mongo_update(session, MONGO_INSTALLATION, key_of(company, location), update);
}

static enum store_status installation_reseal(struct store_session *session, const char *company,
                                             const char *location, uint64_t version, const char *access_token,
                                             const char *refresh_token)
{
    bson_t *as_read = key_of(company, location);
    BSON_APPEND_INT64(as_read, "version", (int64_t)version);
    bson_t *set = BCON_NEW("version", BCON_INT64((int64_t)version));
    mongo_put_text(set, "access_token", access_token);
    mongo_put_text(set, "refresh_token", refresh_token);
    enum store_status status =
        mongo_update(session, MONGO_INSTALLATION, as_read, BCON_NEW("$set", BCON_DOCUMENT(set)));
    bson_destroy(set);
    return told_apart(session, status, company, location);
}

void mongo_installation_calls(struct store_backend *backend)
{
    backend->installation_put = installation_put;
    backend->installation_get = installation_get;
    backend->installation_list = installation_list;
    backend->installation_expiring = installation_expiring;
    backend->installation_refresh_begin = installation_refresh_begin;
    backend->installation_refreshed = installation_refreshed;
    backend->installation_refresh_failed = installation_refresh_failed;
    backend->installation_set_status = installation_set_status;
    backend->installation_reseal = installation_reseal;
}
