/* pairs for rules. Lua's own goes by hashes, whose seed is another one in each state: a rule that joins what
 * it finds in a table would give another text on another thread, and in a dry run. Here the order is fixed:
 * numbers, texts by their bytes, false, true; keys that are tables or functions come last, in whatever order.
 */
#include <lauxlib.h>

#include "script/rule_library.h"
#include "script/rule_state.h"

static int rank(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        return 0;
    case LUA_TSTRING:
        return 1;
    case LUA_TBOOLEAN:
        return 2;
    default:
        return 3;
    }
}

static int is_before(lua_State *L)
{
    int left = rank(L, 1), right = rank(L, 2);
    bool before = left < right;
    if (left == right && left < 2)
        before = lua_compare(L, 1, 2, LUA_OPLT);
    else if (left == right && left == 2)
        before = !lua_toboolean(L, 1) && lua_toboolean(L, 2);
    lua_pushboolean(L, before);
    return 1;
}

/* Pushes the list of the keys of the table at 1; true where Lua's own order is the fixed one: growing
 * integers. */
static bool push_keys(lua_State *L)
{
    lua_Integer count = 0, last = 0;
    bool in_order = true;
    lua_createtable(L, 0, 0);
    for (lua_pushnil(L); lua_next(L, 1);) {
        rule_state_charge(L, 1);
        lua_pop(L, 1);
        in_order = in_order && lua_isinteger(L, -1) && lua_tointeger(L, -1) > last;
        last = in_order ? lua_tointeger(L, -1) : 0;
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++count);
    }
    return in_order;
}

/* Upvalues: the keys, how many were given. The table is at 1. */
static int next_pair(lua_State *L)
{
    lua_Integer place = lua_tointeger(L, lua_upvalueindex(2));
    int type = LUA_TNIL;
    luaL_checktype(L, 1, LUA_TTABLE);
    while (type == LUA_TNIL) { /* what was removed meanwhile is not given */
        lua_settop(L, 1);
        rule_state_charge(L, 1);
        if (lua_rawgeti(L, lua_upvalueindex(1), ++place) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, 2);
        type = lua_rawget(L, 1);
    }
    lua_pushinteger(L, place);
    lua_replace(L, lua_upvalueindex(2));
    return 2;
}

/* Upvalue: Lua's own next. */
int rule_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (push_keys(L)) {
        lua_pushvalue(L, lua_upvalueindex(1));
    } else {
        lua_pushcfunction(L, rule_sort);
        lua_pushvalue(L, 2);
        lua_pushcfunction(L, is_before);
        lua_call(L, 2, 0);
        lua_pushinteger(L, 0);
        lua_pushcclosure(L, next_pair, 2);
    }
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}
