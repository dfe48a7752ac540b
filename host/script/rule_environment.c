/* What rules may use: the pure part of the standard library, and the rules' own library from the bundle. */
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/bindings/bindings.h"
#include "script/rule_library.h"
#include "script/rule_state.h"
#include "script/state.h"

/* What a rule gets of Lua's base library. Not among them: what loads code, reaches the collector, prints, and
 * xpcall, whose handler may loop where no hook stops it. */
static const char *const base_names[] = {
    "_VERSION", "assert", "error",  "getmetatable", "ipairs",   "next",     "pairs", "pcall",
    "rawequal", "rawget", "rawlen", "select",       "tonumber", "tostring", "type",  NULL};

static const char *const impure_string[] = {"dump", NULL};
static const char *const impure_math[] = {"random", "randomseed", NULL}; /* chance comes in by the context */

static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    /* A finalizer runs where no hook stops it; what a weak table holds depends on the collector. */
    static const char *const refused[] = {"__gc", "__mode"};
    for (size_t i = 0; i < 2 && lua_istable(L, 2); i++) {
        lua_pushstring(L, refused[i]);
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "%s has no place in rules", refused[i]);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int refuse_global(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING)
        return luaL_error(L, "a %s cannot be the name of a global", luaL_typename(L, 2));
    return luaL_error(L, "'%s' would be a global, and rules keep nothing between messages; write 'local %s'",
                      lua_tostring(L, 2), lua_tostring(L, 2));
}

static int push_library_names(lua_State *L, const struct unit_set *library)
{
    luaL_Buffer names;
    luaL_buffinit(L, &names);
    int count = 0;
    for (size_t i = 0; i < library->count; i++) {
        const char *name = strrchr(library->units[i]->name, '.') + 1;
        if (strcmp(name, "default") == 0)
            continue;
        luaL_addstring(&names, count++ == 0 ? "" : ", ");
        luaL_addstring(&names, "bascule.");
        luaL_addstring(&names, name);
    }
    luaL_pushresult(&names);
    return count;
}

/* "bascule.phone" is the unit bascule.rules.phone. */
static struct unit *find_library(lua_State *L, const char *name)
{
    const struct unit_set *library = rule_state_of(L)->library;
    static const char prefix[] = "bascule.";
    if (strncmp(name, prefix, strlen(prefix)) != 0 || strcmp(name, "bascule.default") == 0)
        return NULL;
    return unit_set_find(library, lua_pushfstring(L, "bascule.rules.%s", name + strlen(prefix)));
}

/* Upvalues: the table of modules that are loaded, the environment of library files, and whether the caller is
 * the library, which alone reaches the host's pure functions. */
static int require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    bool library = lua_toboolean(L, lua_upvalueindex(3));
    const struct unit *unit = find_library(L, name);
    lua_settop(L, 1);
    if ((unit != NULL || library) && lua_getfield(L, lua_upvalueindex(1), name) != LUA_TNIL)
        return 1;
    if (library && rule_pure_open(L, name)) {
        lua_pushvalue(L, -1);
        lua_setfield(L, lua_upvalueindex(1), name);
        return 1;
    }
    if (unit == NULL) {
        push_library_names(L, rule_state_of(L)->library);
        return luaL_error(L, "module '%s' is not there; rules may require %s", name, lua_tostring(L, -1));
    }
    unit_load(L, unit);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setupvalue(L, -2, 1);
    lua_call(L, 0, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, lua_upvalueindex(1), name);
    return 1;
}

static void push_require(lua_State *L, int loaded, int library_environment, bool library)
{
    lua_pushvalue(L, loaded);
    lua_pushvalue(L, library_environment);
    lua_pushboolean(L, library);
    lua_pushcclosure(L, require, 3);
}

/* Library files see the rules' globals, and a `require` of their own. */
static void open_require(lua_State *L, int globals)
{
    lua_newtable(L);
    int loaded = lua_gettop(L);
    lua_newtable(L);
    int environment = lua_gettop(L);
    push_require(L, loaded, environment, true);
    lua_setfield(L, environment, "require");
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, globals);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, environment);
    push_require(L, loaded, environment, false);
    lua_setfield(L, globals, "require");
    lua_settop(L, loaded - 1);
}

static const struct library {
    const char *name;
    lua_CFunction open;
    const char *const *removed;
    void (*bound[2])(lua_State *L); /* put what the budget bounds in place of Lua's own */
} libraries[] = {
    {LUA_STRLIBNAME, luaopen_string, impure_string, {rule_matching_open, rule_strings_open}},
    {LUA_TABLIBNAME, luaopen_table, NULL, {rule_tables_open}},
    {LUA_MATHLIBNAME, luaopen_math, impure_math, {NULL}},
    {LUA_UTF8LIBNAME, luaopen_utf8, NULL, {rule_utf8_open}},
    {LUA_COLIBNAME, rule_coroutine_open, NULL, {NULL}},
};

/* The methods of texts are the same table, so ("x"):find is string.find. */
static void open_library(lua_State *L, int globals, const struct library *library)
{
    lua_pushcfunction(L, library->open);
    lua_pushstring(L, library->name);
    lua_call(L, 1, 1);
    if (library->removed != NULL)
        state_remove_fields(L, library->removed);
    for (size_t i = 0; i < 2 && library->bound[i] != NULL; i++)
        library->bound[i](L);
    lua_setfield(L, globals, library->name);
}

static void open_base(lua_State *L, int globals)
{
    lua_pushcfunction(L, luaopen_base); /* fills the state's own table of globals, which rules never see */
    lua_call(L, 0, 1);
    for (const char *const *name = base_names; *name != NULL; name++) {
        lua_getfield(L, -1, *name);
        lua_setfield(L, globals, *name);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, set_metatable);
    lua_setfield(L, globals, "setmetatable");
    lua_pushvalue(L, globals);
    rule_base_open(L);
    lua_setfield(L, globals, "_G");
}

static void protect_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

static void protect_globals(lua_State *L, int globals)
{
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, refuse_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, globals);
}

void rule_environment_open(lua_State *L)
{
    lua_createtable(L, 0, 32);
    int globals = lua_gettop(L);
    open_base(L, globals);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        open_library(L, globals, &libraries[i]);
    protect_strings(L);
    open_require(L, globals);
    protect_globals(L, globals);
    /* The table of globals that chunks get when they are loaded. */
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
