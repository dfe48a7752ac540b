/* What a rule may return instead of the message: made by context.reject, context.defer, context.route. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_state.h"
#include "script/script.h"

static const char result_key; /* its address is the registry key of the results' metatable */

static int new_result(lua_State *L, enum rule_action action)
{
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, action);
    lua_setfield(L, -2, "action");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &result_key);
    lua_setmetatable(L, -2);
    return 1;
}

static void check_text(lua_State *L, int index, const char *what)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "%s must be a text, not %s", what, luaL_typename(L, index));
}

static int reject(lua_State *L)
{
    lua_settop(L, 1);
    check_text(L, 1, "context.reject's reason");
    new_result(L, RULE_REJECT);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "reason");
    return 1;
}

static int defer(lua_State *L)
{
    static const char *const names[] = {"until_", "reason", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    script_check_options(L, 1, names);
    new_result(L, RULE_DEFER);
    if (lua_getfield(L, 1, "until_") != LUA_TNUMBER || !isfinite(lua_tonumber(L, -1)))
        return luaL_error(L, "context.defer's until_ must be a time in milliseconds, not %s",
                          luaL_typename(L, -1));
    lua_pushinteger(L, (lua_Integer)floor(lua_tonumber(L, -1)));
    lua_setfield(L, 2, "until_ms");
    if (lua_getfield(L, 1, "reason") != LUA_TNIL)
        check_text(L, -1, "context.defer's reason");
    lua_setfield(L, 2, "reason");
    lua_settop(L, 2);
    return 1;
}

static int route(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    if (count == 0)
        return luaL_error(L, "context.route needs at least one provider: context.route { \"cast\" }");
    new_result(L, RULE_SEND);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        check_text(L, -1, "a provider of context.route");
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "providers");
    return 1;
}

void rule_results_open(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "result");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &result_key);
}

void rule_results_add(lua_State *L)
{
    lua_pushcfunction(L, reject);
    lua_setfield(L, -2, "reject");
    lua_pushcfunction(L, defer);
    lua_setfield(L, -2, "defer");
    lua_pushcfunction(L, route);
    lua_setfield(L, -2, "route");
}

bool rule_result_is(lua_State *L, int index)
{
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &result_key);
    bool is = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is;
}

enum rule_action rule_result_action(lua_State *L, int index)
{
    lua_getfield(L, index, "action");
    lua_Integer action = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return action == RULE_REJECT ? RULE_REJECT : action == RULE_DEFER ? RULE_DEFER : RULE_SEND;
}
