/* table.sort for rules. Lua's own takes its pivots by the clock in large tables, so that equal elements come
 * out in one order today and in another tomorrow; and a table that lies about its length keeps it busy for
 * hours. This one merges: always the same order, n log n comparisons at most, each charged. The table is
 * written when all is sorted: a comparison that raises leaves it as it was. */
#include <limits.h>

#include <lauxlib.h>

#include "script/rule_library.h"
#include "script/rule_state.h"

enum { TABLE = 1, LESS, RUNS, MERGED }; /* on the stack */

/* Whether the value on top is less than the one below it; pops both. */
static bool is_less(lua_State *L)
{
    bool less;
    rule_state_charge(L, 1);
    if (lua_isnil(L, LESS)) {
        if (lua_type(L, -1) == LUA_TSTRING)
            rule_charge_bytes(L, lua_rawlen(L, -1));
        less = lua_compare(L, -1, -2, LUA_OPLT);
        lua_pop(L, 2);
    } else {
        lua_pushvalue(L, LESS);
        lua_insert(L, -3);
        lua_insert(L, -2); /* the function, the one on top, the one below it */
        lua_call(L, 2, 1);
        less = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    return less;
}

/* The runs low..middle-1 and middle..high-1 of `from` into `to`. Of equals the left one goes first. */
static void merge(lua_State *L, int from, int to, lua_Integer low, lua_Integer middle, lua_Integer high)
{
    lua_Integer left = low, right = middle;
    for (lua_Integer place = low; place < high; place++) {
        bool take_right = right < high;
        if (take_right && left < middle) {
            lua_rawgeti(L, from, left);
            lua_rawgeti(L, from, right);
            take_right = is_less(L);
        }
        lua_rawgeti(L, from, take_right ? right++ : left++);
        lua_rawseti(L, to, place);
    }
}

static lua_Integer least(lua_Integer a, lua_Integer b)
{
    return a < b ? a : b;
}

/* Returns where on the stack the sorted values are. */
static int sort_runs(lua_State *L, lua_Integer count)
{
    int from = RUNS, to = MERGED;
    for (lua_Integer width = 1; width < count; width *= 2) {
        for (lua_Integer low = 1; low <= count; low += 2 * width)
            merge(L, from, to, low, least(low + width, count + 1), least(low + 2 * width, count + 1));
        from = to;
        to = from == RUNS ? MERGED : RUNS;
    }
    return from;
}

int rule_sort(lua_State *L)
{
    luaL_checktype(L, TABLE, LUA_TTABLE);
    lua_Integer count = luaL_len(L, TABLE);
    if (count < 2)
        return 0;
    luaL_argcheck(L, count < INT_MAX, TABLE, "array too big");
    if (!lua_isnoneornil(L, LESS))
        luaL_checktype(L, LESS, LUA_TFUNCTION);
    lua_settop(L, LESS);
    lua_newtable(L);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= count; i++) {
        rule_state_charge(L, 1);
        lua_geti(L, TABLE, i);
        lua_rawseti(L, RUNS, i);
    }
    int sorted = sort_runs(L, count);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, sorted, i);
        lua_seti(L, TABLE, i);
    }
    return 0;
}
