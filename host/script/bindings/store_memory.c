/* host.store: what rules remember. */
#include <stdlib.h>

#include <lauxlib.h>

#include "script/bindings/store_call.h"

/* ---- arguments ---- */

/* Element `index` of the list on top, a table that has no other fields than `names`. */
static void push_element(lua_State *L, lua_Integer index, const char *const *names)
{
    if (lua_geti(L, -1, index) != LUA_TTABLE)
        luaL_error(L, "element %d of a list must be a table, not %s", (int)index, luaL_typename(L, -1));
    script_check_options(L, -1, names);
}

static struct store_memory_key check_key(lua_State *L, int table)
{
    return (struct store_memory_key){
        .scope = option_text(L, table, "scope").data,
        .name = option_text(L, table, "name").data,
        .key = option_text(L, table, "key").data,
    };
}

static int64_t check_number(lua_State *L, int table, const char *name, int64_t fallback)
{
    lua_Integer number = option_integer_or(L, table, name, fallback);
    if (number != fallback && (number < -STORE_EFFECT_NUMBER_MOST || number > STORE_EFFECT_NUMBER_MOST))
        luaL_error(L, "option '%s' must be at most %d, either sign", name, (int)STORE_EFFECT_NUMBER_MOST);
    return number;
}

static enum store_effect_op check_op(lua_State *L, int table)
{
    enum store_effect_op op = EFFECT_ADD;
    struct slice name = option_text(L, table, "op");
    if (store_effect_op_parse(name.data, &op) != 0)
        luaL_error(L, "option 'op' must be \"add\", \"set\" or \"forget\"");
    return op;
}

/* The effect in the table on top. The text of its value is added to the list at `texts`, which holds it. */
static struct store_effect check_effect(lua_State *L, int texts)
{
    int table = lua_gettop(L);
    struct store_effect effect = {
        .entry = check_key(L, table),
        .op = check_op(L, table),
        .by = check_number(L, table, "by", 1),
        .most = check_number(L, table, "most", STORE_EFFECT_NO_LIMIT),
        .first = option_switch_or(L, table, "first", false),
    };
    if (effect.op != EFFECT_FORGET)
        effect.expires_ms = option_integer(L, table, "expires_ms");
    if (effect.op == EFFECT_SET) {
        effect.value = option_json_value(L, table, "value").data;
        lua_rawseti(L, texts, (lua_Integer)lua_rawlen(L, texts) + 1);
    }
    return effect;
}

const struct store_effect *check_effects(lua_State *L, int index, size_t *count)
{
    static const char *const names[] = {"scope", "name",  "key",   "op",         "by",
                                        "most",  "value", "first", "expires_ms", NULL};
    *count = 0;
    if (lua_isnoneornil(L, index))
        return NULL;
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer length = luaL_len(L, index);
    if (length > STORE_EFFECTS_MOST)
        luaL_error(L, "at most %d effects on memory", STORE_EFFECTS_MOST);
    struct store_effect *effects = lua_newuserdatauv(L, (size_t)length * sizeof *effects, 0);
    lua_newtable(L);
    lua_pushvalue(L, index);
    for (lua_Integer i = 0; i < length; i++) {
        push_element(L, i + 1, names);
        effects[i] = check_effect(L, lua_gettop(L) - 2);
        lua_pop(L, 1);
    }
    *count = (size_t)length;
    return effects;
}

/* ---- copies ---- */

static char *copy_of(const char *text)
{
    return text == NULL ? NULL : text_duplicate(text);
}

static struct store_memory_key key_copy(const struct store_memory_key *key)
{
    return (struct store_memory_key){copy_of(key->scope), copy_of(key->name), copy_of(key->key)};
}

static void key_free(struct store_memory_key *key)
{
    free((char *)key->scope);
    free((char *)key->name);
    free((char *)key->key);
}

struct store_effect *store_effects_copy(const struct store_effect *effects, size_t count)
{
    struct store_effect *copies = memory_allocate(count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        copies[i] = effects[i];
        copies[i].entry = key_copy(&effects[i].entry);
        copies[i].value = copy_of(effects[i].value);
    }
    return copies;
}

void store_effects_free(struct store_effect *effects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        key_free(&effects[i].entry);
        free((char *)effects[i].value);
    }
    free(effects);
}

/* ---- memory_read(message_id, keys) ---- */

struct read_call {
    struct store_call call;
    const char *message_id;
    struct store_memory_key *keys;
    size_t count;
    struct store_remembered *remembered;
};

static enum store_status read_run(struct store_job *job, struct store_session *session)
{
    struct read_call *read = (struct read_call *)job;
    store_remembered_deinit(read->remembered, read->count); /* of a run whose batch failed */
    return store_memory_read(session, read->message_id, read->keys, read->count, read->call.now_ms,
                             read->remembered);
}

static int read_push(lua_State *L, struct store_call *call)
{
    const struct read_call *read = (struct read_call *)call;
    lua_createtable(L, (int)read->count, 0);
    for (size_t i = 0; i < read->count; i++) {
        lua_createtable(L, 0, 2);
        set_integer(L, "count", read->remembered[i].count);
        set_json(L, "value", read->remembered[i].value);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static void read_clear(struct store_call *call)
{
    struct read_call *read = (struct read_call *)call;
    store_remembered_deinit(read->remembered, read->count);
    for (size_t i = 0; i < read->count; i++)
        key_free(&read->keys[i]);
    free(read->remembered);
    free(read->keys);
}

/* The keys of the list at `index`, borrowed from it, in memory that Lua frees. */
static const struct store_memory_key *check_keys(lua_State *L, int index, size_t *count)
{
    static const char *const names[] = {"scope", "name", "key", NULL};
    luaL_checktype(L, index, LUA_TTABLE);
    *count = (size_t)luaL_len(L, index);
    struct store_memory_key *keys = lua_newuserdatauv(L, *count * sizeof *keys, 0);
    lua_pushvalue(L, index);
    for (size_t i = 0; i < *count; i++) {
        push_element(L, (lua_Integer)i + 1, names);
        keys[i] = check_key(L, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return keys;
}

static int memory_read(lua_State *L)
{
    size_t count;
    const char *message_id = luaL_optstring(L, 1, NULL);
    const struct store_memory_key *keys = check_keys(L, 2, &count);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct read_call *read = store_call_new(sizeof *read, read_run, read_push, read_clear);
    read->message_id = store_call_keep(&read->call, slice_from(message_id));
    read->count = count;
    read->keys = memory_allocate(count * sizeof *read->keys);
    read->remembered = memory_allocate(count * sizeof *read->remembered);
    for (size_t i = 0; i < count; i++)
        read->keys[i] = key_copy(&keys[i]);
    return store_call_read(L, &read->call);
}

/* ---- memory_apply(message_id, effects) ---- */

struct apply_call {
    struct store_call call;
    const char *message_id;
    struct store_effect *effects;
    size_t count;
};

static enum store_status apply_run(struct store_job *job, struct store_session *session)
{
    const struct apply_call *apply = (struct apply_call *)job;
    return store_memory_apply(session, apply->message_id, apply->effects, apply->count, apply->call.now_ms);
}

static void apply_clear(struct store_call *call)
{
    struct apply_call *apply = (struct apply_call *)call;
    store_effects_free(apply->effects, apply->count);
}

static int memory_apply(lua_State *L)
{
    size_t count;
    const char *message_id = luaL_optstring(L, 1, NULL);
    luaL_checktype(L, 2, LUA_TTABLE);
    const struct store_effect *effects = check_effects(L, 2, &count);
    int failed = store_call_check(L);
    if (failed)
        return failed;
    struct apply_call *apply = store_call_new(sizeof *apply, apply_run, store_call_push_true, apply_clear);
    apply->message_id = store_call_keep(&apply->call, slice_from(message_id));
    apply->effects = store_effects_copy(effects, count);
    apply->count = count;
    return store_call_write(L, &apply->call);
}

void binding_add_store_memory(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"memory_apply", memory_apply},
        {"memory_read", memory_read},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
