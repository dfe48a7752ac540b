/* Verifies, and signs for the simulator. Ed25519 is the hot path of the whole server: from the header's text
 * to the answer it allocates nothing and touches nothing that another thread writes. */
#include "crypto/signature.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crypto/random.h"
#include "crypto/signature_keys.h"

#define HMAC_PREFIX "sha256="
#define P256_HALF 32 /* bytes of r, and of s */
#define DER_LEAST 8  /* two integers of one byte in a sequence */
#define DER_MOST 72  /* two integers of 33 bytes in a sequence */
#define DER_SEQUENCE 0x30

struct decoded {
    unsigned char bytes[SIGNATURE_LONGEST_BYTES];
    size_t length;
    bool only_hmac; /* the text says so itself */
};

/* OpenSSL looks a digest up by name whenever it is not given one, which costs a tenth of an ECDSA check. */
static EVP_MD *sha256;
static pthread_key_t context_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256 == NULL || pthread_key_create(&context_key, free_context) != 0) {
        fprintf(stderr, "bascule: OpenSSL has no SHA-256\n");
        abort();
    }
}

static EVP_MD_CTX *thread_context(void)
{
    pthread_once(&once, fetch);
    EVP_MD_CTX *context = pthread_getspecific(context_key);
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        pthread_setspecific(context_key, context);
    }
    return context;
}

static bool accepts_pkey(EVP_PKEY *pkey, const unsigned char *signature, size_t length, struct slice body)
{
    EVP_MD_CTX *context = thread_context();
    ERR_set_mark(); /* the thread's error queue is also that of its TLS connections */
    bool valid =
        context != NULL && EVP_DigestVerifyInit(context, NULL, sha256, NULL, pkey) == 1 &&
        EVP_DigestVerify(context, signature, length, (const unsigned char *)body.data, body.length) == 1;
    EVP_MD_CTX_reset(context); /* it would hold on to the key */
    ERR_pop_to_mark();
    return valid;
}

static bool is_der(const struct decoded *signature)
{
    return signature->length >= DER_LEAST && signature->length <= DER_MOST &&
           signature->bytes[0] == DER_SEQUENCE && signature->bytes[1] == signature->length - 2;
}

static bool accepts_raw_ecdsa(EVP_PKEY *pkey, const unsigned char *halves, struct slice body)
{
    ECDSA_SIG *parts = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(halves, P256_HALF, NULL), *s = BN_bin2bn(halves + P256_HALF, P256_HALF, NULL);
    bool valid = false;
    if (parts == NULL || r == NULL || s == NULL) {
        BN_free(r);
        BN_free(s);
    } else {
        ECDSA_SIG_set0(parts, r, s); /* which owns both from here */
        unsigned char *der = NULL;
        int length = i2d_ECDSA_SIG(parts, &der);
        valid = length > 0 && accepts_pkey(pkey, der, (size_t)length, body);
        OPENSSL_free(der);
    }
    ECDSA_SIG_free(parts);
    return valid;
}

static bool accepts_ecdsa(EVP_PKEY *pkey, const struct decoded *signature, struct slice body)
{
    /* 64 bytes may be either form: a DER signature is that short once in some millions. */
    if (signature->length == 2 * P256_HALF && accepts_raw_ecdsa(pkey, signature->bytes, body))
        return true;
    return is_der(signature) && accepts_pkey(pkey, signature->bytes, signature->length, body);
}

static bool accepts_hmac(const struct signature_key *key, const unsigned char *mac, struct slice body)
{
    crypto_auth_hmacsha256_state state = key->hmac;
    unsigned char expected[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)body.data, body.length);
    crypto_auth_hmacsha256_final(&state, expected);
    bool equal = sodium_memcmp(expected, mac, sizeof expected) == 0;
    sodium_memzero(&state, sizeof state);
    sodium_memzero(expected, sizeof expected); /* for a forger it would be as good as the secret */
    return equal;
}

static bool fits(const struct signature_key *key, const struct decoded *signature)
{
    if (signature->only_hmac && key->algorithm != SIGNATURE_HMAC)
        return false;
    switch (key->algorithm) {
    case SIGNATURE_ED25519:
        return signature->length == crypto_sign_BYTES;
    case SIGNATURE_RSA:
        return signature->length == key->rsa_bytes;
    case SIGNATURE_ECDSA:
        return signature->length == 2 * P256_HALF || is_der(signature);
    case SIGNATURE_HMAC:
        return signature->length == crypto_auth_hmacsha256_BYTES;
    }
    return false;
}

static bool accepts(const struct signature_key *key, const struct decoded *signature, struct slice body)
{
    switch (key->algorithm) {
    case SIGNATURE_ED25519:
        return crypto_sign_verify_detached(signature->bytes, (const unsigned char *)body.data, body.length,
                                           key->ed25519) == 0;
    case SIGNATURE_RSA:
        return accepts_pkey(key->pkey, signature->bytes, signature->length, body);
    case SIGNATURE_ECDSA:
        return accepts_ecdsa(key->pkey, signature, body);
    case SIGNATURE_HMAC:
        return accepts_hmac(key, signature->bytes, body);
    }
    return false;
}

static int decode(struct slice text, struct decoded *signature)
{
    size_t prefix = sizeof HMAC_PREFIX - 1;
    signature->only_hmac = text.length > prefix && strncasecmp(text.data, HMAC_PREFIX, prefix) == 0;
    if (signature->only_hmac)
        text = (struct slice){text.data + prefix, text.length - prefix};
    /* 64 hex digits are base64 too, but of 48 bytes that begin like no DER: nobody else's signature is hidden
     * here. */
    if (text.length == 2 * crypto_auth_hmacsha256_BYTES &&
        sodium_hex2bin(signature->bytes, sizeof signature->bytes, text.data, text.length, NULL,
                       &signature->length, NULL) == 0)
        return 0;
    return sodium_base642bin(signature->bytes, sizeof signature->bytes, text.data, text.length, NULL,
                             &signature->length, NULL, sodium_base64_VARIANT_ORIGINAL);
}

static enum signature_result verify_one(const struct signature_keys *keys, struct slice text,
                                        struct slice body, size_t *index)
{
    text = slice_trim(text);
    if (text.length == 0 || slice_equal_ignoring_case(text, SLICE_LITERAL("N/A")))
        return SIGNATURE_MISSING;
    struct decoded signature;
    if (decode(text, &signature) != 0)
        return SIGNATURE_MALFORMED;
    enum signature_result result = SIGNATURE_MALFORMED;
    for (size_t i = 0; i < keys->count; i++) {
        if (!fits(&keys->keys[i], &signature))
            continue;
        result = SIGNATURE_WRONG;
        if (accepts(&keys->keys[i], &signature, body)) {
            *index = i;
            return SIGNATURE_VALID;
        }
    }
    return result;
}

enum signature_result signature_verify(const struct signature_keys *keys, const struct slice *signatures,
                                       size_t count, struct slice body, size_t *key)
{
    enum signature_result best = SIGNATURE_MISSING;
    size_t index = 0;
    for (size_t i = 0; i < count && i < SIGNATURE_MOST; i++) {
        enum signature_result result = verify_one(keys, signatures[i], body, &index);
        if (result == SIGNATURE_VALID) {
            if (key != NULL)
                *key = index;
            return result;
        }
        if (result > best) /* the enum stands in this order */
            best = result;
    }
    return best;
}

void signature_ed25519_sign(const unsigned char seed[SIGNATURE_ED25519_SEED_SIZE], struct slice body,
                            char signature[SIGNATURE_ED25519_TEXT_SIZE])
{
    unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES],
        bytes[crypto_sign_BYTES];
    crypto_sign_seed_keypair(public, secret, seed);
    crypto_sign_detached(bytes, NULL, (const unsigned char *)body.data, body.length, secret);
    sodium_bin2base64(signature, SIGNATURE_ED25519_TEXT_SIZE, bytes, sizeof bytes,
                      sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(secret, sizeof secret);
}

char *signature_ed25519_public_pem(const unsigned char seed[SIGNATURE_ED25519_SEED_SIZE])
{
    /* SubjectPublicKeyInfo up to the key itself (RFC 8410, section 4). */
    static const unsigned char header[] = {0x30, 0x2A, 0x30, 0x05, 0x06, 0x03,
                                           0x2B, 0x65, 0x70, 0x03, 0x21, 0x00};
    unsigned char spki[sizeof header + crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    memcpy(spki, header, sizeof header);
    crypto_sign_seed_keypair(spki + sizeof header, secret, seed);
    sodium_memzero(secret, sizeof secret);
    struct buffer pem = {0};
    buffer_append_text(&pem, "-----BEGIN PUBLIC KEY-----\n");
    base64_encode(&pem, (struct slice){(const char *)spki, sizeof spki});
    buffer_append_text(&pem, "\n-----END PUBLIC KEY-----\n");
    return pem.data;
}
