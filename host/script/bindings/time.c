/* host.time */
#include <stdlib.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "script/bindings/bindings.h"

static int now_ms(lua_State *L)
{
    lua_pushinteger(L, clock_wall_ms());
    return 1;
}

static int monotonic_ms(lua_State *L)
{
    lua_pushinteger(L, clock_monotonic_ms());
    return 1;
}

struct sleeper {
    struct mail mail;
    struct script_wait wait;
};

static int push_nothing(lua_State *L, struct script_wait *wait)
{
    (void)L;
    (void)wait;
    return 0;
}

static struct sleeper *sleeper_of(struct script_wait *wait)
{
    return (struct sleeper *)((char *)wait - offsetof(struct sleeper, wait));
}

static void release(struct script_wait *wait)
{
    free(sleeper_of(wait));
}

static void deliver(struct mail *mail)
{
    script_wait_finish(&((struct sleeper *)mail)->wait);
}

static int sleep_ms(lua_State *L)
{
    lua_Integer ms = luaL_checkinteger(L, 1);
    binding_check_wait(L);
    struct timers *timers = script_host_of(L)->timers;
    if (timers == NULL)
        return binding_unavailable(L, "timers");
    struct sleeper *sleeper = memory_allocate(sizeof *sleeper);
    sleeper->mail.deliver = deliver;
    sleeper->wait.push = push_nothing;
    sleeper->wait.release = release;
    timers_after(timers, ms, script_mailbox(L), &sleeper->mail);
    return script_wait(L, &sleeper->wait);
}

static int iso(lua_State *L)
{
    char text[CLOCK_ISO_SIZE];
    lua_pushstring(L, clock_format_iso(luaL_checkinteger(L, 1), text));
    return 1;
}

static int parse_iso(lua_State *L)
{
    int64_t ms;
    if (clock_parse_iso(luaL_checkstring(L, 1), &ms) == 0)
        lua_pushinteger(L, ms);
    else
        lua_pushnil(L);
    return 1;
}

int binding_open_time(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"iso", iso},        {"monotonic_ms", monotonic_ms},
        {"now_ms", now_ms},  {"parse_iso", parse_iso},
        {"sleep", sleep_ms}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
