/* What is MongoDB's own behind the contract: its address, its indexes, ids and claims where processes die or
 * answers are lost. They need a server: BASCULE_TEST_STORE names it. */
#include "store_fixture.h"

#include "base/clock.h"
#include "store/mongo_message.h"

static bool is_mongo(void)
{
    const char *given = getenv(STORE_VARIABLE);
    return given != NULL && strncmp(given, "mongodb", 7) == 0;
}

/* Without a server there is nothing to set up. */
static int mongo_setup(void **state)
{
    *state = NULL;
    return is_mongo() ? fixture_setup(state) : 0;
}

static int mongo_teardown(void **state)
{
    return *state != NULL ? fixture_teardown(state) : 0;
}

#define MONGO_TEST(function) cmocka_unit_test_setup_teardown(function, mongo_setup, mongo_teardown)

static struct fixture *fixture_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static bson_t *by_id(const char *id_text)
{
    int64_t id;
    assert_int_equal(store_id_parse(id_text, &id), 0);
    return BCON_NEW("_id", BCON_INT64(id));
}

/* ---- the address ---- */

static void a_server_that_is_away_is_no_fault_of_the_address(void **state)
{
    struct store *store = NULL;
    struct error error = {0};
    (void)state;
    int64_t began_ms = clock_monotonic_ms();
    struct store_options options = {"mongodb://user:secret@127.0.0.1:1/bascule?connectTimeoutMS=100", 200};
    assert_int_equal(store_open(&options, &store, &error), -1);
    assert_int_equal(error.kind, ERROR_RETRYABLE);
    assert_null(strstr(error.message, "secret"));
    assert_true(clock_monotonic_ms() - began_ms < 20000);
}

static void assert_durable(const mongoc_write_concern_t *concern)
{
    assert_true(mongoc_write_concern_get_wmajority(concern));
    assert_true(mongoc_write_concern_get_journal(concern));
}

static void an_address_cannot_make_writes_less_durable(void **state)
{
    struct fixture *fixture = fixture_of(state);
    char url[600];
    snprintf(url, sizeof url, "%s%cw=1&journal=false&readPreference=secondary", fixture->url,
             strchr(fixture->url, '?') != NULL ? '&' : '?');
    struct store *store = open_store(url);
    struct store_session *session = open_session(store);
    for (size_t i = 0; i < MONGO_COLLECTIONS; i++) {
        mongoc_collection_t *collection = mongo_session(session)->collections[i];
        assert_durable(mongoc_collection_get_write_concern(collection));
        assert_int_equal(mongoc_read_prefs_get_mode(mongoc_collection_get_read_prefs(collection)),
                         MONGOC_READ_PRIMARY);
    }
    store_session_close(session);
    store_close(store);
}

static void a_pool_in_use_says_so(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct store_session *second = NULL;
    struct error error = {0};
    char url[600];
    snprintf(url, sizeof url, "%s%cmaxPoolSize=1&waitQueueTimeoutMS=50", fixture->url,
             strchr(fixture->url, '?') != NULL ? '&' : '?');
    struct store *store = open_store(url);
    struct store_session *session = open_session(store);
    assert_int_equal(store_session_open(store, &second, &error), -1);
    assert_int_equal(error.kind, ERROR_RETRYABLE);
    assert_non_null(strstr(error.message, "maxPoolSize"));
    store_session_close(session);
    second = open_session(store);
    store_session_close(second);
    store_close(store);
}

/* ---- the schema ---- */

static void assert_refused(const char *url, const char *words)
{
    struct store *store = NULL;
    struct error error = {0};
    assert_int_equal(store_open(&(struct store_options){url, 5000}, &store, &error), -1);
    assert_int_equal(error.kind, ERROR_PERMANENT);
    if (strstr(error.message, words) == NULL)
        fail_msg("%s", error.message);
}

static void an_index_that_is_not_unique_is_refused(void **state)
{
    struct fixture *fixture = fixture_of(state);
    bson_t reply;
    bson_t *drop = BCON_NEW("dropIndexes", BCON_UTF8("message"), "index", BCON_UTF8("message_place"));
    assert_int_equal(mongo_command(fixture->session, drop, &reply), STORE_OK);
    bson_destroy(&reply);
    bson_t *create = BCON_NEW("createIndexes", BCON_UTF8("message"), "indexes", "[", "{", "key", "{",
                              "location", BCON_INT32(1), "external_id", BCON_INT32(1), "direction",
                              BCON_INT32(1), "}", "name", BCON_UTF8("message_place"), "}", "]");
    assert_int_equal(mongo_command(fixture->session, create, &reply), STORE_OK);
    bson_destroy(&reply);
    assert_refused(fixture->url, "index");
}

static void set_version(struct fixture *fixture, int64_t version, int64_t oldest_program)
{
    bson_t *change = BCON_NEW("$set", "{", "version", BCON_INT64(version), "oldest_program",
                              BCON_INT64(oldest_program), "}");
    assert_int_equal(
        mongo_update(fixture->session, MONGO_SCHEMA, BCON_NEW("_id", BCON_UTF8("bascule")), change),
        STORE_OK);
}

static void a_newer_version_is_refused_only_where_it_asks_for_that(void **state)
{
    struct fixture *fixture = fixture_of(state);
    set_version(fixture, 1000, 1);
    store_close(open_store(fixture->url));
    set_version(fixture, 1000, 1000);
    assert_refused(fixture->url, "version");
}

/* ---- time ---- */

static void the_clock_is_the_servers(void **state)
{
    struct fixture *fixture = fixture_of(state);
    int64_t now_ms, error_ms;
    assert_true(store_has_clock(fixture->store));
    int64_t before_ms = clock_monotonic_ms();
    assert_int_equal(store_clock(fixture->session, &now_ms, &error_ms), STORE_OK);
    int64_t took_ms = clock_monotonic_ms() - before_ms;
    assert_true(now_ms > NOW);
    assert_in_range(error_ms, 1, took_ms / 2 + 3);
}

/* ---- ids ---- */

/* As if another process had given it the moment before. */
static void an_id_that_is_taken_is_not_used_twice(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct id first = accept_one(fixture->session, "a", "x1", "c1");
    int64_t taken;
    assert_int_equal(store_id_parse(first.text, &taken), 0);
    atomic_store(&((struct mongo_store *)fixture->store)->last_id, taken - 1);
    struct id second = accept_at(fixture->session, "a", "x2", "c2", NOW - 1000);
    assert_string_not_equal(second.text, first.text);
    struct store_message message = get(fixture->session, second.text);
    assert_string_equal(message.external_id, "x2");
    store_message_deinit(&message);
}

/* ---- claims ---- */

/* Whoever settled the first one died before he could free the second. */
static void what_nobody_freed_comes_back_by_itself(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct id first = accept_one(fixture->session, "a", "x1", "c1");
    struct id second = accept_one(fixture->session, "a", "x2", "c1");
    assert_int_equal(claim_count(fixture->session, "p", TRACK_DELIVERY, "a", NOW), 1);
    bson_t *settled = BCON_NEW("$set", "{", "state", BCON_INT32(MESSAGE_SENT), "}", "$unset", "{", "due_ms",
                               BCON_BOOL(true), "owner", BCON_BOOL(true), "}");
    assert_int_equal(mongo_update(fixture->session, MONGO_MESSAGE, by_id(first.text), settled), STORE_OK);
    struct store_message message = get(fixture->session, second.text);
    assert_int_equal(message.due_ms, 0);
    store_message_deinit(&message);
    assert_int_equal(claim_count(fixture->session, "p", TRACK_DELIVERY, "a", NOW), 0);
    struct claimed claimed = claim_one(fixture->session, "p", TRACK_DELIVERY, "a", NOW + 3600000);
    assert_string_equal(claimed.id, second.text);
    assert_false(claimed.lease_expired);
}

/* It was claimed, but its answer did not arrive: the same process gets it again, as one cut off. */
static void a_claim_whose_answer_was_lost_is_given_back(void **state)
{
    struct fixture *fixture = fixture_of(state);
    bson_t found;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed lost = claim_one(fixture->other, "p", TRACK_DELIVERY, "a", NOW);
    assert_int_equal(mongo_find(fixture->session, MONGO_MESSAGE, by_id(lost.id), NULL, &found), STORE_OK);
    mongo_session(fixture->session)->lost = (struct mongo_lost_claim){
        .location = text_duplicate("a"),
        .track = TRACK_DELIVERY,
        .token = mongo_integer(&found, "claim"),
        .until_ms = NOW + LEASE_MS,
    };
    bson_destroy(&found);
    struct claimed again = claim_one(fixture->session, "p", TRACK_DELIVERY, "a", NOW);
    assert_string_equal(again.id, lost.id);
    assert_true(again.lease > lost.lease);
    assert_true(again.lease_expired);
    assert_int_equal(settle_as(fixture->other, &lost, MESSAGE_DEAD, 0, NOW), STORE_CONFLICT);
}

/* It stood in the way for a moment only: what was known of its lease is as before. */
static void what_was_parked_under_an_old_lease_still_shows_it(void **state)
{
    struct fixture *fixture = fixture_of(state);
    struct store_session *session = fixture->session;
    struct id older = accept_one(session, "a", "x1", "c1");
    struct id newer = accept_one(session, "a", "x2", "c1");
    struct claimed claimed = claim_one(session, "p", TRACK_DELIVERY, "a", NOW);
    assert_string_equal(claimed.id, older.text);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_DEAD, 0, NOW), STORE_OK);
    struct claimed cut_off = claim_one(session, "p", TRACK_DELIVERY, "a", NOW);
    assert_string_equal(cut_off.id, newer.text);
    assert_int_equal(begin_attempt(session, &cut_off, NOW), STORE_OK);
    assert_int_equal(store_message_replay(session, older.text, NULL, NOW), STORE_OK);
    /* The older one goes first; the newer one is met, given back and parked. */
    struct store_message_list list = claim_as(fixture->other, "q", TRACK_DELIVERY, "a", 10, NOW + LEASE_MS);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].id, older.text);
    claimed.lease = list.items[0].lease;
    store_message_list_deinit(&list);
    assert_int_equal(settle_as(fixture->other, &claimed, MESSAGE_SENT, 0, NOW + LEASE_MS), STORE_OK);
    struct claimed taken = claim_one(fixture->other, "q", TRACK_DELIVERY, "a", NOW + LEASE_MS);
    assert_string_equal(taken.id, newer.text);
    assert_true(taken.lease_expired);
    assert_true(taken.outcome_unknown);
}

/* ---- events ---- */

static void the_newest_events_are_kept(void **state)
{
    struct fixture *fixture = fixture_of(state);
    enum { EACH = 400 };
    struct store_event events[EACH];
    for (int i = 0; i < EACH; i++)
        events[i] = (struct store_event){NOW + i, (char *)"attempt", NULL};
    struct id id = accept_one(fixture->session, "a", "x1", "c1");
    for (int round = 0; round < 3; round++) {
        struct claimed claimed = claim_one(fixture->session, "p", TRACK_DELIVERY, "a", NOW);
        struct store_settlement settlement = {.id = claimed.id,
                                              .lease = claimed.lease,
                                              .state = MESSAGE_QUEUED,
                                              .events = events,
                                              .event_count = EACH,
                                              .now_ms = NOW};
        assert_int_equal(store_message_settle(fixture->session, &settlement), STORE_OK);
    }
    struct store_message message = get(fixture->session, id.text);
    assert_int_equal(message.event_count, 1 + MONGO_EVENTS_MOST);
    assert_string_equal(message.events[0].kind, "received");
    assert_int_equal(message.events[MONGO_EVENTS_MOST].at_ms, NOW + EACH - 1);
    store_message_deinit(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_is_away_is_no_fault_of_the_address),
        MONGO_TEST(an_address_cannot_make_writes_less_durable),
        MONGO_TEST(a_pool_in_use_says_so),
        MONGO_TEST(an_index_that_is_not_unique_is_refused),
        MONGO_TEST(a_newer_version_is_refused_only_where_it_asks_for_that),
        MONGO_TEST(the_clock_is_the_servers),
        MONGO_TEST(an_id_that_is_taken_is_not_used_twice),
        MONGO_TEST(what_nobody_freed_comes_back_by_itself),
        MONGO_TEST(a_claim_whose_answer_was_lost_is_given_back),
        MONGO_TEST(what_was_parked_under_an_old_lease_still_shows_it),
        MONGO_TEST(the_newest_events_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
