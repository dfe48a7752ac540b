/* Sealing: secrets at rest, under a key ring with ids, so that keys rotate without downtime: the first key
 * seals, all open. XChaCha20-Poly1305 (libsodium), a random nonce for each seal.
 *
 * Sealed text: "s1.<key id>.<base64url of nonce || ciphertext || tag>". The key id and the caller's `context`
 * (what the secret belongs to, for example "token:company/location") are authenticated with it: a sealed text
 * moved to another row does not open. */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

struct seal_keys; /* immutable; any thread */

/* Reads "id:base64 of 32 bytes" pairs, comma separated. Ids: 1 to 32 of [A-Za-z0-9_-], unique. Key material
 * never stands in the error. */
struct seal_keys *seal_keys_new(const char *text, struct error *error);
struct seal_keys *seal_keys_random(void); /* one key "ephemeral" of this process only: for simulation */
void seal_keys_free(struct seal_keys *keys);

/* A new "id:base64" for `bascule keys new`; the id is "k" and the date (k20260102). Caller frees. */
char *seal_keys_generate(void);

/* Seals `secret`; caller frees the NUL terminated text. */
char *seal_close(const struct seal_keys *keys, const char *context, struct slice secret);

/* Opens into `secret` (appends). Errors: INVALID (not a sealed text), DENIED (no such key, or it does not
 * authenticate). */
int seal_open(const struct seal_keys *keys, const char *context, const char *sealed, struct buffer *secret,
              struct error *error);

/* True where `sealed` is under the first key of the ring: nothing to rotate. */
bool seal_is_current(const struct seal_keys *keys, const char *sealed);

/* Authenticated but readable text, for OAuth's state: "<text>.<mac>". The MAC key is derived from the ring's
 * keys, so every replica accepts what another issued, also while keys rotate. Returns NULL
 * where `text` holds a "."; caller frees. */
char *seal_stamp(const struct seal_keys *keys, const char *text);
/* The text of a stamp that is genuine (caller frees), or NULL. Constant time. */
char *seal_unstamp(const struct seal_keys *keys, const char *stamped);

#endif
