/* Signatures of webhooks, checked over the raw bytes of the body before anything is parsed.
 *
 * The algorithm follows from the key's type and the signature's decoded length, never from a header's name:
 * reports differ on which header carries which (GHL docs "Webhook Integration Guide", issue 224 of its docs
 * repository).
 *
 *   Ed25519                64 bytes, base64           libsodium
 *   RSA PKCS#1 v1.5 SHA-256  modulus size (512 for GHL), base64   OpenSSL
 *   ECDSA P-256 SHA-256    DER (8..72 bytes) or raw r||s (64), base64   OpenSSL
 *   HMAC-SHA256            32 bytes, base64 or 64 hex digits (also after "sha256=")   libsodium
 */
#ifndef CRYPTO_SIGNATURE_H
#define CRYPTO_SIGNATURE_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

struct signature_keys; /* immutable once built; any number of threads may verify with it at once */

extern const char signature_ghl_keys[]; /* GHL's published Ed25519 and RSA-4096 keys, PEM */

/* Reads PEM blocks ("-----BEGIN PUBLIC KEY-----", one or more, Ed25519, EC P-256 or RSA of 2048 bits or more)
 * and, when `secrets` is not NULL, comma separated HMAC secrets. A key of another type or a block that does
 * not parse is an error that names the block by its number; nothing of a secret is in the text. Returns NULL
 * on error, also where there is no key at all; either argument may be NULL. Literal "\n" in `pem` (as
 * environment files carry them) is read as a newline. */
struct signature_keys *signature_keys_new(const char *pem, const char *secrets, struct error *error);
void signature_keys_free(struct signature_keys *keys);

size_t signature_keys_count(const struct signature_keys *keys);
/* One line about key `index` for people and logs: "Ed25519 5a2c1b27..." (first 16 hex digits of SHA-256 of
 * the SPKI), or "HMAC-SHA256 #1"; returns `out`. */
char *signature_keys_describe(const struct signature_keys *keys, size_t index, char *out, size_t size);

enum signature_result {
    SIGNATURE_VALID,
    SIGNATURE_MISSING,   /* no signature, an empty one, or GHL's "N/A" */
    SIGNATURE_MALFORMED, /* not base64 or hex, or of a length that no key of the ring can have made */
    SIGNATURE_WRONG,     /* well formed, but no key accepts it over these bytes */
};

/* Tries every signature given (header values as received; surrounding white space is ignored) against every
 * key that its decoded length fits. `key` (may be NULL) receives the index of the key that accepted. The
 * result is the best of the candidates: VALID, else WRONG, else MALFORMED, else MISSING. Only the first
 * SIGNATURE_MOST are looked at: a check is the costliest step of a request, and GHL sends two at most. Any
 * thread. */
#define SIGNATURE_MOST 8
enum signature_result signature_verify(const struct signature_keys *keys, const struct slice *signatures,
                                       size_t count, struct slice body, size_t *key);

/* Signing, for the simulator and tests. `seed` makes the key pair; `signature` is base64, NUL terminated. */
#define SIGNATURE_ED25519_SEED_SIZE 32
#define SIGNATURE_ED25519_TEXT_SIZE 89
void signature_ed25519_sign(const unsigned char seed[SIGNATURE_ED25519_SEED_SIZE], struct slice body,
                            char signature[SIGNATURE_ED25519_TEXT_SIZE]);
/* The public key of `seed` as one PEM block; caller frees. */
char *signature_ed25519_public_pem(const unsigned char seed[SIGNATURE_ED25519_SEED_SIZE]);

#endif
