/* What all bindings share: reading tables of options, and failing. */
#include <stdarg.h>
#include <stdio.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"

int script_fail(lua_State *L, const char *name, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", name, text);
    lua_pushstring(L, name);
    return 3;
}

static bool is_among(const char *name, const char *const *names)
{
    while (*names != NULL && !slice_equal(slice_from(name), slice_from(*names)))
        names++;
    return *names != NULL;
}

void script_check_options(lua_State *L, int index, const char *const *names)
{
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "option keys must be names, not a %s", luaL_typename(L, -1));
        const char *name = lua_tostring(L, -1);
        if (is_among(name, names))
            continue;
        const char *nearest = text_suggest(name, names);
        if (nearest != NULL)
            luaL_error(L, "unknown option '%s'; did you mean '%s'?", name, nearest);
        luaL_error(L, "unknown option '%s'", name);
    }
}

static int wrong_type(lua_State *L, const char *name, const char *expected)
{
    return luaL_error(L, "option '%s' must be %s, not %s", name, expected, luaL_typename(L, -1));
}

struct slice option_text_or_none(lua_State *L, int table, const char *name)
{
    struct slice text = {NULL, 0};
    int type = lua_getfield(L, table, name);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        wrong_type(L, name, "a string");
    if (type == LUA_TSTRING)
        text.data = lua_tolstring(L, -1, &text.length);
    lua_pop(L, 1);
    return text;
}

struct slice option_text(lua_State *L, int table, const char *name)
{
    struct slice text = option_text_or_none(L, table, name);
    if (text.data == NULL)
        luaL_error(L, "option '%s' is missing", name);
    return text;
}

lua_Integer option_integer_or(lua_State *L, int table, const char *name, lua_Integer fallback)
{
    int is_integer = 1;
    lua_Integer value = fallback;
    if (lua_getfield(L, table, name) != LUA_TNIL)
        value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer)
        wrong_type(L, name, "an integer");
    lua_pop(L, 1);
    return value;
}

lua_Integer option_integer(lua_State *L, int table, const char *name)
{
    if (lua_getfield(L, table, name) == LUA_TNIL)
        luaL_error(L, "option '%s' is missing", name);
    lua_pop(L, 1);
    return option_integer_or(L, table, name, 0);
}

bool option_switch_or(lua_State *L, int table, const char *name, bool fallback)
{
    int type = lua_getfield(L, table, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        wrong_type(L, name, "a boolean");
    bool value = type == LUA_TNIL ? fallback : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Of the table on top, which it replaces. */
static struct slice encode_top(lua_State *L, const char *what)
{
    char reason[160];
    struct buffer text = {0};
    struct slice result;
    if (!script_json_encode(L, -1, &text, reason, sizeof reason)) {
        buffer_deinit(&text);
        luaL_error(L, "%s: %s", what, reason);
    }
    lua_pushlstring(L, text.data, text.length);
    buffer_deinit(&text);
    lua_replace(L, -2);
    result.data = lua_tolstring(L, -1, &result.length);
    return result;
}

struct slice option_json(lua_State *L, int table, const char *name)
{
    int type = lua_getfield(L, table, name);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        wrong_type(L, name, "a table");
    return type == LUA_TNIL ? (struct slice){NULL, 0} : encode_top(L, name);
}

struct slice option_json_value(lua_State *L, int table, const char *name)
{
    if (lua_getfield(L, table, name) == LUA_TNIL)
        luaL_error(L, "option '%s' is missing", name);
    return encode_top(L, name);
}

struct slice argument_json(lua_State *L, int index)
{
    if (lua_isnoneornil(L, index))
        return (struct slice){NULL, 0};
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushvalue(L, index);
    return encode_top(L, "argument");
}

void binding_check_wait(lua_State *L)
{
    if (!script_may_wait(L))
        luaL_error(L, "this call waits, and here nothing can wait (a file being loaded, a coroutine of the "
                      "script's own, a metamethod or a callback of C)");
}

int binding_unavailable(lua_State *L, const char *service)
{
    return script_fail(L, "UNAVAILABLE", "this program has no %s", service);
}
