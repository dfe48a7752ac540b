/* One call of a rules' function, outbound(message, context) and its kin: the values go in as copies, what
 * comes back is checked and copied.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "script/copy.h"
#include "script/rule_state.h"

/* What a rule may set in a message that came without it. */
static const char *const message_keys[] = {"to",       "body",      "sender", "attachments",
                                           "provider", "reference", NULL};

#define NAMES_FOR_SUGGESTION 40

struct call {
    struct rule_state *state;
    enum rule_function function;
    lua_State *from;
    int message, context; /* on `from` */
};

static const struct rule_entry *entry_of(const struct call *call)
{
    return &call->state->functions[call->function];
}

/* Where the returned value, not a line of the rule, is at fault: the line of the function. */
static int fault(lua_State *R, const struct call *call, const char *format, ...)
{
    va_list arguments;
    lua_pushfstring(R, "%s:%d: ", call->state->unit->path, entry_of(call)->line);
    va_start(arguments, format);
    lua_pushvfstring(R, format, arguments);
    va_end(arguments);
    lua_concat(R, 2);
    return lua_error(R);
}

static void push_copy(lua_State *R, const struct call *call, int index, const char *what)
{
    char reason[160];
    if (!copy_plain(call->from, index, R, reason, sizeof reason))
        fault(R, call, "%s%s", what, reason);
}

/* The message's own table decides what the rule may return: the names that it came with, and message_keys. */
static bool came_with(const struct call *call, const char *key)
{
    lua_pushstring(call->from, key);
    bool known = lua_rawget(call->from, call->message) != LUA_TNIL;
    lua_pop(call->from, 1);
    return known;
}

static bool listed(const char *key)
{
    for (const char *const *name = message_keys; *name != NULL; name++) {
        if (strcmp(*name, key) == 0)
            return true;
    }
    return false;
}

static int refuse_key(lua_State *R, const struct call *call, const char *key)
{
    const char *names[NAMES_FOR_SUGGESTION + 1];
    size_t count = 0;
    for (; message_keys[count] != NULL; count++)
        names[count] = message_keys[count];
    lua_pushnil(call->from);
    while (lua_next(call->from, call->message)) {
        lua_pop(call->from, 1);
        if (count < NAMES_FOR_SUGGESTION && lua_type(call->from, -1) == LUA_TSTRING)
            names[count++] = lua_tostring(call->from, -1);
    }
    names[count] = NULL;
    const char *nearest = text_suggest(key, names);
    if (nearest != NULL)
        return fault(R, call, "unknown key '%s' in the message; did you mean '%s'?", key, nearest);
    return fault(R, call, "unknown key '%s' in the message", key);
}

static void check_text(lua_State *R, const struct call *call, const char *key, bool needed)
{
    lua_pushstring(R, key);
    int type = lua_rawget(R, -2);
    if (type != LUA_TSTRING && (type != LUA_TNIL || needed))
        fault(R, call, "message.%s must be a text, not %s", key, lua_typename(R, type));
    lua_pop(R, 1);
}

/* The message is on top. */
static void check_message(lua_State *R, const struct call *call)
{
    lua_pushnil(R);
    while (lua_next(R, -2)) {
        lua_pop(R, 1);
        if (lua_type(R, -1) != LUA_TSTRING)
            fault(R, call, "the message has a key that is no name");
        const char *key = lua_tostring(R, -1);
        if (!listed(key) && !came_with(call, key))
            refuse_key(R, call, key);
    }
    check_text(R, call, "to", came_with(call, "to"));
    check_text(R, call, "body", false);
    check_text(R, call, "sender", false);
    check_text(R, call, "provider", false);
    check_text(R, call, "reference", false);
}

static void push_context(lua_State *R, const struct call *call)
{
    static const char *const names[] = {"now", "location", "company", "settings"};
    lua_createtable(R, 0, 8);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_getfield(call->from, call->context, names[i]);
        push_copy(R, call, lua_gettop(call->from), "the context");
        lua_pop(call->from, 1);
        lua_setfield(R, -2, names[i]);
    }
    rule_results_add(R);
}

/* Argument: struct call. Returns what the decision is made of: a message to send, or nil; and the result of
 * context.*, or nil. */
static int outbound(lua_State *R)
{
    const struct call *call = lua_touserdata(R, 1);
    push_copy(R, call, call->message, "the message");
    lua_rawgeti(R, LUA_REGISTRYINDEX, entry_of(call)->reference);
    lua_pushvalue(R, 2);
    push_context(R, call);
    lua_call(R, 2, 1);
    if (rule_result_is(R, 3)) {
        lua_pushvalue(R, 2);
        if (rule_result_action(R, 3) != RULE_SEND)
            lua_pushnil(R);
    } else if (lua_istable(R, 3)) {
        lua_pushnil(R);
        lua_insert(R, 3);
    } else {
        const char *returned = lua_isnil(R, 3) ? "nothing" : luaL_typename(R, 3);
        return fault(R, call, "outbound returned %s; return message, or context.reject(\"why\")", returned);
    }
    if (lua_istable(R, -1))
        check_message(R, call);
    lua_pushvalue(R, 3);
    return 2;
}

/* Into the decision on top of call->from, where the table at `result` of R has such a field. */
static int take_field(const struct call *call, lua_State *R, int result, const char *field, int type,
                      struct error *error)
{
    char reason[160] = " was overwritten";
    int found = lua_getfield(R, result, field), status = 0;
    if (found == type && copy_plain(R, lua_gettop(R), call->from, reason, sizeof reason))
        lua_setfield(call->from, -2, field);
    else if (found != LUA_TNIL)
        status = error_set(error, ERROR_PERMANENT, "%s:%d: the result's %s%s", call->state->unit->path,
                           entry_of(call)->line, field, reason);
    lua_settop(R, result);
    return status;
}

static int take_message(const struct call *call, lua_State *R, int message, struct error *error)
{
    char reason[160];
    if (lua_isnil(R, message))
        return 0;
    if (!copy_plain(R, message, call->from, reason, sizeof reason))
        return error_set(error, ERROR_PERMANENT, "%s:%d: message%s", call->state->unit->path,
                         entry_of(call)->line, reason);
    lua_setfield(call->from, -2, "message");
    return 0;
}

/* Pushes on call->from what the two values on top of R decide: see outbound(). */
static int take_decision(const struct call *call, lua_State *R, struct error *error)
{
    static const char *const action_names[] = {"send", "reject", "defer"};
    int result = lua_gettop(R), message = result - 1;
    bool has_result = !lua_isnil(R, result);
    lua_createtable(call->from, 0, 6);
    lua_pushstring(call->from, action_names[has_result ? rule_result_action(R, result) : RULE_SEND]);
    lua_setfield(call->from, -2, "action");
    if (take_message(call, R, message, error) != 0)
        return -1;
    if (!has_result)
        return 0;
    if (take_field(call, R, result, "reason", LUA_TSTRING, error) != 0 ||
        take_field(call, R, result, "until_ms", LUA_TNUMBER, error) != 0)
        return -1;
    return take_field(call, R, result, "providers", LUA_TTABLE, error);
}

int rule_call(struct rule_state *state, enum rule_function function, lua_State *L, int message, int context,
              struct error *error)
{
    struct call call = {state, function, L, lua_absindex(L, message), lua_absindex(L, context)};
    int top = lua_gettop(L);
    lua_settop(state->L, 0);
    lua_pushcfunction(state->L, outbound);
    lua_pushlightuserdata(state->L, &call);
    int result = rule_state_call(state, 1, 2, state->limits.ms, error);
    lua_settop(L, top);
    if (result == 0)
        result = take_decision(&call, state->L, error);
    lua_settop(state->L, 0);
    return result;
}

void rule_call_within(lua_State *R, enum rule_function function, lua_State *L, int message, int context)
{
    struct call call = {rule_state_of(R), function, L, lua_absindex(L, message), lua_absindex(L, context)};
    struct error error;
    lua_pushcfunction(R, outbound);
    lua_pushlightuserdata(R, &call);
    lua_call(R, 1, 2);
    if (take_decision(&call, R, &error) != 0) {
        lua_pushstring(R, error.message);
        lua_error(R);
    }
    lua_pop(R, 2);
}
