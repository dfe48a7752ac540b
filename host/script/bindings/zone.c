/* host.zone; also for rule states, so it uses nothing of the host. */
#include "base/zone.h"

#include <limits.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"

static const struct field {
    const char *name;
    size_t offset;
} fields[] = {
    {"year", offsetof(struct zone_civil, year)},       {"month", offsetof(struct zone_civil, month)},
    {"day", offsetof(struct zone_civil, day)},         {"hour", offsetof(struct zone_civil, hour)},
    {"minute", offsetof(struct zone_civil, minute)},   {"second", offsetof(struct zone_civil, second)},
    {"weekday", offsetof(struct zone_civil, weekday)}, {"offset_s", offsetof(struct zone_civil, offset_s)},
};
#define FIELDS (sizeof fields / sizeof fields[0])
#define CLOCK_FIELDS 6 /* of them, year to second are arguments of `instant` */

static int *field_of(struct zone_civil *civil, size_t i)
{
    return (int *)((char *)civil + fields[i].offset);
}

static int civil(lua_State *L)
{
    struct zone_civil there = {0};
    const char *reason;
    if (zone_civil_at(luaL_checkstring(L, 1), luaL_checkinteger(L, 2), &there, &reason) != 0)
        return script_fail(L, "INVALID", "%s", reason);
    lua_createtable(L, 0, FIELDS);
    for (size_t i = 0; i < FIELDS; i++) {
        lua_pushinteger(L, *field_of(&there, i));
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

static int instant(lua_State *L)
{
    static const char *const kinds[] = {
        [ZONE_UNIQUE] = "unique", [ZONE_SKIPPED] = "skipped", [ZONE_REPEATED] = "repeated"};
    struct zone_civil there = {0};
    const char *reason;
    int64_t ms;
    enum zone_kind kind;
    for (size_t i = 0; i < CLOCK_FIELDS; i++) {
        int argument = (int)i + 2;
        lua_Integer value = i < 3 ? luaL_checkinteger(L, argument) : luaL_optinteger(L, argument, 0);
        luaL_argcheck(L, value >= INT_MIN && value <= INT_MAX, argument, "out of range");
        *field_of(&there, i) = (int)value;
    }
    if (zone_instant_of(luaL_checkstring(L, 1), &there, &ms, &kind, &reason) != 0)
        return script_fail(L, "INVALID", "%s", reason);
    lua_pushinteger(L, ms);
    lua_pushstring(L, kinds[kind]);
    return 2;
}

int binding_open_zone(lua_State *L)
{
    static const luaL_Reg functions[] = {{"civil", civil}, {"instant", instant}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
