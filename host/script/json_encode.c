/* Lua values to JSON text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/json.h"
#include "script/script.h"

#define KEYS_ON_STACK 32

struct encoder {
    lua_State *L;
    struct buffer *out;
    char *reason;
    size_t reason_size;
    struct step *path; /* innermost step on the way to the value at work */
    unsigned depth;
};

/* One step of the way from the outermost value: a member's name, or an element's index. */
struct step {
    struct step *outer;
    const char *key; /* NULL: an element */
    lua_Integer index;
};

static bool encode_value(struct encoder *encoder, int index);

static void write_path(struct buffer *out, const struct step *step)
{
    if (step == NULL)
        return;
    write_path(out, step->outer);
    if (step->key == NULL)
        buffer_append_format(out, "[%lld]", (long long)step->index);
    else
        buffer_append_format(out, ".%s", step->key);
}

static bool refuse(struct encoder *encoder, const char *what)
{
    struct buffer path = {0};
    write_path(&path, encoder->path);
    snprintf(encoder->reason, encoder->reason_size, "the value%s%s %s", path.length == 0 ? "" : " at ",
             path.length == 0 ? "" : path.data, what);
    buffer_deinit(&path);
    return false;
}

static void append_escape(struct buffer *out, unsigned char c)
{
    static const char letters[] = "btn\0fr"; /* of 0x08 to 0x0D */
    if (c == '"' || c == '\\') {
        char escape[2] = {'\\', (char)c};
        buffer_append(out, escape, 2);
    } else if (c >= 0x08 && c <= 0x0D && letters[c - 0x08] != '\0') {
        char escape[2] = {'\\', letters[c - 0x08]};
        buffer_append(out, escape, 2);
    } else {
        buffer_append_format(out, "\\u%04x", c);
    }
}

/* Runs of bytes that need no escape are appended at once: message bodies are long. */
static bool encode_text(struct encoder *encoder, const char *text, size_t length)
{
    if (utf8_valid_prefix(text, length) != length)
        return refuse(encoder, "is not valid UTF-8");
    buffer_append(encoder->out, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buffer_append(encoder->out, text + start, i - start);
        append_escape(encoder->out, c);
        start = i + 1;
    }
    buffer_append(encoder->out, text + start, length - start);
    buffer_append(encoder->out, "\"", 1);
    return true;
}

/* The shortest of 15, 16 or 17 digits that reads back as the same number; always with a point or an
 * exponent, so that it reads back as no integer. */
static bool encode_float(struct encoder *encoder, double number)
{
    char text[40];
    if (!isfinite(number))
        return refuse(encoder, isnan(number) ? "is not a number (NaN)" : "is infinite");
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buffer_append_text(encoder->out, text);
    if (strpbrk(text, ".e") == NULL)
        buffer_append_text(encoder->out, ".0");
    return true;
}

static bool encode_integer(struct encoder *encoder, lua_Integer number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", (long long)number);
    buffer_append(encoder->out, text, (size_t)length);
    return true;
}

/* How many pairs the table has; `integers` of them under 1..rawlen. */
static lua_Integer count_pairs(lua_State *L, int table, lua_Integer *integers)
{
    lua_Integer pairs = 0, length = (lua_Integer)lua_rawlen(L, table);
    *integers = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        pairs++;
        lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
        *integers += key >= 1 && key <= length;
    }
    return pairs;
}

static bool encode_array(struct encoder *encoder, int table, lua_Integer count)
{
    struct step step = {encoder->path, NULL, 0};
    encoder->path = &step;
    buffer_append(encoder->out, "[", 1);
    for (lua_Integer i = 1; i <= count; i++) {
        step.index = i;
        if (i > 1)
            buffer_append(encoder->out, ",", 1);
        lua_rawgeti(encoder->L, table, i);
        bool encoded = encode_value(encoder, lua_gettop(encoder->L));
        lua_pop(encoder->L, 1);
        if (!encoded)
            return false;
    }
    encoder->path = step.outer;
    buffer_append(encoder->out, "]", 1);
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    const struct slice *left = a, *right = b;
    size_t shorter = left->length < right->length ? left->length : right->length;
    int order = shorter == 0 ? 0 : memcmp(left->data, right->data, shorter);
    return order != 0 ? order : (left->length > right->length) - (left->length < right->length);
}

/* The table holds its keys, so that they may be borrowed while it is not changed. */
static bool gather_keys(struct encoder *encoder, int table, struct slice *keys)
{
    size_t count = 0;
    for (lua_pushnil(encoder->L); lua_next(encoder->L, table); lua_pop(encoder->L, 1)) {
        if (lua_type(encoder->L, -2) != LUA_TSTRING) {
            lua_pop(encoder->L, 2);
            return refuse(encoder, "is a table whose keys are neither 1..n nor all texts");
        }
        keys[count].data = lua_tolstring(encoder->L, -2, &keys[count].length);
        count++;
    }
    qsort(keys, count, sizeof *keys, by_bytes);
    return true;
}

static bool encode_members(struct encoder *encoder, int table, const struct slice *keys, size_t count)
{
    struct step step = {encoder->path, NULL, 0};
    buffer_append(encoder->out, "{", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append(encoder->out, ",", 1);
        if (!encode_text(encoder, keys[i].data, keys[i].length))
            return false;
        buffer_append(encoder->out, ":", 1);
        step.key = keys[i].data;
        encoder->path = &step;
        lua_pushlstring(encoder->L, keys[i].data, keys[i].length);
        lua_rawget(encoder->L, table);
        bool encoded = encode_value(encoder, lua_gettop(encoder->L));
        lua_pop(encoder->L, 1);
        if (!encoded)
            return false;
        encoder->path = step.outer;
    }
    buffer_append(encoder->out, "}", 1);
    return true;
}

static bool encode_object(struct encoder *encoder, int table, size_t count)
{
    struct slice on_stack[KEYS_ON_STACK];
    struct slice *keys = count <= KEYS_ON_STACK ? on_stack : memory_allocate(count * sizeof *keys);
    bool encoded = gather_keys(encoder, table, keys) && encode_members(encoder, table, keys, count);
    if (keys != on_stack)
        free(keys);
    return encoded;
}

static bool encode_table(struct encoder *encoder, int table)
{
    if (encoder->depth == JSON_DEEPEST)
        return refuse(encoder, "is nested too deeply (does a table contain itself?)");
    encoder->depth++;
    lua_Integer integers, pairs = count_pairs(encoder->L, table, &integers);
    bool array = integers == pairs && pairs == (lua_Integer)lua_rawlen(encoder->L, table);
    bool marked = json_is_marked_array(encoder->L, table);
    bool encoded;
    if (marked && !array)
        encoded = refuse(encoder, "is marked as an array and has keys other than 1..n");
    else if (marked || (array && pairs > 0))
        encoded = encode_array(encoder, table, pairs);
    else
        encoded = encode_object(encoder, table, (size_t)pairs);
    encoder->depth--;
    return encoded;
}

static bool encode_value(struct encoder *encoder, int index)
{
    lua_State *L = encoder->L;
    size_t length;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        buffer_append_text(encoder->out, lua_toboolean(L, index) ? "true" : "false");
        return true;
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? encode_integer(encoder, lua_tointeger(L, index))
                                       : encode_float(encoder, lua_tonumber(L, index));
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        return encode_text(encoder, text, length);
    case LUA_TTABLE:
        return encode_table(encoder, index);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == NULL) {
            buffer_append_text(encoder->out, "null");
            return true;
        }
        return refuse(encoder, "is a userdata");
    default:
        return refuse(encoder, lua_isnil(L, index) ? "is nil (json.null stands for null)"
                                                   : "is neither text, number, boolean nor table");
    }
}

bool script_json_encode(lua_State *L, int index, struct buffer *out, char *reason, size_t reason_size)
{
    struct encoder encoder = {L, out, reason, reason_size, NULL, 0};
    int top = lua_gettop(L);
    luaL_checkstack(L, 4 * JSON_DEEPEST, NULL);
    bool encoded = encode_value(&encoder, lua_absindex(L, index));
    lua_settop(L, top);
    return encoded;
}
