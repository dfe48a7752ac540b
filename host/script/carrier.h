/* Carriers: small Lua states without libraries that take plain values from a thread's state to another thread
 * and back. One thread at a time holds one. */
#ifndef SCRIPT_CARRIER_H
#define SCRIPT_CARRIER_H

#include <lua.h>

#define CARRIERS_KEPT 16

/* A thread's own stock of idle ones. */
struct carriers {
    lua_State *idle[CARRIERS_KEPT];
    unsigned count;
};

lua_State *carrier_take(struct carriers *carriers);               /* its stack is empty */
void carrier_give(struct carriers *carriers, lua_State *carrier); /* NULL `carriers`: closes it */
void carriers_deinit(struct carriers *carriers);

#endif
