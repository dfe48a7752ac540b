#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "base/clock.h"

static void expect_both_ways(int64_t wall_ms, const char *text)
{
    char out[CLOCK_ISO_SIZE];
    int64_t back = INT64_MIN;
    assert_string_equal(clock_format_iso(wall_ms, out), text);
    assert_int_equal(clock_parse_iso(text, &back), 0);
    assert_int_equal(back, wall_ms);
}

static void test_iso_both_ways(void **state)
{
    (void)state;
    expect_both_ways(0, "1970-01-01T00:00:00.000Z");
    expect_both_ways(1767323045678, "2026-01-02T03:04:05.678Z");
    expect_both_ways(1709164800000, "2024-02-29T00:00:00.000Z");
    expect_both_ways(253402300799999, "9999-12-31T23:59:59.999Z");
    expect_both_ways(-1, "1969-12-31T23:59:59.999Z");
    expect_both_ways(-86400000, "1969-12-31T00:00:00.000Z");
}

static void test_fractions_of_any_length(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"1970-01-01T00:00:01Z", 1000},
                 {"1970-01-01T00:00:01.5Z", 1500},
                 {"1970-01-01T00:00:01.05Z", 1050},
                 {"1970-01-01T00:00:01.678912Z", 1678}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = 0;
        assert_int_equal(clock_parse_iso(cases[i].text, &ms), 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_what_is_no_time(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "now",
                                        "2026-01-02",
                                        "2026-01-02T03:04:05",
                                        "2026-01-02T03:04:05.Z",
                                        "2026-01-02T03:04:05+08:00",
                                        "2026-01-02 03:04:05Z",
                                        " 2026-01-02T03:04:05Z",
                                        "2026-01-02T03:04:05Z ",
                                        "2026- 1-02T03:04:05Z",
                                        "26-01-02T03:04:05Z",
                                        "2026-02-30T03:04:05Z",
                                        "2026-13-01T03:04:05Z",
                                        "2026-01-02T24:00:00Z"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ms = 0;
        if (clock_parse_iso(texts[i], &ms) != -1)
            fail_msg("read as a time: \"%s\"", texts[i]);
    }
}

static void test_clocks_go_on(void **state)
{
    (void)state;
    int64_t wall = clock_wall_ms(), monotonic = clock_monotonic_ms();
    assert_in_range(wall / 1000 - (int64_t)time(NULL) + 2, 0, 4);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    assert_in_range(clock_monotonic_ms() - monotonic, 20, 5000);
}

static void assert_shows(int64_t wall_ms)
{
    assert_in_range(clock_wall_ms() - wall_ms, 0, 60000);
}

/* Last: from here on this process's clock is another's. */
static void test_another_clock_is_followed(void **state)
{
    (void)state;
    const int64_t then_ms = INT64_C(1760000000000);
    clock_follow(then_ms, 5);
    assert_shows(then_ms);
    clock_follow(then_ms + 3600000, 5);
    assert_shows(then_ms + 3600000);
    clock_follow(then_ms, 5); /* backwards too */
    assert_shows(then_ms);
    clock_follow(then_ms + 3600000, 7200000); /* which it cannot be told apart from */
    assert_shows(then_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_iso_both_ways),
        cmocka_unit_test(test_fractions_of_any_length),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_clocks_go_on),
        cmocka_unit_test(test_another_clock_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
