/* A store of its own for every test, and short words for what the tests of the store's contract do with it.
 *
 * BASCULE_TEST_STORE is the address of the store that they run against, without it a file of SQLite's in a
 * fresh folder. Each test gets that address with a name of its own added to the path. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

#define STORE_VARIABLE "BASCULE_TEST_STORE"

#define NOW INT64_C(1760000000000)
#define LEASE_MS 30000

struct fixture {
    char folder[64];
    char url[512];
    struct store *store;
    struct store_session *session;
    struct store_session *other; /* another session of the same store */
};

static inline struct store_session *open_session(struct store *store)
{
    struct store_session *session = NULL;
    struct error error;
    if (store_session_open(store, &session, &error) != 0)
        fail_msg("%s", error.message);
    return session;
}

static inline struct store *open_store(const char *url)
{
    struct store *store = NULL;
    struct error error;
    if (store_open(&(struct store_options){url, 5000}, &store, &error) != 0)
        fail_msg("%s", error.message);
    return store;
}

/* The address of a store that no other test has; the fresh folder's name sees to that. Another one of the
 * same test has another `name`. */
static inline void store_address(const struct fixture *fixture, const char *name, char *url, size_t size)
{
    const char *given = getenv(STORE_VARIABLE);
    size_t path = given != NULL ? strcspn(given, "?") : 0; /* an address's options follow its path */
    if (given == NULL)
        snprintf(url, size, "sqlite:%s/%s/bascule.db", fixture->folder, name);
    else
        snprintf(url, size, "%.*s_%s_%s%s", (int)path, given, strrchr(fixture->folder, '-') + 1, name,
                 given + path);
}

/* A file goes with its folder. */
static inline void drop_store(const char *url)
{
    if (strncmp(url, "sqlite:", 7) == 0)
        return;
    mongoc_uri_t *uri = mongoc_uri_new(url);
    mongoc_client_t *client = mongoc_client_new_from_uri(uri);
    mongoc_database_t *database = mongoc_client_get_database(client, mongoc_uri_get_database(uri));
    bson_error_t error;
    if (!mongoc_database_drop(database, &error))
        fail_msg("%s", error.message);
    mongoc_database_destroy(database);
    mongoc_client_destroy(client);
    mongoc_uri_destroy(uri);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    strcpy(fixture->folder, "/tmp/bascule-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    store_address(fixture, "store", fixture->url, sizeof fixture->url);
    fixture->store = open_store(fixture->url);
    fixture->session = open_session(fixture->store);
    fixture->other = open_session(fixture->store);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    store_session_close(fixture->session);
    store_session_close(fixture->other);
    store_close(fixture->store);
    drop_store(fixture->url);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* For tests of what a batch promises where it is atomic. */
#define SKIP_WITHOUT_ATOMIC_BATCHES(fixture)               \
    do                                                     \
        if (!store_batches_are_atomic((fixture)->store)) { \
            skip();                                        \
            return;                                        \
        }                                                  \
    while (0)

/* ---- short words ---- */

static inline struct store_message_new new_message(const char *location, const char *external_id,
                                                   const char *conversation)
{
    return (struct store_message_new){.direction = MESSAGE_OUTBOUND,
                                      .location = location,
                                      .company = "company",
                                      .external_id = external_id,
                                      .conversation = conversation,
                                      .payload = SLICE_LITERAL("{\"body\":\"Hello there\"}"),
                                      .received = "{\"request_id\":\"r1\"}",
                                      .now_ms = NOW};
}

struct id {
    char text[STORE_ID_SIZE];
};

static inline struct id accept_at(struct store_session *session, const char *location,
                                  const char *external_id, const char *conversation, int64_t now_ms)
{
    struct id id;
    struct store_message_new message = new_message(location, external_id, conversation);
    message.now_ms = now_ms;
    assert_int_equal(store_message_accept(session, &message, id.text), STORE_OK);
    return id;
}

static inline struct id accept_one(struct store_session *session, const char *location,
                                   const char *external_id, const char *conversation)
{
    return accept_at(session, location, external_id, conversation, NOW);
}

static inline struct store_message_list claim_as(struct store_session *session, const char *owner,
                                                 enum message_track track, const char *location,
                                                 unsigned limit, int64_t now_ms)
{
    struct store_message_list list;
    struct store_claim claim = {track, location, owner, limit, now_ms, LEASE_MS};
    assert_int_equal(store_message_claim(session, &claim, &list), STORE_OK);
    return list;
}

/* How many a claim gets; what it got stays claimed. */
static inline size_t claim_count(struct store_session *session, const char *owner, enum message_track track,
                                 const char *location, int64_t now_ms)
{
    struct store_message_list list = claim_as(session, owner, track, location, 100, now_ms);
    size_t count = list.count;
    store_message_list_deinit(&list);
    return count;
}

struct claimed {
    char id[STORE_ID_SIZE];
    uint64_t lease;
    bool lease_expired, outcome_unknown;
    enum message_state state;
    unsigned attempts;
};

/* Claims exactly one message and returns what matters of it. */
static inline struct claimed claim_one(struct store_session *session, const char *owner,
                                       enum message_track track, const char *location, int64_t now_ms)
{
    struct store_message_list list = claim_as(session, owner, track, location, 1, now_ms);
    assert_int_equal(list.count, 1);
    struct store_message *message = &list.items[0];
    struct claimed claimed = {.lease = message->lease,
                              .lease_expired = message->lease_expired,
                              .outcome_unknown = message->outcome_unknown,
                              .state = message->state,
                              .attempts = message->attempts};
    strcpy(claimed.id, message->id);
    store_message_list_deinit(&list);
    return claimed;
}

static inline enum store_status begin_attempt(struct store_session *session, const struct claimed *claimed,
                                              int64_t now_ms)
{
    struct store_attempt attempt = {.id = claimed->id,
                                    .lease = claimed->lease,
                                    .provider = "cast",
                                    .sent = "{\"to\":\"0917\"}",
                                    .now_ms = now_ms};
    return store_attempt_begin(session, &attempt);
}

static inline enum store_status settle_as(struct store_session *session, const struct claimed *claimed,
                                          enum message_state state, int64_t due_ms, int64_t now_ms)
{
    struct store_settlement settlement = {
        .id = claimed->id, .lease = claimed->lease, .state = state, .due_ms = due_ms, .now_ms = now_ms};
    return store_message_settle(session, &settlement);
}

static inline struct store_message get(struct store_session *session, const char *id)
{
    struct store_message message;
    assert_int_equal(store_message_get(session, id, &message), STORE_OK);
    return message;
}

static inline enum message_state state_of(struct store_session *session, const char *id)
{
    struct store_message message = get(session, id);
    enum message_state state = message.state;
    store_message_deinit(&message);
    return state;
}

#endif
