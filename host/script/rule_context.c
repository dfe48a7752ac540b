#include "script/rule_context.h"

#include <lauxlib.h>

static const char context_key; /* its address is the registry key of the contexts' metatable */

void rule_context_open(lua_State *L)
{
    lua_createtable(L, 0, 2);
    lua_createtable(L, 0, 16);
    rule_results_open(L);
    rule_effects_open(L);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "context");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &context_key);
}

void rule_context_push(lua_State *L, enum rule_function function)
{
    rule_effects_forget(L);
    rule_state_of(L)->said.function = function;
    lua_createtable(L, 0, 8);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &context_key);
    lua_setmetatable(L, -2);
}

void rule_context_check(lua_State *L, const char *name, unsigned functions)
{
    enum rule_function function = rule_state_of(L)->said.function;
    if ((functions & RULE_FOR(function)) == 0)
        luaL_error(L, "context.%s is not for %s", name, rule_function_names[function]);
}

void rule_context_check_text(lua_State *L, int index, const char *what)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "%s must be a text, not %s", what, luaL_typename(L, index));
}

int rule_context_refuse_memory(lua_State *L, const char *where, const char *name)
{
    const struct declarations *declarations = &rule_state_of(L)->declarations;
    const char **names =
        lua_newuserdatauv(L, (declarations->memory_count + 1) * sizeof *names, 0); /* freed with the state */
    for (size_t i = 0; i < declarations->memory_count; i++)
        names[i] = declarations->memory[i].name;
    names[declarations->memory_count] = NULL;
    const char *nearest = text_suggest(name, names);
    if (nearest != NULL)
        return luaL_error(L, "%s: '%s' is not declared in memory; did you mean '%s'?", where, name, nearest);
    return luaL_error(L, "%s: '%s' is not declared in memory", where, name);
}
