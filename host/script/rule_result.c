/* What a rule may return instead of the message: made by context.reject and its kin. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_context.h"
#include "script/script.h"

static const struct {
    const char *name;   /* of the context's function */
    unsigned functions; /* of the rules that may say so */
} results[] = {
    [RULE_SEND] = {"route", RULE_FOR(RULE_OUTBOUND)},
    [RULE_REJECT] = {"reject", RULE_FOR_ALL},
    [RULE_DEFER] = {"defer", RULE_FOR(RULE_OUTBOUND) | RULE_FOR(RULE_INBOUND)},
    [RULE_SPLIT] = {"split", RULE_FOR(RULE_OUTBOUND)},
};
#define RESULTS (sizeof results / sizeof *results)

/* Addresses are keys: in the registry, of the metatable of each kind of result; in that, of its action. Rules
 * write to what a result holds, but not to its metatable. */
static const char metatable_keys[RESULTS], action_key;

void rule_result_check(lua_State *L, enum rule_action action)
{
    rule_context_check(L, results[action].name, results[action].functions);
}

static int new_result(lua_State *L, enum rule_action action)
{
    lua_createtable(L, 0, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_keys[action]);
    lua_setmetatable(L, -2);
    return 1;
}

static int reject(lua_State *L)
{
    lua_settop(L, 1);
    rule_result_check(L, RULE_REJECT);
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
    rule_result_check(L, RULE_DEFER);
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
    rule_result_check(L, RULE_SEND);
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
    rule_result_check(L, RULE_SPLIT);
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
    for (size_t action = 0; action < RESULTS; action++) {
        lua_createtable(L, 0, 2);
        lua_pushliteral(L, "result");
        lua_setfield(L, -2, "__metatable");
        lua_pushinteger(L, (lua_Integer)action);
        lua_rawsetp(L, -2, &action_key);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_keys[action]);
    }
}

bool rule_result_is(lua_State *L, int index, enum rule_action *action)
{
    *action = RULE_SEND;
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    bool is = lua_rawgetp(L, -1, &action_key) == LUA_TNUMBER;
    if (is)
        *action = (enum rule_action)lua_tointeger(L, -1);
    lua_pop(L, 2);
    return is;
}
