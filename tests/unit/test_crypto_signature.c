#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/signature.h"
#include "crypto_vectors.h"

static const struct slice body = {vector_body, sizeof vector_body - 1};

static struct signature_keys *ring(const char *pem, const char *secrets)
{
    struct error error = {0};
    struct signature_keys *keys = signature_keys_new(pem, secrets, &error);
    if (keys == NULL)
        fail_msg("%s", error.message);
    return keys;
}

/* One key of each kind: Ed25519, RSA-2048, RSA-4096, P-256, HMAC. */
static struct signature_keys *full_ring(void)
{
    struct buffer pem = {0};
    buffer_append_text(&pem, vector_ed25519_pem);
    buffer_append_text(&pem, vector_rsa2048_pem);
    buffer_append_text(&pem, vector_rsa4096_pem);
    buffer_append_text(&pem, vector_p256_pem);
    struct signature_keys *keys = ring(pem.data, vector_hmac_secret);
    buffer_deinit(&pem);
    return keys;
}

static enum signature_result verify(const struct signature_keys *keys, const char *signature,
                                    struct slice over)
{
    struct slice given = slice_from(signature);
    return signature_verify(keys, &given, 1, over, NULL);
}

static char *base64_of_hex(const char *hex)
{
    struct buffer bytes = {0}, text = {0};
    assert_int_equal(hex_decode(&bytes, slice_from(hex)), 0);
    base64_encode(&text, (struct slice){bytes.data, bytes.length});
    buffer_deinit(&bytes);
    return text.data;
}

static void check_rfc8032(const struct rfc8032_vector *vector)
{
    struct buffer seed = {0}, message = {0};
    assert_int_equal(hex_decode(&seed, slice_from(vector->seed)), 0);
    assert_int_equal(hex_decode(&message, slice_from(vector->message)), 0);
    struct slice over = {message.data, message.length};
    char *expected = base64_of_hex(vector->signature);
    char signature[SIGNATURE_ED25519_TEXT_SIZE];
    signature_ed25519_sign((const unsigned char *)seed.data, over, signature);
    assert_string_equal(signature, expected);

    char *pem = signature_ed25519_public_pem((const unsigned char *)seed.data);
    struct signature_keys *keys = ring(pem, NULL);
    assert_int_equal(verify(keys, expected, over), SIGNATURE_VALID);
    assert_int_equal(verify(keys, expected, SLICE_LITERAL("another message")), SIGNATURE_WRONG);
    signature_keys_free(keys);
    free(pem);
    free(expected);
    buffer_deinit(&seed);
    buffer_deinit(&message);
}

static void test_ed25519_signs_and_verifies_as_rfc_8032_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc8032_vectors / sizeof *rfc8032_vectors; i++)
        check_rfc8032(&rfc8032_vectors[i]);
}

static void test_public_pem_is_the_key_of_rfc_8032(void **state)
{
    (void)state;
    struct buffer seed = {0}, der = {0}, hex = {0};
    assert_int_equal(hex_decode(&seed, slice_from(rfc8032_vectors[0].seed)), 0);
    char *pem = signature_ed25519_public_pem((const unsigned char *)seed.data);
    const char *text = strchr(pem, '\n') + 1;
    assert_int_equal(base64_decode(&der, (struct slice){text, strcspn(text, "\n")}), 0);
    hex_encode(&hex, (struct slice){der.data, der.length});
    assert_string_equal(hex.data + 24, rfc8032_vectors[0].public_key);
    free(pem);
    buffer_deinit(&seed);
    buffer_deinit(&der);
    buffer_deinit(&hex);
}

static void test_each_algorithm_accepts_what_openssl_signed(void **state)
{
    (void)state;
    static const struct {
        const char *signature;
        size_t key;
    } cases[] = {{vector_ed25519_signature, 0}, {vector_rsa2048_signature, 1}, {vector_rsa4096_signature, 2},
                 {vector_p256_der, 3},          {vector_p256_raw, 3},          {vector_hmac_hex, 4},
                 {vector_hmac_base64, 4}};
    struct signature_keys *keys = full_ring();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice given = slice_from(cases[i].signature);
        size_t key = SIZE_MAX;
        assert_int_equal(signature_verify(keys, &given, 1, body, &key), SIGNATURE_VALID);
        assert_int_equal(key, cases[i].key);
    }
    signature_keys_free(keys);
}

/* Any bit of the body or of the signature that changes must turn every algorithm's answer. */
static void test_altered_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const signatures[] = {vector_ed25519_signature, vector_rsa2048_signature,
                                             vector_p256_der, vector_p256_raw, vector_hmac_hex};
    struct signature_keys *keys = full_ring();
    char altered[sizeof vector_body];
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        for (size_t at = 0; at < body.length; at += 13) {
            memcpy(altered, vector_body, sizeof altered);
            altered[at] ^= 1;
            assert_int_equal(verify(keys, signatures[i], (struct slice){altered, body.length}),
                             SIGNATURE_WRONG);
        }
        assert_int_equal(verify(keys, signatures[i], (struct slice){vector_body, body.length - 1}),
                         SIGNATURE_WRONG);
        assert_int_equal(verify(keys, signatures[i], (struct slice){NULL, 0}), SIGNATURE_WRONG);

        char *text = text_duplicate(signatures[i]);
        text[20] = text[20] == '1' ? '2' : '1';
        assert_int_equal(verify(keys, text, body), SIGNATURE_WRONG);
        free(text);
    }
    signature_keys_free(keys);
}

static void test_another_key_of_the_same_kind_does_not_accept(void **state)
{
    (void)state;
    struct signature_keys *keys = ring(signature_ghl_keys, "another secret");
    assert_int_equal(verify(keys, vector_ed25519_signature, body), SIGNATURE_WRONG);
    assert_int_equal(verify(keys, vector_rsa4096_signature, body), SIGNATURE_WRONG);
    assert_int_equal(verify(keys, vector_hmac_hex, body), SIGNATURE_WRONG);
    signature_keys_free(keys);
}

static void test_every_key_of_a_rotation_is_tried(void **state)
{
    (void)state;
    struct buffer pem = {0};
    buffer_append_text(&pem, signature_ghl_keys);
    buffer_append_text(&pem, vector_ed25519_pem);
    struct signature_keys *keys = ring(pem.data, "new secret, a shared secret");
    struct slice ed25519 = slice_from(vector_ed25519_signature), hmac = slice_from(vector_hmac_hex);
    size_t key = 0;
    assert_int_equal(signature_verify(keys, &ed25519, 1, body, &key), SIGNATURE_VALID);
    assert_int_equal(key, 2);
    assert_int_equal(signature_verify(keys, &hmac, 1, body, &key), SIGNATURE_VALID);
    assert_int_equal(key, 4);
    signature_keys_free(keys);
    buffer_deinit(&pem);
}

static void test_missing_signatures(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    static const char *const none[] = {"", " \t ", "N/A", " n/a "};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(verify(keys, none[i], body), SIGNATURE_MISSING);
    assert_int_equal(signature_verify(keys, NULL, 0, body, NULL), SIGNATURE_MISSING);
    signature_keys_free(keys);
}

static void test_malformed_signatures(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    static const char *const malformed[] = {
        "not base64!",
        "AAAA", /* three bytes */
        "====",
        "sha256=",
        "sha256=zz",
        "a5b8",
        "gP7n-_P7nA==", /* the other alphabet */
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* no
                                                                                                     padding
                                                                                                   */
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        assert_int_equal(verify(keys, malformed[i], body), SIGNATURE_MALFORMED);

    size_t length = 100000; /* far over what any key could have made */
    char *huge = memory_allocate(length + 1);
    memset(huge, 'A', length);
    assert_int_equal(verify(keys, huge, body), SIGNATURE_MALFORMED);
    free(huge);
    signature_keys_free(keys);
}

static void test_a_length_that_no_key_of_the_ring_makes_is_malformed(void **state)
{
    (void)state;
    struct signature_keys *keys = ring(vector_ed25519_pem, NULL);
    assert_int_equal(verify(keys, vector_rsa4096_signature, body), SIGNATURE_MALFORMED);
    assert_int_equal(verify(keys, vector_hmac_hex, body), SIGNATURE_MALFORMED);
    assert_int_equal(verify(keys, vector_p256_der, body), SIGNATURE_MALFORMED);
    signature_keys_free(keys);
}

static void test_white_space_and_the_hmac_prefix_do_not_matter(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    struct buffer text = {0};
    buffer_append_format(&text, " \t%s\r\n", vector_ed25519_signature);
    assert_int_equal(verify(keys, text.data, body), SIGNATURE_VALID);
    buffer_clear(&text);
    buffer_append_format(&text, "sha256=%s", vector_hmac_hex);
    assert_int_equal(verify(keys, text.data, body), SIGNATURE_VALID);
    for (char *c = text.data; *c != '\0'; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    assert_int_equal(verify(keys, text.data, body), SIGNATURE_VALID);
    buffer_clear(&text);
    buffer_append_format(&text, "sha256=%s", vector_ed25519_signature);
    assert_int_equal(verify(keys, text.data, body), SIGNATURE_MALFORMED);
    buffer_deinit(&text);
    signature_keys_free(keys);
}

static void test_the_best_of_several_signatures_counts(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    char wrong[SIGNATURE_ED25519_TEXT_SIZE];
    signature_ed25519_sign((const unsigned char *)"01234567890123456789012345678901", body, wrong);
    const struct slice missing = {NULL, 0}, malformed = SLICE_LITERAL("?"), bad = slice_from(wrong),
                       good = slice_from(vector_rsa4096_signature);
    size_t key = 0;
    assert_int_equal(signature_verify(keys, (struct slice[]){missing, malformed}, 2, body, &key),
                     SIGNATURE_MALFORMED);
    assert_int_equal(signature_verify(keys, (struct slice[]){bad, malformed, missing}, 3, body, &key),
                     SIGNATURE_WRONG);
    assert_int_equal(signature_verify(keys, (struct slice[]){malformed, bad, good, missing}, 4, body, &key),
                     SIGNATURE_VALID);
    assert_int_equal(key, 2);
    signature_keys_free(keys);
}

static void test_a_flood_of_signatures_is_not_checked_to_its_end(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    struct slice flood[SIGNATURE_MOST + 1];
    for (size_t i = 0; i < SIGNATURE_MOST; i++)
        flood[i] = SLICE_LITERAL("?");
    flood[SIGNATURE_MOST] = slice_from(vector_ed25519_signature);
    assert_int_equal(signature_verify(keys, flood, SIGNATURE_MOST + 1, body, NULL), SIGNATURE_MALFORMED);
    assert_int_equal(signature_verify(keys, flood + 1, SIGNATURE_MOST, body, NULL), SIGNATURE_VALID);
    signature_keys_free(keys);
}

static void test_ghl_keys_have_the_published_fingerprints(void **state)
{
    (void)state;
    static const char *const fingerprints[] = {
        "5a2c1b2749d3efcc233fb27d4ab43d56b8d20818c42cd226f6c9a3ff20d3097c",
        "2f62045d413b1b7747e26770ce7f57840cbf86288cd20ceb90d299a62501fd25",
    };
    const char *at = signature_ghl_keys;
    for (size_t i = 0; i < 2; i++) {
        struct buffer base64 = {0}, spki = {0}, hex = {0};
        at = strchr(at, '\n') + 1;
        for (; *at != '-'; at++)
            if (*at != '\n')
                buffer_append(&base64, at, 1);
        at = strchr(at, '\n') + 1;
        assert_int_equal(base64_decode(&spki, (struct slice){base64.data, base64.length}), 0);
        unsigned char digest[32];
        crypto_sha256((struct slice){spki.data, spki.length}, digest);
        hex_encode(&hex, (struct slice){(const char *)digest, sizeof digest});
        assert_string_equal(hex.data, fingerprints[i]);
        buffer_deinit(&base64);
        buffer_deinit(&spki);
        buffer_deinit(&hex);
    }
    assert_string_equal(at, "");

    struct signature_keys *keys = ring(signature_ghl_keys, NULL);
    char line[80];
    assert_int_equal(signature_keys_count(keys), 2);
    assert_string_equal(signature_keys_describe(keys, 0, line, sizeof line), "Ed25519 5a2c1b2749d3efcc");
    assert_string_equal(signature_keys_describe(keys, 1, line, sizeof line), "RSA-4096 2f62045d413b1b77");
    signature_keys_free(keys);
}

static void test_descriptions_name_no_secret(void **state)
{
    (void)state;
    struct signature_keys *keys = ring(vector_p256_pem, "hush,a shared secret");
    char line[80];
    assert_int_equal(strncmp(signature_keys_describe(keys, 0, line, sizeof line), "ECDSA P-256 ", 12), 0);
    assert_string_equal(signature_keys_describe(keys, 1, line, sizeof line), "HMAC-SHA256 #1");
    assert_string_equal(signature_keys_describe(keys, 2, line, sizeof line), "HMAC-SHA256 #2");
    signature_keys_free(keys);
}

/* Environment files fold lines, or write them as \n. */
static void test_pem_with_folded_lines_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *newline;
    } cases[] = {{"\\n"}, {" "}, {"\r\n"}, {"\\r\\n"}, {""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer pem = {0};
        for (const char *c = vector_rsa4096_pem; *c != '\0'; c++) {
            if (*c == '\n')
                buffer_append_text(&pem, cases[i].newline);
            else
                buffer_append(&pem, c, 1);
        }
        struct signature_keys *keys = ring(pem.data, NULL);
        assert_int_equal(verify(keys, vector_rsa4096_signature, body), SIGNATURE_VALID);
        signature_keys_free(keys);
        buffer_deinit(&pem);
    }
}

static void expect_fault(const char *pem, const char *secrets, const char *fault)
{
    struct error error = {0};
    assert_null(signature_keys_new(pem, secrets, &error));
    assert_int_equal(error.kind, ERROR_INVALID);
    assert_string_equal(error.message, fault);
    assert_int_equal(ERR_peek_error(),
                     0); /* nothing is left for this thread's TLS connections to trip over */
}

static void test_keys_that_do_not_serve_are_named(void **state)
{
    (void)state;
    expect_fault(NULL, NULL, "neither a public key nor a secret to check webhooks with");
    expect_fault("", NULL, "no PEM block (-----BEGIN PUBLIC KEY-----) among the public keys");
    expect_fault(vector_rsa1024_pem, NULL, "public key block 1: an RSA key that has not 2048 to 16384 bits");
    expect_fault(vector_p384_pem, NULL, "public key block 1: an EC key of another curve than P-256");
    expect_fault(vector_x25519_pem, NULL,
                 "public key block 1: a key that is neither Ed25519, EC P-256 nor RSA");
    expect_fault("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", NULL,
                 "public key block 1: not a PUBLIC KEY block");
    expect_fault("-----BEGIN PUBLIC KEY-----\nAA\n", NULL, "public key block 1: its END line is missing");
    expect_fault("-----BEGIN PUBLIC KEY-----\n?\n-----END PUBLIC KEY-----\n", NULL,
                 "public key block 1: not base64");
    expect_fault("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", NULL,
                 "public key block 1: not a public key in its DER form");
    /* The point of order one: with it anybody could sign. */
    expect_fault("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                 "-----END PUBLIC KEY-----\n",
                 NULL, "public key block 1: not a sound Ed25519 key");
    expect_fault(NULL, "one,,three", "webhook secret 2 is empty");
    expect_fault(NULL, "", "webhook secret 1 is empty");
}

static void test_the_second_block_is_named_when_it_is_cut(void **state)
{
    (void)state;
    struct buffer pem = {0};
    buffer_append_text(&pem, vector_ed25519_pem);
    buffer_append(&pem, vector_rsa2048_pem, 100);
    buffer_append_text(&pem, "\n");
    expect_fault(pem.data, NULL, "public key block 2: its END line is missing");
    buffer_append_text(&pem, vector_p256_pem);
    expect_fault(pem.data, NULL, "public key block 2: its END line is missing");
    buffer_deinit(&pem);
}

static void test_a_refusal_leaves_no_openssl_error_behind(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    assert_int_equal(verify(keys, vector_rsa4096_signature, SLICE_LITERAL("other")), SIGNATURE_WRONG);
    assert_int_equal(verify(keys, vector_p256_der, SLICE_LITERAL("other")), SIGNATURE_WRONG);
    assert_int_equal(ERR_peek_error(), 0);
    signature_keys_free(keys);
}

#define THREADS 8
#define ROUNDS 40

static void *verify_often(void *argument)
{
    const struct signature_keys *keys = argument;
    static const char *const signatures[] = {vector_ed25519_signature, vector_rsa4096_signature,
                                             vector_p256_der, vector_p256_raw, vector_hmac_hex};
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < ROUNDS; i++) {
        for (size_t j = 0; j < sizeof signatures / sizeof *signatures; j++) {
            accepted += verify(keys, signatures[j], body) == SIGNATURE_VALID;
            refused += verify(keys, signatures[j], SLICE_LITERAL("other")) == SIGNATURE_WRONG;
        }
    }
    return (void *)(uintptr_t)(accepted == refused ? accepted : 0);
}

static void test_threads_verify_with_one_ring_at_once(void **state)
{
    (void)state;
    struct signature_keys *keys = full_ring();
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, keys), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *accepted = NULL;
        pthread_join(threads[i], &accepted);
        assert_int_equal((uintptr_t)accepted, ROUNDS * 5);
    }
    signature_keys_free(keys);
}

int main(void)
{
    crypto_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ed25519_signs_and_verifies_as_rfc_8032_says),
        cmocka_unit_test(test_public_pem_is_the_key_of_rfc_8032),
        cmocka_unit_test(test_each_algorithm_accepts_what_openssl_signed),
        cmocka_unit_test(test_altered_bytes_are_refused),
        cmocka_unit_test(test_another_key_of_the_same_kind_does_not_accept),
        cmocka_unit_test(test_every_key_of_a_rotation_is_tried),
        cmocka_unit_test(test_missing_signatures),
        cmocka_unit_test(test_malformed_signatures),
        cmocka_unit_test(test_a_length_that_no_key_of_the_ring_makes_is_malformed),
        cmocka_unit_test(test_white_space_and_the_hmac_prefix_do_not_matter),
        cmocka_unit_test(test_the_best_of_several_signatures_counts),
        cmocka_unit_test(test_a_flood_of_signatures_is_not_checked_to_its_end),
        cmocka_unit_test(test_ghl_keys_have_the_published_fingerprints),
        cmocka_unit_test(test_descriptions_name_no_secret),
        cmocka_unit_test(test_pem_with_folded_lines_is_read),
        cmocka_unit_test(test_keys_that_do_not_serve_are_named),
        cmocka_unit_test(test_the_second_block_is_named_when_it_is_cut),
        cmocka_unit_test(test_a_refusal_leaves_no_openssl_error_behind),
        cmocka_unit_test(test_threads_verify_with_one_ring_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
