/* The coroutine library of rules. Lua's own would do, but for three things: a coroutine that was stopped must
 * not go on (in one that failed within a hook Lua leaves hooks off, so the __close of its variables would run
 * without end); who allocates must be known; and coroutine.close does not count how deep it stands on the C
 * stack. */
#include <lauxlib.h>
#include <lualib.h>

#include "script/rule_state.h"

#define DEEPEST 150      /* one within the other; Lua's own limit of C calls is 200 */
#define CREATE_STEPS 200 /* each has a count of instructions of its own, whose rest is lost */

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co != NULL, 1, "coroutine");
    return co;
}

static void enter(lua_State *L, lua_State *co)
{
    struct rule_meter *meter = &rule_state_of(L)->meter;
    if (meter->coroutine_depth == DEEPEST)
        luaL_error(L, "coroutines stand too deep within each other");
    meter->coroutine_depth++;
    meter->running = co;
}

/* Raises where the rule was stopped in there: no coroutine outlives that. */
static void leave(lua_State *L)
{
    struct rule_meter *meter = &rule_state_of(L)->meter;
    meter->running = L;
    meter->coroutine_depth--;
    rule_meter_check(meter, L);
}

/* With the arguments on top of L. How many results are there instead; -1: the error is. */
static int resume(lua_State *L, lua_State *co, int arguments)
{
    int results = 0;
    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    enter(L, co);
    lua_xmove(L, co, arguments);
    int status = lua_resume(co, L, arguments, &results);
    leave(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

/* Its variables are closed; true where that went well, else the error is on top of `co`. */
static bool reset(lua_State *L, lua_State *co)
{
    enter(L, co);
    int status = lua_resetthread(co);
    leave(L);
    return status == LUA_OK;
}

static int coroutine_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    rule_state_charge(L, CREATE_STEPS);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    int results = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    lua_insert(L, results < 0 ? -2 : -(results + 1));
    return results < 0 ? 2 : results + 1;
}

static int call_wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int results = resume(L, co, lua_gettop(L));
    if (results >= 0)
        return results;
    int status = lua_status(co);
    if (status > LUA_YIELD && !reset(L, co)) {
        lua_pop(L, 1);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) { /* Lua knows a memory error by its text */
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L)
{
    coroutine_create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* Whether it waits within a resume of its own, or runs. */
static bool is_active(lua_State *L, lua_State *co)
{
    lua_Debug frame;
    return co == L || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame) != 0);
}

static int coroutine_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    if (is_active(L, co))
        return luaL_error(L, "cannot close a coroutine that has not come to rest");
    bool closed = reset(L, co);
    lua_pushboolean(L, closed);
    if (closed)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

int rule_coroutine_open(lua_State *L)
{
    static const luaL_Reg guarded[] = {
        {"create", coroutine_create},
        {"resume", coroutine_resume},
        {"wrap", coroutine_wrap},
        {"close", coroutine_close},
        {NULL, NULL},
    };
    luaopen_coroutine(L);
    luaL_setfuncs(L, guarded, 0);
    return 1;
}
