/* JSON text to Lua values: jansson parses, this file says what the values become. */
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <lauxlib.h>

#include "script/json.h"
#include "script/script.h"

static const char array_mark; /* its address is the registry key of the metatable of arrays */

static void push_array_mark(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &array_mark) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "array"); /* rules could hide a finalizer in it */
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_mark);
}

void json_mark_array(lua_State *L)
{
    push_array_mark(L);
    lua_setmetatable(L, -2);
}

bool json_is_marked_array(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_mark);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

void json_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, NULL);
}

/* What follows the string whose inside begins at `at`: its end is the first quote with an even number of
 * backslashes before it. */
static const char *string_end(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && (at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        const char *before = at;
        while (before > start && before[-1] == '\\')
            before--;
        at++;
        if ((at - 1 - before) % 2 == 0)
            return at;
    }
    return end;
}

long json_too_deep(const char *text, size_t length)
{
    unsigned depth = 0;
    const char *end = text + length;
    for (const char *at = text; at < end;) {
        char c = *at++;
        if (c == '"') {
            at = string_end(at, end);
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEEPEST)
                return at - 1 - text;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return -1;
}

/* ---- the parser's memory ---- */

/* jansson builds a tree of some fifty small pieces for a webhook, which lives for one call of
 * script_json_decode. They are cut from a block of the thread and forgotten together; what does not fit, and
 * what jansson makes for others, is allocated as usual. */
#define SCRATCH_BYTES (32 * 1024)

static _Thread_local struct {
    bool open;
    size_t used;
    _Alignas(max_align_t) char block[SCRATCH_BYTES];
} scratch;

static void *scratch_allocate(size_t size)
{
    size_t rounded = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (!scratch.open || size > SCRATCH_BYTES || rounded > SCRATCH_BYTES - scratch.used)
        return malloc(size);
    void *piece = scratch.block + scratch.used;
    scratch.used += rounded;
    return piece;
}

static void scratch_release(void *piece)
{
    uintptr_t at = (uintptr_t)piece, start = (uintptr_t)scratch.block;
    if (at < start || at >= start + SCRATCH_BYTES)
        free(piece);
}

static void use_scratch(void)
{
    json_set_alloc_funcs(scratch_allocate, scratch_release);
}

/* ---- values ---- */

static void push_value(lua_State *L, const json_t *value);

static void push_object(lua_State *L, const json_t *object)
{
    /* jansson's iterators take no const object, and change nothing. */
    json_t *members = (json_t *)(uintptr_t)object;
    lua_createtable(L, 0, (int)json_object_size(object));
    for (void *at = json_object_iter(members); at != NULL; at = json_object_iter_next(members, at)) {
        lua_pushlstring(L, json_object_iter_key(at), json_object_iter_key_len(at));
        push_value(L, json_object_iter_value(at));
        lua_rawset(L, -3);
    }
}

static void push_array(lua_State *L, const json_t *array)
{
    size_t count = json_array_size(array);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_value(L, json_array_get(array, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    json_mark_array(L);
}

static void push_value(lua_State *L, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        push_object(L, value);
        break;
    case JSON_ARRAY:
        push_array(L, value);
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(value));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(value));
        break;
    case JSON_NULL:
        json_push_null(L);
        break;
    }
}

static void place_of(const char *text, long offset, int *line, int *column)
{
    *line = 1;
    *column = 1;
    for (long i = 0; i < offset; i++) {
        *column = text[i] == '\n' ? 1 : *column + 1;
        *line += text[i] == '\n';
    }
}

/* jansson quotes what stands at the fault; that can be message text, which has no place in an error. */
static int length_without_quote(const char *text)
{
    const char *quote = strstr(text, " near ");
    return quote == NULL ? (int)strlen(text) : (int)(quote - text);
}

/* The parse and its values, with the scratch open. */
static bool parse(lua_State *L, struct slice text, char *reason, size_t reason_size)
{
    json_error_t error;
    json_t *value = json_loadb(text.length == 0 ? "" : text.data, text.length,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        snprintf(reason, reason_size, "line %d, column %d: %.*s", error.line, error.column,
                 length_without_quote(error.text), error.text);
        return false;
    }
    push_value(L, value);
    json_decref(value);
    return true;
}

bool script_json_decode(lua_State *L, struct slice text, char *reason, size_t reason_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    long deep = json_too_deep(text.data, text.length);
    if (deep >= 0) {
        int line, column;
        place_of(text.data, deep, &line, &column);
        snprintf(reason, reason_size, "line %d, column %d: nested more than %d levels deep", line, column,
                 JSON_DEEPEST);
        return false;
    }
    luaL_checkstack(L, 4 * JSON_DEEPEST, NULL);
    pthread_once(&once, use_scratch);
    scratch.used = 0;
    scratch.open = true;
    bool good = parse(L, text, reason, reason_size);
    scratch.open = false;
    return good;
}
