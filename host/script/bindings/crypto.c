/* host.crypto */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "crypto/random.h"
#include "script/bindings/bindings.h"

#define TOKEN_MOST_BYTES 1024
#define SIGNATURES_MOST 8

static struct slice check_text(lua_State *L, int index)
{
    struct slice text;
    text.data = luaL_checklstring(L, index, &text.length);
    return text;
}

/* Pushes an owned text (nil for NULL) and frees it. */
static int push_owned(lua_State *L, char *text)
{
    lua_pushstring(L, text);
    free(text);
    return 1;
}

static int push_buffer(lua_State *L, struct buffer *text)
{
    lua_pushlstring(L, text->data == NULL ? "" : text->data, text->length);
    buffer_deinit(text);
    return 1;
}

static int push_hex(lua_State *L, const unsigned char digest[32])
{
    struct buffer hex = {0};
    hex_encode(&hex, (struct slice){(const char *)digest, 32});
    return push_buffer(L, &hex);
}

static int token(lua_State *L)
{
    lua_Integer bytes = luaL_checkinteger(L, 1);
    luaL_argcheck(L, bytes >= 1 && bytes <= TOKEN_MOST_BYTES, 1, "must be 1 to 1024");
    return push_owned(L, random_token((size_t)bytes));
}

static int equal(lua_State *L)
{
    lua_pushboolean(L, crypto_equal(check_text(L, 1), check_text(L, 2)));
    return 1;
}

static int sha256(lua_State *L)
{
    unsigned char digest[32];
    crypto_sha256(check_text(L, 1), digest);
    return push_hex(L, digest);
}

static int hmac_sha256(lua_State *L)
{
    unsigned char mac[32];
    crypto_hmac_sha256(check_text(L, 1), check_text(L, 2), mac);
    return push_hex(L, mac);
}

static int base64(lua_State *L)
{
    struct buffer text = {0};
    base64_encode(&text, check_text(L, 1));
    return push_buffer(L, &text);
}

static int unbase64(lua_State *L)
{
    struct buffer data = {0};
    if (base64_decode(&data, check_text(L, 1)) != 0)
        return script_fail(L, "INVALID", "not base64");
    return push_buffer(L, &data);
}

static int stamp(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    luaL_argcheck(L, strchr(text, '.') == NULL, 1, "must not hold \".\"");
    const struct seal_keys *keys = script_host_of(L)->seal_keys;
    if (keys == NULL)
        return binding_unavailable(L, "seal keys");
    return push_owned(L, seal_stamp(keys, text));
}

static int unstamp(lua_State *L)
{
    const char *stamped = luaL_checkstring(L, 1);
    const struct seal_keys *keys = script_host_of(L)->seal_keys;
    if (keys == NULL)
        return binding_unavailable(L, "seal keys");
    return push_owned(L, seal_unstamp(keys, stamped));
}

static int verify_webhook(lua_State *L)
{
    struct slice signatures[SIGNATURES_MOST] = {{0}};
    struct slice body = check_text(L, 1);
    int count = lua_gettop(L) - 1;
    luaL_argcheck(L, count <= SIGNATURES_MOST, SIGNATURES_MOST + 2, "too many signatures");
    for (int i = 0; i < count; i++)
        signatures[i] = lua_isnil(L, i + 2) ? (struct slice){0} : check_text(L, i + 2);
    const struct signature_keys *keys = script_host_of(L)->webhook_keys;
    if (keys == NULL)
        return binding_unavailable(L, "webhook keys");
    size_t key = 0;
    char description[80];
    switch (signature_verify(keys, signatures, (size_t)count, body, &key)) {
    case SIGNATURE_VALID:
        lua_pushstring(L, signature_keys_describe(keys, key, description, sizeof description));
        return 1;
    case SIGNATURE_MISSING:
        return script_fail(L, "MISSING", "there is no signature");
    case SIGNATURE_MALFORMED:
        return script_fail(L, "MALFORMED", "the signature is neither base64 nor hex of a known length");
    case SIGNATURE_WRONG:
        break;
    }
    return script_fail(L, "WRONG", "no key accepts the signature over this body");
}

static const unsigned char *check_seed(lua_State *L)
{
    struct slice seed = check_text(L, 1);
    luaL_argcheck(L, seed.length == SIGNATURE_ED25519_SEED_SIZE, 1, "must be 32 bytes");
    return (const unsigned char *)seed.data;
}

static int ed25519_sign(lua_State *L)
{
    char signature[SIGNATURE_ED25519_TEXT_SIZE];
    signature_ed25519_sign(check_seed(L), check_text(L, 2), signature);
    lua_pushstring(L, signature);
    return 1;
}

static int ed25519_public_pem(lua_State *L)
{
    return push_owned(L, signature_ed25519_public_pem(check_seed(L)));
}

int binding_open_crypto(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"base64", base64},
        {"ed25519_public_pem", ed25519_public_pem},
        {"ed25519_sign", ed25519_sign},
        {"equal", equal},
        {"hmac_sha256", hmac_sha256},
        {"sha256", sha256},
        {"stamp", stamp},
        {"token", token},
        {"unbase64", unbase64},
        {"unstamp", unstamp},
        {"verify_webhook", verify_webhook},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
