#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/zone.h"

static struct zone_civil civil_at(const char *zone, int64_t ms)
{
    struct zone_civil civil = {0};
    const char *reason = "";
    if (zone_civil_at(zone, ms, &civil, &reason) != 0)
        fail_msg("%s: %s", zone, reason);
    return civil;
}

static int64_t instant_of(const char *zone, struct zone_civil civil, enum zone_kind expected)
{
    int64_t ms = 0;
    enum zone_kind kind = ZONE_UNIQUE;
    const char *reason = "";
    if (zone_instant_of(zone, &civil, &ms, &kind, &reason) != 0)
        fail_msg("%s: %s", zone, reason);
    assert_int_equal(kind, expected);
    return ms;
}

static void test_what_clocks_show(void **state)
{
    (void)state;
    struct zone_civil civil = civil_at("UTC", -1);
    assert_int_equal(civil.year, 1969);
    assert_int_equal(civil.second, 59);
    assert_int_equal(civil.weekday, 3);
    assert_int_equal(civil_at("America/New_York", 1768500000000).offset_s, -5 * 3600); /* January */
    assert_int_equal(civil_at("America/New_York", 1784000000000).offset_s, -4 * 3600); /* July */
    assert_int_equal(civil_at("Asia/Kathmandu", 0).offset_s, (5 * 60 + 30) * 60);      /* 5:45 since 1986 */
    assert_int_equal(civil_at("-03:30", 0).offset_s, -(3 * 60 + 30) * 60);
}

static void test_times_that_are_skipped_or_shown_twice(void **state)
{
    (void)state;
    const int64_t forward = 1772953200000, back = 1793509200000; /* 2026-03-08 and 2026-11-01 in New York */
    struct zone_civil skipped = {.year = 2026, .month = 3, .day = 8, .hour = 2, .minute = 30};
    struct zone_civil twice = {.year = 2026, .month = 11, .day = 1, .hour = 1};
    assert_int_equal(instant_of("America/New_York", skipped, ZONE_SKIPPED), forward);
    assert_int_equal(instant_of("America/New_York", twice, ZONE_REPEATED), back);
    assert_int_equal(instant_of("America/Phoenix", skipped, ZONE_UNIQUE), forward + 150 * 60000);
}

static void test_what_is_too_large_carries_over(void **state)
{
    (void)state;
    struct zone_civil civil = {.year = 2026, .month = 13, .day = 32, .hour = 24};
    struct zone_civil same = {.year = 2027, .month = 2, .day = 2};
    assert_int_equal(instant_of("Asia/Manila", civil, ZONE_UNIQUE),
                     instant_of("Asia/Manila", same, ZONE_UNIQUE));
}

static void expect_refused(const char *zone, const char *expected)
{
    struct zone_civil civil;
    const char *reason = "";
    assert_int_equal(zone_civil_at(zone, 0, &civil, &reason), -1);
    assert_string_equal(reason, expected);
}

static void test_unknown_zones_are_refused_and_no_other_file_is_opened(void **state)
{
    (void)state;
    expect_refused("Asia/Manilla", "the zone Asia/Manilla is not known; did you mean Asia/Manila?");
    static const char *const names[] = {"",
                                        "/usr/share/zoneinfo/Asia/Manila",
                                        "../zoneinfo/Asia/Manila",
                                        "+15:00",
                                        "right/Asia/Tokyo",
                                        "file:/etc/localtime"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct zone_civil civil;
        const char *reason = "";
        assert_int_equal(zone_civil_at(names[i], 0, &civil, &reason), -1);
        assert_non_null(strstr(reason, "is not known"));
    }
}

static void test_years_beyond_9999_are_refused(void **state)
{
    (void)state;
    struct zone_civil civil = {.year = 10000, .month = 1, .day = 1};
    int64_t ms;
    enum zone_kind kind;
    const char *reason = "";
    assert_int_equal(zone_instant_of("UTC", &civil, &ms, &kind, &reason), -1);
    assert_string_equal(reason, "the time is not within the years 1 to 9999");
    assert_int_equal(zone_civil_at("UTC", INT64_MAX, &civil, &reason), -1);
    assert_int_equal(zone_civil_at("UTC", INT64_MIN, &civil, &reason), -1);
}

static void *ask_often(void *argument)
{
    static const char *const names[] = {"Europe/London", "Europe/Paris", "Australia/Sydney", "+09:30"};
    size_t *right = argument;
    for (int i = 0; i < 100; i++) {
        struct zone_civil civil = {.hour = -1};
        const char *reason;
        *right += zone_civil_at(names[i % 4], 0, &civil, &reason) == 0 && civil.hour >= 0;
    }
    return NULL;
}

static void test_threads_ask_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    size_t right[4] = {0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &right[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(right[i], 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_ask_at_once), /* first: the zones are read by whoever asks first */
        cmocka_unit_test(test_what_clocks_show),
        cmocka_unit_test(test_times_that_are_skipped_or_shown_twice),
        cmocka_unit_test(test_what_is_too_large_carries_over),
        cmocka_unit_test(test_unknown_zones_are_refused_and_no_other_file_is_opened),
        cmocka_unit_test(test_years_beyond_9999_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
