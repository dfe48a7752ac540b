/* host.store: one-time states, settings, and whether the store can commit. */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/seal.h"
#include "script/bindings/store_call.h"

/* ---- state_put(state, data, ttl_ms), state_take(state) ---- */

struct state_call {
    struct store_call call;
    const char *state, *data;
    int64_t ttl_ms;
    char *taken;
};

static enum store_status state_put_run(struct store_job *job, struct store_session *session)
{
    const struct state_call *put = (struct state_call *)job;
    return store_state_put(session, put->state, put->data, put->call.now_ms + put->ttl_ms);
}

static int state_put(lua_State *L)
{
    const char *state = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer ttl_ms = luaL_checkinteger(L, 3);
    struct slice data = argument_json(L, 2);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct state_call *put = store_call_new(sizeof *put, state_put_run, store_call_push_true, NULL);
    put->state = store_call_keep(&put->call, slice_from(state));
    put->data = store_call_keep(&put->call, data);
    put->ttl_ms = ttl_ms;
    return store_call_write(L, &put->call);
}

static enum store_status state_take_run(struct store_job *job, struct store_session *session)
{
    struct state_call *take = (struct state_call *)job;
    free(take->taken); /* of a run whose batch failed */
    take->taken = NULL;
    return store_state_take(session, take->state, take->call.now_ms, &take->taken);
}

static int state_take_push(lua_State *L, struct store_call *call)
{
    char reason[160];
    const struct state_call *take = (struct state_call *)call;
    if (!script_json_decode(L, slice_from(take->taken), reason, sizeof reason))
        return script_fail(L, "FAILED", "the state's data: %s", reason);
    return 1;
}

static void state_take_clear(struct store_call *call)
{
    free(((struct state_call *)call)->taken);
}

static int state_take(lua_State *L)
{
    const char *state = luaL_checkstring(L, 1);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct state_call *take = store_call_new(sizeof *take, state_take_run, state_take_push, state_take_clear);
    take->state = store_call_keep(&take->call, slice_from(state));
    return store_call_write(L, &take->call);
}

/* ---- setting_put(scope, name, value, secret), settings(scope) ---- */

struct setting_call {
    struct store_call call;
    const char *scope, *name, *value;
    bool sealed;
    struct store_setting_list list;
};

static enum store_status setting_put_run(struct store_job *job, struct store_session *session)
{
    const struct setting_call *put = (struct setting_call *)job;
    return store_setting_put(session, put->scope, put->name, put->value, put->sealed, put->call.now_ms);
}

static int setting_put(lua_State *L)
{
    const char *scope = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    struct slice value = {NULL, 0};
    if (!lua_isnoneornil(L, 3))
        value.data = luaL_checklstring(L, 3, &value.length);
    bool sealed = lua_toboolean(L, 4) && value.data != NULL;
    int failed = store_call_check(L);
    if (failed)
        return failed;
    const struct seal_keys *keys = script_host_of(L)->seal_keys;
    if (sealed && keys == NULL)
        return binding_unavailable(L, "seal keys");
    struct setting_call *put = store_call_new(sizeof *put, setting_put_run, store_call_push_true, NULL);
    put->scope = store_call_keep(&put->call, slice_from(scope));
    put->name = store_call_keep(&put->call, slice_from(name));
    put->value = sealed ? store_call_own(&put->call, seal_setting(keys, scope, name, value))
                        : store_call_keep(&put->call, value);
    put->sealed = sealed;
    return store_call_write(L, &put->call);
}

static enum store_status settings_run(struct store_job *job, struct store_session *session)
{
    struct setting_call *call = (struct setting_call *)job;
    return store_setting_list(session, call->scope, &call->list);
}

/* Pushes the value in clear; pushes nothing and returns -1 where no key opens it. */
static int push_value(lua_State *L, const struct store_setting *setting)
{
    struct error error;
    struct buffer value = {0};
    const struct seal_keys *keys = script_host_of(L)->seal_keys;
    int result = 0;
    if (!setting->sealed)
        lua_pushstring(L, setting->value);
    else if (keys == NULL)
        result = -1;
    else if ((result = open_setting(keys, setting->scope, setting->name, setting->value, &value, &error)) ==
             0)
        lua_pushlstring(L, value.data == NULL ? "" : value.data, value.length);
    buffer_deinit(&value);
    return result;
}

static int settings_push(lua_State *L, struct store_call *call)
{
    const struct store_setting_list *list = &((struct setting_call *)call)->list;
    lua_createtable(L, 0, (int)list->count);
    lua_createtable(L, 0, 4);
    for (size_t i = 0; i < list->count; i++) {
        const struct store_setting *setting = &list->items[i];
        if (setting->sealed)
            set_boolean(L, setting->name, true);
        if (push_value(L, setting) != 0)
            return script_fail(L, "UNSEALED", "no key of BASCULE_SEAL_KEYS opens the setting '%s'",
                               setting->name);
        lua_setfield(L, -3, setting->name);
    }
    return 2;
}

static void settings_clear(struct store_call *call)
{
    store_setting_list_deinit(&((struct setting_call *)call)->list);
}

static int settings(lua_State *L)
{
    const char *scope = luaL_checkstring(L, 1);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct setting_call *list = store_call_new(sizeof *list, settings_run, settings_push, settings_clear);
    list->scope = store_call_keep(&list->call, slice_from(scope));
    return store_call_read(L, &list->call);
}

/* ---- probe() ---- */

static enum store_status probe_run(struct store_job *job, struct store_session *session)
{
    return store_probe(session, ((struct store_call *)job)->now_ms);
}

static int probe(lua_State *L)
{
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct store_call *call = store_call_new(sizeof *call, probe_run, store_call_push_true, NULL);
    return store_call_write(L, call);
}

void binding_add_store_settings(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"probe", probe},         {"setting_put", setting_put}, {"settings", settings},
        {"state_put", state_put}, {"state_take", state_take},   {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
