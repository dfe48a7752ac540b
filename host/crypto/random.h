/* Random text, encodings, digests and comparison; all by libsodium. Any thread. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

void crypto_start(
    void); /* once, before any other call of this room; ends the process where there is no entropy */

void random_fill(void *out, size_t length);
char *random_token(size_t bytes); /* base64url without padding of that many random bytes; caller frees */

bool crypto_equal(struct slice a, struct slice b); /* constant time in the contents; lengths may leak */

void crypto_sha256(struct slice data, unsigned char digest[32]);
void crypto_hmac_sha256(struct slice key, struct slice data, unsigned char mac[32]);

/* Encoders append; decoders return -1 and append nothing where `text` is malformed. */
void base64_encode(struct buffer *out, struct slice data);
int base64_decode(struct buffer *out, struct slice text); /* standard alphabet, padding required */
void base64url_encode(struct buffer *out, struct slice data);
int base64url_decode(struct buffer *out, struct slice text); /* no padding */
void hex_encode(struct buffer *out, struct slice data);
int hex_decode(struct buffer *out, struct slice text);

#endif
