/* What becomes of a message that its rules split, refused or had told otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <lauxlib.h>

#include "outcome_fixture.h"
#include "queue/answer.h"

static void test_accepted_part_goes_on_at_once_and_tells_nobody(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    message.outcome_unknown = true;
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_ACCEPTED,
                              .attempted = true,
                              .provider_message_id = "CAST1",
                              .receipt = true,
                              .more_parts = true,
                              .sent = "{\"next\":2}",
                              .more = SLICE_LITERAL("\"of\":3,\"part\":1")};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_QUEUED);
    assert_int_equal(settlement.delivery.due_ms, NOW);
    assert_true(settlement.delivery.uncounted);
    assert_false(settlement.delivery.accepted);
    assert_false(settlement.delivery.outcome_unknown);
    assert_null(settlement.delivery.report_status);
    assert_string_equal(settlement.delivery.sent, "{\"next\":2}");
    json_t *event = event_of(&settlement, "attempt");
    assert_member(event, "outcome", "accepted");
    assert_int_equal(json_integer_value(json_object_get(event, "part")), 1);
    assert_null(json_object_get(event, "retry_at"));
    json_decref(event);
    settlement_deinit(&settlement);
}

static void test_last_part_is_sent_with_what_became_of_each(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_ACCEPTED, .attempted = true, .sent = "{\"next\":4}"};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_int_equal(settlement.delivery.state, MESSAGE_SENT);
    assert_false(settlement.delivery.uncounted);
    assert_string_equal(settlement.delivery.sent, "{\"next\":4}");
    assert_string_equal(settlement.delivery.report_status, "pending");
    settlement_deinit(&settlement);
}

static void test_rejected_tells_ghl_a_plain_sentence_where_there_is_one(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_QUEUED);
    struct settling settling = settling_of(&message);
    struct outcome outcome = {.name = OUTCOME_REJECTED,
                              .code = RULE_ERROR_CODE,
                              .reason = "acme/rules.lua:5: no",
                              .told = "The agency's rules failed for this message."};
    struct settlement settlement;
    settle_outcome(&settling, &outcome, &settlement);
    assert_string_equal(settlement.delivery.reason, "acme/rules.lua:5: no");
    assert_report_failed(&settlement, RULE_ERROR_CODE, "rule");
    json_t *error = json_loads(settlement.delivery.report_error, 0, NULL);
    assert_member(error, "message", "The agency's rules failed for this message.");
    json_decref(error);
    json_t *event = event_of(&settlement, "rejected");
    assert_member(event, "reason", "acme/rules.lua:5: no");
    json_decref(event);
    settlement_deinit(&settlement);
}

static void test_a_receipt_keeps_what_is_known_of_the_parts(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENT);
    message.accepted_ms = NOW - 1000;
    struct settling settling = settling_of(&message);
    static const enum receipt_name names[] = {RECEIPT_PENDING, RECEIPT_UNDELIVERED, RECEIPT_DELIVERED};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct receipt receipt = {.name = names[i], .sent = "{\"parts\":[]}"};
        struct settlement settlement;
        settle_receipt(&settling, &receipt, &settlement);
        assert_string_equal(settlement.delivery.sent, "{\"parts\":[]}");
        settlement_deinit(&settlement);
    }
    struct receipt receipt = {.name = RECEIPT_PENDING};
    struct settlement settlement;
    settle_receipt(&settling, &receipt, &settlement);
    assert_null(settlement.delivery.sent);
    settlement_deinit(&settlement);
}

static void test_a_withheld_report_is_done_and_says_why(void **state)
{
    (void)state;
    struct store_message message = message_of(MESSAGE_SENT);
    message.report_status = (char *)"delivered";
    struct settling settling = settling_of(&message);
    struct report report = {.name = REPORT_WITHHELD, .reason = "not their business"};
    struct settlement settlement;
    settle_report(&settling, &report, &settlement);
    assert_int_equal(settlement.report.due_ms, 0);
    assert_string_equal(settlement.report.reported, "delivered");
    json_t *event = event_of(&settlement, "report");
    assert_member(event, "outcome", "withheld");
    assert_member(event, "reason", "not their business");
    assert_true(json_is_false(json_object_get(event, "given_up")));
    json_decref(event);
    settlement_deinit(&settlement);
}

/* ---- read from Lua's tables */

/* Leaves the table that the text makes at index 1. */
static lua_State *state_of(const char *table)
{
    lua_State *L = luaL_newstate();
    if (luaL_dostring(L, table) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    return L;
}

static void test_answers_tell_of_parts(void **state)
{
    (void)state;
    lua_State *L =
        state_of("return {outcome = 'accepted', more = true, sent = '{\"next\":2}', told = 'plain'}");
    struct outcome outcome;
    struct buffer more = {0};
    char reason[160];
    assert_true(answer_read_outcome(L, 1, &outcome, &more, reason, sizeof reason));
    assert_true(outcome.more_parts);
    assert_string_equal(outcome.sent, "{\"next\":2}");
    assert_string_equal(outcome.told, "plain");
    lua_close(L);

    L = state_of("return {outcome = 'accepted'}");
    assert_true(answer_read_outcome(L, 1, &outcome, &more, reason, sizeof reason));
    assert_false(outcome.more_parts);
    assert_null(outcome.sent);
    lua_close(L);

    L = state_of("return {receipt = 'pending', sent = '{}'}");
    struct receipt receipt;
    assert_true(answer_read_receipt(L, 1, &receipt, &more, reason, sizeof reason));
    assert_string_equal(receipt.sent, "{}");
    lua_close(L);

    L = state_of("return {outcome = 'withheld'}");
    struct report report;
    assert_true(answer_read_report(L, 1, &report, &more, reason, sizeof reason));
    assert_int_equal(report.name, REPORT_WITHHELD);
    lua_close(L);
    buffer_deinit(&more);
}

static void test_progress_that_is_no_text_is_a_fault_of_the_script(void **state)
{
    (void)state;
    lua_State *L = state_of("return {outcome = 'accepted', sent = {}}");
    struct outcome outcome;
    struct buffer more = {0};
    char reason[160];
    assert_false(answer_read_outcome(L, 1, &outcome, &more, reason, sizeof reason));
    assert_string_equal(reason, "the answer's 'sent' is table, expected a string");
    buffer_deinit(&more);
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_part_goes_on_at_once_and_tells_nobody),
        cmocka_unit_test(test_last_part_is_sent_with_what_became_of_each),
        cmocka_unit_test(test_rejected_tells_ghl_a_plain_sentence_where_there_is_one),
        cmocka_unit_test(test_a_receipt_keeps_what_is_known_of_the_parts),
        cmocka_unit_test(test_a_withheld_report_is_done_and_says_why),
        cmocka_unit_test(test_answers_tell_of_parts),
        cmocka_unit_test(test_progress_that_is_no_text_is_a_fault_of_the_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
