/* host.store: installations and their tokens. */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/seal.h"
#include "script/bindings/store_call.h"

static const char *const statuses[] = {"connected", "invalid", "removed", NULL};

static struct slice check_status(lua_State *L)
{
    struct slice status = option_text(L, 1, "status");
    for (const char *const *known = statuses; *known != NULL; known++) {
        if (slice_equal(slice_from(*known), status))
            return status;
    }
    luaL_error(L, "option 'status' must be \"connected\", \"invalid\" or \"removed\"");
    return status;
}

/* 0: go on. Else the number of results to return. */
static int check_keys(lua_State *L)
{
    int failed = store_call_check(L);
    if (failed)
        return failed;
    return script_host_of(L)->seal_keys != NULL ? 0 : binding_unavailable(L, "seal keys");
}

/* ---- installation_put(installation) ---- */

struct put_call {
    struct store_call call;
    struct store_installation installation;
};

static enum store_status put_run(struct store_job *job, struct store_session *session)
{
    struct put_call *put = (struct put_call *)job;
    return store_installation_put(session, &put->installation, put->call.now_ms);
}

static void keep_token(lua_State *L, struct put_call *put, const char *which, const char *field, char **place)
{
    const struct store_installation *installation = &put->installation;
    char *sealed = seal_token(script_host_of(L)->seal_keys, installation->company, installation->location,
                              which, option_text_or_none(L, 1, field));
    *place = store_call_own(&put->call, sealed);
}

static char *keep_option(lua_State *L, struct store_call *call, const char *name)
{
    return store_call_keep(call, option_text_or_none(L, 1, name));
}

static void check_installation(lua_State *L)
{
    /* What the store itself keeps is let through: who changes an installation writes back what it read. */
    static const char *const names[] = {
        "company",       "location",   "account",    "status",       "reason",    "access_token",
        "refresh_token", "expires_ms", "scopes",     "user_id",      "user_type", "details",
        "version",       "created_ms", "updated_ms", "refreshed_ms", NULL};
    static const char *const texts[] = {"account", "reason",  "access_token", "refresh_token",
                                        "scopes",  "user_id", "user_type",    NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    script_check_options(L, 1, names);
    option_text(L, 1, "company");
    option_text(L, 1, "location");
    check_status(L);
    option_integer(L, 1, "expires_ms");
    for (const char *const *name = texts; *name != NULL; name++)
        option_text_or_none(L, 1, *name);
}

static int installation_put(lua_State *L)
{
    check_installation(L);
    struct slice details = option_json(L, 1, "details");
    int failed = check_keys(L);
    if (failed)
        return failed;
    struct put_call *put = store_call_new(sizeof *put, put_run, store_call_push_true, NULL);
    struct store_call *call = &put->call;
    put->installation = (struct store_installation){
        .company = keep_option(L, call, "company"),
        .location = keep_option(L, call, "location"),
        .account = keep_option(L, call, "account"),
        .status = keep_option(L, call, "status"),
        .reason = keep_option(L, call, "reason"),
        .expires_ms = option_integer(L, 1, "expires_ms"),
        .scopes = keep_option(L, call, "scopes"),
        .user_id = keep_option(L, call, "user_id"),
        .user_type = keep_option(L, call, "user_type"),
        .details = store_call_keep(call, details),
    };
    keep_token(L, put, "access", "access_token", &put->installation.access_token);
    keep_token(L, put, "refresh", "refresh_token", &put->installation.refresh_token);
    return store_call_write(L, call);
}

/* ---- reading ---- */

static void push_installation(lua_State *L, const struct store_installation *installation)
{
    lua_createtable(L, 0, 18);
    set_text(L, "company", installation->company);
    set_text(L, "location", installation->location);
    set_text(L, "account", installation->account);
    set_text(L, "status", installation->status);
    set_text(L, "reason", installation->reason);
    set_integer(L, "expires_ms", installation->expires_ms);
    set_text(L, "scopes", installation->scopes);
    set_text(L, "user_id", installation->user_id);
    set_text(L, "user_type", installation->user_type);
    set_json(L, "details", installation->details);
    set_integer(L, "version", (int64_t)installation->version);
    set_integer(L, "created_ms", installation->created_ms);
    set_integer(L, "updated_ms", installation->updated_ms);
    set_integer(L, "refreshed_ms", installation->refreshed_ms);
}

/* Sets a token in the table on top; -1 where no key opens it. */
static int set_token(lua_State *L, const struct store_installation *installation, const char *which,
                     const char *field, const char *sealed)
{
    struct error error;
    struct buffer token = {0};
    int result = open_token(script_host_of(L)->seal_keys, installation->company, installation->location,
                            which, sealed, &token, &error);
    if (result == 0 && sealed != NULL) {
        lua_pushlstring(L, token.data == NULL ? "" : token.data, token.length);
        lua_setfield(L, -2, field);
    }
    buffer_deinit(&token);
    return result;
}

struct get_call {
    struct store_call call;
    const char *company, *location;
    struct store_installation installation;
};

static enum store_status get_run(struct store_job *job, struct store_session *session)
{
    struct get_call *get = (struct get_call *)job;
    return store_installation_get(session, get->company, get->location, &get->installation);
}

static int get_push(lua_State *L, struct store_call *call)
{
    const struct store_installation *installation = &((struct get_call *)call)->installation;
    push_installation(L, installation);
    if (set_token(L, installation, "access", "access_token", installation->access_token) != 0 ||
        set_token(L, installation, "refresh", "refresh_token", installation->refresh_token) != 0)
        return script_fail(L, "UNSEALED", "no key of BASCULE_SEAL_KEYS opens the stored tokens");
    return 1;
}

static void get_clear(struct store_call *call)
{
    store_installation_deinit(&((struct get_call *)call)->installation);
}

static int installation_get(lua_State *L)
{
    const char *company = luaL_optstring(L, 1, NULL), *location = luaL_optstring(L, 2, "");
    luaL_argcheck(L, company != NULL || location[0] != '\0', 1, "a company or a location is needed");
    int failed = check_keys(L);
    if (failed)
        return failed;
    struct get_call *get = store_call_new(sizeof *get, get_run, get_push, get_clear);
    get->company = store_call_keep(&get->call, slice_from(company));
    get->location = store_call_keep(&get->call, slice_from(location));
    return store_call_read(L, &get->call);
}

struct list_call {
    struct store_call call;
    const char *company;
    int64_t before_ms; /* of those that expire */
    unsigned limit;
    struct store_installation_list list;
};

static enum store_status list_run(struct store_job *job, struct store_session *session)
{
    struct list_call *list = (struct list_call *)job;
    return store_installation_list(session, list->company, &list->list);
}

static enum store_status expiring_run(struct store_job *job, struct store_session *session)
{
    struct list_call *list = (struct list_call *)job;
    return store_installation_expiring(session, list->before_ms, list->limit, &list->list);
}

static int list_push(lua_State *L, struct store_call *call)
{
    const struct store_installation_list *list = &((struct list_call *)call)->list;
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        push_installation(L, &list->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void list_clear(struct store_call *call)
{
    store_installation_list_deinit(&((struct list_call *)call)->list);
}

static int installation_list(lua_State *L)
{
    const char *company = luaL_optstring(L, 1, NULL);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct list_call *list = store_call_new(sizeof *list, list_run, list_push, list_clear);
    list->company = store_call_keep(&list->call, slice_from(company));
    return store_call_read(L, &list->call);
}

static int installation_expiring(lua_State *L)
{
    lua_Integer before_ms = luaL_checkinteger(L, 1), limit = luaL_checkinteger(L, 2);
    luaL_argcheck(L, limit >= 1 && limit <= 10000, 2, "must be 1 to 10000");
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct list_call *list = store_call_new(sizeof *list, expiring_run, list_push, list_clear);
    list->before_ms = before_ms;
    list->limit = (unsigned)limit;
    return store_call_read(L, &list->call);
}

/* ---- refreshing ---- */

struct refresh_call {
    struct store_call call;
    const char *company, *location, *owner;
    uint64_t version;
    int64_t lease_ms;
    const char *access_token, *refresh_token, *scopes;
    int64_t expires_ms;
    const char *reason, *status;
    bool invalid;
};

static struct refresh_call *new_refresh(lua_State *L,
                                        enum store_status (*run)(struct store_job *, struct store_session *))
{
    struct refresh_call *refresh = store_call_new(sizeof *refresh, run, store_call_push_true, NULL);
    refresh->company = keep_option(L, &refresh->call, "company");
    refresh->location = keep_option(L, &refresh->call, "location");
    refresh->owner = keep_option(L, &refresh->call, "owner");
    return refresh;
}

static void check_flight(lua_State *L, const char *const *names)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    option_text(L, 1, "company");
    option_text(L, 1, "location");
    option_text(L, 1, "owner");
}

static enum store_status begin_run(struct store_job *job, struct store_session *session)
{
    const struct refresh_call *refresh = (struct refresh_call *)job;
    return store_installation_refresh_begin(session, refresh->company, refresh->location, refresh->version,
                                            refresh->owner, refresh->call.now_ms, refresh->lease_ms);
}

static int refresh_begin(lua_State *L)
{
    static const char *const names[] = {"company", "location", "version", "owner", "lease_ms", NULL};
    check_flight(L, names);
    lua_Integer version = option_integer(L, 1, "version"), lease_ms = option_integer(L, 1, "lease_ms");
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct refresh_call *refresh = new_refresh(L, begin_run);
    refresh->version = (uint64_t)version;
    refresh->lease_ms = lease_ms;
    return store_call_write(L, &refresh->call);
}

static enum store_status done_run(struct store_job *job, struct store_session *session)
{
    const struct refresh_call *refresh = (struct refresh_call *)job;
    return store_installation_refreshed(session, refresh->company, refresh->location, refresh->owner,
                                        refresh->access_token, refresh->refresh_token, refresh->expires_ms,
                                        refresh->scopes, refresh->call.now_ms);
}

static int refresh_done(lua_State *L)
{
    static const char *const names[] = {"company",       "location",   "owner",  "access_token",
                                        "refresh_token", "expires_ms", "scopes", NULL};
    check_flight(L, names);
    struct slice access = option_text(L, 1, "access_token");
    struct slice fresh = option_text_or_none(L, 1, "refresh_token");
    lua_Integer expires_ms = option_integer(L, 1, "expires_ms");
    option_text_or_none(L, 1, "scopes");
    int failed = check_keys(L);
    if (failed)
        return failed;
    const struct seal_keys *keys = script_host_of(L)->seal_keys;
    struct refresh_call *refresh = new_refresh(L, done_run);
    const char *company = refresh->company, *location = refresh->location;
    refresh->access_token =
        store_call_own(&refresh->call, seal_token(keys, company, location, "access", access));
    refresh->refresh_token =
        store_call_own(&refresh->call, seal_token(keys, company, location, "refresh", fresh));
    refresh->expires_ms = expires_ms;
    refresh->scopes = keep_option(L, &refresh->call, "scopes");
    return store_call_write(L, &refresh->call);
}

static enum store_status failed_run(struct store_job *job, struct store_session *session)
{
    const struct refresh_call *refresh = (struct refresh_call *)job;
    return store_installation_refresh_failed(session, refresh->company, refresh->location, refresh->owner,
                                             refresh->reason, refresh->invalid, refresh->call.now_ms);
}

static int refresh_failed(lua_State *L)
{
    static const char *const names[] = {"company", "location", "owner", "reason", "invalid", NULL};
    check_flight(L, names);
    struct slice reason = option_text(L, 1, "reason");
    bool invalid = option_switch_or(L, 1, "invalid", false);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct refresh_call *refresh = new_refresh(L, failed_run);
    refresh->reason = store_call_keep(&refresh->call, reason);
    refresh->invalid = invalid;
    return store_call_write(L, &refresh->call);
}

static enum store_status status_run(struct store_job *job, struct store_session *session)
{
    const struct refresh_call *change = (struct refresh_call *)job;
    return store_installation_set_status(session, change->company, change->location, change->status,
                                         change->reason, change->call.now_ms);
}

static int installation_set_status(lua_State *L)
{
    static const char *const names[] = {"company", "location", "status", "reason", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    option_text(L, 1, "company");
    option_text(L, 1, "location");
    struct slice status = check_status(L), reason = option_text_or_none(L, 1, "reason");
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct refresh_call *change = new_refresh(L, status_run);
    change->status = store_call_keep(&change->call, status);
    change->reason = store_call_keep(&change->call, reason);
    return store_call_write(L, &change->call);
}

void binding_add_store_installations(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"installation_expiring", installation_expiring},
        {"installation_get", installation_get},
        {"installation_list", installation_list},
        {"installation_put", installation_put},
        {"installation_set_status", installation_set_status},
        {"refresh_begin", refresh_begin},
        {"refresh_done", refresh_done},
        {"refresh_failed", refresh_failed},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
