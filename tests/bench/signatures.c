/* Verifications a second of one thread: signature_verify, from a header's text to the answer, next to
 * libsodium's bare call over the same 600 bytes. The two take turns, so that a machine that is busy or
 * throttled slows both. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "crypto/random.h"
#include "crypto/signature.h"

#define BODY_BYTES 600
#define ROUNDS 20
#define VERIFIES 2000 /* a round, each */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void demand(int holds)
{
    if (!holds) {
        fputs("signatures: a good signature was refused\n", stderr);
        exit(1);
    }
}

int main(void)
{
    static const unsigned char seed[SIGNATURE_ED25519_SEED_SIZE] = "a seed that is in no way secret";
    unsigned char body[BODY_BYTES], key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    unsigned char raw[crypto_sign_BYTES];
    char text[SIGNATURE_ED25519_TEXT_SIZE];
    crypto_start();
    memset(body, 'x', sizeof body);
    struct slice over = {(const char *)body, sizeof body};
    crypto_sign_seed_keypair(key, secret, seed);
    crypto_sign_detached(raw, NULL, body, sizeof body, secret);
    signature_ed25519_sign(seed, over, text);
    char *pem = signature_ed25519_public_pem(seed);
    struct signature_keys *keys = signature_keys_new(pem, NULL, NULL);
    struct slice header = slice_from(text);

    double ours = 0, bare = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();
        for (int i = 0; i < VERIFIES; i++)
            demand(signature_verify(keys, &header, 1, over, NULL) == SIGNATURE_VALID);
        double middle = seconds();
        for (int i = 0; i < VERIFIES; i++)
            demand(crypto_sign_verify_detached(raw, body, sizeof body, key) == 0);
        ours += middle - start;
        bare += seconds() - middle;
    }
    double all = (double)ROUNDS * VERIFIES;
    printf("signatures verifies_per_s=%.0f libsodium_verifies_per_s=%.0f ratio=%.3f\n", all / ours,
           all / bare, bare / ours);
    signature_keys_free(keys);
    free(pem);
    return 0;
}
