/* What a rule may return instead of the message: made by context.reject and its kin. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_context.h"
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

static int reject(lua_State *L)
{
    lua_settop(L, 1);
    rule_context_check(L, "reject", RULE_FOR_ALL);
    rule_context_check_text(L, 1, "context.reject's reason");
    new_result(L, RULE_REJECT);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "reason");
    return 1;
}

#define TIME_BOUND 9007199254740992.0 /* 2^53; no number beyond is exact, and none is a time */

static int defer(lua_State *L)
{
    static const char *const names[] = {"until_", "reason", NULL};
    rule_context_check(L, "defer", RULE_FOR(RULE_OUTBOUND) | RULE_FOR(RULE_INBOUND));
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    script_check_options(L, 1, names);
    new_result(L, RULE_DEFER);
    if (lua_getfield(L, 1, "until_") != LUA_TNUMBER || !(fabs(lua_tonumber(L, -1)) < TIME_BOUND))
        return luaL_error(L, "context.defer's until_ must be a time in milliseconds, not %s",
                          luaL_typename(L, -1));
    lua_pushinteger(L, (lua_Integer)floor(lua_tonumber(L, -1)));
    lua_setfield(L, 2, "until_ms");
    if (lua_getfield(L, 1, "reason") != LUA_TNIL)
        rule_context_check_text(L, -1, "context.defer's reason");
    lua_setfield(L, 2, "reason");
    lua_settop(L, 2);
    return 1;
}

static int route(lua_State *L)
{
    rule_context_check(L, "route", RULE_FOR(RULE_OUTBOUND));
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    if (count == 0)
        return luaL_error(L, "context.route needs at least one provider: context.route { \"cast\" }");
    new_result(L, RULE_SEND);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        rule_context_check_text(L, -1, "a provider of context.route");
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "providers");
    return 1;
}

/* What each one is like is looked at when it is returned. */
static int split(lua_State *L)
{
    rule_context_check(L, "split", RULE_FOR(RULE_OUTBOUND));
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    size_t most = rule_state_of(L)->limits.parts;
    if (count == 0)
        return luaL_error(
            L, "context.split needs at least one message: context.split { \"first\", \"second\" }");
    if ((size_t)count > most)
        return luaL_error(L, "context.split takes at most %d messages, not %I", (int)most, count);
    new_result(L, RULE_SPLIT);
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        int type = lua_rawgeti(L, 1, i);
        if (type != LUA_TSTRING && type != LUA_TTABLE)
            luaL_error(L, "a message of context.split must be a text or a message, not %s",
                       lua_typename(L, type));
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "parts");
    return 1;
}

void rule_results_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"reject", reject}, {"defer", defer}, {"route", route}, {"split", split}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "result");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &result_key);
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
    return action >= RULE_SEND && action <= RULE_SPLIT ? (enum rule_action)action : RULE_SEND;
}
