/* table for rules. What a table says of its length (__len) is asked once and believed by nobody: each element
 * that is read or moved is charged, so a loop over more of them than there can be ends with the budget. */
#include <lauxlib.h>

#include "script/rule_library.h"
#include "script/rule_state.h"

static lua_Integer check_length(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return luaL_len(L, 1);
}

/* t[to] = t[from] */
static void move_one(lua_State *L, lua_Integer from, lua_Integer to)
{
    rule_state_charge(L, 1);
    lua_geti(L, 1, from);
    lua_seti(L, 1, to);
}

static int insert(lua_State *L)
{
    lua_Integer free_place = luaL_intop(+, check_length(L), 1), place = free_place;
    int arguments = lua_gettop(L);
    if (arguments != 2 && arguments != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    if (arguments == 3) {
        place = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)place - 1 < (lua_Unsigned)free_place, 2, "position out of bounds");
        for (lua_Integer i = free_place; i > place; i--)
            move_one(L, i - 1, i);
    }
    lua_seti(L, 1, place);
    return 0;
}

static int remove_one(lua_State *L)
{
    lua_Integer length = check_length(L), place = luaL_optinteger(L, 2, length);
    if (lua_gettop(L) != 1) /* also the place after the last one may be named */
        luaL_argcheck(L, (lua_Unsigned)place - 1 <= (lua_Unsigned)length, 2, "position out of bounds");
    lua_geti(L, 1, place);
    for (; place < length; place++)
        move_one(L, place + 1, place);
    lua_pushnil(L);
    lua_seti(L, 1, place);
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *text, lua_Integer index)
{
    lua_geti(L, 1, index);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
                   (LUAI_UACINT)index);
    rule_state_charge(L, 1);
    rule_charge_bytes(L, lua_rawlen(L, -1));
    luaL_addvalue(text);
}

static int concat(lua_State *L)
{
    luaL_Buffer text;
    size_t length;
    lua_Integer table_length = check_length(L);
    const char *separator = luaL_optlstring(L, 2, "", &length);
    lua_Integer first = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, table_length);
    luaL_buffinit(L, &text);
    for (lua_Integer i = first; i <= last; i++) {
        add_element(L, &text, i);
        if (i == last) /* before i++ where it is the largest integer */
            break;
        rule_charge_bytes(L, length);
        luaL_addlstring(&text, separator, length);
    }
    luaL_pushresult(&text);
    return 1;
}

/* Lua's own checks the range; one that it takes may still be 2^63 long. */
static int before_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    if (last >= first)
        rule_state_charge(L, (uint64_t)last - (uint64_t)first);
    return 0;
}

void rule_tables_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"concat", concat}, {"insert", insert}, {"remove", remove_one}, {"sort", rule_sort}, {NULL, NULL}};
    /* pack takes, and unpack makes, as many values as the stack may hold: a million */
    static const struct rule_charged rows[] = {
        {"move", before_move, false}, {"unpack", NULL, true}, {NULL, NULL, false}};
    luaL_setfuncs(L, functions, 0);
    rule_charged_set(L, rows);
}
