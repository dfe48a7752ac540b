/* What a rule says beside its answer: lines for the timeline, what is to be kept, and the answer to a
 * sender. It is noted in a table of the state, and becomes part of the decision. */
#include <string.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/copy.h"
#include "script/rule_context.h"
#include "script/script.h"
#include "store/store_memory.h"

static const char noted_key; /* its address is the registry key of what was noted */

#define FOR_MEMORY (RULE_FOR(RULE_OUTBOUND) | RULE_FOR(RULE_INBOUND))

void rule_effects_forget(lua_State *L)
{
    struct rule_said *said = &rule_state_of(L)->said;
    if (said->anything) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &noted_key);
    }
    *said = (struct rule_said){.function = said->function};
}

/* Pushes the table of what was noted. */
static void push_noted(lua_State *L)
{
    struct rule_said *said = &rule_state_of(L)->said;
    if (!said->anything) {
        lua_createtable(L, 0, 4);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &noted_key);
        said->anything = true;
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &noted_key);
}

/* Pushes the list of that name. */
static void push_list(lua_State *L, const char *name)
{
    push_noted(L);
    if (lua_getfield(L, -1, name) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 4, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, name);
    }
    lua_remove(L, -2);
}

/* ---- the timeline ---- */

/* A text that was cut within a character loses the piece; it is no reason to fail. */
static int log_line(lua_State *L)
{
    size_t length;
    struct rule_state *state = rule_state_of(L);
    rule_context_check(L, "log", RULE_FOR_ALL);
    rule_context_check_text(L, 1, "context.log's text");
    const char *text = lua_tolstring(L, 1, &length);
    if (state->said.log_lines == state->limits.log_lines ||
        length > state->limits.log_bytes - state->said.log_bytes) {
        state->said.log_dropped++;
        return 0;
    }
    state->said.log_lines++;
    state->said.log_bytes += length;
    push_list(L, "log");
    lua_pushlstring(L, text, utf8_valid_prefix(text, length));
    lua_rawseti(L, -2, (lua_Integer)state->said.log_lines);
    return 0;
}

/* ---- memory ---- */

/* The name at 1. */
static void check_name(lua_State *L, const char *call, bool counter)
{
    rule_context_check(L, call, FOR_MEMORY);
    rule_context_check_text(L, 1, lua_pushfstring(L, "context.%s's name", call));
    lua_pop(L, 1);
    const char *name = lua_tostring(L, 1);
    const struct memory_declaration *memory = declarations_find(&rule_state_of(L)->declarations, name);
    if (memory == NULL)
        rule_context_refuse_memory(L, lua_pushfstring(L, "context.%s", call), name);
    else if (memory->counter != counter)
        luaL_error(L, "context.%s: '%s' is a %s, not a %s", call, name, memory->counter ? "counter" : "value",
                   counter ? "counter" : "value");
}

/* Pushes the effect on the name at 1, a new one where there is none yet: `op` is set. True where it is new or
 * was another operation. */
static bool push_effect(lua_State *L, const char *op)
{
    push_list(L, "memory");
    int list = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, list), at = 1;
    for (bool found = false; at <= count; at++) {
        lua_rawgeti(L, list, at);
        lua_getfield(L, -1, "name");
        found = lua_rawequal(L, -1, 1);
        lua_settop(L, list);
        if (found)
            break;
    }
    lua_rawgeti(L, list, at);
    bool anew = at > count || strcmp(op, "add") != 0;
    if (anew) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 4);
        lua_pushvalue(L, 1);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, op);
        lua_setfield(L, -2, "op");
        lua_pushvalue(L, -1);
        lua_rawseti(L, list, at);
    }
    lua_remove(L, list);
    return anew;
}

/* Of the options at 2, or `fallback`. */
static lua_Integer read_whole(lua_State *L, const char *name, lua_Integer least, lua_Integer fallback)
{
    lua_Integer value = fallback;
    if (lua_istable(L, 2) && lua_getfield(L, 2, name) != LUA_TNIL) {
        value = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : least - 1;
        if (value < least || value > STORE_EFFECT_NUMBER_MOST)
            luaL_error(L, "context.count's %s must be a whole number from %I to %I", name, least,
                       (lua_Integer)STORE_EFFECT_NUMBER_MOST);
    }
    lua_settop(L, 2);
    return value;
}

static void check_options(lua_State *L, int index, const char *const *names)
{
    if (lua_isnoneornil(L, index))
        return;
    luaL_checktype(L, index, LUA_TTABLE);
    script_check_options(L, index, names);
}

/* The sum of several calls is one addition; the least of their limits holds. */
static int count(lua_State *L)
{
    static const char *const names[] = {"by", "most", NULL};
    lua_settop(L, 2);
    check_name(L, "count", true);
    check_options(L, 2, names);
    lua_Integer by = read_whole(L, "by", 1, 1), most = read_whole(L, "most", 0, -1);
    if (!push_effect(L, "add")) {
        lua_getfield(L, -1, "by");
        lua_getfield(L, -2, "most");
        by += lua_tointeger(L, -2);
        if (by > STORE_EFFECT_NUMBER_MOST)
            return luaL_error(L, "context.count: '%s' grows by more than %I in all", lua_tostring(L, 1),
                              (lua_Integer)STORE_EFFECT_NUMBER_MOST);
        if (most < 0 || (lua_isinteger(L, -1) && lua_tointeger(L, -1) < most))
            most = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : most;
        lua_pop(L, 2);
    }
    lua_pushinteger(L, by);
    lua_setfield(L, -2, "by");
    if (most >= 0) {
        lua_pushinteger(L, most);
        lua_setfield(L, -2, "most");
    }
    return 0;
}

/* Pushes the value at 2 as JSON: as it is now, whatever the rule does with it later. Nothing raises while
 * there is a buffer. */
static void push_json(lua_State *L)
{
    char reason[240];
    struct buffer text = {0};
    size_t most = rule_state_of(L)->limits.value_bytes;
    /* each value takes a byte at least */
    const struct copy_limits limits = {(unsigned)most, most, true, rule_state_of(L)->limits.ms};
    lua_State *copies = lua_newthread(L);
    char *json = lua_newuserdatauv(L, most, 0);
    if (!copy_within(L, 2, copies, &limits, reason, sizeof reason))
        luaL_error(L, "context.remember's value%s (at most %d bytes of JSON are kept)", reason, (int)most);
    bool told = script_json_encode(copies, -1, &text, reason, sizeof reason);
    size_t length = text.length;
    if (told && length <= most)
        memcpy(json, text.data, length);
    buffer_deinit(&text);
    if (!told)
        luaL_error(L, "context.remember's value: %s", reason);
    if (length > most)
        luaL_error(L, "context.remember's value: it is too large (%d bytes of JSON; at most %d are kept)",
                   (int)length, (int)most);
    lua_pushlstring(L, json, length);
    lua_replace(L, -3); /* the thread */
    lua_pop(L, 1);
}

static int remember(lua_State *L)
{
    static const char *const names[] = {"first", NULL};
    lua_settop(L, 3);
    check_name(L, "remember", false);
    check_options(L, 3, names);
    if (lua_isnil(L, 2))
        return luaL_error(L, "context.remember needs a value; context.forget forgets one");
    bool first = lua_istable(L, 3) && lua_getfield(L, 3, "first") != LUA_TNIL && lua_toboolean(L, -1);
    lua_settop(L, 3);
    push_json(L);
    push_effect(L, "set");
    lua_insert(L, -2);
    lua_setfield(L, -2, "value");
    if (first) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "first");
    }
    return 0;
}

static int forget(lua_State *L)
{
    lua_settop(L, 1);
    check_name(L, "forget", false);
    push_effect(L, "forget");
    return 0;
}

/* ---- the sender ---- */

static int note(lua_State *L, const char *name)
{
    push_noted(L);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, name);
    return 0;
}

static int dnd(lua_State *L)
{
    lua_settop(L, 1);
    rule_context_check(L, "dnd", RULE_FOR(RULE_INBOUND));
    if (!lua_isboolean(L, 1))
        return luaL_error(L, "context.dnd needs true or false, not %s", luaL_typename(L, 1));
    return note(L, "dnd");
}

static int reply(lua_State *L)
{
    size_t length;
    lua_settop(L, 1);
    rule_context_check(L, "reply", RULE_FOR(RULE_INBOUND));
    rule_context_check_text(L, 1, "context.reply's text");
    const char *text = lua_tolstring(L, 1, &length);
    if (utf8_valid_prefix(text, length) != length)
        return luaL_error(L, "context.reply's text is not valid UTF-8 (was it cut in the middle of a "
                             "character?)");
    return note(L, "reply");
}

void rule_effects_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"log", log_line}, {"count", count}, {"remember", remember}, {"forget", forget},
        {"dnd", dnd},      {"reply", reply}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}

/* ---- the decision ---- */

/* Values were kept as JSON. */
static void decode_values(lua_State *to)
{
    char reason[160];
    int list = lua_gettop(to);
    for (lua_Integer i = 1; lua_rawgeti(to, list, i) == LUA_TTABLE; i++) {
        size_t length;
        if (lua_getfield(to, -1, "value") == LUA_TSTRING) {
            const char *text = lua_tolstring(to, -1, &length);
            if (script_json_decode(to, (struct slice){text, length}, reason, sizeof reason))
                lua_setfield(to, list + 1, "value");
        }
        lua_settop(to, list);
    }
    lua_settop(to, list);
}

static void take(lua_State *R, lua_State *to, const char *name)
{
    char reason[160];
    if (lua_getfield(R, -1, name) != LUA_TNIL &&
        copy_plain(R, lua_gettop(R), to, reason, sizeof reason)) { /* the host made it: it is plain */
        if (strcmp(name, "memory") == 0)
            decode_values(to);
        lua_setfield(to, -2, name);
    }
    lua_pop(R, 1);
}

void rule_effects_take(lua_State *R, lua_State *to, bool all)
{
    static const char *const names[] = {"log", "memory", "dnd", "reply"};
    const struct rule_said *said = &rule_state_of(R)->said;
    if (said->log_dropped > 0) {
        lua_pushinteger(to, (lua_Integer)said->log_dropped);
        lua_setfield(to, -2, "log_dropped");
    }
    if (!said->anything)
        return;
    lua_rawgetp(R, LUA_REGISTRYINDEX, &noted_key);
    for (size_t i = 0; i < (all ? sizeof names / sizeof *names : 1); i++)
        take(R, to, names[i]);
    lua_pop(R, 1);
}
