/* What the files of the MongoDB backend share: the connection behind a session, its collections, and one way
 * to do each kind of operation. Private to host/store/mongo*.c and their tests.
 *
 * A session holds one client of the store's pool from its opening to its end. Every write is acknowledged by
 * the majority of the replica set, with its journal written (a standalone server is a majority of one), and
 * is repeated once by the driver where the server has sessions. Reads are of the primary. There are no
 * transactions over several documents: a call of store.h changes one document, and where it touches more, it
 * is written so that stopping between any two of its steps leaves a state that a later call makes good; that
 * is said where it is so.
 *
 * A document that is read, decided upon and written is written on the condition that its `revision` is still
 * the one that was read; every write to it adds one.
 *
 * MongoDB leaves an effect unknown where the answer to a write is lost. Such a call answers STORE_BUSY though
 * it may have happened.
 *
 * The functions here (mongo_operation.c, mongo_field.c) take over the `bson_t *` they are given, so that a
 * call reads in one piece:
 *
 *     mongo_update(session, MONGO_MESSAGE, BCON_NEW("_id", BCON_INT64(id)), BCON_NEW("$set", "{", ..., "}"))
 */
#ifndef STORE_MONGO_H
#define STORE_MONGO_H

#include <mongoc/mongoc.h>
#include <stdatomic.h>

#include "store/backend.h"

enum mongo_collection {
    MONGO_SCHEMA,
    MONGO_MESSAGE,
    MONGO_INSTALLATION,
    MONGO_STATE,
    MONGO_SETTING,
    MONGO_MEMORY,
    MONGO_MARK,
    MONGO_RULES,
    MONGO_SOURCE,
    MONGO_REVISION,
    MONGO_PROBE,
    MONGO_COLLECTIONS,
};
const char *mongo_collection_name(enum mongo_collection collection);

struct mongo_store {
    struct store base;
    mongoc_client_pool_t *pool;
    char *database;
    _Atomic int64_t last_id; /* the newest that this process gave to a message */
};

/* A claim that failed and may have happened all the same (mongo_claim.c). */
struct mongo_lost_claim {
    char *location; /* NULL: there is none */
    enum message_track track;
    int64_t token, until_ms;
};

struct mongo_session {
    struct store_session base;
    struct mongo_store *store;
    mongoc_client_t *client;
    mongoc_collection_t *collections[MONGO_COLLECTIONS];
    struct mongo_lost_claim lost;
};

static inline struct mongo_session *mongo_session(struct store_session *session)
{
    return (struct mongo_session *)session;
}

/* ---- operations ---- */

/* All answer BUSY (the server is away, is changing its primary, or took too long), FULL or FAILED with a
 * sentence noted, and inside a broken batch what broke it. */

/* NOT_FOUND, or the first match, which the caller destroys; `options` as mongoc_collection_find_with_opts
 * takes them ("projection", "sort"), or NULL. Where it is not OK, `found` is an empty document. */
enum store_status mongo_find(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                             bson_t *options, bson_t *found);

/* Many: mongo_next until it is not OK; NOT_FOUND is the end. `document` is the cursor's and lives until the
 * next call. */
mongoc_cursor_t *mongo_search(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                              bson_t *options);
enum store_status mongo_next(struct store_session *session, mongoc_cursor_t *cursor, const bson_t **document);

/* DUPLICATE where a unique index has it already; what is there is then as durable as if this call had written
 * it (the server waits for the write concern also where a write fails). */
enum store_status mongo_insert(struct store_session *session, enum mongo_collection collection,
                               bson_t *document);

/* One document. NOT_FOUND where none matches the filter. */
enum store_status mongo_update(struct store_session *session, enum mongo_collection collection,
                               bson_t *filter, bson_t *update);
/* As mongo_update, but adds one where none matches. DUPLICATE where another did so at the same time: try
 * again. The filter must name the fields of a unique index, by values. */
enum store_status mongo_upsert(struct store_session *session, enum mongo_collection collection,
                               bson_t *filter, bson_t *update);
/* All that match; `changed` (may be NULL) grows by their number. */
enum store_status mongo_update_all(struct store_session *session, enum mongo_collection collection,
                                   bson_t *filter, bson_t *update, int64_t *changed);
/* One document; NOT_FOUND where none matches. */
enum store_status mongo_remove(struct store_session *session, enum mongo_collection collection,
                               bson_t *filter);

/* Removes up to `limit` documents whose `expires_ms` is not after `now_ms`, the earliest first; `more` says
 * whether there may be more. */
enum store_status mongo_forget(struct store_session *session, enum mongo_collection collection,
                               unsigned limit, int64_t now_ms, bool *more);
/* Of the documents with these ids (an array, borrowed), those whose time is over. */
enum store_status mongo_forget_these(struct store_session *session, enum mongo_collection collection,
                                     const bson_t *ids, int64_t now_ms);

/* Changes one document, atomically the first of `sort` (NULL: any), and gives it as it was before: NOT_FOUND
 * where none matches. `update` NULL removes it. `fields` is a projection, or NULL. The caller destroys
 * `before`, which is an empty document where the answer is not OK. */
enum store_status mongo_take(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                             bson_t *sort, bson_t *update, bson_t *fields, bson_t *before);

enum store_status mongo_count(struct store_session *session, enum mongo_collection collection, bson_t *filter,
                              int64_t *count);

/* A command of the session's database; the caller destroys `reply` whatever the answer. */
enum store_status mongo_command(struct store_session *session, bson_t *command, bson_t *reply);

/* Notes the error, and answers what it is to callers of store.h; in a batch it breaks that. */
enum store_status mongo_fail(struct store_session *session, const bson_error_t *error);
bool mongo_is_duplicate(const bson_error_t *error);

/* ---- fields ---- */

/* What is not there reads as NULL, 0 or false. Numbers of any width, as servers choose themselves; a date is
 * its milliseconds. */
char *mongo_text(const bson_t *document, const char *field); /* a copy */
int64_t mongo_integer(const bson_t *document, const char *field);
bool mongo_flag(const bson_t *document, const char *field);
bool mongo_has(const bson_t *document, const char *field);

void mongo_push(bson_t *array, const bson_t *document, const char *field); /* the field's value, at its end */

/* NULL and 0 add nothing: an absent field is what reads back as such. */
void mongo_put_text(bson_t *document, const char *field, const char *text);
void mongo_put_time(bson_t *document, const char *field, int64_t ms);

/* ---- the files ---- */

/* mongo_schema.c: collections' indexes and the version. */
int mongo_migrate(struct store_session *session, struct error *error);

/* mongo_memory.c: store_memory_apply before an attempt begins. REFUSED has changed nothing. */
enum store_status mongo_memory_apply(struct store_session *session, const char *message_id,
                                     const struct store_effect *effects, size_t count, int64_t now_ms);

/* Each fills the functions of its file into the backend's table. */
void mongo_claim_calls(struct store_backend *backend);
void mongo_installation_calls(struct store_backend *backend);
void mongo_list_calls(struct store_backend *backend);
void mongo_memory_calls(struct store_backend *backend);
void mongo_message_calls(struct store_backend *backend);
void mongo_rules_calls(struct store_backend *backend);
void mongo_setting_calls(struct store_backend *backend);
void mongo_settle_calls(struct store_backend *backend);

#endif
