#include "crypto/seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/random.h"

#define PREFIX "s1."
#define ID_LONGEST 32
#define KEY_BYTES crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES
#define MAC_BYTES 32

static const char stamp_purpose[] = "bascule stamp 1"; /* separates the stamp's key from the sealing key */

struct seal_key {
    char id[ID_LONGEST + 1];
    unsigned char secret[KEY_BYTES];
    unsigned char stamp_secret[MAC_BYTES];
};

struct seal_keys {
    size_t count;
    struct seal_key *keys;
};

static struct slice slice_of(const void *data, size_t length)
{
    return (struct slice){data, length};
}

static bool id_is_valid(struct slice id)
{
    if (id.length < 1 || id.length > ID_LONGEST)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        char c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

static const struct seal_key *find_key(const struct seal_keys *keys, struct slice id)
{
    for (size_t i = 0; i < keys->count; i++)
        if (slice_equal(slice_from(keys->keys[i].id), id))
            return &keys->keys[i];
    return NULL;
}

static void add_key(struct seal_keys *keys, struct slice id, const unsigned char secret[KEY_BYTES])
{
    /* A new array each time: realloc could leave key material in freed memory. */
    struct seal_key *grown = memory_allocate((keys->count + 1) * sizeof *grown);
    if (keys->count > 0) {
        memcpy(grown, keys->keys, keys->count * sizeof *grown);
        sodium_memzero(keys->keys, keys->count * sizeof *grown);
    }
    free(keys->keys);
    keys->keys = grown;
    struct seal_key *key = &grown[keys->count++];
    memcpy(key->id, id.data, id.length);
    memcpy(key->secret, secret, KEY_BYTES);
    crypto_hmac_sha256(slice_of(secret, KEY_BYTES), slice_from(stamp_purpose), key->stamp_secret);
}

static int read_key(struct seal_keys *keys, struct slice pair, struct error *error)
{
    size_t number = keys->count + 1, length = 0;
    const char *colon = pair.length == 0 ? NULL : memchr(pair.data, ':', pair.length);
    struct slice id = slice_of(pair.data, colon == NULL ? 0 : (size_t)(colon - pair.data));
    if (!id_is_valid(id))
        return error_set(
            error, ERROR_INVALID,
            "seal key %zu: an id of 1 to 32 letters, digits, - and _ must stand before its colon", number);
    if (find_key(keys, id) != NULL)
        return error_set(error, ERROR_INVALID, "seal key %zu: its id is there already", number);
    unsigned char secret[KEY_BYTES];
    int decoded = sodium_base642bin(secret, sizeof secret, colon + 1, pair.length - id.length - 1, NULL,
                                    &length, NULL, sodium_base64_VARIANT_ORIGINAL);
    if (decoded == 0 && length == sizeof secret)
        add_key(keys, id, secret);
    sodium_memzero(secret, sizeof secret);
    if (decoded != 0 || length != sizeof secret)
        return error_set(error, ERROR_INVALID, "seal key %zu: not the base64 of 32 bytes after its id",
                         number);
    return 0;
}

struct seal_keys *seal_keys_new(const char *text, struct error *error)
{
    struct seal_keys *keys = memory_allocate(sizeof *keys);
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        size_t length = comma == NULL ? strlen(at) : (size_t)(comma - at);
        if (read_key(keys, slice_trim(slice_of(at, length)), error) != 0) {
            seal_keys_free(keys);
            return NULL;
        }
        at = comma == NULL ? NULL : comma + 1;
    }
    if (keys->count == 0) {
        error_set(error, ERROR_INVALID, "no seal key");
        seal_keys_free(keys);
        return NULL;
    }
    return keys;
}

struct seal_keys *seal_keys_random(void)
{
    struct seal_keys *keys = memory_allocate(sizeof *keys);
    unsigned char secret[KEY_BYTES];
    random_fill(secret, sizeof secret);
    add_key(keys, SLICE_LITERAL("ephemeral"), secret);
    sodium_memzero(secret, sizeof secret);
    return keys;
}

void seal_keys_free(struct seal_keys *keys)
{
    if (keys == NULL)
        return;
    if (keys->count > 0)
        sodium_memzero(keys->keys, keys->count * sizeof *keys->keys);
    free(keys->keys);
    free(keys);
}

char *seal_keys_generate(void)
{
    unsigned char secret[KEY_BYTES];
    random_fill(secret, sizeof secret);
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    char id[32];
    strftime(id, sizeof id, "k%Y%m%d:", &tm);
    struct buffer text = {0};
    buffer_append_text(&text, id);
    base64_encode(&text, slice_of(secret, sizeof secret));
    sodium_memzero(secret, sizeof secret);
    return text.data;
}

/* What is authenticated besides the secret. An id holds no ".", so two different pairs never give one text.
 */
static void write_bound(struct buffer *out, const char *id, const char *context)
{
    buffer_append_format(out, PREFIX "%s.%s", id, context);
}

char *seal_close(const struct seal_keys *keys, const char *context, struct slice secret)
{
    const struct seal_key *key = &keys->keys[0];
    struct buffer bound = {0}, text = {0};
    write_bound(&bound, key->id, context);
    size_t size = NONCE_BYTES + secret.length + TAG_BYTES;
    unsigned char *box = memory_allocate(size);
    random_fill(box, NONCE_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE_BYTES, NULL, (const unsigned char *)secret.data,
                                               secret.length, (const unsigned char *)bound.data, bound.length,
                                               NULL, box, key->secret);
    buffer_append_format(&text, PREFIX "%s.", key->id);
    base64url_encode(&text, slice_of(box, size));
    free(box);
    buffer_deinit(&bound);
    return text.data;
}

/* Splits a sealed text; the id is checked, the box is not decoded yet. */
static int split(const char *sealed, struct slice *id, struct slice *box)
{
    if (strncmp(sealed, PREFIX, sizeof PREFIX - 1) != 0)
        return -1;
    const char *start = sealed + sizeof PREFIX - 1;
    const char *dot = strchr(start, '.');
    if (dot == NULL || !id_is_valid(slice_of(start, (size_t)(dot - start))))
        return -1;
    *id = slice_of(start, (size_t)(dot - start));
    *box = slice_from(dot + 1);
    return 0;
}

static int open_box(const struct seal_key *key, const char *context, struct slice box, struct buffer *secret,
                    struct error *error)
{
    if (box.length < NONCE_BYTES + TAG_BYTES)
        return error_set(error, ERROR_INVALID, "not a sealed text: too short");
    const unsigned char *bytes = (const unsigned char *)box.data;
    size_t length = box.length - NONCE_BYTES - TAG_BYTES;
    unsigned char *clear = memory_allocate(length);
    struct buffer bound = {0};
    write_bound(&bound, key->id, context);
    int result = crypto_aead_xchacha20poly1305_ietf_decrypt(
        clear, NULL, NULL, bytes + NONCE_BYTES, length + TAG_BYTES, (const unsigned char *)bound.data,
        bound.length, bytes, key->secret);
    if (result == 0)
        buffer_append(secret, clear, length);
    else
        result = error_set(error, ERROR_DENIED,
                           "a sealed text under key \"%s\" is altered or belongs elsewhere", key->id);
    buffer_deinit(&bound);
    sodium_memzero(clear, length);
    free(clear);
    return result;
}

int seal_open(const struct seal_keys *keys, const char *context, const char *sealed, struct buffer *secret,
              struct error *error)
{
    struct slice id, text;
    struct buffer box = {0};
    if (split(sealed, &id, &text) != 0 || base64url_decode(&box, text) != 0)
        return error_set(error, ERROR_INVALID, "not a sealed text");
    const struct seal_key *key = find_key(keys, id);
    int result = key != NULL ? open_box(key, context, slice_of(box.data, box.length), secret, error)
                             : error_set(error, ERROR_DENIED, "sealed under key \"%.*s\", which is not given",
                                         (int)id.length, id.data);
    buffer_deinit(&box);
    return result;
}

bool seal_is_current(const struct seal_keys *keys, const char *sealed)
{
    struct slice id, box;
    return split(sealed, &id, &box) == 0 && slice_equal(id, slice_from(keys->keys[0].id));
}

static void make_mac(const struct seal_key *key, struct slice text, unsigned char mac[MAC_BYTES])
{
    crypto_hmac_sha256(slice_of(key->stamp_secret, sizeof key->stamp_secret), text, mac);
}

char *seal_stamp(const struct seal_keys *keys, const char *text)
{
    if (strchr(text, '.') != NULL)
        return NULL;
    unsigned char mac[MAC_BYTES];
    make_mac(&keys->keys[0], slice_from(text), mac);
    struct buffer stamped = {0};
    buffer_append_format(&stamped, "%s.", text);
    base64url_encode(&stamped, slice_of(mac, sizeof mac));
    return stamped.data;
}

char *seal_unstamp(const struct seal_keys *keys, const char *stamped)
{
    const char *dot = strchr(stamped, '.');
    if (dot == NULL)
        return NULL;
    struct slice text = slice_of(stamped, (size_t)(dot - stamped));
    struct buffer given = {0};
    bool genuine = false;
    if (base64url_decode(&given, slice_from(dot + 1)) == 0) {
        for (size_t i = 0; i < keys->count; i++) { /* all of them: the time must not tell which key it was */
            unsigned char mac[MAC_BYTES];
            make_mac(&keys->keys[i], text, mac);
            genuine |= crypto_equal(slice_of(mac, sizeof mac), slice_of(given.data, given.length));
        }
    }
    buffer_deinit(&given);
    return genuine ? slice_duplicate(text) : NULL;
}
