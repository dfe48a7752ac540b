/* What signature.c and signature_keys.c share: a key ring as it is kept. No other file includes this. */
#ifndef CRYPTO_SIGNATURE_KEYS_H
#define CRYPTO_SIGNATURE_KEYS_H

#include <openssl/evp.h>
#include <sodium.h>

#include "crypto/signature.h"

#define SIGNATURE_RSA_LEAST_BITS 2048
#define SIGNATURE_RSA_MOST_BITS 16384 /* OpenSSL's own limit; it sizes the buffer of a decoded signature */
#define SIGNATURE_LONGEST_BYTES (SIGNATURE_RSA_MOST_BITS / 8)

enum signature_algorithm { SIGNATURE_ED25519, SIGNATURE_RSA, SIGNATURE_ECDSA, SIGNATURE_HMAC };

struct signature_key {
    enum signature_algorithm algorithm;
    unsigned char ed25519[crypto_sign_PUBLICKEYBYTES];
    EVP_PKEY *pkey;                    /* RSA and ECDSA */
    size_t rsa_bytes;                  /* of the modulus, so of every signature */
    crypto_auth_hmacsha256_state hmac; /* keyed already; copied for each use */
    char description[64];
};

struct signature_keys {
    size_t count;
    struct signature_key *keys;
};

#endif
