#include "script/rule_state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "base/utf8.h"

#define HOOK_INSTRUCTIONS 2000 /* some 20 us between two looks at the clock */
#define LOAD_MS 500            /* for the file's own chunk and the library files that it requires */
#define REASON_LONGEST 400     /* bytes of a rule's own error text that are kept */

struct rule_limits rule_limits_read(const struct config *config)
{
    return (struct rule_limits){
        .memory_bytes = (size_t)config_integer(config, "BASCULE_RULE_MEMORY_BYTES"),
        .ms = config_integer(config, "BASCULE_RULE_MS"),
    };
}

struct rule_state *rule_state_of(lua_State *L)
{
    return *(struct rule_state **)lua_getextraspace(L);
}

/* The limit holds only while rules run: what the host does with the state between calls must not fail. */
static void *allocate(void *argument, void *block, size_t old_size, size_t size)
{
    struct rule_state *state = argument;
    size_t old = block == NULL ? 0 : old_size;
    if (size > old && state->deadline_us != 0 &&
        state->used_bytes + (size - old) > state->limits.memory_bytes)
        return NULL;
    state->used_bytes += size - old;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return memory_resize(block, size);
}

int64_t rule_state_processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_count(lua_State *L, lua_Debug *place)
{
    struct rule_state *state = rule_state_of(L);
    if (!state->spoiled && rule_state_processor_us() < state->deadline_us)
        return;
    state->spoiled = true;
    /* From now on at every instruction: a pcall in a loop must not swallow the error and go on. */
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    lua_getinfo(L, "Sl", place);
    lua_pushfstring(L, "%s:%d: took longer than %d ms", place->short_src, place->currentline,
                    (int)state->budget_ms);
    lua_error(L);
}

/* Pushes "file:line: " of the innermost function of the agency's own file, where the text does not begin with
 * it already; else "". */
static void push_place(lua_State *L, const char *text)
{
    const char *path = rule_state_of(L)->unit->path;
    lua_Debug frame;
    for (int level = 0; lua_getstack(L, level, &frame); level++) {
        lua_getinfo(L, "Sl", &frame);
        if (frame.source[0] != '@' || strcmp(frame.source + 1, path) != 0)
            continue;
        if (strncmp(text, frame.short_src, strlen(frame.short_src)) == 0)
            break;
        lua_pushfstring(L, "%s:%d: ", frame.short_src, frame.currentline);
        return;
    }
    lua_pushliteral(L, "");
}

/* The message handler: adds the place. Calls no __tostring: it could loop, and error again. */
static int explain(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TSTRING && lua_type(L, 1) != LUA_TNUMBER) {
        lua_pushfstring(L, "the error is no text but a %s", luaL_typename(L, 1));
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    push_place(L, lua_tostring(L, 1));
    lua_insert(L, 1);
    lua_concat(L, 2);
    return 1;
}

static void take_error(struct rule_state *state, int status, struct error *error)
{
    lua_State *L = state->L;
    if (status == LUA_ERRMEM) {
        state->spoiled = true;
        error_set(error, ERROR_PERMANENT, "%s: used more than %zu bytes of memory", state->unit->path,
                  state->limits.memory_bytes);
        return;
    }
    if (status != LUA_ERRRUN || lua_type(L, -1) != LUA_TSTRING) {
        state->spoiled = true;
        error_set(error, ERROR_PERMANENT, "%s: failed while it dealt with an error", state->unit->path);
        return;
    }
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (length > REASON_LONGEST)
        length = REASON_LONGEST;
    error_set(error, ERROR_PERMANENT, "%.*s", (int)utf8_valid_prefix(text, length), text);
}

int rule_state_call(struct rule_state *state, int arguments, int results, int64_t ms, struct error *error)
{
    lua_State *L = state->L;
    int function = lua_gettop(L) - arguments;
    lua_pushcfunction(L, explain);
    lua_insert(L, function);
    state->budget_ms = ms;
    state->deadline_us = rule_state_processor_us() + ms * 1000;
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    int status = lua_pcall(L, arguments, results, function);
    lua_sethook(L, NULL, 0, 0);
    state->deadline_us = 0;
    if (status != LUA_OK) {
        take_error(state, status, error);
        return -1;
    }
    if (state->spoiled) /* it swallowed the error that stopped it: its result is not to be trusted */
        return error_set(error, ERROR_PERMANENT, "%s: took longer than %d ms", state->unit->path, (int)ms);
    lua_remove(L, function);
    return 0;
}

/* ---- loading ---- */

struct loading {
    struct rule_state *state;
    struct slice source;
};

const char *const rule_function_names[] = {"outbound", "inbound", "report", NULL};

/* The rules are on top. */
static void keep_functions(lua_State *L, struct rule_state *state)
{
    for (int i = 0; rule_function_names[i] != NULL; i++) {
        lua_Debug function;
        struct rule_entry *entry = &state->functions[i];
        entry->reference = LUA_NOREF;
        if (lua_getfield(L, -1, rule_function_names[i]) == LUA_TNIL) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -1);
        lua_getinfo(L, ">S", &function);
        entry->line = function.linedefined;
        entry->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

static int load_rules(lua_State *L)
{
    struct loading *loading = lua_touserdata(L, 1);
    rule_environment_open(L);
    rule_results_open(L);
    unit_load(L, loading->state->unit);
    lua_call(L, 0, 1);
    rule_shape_check(L, loading->state, loading->source);
    keep_functions(L, loading->state);
    loading->state->rules = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct rule_state *rule_state_new(struct unit *unit, struct unit_set *library,
                                  const struct rule_limits *limits, struct slice source, struct error *error)
{
    struct rule_state *state = memory_allocate(sizeof *state);
    state->unit = unit_ref(unit);
    state->library = unit_set_ref(library);
    state->limits = *limits;
    state->L = lua_newstate(allocate, state);
    *(struct rule_state **)lua_getextraspace(state->L) = state;
    struct loading loading = {state, source};
    lua_pushcfunction(state->L, load_rules);
    lua_pushlightuserdata(state->L, &loading);
    if (rule_state_call(state, 1, 0, LOAD_MS, error) != 0) {
        rule_state_free(state);
        return NULL;
    }
    return state;
}

void rule_state_free(struct rule_state *state)
{
    if (state == NULL)
        return;
    lua_close(state->L);
    unit_unref(state->unit);
    unit_set_unref(state->library);
    free(state);
}

static void read_list(lua_State *L, const char *key, struct texts *texts)
{
    if (lua_getfield(L, -1, key) == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
            texts_add(texts, slice_from(lua_tostring(L, -1)));
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void rule_state_claims(struct rule_state *state, struct claims *claims)
{
    lua_State *L = state->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, state->rules);
    read_list(L, "locations", &claims->locations);
    read_list(L, "companies", &claims->companies);
    lua_pop(L, 1);
}

bool rule_state_has(struct rule_state *state, const char *key)
{
    lua_rawgeti(state->L, LUA_REGISTRYINDEX, state->rules);
    lua_pushstring(state->L, key);
    bool has = lua_rawget(state->L, -2) != LUA_TNIL;
    lua_pop(state->L, 2);
    return has;
}
