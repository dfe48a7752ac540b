#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/phone.h"

static struct phone parse(const char *text, const char *region)
{
    struct phone phone = {0};
    const char *reason = "";
    if (phone_parse(text, region, &phone, &reason) != 0)
        fail_msg("\"%s\" in %s: %s", text, region == NULL ? "no region" : region, reason);
    return phone;
}

/* The same number in full-width digits. */
static const char full_width[] = "\xEF\xBC\x90\xEF\xBC\x99\xEF\xBC\x91\xEF\xBC\x97\xEF\xBC\x91\xEF\xBC\x92"
                                 "\xEF\xBC\x93\xEF\xBC\x94\xEF\xBC\x95\xEF\xBC\x96\xEF\xBC\x97";

static void test_every_spelling_of_a_philippine_mobile_number(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "+639171234567",     "639171234567",     "00639171234567",       "09171234567",
        "9171234567",        "+63 917 123 4567", "0917-123-4567",        "+63 (0) 917 123 4567",
        "+63 0917 123 4567", " 0917 123 4567 ",  "tel:+63-917-123-4567", full_width,
    };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct phone phone = parse(spellings[i], "PH");
        assert_string_equal(phone.e164, "+639171234567");
        assert_string_equal(phone.national, "09171234567");
        assert_string_equal(phone.region, "PH");
        assert_int_equal(phone.mobile, 1);
        assert_int_equal(phone.valid, 1);
    }
}

/* A prefix list of one's own would refuse them: they do not begin with 09. */
static void test_mobile_ranges_outside_09(void **state)
{
    (void)state;
    static const char *const numbers[] = {"08131234567", "08171234567", "08951234567", "08981234567"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct phone phone = parse(numbers[i], "PH");
        assert_string_equal(phone.national, numbers[i]);
        assert_int_equal(phone.mobile, 1);
    }
}

static void test_landlines_are_told_from_mobiles(void **state)
{
    (void)state;
    assert_int_equal(parse("(02) 8123 4567", "PH").mobile, 0);
    assert_int_equal(parse("+442079460123", NULL).mobile, 0);
    assert_int_equal(parse("+12125550123", NULL).mobile, 1); /* the plan cannot tell */
    assert_int_equal(parse("+447400123456", NULL).mobile, 1);
}

static void test_the_default_country_decides_what_a_bare_number_is(void **state)
{
    (void)state;
    assert_string_equal(parse("2125550123", "US").e164, "+12125550123");
    assert_string_equal(parse("2125550123", "US").national, "2125550123");
    assert_string_equal(parse("+639171234567", "US").e164, "+639171234567");
    assert_string_equal(parse("011 63 917 123 4567", "US").e164, "+639171234567");
    assert_string_equal(parse("+639171234567", "").region, "PH");
}

static void test_regions(void **state)
{
    (void)state;
    assert_string_equal(parse("+16135550123", NULL).region, "CA"); /* one code, many countries */
    assert_string_equal(parse("+80012345678", NULL).region, "");   /* international freephone */
}

static void expect_refused(const char *text, const char *region, const char *expected)
{
    struct phone phone;
    const char *reason = NULL;
    assert_int_equal(phone_parse(text, region, &phone, &reason), -1);
    assert_string_equal(reason, expected);
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    expect_refused("", "PH", "not a telephone number");
    expect_refused("abc", "PH", "not a telephone number");
    expect_refused("GCASH", "PH", "not a telephone number");
    expect_refused("2256", "PH", "the wrong number of digits for its country");
    expect_refused("+1 212 555 0123 ext. 45", NULL, "an extension, which no text message reaches");
    expect_refused("+1234567890", "PH", "the wrong number of digits for its country");
    expect_refused("09171234567", NULL, "no country code, and no default country to take it from");
    expect_refused("639171234567", "", "no country code, and no default country to take it from");
    expect_refused("+999123456789", NULL, "no country code, and no default country to take it from");
    expect_refused("+639171234567890123456", NULL, "too long for a telephone number");
    char long_text[100000]; /* libphonenumber alone would take minutes for it */
    memset(long_text, '(', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    expect_refused(long_text, "PH", "too long for a telephone number");
    expect_refused("09171234567", "XX", "no country code, and no default country to take it from");
}

static void *parse_often(void *argument)
{
    size_t *right = argument;
    for (int i = 0; i < 100; i++) {
        struct phone phone;
        const char *reason = NULL;
        *right += phone_parse("09171234567", "PH", &phone, &reason) == 0 &&
                  strcmp(phone.e164, "+639171234567") == 0;
    }
    return NULL;
}

static void test_threads_parse_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    size_t right[4] = {0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parse_often, &right[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(right[i], 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_spelling_of_a_philippine_mobile_number),
        cmocka_unit_test(test_mobile_ranges_outside_09),
        cmocka_unit_test(test_landlines_are_told_from_mobiles),
        cmocka_unit_test(test_the_default_country_decides_what_a_bare_number_is),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_what_is_no_number),
        cmocka_unit_test(test_threads_parse_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
