/* Reads key rings: PEM blocks and HMAC secrets. */
#include "crypto/signature_keys.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"

#define BEGIN "-----BEGIN "
#define BEGIN_PUBLIC "-----BEGIN PUBLIC KEY-----"
#define END_PUBLIC "-----END PUBLIC KEY-----"
#define WHITE " \t\r\n"

static struct signature_key *add_key(struct signature_keys *keys)
{
    /* A new array each time: realloc could leave a keyed HMAC state in freed memory. */
    struct signature_key *grown = memory_allocate((keys->count + 1) * sizeof *grown);
    if (keys->count > 0) {
        memcpy(grown, keys->keys, keys->count * sizeof *grown);
        sodium_memzero(keys->keys, keys->count * sizeof *grown);
    }
    free(keys->keys);
    keys->keys = grown;
    return &grown[keys->count++];
}

static void describe(struct signature_key *key, const char *algorithm, struct slice spki)
{
    unsigned char digest[32];
    char hex[17];
    crypto_sha256(spki, digest);
    sodium_bin2hex(hex, sizeof hex, digest, (sizeof hex - 1) / 2);
    snprintf(key->description, sizeof key->description, "%s %s", algorithm, hex);
}

static bool is_p256(const EVP_PKEY *pkey)
{
    char group[32];
    size_t length = 0;
    return EVP_PKEY_get_group_name(pkey, group, sizeof group, &length) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool is_sound(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    bool sound = context != NULL && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return sound;
}

/* The three take over `pkey` where they return NULL (no fault); else they return what is wrong with it. */
static const char *add_ed25519(struct signature_keys *keys, EVP_PKEY *pkey, struct slice spki)
{
    unsigned char point[crypto_sign_PUBLICKEYBYTES];
    size_t length = sizeof point;
    if (EVP_PKEY_get_raw_public_key(pkey, point, &length) != 1 || length != sizeof point ||
        crypto_core_ed25519_is_valid_point(point) != 1)
        return "not a sound Ed25519 key";
    struct signature_key *key = add_key(keys);
    key->algorithm = SIGNATURE_ED25519;
    memcpy(key->ed25519, point, sizeof point);
    describe(key, "Ed25519", spki);
    EVP_PKEY_free(pkey);
    return NULL;
}

static const char *add_rsa(struct signature_keys *keys, EVP_PKEY *pkey, struct slice spki)
{
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < SIGNATURE_RSA_LEAST_BITS || bits > SIGNATURE_RSA_MOST_BITS)
        return "an RSA key that has not 2048 to 16384 bits";
    if (!is_sound(pkey))
        return "not a sound RSA key";
    struct signature_key *key = add_key(keys);
    key->algorithm = SIGNATURE_RSA;
    key->pkey = pkey;
    key->rsa_bytes = (size_t)EVP_PKEY_get_size(pkey);
    char name[24];
    snprintf(name, sizeof name, "RSA-%d", bits);
    describe(key, name, spki);
    return NULL;
}

static const char *add_ecdsa(struct signature_keys *keys, EVP_PKEY *pkey, struct slice spki)
{
    if (!is_p256(pkey))
        return "an EC key of another curve than P-256";
    if (!is_sound(pkey))
        return "not a sound EC key";
    struct signature_key *key = add_key(keys);
    key->algorithm = SIGNATURE_ECDSA;
    key->pkey = pkey;
    describe(key, "ECDSA P-256", spki);
    return NULL;
}

static const char *add_public(struct signature_keys *keys, struct slice spki)
{
    const unsigned char *at = (const unsigned char *)spki.data, *end = at + spki.length;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)spki.length);
    const char *fault;
    if (pkey == NULL || at != end)
        fault = "not a public key in its DER form";
    else if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519)
        fault = add_ed25519(keys, pkey, spki);
    else if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA)
        fault = add_rsa(keys, pkey, spki);
    else if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC)
        fault = add_ecdsa(keys, pkey, spki);
    else
        fault = "a key that is neither Ed25519, EC P-256 nor RSA";
    if (fault != NULL)
        EVP_PKEY_free(pkey);
    return fault;
}

/* Reads the block at `*text` and moves past it. Read here and not by OpenSSL's PEM reader, because that skips
 * a block that it cannot read, and because environment files often fold the lines into one. */
static const char *read_block(struct signature_keys *keys, const char **text)
{
    if (strncmp(*text, BEGIN_PUBLIC, sizeof BEGIN_PUBLIC - 1) != 0)
        return "not a PUBLIC KEY block";
    const char *start = *text + sizeof BEGIN_PUBLIC - 1;
    const char *end = strstr(start, END_PUBLIC), *next = strstr(start, BEGIN);
    if (end == NULL || (next != NULL && next < end))
        return "its END line is missing";
    *text = end + sizeof END_PUBLIC - 1;
    size_t most = (size_t)(end - start) + 1, length = 0;
    unsigned char *spki = memory_allocate(most);
    const char *fault = "not base64";
    if (sodium_base642bin(spki, most, start, (size_t)(end - start), WHITE, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) == 0)
        fault = add_public(keys, (struct slice){(const char *)spki, length});
    free(spki);
    return fault;
}

static int read_pem(struct signature_keys *keys, const char *pem, struct error *error)
{
    size_t number = 0;
    int result = 0;
    ERR_set_mark(); /* the thread's error queue is also that of its TLS connections */
    for (const char *at = strstr(pem, BEGIN); at != NULL && result == 0; at = strstr(at, BEGIN)) {
        number++;
        const char *fault = read_block(keys, &at);
        if (fault != NULL)
            result = error_set(error, ERROR_INVALID, "public key block %zu: %s", number, fault);
    }
    ERR_pop_to_mark();
    if (number == 0)
        result = error_set(error, ERROR_INVALID, "no PEM block (" BEGIN_PUBLIC ") among the public keys");
    return result;
}

/* A copy in which a literal \n or \r is white space. */
static char *unescape(const char *pem)
{
    char *text = text_duplicate(pem);
    for (char *at = strchr(text, '\\'); at != NULL; at = strchr(at + 1, '\\'))
        if (at[1] == 'n' || at[1] == 'r')
            at[0] = at[1] = '\n';
    return text;
}

static int read_secrets(struct signature_keys *keys, const char *secrets, struct error *error)
{
    size_t number = 0;
    for (const char *at = secrets; at != NULL;) {
        number++;
        const char *comma = strchr(at, ',');
        size_t length = comma == NULL ? strlen(at) : (size_t)(comma - at);
        struct slice secret = slice_trim((struct slice){at, length});
        if (secret.length == 0)
            return error_set(error, ERROR_INVALID, "webhook secret %zu is empty", number);
        struct signature_key *key = add_key(keys);
        key->algorithm = SIGNATURE_HMAC;
        crypto_auth_hmacsha256_init(&key->hmac, (const unsigned char *)secret.data, secret.length);
        snprintf(key->description, sizeof key->description, "HMAC-SHA256 #%zu", number);
        at = comma == NULL ? NULL : comma + 1;
    }
    return 0;
}

struct signature_keys *signature_keys_new(const char *pem, const char *secrets, struct error *error)
{
    struct signature_keys *keys = memory_allocate(sizeof *keys);
    char *text = pem == NULL ? NULL : unescape(pem);
    int result = text == NULL ? 0 : read_pem(keys, text, error);
    if (result == 0)
        result = read_secrets(keys, secrets, error);
    if (result == 0 && keys->count == 0)
        result = error_set(error, ERROR_INVALID, "neither a public key nor a secret to check webhooks with");
    free(text);
    if (result == 0)
        return keys;
    signature_keys_free(keys);
    return NULL;
}

void signature_keys_free(struct signature_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        EVP_PKEY_free(keys->keys[i].pkey);
    if (keys->count > 0)
        sodium_memzero(keys->keys, keys->count * sizeof *keys->keys);
    free(keys->keys);
    free(keys);
}

size_t signature_keys_count(const struct signature_keys *keys)
{
    return keys->count;
}

char *signature_keys_describe(const struct signature_keys *keys, size_t index, char *out, size_t size)
{
    snprintf(out, size, "%s", keys->keys[index].description);
    return out;
}
