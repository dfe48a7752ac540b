/* The contract of store.h: accepting, reading, listing, batches. Written against that header alone. */
#include "store_fixture.h"

/* ---- opening ---- */

static void refuses_addresses_it_does_not_know(void **state)
{
    static const char *const urls[] = {"",           "sqlite:",    "postgres://x",
                                       "bascule.db", "mongodb://", "mongodb://user:secret@host"};
    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct store *store = NULL;
        struct error error = {0};
        assert_int_equal(store_open(&(struct store_options){urls[i], 100}, &store, &error), -1);
        assert_int_equal(error.kind, ERROR_INVALID);
        assert_true(strlen(error.message) > 10);
        assert_null(strstr(error.message, "secret"));
    }
}

static void keeps_what_it_has_when_opened_again(void **state)
{
    struct fixture *fixture = *state;
    struct id id = accept_one(fixture->session, "loc", "x1", "c1");
    struct store *again = open_store(fixture->url);
    struct store_session *session = open_session(again);
    struct store_message message = get(session, id.text);
    assert_string_equal(message.external_id, "x1");
    store_message_deinit(&message);
    store_session_close(session);
    store_close(again);
}

/* ---- accepting ---- */

static void accepts_a_message_with_all_it_came_with(void **state)
{
    struct fixture *fixture = *state;
    struct id id;
    struct store_message_new new = new_message("loc", "x1", "c1");
    new.payload = SLICE_LITERAL("{\"a\":\"\0\xff\"}");
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_OK);
    assert_int_equal(strlen(id.text), 14);
    assert_int_equal(id.text[0], 'm');

    struct store_message message = get(fixture->other, id.text);
    assert_string_equal(message.id, id.text);
    assert_int_equal(message.direction, MESSAGE_OUTBOUND);
    assert_int_equal(message.state, MESSAGE_QUEUED);
    assert_string_equal(message.location, "loc");
    assert_string_equal(message.company, "company");
    assert_string_equal(message.external_id, "x1");
    assert_string_equal(message.conversation, "c1");
    assert_int_equal(message.payload_length, new.payload.length);
    assert_memory_equal(message.payload, new.payload.data, new.payload.length + 1);
    assert_int_equal(message.created_ms, NOW);
    assert_int_equal(message.due_ms, NOW);
    assert_int_equal(message.ready_ms, NOW);
    assert_int_equal(message.lease, 0);
    assert_null(message.sent);
    assert_null(message.report_status);
    assert_int_equal(message.event_count, 1);
    assert_string_equal(message.events[0].kind, "received");
    assert_string_equal(message.events[0].data, "{\"request_id\":\"r1\"}");
    assert_int_equal(message.events[0].at_ms, NOW);
    store_message_deinit(&message);
}

static void takes_empty_and_large_payloads(void **state)
{
    struct fixture *fixture = *state;
    struct id id;
    struct store_message_new new = new_message("loc", "empty", "c1");
    new.payload = (struct slice){NULL, 0};
    new.company = NULL;
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_OK);
    struct store_message message = get(fixture->session, id.text);
    assert_int_equal(message.payload_length, 0);
    assert_string_equal(message.payload, "");
    assert_null(message.company);
    store_message_deinit(&message);

    char *large = memory_allocate(1 << 20);
    memset(large, 'x', 1 << 20);
    new = new_message("loc", "large", "c1");
    new.payload = (struct slice){large, 1 << 20};
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_OK);
    message = get(fixture->session, id.text);
    assert_int_equal(message.payload_length, 1 << 20);
    assert_memory_equal(message.payload, large, 1 << 20);
    store_message_deinit(&message);
    free(large);
}

static void answers_the_same_message_with_the_first_ones_id(void **state)
{
    struct fixture *fixture = *state;
    struct id first = accept_one(fixture->session, "loc", "x1", "c1"), again;
    struct store_message_new new = new_message("loc", "x1", "another conversation");
    new.now_ms += 5000;
    assert_int_equal(store_message_accept(fixture->other, &new, again.text), STORE_DUPLICATE);
    assert_string_equal(again.text, first.text);
    struct store_message message = get(fixture->session, first.text);
    assert_string_equal(message.conversation, "c1");
    assert_int_equal(message.updated_ms, NOW);
    store_message_deinit(&message);
}

/* The three are one key only together, and lengths count: ("ab", "c") is not ("a", "bc"). */
static void tells_directions_locations_and_ids_apart(void **state)
{
    struct fixture *fixture = *state;
    struct id id;
    accept_one(fixture->session, "ab", "c", "k");
    accept_one(fixture->session, "a", "bc", "k");
    accept_one(fixture->session, "ab", "cc", "k");
    struct store_message_new new = new_message("ab", "c", "k");
    new.direction = MESSAGE_INBOUND;
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_OK);
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_DUPLICATE);
}

static void ids_grow_whatever_the_clock_does(void **state)
{
    struct fixture *fixture = *state;
    static const int64_t clocks[] = {NOW, NOW, NOW + 86400000, NOW - 86400000, NOW, NOW + 1};
    struct id last = {"m0000000000000"};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        char external_id[16];
        snprintf(external_id, sizeof external_id, "x%zu", i);
        struct store_session *session = i % 2 == 0 ? fixture->session : fixture->other;
        struct id id = accept_at(session, "loc", external_id, "c", clocks[i]);
        assert_true(strcmp(id.text, last.text) > 0);
        last = id;
    }
}

static void knows_no_malformed_ids(void **state)
{
    struct fixture *fixture = *state;
    struct id id = accept_one(fixture->session, "loc", "x1", "c1");
    struct store_message message;
    static const char *const ids[] = {"",
                                      "m",
                                      "x1",
                                      "m000000000000",
                                      "m00000000000000",
                                      "m000000000000u",
                                      "n0000000000000",
                                      "mzzzzzzzzzzzzz",
                                      "m0000000000000"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(store_message_get(fixture->session, ids[i], &message), STORE_NOT_FOUND);
    id.text[0] = 'M';
    assert_int_equal(store_message_get(fixture->session, id.text, &message), STORE_NOT_FOUND);
}

static void names_states_and_reads_the_names(void **state)
{
    (void)state;
    for (int i = MESSAGE_QUEUED; i <= MESSAGE_DEAD; i++) {
        enum message_state parsed;
        assert_int_equal(message_state_parse(message_state_name((enum message_state)i), &parsed), 0);
        assert_int_equal(parsed, i);
    }
    enum message_state parsed;
    assert_int_equal(message_state_parse("Queued", &parsed), -1);
    assert_int_equal(message_state_parse("", &parsed), -1);
}

/* ---- batches ---- */

static void a_batch_is_seen_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    struct store_message message;
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    struct id first = accept_one(fixture->session, "loc", "x1", "c1");
    struct id second = accept_one(fixture->session, "loc", "x2", "c2");
    assert_true(strcmp(second.text, first.text) > 0);
    assert_int_equal(store_message_get(fixture->other, first.text, &message), STORE_NOT_FOUND);
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    assert_int_equal(state_of(fixture->other, first.text), MESSAGE_QUEUED);
    assert_int_equal(state_of(fixture->other, second.text), MESSAGE_QUEUED);
}

static void an_aborted_batch_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    struct store_message message;
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    struct id id = accept_one(fixture->session, "loc", "x1", "c1");
    store_batch_abort(fixture->session);
    assert_int_equal(store_message_get(fixture->session, id.text, &message), STORE_NOT_FOUND);
    accept_one(fixture->session, "loc", "x1", "c1");
}

static void where_batches_are_not_atomic_each_call_stays(void **state)
{
    struct fixture *fixture = *state;
    if (store_batches_are_atomic(fixture->store))
        skip();
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    assert_int_equal(store_batch_begin(fixture->session), STORE_FAILED);
    struct id id = accept_one(fixture->session, "loc", "x1", "c1");
    assert_int_equal(state_of(fixture->other, id.text), MESSAGE_QUEUED);
    store_batch_abort(fixture->session);
    assert_int_equal(state_of(fixture->other, id.text), MESSAGE_QUEUED);
}

static void answers_that_are_no_errors_break_no_batch(void **state)
{
    struct fixture *fixture = *state;
    struct store_message message;
    struct id id;
    struct store_message_new new = new_message("loc", "x1", "c1");
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_OK);
    assert_int_equal(store_message_accept(fixture->session, &new, id.text), STORE_DUPLICATE);
    assert_int_equal(store_message_get(fixture->session, "m0000000000000", &message), STORE_NOT_FOUND);
    assert_int_equal(store_message_replay(fixture->session, id.text, NULL, NOW), STORE_CONFLICT);
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    assert_int_equal(state_of(fixture->other, id.text), MESSAGE_QUEUED);
}

static void one_writer_waits_for_another(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    struct store *impatient;
    struct error error;
    assert_int_equal(store_open(&(struct store_options){fixture->url, 20}, &impatient, &error), 0);
    struct store_session *session = open_session(impatient);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    accept_one(fixture->session, "loc", "x1", "c1");
    assert_int_equal(store_probe(session, NOW), STORE_BUSY);
    assert_true(strlen(store_session_error(session)) > 0);
    assert_int_equal(store_batch_begin(session), STORE_BUSY);
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    assert_int_equal(store_probe(session, NOW), STORE_OK);
    store_session_close(session);
    store_close(impatient);
}

/* ---- listing ---- */

static struct store_message_list list_messages(struct store_session *session,
                                               struct store_message_filter filter)
{
    struct store_message_list list;
    assert_int_equal(store_message_list(session, &filter, &list), STORE_OK);
    return list;
}

static void assert_lists(struct store_session *session, struct store_message_filter filter,
                         const char *external_ids)
{
    struct store_message_list list = list_messages(session, filter);
    struct buffer found = {0};
    buffer_append_text(&found, "");
    for (size_t i = 0; i < list.count; i++)
        buffer_append_format(&found, "%s%s", i > 0 ? " " : "", list.items[i].external_id);
    assert_string_equal(found.data, external_ids);
    buffer_deinit(&found);
    store_message_list_deinit(&list);
}

static void lists_newest_first_by_state_and_location(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_one(session, "a", "x1", "c1");
    accept_one(session, "b", "x2", "c2");
    accept_one(session, "a", "x3", "c3");
    struct claimed claimed = claim_one(session, "p", TRACK_DELIVERY, "a", NOW);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_DEAD, 0, NOW), STORE_OK);
    assert_lists(session, (struct store_message_filter){.state = -1, .limit = 10}, "x3 x2 x1");
    assert_lists(session, (struct store_message_filter){.state = -1, .location = "a", .limit = 10}, "x3 x1");
    assert_lists(session, (struct store_message_filter){.state = MESSAGE_QUEUED, .limit = 10}, "x3 x2");
    assert_lists(session, (struct store_message_filter){.state = MESSAGE_DEAD, .limit = 10}, "x1");
    assert_lists(session, (struct store_message_filter){.state = MESSAGE_REJECTED, .limit = 10}, "");
    assert_lists(session, (struct store_message_filter){.state = MESSAGE_DEAD, .location = "b", .limit = 10},
                 "");
}

static void lists_what_was_accepted_within_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_at(session, "a", "x1", "c1", NOW - 2);
    accept_at(session, "a", "x2", "c2", NOW - 1);
    accept_at(session, "a", "x3", "c3", NOW);
    accept_at(session, "a", "x4", "c4", NOW - 3); /* the clock went back; its id did not */
    struct store_message_filter filter = {.state = -1, .limit = 10, .since_ms = NOW - 1};
    assert_lists(session, filter, "x3 x2");
    filter.until_ms = NOW;
    assert_lists(session, filter, "x2");
    filter.query = "x3";
    assert_lists(session, filter, "");
    filter.query = "Hello";
    assert_lists(session, filter, "x2");
    filter = (struct store_message_filter){.state = -1, .limit = 10, .until_ms = NOW - 1};
    assert_lists(session, filter, "x4 x1");
    filter = (struct store_message_filter){.state = -1, .limit = 10, .since_ms = INT64_MAX};
    assert_lists(session, filter, "");
}

/* Who reads the last hour of a long history must not turn all its pages. */
static void what_is_older_is_not_looked_at(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    for (int i = 0; i <= STORE_LIST_EXAMINED_MOST; i++) {
        char external_id[16];
        snprintf(external_id, sizeof external_id, "old%d", i);
        accept_at(fixture->session, "a", external_id, external_id, NOW - 1);
    }
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    accept_one(fixture->session, "a", "new", "c");
    struct store_message_list list = list_messages(
        fixture->session, (struct store_message_filter){.state = -1, .limit = 10, .since_ms = NOW});
    assert_int_equal(list.count, 1);
    assert_string_equal(list.next, "");
    store_message_list_deinit(&list);
}

/* A small location among large ones: its messages are found, not searched for. */
static void what_others_sent_long_after_is_not_looked_at(void **state)
{
    struct fixture *fixture = *state;
    struct store_message_filter filter = {.state = -1, .location = "small", .limit = 10};
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    accept_at(fixture->session, "small", "s1", "c", NOW - 3600000);
    accept_at(fixture->session, "large", "l", "c", NOW - 3600000);
    accept_at(fixture->session, "small", "s2", "c", NOW - 3600000);
    for (int i = 0; i <= STORE_LIST_EXAMINED_MOST; i++) {
        char external_id[16];
        snprintf(external_id, sizeof external_id, "l%d", i);
        accept_at(fixture->session, "large", external_id, external_id, NOW);
    }
    accept_at(fixture->session, "small", "s3", "c", NOW + 3600000);
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    assert_lists(fixture->session, filter, "s3 s2 s1");
    filter.query = "Hello";
    assert_lists(fixture->session, filter, "s3 s2 s1");
    filter.since_ms = NOW;
    assert_lists(fixture->session, filter, "s3");
}

static void assert_pages(struct store_session *session, struct store_message_filter filter)
{
    char expected[16];
    struct id cursor;
    int seen = 7;
    for (int page = 0; page < 3; page++) {
        struct store_message_list list = list_messages(session, filter);
        for (size_t i = 0; i < list.count; i++) {
            snprintf(expected, sizeof expected, "x%d", --seen);
            assert_string_equal(list.items[i].external_id, expected);
        }
        assert_int_equal(list.next[0] == '\0', page == 2);
        strcpy(cursor.text, list.next);
        filter.cursor = cursor.text;
        store_message_list_deinit(&list);
    }
    assert_int_equal(seen, 0);
}

static void lists_in_pages_that_miss_nothing(void **state)
{
    struct fixture *fixture = *state;
    char external_id[16];
    for (int i = 0; i < 7; i++) {
        snprintf(external_id, sizeof external_id, "x%d", i);
        accept_at(fixture->session, "a", external_id, "c", NOW + i * INT64_C(150000));
    }
    assert_pages(fixture->session, (struct store_message_filter){.state = -1, .limit = 3});
    assert_pages(fixture->session, (struct store_message_filter){.state = -1, .location = "a", .limit = 3});
}

static void a_full_last_page_is_the_end(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c");
    accept_one(fixture->session, "a", "x2", "c");
    struct store_message_list list =
        list_messages(fixture->session, (struct store_message_filter){.state = -1, .limit = 2});
    assert_int_equal(list.count, 2);
    assert_string_equal(list.next, "");
    store_message_list_deinit(&list);
}

static void accept_text(struct store_session *session, const char *external_id, const char *payload)
{
    struct id id;
    struct store_message_new new = new_message("a", external_id, external_id);
    new.payload = slice_from(payload);
    assert_int_equal(store_message_accept(session, &new, id.text), STORE_OK);
}

static void finds_ids_before_words(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_text(session, "x1", "{\"body\":\"Your code is 4711, 100% safe_\"}");
    accept_text(session, "x2", "{\"body\":\"mentions x1 only\"}");
    struct id id = accept_one(session, "b", "x1", "c");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = "x1", .limit = 10}, "x1 x1");
    assert_lists(session,
                 (struct store_message_filter){.state = -1, .location = "b", .query = "x1", .limit = 10},
                 "x1");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = id.text, .limit = 10}, "x1");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = "your CODE", .limit = 10},
                 "x1");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = "100%", .limit = 10}, "x1");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = "e_", .limit = 10}, "x1");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = "e%4711", .limit = 10}, "");
    assert_lists(session, (struct store_message_filter){.state = -1, .query = "mentions x1", .limit = 10},
                 "x2");
    assert_lists(session, (struct store_message_filter){.state = MESSAGE_DEAD, .query = "x2", .limit = 10},
                 "");
}

static void finds_words_of_what_was_sent(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", TRACK_DELIVERY, "a", NOW);
    assert_int_equal(begin_attempt(fixture->session, &claimed, NOW), STORE_OK);
    assert_lists(fixture->session, (struct store_message_filter){.state = -1, .query = "0917", .limit = 10},
                 "x1");
}

static void a_page_does_bounded_work(void **state)
{
    struct fixture *fixture = *state;
    accept_text(fixture->session, "needle", "in a haystack");
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    for (int i = 0; i < STORE_LIST_EXAMINED_MOST; i++) {
        char external_id[16];
        snprintf(external_id, sizeof external_id, "x%d", i);
        accept_one(fixture->session, "a", external_id, external_id);
    }
    assert_int_equal(store_batch_commit(fixture->session), STORE_OK);
    struct store_message_filter filter = {.state = -1, .query = "haystack", .limit = 10};
    struct store_message_list list = list_messages(fixture->session, filter);
    assert_int_equal(list.count, 0);
    assert_string_not_equal(list.next, "");
    filter.cursor = list.next;
    assert_lists(fixture->session, filter, "needle");
    store_message_list_deinit(&list);
}

static void a_malformed_cursor_finds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store_message_list list;
    struct store_message_filter filter = {.state = -1, .cursor = "12", .limit = 10};
    assert_int_equal(store_message_list(fixture->session, &filter, &list), STORE_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(refuses_addresses_it_does_not_know),
        STORE_TEST(keeps_what_it_has_when_opened_again),
        STORE_TEST(accepts_a_message_with_all_it_came_with),
        STORE_TEST(takes_empty_and_large_payloads),
        STORE_TEST(answers_the_same_message_with_the_first_ones_id),
        STORE_TEST(tells_directions_locations_and_ids_apart),
        STORE_TEST(ids_grow_whatever_the_clock_does),
        STORE_TEST(knows_no_malformed_ids),
        STORE_TEST(names_states_and_reads_the_names),
        STORE_TEST(a_batch_is_seen_whole_or_not_at_all),
        STORE_TEST(an_aborted_batch_leaves_nothing),
        STORE_TEST(where_batches_are_not_atomic_each_call_stays),
        STORE_TEST(answers_that_are_no_errors_break_no_batch),
        STORE_TEST(one_writer_waits_for_another),
        STORE_TEST(lists_newest_first_by_state_and_location),
        STORE_TEST(lists_what_was_accepted_within_a_time),
        STORE_TEST(what_is_older_is_not_looked_at),
        STORE_TEST(what_others_sent_long_after_is_not_looked_at),
        STORE_TEST(lists_in_pages_that_miss_nothing),
        STORE_TEST(a_full_last_page_is_the_end),
        STORE_TEST(finds_ids_before_words),
        STORE_TEST(finds_words_of_what_was_sent),
        STORE_TEST(a_page_does_bounded_work),
        STORE_TEST(a_malformed_cursor_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
