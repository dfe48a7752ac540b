/* What becomes of a message after each answer: state, due time, the timeline's events, what GHL shall hear.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "outcome_fixture.h"

/* ---- send */

static void test_accepted_is_sent_pending_and_polled(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.outcome_unknown = true;
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_ACCEPTED,
                              .attempted = true,
                              .provider = "cast",
                              .provider_message_id = "CAST1",
                              .receipt = true,
                              .elapsed_ms = 7,
                              .more = SLICE_LITERAL("\"parts\":2,\"status\":200")};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_SENT);
    assert_true(settlement.delivery.accepted);
    assert_false(settlement.delivery.outcome_unknown);
    assert_int_equal(settlement.delivery.lease, 7);
    assert_string_equal(settlement.delivery.provider_message_id, "CAST1");
    assert_string_equal(settlement.delivery.report_status, "pending");
    assert_int_equal(settlement.delivery.due_ms, NOW + 5000);
    assert_null(settlement.delivery.reason);
    json_t *event = event_of(&settlement, "attempt");
    assert_member(event, "outcome", "accepted");
    assert_member(event, "provider_message_id", "CAST1");
    assert_member(event, "generation", "0123456789ab");
    assert_int_equal(json_integer_value(json_object_get(event, "n")), 1);
    assert_int_equal(json_integer_value(json_object_get(event, "parts")), 2);
    assert_int_equal(json_integer_value(json_object_get(event, "elapsed_ms")), 7);
    json_decref(event);
    settlement_deinit(&settlement);
}

static void test_accepted_without_receipts_is_never_polled(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_ACCEPTED, .attempted = true};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.due_ms, 0);
    settlement_deinit(&settlement);
}

static void test_retryable_waits_longer_each_time_and_keeps_a_named_time(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.attempts = 1;
    struct settling settling = settling_of(&message);
    struct outcome outcome = refused(REFUSAL_RETRYABLE);
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_int_equal(settlement.delivery.due_ms, NOW + 2000);
    assert_null(settlement.delivery.report_status);
    json_t *event = event_of(&settlement, "attempt");
    assert_member(event, "kind", "retryable");
    assert_int_equal(json_integer_value(json_object_get(event, "n")), 2);
    assert_time(json_object_get(event, "retry_at"), NOW + 2000);
    json_decref(event);
    settlement_deinit(&settlement);

    outcome = refused(REFUSAL_RATE_LIMITED);
    outcome.retry_after_ms = 30000;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.due_ms, NOW + 30000);
    settlement_deinit(&settlement);
}

static void test_the_last_attempt_ends_it(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.attempts = 2;
    struct settling settling = settling_of(&message);
    struct outcome outcome = refused(REFUSAL_RETRYABLE);
    outcome.reason = "HTTP 503";
    outcome.code = "SERVICE_UNAVAILABLE";
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    assert_int_equal(settlement.delivery.due_ms, 0);
    assert_string_equal(settlement.delivery.reason, "gave up after attempt 3: HTTP 503");
    assert_report_failed(&settlement, "SERVICE_UNAVAILABLE", "provider");
    json_t *dead = event_of(&settlement, "dead");
    assert_member(dead, "reason", "gave up after attempt 3: HTTP 503");
    json_decref(dead);
    json_decref(event_of(&settlement, "attempt"));
    settlement_deinit(&settlement);
}

/* A campaign of thousands at ten a second: the provider's pace is no fault of the message. */
static void test_rate_limits_alone_never_end_it_by_number(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.attempts = 20;
    struct settling settling = settling_of(&message);
    struct outcome outcome = refused(REFUSAL_RATE_LIMITED);
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_int_equal(settlement.delivery.due_ms, NOW + 60000);
    settlement_deinit(&settlement);
    message.ready_ms = NOW - 25 * HOUR;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    settlement_deinit(&settlement);
}

static void test_age_ends_it_counted_from_when_it_might_be_sent(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.created_ms = NOW - 48 * HOUR;
    message.ready_ms = NOW - HOUR; /* deferred until then */
    struct settling settling = settling_of(&message);
    struct outcome outcome = refused(REFUSAL_RETRYABLE);
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    settlement_deinit(&settlement);
    message.ready_ms = NOW - 24 * HOUR;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    assert_non_null(strstr(settlement.delivery.reason, "24 hours"));
    settlement_deinit(&settlement);
}

static void test_refusals_for_good_are_dead_at_once(void **state)
{
    (void)state;
    static const enum refusal kinds[] = {REFUSAL_PERMANENT, REFUSAL_INVALID_NUMBER, REFUSAL_UNAUTHORIZED,
                                         REFUSAL_INSUFFICIENT_CREDIT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct store_message message = message_of(MESSAGE_QUEUED);
        struct settling settling = settling_of(&message);
        struct outcome outcome = refused(kinds[i]);
        struct settlement settlement;
        settle_outcome(&settling, &outcome, &settlement);
        assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
        assert_true(strlen(settlement.delivery.reason) > 10);
        assert_report_failed(&settlement, refusal_names[kinds[i]], "provider");
        settlement_deinit(&settlement);
    }
}

static void test_a_rule_that_fails_is_dead_without_an_attempt(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_REFUSED,
                              .kind = REFUSAL_PERMANENT,
                              .code = RULE_ERROR_CODE,
                              .reason = "acme/rules.lua:7: attempt to index a nil value",
                              .more = SLICE_LITERAL("\"agency\":\"acme\"")};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    assert_int_equal(settlement.event_count, 1);
    json_t *dead = event_of(&settlement, "dead");
    assert_member(dead, "reason", "acme/rules.lua:7: attempt to index a nil value");
    assert_member(dead, "agency", "acme");
    json_decref(dead);
    assert_report_failed(&settlement, RULE_ERROR_CODE, "rule");
    settlement_deinit(&settlement);
}

static void test_unknown_is_sent_again_only_where_that_is_safe_or_wanted(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_UNKNOWN, .attempted = true, .reason = "timed out"};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    assert_true(settlement.delivery.outcome_unknown);
    assert_non_null(strstr(settlement.delivery.reason, "outcome unknown"));
    assert_report_failed(&settlement, "outcome_unknown", "provider");
    settlement_deinit(&settlement);

    outcome.idempotent = true;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_true(settlement.delivery.outcome_unknown);
    json_t *event = event_of(&settlement, "attempt");
    assert_member(event, "outcome", "unknown");
    json_decref(event);
    settlement_deinit(&settlement);

    struct queue_options resend = options;
    resend.resend_unknown = true;
    settling.options = &resend;
    outcome.idempotent = false;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    settlement_deinit(&settlement);
}

static void test_an_unknown_outcome_stays_unknown_until_it_is_answered(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.outcome_unknown = true;
    struct settling settling = settling_of(&message);
    struct outcome outcome = refused(REFUSAL_RETRYABLE);
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_true(settlement.delivery.outcome_unknown);
    settlement_deinit(&settlement);
    outcome = refused(REFUSAL_PERMANENT);
    settle_outcome(&settling, &outcome, &settlement);
    assert_false(settlement.delivery.outcome_unknown);
    settlement_deinit(&settlement);
    outcome.code = "outcome_unknown"; /* Lua: the policy says not to send again */
    settle_outcome(&settling, &outcome, &settlement);
    assert_true(settlement.delivery.outcome_unknown);
    settlement_deinit(&settlement);
}

static void test_rules_reject_and_defer(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_REJECTED, .reason = "opted out"};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_REJECTED);
    assert_string_equal(settlement.delivery.reason, "opted out");
    assert_report_failed(&settlement, "rejected", "rule");
    json_t *event = event_of(&settlement, "rejected");
    assert_member(event, "reason", "opted out");
    json_decref(event);
    settlement_deinit(&settlement);

    outcome = (struct outcome){.name = OUTCOME_DEFERRED, .until_ms = NOW + HOUR, .reason = "quiet hours"};
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEFERRED);
    assert_int_equal(settlement.delivery.due_ms, NOW + HOUR);
    assert_null(settlement.delivery.report_status);
    event = event_of(&settlement, "deferred");
    assert_time(json_object_get(event, "until"), NOW + HOUR);
    json_decref(event);
    settlement_deinit(&settlement);

    outcome.until_ms = NOW - HOUR;
    settle_outcome(&settling, &outcome, &settlement);
    assert_true(settlement.delivery.due_ms > NOW);
    settlement_deinit(&settlement);
}

static void test_busy_waits_and_is_put_down_once(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_DEFERRED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_BUSY, .wait_ms = 2000, .reason = "cast is paused"};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_in_range(settlement.delivery.due_ms, NOW + 2000, NOW + 2500);
    assert_false(settlement.delivery.uncounted); /* nothing was begun, so nothing is taken back */
    json_decref(event_of(&settlement, "waiting"));
    char reason[64];
    strcpy(reason, settlement.delivery.reason);
    settlement_deinit(&settlement);

    message.reason = reason;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.event_count, 0);
    settlement_deinit(&settlement);

    message.ready_ms = NOW - 25 * HOUR;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    assert_report_failed(&settlement, "expired", "provider");
    settlement_deinit(&settlement);
}

/* The sweep takes what was never begun and lies further ahead than the longest backoff for a stepped clock's
 * doing, and makes it due: so a pause of hours is looked at more often. */
static void test_no_pause_is_waited_for_longer_than_the_longest_backoff(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_BUSY, .wait_ms = 3 * HOUR};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_in_range(settlement.delivery.due_ms, NOW + 60000, NOW + 60500);
    settlement_deinit(&settlement);

    message.state = MESSAGE_SENT;
    message.report_status = (char *)"pending";
    struct report report = {.name = REPORT_RETRY, .retry_after_ms = 3 * HOUR, .uncounted = true};
    settle_report(&settling, &report, &settlement);
    assert_int_equal(settlement.report.due_ms, NOW + 60000);
    settlement_deinit(&settlement);
}

/* ---- what scripts and processes leave behind */

static void test_a_takeover_records_the_attempt_before_anything_is_sent(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENDING);
    message.attempts = 1;
    message.provider = (char *)"cast";
    message.lease_expired = message.outcome_unknown = true;
    struct settling settling = settling_of(&message);
    struct settlement settlement;
    settle_takeover(&settling, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_int_equal(settlement.delivery.due_ms, NOW);
    assert_true(settlement.delivery.outcome_unknown);
    json_t *event = event_of(&settlement, "attempt");
    assert_member(event, "outcome", "unknown");
    assert_member(event, "provider", "cast");
    assert_member(event, "reason", "the process that sent it ended before the answer was recorded");
    assert_int_equal(json_integer_value(json_object_get(event, "n")), 1);
    json_decref(event);
    settlement_deinit(&settlement);

    message.attempts = 3;
    settle_takeover(&settling, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    assert_report_failed(&settlement, "outcome_unknown", "provider");
    settlement_deinit(&settlement);
}

static void test_a_fault_of_the_scripts_is_tried_again(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct settlement settlement;
    settle_fault(&settling, "bascule/delivery.lua:12: boom", false, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_false(settlement.delivery.outcome_unknown);
    assert_true(settlement.delivery.due_ms > NOW);
    json_t *event = event_of(&settlement, "fault");
    assert_member(event, "reason", "internal error: bascule/delivery.lua:12: boom");
    json_decref(event);
    settlement_deinit(&settlement);

    settle_fault(&settling, "boom", true, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_true(settlement.delivery.outcome_unknown);
    event = event_of(&settlement, "attempt");
    assert_member(event, "outcome", "unknown");
    json_decref(event);
    settlement_deinit(&settlement);

    message.ready_ms = NOW - 25 * HOUR;
    settle_fault(&settling, "boom", false, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DEAD);
    settlement_deinit(&settlement);
}

/* ---- receipts */

static void test_receipts_end_it_either_way(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENT);
    message.accepted_ms = NOW - 5000;
    struct settling settling = settling_of(&message);
    struct receipt receipt = {.name = RECEIPT_DELIVERED};
    struct settlement settlement;
    settle_receipt(&settling, &receipt, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_DELIVERED);
    assert_int_equal(settlement.delivery.due_ms, 0);
    assert_string_equal(settlement.delivery.report_status, "delivered");
    assert_true(settlement.delivery.polled);
    settlement_deinit(&settlement);

    receipt = (struct receipt){.name = RECEIPT_UNDELIVERED, .code = "REJECTD"};
    settle_receipt(&settling, &receipt, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_UNDELIVERED);
    assert_report_failed(&settlement, "REJECTD", "provider");
    json_t *event = event_of(&settlement, "receipt");
    assert_member(event, "receipt", "undelivered");
    json_decref(event);
    settlement_deinit(&settlement);
}

static void test_polls_grow_up_to_a_minute_and_end(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENT);
    message.accepted_ms = NOW;
    message.reason = (char *)"kept";
    struct settling settling = settling_of(&message);
    struct receipt receipt = {.name = RECEIPT_PENDING};
    struct settlement settlement;
    int64_t before_ms = 0;
    for (message.polls = 0; message.polls < 12; message.polls++) {
        settle_receipt(&settling, &receipt, &settlement);
        int64_t wait_ms = settlement.delivery.due_ms - NOW;
        assert_int_equal(settlement.delivery.state, MESSAGE_SENT);
        assert_int_equal(settlement.event_count, 0);
        assert_string_equal(settlement.delivery.reason, "kept");
        assert_true(wait_ms >= before_ms && wait_ms <= 60000);
        before_ms = wait_ms;
        settlement_deinit(&settlement);
    }
    assert_int_equal(before_ms, 60000);

    receipt.wait_ms = 90000; /* the provider's own wish */
    settle_receipt(&settling, &receipt, &settlement);
    assert_int_equal(settlement.delivery.due_ms, NOW + 90000);
    settlement_deinit(&settlement);

    message.accepted_ms = NOW - options.receipt_most_ms;
    receipt = (struct receipt){.name = RECEIPT_UNAVAILABLE};
    settle_receipt(&settling, &receipt, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_SENT);
    assert_int_equal(settlement.delivery.due_ms, 0);
    assert_null(settlement.delivery.report_status);
    assert_string_equal(settlement.delivery.reason, "no receipt came within 30 minutes");
    json_t *event = event_of(&settlement, "receipt");
    assert_member(event, "receipt", "none");
    json_decref(event);
    settlement_deinit(&settlement);
}

/* ---- reports */

static void test_reports_end_or_are_tried_again(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENT);
    message.report_status = (char *)"pending";
    struct settling settling = settling_of(&message);
    struct report report = {.name = REPORT_REPORTED};
    struct settlement settlement;
    settle_report(&settling, &report, &settlement);
    assert_string_equal(settlement.report.reported, "pending");
    assert_int_equal(settlement.report.due_ms, 0);
    assert_string_equal(settlement.report.event->kind, "report");
    json_t *event = event_of(&settlement, "report");
    assert_member(event, "outcome", "reported");
    assert_member(event, "status", "pending");
    json_decref(event);
    settlement_deinit(&settlement);

    report = (struct report){.name = REPORT_RETRY, .retry_after_ms = 4000, .reason = "HTTP 403"};
    settle_report(&settling, &report, &settlement);
    assert_null(settlement.report.reported);
    assert_int_equal(settlement.report.due_ms, NOW + 4000);
    json_decref(event_of(&settlement, "report"));
    settlement_deinit(&settlement);
}

static void test_reports_are_given_up_by_number_or_age(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENT);
    message.report_status = (char *)"delivered";
    message.report_attempts = REPORT_TRIES - 1;
    struct settling settling = settling_of(&message);
    struct report report = {.name = REPORT_RETRY};
    struct settlement settlement;
    settle_report(&settling, &report, &settlement);
    assert_int_equal(settlement.report.due_ms, 0);
    assert_null(settlement.report.reported);
    json_t *event = event_of(&settlement, "report");
    assert_true(json_is_true(json_object_get(event, "given_up")));
    json_decref(event);
    settlement_deinit(&settlement);

    report.uncounted = true;
    settle_report(&settling, &report, &settlement);
    assert_true(settlement.report.due_ms > NOW);
    assert_true(settlement.report.uncounted);
    assert_int_equal(settlement.event_count, 0);
    settlement_deinit(&settlement);

    message.ready_ms = NOW - 25 * HOUR;
    settle_report(&settling, &report, &settlement);
    assert_int_equal(settlement.report.due_ms, 0);
    settlement_deinit(&settlement);
    message.accepted_ms = NOW - HOUR;
    settle_report(&settling, &report, &settlement);
    assert_true(settlement.report.due_ms > NOW);
    settlement_deinit(&settlement);

    report = (struct report){.name = REPORT_GIVEN_UP, .reason = "HTTP 404"};
    settle_report(&settling, &report, &settlement);
    assert_int_equal(settlement.report.due_ms, 0);
    event = event_of(&settlement, "report");
    assert_true(json_is_true(json_object_get(event, "given_up")));
    json_decref(event);
    settlement_deinit(&settlement);
}

static void test_texts_from_outside_cannot_break_the_events(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = refused(REFUSAL_PERMANENT);
    outcome.reason = "a \"quote\", a \\, a\nline and \xff";
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    json_t *event = event_of(&settlement, "attempt");
    assert_member(event, "reason", "a \"quote\", a \\, a\nline and \xef\xbf\xbd");
    json_decref(event);
    settlement_deinit(&settlement);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_is_sent_pending_and_polled),
        cmocka_unit_test(test_accepted_without_receipts_is_never_polled),
        cmocka_unit_test(test_retryable_waits_longer_each_time_and_keeps_a_named_time),
        cmocka_unit_test(test_the_last_attempt_ends_it),
        cmocka_unit_test(test_rate_limits_alone_never_end_it_by_number),
        cmocka_unit_test(test_age_ends_it_counted_from_when_it_might_be_sent),
        cmocka_unit_test(test_refusals_for_good_are_dead_at_once),
        cmocka_unit_test(test_a_rule_that_fails_is_dead_without_an_attempt),
        cmocka_unit_test(test_unknown_is_sent_again_only_where_that_is_safe_or_wanted),
        cmocka_unit_test(test_an_unknown_outcome_stays_unknown_until_it_is_answered),
        cmocka_unit_test(test_rules_reject_and_defer),
        cmocka_unit_test(test_busy_waits_and_is_put_down_once),
        cmocka_unit_test(test_no_pause_is_waited_for_longer_than_the_longest_backoff),
        cmocka_unit_test(test_a_takeover_records_the_attempt_before_anything_is_sent),
        cmocka_unit_test(test_a_fault_of_the_scripts_is_tried_again),
        cmocka_unit_test(test_receipts_end_it_either_way),
        cmocka_unit_test(test_polls_grow_up_to_a_minute_and_end),
        cmocka_unit_test(test_reports_end_or_are_tried_again),
        cmocka_unit_test(test_reports_are_given_up_by_number_or_age),
        cmocka_unit_test(test_texts_from_outside_cannot_break_the_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
