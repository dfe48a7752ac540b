/* host.phone; also for rule states, so it uses nothing of the host. */
#include "base/phone.h"

#include <lauxlib.h>

#include "script/bindings/bindings.h"

static int parse(lua_State *L)
{
    struct phone number;
    const char *reason;
    if (phone_parse(luaL_checkstring(L, 1), luaL_optstring(L, 2, NULL), &number, &reason) != 0)
        return script_fail(L, "INVALID", "%s", reason);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, number.e164);
    lua_setfield(L, -2, "e164");
    lua_pushstring(L, number.national);
    lua_setfield(L, -2, "national");
    lua_pushstring(L, number.region);
    lua_setfield(L, -2, "region");
    lua_pushboolean(L, number.mobile);
    lua_setfield(L, -2, "mobile");
    lua_pushboolean(L, number.valid);
    lua_setfield(L, -2, "valid");
    return 1;
}

int binding_open_phone(lua_State *L)
{
    static const luaL_Reg functions[] = {{"parse", parse}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
