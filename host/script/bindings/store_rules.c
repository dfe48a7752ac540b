/* host.store: versions of the agencies' rules. */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/store_call.h"
#include "store/store_rules.h"

#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MOST 500
#define KEPT_DEFAULT 100 /* that of BASCULE_RULE_VERSIONS_KEPT, where there is no configuration */

static enum store_rules_mode check_mode(lua_State *L, const char *name)
{
    enum store_rules_mode mode = RULES_LIVE;
    struct slice text = option_text(L, 1, name);
    if (store_rules_mode_parse(text.data, &mode) != 0)
        luaL_error(L, "option '%s': no mode is called '%s'", name, text.data);
    return mode;
}

static unsigned check_percent(lua_State *L)
{
    lua_Integer percent = option_integer_or(L, 1, "percent", 0);
    if (percent < 0 || percent > 100)
        luaL_error(L, "option 'percent' must be 0 to 100");
    return (unsigned)percent;
}

static uint64_t check_version(lua_State *L, lua_Integer version)
{
    if (version < 0)
        luaL_error(L, "a version is a number from 1 on");
    return (uint64_t)version;
}

static char *keep_option(lua_State *L, struct store_call *call, const char *name)
{
    return store_call_keep(call, option_text_or_none(L, 1, name));
}

static void set_version(lua_State *L, const struct store_rules_version *version)
{
    lua_createtable(L, 0, 16);
    set_text(L, "agency", version->agency);
    set_integer(L, "version", (int64_t)version->version);
    if (version->source != NULL) {
        lua_pushlstring(L, version->source, version->source_length);
        lua_setfield(L, -2, "source");
    }
    set_text(L, "hash", version->hash);
    set_text(L, "origin", store_rules_origin_name(version->origin));
    set_text(L, "mode", store_rules_mode_name(version->mode));
    set_integer(L, "percent", version->percent);
    set_text(L, "by", version->by);
    set_text(L, "note", version->note);
    set_integer(L, "at_ms", version->at_ms);
    set_text(L, "changed_by", version->changed_by);
    set_text(L, "reason", version->reason);
    if (version->changed_ms != 0)
        set_integer(L, "changed_ms", version->changed_ms);
}

/* ---- rules_add(rules), rules_record(rules) ---- */

struct add_call {
    struct store_call call;
    struct store_rules_new rules;
    uint64_t expected_version, version;
    bool duplicate;
};

static enum store_status add_run(struct store_job *job, struct store_session *session)
{
    struct add_call *add = (struct add_call *)job;
    return store_rules_add(session, &add->rules, &add->version);
}

static int add_push(lua_State *L, struct store_call *call)
{
    lua_pushinteger(L, (lua_Integer)((struct add_call *)call)->version);
    return 1;
}

static enum store_status record_run(struct store_job *job, struct store_session *session)
{
    struct add_call *add = (struct add_call *)job;
    enum store_status status = store_rules_record(session, &add->rules, &add->version);
    add->duplicate = status == STORE_DUPLICATE;
    return add->duplicate ? STORE_OK : status;
}

static int record_push(lua_State *L, struct store_call *call)
{
    add_push(L, call);
    lua_pushboolean(L, ((struct add_call *)call)->duplicate);
    return 2;
}

static struct slice check_source(lua_State *L)
{
    struct slice source = option_text(L, 1, "source");
    if (source.length > STORE_RULES_SOURCE_MOST_BYTES)
        luaL_error(L, "option 'source' must be at most %d bytes", (int)STORE_RULES_SOURCE_MOST_BYTES);
    return source;
}

static unsigned versions_kept(lua_State *L)
{
    const struct config *config = script_host_of(L)->config;
    return config == NULL ? KEPT_DEFAULT : (unsigned)config_integer(config, "BASCULE_RULE_VERSIONS_KEPT");
}

/* What both take; everything in the table at 1 was checked. */
static void fill_new(lua_State *L, struct add_call *add)
{
    struct slice source = option_text(L, 1, "source");
    struct store_call *call = &add->call;
    add->rules = (struct store_rules_new){
        .agency = keep_option(L, call, "agency"),
        .source = {store_call_keep(call, source), source.length},
        .hash = keep_option(L, call, "hash"),
        .by = keep_option(L, call, "by"),
        .note = keep_option(L, call, "note"),
        .now_ms = call->now_ms,
        .kept = versions_kept(L),
    };
}

static void check_new(lua_State *L, const char *const *names)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    option_text(L, 1, "agency");
    option_text(L, 1, "hash");
    option_text_or_none(L, 1, "by");
    option_text_or_none(L, 1, "note");
    check_source(L);
}

static int rules_add(lua_State *L)
{
    static const char *const names[] = {"agency", "source",           "hash", "mode", "percent", "by",
                                        "note",   "expected_version", NULL};
    check_new(L, names);
    enum store_rules_mode mode = check_mode(L, "mode");
    if (mode > RULES_CANARY)
        return luaL_error(L, "option 'mode' must be \"live\", \"shadow\" or \"canary\"");
    unsigned percent = check_percent(L);
    lua_Integer expected_version = option_integer_or(L, 1, "expected_version", -1);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct add_call *add = store_call_new(sizeof *add, add_run, add_push, NULL);
    fill_new(L, add);
    add->rules.mode = mode;
    add->rules.percent = percent;
    add->expected_version = (uint64_t)expected_version;
    add->rules.expected_version = expected_version < 0 ? NULL : &add->expected_version;
    return store_call_write(L, &add->call);
}

static int rules_record(lua_State *L)
{
    static const char *const names[] = {"agency", "source", "hash", "by", "note", NULL};
    check_new(L, names);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct add_call *add = store_call_new(sizeof *add, record_run, record_push, NULL);
    fill_new(L, add);
    return store_call_write(L, &add->call);
}

/* ---- rules_get(agency, version) ---- */

struct get_call {
    struct store_call call;
    const char *agency;
    uint64_t version;
    struct store_rules_version found;
};

static enum store_status get_run(struct store_job *job, struct store_session *session)
{
    struct get_call *get = (struct get_call *)job;
    return store_rules_get(session, get->agency, get->version, &get->found);
}

static int get_push(lua_State *L, struct store_call *call)
{
    set_version(L, &((struct get_call *)call)->found);
    return 1;
}

static void get_clear(struct store_call *call)
{
    store_rules_version_deinit(&((struct get_call *)call)->found);
}

static int rules_get(lua_State *L)
{
    const char *agency = luaL_checkstring(L, 1);
    uint64_t version = check_version(L, luaL_checkinteger(L, 2));
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct get_call *get = store_call_new(sizeof *get, get_run, get_push, get_clear);
    get->agency = store_call_keep(&get->call, slice_from(agency));
    get->version = version;
    return store_call_read(L, &get->call);
}

/* ---- rules_list(agency, before, limit), rules_current() ---- */

struct list_call {
    struct store_call call;
    const char *agency;
    uint64_t before;
    unsigned limit;
    struct store_rules_list list;
};

static enum store_status list_run(struct store_job *job, struct store_session *session)
{
    struct list_call *list = (struct list_call *)job;
    store_rules_list_deinit(&list->list); /* of a run whose batch failed */
    return store_rules_list(session, list->agency, list->before, list->limit, &list->list);
}

static enum store_status current_run(struct store_job *job, struct store_session *session)
{
    struct list_call *list = (struct list_call *)job;
    store_rules_list_deinit(&list->list);
    return store_rules_current(session, &list->list);
}

static int list_push(lua_State *L, struct store_call *call)
{
    const struct store_rules_list *list = &((struct list_call *)call)->list;
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        set_version(L, &list->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void list_clear(struct store_call *call)
{
    store_rules_list_deinit(&((struct list_call *)call)->list);
}

static int rules_list(lua_State *L)
{
    const char *agency = luaL_checkstring(L, 1);
    uint64_t before = check_version(L, luaL_optinteger(L, 2, 0));
    lua_Integer limit = luaL_optinteger(L, 3, LIST_LIMIT_DEFAULT);
    luaL_argcheck(L, limit >= 1 && limit <= LIST_LIMIT_MOST, 3, "must be 1 to 500");
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct list_call *list = store_call_new(sizeof *list, list_run, list_push, list_clear);
    list->agency = store_call_keep(&list->call, slice_from(agency));
    list->before = before;
    list->limit = (unsigned)limit;
    return store_call_read(L, &list->call);
}

static int rules_current(lua_State *L)
{
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct list_call *list = store_call_new(sizeof *list, current_run, list_push, list_clear);
    return store_call_read(L, &list->call);
}

/* ---- rules_set_mode(change) ---- */

struct change_call {
    struct store_call call;
    struct store_rules_change change;
};

static enum store_status change_run(struct store_job *job, struct store_session *session)
{
    return store_rules_set_mode(session, &((struct change_call *)job)->change);
}

static int rules_set_mode(lua_State *L)
{
    static const char *const names[] = {"agency",  "version", "expected", "mode",
                                        "percent", "reason",  "by",       NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    option_text(L, 1, "agency");
    option_text_or_none(L, 1, "reason");
    option_text_or_none(L, 1, "by");
    struct store_rules_change change = {
        .version = check_version(L, option_integer(L, 1, "version")),
        .expected = check_mode(L, "expected"),
        .mode = check_mode(L, "mode"),
        .percent = check_percent(L),
    };
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct change_call *call = store_call_new(sizeof *call, change_run, store_call_push_true, NULL);
    call->change = change;
    call->change.agency = keep_option(L, &call->call, "agency");
    call->change.reason = keep_option(L, &call->call, "reason");
    call->change.by = keep_option(L, &call->call, "by");
    call->change.now_ms = call->call.now_ms;
    return store_call_write(L, &call->call);
}

/* ---- rules_revision() ---- */

struct revision_call {
    struct store_call call;
    uint64_t revision;
};

static enum store_status revision_run(struct store_job *job, struct store_session *session)
{
    return store_rules_revision(session, &((struct revision_call *)job)->revision);
}

static int revision_push(lua_State *L, struct store_call *call)
{
    lua_pushinteger(L, (lua_Integer)((struct revision_call *)call)->revision);
    return 1;
}

static int rules_revision(lua_State *L)
{
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct revision_call *call = store_call_new(sizeof *call, revision_run, revision_push, NULL);
    return store_call_read(L, &call->call);
}

void binding_add_store_rules(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"rules_add", rules_add},           {"rules_current", rules_current},
        {"rules_get", rules_get},           {"rules_list", rules_list},
        {"rules_record", rules_record},     {"rules_revision", rules_revision},
        {"rules_set_mode", rules_set_mode}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
