#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/utf8.h"

/* Encodes as the table of RFC 3629, section 3, says; nothing is checked. */
static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x1FFFFF; c++) {
        char text[4];
        size_t length = encode(c, text);
        bool sound = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
        assert_int_equal(utf8_width(text, length), sound ? length : 0);
        assert_int_equal(utf8_width(text, length - 1), 0); /* cut */
    }
}

static void test_malformed_sequences(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "\x80",
        "\xBF", /* continuation alone */
        "\xC0\x80",
        "\xC1\xBF", /* overlong */
        "\xE0\x80\x80",
        "\xE0\x9F\xBF", /* overlong */
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF5\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC3(",
        "\xE2\x82(",
        "\xF0\x9F\x99(",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(utf8_width(malformed[i], strlen(malformed[i])), 0);
}

static void test_valid_prefix(void **state)
{
    (void)state;
    static const char text[] = "a\xC3\xA9\xF0\x9F\x99\x82";
    assert_int_equal(utf8_valid_prefix(text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(utf8_valid_prefix(text, sizeof text - 2), 3);
    assert_int_equal(utf8_valid_prefix("ab\xFF"
                                       "c",
                                       4),
                     2);
    assert_int_equal(utf8_valid_prefix(NULL, 0), 0);
    assert_int_equal(utf8_valid_prefix("a\0b", 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_malformed_sequences),
        cmocka_unit_test(test_valid_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
