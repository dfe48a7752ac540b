/* One call of a rules' function, outbound(message, context) and its kin: the values go in as copies, what
 * comes back is checked and copied (rule_answer.h). */
#include <string.h>

#include <lauxlib.h>

#include "script/rule_answer.h"
#include "script/rule_context.h"

/* ---- the context ---- */

#define LIBRARY_PREFIX "bascule.rules."

/* The slug of an agency, or "default". */
static const char *agency_of(const struct rule_state *state)
{
    const char *name = state->unit->name;
    return strncmp(name, LIBRARY_PREFIX, strlen(LIBRARY_PREFIX)) == 0 ? name + strlen(LIBRARY_PREFIX) : name;
}

/* One entry of context.memory, which is on top of both. */
static void add_remembered(lua_State *R, const struct rule_call *call,
                           const struct memory_declaration *memory)
{
    bool given = lua_istable(call->from, -1) && lua_getfield(call->from, -1, memory->name) == LUA_TTABLE;
    if (given) {
        rule_answer_push(R, call, lua_gettop(call->from), "context.memory");
    } else {
        lua_createtable(R, 0, 1);
        if (memory->counter) {
            lua_pushinteger(R, 0);
            lua_setfield(R, -2, "count");
        }
    }
    lua_setfield(R, -2, memory->name);
}

/* What is declared, and that alone; what was not given is empty. */
static void add_memory(lua_State *R, const struct rule_call *call)
{
    const struct declarations *declarations = &call->state->declarations;
    int top = lua_gettop(call->from);
    lua_createtable(R, 0, (int)declarations->memory_count);
    lua_getfield(call->from, call->context, "memory");
    for (size_t i = 0; i < declarations->memory_count; i++) {
        add_remembered(R, call, &declarations->memory[i]);
        lua_settop(call->from, top + 1);
    }
    lua_settop(call->from, top);
    lua_setfield(R, -2, "memory");
}

/* Where the context on top has no such field. */
static void set_zero(lua_State *R, const char *name)
{
    if (lua_getfield(R, -1, name) == LUA_TNIL) {
        lua_pushinteger(R, 0);
        lua_setfield(R, -3, name);
    }
    lua_pop(R, 1);
}

static void push_context(lua_State *R, const struct rule_call *call)
{
    static const char *const names[] = {"now",      "location", "company", "agency",
                                        "settings", "seed",     "attempt"};
    rule_context_push(R, call->function);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_getfield(call->from, call->context, names[i]);
        rule_answer_push(R, call, lua_gettop(call->from), "the context");
        lua_pop(call->from, 1);
        lua_setfield(R, -2, names[i]);
    }
    set_zero(R, "seed");
    set_zero(R, "attempt");
    if (lua_getfield(R, -1, "agency") == LUA_TNIL) {
        lua_pushstring(R, agency_of(call->state));
        lua_setfield(R, -3, "agency");
    }
    lua_pop(R, 1);
    add_memory(R, call);
}

/* ---- the call ---- */

/* Argument: struct rule_call. Returns what rule_answer_take takes. */
static int run(lua_State *R)
{
    const struct rule_call *call = lua_touserdata(R, 1);
    rule_answer_push(R, call, call->message, "the message");
    lua_rawgeti(R, LUA_REGISTRYINDEX, call->state->functions[call->function].reference);
    lua_pushvalue(R, 2);
    push_context(R, call);
    lua_call(R, 2, 1);
    rule_answer_check(R, call);
    return 2;
}

int rule_call(struct rule_state *state, enum rule_function function, lua_State *L, int message, int context,
              struct error *error)
{
    struct rule_call call = {state, function, L, lua_absindex(L, message), lua_absindex(L, context)};
    int top = lua_gettop(L);
    lua_settop(state->L, 0);
    lua_pushcfunction(state->L, run);
    lua_pushlightuserdata(state->L, &call);
    int result = rule_state_call(state, 1, 2, state->limits.ms, error);
    lua_settop(L, top);
    if (result == 0)
        result = rule_answer_take(&call, state->L, error);
    if (result != 0)
        lua_settop(L, top);
    lua_settop(state->L, 0);
    return result;
}

void rule_push_unchanged(lua_State *L, int message)
{
    message = lua_absindex(L, message);
    lua_createtable(L, 0, 4);
    lua_pushliteral(L, "send");
    lua_setfield(L, -2, "action");
    lua_pushvalue(L, message);
    lua_setfield(L, -2, "message");
}

void rule_call_within(lua_State *R, enum rule_function function, lua_State *L, int message, int context)
{
    struct rule_call call = {rule_state_of(R), function, L, lua_absindex(L, message),
                             lua_absindex(L, context)};
    struct error error;
    lua_pushcfunction(R, run);
    lua_pushlightuserdata(R, &call);
    lua_call(R, 1, 2);
    if (rule_answer_take(&call, R, &error) != 0) {
        lua_pushstring(R, error.message);
        lua_error(R);
    }
    lua_pop(R, 2);
}
