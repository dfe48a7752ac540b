/* host.metrics */
#include "base/metrics.h"

#include <lauxlib.h>

#include "script/bindings/bindings.h"

static int add(lua_State *L)
{
    metrics_add(luaL_checkstring(L, 1), luaL_optstring(L, 2, NULL), luaL_optinteger(L, 3, 1));
    return 0;
}

static int text(lua_State *L)
{
    struct buffer exposition = {0};
    metrics_write(&exposition);
    lua_pushlstring(L, exposition.data, exposition.length);
    buffer_deinit(&exposition);
    return 1;
}

int binding_open_metrics(lua_State *L)
{
    static const luaL_Reg functions[] = {{"add", add}, {"text", text}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
