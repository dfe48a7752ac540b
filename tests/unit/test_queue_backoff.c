/* Full jitter: never outside its bounds, spread over all of them, and never before the destination's own
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/queue.h"

#define BASE_MS 1000
#define MOST_MS 60000

static void test_the_ceiling_doubles_up_to_the_most(void **state)
{
    (void)state;
    static const int64_t ceilings[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
    for (unsigned attempt = 1; attempt <= sizeof ceilings / sizeof ceilings[0]; attempt++)
        assert_int_equal(queue_backoff_ms(attempt, BASE_MS, MOST_MS, 0, UINT32_MAX), ceilings[attempt - 1]);
}

static void test_the_least_wait_is_one_millisecond(void **state)
{
    (void)state;
    assert_int_equal(queue_backoff_ms(1, BASE_MS, MOST_MS, 0, 0), 1);
    assert_int_equal(queue_backoff_ms(30, BASE_MS, MOST_MS, 0, 0), 1);
}

static void test_waits_are_spread_evenly(void **state)
{
    (void)state;
    assert_in_range(queue_backoff_ms(1, BASE_MS, MOST_MS, 0, UINT32_MAX / 2), 499, 501);
    assert_in_range(queue_backoff_ms(3, BASE_MS, MOST_MS, 0, UINT32_MAX / 4), 999, 1001);
}

static void test_a_named_time_is_kept(void **state)
{
    (void)state;
    assert_int_equal(queue_backoff_ms(1, BASE_MS, MOST_MS, 5000, 0), 5000);
    assert_int_equal(queue_backoff_ms(1, BASE_MS, MOST_MS, 3600000, UINT32_MAX), 3600000);
    assert_int_equal(queue_backoff_ms(5, BASE_MS, MOST_MS, 5000, UINT32_MAX), 16000);
}

static void test_large_numbers_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(queue_backoff_ms(UINT32_MAX, INT64_MAX / 2, INT64_MAX / 2, 0, UINT32_MAX) > 0, 1);
    assert_int_equal(queue_backoff_ms(1000, 1, MOST_MS, 0, UINT32_MAX), MOST_MS);
    assert_int_equal(queue_backoff_ms(0, BASE_MS, MOST_MS, 0, UINT32_MAX), BASE_MS);
}

static void test_a_base_over_the_most_is_the_most(void **state)
{
    (void)state;
    assert_int_equal(queue_backoff_ms(1, 100000, MOST_MS, 0, UINT32_MAX), MOST_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_ceiling_doubles_up_to_the_most),
        cmocka_unit_test(test_the_least_wait_is_one_millisecond),
        cmocka_unit_test(test_waits_are_spread_evenly),
        cmocka_unit_test(test_a_named_time_is_kept),
        cmocka_unit_test(test_large_numbers_do_not_overflow),
        cmocka_unit_test(test_a_base_over_the_most_is_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
