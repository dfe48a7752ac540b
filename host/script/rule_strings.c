/* What works by bytes in string and utf8, and what of the base library reads texts: Lua's own functions,
 * charged for. */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_library.h"
#include "script/rule_state.h"

#define BYTES_PER_STEP 16
#define FLOAT_STEPS 400 /* string.format("%99.99f", 1e308) writes 400 digits, exactly */

void rule_charge_bytes(lua_State *L, size_t bytes)
{
    if (bytes >= BYTES_PER_STEP)
        rule_state_charge(L, bytes / BYTES_PER_STEP);
}

/* ---- charging around a function ---- */

static void charge_values(lua_State *L, int first, int count)
{
    size_t bytes = (size_t)count * (BYTES_PER_STEP / 2);
    for (int i = first; i < first + count; i++) {
        if (lua_type(L, i) == LUA_TSTRING)
            bytes += lua_rawlen(L, i);
    }
    rule_charge_bytes(L, bytes);
}

static int by_arguments(lua_State *L)
{
    charge_values(L, 1, lua_gettop(L));
    return 0;
}

/* Upvalues: the row, Lua's function (which has none of its own). Called here and not by lua_call, it reports
 * errors under its name. */
static int charged(lua_State *L)
{
    const struct rule_charged *row = lua_touserdata(L, lua_upvalueindex(1));
    int results = row->before == NULL ? 0 : row->before(L);
    if (results == 0)
        results = lua_tocfunction(L, lua_upvalueindex(2))(L);
    if (row->results)
        charge_values(L, lua_gettop(L) - results + 1, results);
    return results;
}

void rule_charged_set(lua_State *L, const struct rule_charged *rows)
{
    for (; rows->name != NULL; rows++) {
        lua_pushlightuserdata(L, (void *)rows);
        lua_getfield(L, -2, rows->name);
        lua_pushcclosure(L, charged, 2);
        lua_setfield(L, -2, rows->name);
    }
}

/* ---- string ---- */

/* Nothing, repeated 2^62 times, is made in 2^62 steps by Lua's own. */
static int before_rep(lua_State *L)
{
    size_t length, separator_length, total;
    luaL_checklstring(L, 1, &length);
    lua_Integer count = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &separator_length);
    if (count <= 0 || length + separator_length == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (!__builtin_mul_overflow((size_t)count, length + separator_length, &total)) /* else it raises */
        rule_state_charge(L, total / BYTES_PER_STEP + (uint64_t)count / 2);
    return 0;
}

/* The address of a value is no result of the message: it is another one each time. */
static bool has_address(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TTABLE:
    case LUA_TFUNCTION:
    case LUA_TTHREAD:
    case LUA_TUSERDATA:
    case LUA_TLIGHTUSERDATA:
        break;
    default:
        return false;
    }
    if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

static void push_without_address(lua_State *L, int index)
{
    int type = luaL_getmetafield(L, index, "__name");
    if (type == LUA_TSTRING)
        return;
    if (type != LUA_TNIL)
        lua_pop(L, 1);
    lua_pushstring(L, luaL_typename(L, index));
}

static int before_format(lua_State *L)
{
    size_t length;
    const char *at = luaL_checklstring(L, 1, &length), *end = at + length;
    uint64_t steps = 0;
    while ((at = memchr(at, '%', (size_t)(end - at))) != NULL) {
        at++;
        while (at < end && (isdigit((unsigned char)*at) || strchr("-+ #.", *at) != NULL))
            at++;
        if (at < end && *at == 'p')
            return luaL_error(L, "invalid conversion '%%p' to 'format'");
        steps += at < end && (*at == 'f' || *at == 'a') ? FLOAT_STEPS : BYTES_PER_STEP;
        at += at < end;
    }
    rule_state_charge(L, steps);
    for (int i = 2, top = lua_gettop(L); i <= top; i++) {
        if (!has_address(L, i))
            continue;
        push_without_address(L, i);
        lua_replace(L, i);
    }
    return by_arguments(L);
}

/* The numbers in a format are sizes ("c1000000") and alignments: so many bytes may be made. */
static int before_pack(lua_State *L)
{
    size_t length, bytes = 0, number = 0;
    const char *format = luaL_checklstring(L, 1, &length);
    for (size_t i = 0; i < length; i++) {
        if (isdigit((unsigned char)format[i])) {
            number = number > INT_MAX ? number : number * 10 + (size_t)(format[i] - '0');
            continue;
        }
        bytes += number;
        number = 0;
    }
    rule_charge_bytes(L, bytes + number + length * BYTES_PER_STEP);
    return by_arguments(L);
}

static int by_format(lua_State *L)
{
    size_t length;
    luaL_checklstring(L, 1, &length);
    rule_state_charge(L, length);
    return 0;
}

void rule_strings_open(lua_State *L)
{
    static const struct rule_charged rows[] = {
        {"byte", NULL, true},        {"char", by_arguments, false}, {"format", before_format, true},
        {"lower", NULL, true},       {"pack", before_pack, true},   {"packsize", by_format, false},
        {"rep", before_rep, false},  {"reverse", NULL, true},       {"sub", NULL, true},
        {"unpack", by_format, true}, {"upper", NULL, true},         {NULL, NULL, false},
    };
    rule_charged_set(L, rows);
}

/* ---- utf8 and base ---- */

void rule_utf8_open(lua_State *L)
{
    static const struct rule_charged rows[] = {
        {"char", by_arguments, false},   {"codepoint", NULL, true}, {"len", by_arguments, false},
        {"offset", by_arguments, false}, {NULL, NULL, false},
    };
    rule_charged_set(L, rows);
}

static int before_tostring(lua_State *L)
{
    if (lua_isnone(L, 1) || !has_address(L, 1))
        return 0;
    push_without_address(L, 1);
    return 1;
}

void rule_base_open(lua_State *L)
{
    static const struct rule_charged rows[] = {
        {"select", NULL, true},
        {"tonumber", by_arguments, false},
        {"tostring", before_tostring, false},
        {NULL, NULL, false},
    };
    rule_charged_set(L, rows);
    lua_getfield(L, -1, "next");
    lua_pushcclosure(L, rule_pairs, 1);
    lua_setfield(L, -2, "pairs");
}
