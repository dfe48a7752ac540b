#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void test_slices_compare(void **state)
{
    (void)state;
    const struct slice none = {NULL, 0};
    assert_true(slice_equal(slice_from("abc"), SLICE_LITERAL("abc")));
    assert_false(slice_equal(slice_from("abc"), SLICE_LITERAL("abd")));
    assert_false(slice_equal(slice_from("abc"), SLICE_LITERAL("ab")));
    assert_true(slice_equal(slice_from(NULL), none));
    assert_true(slice_equal(SLICE_LITERAL(""), none));
    assert_true(slice_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0b")));
    assert_false(slice_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0c")));
    assert_true(slice_equal_ignoring_case(SLICE_LITERAL("X-GHL"), SLICE_LITERAL("x-ghl")));
    assert_false(slice_equal_ignoring_case(SLICE_LITERAL("x-ghl"), SLICE_LITERAL("x-gh")));
    assert_true(slice_equal_ignoring_case(none, none));
}

static void test_slices_are_trimmed_and_copied(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_trim(SLICE_LITERAL(" \t a b\r\n")), SLICE_LITERAL("a b")));
    assert_int_equal(slice_trim(SLICE_LITERAL(" \r\n\t")).length, 0);
    assert_int_equal(slice_trim((struct slice){NULL, 0}).length, 0);
    char *copy = slice_duplicate((struct slice){"abcdef", 3});
    assert_string_equal(copy, "abc");
    free(copy);
    copy = slice_duplicate((struct slice){NULL, 0});
    assert_string_equal(copy, "");
    free(copy);
    assert_null(text_duplicate(NULL));
}

static void test_buffers_grow_and_stay_terminated(void **state)
{
    (void)state;
    struct buffer b = {0};
    for (int i = 0; i < 1000; i++) {
        buffer_append_text(&b, "abc");
        assert_int_equal(b.data[b.length], '\0');
        assert_true(b.length < b.capacity);
    }
    assert_int_equal(b.length, 3000);
    buffer_append(&b, "\0x", 2);
    assert_memory_equal(b.data + 3000, "\0x", 3);
    size_t capacity = b.capacity;
    buffer_clear(&b);
    assert_string_equal(b.data, "");
    assert_int_equal(b.capacity, capacity);
    buffer_deinit(&b);
    assert_null(b.data);
    buffer_clear(&b);
    buffer_append(&b, NULL, 0);
    assert_string_equal(b.data, "");
    buffer_deinit(&b);
}

static void test_formats_append(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_append_format(&b, "%s=%d", "a", 1);
    buffer_append_format(&b, ";%0200d", 7);
    assert_int_equal(b.length, 204);
    assert_int_equal(strncmp(b.data, "a=1;000", 7), 0);
    assert_int_equal(b.data[203], '7');
    buffer_deinit(&b);
}

static void expect_json(struct slice text, const char *expected)
{
    struct buffer b = {0};
    buffer_append_json_string(&b, text);
    assert_string_equal(b.data, expected);
    buffer_deinit(&b);
}

static void test_json_strings(void **state)
{
    (void)state;
    expect_json(SLICE_LITERAL(""), "\"\"");
    expect_json((struct slice){NULL, 0}, "\"\"");
    expect_json(SLICE_LITERAL("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    expect_json(SLICE_LITERAL("\n\r\t\b\x1F\x7F\0"), "\"\\n\\r\\t\\u0008\\u001f\\u007f\\u0000\"");
    expect_json(SLICE_LITERAL("\xC3\xA9\xF0\x9F\x99\x82"), "\"\xC3\xA9\xF0\x9F\x99\x82\"");
    expect_json(SLICE_LITERAL("a\xFFz\xC3"), "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
}

static void test_distances(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_int_equal(text_distance("ab", "ba"), 1); /* neighbours swapped */
    assert_int_equal(text_distance("listen", "listen"), 0);
    char longest[66] = {0};
    memset(longest, 'a', 64);
    assert_int_equal(text_distance(longest, ""), 64);
    longest[64] = 'a';
    assert_true(text_distance(longest, "") == SIZE_MAX);
}

static void test_suggestions(void **state)
{
    (void)state;
    static const char *const names[] = {"outbound", "inbound", "report", NULL};
    static const char *const none[] = {NULL};
    assert_string_equal(text_suggest("outbond", names), "outbound");
    assert_string_equal(text_suggest("ibnound", names), "inbound");
    assert_string_equal(text_suggest("reports", names), "report");
    assert_null(text_suggest("weather", names));
    assert_null(text_suggest("", names));
    assert_null(text_suggest("report", none));
    static const char *const lua_words[] = {"until_", "reason", NULL};
    assert_string_equal(text_suggest("untl", lua_words), "until_");
    assert_string_equal(text_suggest("untill_", lua_words), "until_");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices_compare),
        cmocka_unit_test(test_slices_are_trimmed_and_copied),
        cmocka_unit_test(test_buffers_grow_and_stay_terminated),
        cmocka_unit_test(test_formats_append),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
