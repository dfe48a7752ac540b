/* The contract of store.h: lanes, claims, attempts, settlements, reports, replays, sweeps. Written against
 * that header alone. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"

#define DELIVERY TRACK_DELIVERY
#define REPORT TRACK_REPORT

/* ---- lanes ---- */

static void assert_lanes(struct store_session *session, enum message_track track, int64_t now_ms,
                         const char *after, unsigned limit, const char *expected)
{
    struct store_lanes lanes;
    struct buffer found = {0};
    buffer_append_text(&found, "");
    assert_int_equal(store_lanes_due(session, track, now_ms, after, limit, &lanes), STORE_OK);
    for (size_t i = 0; i < lanes.count; i++)
        buffer_append_format(&found, "%s%s", i > 0 ? " " : "", lanes.locations[i]);
    assert_string_equal(found.data, expected);
    buffer_deinit(&found);
    store_lanes_deinit(&lanes);
}

static void lanes_are_locations_with_due_work(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    assert_lanes(session, DELIVERY, NOW, NULL, 10, "");
    accept_one(session, "b", "x1", "c1");
    accept_one(session, "b", "x2", "c2");
    accept_one(session, "a", "x3", "c3");
    accept_at(session, "c", "x4", "c4", NOW + 1);
    assert_lanes(session, DELIVERY, NOW, NULL, 10, "a b");
    assert_lanes(session, DELIVERY, NOW + 1, NULL, 10, "a b c");
    assert_lanes(session, DELIVERY, NOW + 1, NULL, 2, "a b");
    assert_lanes(session, DELIVERY, NOW + 1, "b", 2, "c");
    assert_lanes(session, REPORT, NOW + 1, NULL, 10, "");
    claim_count(session, "p", DELIVERY, "a", NOW);
    assert_lanes(session, DELIVERY, NOW, NULL, 10, "b");
}

/* ---- claims ---- */

static void claims_oldest_due_first_up_to_the_limit(void **state)
{
    struct fixture *fixture = *state;
    accept_at(fixture->session, "a", "late", "c1", NOW + 1);
    accept_at(fixture->session, "a", "early", "c2", NOW);
    accept_at(fixture->session, "a", "future", "c3", NOW + 100);
    accept_at(fixture->session, "b", "elsewhere", "c4", NOW);
    struct store_message_list list = claim_as(fixture->session, "p", DELIVERY, "a", 1, NOW + 1);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].external_id, "early");
    assert_string_equal(list.items[0].payload, "{\"body\":\"Hello there\"}");
    assert_int_not_equal(list.items[0].lease, 0);
    assert_false(list.items[0].lease_expired);
    assert_int_equal(list.items[0].due_ms, NOW + 1 + LEASE_MS);
    store_message_list_deinit(&list);
    list = claim_as(fixture->other, "q", DELIVERY, "a", 10, NOW + 1);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].external_id, "late");
    store_message_list_deinit(&list);
    assert_int_equal(claim_count(fixture->session, "p", DELIVERY, "a", NOW + 1), 0);
}

static void a_lease_that_ran_out_goes_to_another(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed first = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(claim_count(fixture->other, "q", DELIVERY, "a", NOW + LEASE_MS - 1), 0);
    struct claimed second = claim_one(fixture->other, "q", DELIVERY, "a", NOW + LEASE_MS);
    assert_true(second.lease > first.lease);
    assert_true(second.lease_expired);
    assert_false(second.outcome_unknown);
    assert_int_equal(second.state, MESSAGE_QUEUED);
    assert_int_equal(begin_attempt(fixture->session, &first, NOW + LEASE_MS), STORE_CONFLICT);
    assert_int_equal(settle_as(fixture->session, &first, MESSAGE_DEAD, 0, NOW + LEASE_MS), STORE_CONFLICT);
    assert_int_equal(begin_attempt(fixture->other, &second, NOW + LEASE_MS), STORE_OK);
    assert_int_equal(state_of(fixture->session, second.id), MESSAGE_SENDING);
}

static void an_attempt_cut_off_comes_back_with_its_outcome_unknown(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed first = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(begin_attempt(fixture->session, &first, NOW), STORE_OK);
    struct claimed second = claim_one(fixture->other, "q", DELIVERY, "a", NOW + LEASE_MS);
    assert_true(second.lease_expired);
    assert_true(second.outcome_unknown);
    assert_int_equal(second.state, MESSAGE_SENDING);
    assert_int_equal(second.attempts, 1);
    struct store_message message = get(fixture->session, second.id);
    assert_true(message.outcome_unknown);
    store_message_deinit(&message);
    assert_int_equal(begin_attempt(fixture->other, &second, NOW + LEASE_MS), STORE_OK);
    message = get(fixture->session, second.id);
    assert_false(message.outcome_unknown);
    assert_int_equal(message.attempts, 2);
    store_message_deinit(&message);
}

/* A message may wait for its worker: the call to the provider still has the whole lease before it. */
static void a_late_attempt_renews_its_lease(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    int64_t late_ms = NOW + LEASE_MS - 1;
    struct store_attempt attempt = {.id = claimed.id,
                                    .lease = claimed.lease,
                                    .provider = "cast",
                                    .sent = "{\"to\":\"0917\"}",
                                    .now_ms = late_ms,
                                    .lease_ms = LEASE_MS};
    assert_int_equal(store_attempt_begin(fixture->session, &attempt), STORE_OK);
    assert_int_equal(claim_count(fixture->other, "q", DELIVERY, "a", late_ms + LEASE_MS - 1), 0);
    struct claimed taken = claim_one(fixture->other, "q", DELIVERY, "a", late_ms + LEASE_MS);
    assert_true(taken.lease_expired && taken.outcome_unknown);
}

static void a_process_never_gets_back_what_it_holds(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(claim_count(fixture->other, "p", DELIVERY, "a", NOW + 10 * LEASE_MS), 0);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_QUEUED, NOW, NOW + 10 * LEASE_MS),
                     STORE_OK);
    assert_int_equal(claim_count(fixture->other, "p", DELIVERY, "a", NOW + 10 * LEASE_MS), 1);
}

static void late_settlement_holds_while_nobody_took_over(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_SENT, 0, NOW + 10 * LEASE_MS), STORE_OK);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_DEAD, 0, NOW + 10 * LEASE_MS),
                     STORE_CONFLICT);
    assert_int_equal(state_of(fixture->session, claimed.id), MESSAGE_SENT);
}

/* ---- order ---- */

static void a_conversation_goes_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_one(session, "a", "x1", "c1");
    accept_one(session, "a", "x2", "c1");
    accept_one(session, "a", "x3", "c1");
    struct id other = accept_one(session, "a", "y1", "c2");
    struct store_message_list list = claim_as(session, "p", DELIVERY, "a", 10, NOW);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].external_id, "x1");
    assert_string_equal(list.items[1].id, other.text);
    struct claimed first = {.lease = list.items[0].lease};
    strcpy(first.id, list.items[0].id);
    store_message_list_deinit(&list);

    assert_int_equal(begin_attempt(session, &first, NOW), STORE_OK);
    assert_int_equal(claim_count(session, "p", DELIVERY, "a", NOW), 0);
    /* It waits for its next attempt, and so do those behind it. */
    assert_int_equal(settle_as(session, &first, MESSAGE_QUEUED, NOW + 5000, NOW), STORE_OK);
    assert_int_equal(claim_count(session, "p", DELIVERY, "a", NOW + 4999), 0);
    first = claim_one(session, "p", DELIVERY, "a", NOW + 5000);
    assert_int_equal(settle_as(session, &first, MESSAGE_SENT, 0, NOW + 5000), STORE_OK);

    struct claimed second = claim_one(session, "p", DELIVERY, "a", NOW + 5000);
    assert_int_equal(claim_count(session, "p", DELIVERY, "a", NOW + 5000), 0);
    assert_int_equal(settle_as(session, &second, MESSAGE_REJECTED, 0, NOW + 5000), STORE_OK);
    struct claimed third = claim_one(session, "p", DELIVERY, "a", NOW + 5000);
    assert_string_not_equal(third.id, second.id);
}

static void a_deferral_holds_nothing_up_until_it_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    struct id deferred = accept_one(session, "a", "x1", "c1");
    struct id second = accept_one(session, "a", "x2", "c1");
    struct id third = accept_one(session, "a", "x3", "c1");
    struct claimed claimed = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_int_equal(claim_count(session, "p", DELIVERY, "a", NOW), 0);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_DEFERRED, NOW + 60000, NOW), STORE_OK);

    claimed = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_string_equal(claimed.id, second.text);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_QUEUED, NOW + 50000, NOW), STORE_OK);
    /* Both are due now; the deferred one is the older. */
    claimed = claim_one(session, "p", DELIVERY, "a", NOW + 60000);
    assert_string_equal(claimed.id, deferred.text);
    assert_int_equal(claim_count(session, "p", DELIVERY, "a", NOW + 60000), 0);
    struct store_message message = get(session, deferred.text);
    assert_int_equal(message.ready_ms, NOW + 60000);
    store_message_deinit(&message);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_SENT, 0, NOW + 60000), STORE_OK);
    claimed = claim_one(session, "p", DELIVERY, "a", NOW + 60000);
    assert_string_equal(claimed.id, second.text);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_DEAD, 0, NOW + 60000), STORE_OK);
    claimed = claim_one(session, "p", DELIVERY, "a", NOW + 60000);
    assert_string_equal(claimed.id, third.text);
}

static void directions_and_locations_wait_for_themselves_only(void **state)
{
    struct fixture *fixture = *state;
    struct id id;
    accept_one(fixture->session, "a", "x1", "c1");
    accept_one(fixture->session, "b", "x1", "c1");
    struct store_message_new inbound = new_message("a", "x1", "c1");
    inbound.direction = MESSAGE_INBOUND;
    assert_int_equal(store_message_accept(fixture->session, &inbound, id.text), STORE_OK);
    assert_int_equal(claim_count(fixture->session, "p", DELIVERY, "a", NOW), 2);
    assert_int_equal(claim_count(fixture->session, "p", DELIVERY, "b", NOW), 1);
}

static void receipts_wait_for_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_one(session, "a", "x1", "c1");
    struct id second = accept_one(session, "a", "x2", "c1");
    struct claimed first = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(session, &first, MESSAGE_SENT, 0, NOW), STORE_OK);
    struct claimed sent = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(session, &sent, MESSAGE_SENT, NOW + 10, NOW), STORE_OK);
    assert_string_equal(sent.id, second.text);
    accept_one(session, "a", "x3", "c1");
    assert_int_equal(claim_count(session, "p", DELIVERY, "a", NOW + 10), 2);
}

/* Many in one conversation, in two hands: each one once, in order. */
static void a_long_conversation_is_worked_off_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct id ids[200];
    char external_id[16];
    for (size_t i = 0; i < 200; i++) {
        snprintf(external_id, sizeof external_id, "x%zu", i);
        ids[i] = accept_one(fixture->session, "a", external_id, "c1");
    }
    for (size_t i = 0; i < 200; i++) {
        struct store_session *session = i % 3 == 0 ? fixture->other : fixture->session;
        struct claimed claimed = claim_one(session, i % 3 == 0 ? "q" : "p", DELIVERY, "a", NOW);
        assert_string_equal(claimed.id, ids[i].text);
        assert_int_equal(settle_as(session, &claimed, MESSAGE_SENT, 0, NOW), STORE_OK);
    }
    assert_int_equal(claim_count(fixture->session, "p", DELIVERY, "a", NOW + 1), 0);
}

#define HANDS 6
#define CONVERSATIONS 3
#define EACH 60
#define HANDS_PATIENCE_MS 60000

struct shared {
    atomic_int next[CONVERSATIONS]; /* of each conversation the number that is to be sent next */
    atomic_int settled, wrong;
};

struct hand {
    struct shared *shared;
    struct store_session *session;
    char name[8];
    pthread_t thread;
};

static void hand_settle(struct hand *hand, const struct store_message *message)
{
    int conversation = -1, number = -1;
    sscanf(message->external_id, "%d-%d", &conversation, &number);
    struct store_settlement settlement = {
        .id = message->id, .lease = message->lease, .state = MESSAGE_SENT, .now_ms = NOW};
    if (atomic_fetch_add(&hand->shared->next[conversation], 1) != number ||
        store_message_settle(hand->session, &settlement) != STORE_OK)
        atomic_fetch_add(&hand->shared->wrong, 1);
    atomic_fetch_add(&hand->shared->settled, 1);
}

static void *hand_main(void *argument)
{
    struct hand *hand = argument;
    int64_t until_ms = clock_monotonic_ms() + HANDS_PATIENCE_MS;
    while (atomic_load(&hand->shared->settled) < CONVERSATIONS * EACH && clock_monotonic_ms() < until_ms) {
        struct store_message_list list;
        struct store_claim claim = {DELIVERY, "a", hand->name, 1, NOW, LEASE_MS};
        if (store_message_claim(hand->session, &claim, &list) != STORE_OK) {
            atomic_fetch_add(&hand->shared->wrong, 1);
            break;
        }
        for (size_t i = 0; i < list.count; i++)
            hand_settle(hand, &list.items[i]);
        store_message_list_deinit(&list);
    }
    return NULL;
}

/* All at one moment: what one settlement failed to free would stay where it is. */
static void many_hands_keep_the_order_and_forget_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct shared shared = {0};
    struct hand hands[HANDS];
    char external_id[16], conversation[16];
    for (int i = 0; i < EACH; i++)
        for (int j = 0; j < CONVERSATIONS; j++) {
            snprintf(external_id, sizeof external_id, "%d-%d", j, i);
            snprintf(conversation, sizeof conversation, "c%d", j);
            accept_one(fixture->session, "a", external_id, conversation);
        }
    for (int i = 0; i < HANDS; i++) {
        hands[i] = (struct hand){.shared = &shared, .session = open_session(fixture->store)};
        snprintf(hands[i].name, sizeof hands[i].name, "p%d", i);
        assert_int_equal(pthread_create(&hands[i].thread, NULL, hand_main, &hands[i]), 0);
    }
    for (int i = 0; i < HANDS; i++) {
        pthread_join(hands[i].thread, NULL);
        store_session_close(hands[i].session);
    }
    assert_int_equal(shared.wrong, 0);
    assert_int_equal(shared.settled, CONVERSATIONS * EACH);
}

/* ---- attempts and settlements ---- */

static void an_attempt_leaves_its_trace(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    struct store_attempt attempt = {.id = claimed.id,
                                    .lease = claimed.lease,
                                    .provider = "ca\"st",
                                    .sent = "{\"to\":\"1\"}",
                                    .event = "{\"rule\":1}",
                                    .part = 2,
                                    .parts = 3,
                                    .now_ms = NOW + 1};
    assert_int_equal(store_attempt_begin(fixture->session, &attempt), STORE_OK);
    struct store_event event = {NOW + 2, "attempt", "{\"outcome\":\"accepted\"}"};
    struct store_settlement settlement = {.id = claimed.id,
                                          .lease = claimed.lease,
                                          .state = MESSAGE_SENT,
                                          .due_ms = NOW + 500,
                                          .accepted = true,
                                          .provider_message_id = "p1",
                                          .report_status = "pending",
                                          .report_delay_ms = 7,
                                          .events = &event,
                                          .event_count = 1,
                                          .now_ms = NOW + 2};
    assert_int_equal(store_message_settle(fixture->session, &settlement), STORE_OK);
    struct store_message message = get(fixture->other, claimed.id);
    assert_int_equal(message.state, MESSAGE_SENT);
    assert_int_equal(message.attempts, 1);
    assert_string_equal(message.provider, "ca\"st");
    assert_string_equal(message.provider_message_id, "p1");
    assert_string_equal(message.sent, "{\"to\":\"1\"}");
    assert_int_equal(message.accepted_ms, NOW + 2);
    assert_int_equal(message.updated_ms, NOW + 2);
    assert_int_equal(message.due_ms, NOW + 500);
    assert_int_equal(message.report_due_ms, NOW + 9);
    assert_string_equal(message.report_status, "pending");
    static const char *const kinds[] = {"received", "rule", "attempt_begun", "attempt"};
    assert_int_equal(message.event_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(message.events[i].kind, kinds[i]);
    assert_string_equal(message.events[1].data, "{\"rule\":1}");
    assert_string_equal(message.events[2].data,
                        "{\"attempt\":1,\"provider\":\"ca\\\"st\",\"part\":2,\"of\":3}");
    assert_int_equal(message.events[3].at_ms, NOW + 2);
    store_message_deinit(&message);
}

static void a_settlement_may_replace_what_was_sent(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(begin_attempt(fixture->session, &claimed, NOW), STORE_OK);
    struct store_settlement settlement = {.id = claimed.id,
                                          .lease = claimed.lease,
                                          .state = MESSAGE_QUEUED,
                                          .sent = "{\"next\":2}",
                                          .now_ms = NOW};
    assert_int_equal(store_message_settle(fixture->session, &settlement), STORE_OK);
    claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_QUEUED, 0, NOW), STORE_OK);
    struct store_message message = get(fixture->other, claimed.id);
    assert_string_equal(message.sent, "{\"next\":2}");
    store_message_deinit(&message);
}

static void an_uncounted_attempt_is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(begin_attempt(fixture->session, &claimed, NOW), STORE_OK);
    struct store_settlement settlement = {.id = claimed.id,
                                          .lease = claimed.lease,
                                          .state = MESSAGE_QUEUED,
                                          .uncounted = true,
                                          .reason = "the provider is away",
                                          .due_ms = NOW + 5,
                                          .now_ms = NOW};
    assert_int_equal(store_message_settle(fixture->session, &settlement), STORE_OK);
    struct store_message message = get(fixture->session, claimed.id);
    assert_int_equal(message.attempts, 0);
    assert_string_equal(message.reason, "the provider is away");
    assert_int_equal(message.due_ms, NOW + 5);
    store_message_deinit(&message);
    claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW + 5);
    settlement.lease = claimed.lease; /* none was begun this time: none to take back */
    settlement.reason = NULL;
    settlement.polled = true;
    assert_int_equal(store_message_settle(fixture->session, &settlement), STORE_OK);
    message = get(fixture->session, claimed.id);
    assert_int_equal(message.attempts, 0);
    assert_int_equal(message.polls, 1);
    assert_null(message.reason);
    store_message_deinit(&message);
}

static void a_final_state_is_due_no_more(void **state)
{
    static const enum message_state ended[] = {MESSAGE_DELIVERED, MESSAGE_UNDELIVERED, MESSAGE_REJECTED,
                                               MESSAGE_DEAD};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof ended / sizeof ended[0]; i++) {
        char external_id[16];
        snprintf(external_id, sizeof external_id, "x%zu", i);
        accept_one(fixture->session, "a", external_id, "c1");
        struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
        assert_int_equal(settle_as(fixture->session, &claimed, ended[i], NOW, NOW), STORE_OK);
        assert_int_equal(claim_count(fixture->session, "p", DELIVERY, "a", NOW), 0);
        assert_int_equal(begin_attempt(fixture->session, &claimed, NOW), STORE_CONFLICT);
    }
}

static void refuses_what_is_no_settlement(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_SENDING, NOW, NOW), STORE_FAILED);
    struct claimed unknown = {.id = "m0000000000001", .lease = 1}, malformed = {.id = "x", .lease = 1};
    assert_int_equal(settle_as(fixture->session, &unknown, MESSAGE_SENT, 0, NOW), STORE_CONFLICT);
    assert_int_equal(settle_as(fixture->session, &malformed, MESSAGE_SENT, 0, NOW), STORE_CONFLICT);
    /* Queued without a due time is due at once, never lost. */
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_QUEUED, 0, NOW), STORE_OK);
    assert_int_equal(claim_count(fixture->session, "p", DELIVERY, "a", NOW), 1);
}

static void nothing_is_sent_again_while_its_receipt_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_SENT, NOW, NOW), STORE_OK);
    claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    assert_int_equal(begin_attempt(fixture->session, &claimed, NOW), STORE_CONFLICT);
    assert_int_equal(state_of(fixture->session, claimed.id), MESSAGE_SENT);
}

/* ---- reports ---- */

static struct claimed settle_with_report(struct store_session *session, const char *status, const char *error,
                                         enum message_state state, int64_t now_ms)
{
    struct claimed claimed = claim_one(session, "p", DELIVERY, "a", now_ms);
    struct store_settlement settlement = {.id = claimed.id,
                                          .lease = claimed.lease,
                                          .state = state,
                                          .due_ms = now_ms,
                                          .report_status = status,
                                          .report_error = error,
                                          .now_ms = now_ms};
    assert_int_equal(store_message_settle(session, &settlement), STORE_OK);
    return claimed;
}

static enum store_status settle_report_as(struct store_session *session, const struct claimed *claimed,
                                          const char *reported, int64_t due_ms, int64_t now_ms)
{
    struct store_event event = {now_ms, "report", NULL};
    struct store_report_settlement settlement = {.id = claimed->id,
                                                 .lease = claimed->lease,
                                                 .reported = reported,
                                                 .due_ms = due_ms,
                                                 .event = &event,
                                                 .now_ms = now_ms};
    return store_report_settle(session, &settlement);
}

static void reports_are_a_track_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_one(session, "a", "x1", "c1");
    settle_with_report(session, "pending", NULL, MESSAGE_SENT, NOW);
    struct claimed report = claim_one(session, "p", REPORT, "a", NOW);
    assert_int_equal(claim_count(fixture->other, "q", REPORT, "a", NOW), 0);
    struct claimed delivery = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_report_as(session, &report, NULL, NOW + 10, NOW), STORE_OK);
    assert_int_equal(settle_report_as(session, &report, NULL, NOW + 10, NOW), STORE_CONFLICT);
    struct store_message message = get(session, report.id);
    assert_int_equal(message.report_attempts, 1);
    assert_int_equal(message.report_due_ms, NOW + 10);
    assert_string_equal(message.events[1].kind, "report");
    store_message_deinit(&message);
    report = claim_one(session, "p", REPORT, "a", NOW + 10);
    assert_int_equal(settle_report_as(session, &report, "pending", 0, NOW + 10), STORE_OK);
    assert_int_equal(claim_count(session, "p", REPORT, "a", NOW + LEASE_MS * 2), 0);
    /* The same status again is no news. */
    struct store_settlement settlement = {.id = delivery.id,
                                          .lease = delivery.lease,
                                          .state = MESSAGE_SENT,
                                          .report_status = "pending",
                                          .now_ms = NOW + 11};
    assert_int_equal(store_message_settle(session, &settlement), STORE_OK);
    assert_int_equal(claim_count(session, "p", REPORT, "a", NOW + LEASE_MS * 2), 0);
}

static void a_status_that_changes_during_its_report_is_reported_again(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_one(session, "a", "x1", "c1");
    settle_with_report(session, "pending", NULL, MESSAGE_SENT, NOW);
    struct claimed report = claim_one(session, "p", REPORT, "a", NOW);
    settle_with_report(session, "failed", "{\"code\":1}", MESSAGE_UNDELIVERED, NOW);
    /* Not while the first one runs, and whatever that one ends with. */
    assert_int_equal(claim_count(fixture->other, "q", REPORT, "a", NOW), 0);
    assert_int_equal(settle_report_as(session, &report, "pending", 0, NOW), STORE_OK);
    struct store_message_list list = claim_as(fixture->other, "q", REPORT, "a", 1, NOW);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].report_status, "failed");
    assert_string_equal(list.items[0].report_error, "{\"code\":1}");
    assert_int_equal(list.items[0].report_attempts, 0);
    store_message_list_deinit(&list);
}

static void a_report_cut_off_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    accept_one(session, "a", "x1", "c1");
    settle_with_report(session, "pending", NULL, MESSAGE_SENT, NOW);
    struct claimed first = claim_one(session, "p", REPORT, "a", NOW);
    struct claimed second = claim_one(fixture->other, "q", REPORT, "a", NOW + LEASE_MS);
    assert_true(second.lease_expired);
    assert_int_equal(settle_report_as(session, &first, "pending", 0, NOW + LEASE_MS), STORE_CONFLICT);
    assert_int_equal(settle_report_as(fixture->other, &second, "pending", 0, NOW + LEASE_MS), STORE_OK);
}

static void an_uncounted_report_is_no_try(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    settle_with_report(fixture->session, "pending", NULL, MESSAGE_SENT, NOW);
    struct claimed report = claim_one(fixture->session, "p", REPORT, "a", NOW);
    struct store_report_settlement settlement = {
        .id = report.id, .lease = report.lease, .due_ms = NOW + 5, .uncounted = true, .now_ms = NOW};
    assert_int_equal(store_report_settle(fixture->session, &settlement), STORE_OK);
    struct store_message message = get(fixture->session, report.id);
    assert_int_equal(message.report_attempts, 0);
    assert_int_equal(message.report_due_ms, NOW + 5);
    store_message_deinit(&message);
}

/* ---- replays and sweeps ---- */

static void replays_what_is_dead_or_rejected(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    struct id id = accept_one(session, "a", "x1", "c1");
    assert_int_equal(store_message_replay(session, id.text, NULL, NOW), STORE_CONFLICT);
    assert_int_equal(store_message_replay(session, "m0000000000000", NULL, NOW), STORE_NOT_FOUND);
    struct claimed claimed = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_int_equal(begin_attempt(session, &claimed, NOW), STORE_OK);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_DEAD, 0, NOW), STORE_OK);
    assert_int_equal(store_message_replay(session, id.text, "{\"by\":\"me\"}", NOW + 9), STORE_OK);
    struct store_message message = get(session, id.text);
    assert_int_equal(message.state, MESSAGE_QUEUED);
    assert_int_equal(message.attempts, 0);
    assert_int_equal(message.epoch, 1);
    assert_int_equal(message.due_ms, NOW + 9);
    assert_int_equal(message.ready_ms, NOW + 9);
    assert_string_equal(message.events[message.event_count - 1].kind, "replayed");
    assert_string_equal(message.events[message.event_count - 1].data, "{\"by\":\"me\"}");
    store_message_deinit(&message);
    claimed = claim_one(session, "p", DELIVERY, "a", NOW + 9);
    assert_int_equal(settle_as(session, &claimed, MESSAGE_REJECTED, 0, NOW + 9), STORE_OK);
    assert_int_equal(store_message_replay(session, id.text, NULL, NOW + 10), STORE_OK);
}

/* The provider may have it: the same idempotency key must tell. */
static void a_replay_after_an_unknown_outcome_keeps_the_epoch(void **state)
{
    struct fixture *fixture = *state;
    accept_one(fixture->session, "a", "x1", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "a", NOW);
    struct store_settlement settlement = {.id = claimed.id,
                                          .lease = claimed.lease,
                                          .state = MESSAGE_DEAD,
                                          .outcome_unknown = true,
                                          .now_ms = NOW};
    assert_int_equal(store_message_settle(fixture->session, &settlement), STORE_OK);
    assert_int_equal(store_message_replay(fixture->session, claimed.id, NULL, NOW), STORE_OK);
    struct store_message message = get(fixture->session, claimed.id);
    assert_int_equal(message.epoch, 0);
    assert_true(message.outcome_unknown);
    store_message_deinit(&message);
}

static void a_sweep_makes_good_a_clock_that_went_back(void **state)
{
    struct fixture *fixture = *state;
    struct store_session *session = fixture->session;
    int64_t then = NOW + 86400000, moved = -1;
    accept_at(session, "a", "leased", "c1", then);
    claim_one(session, "p", DELIVERY, "a", then);
    accept_at(session, "a", "new", "c2", then);
    accept_one(session, "a", "deferred", "c3");
    struct claimed deferred = claim_one(session, "p", DELIVERY, "a", NOW);
    assert_int_equal(settle_as(session, &deferred, MESSAGE_DEFERRED, then, NOW), STORE_OK);
    assert_int_equal(claim_count(fixture->other, "q", DELIVERY, "a", NOW), 0);
    assert_int_equal(store_message_sweep(session, NOW, 3600000, &moved), STORE_OK);
    assert_int_equal(moved, 2);
    struct store_message_list list = claim_as(fixture->other, "q", DELIVERY, "a", 10, NOW);
    assert_int_equal(list.count, 2);
    for (size_t i = 0; i < list.count; i++)
        assert_string_not_equal(list.items[i].external_id, "deferred");
    store_message_list_deinit(&list);
    assert_int_equal(store_message_sweep(session, NOW, 3600000, &moved), STORE_OK);
    assert_int_equal(moved, 0);
}

static void counts_what_waits(void **state)
{
    struct fixture *fixture = *state;
    int64_t waiting = -1;
    assert_int_equal(store_message_count(fixture->session, &waiting), STORE_OK);
    assert_int_equal(waiting, 0);
    accept_one(fixture->session, "a", "x1", "c1");
    accept_one(fixture->session, "a", "x2", "c1");
    accept_one(fixture->session, "b", "x3", "c1");
    struct claimed claimed = claim_one(fixture->session, "p", DELIVERY, "b", NOW);
    assert_int_equal(settle_as(fixture->session, &claimed, MESSAGE_SENT, NOW, NOW), STORE_OK);
    assert_int_equal(store_message_count(fixture->session, &waiting), STORE_OK);
    assert_int_equal(waiting, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(lanes_are_locations_with_due_work),
        STORE_TEST(claims_oldest_due_first_up_to_the_limit),
        STORE_TEST(a_lease_that_ran_out_goes_to_another),
        STORE_TEST(an_attempt_cut_off_comes_back_with_its_outcome_unknown),
        STORE_TEST(a_late_attempt_renews_its_lease),
        STORE_TEST(a_process_never_gets_back_what_it_holds),
        STORE_TEST(late_settlement_holds_while_nobody_took_over),
        STORE_TEST(a_conversation_goes_in_order),
        STORE_TEST(a_deferral_holds_nothing_up_until_it_is_due),
        STORE_TEST(directions_and_locations_wait_for_themselves_only),
        STORE_TEST(receipts_wait_for_nobody),
        STORE_TEST(a_long_conversation_is_worked_off_in_order),
        STORE_TEST(many_hands_keep_the_order_and_forget_nothing),
        STORE_TEST(an_attempt_leaves_its_trace),
        STORE_TEST(a_settlement_may_replace_what_was_sent),
        STORE_TEST(an_uncounted_attempt_is_taken_back),
        STORE_TEST(a_final_state_is_due_no_more),
        STORE_TEST(refuses_what_is_no_settlement),
        STORE_TEST(nothing_is_sent_again_while_its_receipt_is_asked_for),
        STORE_TEST(reports_are_a_track_of_their_own),
        STORE_TEST(a_status_that_changes_during_its_report_is_reported_again),
        STORE_TEST(a_report_cut_off_comes_back),
        STORE_TEST(an_uncounted_report_is_no_try),
        STORE_TEST(replays_what_is_dead_or_rejected),
        STORE_TEST(a_replay_after_an_unknown_outcome_keeps_the_epoch),
        STORE_TEST(a_sweep_makes_good_a_clock_that_went_back),
        STORE_TEST(counts_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
