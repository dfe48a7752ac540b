/* t.equal: compares deeply, and says where two values part and what stands there. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/rule_state.h"

#define DEEPEST 32
#define MOST_VALUES 100000 /* no hook stops the comparison, and tables that share tables multiply */
#define TABLE_STEPS 8      /* it may be large, and empty */

/* What is longer ends with "...". */
struct line {
    char text[128];
    size_t length;
    bool full;
};

struct comparison {
    bool charged; /* to the rules that ask for it */
    unsigned values;
    struct line path; /* of where they part, "message.to" */
};

static void put(struct line *line, const char *text, size_t length)
{
    static const char ellipsis[] = "...";
    size_t room = sizeof line->text - sizeof ellipsis - line->length;
    if (line->full)
        return;
    if (length > room) {
        length = utf8_valid_prefix(text, room);
        line->full = true;
    }
    memcpy(line->text + line->length, text, length);
    line->length += length;
    if (line->full)
        memcpy(line->text + line->length, ellipsis, sizeof ellipsis);
    else
        line->text[line->length] = '\0';
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* As a log can hold it: bytes that are no characters, and control characters, are told by number. */
static void put_escaped(struct line *line, const char *text, size_t length)
{
    for (size_t i = 0; i < length && !line->full;) {
        size_t width = utf8_width(text + i, length - i);
        if (width > 0 && (unsigned char)text[i] >= ' ') {
            put(line, text + i, width);
            i += width;
        } else {
            char escape[8];
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)text[i++]);
            put_text(line, escape);
        }
    }
}

static void put_integer(struct line *line, lua_Integer integer)
{
    char text[32];
    snprintf(text, sizeof text, LUA_INTEGER_FMT, integer);
    put_text(line, text);
}

static void put_name(struct line *line, lua_State *L, int key)
{
    size_t length;
    if (lua_type(L, key) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, key, &length);
        put_escaped(line, text, length);
        return;
    }
    put_text(line, "[");
    if (lua_isinteger(L, key))
        put_integer(line, lua_tointeger(L, key));
    else
        put_text(line, luaL_typename(L, key));
    put_text(line, "]");
}

static void put_value(struct line *line, lua_State *L, int index);

/* A full line ends it, also where a table contains itself. */
static void put_table(struct line *line, lua_State *L, int index)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    int top = lua_gettop(L), count = 0;
    put_text(line, "{");
    for (lua_pushnil(L); !line->full && lua_next(L, index); lua_settop(L, top + 1)) {
        put_text(line, count++ == 0 ? " " : ", ");
        if (!lua_isinteger(L, top + 1) || lua_tointeger(L, top + 1) != count) {
            put_name(line, L, top + 1);
            put_text(line, " = ");
        }
        put_value(line, L, top + 2);
    }
    put_text(line, count == 0 ? "}" : " }");
    lua_settop(L, top);
}

static void put_value(struct line *line, lua_State *L, int index)
{
    size_t length;
    switch (lua_type(L, index)) {
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &length);
        put_text(line, "\"");
        put_escaped(line, text, length);
        put_text(line, "\"");
        break;
    }
    case LUA_TNUMBER:
        lua_pushvalue(L, index); /* a conversion in place would change a key */
        put_text(line, lua_tostring(L, -1));
        lua_pop(L, 1);
        break;
    case LUA_TBOOLEAN:
        put_text(line, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TTABLE:
        put_table(line, L, index);
        break;
    case LUA_TLIGHTUSERDATA: /* JSON's: the only one */
        put_text(line, "null");
        break;
    default:
        put_text(line, luaL_typename(L, index));
    }
}

/* Puts the key in front of the path. */
static void lead_path(struct comparison *comparison, lua_State *L, int key)
{
    struct line whole = {.length = 0};
    put_name(&whole, L, key);
    if (comparison->path.length > 0 && comparison->path.text[0] != '[')
        put_text(&whole, ".");
    put(&whole, comparison->path.text, strlen(comparison->path.text));
    comparison->path = whole;
}

static bool same(struct comparison *comparison, lua_State *L, unsigned depth);

/* The tables on top. Every key of the first, then those of the second that the first has not. */
static bool same_tables(struct comparison *comparison, lua_State *L, unsigned depth)
{
    int actual = lua_gettop(L) - 1, expected = actual + 1, key = actual + 2;
    bool equal = true;
    for (lua_pushnil(L); equal && lua_next(L, actual);) {
        lua_pushvalue(L, key);
        lua_rawget(L, expected);
        equal = same(comparison, L, depth + 1);
        if (equal)
            lua_settop(L, key);
    }
    if (equal)
        lua_pushnil(L);
    while (equal && lua_next(L, expected)) {
        lua_pushvalue(L, key);
        equal = lua_rawget(L, actual) != LUA_TNIL;
        if (equal)
            lua_settop(L, key);
        else
            lua_insert(L, -2);
    }
    if (!equal)
        lead_path(comparison, L, key);
    return equal;
}

/* The two values on top: actual, expected. Where it is false, those that differ are on top. */
static bool same(struct comparison *comparison, lua_State *L, unsigned depth)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (depth == DEEPEST || ++comparison->values > MOST_VALUES)
        luaL_error(L, "too large to compare, or a table contains itself");
    if (lua_rawequal(L, -1, -2))
        return true;
    if (!lua_istable(L, -1) || !lua_istable(L, -2))
        return false;
    if (comparison->charged)
        rule_state_charge(L, TABLE_STEPS);
    return same_tables(comparison, L, depth);
}

bool rule_values_same(lua_State *L, int first, int second)
{
    struct comparison comparison = {.values = 0};
    int top = lua_gettop(L);
    lua_pushvalue(L, first);
    lua_pushvalue(L, second);
    bool equal = same(&comparison, L, 0);
    lua_settop(L, top);
    return equal;
}

int rule_equal(lua_State *L)
{
    struct comparison comparison = {.charged = true};
    struct line actual = {.length = 0}, expected = {.length = 0};
    luaL_checkany(L, 2);
    const char *what = luaL_optstring(L, 3, "");
    lua_settop(L, 3);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    if (same(&comparison, L, 0))
        return 0;
    int top = lua_gettop(L);
    put_value(&actual, L, top - 1);
    put_value(&expected, L, top);
    return luaL_error(L, "%s%s%s%sexpected %s, got %s", what, *what != '\0' ? ": " : "", comparison.path.text,
                      comparison.path.length > 0 ? ": " : "", expected.text, actual.text);
}
