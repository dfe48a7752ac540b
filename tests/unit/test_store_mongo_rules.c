/* Versions of rules in MongoDB, where a process died half way. They need a server: BASCULE_TEST_STORE names
 * it. */
#include "store/mongo_rules.h"

#include "store_fixture.h"

static int mongo_setup(void **state)
{
    const char *given = getenv(STORE_VARIABLE);
    *state = NULL;
    return given != NULL && strncmp(given, "mongodb", 7) == 0 ? fixture_setup(state) : 0;
}

static int mongo_teardown(void **state)
{
    return *state != NULL ? fixture_teardown(state) : 0;
}

#define MONGO_TEST(function) cmocka_unit_test_setup_teardown(function, mongo_setup, mongo_teardown)

/* Without a server there is nothing to test. */
static struct store_session *session_of(void **state)
{
    struct fixture *fixture = *state;
    if (fixture == NULL)
        skip();
    return fixture->session;
}

static void add_at(struct store_session *session, int64_t now_ms)
{
    uint64_t version;
    struct store_rules_new rules = {.agency = "acme",
                                    .source = SLICE_LITERAL("return {}"),
                                    .hash = "abc",
                                    .mode = RULES_LIVE,
                                    .now_ms = now_ms,
                                    .kept = 1};
    assert_int_equal(store_rules_add(session, &rules, &version), STORE_OK);
}

static uint64_t revision_of(struct store_session *session)
{
    uint64_t revision;
    assert_int_equal(store_rules_revision(session, &revision), STORE_OK);
    return revision;
}

static void a_change_that_was_not_announced_is_seen(void **state)
{
    struct store_session *session = session_of(state);
    add_at(session, NOW);
    uint64_t before = revision_of(session);
    assert_int_equal(mongo_update(session, MONGO_RULES, BCON_NEW("_id", BCON_UTF8("acme")),
                                  BCON_NEW("$set", "{", "unannounced", BCON_BOOL(true), "}")),
                     STORE_OK);
    uint64_t after = revision_of(session);
    assert_true(after > before);
    assert_int_equal(revision_of(session), after);
}

/* As its adder leaves it that dies before the agency's document names it. */
static void add_unnamed_source(struct store_session *session, int64_t at_ms)
{
    assert_int_equal(mongo_insert(session, MONGO_SOURCE,
                                  BCON_NEW("agency", BCON_UTF8("acme"), "at_ms", BCON_INT64(at_ms))),
                     STORE_OK);
}

static int64_t count_sources(struct store_session *session)
{
    int64_t count = 0;
    assert_int_equal(mongo_count(session, MONGO_SOURCE, bson_new(), &count), STORE_OK);
    return count;
}

static void sources_that_nobody_names_are_removed(void **state)
{
    struct store_session *session = session_of(state);
    add_unnamed_source(session, NOW);
    add_at(session, NOW + 2 * 3600000);
    assert_int_equal(count_sources(session), 1);
    add_at(session, NOW + 4 * 3600000);
    assert_int_equal(count_sources(session), 1);
}

static void a_source_that_is_about_to_be_named_stays(void **state)
{
    struct store_session *session = session_of(state);
    add_unnamed_source(session, NOW);
    add_at(session, NOW + 1000);
    assert_int_equal(count_sources(session), 2);
}

static void a_refused_addition_leaves_no_source(void **state)
{
    struct store_session *session = session_of(state);
    uint64_t unexpected = 7, version;
    struct store_rules_new rules = {.agency = "acme",
                                    .source = SLICE_LITERAL("return {}"),
                                    .hash = "abc",
                                    .mode = RULES_LIVE,
                                    .now_ms = NOW,
                                    .expected_version = &unexpected};
    assert_int_equal(store_rules_add(session, &rules, &version), STORE_CONFLICT);
    assert_int_equal(count_sources(session), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MONGO_TEST(a_change_that_was_not_announced_is_seen),
        MONGO_TEST(sources_that_nobody_names_are_removed),
        MONGO_TEST(a_source_that_is_about_to_be_named_stays),
        MONGO_TEST(a_refused_addition_leaves_no_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
