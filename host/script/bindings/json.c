/* host.json */
#include <lauxlib.h>

#include "script/bindings/bindings.h"
#include "script/json.h"

static int decode(lua_State *L)
{
    char reason[256];
    struct slice text;
    text.data = luaL_checklstring(L, 1, &text.length);
    if (!script_json_decode(L, text, reason, sizeof reason))
        return script_fail(L, "INVALID", "%s", reason);
    return 1;
}

static int encode(lua_State *L)
{
    char reason[256];
    struct buffer text = {0};
    luaL_checkany(L, 1);
    if (!script_json_encode(L, 1, &text, reason, sizeof reason)) {
        buffer_deinit(&text);
        return script_fail(L, "INVALID", "%s", reason);
    }
    lua_pushlstring(L, text.data, text.length);
    buffer_deinit(&text);
    return 1;
}

static int array(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    json_mark_array(L);
    return 1;
}

int binding_open_json(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"array", array},
        {"decode", decode},
        {"encode", encode},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    json_push_null(L);
    lua_setfield(L, -2, "null");
    return 1;
}
