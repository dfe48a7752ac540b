#include "script/rule_state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/rule_context.h"
#include "script/rule_shape.h"
#include "script/state.h"

/* For the file's own chunk and the library files that it requires. */
#define LOAD_INSTRUCTIONS UINT64_C(20000000)
#define REASON_LONGEST 400 /* bytes of a rule's own error text that are kept */
/* Of a thousand states nearly all wait: what their last calls left behind is to be a third of what they need,
 * not as much again, as Lua has it by itself. Costs 4 % of a call. */
#define COLLECTOR_PAUSE_PERCENT 130
#define PLACE_LEVELS 64 /* calls above the error among which the agency's own file is looked for */

struct rule_state *rule_state_of(lua_State *L)
{
    return *(struct rule_state **)lua_getextraspace(L);
}

int64_t rule_state_processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Pushes "file:line: " of the innermost function of the agency's own file, where the text does not begin with
 * it already; else "". */
static void push_place(lua_State *L, const char *text)
{
    const char *path = rule_state_of(L)->unit->path;
    lua_Debug frame;
    for (int level = 0; level < PLACE_LEVELS && lua_getstack(L, level, &frame); level++) {
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

static void fail(struct rule_state *state, struct error *error, const char *what)
{
    state->spoiled = true;
    error_set(error, ERROR_PERMANENT, "%s: %s", state->unit->path, what);
}

static void take_error(struct rule_state *state, int status, struct error *error)
{
    lua_State *L = state->L;
    char what[96] = "failed while it dealt with an error";
    if (status == LUA_ERRMEM && state->meter.fault == RULE_WITHIN)
        state->meter.fault = RULE_OVER_MEMORY;
    if (state->meter.fault != RULE_WITHIN)
        rule_meter_explain(&state->meter, what, sizeof what);
    if (status != LUA_ERRRUN || lua_type(L, -1) != LUA_TSTRING) {
        fail(state, error, what);
        return;
    }
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (length > REASON_LONGEST)
        length = REASON_LONGEST;
    error_set(error, ERROR_PERMANENT, "%.*s", (int)utf8_valid_prefix(text, length), text);
}

static int call_within(struct rule_state *state, int arguments, int results, const struct rule_limits *limits,
                       struct error *error)
{
    lua_State *L = state->L;
    int function = lua_gettop(L) - arguments;
    lua_pushcfunction(L, explain);
    lua_insert(L, function);
    rule_meter_begin(&state->meter, L, limits);
    int status = lua_pcall(L, arguments, results, function);
    rule_meter_end(&state->meter);
    if (status != LUA_OK)
        take_error(state, status, error);
    if (state->meter.fault != RULE_WITHIN && status == LUA_OK) {
        char what[96]; /* it swallowed the error that stopped it: its result is not to be trusted */
        rule_meter_explain(&state->meter, what, sizeof what);
        fail(state, error, what);
        return -1;
    }
    state->spoiled = state->spoiled || state->meter.fault != RULE_WITHIN;
    if (status == LUA_OK)
        lua_remove(L, function);
    return status == LUA_OK ? 0 : -1;
}

int rule_state_call(struct rule_state *state, int arguments, int results, int64_t ms, struct error *error)
{
    struct rule_limits limits = state->limits;
    limits.ms = ms;
    return call_within(state, arguments, results, &limits, error);
}

/* ---- loading ---- */

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
        entry->last_line = function.lastlinedefined;
        entry->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

static int load_rules(lua_State *L)
{
    struct rule_state *state = lua_touserdata(L, 1);
    rule_environment_open(L);
    rule_context_open(L);
    unit_load(L, state->unit);
    lua_call(L, 0, 1);
    rule_shape_check(L, state);
    keep_functions(L, state);
    state->rules = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct rule_state *rule_state_new(struct unit *unit, struct unit_set *library,
                                  const struct rule_limits *limits, struct error *error)
{
    struct rule_state *state = memory_allocate(sizeof *state);
    state->unit = unit_ref(unit);
    state->library = unit_set_ref(library);
    state->limits = *limits;
    state->L = lua_newstate(rule_meter_allocate, &state->meter);
    *(struct rule_state **)lua_getextraspace(state->L) = state;
    if (limits->stress)
        state_stress_collector(state->L);
    else
        lua_gc(state->L, LUA_GCINC, COLLECTOR_PAUSE_PERCENT, 0, 0);
    lua_pushcfunction(state->L, load_rules);
    lua_pushlightuserdata(state->L, state);
    struct rule_limits load = *limits;
    load.ms = RULE_LOAD_MS;
    load.instructions = LOAD_INSTRUCTIONS;
    if (call_within(state, 1, 0, &load, error) != 0) {
        rule_state_free(state);
        return NULL;
    }
    rule_limits_lower(&state->limits, &state->declarations.limits);
    return state;
}

void rule_state_free(struct rule_state *state)
{
    if (state == NULL)
        return;
    lua_close(state->L);
    declarations_deinit(&state->declarations);
    unit_unref(state->unit);
    unit_set_unref(state->library);
    free(state);
}

struct declarations rule_state_take_declarations(struct rule_state *state)
{
    struct declarations declarations = state->declarations;
    state->declarations = (struct declarations){0};
    return declarations;
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
