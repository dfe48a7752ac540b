#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/seal.h"

/* base64 of 32 bytes 'a', 32 bytes 'b' */
#define KEY_A "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
#define KEY_B "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI="
#define CONTEXT "token:company/location"

static struct seal_keys *ring(const char *text)
{
    struct error error = {0};
    struct seal_keys *keys = seal_keys_new(text, &error);
    if (keys == NULL)
        fail_msg("%s", error.message);
    return keys;
}

static void expect_opens(const struct seal_keys *keys, const char *sealed, const char *secret)
{
    struct buffer opened = {0};
    struct error error = {0};
    if (seal_open(keys, CONTEXT, sealed, &opened, &error) != 0)
        fail_msg("%s", error.message);
    assert_string_equal(opened.data, secret);
    buffer_deinit(&opened);
}

static void expect_closed(const struct seal_keys *keys, const char *context, const char *sealed,
                          enum error_kind kind)
{
    struct buffer opened = {0};
    struct error error = {0};
    assert_int_equal(seal_open(keys, context, sealed, &opened, &error), -1);
    assert_int_equal(error.kind, kind);
    assert_null(opened.data);
}

static void test_what_is_sealed_opens(void **state)
{
    (void)state;
    struct seal_keys *keys = ring("k1:" KEY_A);
    char *sealed = seal_close(keys, CONTEXT, SLICE_LITERAL("refresh-token"));
    assert_int_equal(strncmp(sealed, "s1.k1.", 6), 0);
    assert_null(strstr(sealed, "refresh-token"));
    expect_opens(keys, sealed, "refresh-token");
    free(sealed);
    sealed = seal_close(keys, CONTEXT, (struct slice){NULL, 0});
    expect_opens(keys, sealed, "");
    free(sealed);
    seal_keys_free(keys);
}

static void test_opening_appends(void **state)
{
    (void)state;
    struct seal_keys *keys = ring("k1:" KEY_A);
    char *sealed = seal_close(keys, CONTEXT, SLICE_LITERAL("two"));
    struct buffer opened = {0};
    buffer_append_text(&opened, "one ");
    assert_int_equal(seal_open(keys, CONTEXT, sealed, &opened, NULL), 0);
    assert_string_equal(opened.data, "one two");
    buffer_deinit(&opened);
    free(sealed);
    seal_keys_free(keys);
}

static void test_two_seals_of_one_secret_differ(void **state)
{
    (void)state;
    struct seal_keys *keys = ring("k1:" KEY_A);
    char *a = seal_close(keys, CONTEXT, SLICE_LITERAL("secret"));
    char *b = seal_close(keys, CONTEXT, SLICE_LITERAL("secret"));
    assert_string_not_equal(a, b);
    free(a);
    free(b);
    seal_keys_free(keys);
}

static void test_a_sealed_text_does_not_move(void **state)
{
    (void)state;
    struct seal_keys *keys = ring("k1:" KEY_A ",k2:" KEY_A);
    char *sealed = seal_close(keys, CONTEXT, SLICE_LITERAL("secret"));
    expect_closed(keys, "token:company/another", sealed, ERROR_DENIED);
    expect_closed(keys, "", sealed, ERROR_DENIED);
    sealed[4] = '2'; /* the same key material under another id: the id is authenticated too */
    expect_closed(keys, CONTEXT, sealed, ERROR_DENIED);
    free(sealed);
    seal_keys_free(keys);
}

static void test_every_altered_character_is_noticed(void **state)
{
    (void)state;
    struct seal_keys *keys = ring("k1:" KEY_A);
    char *sealed = seal_close(keys, CONTEXT, SLICE_LITERAL("secret"));
    for (size_t i = 0; sealed[i] != '\0'; i++) {
        char was = sealed[i];
        sealed[i] = was == 'A' ? 'B' : 'A';
        struct buffer opened = {0};
        assert_int_equal(seal_open(keys, CONTEXT, sealed, &opened, NULL), -1);
        assert_null(opened.data);
        sealed[i] = was;
    }
    expect_opens(keys, sealed, "secret");
    free(sealed);
    seal_keys_free(keys);
}

static void test_what_is_not_a_sealed_text_is_invalid(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "secret",
                                        "s1.",
                                        "s1.k1",
                                        "s1.k1.",
                                        "s1..AAAA",
                                        "s1.k1.AAAA",
                                        "s2.k1.AAAA",
                                        "s1.k 1.AAAA",
                                        "s1.k1.????",
                                        "s1.an-id-that-is-longer-than-32-characters.AAAA"};
    struct seal_keys *keys = ring("k1:" KEY_A);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_closed(keys, CONTEXT, texts[i], ERROR_INVALID);
    seal_keys_free(keys);
}

static void test_keys_rotate(void **state)
{
    (void)state;
    struct seal_keys *old = ring("old:" KEY_A), *both = ring(" new:" KEY_B " , old:" KEY_A "\n"),
                     *new = ring("new:" KEY_B);
    char *before = seal_close(old, CONTEXT, SLICE_LITERAL("secret"));
    expect_opens(both, before, "secret");
    assert_false(seal_is_current(both, before));
    expect_closed(new, CONTEXT, before, ERROR_DENIED);
    char *after = seal_close(both, CONTEXT, SLICE_LITERAL("secret"));
    assert_true(seal_is_current(both, after));
    assert_true(seal_is_current(new, after));
    expect_opens(new, after, "secret");
    assert_false(seal_is_current(both, "secret"));
    free(before);
    free(after);
    seal_keys_free(old);
    seal_keys_free(both);
    seal_keys_free(new);
}

static void expect_fault(const char *text, const char *fault)
{
    struct error error = {0};
    assert_null(seal_keys_new(text, &error));
    assert_int_equal(error.kind, ERROR_INVALID);
    assert_string_equal(error.message, fault);
    assert_null(strstr(error.message, "YWFh"));
}

static void test_faults_of_the_ring_show_no_key(void **state)
{
    (void)state;
    expect_fault("", "seal key 1: an id of 1 to 32 letters, digits, - and _ must stand before its colon");
    expect_fault(KEY_A, "seal key 1: an id of 1 to 32 letters, digits, - and _ must stand before its colon");
    expect_fault("k.1:" KEY_A,
                 "seal key 1: an id of 1 to 32 letters, digits, - and _ must stand before its colon");
    expect_fault("k1:" KEY_A ",",
                 "seal key 2: an id of 1 to 32 letters, digits, - and _ must stand before its colon");
    expect_fault("k1:" KEY_A ",k1:" KEY_B, "seal key 2: its id is there already");
    expect_fault("k1:YWFh", "seal key 1: not the base64 of 32 bytes after its id");
    expect_fault("k1:" KEY_A "YWFh", "seal key 1: not the base64 of 32 bytes after its id");
    expect_fault("k1:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh",
                 "seal key 1: not the base64 of 32 bytes after its id");
}

static void test_a_generated_key_is_a_ring(void **state)
{
    (void)state;
    char *text = seal_keys_generate(), *again = seal_keys_generate();
    assert_string_not_equal(text, again);
    assert_int_equal(text[0], 'k');
    assert_int_equal(strchr(text, ':') - text, 9);
    struct seal_keys *keys = ring(text);
    char *sealed = seal_close(keys, CONTEXT, SLICE_LITERAL("secret"));
    expect_opens(keys, sealed, "secret");
    free(sealed);
    free(text);
    free(again);
    seal_keys_free(keys);
}

static void test_random_rings_are_strangers(void **state)
{
    (void)state;
    struct seal_keys *a = seal_keys_random(), *b = seal_keys_random();
    char *sealed = seal_close(a, CONTEXT, SLICE_LITERAL("secret"));
    assert_int_equal(strncmp(sealed, "s1.ephemeral.", 13), 0);
    expect_opens(a, sealed, "secret");
    expect_closed(b, CONTEXT, sealed, ERROR_DENIED);
    free(sealed);
    seal_keys_free(a);
    seal_keys_free(b);
}

static void expect_unstamped(const struct seal_keys *keys, const char *stamped, const char *text)
{
    char *found = seal_unstamp(keys, stamped);
    if (text == NULL)
        assert_null(found);
    else
        assert_string_equal(found, text);
    free(found);
}

static void test_stamps_are_told_from_forgeries(void **state)
{
    (void)state;
    struct seal_keys *keys = ring("k1:" KEY_A), *other = ring("k1:" KEY_B);
    char *stamped = seal_stamp(keys, "state-1");
    assert_int_equal(strncmp(stamped, "state-1.", 8), 0);
    expect_unstamped(keys, stamped, "state-1");
    expect_unstamped(other, stamped, NULL);
    for (size_t i = 0; stamped[i] != '\0'; i++) {
        char was = stamped[i];
        stamped[i] = was == 'A' ? 'B' : 'A';
        expect_unstamped(keys, stamped, NULL);
        stamped[i] = was;
    }
    static const char *const forged[] = {"", ".", "state-1", "state-1.", "state-1.AAAA", "state-1.a.b"};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++)
        expect_unstamped(keys, forged[i], NULL);
    assert_null(seal_stamp(keys, "a.b"));
    free(stamped);
    seal_keys_free(keys);
    seal_keys_free(other);
}

static void test_stamps_outlive_a_rotation(void **state)
{
    (void)state;
    struct seal_keys *old = ring("old:" KEY_A), *both = ring("new:" KEY_B ",old:" KEY_A),
                     *renamed = ring("x:" KEY_A);
    char *before = seal_stamp(old, "text"), *after = seal_stamp(both, "text");
    assert_string_not_equal(before, after);
    expect_unstamped(both, before, "text");
    expect_unstamped(both, after, "text");
    expect_unstamped(renamed, before, "text");
    expect_unstamped(old, after, NULL);
    free(before);
    free(after);
    seal_keys_free(old);
    seal_keys_free(both);
    seal_keys_free(renamed);
}

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sealed_opens),
        cmocka_unit_test(test_opening_appends),
        cmocka_unit_test(test_two_seals_of_one_secret_differ),
        cmocka_unit_test(test_a_sealed_text_does_not_move),
        cmocka_unit_test(test_every_altered_character_is_noticed),
        cmocka_unit_test(test_what_is_not_a_sealed_text_is_invalid),
        cmocka_unit_test(test_keys_rotate),
        cmocka_unit_test(test_faults_of_the_ring_show_no_key),
        cmocka_unit_test(test_a_generated_key_is_a_ring),
        cmocka_unit_test(test_random_rings_are_strangers),
        cmocka_unit_test(test_stamps_are_told_from_forgeries),
        cmocka_unit_test(test_stamps_outlive_a_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
