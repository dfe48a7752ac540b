#include "script/carrier.h"

#include <stddef.h>

#include "script/state.h"

#define KEPT_KB 256 /* one that had to grow further is closed */

lua_State *carrier_take(struct carriers *carriers)
{
    if (carriers->count > 0)
        return carriers->idle[--carriers->count];
    return lua_newstate(state_allocate, NULL);
}

void carrier_give(struct carriers *carriers, lua_State *carrier)
{
    lua_settop(carrier, 0);
    if (carriers == NULL || carriers->count == CARRIERS_KEPT || lua_gc(carrier, LUA_GCCOUNT) > KEPT_KB)
        lua_close(carrier);
    else
        carriers->idle[carriers->count++] = carrier;
}

void carriers_deinit(struct carriers *carriers)
{
    while (carriers->count > 0)
        lua_close(carriers->idle[--carriers->count]);
}
