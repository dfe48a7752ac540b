/* The contract of store_rules.h. Written against that header alone. */
#include "store/store_rules.h"

#include "store_fixture.h"

/* ---- short words ---- */

static struct store_rules_new new_rules(const char *agency, enum store_rules_mode mode, const char *source)
{
    return (struct store_rules_new){.agency = agency,
                                    .source = slice_from(source),
                                    .hash = source,
                                    .mode = mode,
                                    .percent = mode == RULES_CANARY ? 10 : 0,
                                    .by = "ann",
                                    .now_ms = NOW,
                                    .kept = 100};
}

static uint64_t add(struct store_session *session, const char *agency, enum store_rules_mode mode,
                    const char *source)
{
    struct store_rules_new rules = new_rules(agency, mode, source);
    uint64_t version = 0;
    assert_int_equal(store_rules_add(session, &rules, &version), STORE_OK);
    return version;
}

static enum store_status record(struct store_session *session, const char *source, uint64_t *version)
{
    struct store_rules_new rules = new_rules("acme", RULES_LIVE, source);
    return store_rules_record(session, &rules, version);
}

static enum store_status set_mode(struct store_session *session, uint64_t version,
                                  enum store_rules_mode expected, enum store_rules_mode mode)
{
    struct store_rules_change change = {.agency = "acme",
                                        .version = version,
                                        .expected = expected,
                                        .mode = mode,
                                        .percent = 20,
                                        .reason = "because",
                                        .by = "bob",
                                        .now_ms = NOW + 1};
    return store_rules_set_mode(session, &change);
}

static struct store_rules_version get_version(struct store_session *session, uint64_t version)
{
    struct store_rules_version found;
    assert_int_equal(store_rules_get(session, "acme", version, &found), STORE_OK);
    return found;
}

static void assert_mode(struct store_session *session, uint64_t version, const char *mode)
{
    struct store_rules_version found = get_version(session, version);
    assert_string_equal(store_rules_mode_name(found.mode), mode);
    store_rules_version_deinit(&found);
}

static void assert_source(struct store_session *session, uint64_t version, const char *source)
{
    struct store_rules_version found = get_version(session, version);
    if (source == NULL)
        assert_null(found.source);
    else
        assert_string_equal(found.source, source);
    store_rules_version_deinit(&found);
}

/* As "acme 2 live, ..." */
static void assert_current(struct store_session *session, const char *expected)
{
    struct store_rules_list list;
    struct buffer text = {0};
    buffer_append_text(&text, "");
    assert_int_equal(store_rules_current(session, &list), STORE_OK);
    for (size_t i = 0; i < list.count; i++) {
        const struct store_rules_version *item = &list.items[i];
        assert_non_null(item->source);
        buffer_append_format(&text, "%s%s %d %s", i > 0 ? ", " : "", item->agency, (int)item->version,
                             store_rules_mode_name(item->mode));
    }
    assert_string_equal(text.data, expected);
    buffer_deinit(&text);
    store_rules_list_deinit(&list);
}

static uint64_t revision_of(struct store_session *session)
{
    uint64_t revision;
    assert_int_equal(store_rules_revision(session, &revision), STORE_OK);
    return revision;
}

/* ---- publishing ---- */

static void a_version_comes_back_as_it_was_added(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version;
    struct store_rules_new rules = new_rules("acme", RULES_CANARY, "");
    rules.source = SLICE_LITERAL("return \"\0\xc3\xb1\"\n");
    rules.hash = "abc";
    rules.note = "try it";
    assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_OK);
    struct store_rules_version found = get_version(fixture->other, version);
    assert_string_equal(found.agency, "acme");
    assert_int_equal(found.version, 1);
    assert_int_equal(found.source_length, rules.source.length);
    assert_memory_equal(found.source, rules.source.data, rules.source.length + 1);
    assert_string_equal(found.hash, "abc");
    assert_int_equal(found.origin, RULES_PUBLISHED);
    assert_int_equal(found.mode, RULES_CANARY);
    assert_int_equal(found.percent, 10);
    assert_string_equal(found.by, "ann");
    assert_string_equal(found.note, "try it");
    assert_int_equal(found.at_ms, NOW);
    assert_null(found.changed_by);
    assert_null(found.reason);
    assert_int_equal(found.changed_ms, 0);
    store_rules_version_deinit(&found);
}

static void each_agency_numbers_its_own_versions(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(add(fixture->session, "acme", RULES_LIVE, "1"), 1);
    assert_int_equal(add(fixture->other, "acme", RULES_LIVE, "2"), 2);
    assert_int_equal(add(fixture->session, "bolt", RULES_LIVE, "3"), 1);
    struct store_rules_version found;
    assert_int_equal(store_rules_get(fixture->session, "bolt", 2, &found), STORE_NOT_FOUND);
}

static void a_live_one_supersedes_the_live_one_and_the_candidate(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    add(session, "acme", RULES_LIVE, "1");
    add(session, "acme", RULES_SHADOW, "2");
    add(session, "bolt", RULES_LIVE, "1");
    add(session, "bolt", RULES_CANARY, "2");
    assert_current(session, "acme 1 live, acme 2 shadow, bolt 1 live, bolt 2 canary");
    add(session, "acme", RULES_LIVE, "3");
    assert_current(session, "acme 3 live, bolt 1 live, bolt 2 canary");
    struct store_rules_version found = get_version(session, 2);
    assert_int_equal(found.mode, RULES_SUPERSEDED);
    assert_string_equal(found.reason, "superseded by version 3");
    assert_string_equal(found.changed_by, "ann");
    assert_int_equal(found.changed_ms, NOW);
    store_rules_version_deinit(&found);
}

static void a_candidate_supersedes_the_candidate_alone(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    add(fixture->session, "acme", RULES_CANARY, "2");
    add(fixture->session, "acme", RULES_SHADOW, "3");
    assert_current(fixture->session, "acme 1 live, acme 3 shadow");
    struct store_rules_version found = get_version(fixture->session, 2);
    assert_int_equal(found.percent, 0);
    store_rules_version_deinit(&found);
}

static void an_unexpected_version_is_a_conflict(void **state)
{
    struct fixture *fixture = *state;
    uint64_t none = 0, first = 1, added;
    struct store_rules_new rules = new_rules("acme", RULES_LIVE, "x");
    rules.expected_version = &none;
    assert_int_equal(store_rules_add(fixture->session, &rules, &added), STORE_OK);
    assert_int_equal(record(fixture->session, "of a file", &added), STORE_OK);
    assert_int_equal(store_rules_add(fixture->session, &rules, &added), STORE_CONFLICT);
    assert_current(fixture->session, "acme 1 live");
    rules.expected_version = &first;
    assert_int_equal(store_rules_add(fixture->session, &rules, &added), STORE_OK);
    assert_int_equal(added, 3);
}

static void what_is_too_large_or_not_to_run_is_not_added(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version;
    struct store_rules_new rules = new_rules("acme", RULES_WITHDRAWN, "x");
    assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_FAILED);
    char *large = memory_allocate(STORE_RULES_SOURCE_MOST_BYTES + 1);
    memset(large, ' ', STORE_RULES_SOURCE_MOST_BYTES + 1);
    rules = new_rules("acme", RULES_LIVE, "x");
    rules.source = (struct slice){large, STORE_RULES_SOURCE_MOST_BYTES + 1};
    assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_FAILED);
    rules.source.length--;
    assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_OK);
    assert_int_equal(version, 1);
    free(large);
}

static void only_the_newest_keep_their_source(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version;
    char text[8];
    add(fixture->session, "acme", RULES_LIVE, "live");
    assert_int_equal(record(fixture->session, "of a file", &version), STORE_OK);
    for (int i = 3; i <= 7; i++) {
        snprintf(text, sizeof text, "%d", i);
        struct store_rules_new rules = new_rules("acme", RULES_SHADOW, text);
        rules.kept = 2;
        assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_OK);
    }
    assert_source(fixture->session, 1, "live");
    assert_source(fixture->session, 2, "of a file");
    assert_source(fixture->session, 5, NULL);
    assert_source(fixture->session, 6, "6");
    assert_source(fixture->session, 7, "7");
}

/* ---- listing ---- */

static void lists_an_agencys_versions_newest_first(void **state)
{
    struct fixture *fixture = *state;
    struct store_rules_list list;
    for (int i = 0; i < 5; i++)
        add(fixture->session, "acme", RULES_LIVE, "x");
    add(fixture->session, "bolt", RULES_LIVE, "x");
    assert_int_equal(store_rules_list(fixture->other, "acme", 0, 2, &list), STORE_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].version, 5);
    assert_int_equal(list.items[1].version, 4);
    assert_null(list.items[0].source);
    store_rules_list_deinit(&list);
    assert_int_equal(store_rules_list(fixture->other, "acme", 4, 10, &list), STORE_OK);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.items[0].version, 3);
    store_rules_list_deinit(&list);
    assert_int_equal(store_rules_list(fixture->other, "nobody", 0, 10, &list), STORE_OK);
    assert_int_equal(list.count, 0);
    store_rules_list_deinit(&list);
}

/* ---- changing modes ---- */

static void a_candidate_becomes_live(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    add(fixture->session, "acme", RULES_CANARY, "2");
    assert_int_equal(set_mode(fixture->other, 2, RULES_CANARY, RULES_LIVE), STORE_OK);
    assert_current(fixture->session, "acme 2 live");
    assert_mode(fixture->session, 1, "superseded");
    struct store_rules_version found = get_version(fixture->session, 2);
    assert_string_equal(found.reason, "because");
    assert_string_equal(found.changed_by, "bob");
    assert_string_equal(found.by, "ann");
    assert_int_equal(found.changed_ms, NOW + 1);
    assert_int_equal(found.percent, 0);
    store_rules_version_deinit(&found);
}

static void a_shadow_becomes_a_canary_with_its_share(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    add(fixture->session, "acme", RULES_SHADOW, "2");
    assert_int_equal(set_mode(fixture->session, 2, RULES_SHADOW, RULES_CANARY), STORE_OK);
    assert_current(fixture->session, "acme 1 live, acme 2 canary");
    struct store_rules_version found = get_version(fixture->session, 2);
    assert_int_equal(found.percent, 20);
    store_rules_version_deinit(&found);
}

static void an_earlier_version_is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    add(fixture->session, "acme", RULES_LIVE, "2");
    add(fixture->session, "acme", RULES_SHADOW, "3");
    assert_int_equal(set_mode(fixture->session, 1, RULES_SUPERSEDED, RULES_LIVE), STORE_OK);
    assert_current(fixture->session, "acme 1 live");
}

static void a_withdrawn_version_leaves_none(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    assert_int_equal(set_mode(fixture->session, 1, RULES_LIVE, RULES_WITHDRAWN), STORE_OK);
    assert_current(fixture->session, "");
    assert_mode(fixture->session, 1, "withdrawn");
}

static void the_second_to_change_a_mode_is_told(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    add(fixture->session, "acme", RULES_CANARY, "2");
    assert_int_equal(set_mode(fixture->session, 2, RULES_CANARY, RULES_WITHDRAWN), STORE_OK);
    assert_int_equal(set_mode(fixture->other, 2, RULES_CANARY, RULES_LIVE), STORE_CONFLICT);
    assert_current(fixture->session, "acme 1 live");
    assert_int_equal(set_mode(fixture->session, 3, RULES_CANARY, RULES_LIVE), STORE_NOT_FOUND);
}

static void what_has_no_source_cannot_run(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version;
    struct store_rules_new rules = new_rules("acme", RULES_LIVE, "x");
    rules.kept = 1;
    assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_OK);
    assert_int_equal(store_rules_add(fixture->session, &rules, &version), STORE_OK);
    assert_int_equal(set_mode(fixture->session, 1, RULES_SUPERSEDED, RULES_LIVE), STORE_NOT_FOUND);
    assert_int_equal(set_mode(fixture->session, 1, RULES_SUPERSEDED, RULES_WITHDRAWN), STORE_OK);
    assert_current(fixture->session, "acme 2 live");
}

/* ---- files ---- */

static void a_file_is_recorded_when_it_changes(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version = 0;
    assert_int_equal(record(fixture->session, "a", &version), STORE_OK);
    assert_int_equal(version, 1);
    assert_int_equal(record(fixture->other, "a", &version), STORE_DUPLICATE);
    assert_int_equal(version, 1);
    assert_int_equal(record(fixture->session, "b", &version), STORE_OK);
    assert_int_equal(record(fixture->session, "a", &version), STORE_OK);
    assert_int_equal(version, 3);
    assert_mode(fixture->session, 2, "superseded");
    assert_mode(fixture->session, 3, "live");
    struct store_rules_version found = get_version(fixture->session, 3);
    assert_int_equal(found.origin, RULES_FILE);
    assert_string_equal(found.source, "a");
    store_rules_version_deinit(&found);
}

static void files_and_publications_leave_each_other_alone(void **state)
{
    struct fixture *fixture = *state;
    uint64_t version;
    assert_int_equal(record(fixture->session, "a", &version), STORE_OK);
    add(fixture->session, "acme", RULES_LIVE, "published");
    assert_int_equal(record(fixture->session, "a", &version), STORE_DUPLICATE);
    uint64_t revision = revision_of(fixture->session);
    assert_int_equal(record(fixture->session, "b", &version), STORE_OK);
    assert_current(fixture->session, "acme 2 live");
    assert_int_equal(revision_of(fixture->session), revision);
    add(fixture->session, "acme", RULES_LIVE, "again");
    assert_mode(fixture->session, 3, "live");
    assert_int_equal(set_mode(fixture->session, 3, RULES_LIVE, RULES_WITHDRAWN), STORE_CONFLICT);
}

/* ---- revision, lasting, batches ---- */

static void the_revision_grows_with_every_change(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before = revision_of(fixture->other);
    assert_int_equal(before, 0);
    add(fixture->session, "acme", RULES_LIVE, "1");
    uint64_t added = revision_of(fixture->other);
    assert_true(added > before);
    assert_int_equal(set_mode(fixture->session, 1, RULES_LIVE, RULES_LIVE), STORE_OK);
    uint64_t changed = revision_of(fixture->other);
    assert_true(changed > added);
    assert_int_equal(set_mode(fixture->session, 1, RULES_CANARY, RULES_LIVE), STORE_CONFLICT);
    assert_int_equal(revision_of(fixture->other), changed);
}

static void rules_outlive_the_process(void **state)
{
    struct fixture *fixture = *state;
    add(fixture->session, "acme", RULES_LIVE, "1");
    uint64_t revision = revision_of(fixture->session);
    struct store *again = open_store(fixture->url);
    struct store_session *session = open_session(again);
    assert_current(session, "acme 1 live");
    assert_int_equal(revision_of(session), revision);
    store_session_close(session);
    store_close(again);
}

static void a_batch_is_whole_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    add(fixture->session, "acme", RULES_LIVE, "1");
    store_batch_abort(fixture->session);
    assert_current(fixture->session, "");
    assert_int_equal(revision_of(fixture->session), 0);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    add(fixture->session, "acme", RULES_LIVE, "1");
    assert_int_equal(set_mode(fixture->session, 1, RULES_CANARY, RULES_LIVE), STORE_CONFLICT);
    add(fixture->session, "acme", RULES_LIVE, "2");
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    assert_current(fixture->other, "acme 2 live");
}

static void names_its_modes(void **state)
{
    (void)state;
    enum store_rules_mode mode;
    for (int i = RULES_LIVE; i <= RULES_WITHDRAWN; i++) {
        assert_int_equal(store_rules_mode_parse(store_rules_mode_name(i), &mode), 0);
        assert_int_equal(mode, i);
    }
    assert_int_equal(store_rules_mode_parse("asleep", &mode), -1);
    assert_string_equal(store_rules_origin_name(RULES_FILE), "file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_version_comes_back_as_it_was_added),
        STORE_TEST(each_agency_numbers_its_own_versions),
        STORE_TEST(a_live_one_supersedes_the_live_one_and_the_candidate),
        STORE_TEST(a_candidate_supersedes_the_candidate_alone),
        STORE_TEST(an_unexpected_version_is_a_conflict),
        STORE_TEST(what_is_too_large_or_not_to_run_is_not_added),
        STORE_TEST(only_the_newest_keep_their_source),
        STORE_TEST(lists_an_agencys_versions_newest_first),
        STORE_TEST(a_candidate_becomes_live),
        STORE_TEST(a_shadow_becomes_a_canary_with_its_share),
        STORE_TEST(an_earlier_version_is_taken_back),
        STORE_TEST(a_withdrawn_version_leaves_none),
        STORE_TEST(the_second_to_change_a_mode_is_told),
        STORE_TEST(what_has_no_source_cannot_run),
        STORE_TEST(a_file_is_recorded_when_it_changes),
        STORE_TEST(files_and_publications_leave_each_other_alone),
        STORE_TEST(the_revision_grows_with_every_change),
        STORE_TEST(rules_outlive_the_process),
        STORE_TEST(a_batch_is_whole_or_nothing),
        STORE_TEST(names_its_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
