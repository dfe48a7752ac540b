/* host.store: messages. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "script/bindings/store_call.h"

#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MOST 500

/* ---- message_accept(message) ---- */

struct accept_call {
    struct store_call call;
    struct store_message_new message;
    char id[STORE_ID_SIZE];
    bool duplicate;
};

static enum store_status accept_run(struct store_job *job, struct store_session *session)
{
    struct accept_call *accept = (struct accept_call *)job;
    enum store_status status = store_message_accept(session, &accept->message, accept->id);
    accept->duplicate = status == STORE_DUPLICATE;
    return accept->duplicate ? STORE_OK : status;
}

static int accept_push(lua_State *L, struct store_call *call)
{
    const struct accept_call *accept = (struct accept_call *)call;
    lua_pushstring(L, accept->id);
    lua_pushboolean(L, accept->duplicate);
    return 2;
}

static enum message_direction check_direction(lua_State *L)
{
    struct slice name = option_text(L, 1, "direction");
    bool inbound = slice_equal(name, SLICE_LITERAL("inbound"));
    if (!inbound && !slice_equal(name, SLICE_LITERAL("outbound")))
        luaL_error(L, "option 'direction' must be \"outbound\" or \"inbound\"");
    return inbound ? MESSAGE_INBOUND : MESSAGE_OUTBOUND;
}

static int message_accept(lua_State *L)
{
    static const char *const names[] = {"direction",    "location", "company",  "external_id",
                                        "conversation", "payload",  "received", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    enum message_direction direction = check_direction(L);
    struct slice location = option_text(L, 1, "location"), company = option_text_or_none(L, 1, "company");
    struct slice external_id = option_text(L, 1, "external_id"), payload = option_text(L, 1, "payload");
    struct slice conversation = option_text(L, 1, "conversation");
    struct slice received = option_json(L, 1, "received");
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct accept_call *accept = store_call_new(sizeof *accept, accept_run, accept_push, NULL);
    struct store_call *call = &accept->call;
    accept->message = (struct store_message_new){
        .direction = direction,
        .location = store_call_keep(call, location),
        .company = store_call_keep(call, company),
        .external_id = store_call_keep(call, external_id),
        .conversation = store_call_keep(call, conversation),
        .payload = {store_call_keep(call, payload), payload.length},
        .received = received.data == NULL ? "{}" : store_call_keep(call, received),
        .now_ms = call->now_ms,
    };
    return store_call_write(L, call);
}

/* ---- message_get(id) ---- */

struct get_call {
    struct store_call call;
    const char *id;
    struct store_message message;
};

static enum store_status get_run(struct store_job *job, struct store_session *session)
{
    struct get_call *get = (struct get_call *)job;
    return store_message_get(session, get->id, &get->message);
}

static int get_push(lua_State *L, struct store_call *call)
{
    script_push_message(L, &((struct get_call *)call)->message);
    return 1;
}

static void get_clear(struct store_call *call)
{
    store_message_deinit(&((struct get_call *)call)->message);
}

static int message_get(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct get_call *get = store_call_new(sizeof *get, get_run, get_push, get_clear);
    get->id = store_call_keep(&get->call, slice_from(id));
    return store_call_read(L, &get->call);
}

/* ---- message_list(filter) ---- */

struct list_call {
    struct store_call call;
    struct store_message_filter filter;
    struct store_message_list list;
};

static enum store_status list_run(struct store_job *job, struct store_session *session)
{
    struct list_call *list = (struct list_call *)job;
    return store_message_list(session, &list->filter, &list->list);
}

static int list_push(lua_State *L, struct store_call *call)
{
    const struct store_message_list *list = &((struct list_call *)call)->list;
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        script_push_message(L, &list->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (list->next[0] == '\0')
        return 1;
    lua_pushstring(L, list->next);
    return 2;
}

static void list_clear(struct store_call *call)
{
    store_message_list_deinit(&((struct list_call *)call)->list);
}

static int check_state(lua_State *L)
{
    enum message_state state;
    struct slice name = option_text_or_none(L, 1, "state");
    if (name.data == NULL)
        return -1;
    if (message_state_parse(name.data, &state) != 0)
        return luaL_error(L, "option 'state': no state is called '%s'", name.data);
    return (int)state;
}

static int message_list(lua_State *L)
{
    static const char *const names[] = {"state", "location", "query",    "cursor",
                                        "limit", "since_ms", "until_ms", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    int state = check_state(L);
    struct slice location = option_text_or_none(L, 1, "location"), query = option_text_or_none(L, 1, "query");
    struct slice cursor = option_text_or_none(L, 1, "cursor");
    lua_Integer limit = option_integer_or(L, 1, "limit", LIST_LIMIT_DEFAULT);
    lua_Integer since_ms = option_integer_or(L, 1, "since_ms", 0);
    lua_Integer until_ms = option_integer_or(L, 1, "until_ms", 0);
    if (limit < 1 || limit > LIST_LIMIT_MOST)
        return luaL_error(L, "option 'limit' must be 1 to %d", LIST_LIMIT_MOST);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct list_call *list = store_call_new(sizeof *list, list_run, list_push, list_clear);
    list->filter = (struct store_message_filter){
        .state = state,
        .location = store_call_keep(&list->call, location),
        .query = store_call_keep(&list->call, query),
        .cursor = store_call_keep(&list->call, cursor),
        .limit = (unsigned)limit,
        .since_ms = since_ms,
        .until_ms = until_ms,
    };
    return store_call_read(L, &list->call);
}

/* ---- message_replay(id, event) ---- */

struct replay_call {
    struct store_call call;
    const char *id, *event;
};

static enum store_status replay_run(struct store_job *job, struct store_session *session)
{
    struct replay_call *replay = (struct replay_call *)job;
    return store_message_replay(session, replay->id, replay->event, replay->call.now_ms);
}

static int message_replay(lua_State *L)
{
    const char *id = luaL_checkstring(L, 1);
    struct slice event = argument_json(L, 2);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct replay_call *replay = store_call_new(sizeof *replay, replay_run, store_call_push_true, NULL);
    replay->id = store_call_keep(&replay->call, slice_from(id));
    replay->event = store_call_keep(&replay->call, event);
    return store_call_write(L, &replay->call);
}

/* ---- attempt_begin(attempt) ---- */

struct attempt_call {
    struct store_call call;
    struct store_attempt attempt;
    struct store_effect *effects;
};

static enum store_status attempt_run(struct store_job *job, struct store_session *session)
{
    return store_attempt_begin(session, &((struct attempt_call *)job)->attempt);
}

static void attempt_clear(struct store_call *call)
{
    struct attempt_call *begin = (struct attempt_call *)call;
    store_effects_free(begin->effects, begin->attempt.effect_count);
}

static int64_t lease_ms(lua_State *L)
{
    const struct config *config = script_host_of(L)->config;
    return config == NULL ? 0 : config_integer(config, "BASCULE_LEASE_MS");
}

static int attempt_begin(lua_State *L)
{
    static const char *const names[] = {"id",     "lease", "provider", "sent", "event",
                                        "memory", "part",  "parts",    NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, names);
    struct slice id = option_text(L, 1, "id"), provider = option_text(L, 1, "provider");
    lua_Integer lease = option_integer(L, 1, "lease");
    lua_Integer part = option_integer_or(L, 1, "part", 0), parts = option_integer_or(L, 1, "parts", 0);
    struct slice sent = option_json(L, 1, "sent"), event = option_json(L, 1, "event");
    size_t effect_count;
    lua_getfield(L, 1, "memory");
    const struct store_effect *effects = check_effects(L, lua_gettop(L), &effect_count);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct attempt_call *begin =
        store_call_new(sizeof *begin, attempt_run, store_call_push_true, attempt_clear);
    struct store_call *call = &begin->call;
    begin->effects = store_effects_copy(effects, effect_count);
    begin->attempt = (struct store_attempt){
        .id = store_call_keep(call, id),
        .lease = (uint64_t)lease,
        .provider = store_call_keep(call, provider),
        .sent = store_call_keep(call, sent),
        .event = store_call_keep(call, event),
        .part = (unsigned)part,
        .parts = (unsigned)parts,
        .now_ms = call->now_ms,
        .lease_ms = lease_ms(L),
        .effects = begin->effects,
        .effect_count = effect_count,
    };
    return store_call_write(L, call);
}

void binding_add_store_messages(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"attempt_begin", attempt_begin}, {"message_accept", message_accept}, {"message_get", message_get},
        {"message_list", message_list},   {"message_replay", message_replay}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
