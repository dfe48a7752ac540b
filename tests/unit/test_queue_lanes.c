/* Whose turn it is: order, shares, and what is remembered while a claim is under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "queue/lanes.h"

static struct lane *next_is(struct lanes *lanes, const char *location, unsigned *limit)
{
    struct lane *lane = lanes_next(lanes, limit);
    assert_non_null(lane);
    assert_string_equal(lane_location(lane), location);
    return lane;
}

/* Claims for the lane whose turn it is, and gets all that it asked for. */
static void claim_full(struct lanes *lanes, const char *location)
{
    unsigned limit;
    struct lane *lane = next_is(lanes, location, &limit);
    lane_claimed(lanes, lane, limit);
}

static void test_ripe_lanes_take_turns_in_order(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(64);
    unsigned limit;
    lanes_ripen(lanes, "a");
    lanes_ripen(lanes, "b");
    lanes_ripen(lanes, "a");
    struct lane *a = next_is(lanes, "a", &limit);
    struct lane *b = next_is(lanes, "b", &limit);
    assert_null(lanes_next(lanes, &limit));
    lane_claimed(lanes, a, 0);
    lane_claimed(lanes, b, 0);
    assert_null(lanes_next(lanes, &limit));
    assert_int_equal(lanes_held(lanes), 0);
    lanes_free(lanes);
}

static void test_a_wake_during_a_claim_is_remembered(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(64);
    unsigned limit;
    lanes_ripen(lanes, "a");
    struct lane *a = next_is(lanes, "a", &limit);
    lanes_ripen(lanes, "a");
    assert_null(lanes_next(lanes, &limit));
    lane_claimed(lanes, a, 0);
    a = next_is(lanes, "a", &limit);
    lane_claimed(lanes, a, 0);
    assert_null(lanes_next(lanes, &limit));
    lanes_free(lanes);
}

static void test_a_lane_holds_a_quarter_at_most(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(64);
    unsigned limit;
    lanes_ripen(lanes, "slow");
    struct lane *slow = next_is(lanes, "slow", &limit);
    assert_int_equal(limit, 16);
    lane_claimed(lanes, slow, 16); /* full: there is a backlog */
    assert_null(lanes_next(lanes, &limit));
    lanes_ripen(lanes, "quick");
    struct lane *quick = next_is(lanes, "quick", &limit);
    assert_int_equal(limit, 12); /* a quarter of the 48 that are left */
    lane_claimed(lanes, quick, 1);
    lane_released(lanes, quick, false);
    for (int i = 0; i < 16; i++)
        lane_released(lanes, slow, true);
    assert_int_equal(lanes_held(lanes), 0);
    lanes_free(lanes);
}

static void test_many_slow_lanes_leave_a_place_for_one_more(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(64);
    unsigned limit;
    char location[16];
    for (int i = 0; i < 8; i++) {
        snprintf(location, sizeof location, "slow%d", i);
        lanes_ripen(lanes, location);
        claim_full(lanes, location);
    }
    lanes_ripen(lanes, "late");
    struct lane *late;
    while ((late = lanes_next(lanes, &limit)) != NULL && lane_location(late)[0] == 's')
        lane_claimed(lanes, late, limit);
    assert_non_null(late);
    assert_true(limit >= 1);
    lanes_free(lanes);
}

static void test_one_place_serves_one_message_at_a_time(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(1);
    unsigned limit;
    lanes_ripen(lanes, "a");
    struct lane *a = next_is(lanes, "a", &limit);
    assert_int_equal(limit, 1);
    lanes_ripen(lanes, "b");
    lane_claimed(lanes, a, 1);
    assert_null(lanes_next(lanes, &limit));
    lane_released(lanes, a, true);
    struct lane *b = next_is(lanes, "b", &limit);
    assert_null(lanes_next(lanes, &limit));
    lane_claimed(lanes, b, 0);
    lane_claimed(lanes, next_is(lanes, "a", &limit), 0);
    assert_int_equal(lanes_free_places(lanes), 1);
    lanes_free(lanes);
}

static void test_a_backlog_is_claimed_in_batches(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(256);
    unsigned limit;
    lanes_ripen(lanes, "a");
    struct lane *a = next_is(lanes, "a", &limit);
    assert_int_equal(limit, 64);
    lane_claimed(lanes, a, 64);
    for (int i = 0; i < 15; i++) {
        lane_released(lanes, a, true);
        assert_null(lanes_next(lanes, &limit));
    }
    lane_released(lanes, a, true);
    assert_ptr_equal(next_is(lanes, "a", &limit), a);
    assert_in_range(limit, 16, 64);
    lane_claimed(lanes, a, 0);
    lanes_free(lanes);
}

static void test_a_lane_restricted_to_one_holds_one(void **state)
{
    (void)state;
    struct lanes *lanes = lanes_new(64);
    unsigned limit;
    lanes_ripen(lanes, "a");
    struct lane *a = next_is(lanes, "a", &limit);
    assert_int_equal(limit, 16);
    lane_claimed(lanes, a, 2);
    lane_restrict(a, true);
    lane_released(lanes, a, true);
    assert_null(lanes_next(lanes, &limit)); /* it still holds one */
    lane_released(lanes, a, true);
    a = next_is(lanes, "a", &limit);
    assert_int_equal(limit, 1);
    lane_claimed(lanes, a, 1);
    lane_restrict(a, false);
    lane_released(lanes, a, true);
    a = next_is(lanes, "a", &limit);
    assert_int_equal(limit, 16);
    lane_claimed(lanes, a, 0);
    lanes_free(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ripe_lanes_take_turns_in_order),
        cmocka_unit_test(test_a_wake_during_a_claim_is_remembered),
        cmocka_unit_test(test_a_lane_holds_a_quarter_at_most),
        cmocka_unit_test(test_many_slow_lanes_leave_a_place_for_one_more),
        cmocka_unit_test(test_one_place_serves_one_message_at_a_time),
        cmocka_unit_test(test_a_backlog_is_claimed_in_batches),
        cmocka_unit_test(test_a_lane_restricted_to_one_holds_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
