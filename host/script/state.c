#include "script/state.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/log.h"
#include "script/bindings/bindings.h"
#include "script/thread.h"

const struct script_module binding_modules[] = {
    {"host.arguments", binding_open_arguments}, {"host.cache", binding_open_cache},
    {"host.config", binding_open_config},       {"host.crypto", binding_open_crypto},
    {"host.dryrun", binding_open_dryrun},       {"host.http", binding_open_http},
    {"host.json", binding_open_json},           {"host.log", binding_open_log},
    {"host.metrics", binding_open_metrics},     {"host.phone", binding_open_phone},
    {"host.rules", binding_open_rules},         {"host.scripts", binding_open_scripts},
    {"host.store", binding_open_store},         {"host.time", binding_open_time},
    {"host.zone", binding_open_zone},           {NULL, NULL},
};

void *state_allocate(void *argument, void *block, size_t old_size, size_t size)
{
    (void)argument;
    (void)old_size;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return memory_resize(block, size);
}

void state_stress_collector(lua_State *L)
{
    enum { PAUSE_PERCENT = 1, STEP_PERCENT = 1000, STEP_LOG2_BYTES = 1 };
    lua_gc(L, LUA_GCINC, PAUSE_PERCENT, STEP_PERCENT, STEP_LOG2_BYTES);
}

static int on_panic(lua_State *L)
{
    const char *text = lua_tostring(L, -1);
    LOG_EVENT(LOG_ERROR, "lua_panic", LOG_FIELD_TEXT("message", text == NULL ? "?" : text));
    return 0; /* Lua aborts then */
}

static struct script_state *new_state(struct script_host *host, struct script_thread *thread)
{
    struct script_state *state = memory_allocate(sizeof *state);
    state->host = host;
    state->thread = thread;
    state->L = lua_newstate(state_allocate, NULL);
    lua_atpanic(state->L, on_panic);
    if (config_switch(host->config, "BASCULE_LUA_STRESS_GC"))
        state_stress_collector(state->L);
    *(struct script_state **)lua_getextraspace(state->L) = state; /* its coroutines get copies */
    return state;
}

struct script_state *state_of(lua_State *L)
{
    return *(struct script_state **)lua_getextraspace(L);
}

static void add_preloads(lua_State *L, const struct script_module *modules)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (; modules != NULL && modules->name != NULL; modules++) {
        lua_pushcfunction(L, modules->open);
        lua_setfield(L, -2, modules->name);
    }
    lua_pop(L, 1);
}

void state_remove_fields(lua_State *L, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

static void keep_fields(lua_State *L, const char *const *names)
{
    lua_newtable(L);
    for (; *names != NULL; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, -2);
}

/* Argument: a module's name. Returns its chunk and the file's name. */
static int search_bundle(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct unit *unit = unit_set_find(state_of(L)->bundle, name);
    if (unit == NULL) {
        lua_pushfstring(L, "no module '%s' among this generation's files", name);
        return 1;
    }
    unit_load(L, unit);
    lua_pushstring(L, unit->path);
    return 2;
}

/* Modules come from the host and from the bundle, from nowhere else. */
static void restrict_package(lua_State *L)
{
    static const char *const removed[] = {"config", "cpath", "loadlib", "path", "searchpath", NULL};
    lua_getglobal(L, LUA_LOADLIBNAME);
    state_remove_fields(L, removed);
    lua_getfield(L, -1, "searchers");
    lua_rawgeti(L, -1, 1); /* the preload table's */
    lua_createtable(L, 2, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    lua_pushcfunction(L, search_bundle);
    lua_rawseti(L, -2, 2);
    lua_setfield(L, -3, "searchers");
    lua_pop(L, 2);
}

/* print(...): one line of the log. */
static int print_to_log(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    LOG_EVENT(LOG_INFO, "print", LOG_FIELD_TEXT("message", lua_tostring(L, -1)));
    return 0;
}

static void keep_global_fields(lua_State *L, const char *library, const char *const *names)
{
    lua_getglobal(L, library);
    keep_fields(L, names);
    lua_pushvalue(L, -1);
    lua_setglobal(L, library);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_insert(L, -2);
    lua_setfield(L, -2, library);
    lua_pop(L, 1);
}

/* What reads files or loads C has no place where a thread serves requests. */
static void restrict_globals(lua_State *L)
{
    static const char *const removed[] = {"dofile", "loadfile", NULL};
    static const char *const os_names[] = {"clock", "date", "difftime", "time", NULL};
    static const char *const debug_names[] = {"traceback", NULL};
    lua_pushglobaltable(L);
    state_remove_fields(L, removed);
    lua_pop(L, 1);
    keep_global_fields(L, LUA_OSLIBNAME, os_names);
    keep_global_fields(L, LUA_DBLIBNAME, debug_names);
    restrict_package(L);
    lua_pushcfunction(L, print_to_log);
    lua_setglobal(L, "print");
}

static void open_trusted(lua_State *L)
{
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},          {LUA_LOADLIBNAME, luaopen_package},
        {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
        {LUA_OSLIBNAME, luaopen_os},        {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math},    {LUA_UTF8LIBNAME, luaopen_utf8},
        {LUA_DBLIBNAME, luaopen_debug},     {NULL, NULL},
    };
    for (const luaL_Reg *library = libraries; library->name != NULL; library++) {
        luaL_requiref(L, library->name, library->func, 1);
        lua_pop(L, 1);
    }
    restrict_globals(L);
}

struct script_state *state_new_trusted(struct script_host *host, struct script_thread *thread,
                                       struct unit_set *bundle)
{
    struct script_state *state = new_state(host, thread);
    state->bundle = unit_set_ref(bundle);
    open_trusted(state->L);
    add_preloads(state->L, binding_modules);
    add_preloads(state->L, host->modules);
    return state;
}

struct script_state *state_new_program(struct script_host *host, struct script_thread *thread,
                                       const char *lua_path)
{
    struct script_state *state = new_state(host, thread);
    lua_State *L = state->L;
    luaL_openlibs(L);
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s;%s/?.lua;%s/?/init.lua", lua_tostring(L, -1), lua_path, lua_path);
    lua_setfield(L, -3, "path");
    lua_pop(L, 2);
    add_preloads(L, binding_modules);
    add_preloads(L, host->modules);
    return state;
}

static void free_functions(struct state_function *function)
{
    while (function != NULL) {
        struct state_function *next = function->next;
        free(function->module);
        free(function->name);
        free(function);
        function = next;
    }
}

void state_close(struct script_state *state)
{
    while (state->idle != NULL) {
        struct script_coroutine *coroutine = state->idle;
        state->idle = coroutine->next;
        free(coroutine);
    }
    free_functions(state->functions);
    lua_close(state->L);
    unit_set_unref(state->bundle);
    free(state);
}
