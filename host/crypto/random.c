#include "crypto/random.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

void crypto_start(void)
{
    if (sodium_init() < 0) {
        fprintf(stderr, "bascule: the system gives no random numbers\n");
        abort();
    }
}

void random_fill(void *out, size_t length)
{
    randombytes_buf(out, length);
}

char *random_token(size_t bytes)
{
    unsigned char *random = memory_allocate(bytes);
    random_fill(random, bytes);
    struct buffer text = {0};
    base64url_encode(&text, (struct slice){(const char *)random, bytes});
    sodium_memzero(random, bytes);
    free(random);
    return text.data;
}

bool crypto_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || sodium_memcmp(a.data, b.data, a.length) == 0);
}

void crypto_sha256(struct slice data, unsigned char digest[32])
{
    crypto_hash_sha256(digest, (const unsigned char *)data.data, data.length);
}

void crypto_hmac_sha256(struct slice key, struct slice data, unsigned char mac[32])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)key.data, key.length);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)data.data, data.length);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_memzero(&state, sizeof state);
}

/* A multiple of three, so that only the last chunk of a base64 text is padded. */
#define CHUNK_BYTES 768

static void encode_chunk(char *text, size_t size, const unsigned char *bytes, size_t length, int variant)
{
    if (variant == 0)
        sodium_bin2hex(text, size, bytes, length);
    else
        sodium_bin2base64(text, size, bytes, length, variant);
}

/* `variant` is libsodium's base64 variant, or 0 for hex. */
static void encode(struct buffer *out, struct slice data, int variant)
{
    char text[CHUNK_BYTES * 2 + 1];
    buffer_append(out, "", 0); /* a text also where there is no data */
    for (size_t at = 0; at < data.length; at += CHUNK_BYTES) {
        size_t length = data.length - at < CHUNK_BYTES ? data.length - at : CHUNK_BYTES;
        encode_chunk(text, sizeof text, (const unsigned char *)data.data + at, length, variant);
        buffer_append_text(out, text);
    }
    sodium_memzero(text, sizeof text);
}

static int decode(struct buffer *out, struct slice text, int variant)
{
    size_t most = text.length + 1, length = 0;
    unsigned char *bytes = memory_allocate(most);
    int result = variant == 0
                     ? sodium_hex2bin(bytes, most, text.data, text.length, NULL, &length, NULL)
                     : sodium_base642bin(bytes, most, text.data, text.length, NULL, &length, NULL, variant);
    if (result == 0)
        buffer_append(out, bytes, length);
    sodium_memzero(bytes, most);
    free(bytes);
    return result;
}

void base64_encode(struct buffer *out, struct slice data)
{
    encode(out, data, sodium_base64_VARIANT_ORIGINAL);
}

int base64_decode(struct buffer *out, struct slice text)
{
    return decode(out, text, sodium_base64_VARIANT_ORIGINAL);
}

void base64url_encode(struct buffer *out, struct slice data)
{
    encode(out, data, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int base64url_decode(struct buffer *out, struct slice text)
{
    return decode(out, text, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void hex_encode(struct buffer *out, struct slice data)
{
    encode(out, data, 0);
}

int hex_decode(struct buffer *out, struct slice text)
{
    return decode(out, text, 0);
}
