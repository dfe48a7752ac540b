/* host.cache */
#include "script/cache.h"

#include <lauxlib.h>

#include "script/bindings/bindings.h"

static struct slice check_key(lua_State *L)
{
    struct slice key;
    key.data = luaL_checklstring(L, 1, &key.length);
    return key;
}

static int get(lua_State *L)
{
    struct cache_value value = cache_get(check_key(L));
    switch (value.type) {
    case CACHE_NOTHING:
        lua_pushnil(L);
        break;
    case CACHE_TEXT:
        lua_pushlstring(L, value.text.data, value.text.length);
        break;
    case CACHE_INTEGER:
        lua_pushinteger(L, value.integer);
        break;
    case CACHE_FLOAT:
        lua_pushnumber(L, value.number);
        break;
    case CACHE_BOOLEAN:
        lua_pushboolean(L, value.integer != 0);
        break;
    }
    buffer_deinit(&value.text);
    return 1;
}

/* The value at index 2; its text is borrowed. */
static struct cache_value check_value(lua_State *L)
{
    struct cache_value value = {.type = CACHE_NOTHING};
    int type = lua_type(L, 2);
    if (type == LUA_TSTRING) {
        value.type = CACHE_TEXT;
        value.text.data = (char *)(uintptr_t)lua_tolstring(L, 2, &value.text.length);
    } else if (type == LUA_TBOOLEAN) {
        value.type = CACHE_BOOLEAN;
        value.integer = lua_toboolean(L, 2);
    } else if (type == LUA_TNUMBER && lua_isinteger(L, 2)) {
        value.type = CACHE_INTEGER;
        value.integer = lua_tointeger(L, 2);
    } else if (type == LUA_TNUMBER) {
        value.type = CACHE_FLOAT;
        value.number = lua_tonumber(L, 2);
    } else if (type != LUA_TNIL) {
        luaL_typeerror(L, 2, "string, number, boolean or nil");
    }
    return value;
}

static int put(lua_State *L)
{
    struct slice key = check_key(L);
    struct cache_value value = check_value(L);
    cache_put(key, &value, value.type == CACHE_NOTHING ? 0 : luaL_checkinteger(L, 3));
    return 0;
}

int binding_open_cache(lua_State *L)
{
    static const luaL_Reg functions[] = {{"get", get}, {"put", put}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
