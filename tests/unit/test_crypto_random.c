#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"

typedef void encoder(struct buffer *out, struct slice data);
typedef int decoder(struct buffer *out, struct slice text);

static void expect_encoded(encoder *encode, decoder *decode, const char *data, const char *text)
{
    struct buffer encoded = {0}, decoded = {0};
    encode(&encoded, slice_from(data));
    assert_string_equal(encoded.data, text);
    assert_int_equal(decode(&decoded, slice_from(text)), 0);
    assert_string_equal(decoded.data, data);
    buffer_deinit(&encoded);
    buffer_deinit(&decoded);
}

static void test_encodings_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const vectors[][4] = {
        {"", "", "", ""},
        {"f", "Zg==", "Zg", "66"},
        {"fo", "Zm8=", "Zm8", "666f"},
        {"foo", "Zm9v", "Zm9v", "666f6f"},
        {"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
        {"\xFB\xFF\xBF", "+/+/", "-_-_", "fbffbf"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        expect_encoded(base64_encode, base64_decode, vectors[i][0], vectors[i][1]);
        expect_encoded(base64url_encode, base64url_decode, vectors[i][0], vectors[i][2]);
        expect_encoded(hex_encode, hex_decode, vectors[i][0], vectors[i][3]);
    }
}

static void expect_refused(decoder *decode, const char *text)
{
    struct buffer out = {0};
    buffer_append_text(&out, "kept");
    assert_int_equal(decode(&out, slice_from(text)), -1);
    assert_string_equal(out.data, "kept");
    buffer_deinit(&out);
}

static void test_malformed_texts_append_nothing(void **state)
{
    (void)state;
    static const char *const base64[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zg== ", "Zm9v\n", "-_-_", "Zm9v=", "====", "Z g="};
    static const char *const base64url[] = {"Zg==", "Z", "Zh", "+/+/", "Zm9v "};
    static const char *const hex[] = {"6", "6g", "66 6f", "0x66"};
    for (size_t i = 0; i < sizeof base64 / sizeof *base64; i++)
        expect_refused(base64_decode, base64[i]);
    for (size_t i = 0; i < sizeof base64url / sizeof *base64url; i++)
        expect_refused(base64url_decode, base64url[i]);
    for (size_t i = 0; i < sizeof hex / sizeof *hex; i++)
        expect_refused(hex_decode, hex[i]);
    struct buffer out = {0};
    assert_int_equal(hex_decode(&out, SLICE_LITERAL("FFfe")), 0);
    assert_memory_equal(out.data, "\xFF\xFE", 2);
    buffer_deinit(&out);
}

/* Longer than what is encoded at a time, at every remainder. */
static void test_long_data_comes_back(void **state)
{
    (void)state;
    unsigned char data[2000];
    random_fill(data, sizeof data);
    encoder *const encoders[] = {base64_encode, base64url_encode, hex_encode};
    decoder *const decoders[] = {base64_decode, base64url_decode, hex_decode};
    for (size_t length = 760; length <= sizeof data; length += length < 780 ? 1 : 97) {
        for (size_t i = 0; i < 3; i++) {
            struct buffer text = {0}, back = {0};
            encoders[i](&text, (struct slice){(const char *)data, length});
            assert_int_equal(decoders[i](&back, (struct slice){text.data, text.length}), 0);
            assert_int_equal(back.length, length);
            assert_memory_equal(back.data, data, length);
            buffer_deinit(&text);
            buffer_deinit(&back);
        }
    }
}

static void test_digests(void **state)
{
    (void)state;
    unsigned char digest[32];
    struct buffer hex = {0};
    crypto_sha256(SLICE_LITERAL("abc"), digest); /* FIPS 180-2, B.1 */
    hex_encode(&hex, (struct slice){(const char *)digest, sizeof digest});
    assert_string_equal(hex.data, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    buffer_clear(&hex);
    /* RFC 4231, test case 2 */
    crypto_hmac_sha256(SLICE_LITERAL("Jefe"), SLICE_LITERAL("what do ya want for nothing?"), digest);
    hex_encode(&hex, (struct slice){(const char *)digest, sizeof digest});
    assert_string_equal(hex.data, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    buffer_deinit(&hex);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(crypto_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abc")));
    assert_false(crypto_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("abd")));
    assert_false(crypto_equal(SLICE_LITERAL("abc"), SLICE_LITERAL("ab")));
    assert_true(crypto_equal((struct slice){NULL, 0}, SLICE_LITERAL("")));
}

static void test_tokens_are_url_safe_and_differ(void **state)
{
    (void)state;
    char *a = random_token(24), *b = random_token(24);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 32);
    assert_string_not_equal(a, b);
    free(a);
    free(b);
}

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodings_of_rfc_4648),
        cmocka_unit_test(test_malformed_texts_append_nothing),
        cmocka_unit_test(test_long_data_comes_back),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_tokens_are_url_safe_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
