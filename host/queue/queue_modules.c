/* host.queue and host.gate (lua/meta/host.lua). */
#include <lauxlib.h>

#include "base/clock.h"
#include "queue/queue_internal.h"

static struct queue *queue_of(lua_State *L)
{
    return script_host_of(L)->queue;
}

static int unavailable(lua_State *L)
{
    return script_fail(L, "UNAVAILABLE", "this program has no queue");
}

static int wake(lua_State *L)
{
    const char *location = luaL_checkstring(L, 1);
    struct queue *queue = queue_of(L);
    if (queue == NULL)
        return unavailable(L);
    queue_wake(queue, location);
    return 0;
}

static int accepts(lua_State *L)
{
    struct queue *queue = queue_of(L);
    if (queue == NULL)
        return unavailable(L);
    lua_pushboolean(L, queue_accepts(queue));
    return 1;
}

static int enter(lua_State *L)
{
    const char *key = luaL_checkstring(L, 1);
    struct queue *queue = queue_of(L);
    if (queue == NULL)
        return unavailable(L);
    int64_t wait_ms = 0;
    if (gates_enter(queue->gates, key, clock_monotonic_ms(), &wait_ms)) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushboolean(L, false);
    lua_pushinteger(L, wait_ms);
    return 2;
}

static int leave(lua_State *L)
{
    static const char *const names[] = {"answered", "failed", "paused", NULL};
    const char *key = luaL_checkstring(L, 1);
    int outcome = luaL_checkoption(L, 2, NULL, names);
    int64_t pause_ms = (int64_t)luaL_optnumber(L, 3, 0);
    struct queue *queue = queue_of(L);
    if (queue == NULL)
        return unavailable(L);
    gates_leave(queue->gates, key, (enum gate_outcome)outcome, pause_ms, clock_monotonic_ms());
    return 0;
}

static int open_queue(lua_State *L)
{
    static const luaL_Reg functions[] = {{"accepts", accepts}, {"wake", wake}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static int open_gate(lua_State *L)
{
    static const luaL_Reg functions[] = {{"enter", enter}, {"leave", leave}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

const struct script_module queue_modules[] = {
    {"host.queue", open_queue},
    {"host.gate", open_gate},
    {NULL, NULL},
};
