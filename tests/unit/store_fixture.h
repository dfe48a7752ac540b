/* A store of its own for every test, and short words for what the tests of the store's contract do with it.
 *
 * The contract tests are run once for each address in STORE_ADDRESSES ("%s" is a fresh folder), so that
 * another backend joins them by one line. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

static const char *const STORE_ADDRESSES[] = {"sqlite:%s/folder/bascule.db"};

#define NOW INT64_C(1760000000000)
#define LEASE_MS 30000

struct fixture {
    const char *address;
    char folder[64];
    char url[128];
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

static inline int fixture_setup(void **state)
{
    const char *address = *state;
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    fixture->address = address;
    strcpy(fixture->folder, "/tmp/bascule-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    /* Not a literal, but one of the list above. */
    const char *rest = strstr(address, "%s");
    snprintf(fixture->url, sizeof fixture->url, "%.*s%s%s", (int)(rest - address), address, fixture->folder,
             rest + 2);
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
    snprintf(command, sizeof command, "rm -rf '%s'", fixture->folder);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

#define STORE_TEST(function)                                                             \
    {                                                                                    \
#function, function, fixture_setup, fixture_teardown, (void *)STORE_ADDRESSES[0] \
    }

/* Runs the group once for each address; main returns this. */
#define run_for_every_store(tests) run_store_tests(#tests, (tests), sizeof(tests) / sizeof((tests)[0]))

static inline int run_store_tests(const char *group, struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof STORE_ADDRESSES / sizeof STORE_ADDRESSES[0]; i++) {
        for (size_t j = 0; j < count; j++)
            tests[j].initial_state = (void *)STORE_ADDRESSES[i];
        failed += _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    }
    return failed;
}

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

static inline struct id accept(struct store_session *session, const char *location, const char *external_id,
                               const char *conversation)
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
