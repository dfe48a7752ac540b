/* host.config */
#include "base/config.h"

#include <string.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"

#define SETTINGS_MOST 128

static const struct setting *find(const char *name)
{
    const struct setting *setting = config_settings;
    while (setting->name != NULL && strcmp(setting->name, name) != 0)
        setting++;
    return setting->name == NULL ? NULL : setting;
}

static int refuse_name(lua_State *L, const char *name)
{
    const char *names[SETTINGS_MOST + 1];
    size_t count = 0;
    for (; config_settings[count].name != NULL && count < SETTINGS_MOST; count++)
        names[count] = config_settings[count].name;
    names[count] = NULL;
    const char *nearest = text_suggest(name, names);
    if (nearest != NULL)
        return luaL_error(L, "unknown setting '%s'; did you mean '%s'?", name, nearest);
    return luaL_error(L, "unknown setting '%s'", name);
}

static int get(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const struct config *config = script_host_of(L)->config;
    const struct setting *setting = find(name);
    if (setting == NULL)
        return refuse_name(L, name);
    if (config_text(config, name) == NULL)
        lua_pushnil(L);
    else if (setting->type == SETTING_INTEGER)
        lua_pushinteger(L, config_integer(config, name));
    else if (setting->type == SETTING_SWITCH)
        lua_pushboolean(L, config_switch(config, name));
    else
        lua_pushstring(L, config_text(config, name));
    return 1;
}

static int version(lua_State *L)
{
    lua_pushstring(L, script_host_of(L)->version);
    return 1;
}

static int process_id(lua_State *L)
{
    lua_pushstring(L, script_host_of(L)->process_id);
    return 1;
}

static int arguments(lua_State *L)
{
    const char *json = script_host_of(L)->arguments_json;
    char reason[128];
    if (json == NULL)
        lua_newtable(L);
    else if (!script_json_decode(L, slice_from(json), reason, sizeof reason))
        return luaL_error(L, "the program's own arguments: %s", reason);
    return 1;
}

int binding_open_config(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"arguments", arguments}, {"get", get}, {"process_id", process_id},
        {"version", version},     {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
