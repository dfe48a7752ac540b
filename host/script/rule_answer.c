#include "script/rule_answer.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "script/copy.h"
#include "script/json.h"
#include "script/rule_context.h"
#include "script/rule_excerpt.h"

/* ---- the contract ---- */

enum field_type { FIELD_TEXT, FIELD_TEXTS, FIELD_STATUS, FIELD_ERROR };

/* What a rule may set, also where the message came without it. */
struct field {
    const char *name;
    enum field_type type;
    bool needed; /* where the message came with it */
};

struct contract {
    const char *noun;
    const char *advice;
    const struct field *fields; /* end with a row whose name is NULL */
    bool others;                /* what else came may be changed as well: nobody reads it */
};

static const struct field outbound_fields[] = {
    {"to", FIELD_TEXT, true},        {"body", FIELD_TEXT, false},
    {"sender", FIELD_TEXT, false},   {"attachments", FIELD_TEXTS, false},
    {"provider", FIELD_TEXT, false}, {"reference", FIELD_TEXT, false},
    {NULL, FIELD_TEXT, false},
};

static const struct field inbound_fields[] = {
    {"from", FIELD_TEXT, true},          {"to", FIELD_TEXT, true},  {"body", FIELD_TEXT, false},
    {"attachments", FIELD_TEXTS, false}, {NULL, FIELD_TEXT, false},
};

static const struct field report_fields[] = {
    {"status", FIELD_STATUS, true},
    {"error", FIELD_ERROR, false},
    {NULL, FIELD_TEXT, false},
};

static const struct contract contracts[RULE_FUNCTIONS] = {
    [RULE_OUTBOUND] = {"message", "return message, or context.reject(\"why\")", outbound_fields, true},
    [RULE_INBOUND] = {"message", "return message, or context.reject(\"why\")", inbound_fields, true},
    [RULE_REPORT] = {"report", "return report, or context.reject(\"why\")", report_fields, false},
};

static const char *const statuses[] = {"pending", "delivered", "failed", "read", NULL};
static const char *const error_keys[] = {"code", "type", "message", NULL};

/* A message under examination. */
struct examined {
    const struct rule_call *call;
    const struct contract *contract;
    char name[32]; /* "message", "report", "part 2" */
};

/* ---- faults ---- */

static const struct rule_entry *entry_of(const struct rule_call *call)
{
    return &call->state->functions[call->function];
}

/* Where the key is set: in the function; else in the file, where it stands in no more than one place.
 * `first`: an unknown key is wrong wherever it stands. The function's own line where the text does not tell.
 */
static int line_of(const struct rule_call *call, const char *key, bool first)
{
    const struct rule_entry *entry = entry_of(call);
    struct slice source = unit_source(call->state->unit);
    int line = 0;
    if (key != NULL)
        line = excerpt_line_of_key(source, entry->line, entry->last_line, key, !first);
    if (key != NULL && line == 0 && first)
        line = excerpt_line_of_key(source, 1, INT_MAX, key, true);
    return line != 0 ? line : entry->line;
}

static int fault(lua_State *R, const struct rule_call *call, int line, const char *format, ...)
{
    va_list arguments;
    lua_pushfstring(R, "%s:%d: ", call->state->unit->path, line);
    va_start(arguments, format);
    lua_pushvfstring(R, format, arguments);
    va_end(arguments);
    lua_concat(R, 2);
    return lua_error(R);
}

static int wrong_type(lua_State *R, const struct examined *examined, const char *key, const char *expected)
{
    return fault(R, examined->call, line_of(examined->call, key, false), "%s.%s must be %s, not %s",
                 examined->name, key, expected, luaL_typename(R, -1));
}

void rule_answer_push(lua_State *R, const struct rule_call *call, int index, const char *what)
{
    char reason[240];
    if (!copy_plain(call->from, index, R, reason, sizeof reason))
        fault(R, call, entry_of(call)->line, "%s%s", what, reason);
}

/* ---- keys ---- */

/* Pushes the value on call->from. */
static int push_original(const struct rule_call *call, const char *key)
{
    lua_pushstring(call->from, key);
    return lua_rawget(call->from, call->message);
}

static bool came_with(const struct rule_call *call, const char *key)
{
    bool came = push_original(call, key) != LUA_TNIL;
    lua_pop(call->from, 1);
    return came;
}

static const struct field *find_field(const struct contract *contract, const char *key)
{
    const struct field *field = contract->fields;
    while (field->name != NULL && strcmp(field->name, key) != 0)
        field++;
    return field->name == NULL ? NULL : field;
}

#define NAMES_FOR_SUGGESTION 40

static int refuse_key(lua_State *R, const struct examined *examined, const char *key)
{
    const struct rule_call *call = examined->call;
    const char *names[NAMES_FOR_SUGGESTION + 1];
    size_t count = 0;
    for (const struct field *field = examined->contract->fields; field->name != NULL; field++)
        names[count++] = field->name;
    lua_pushnil(call->from);
    while (lua_next(call->from, call->message)) {
        lua_pop(call->from, 1);
        if (count < NAMES_FOR_SUGGESTION && lua_type(call->from, -1) == LUA_TSTRING)
            names[count++] = lua_tostring(call->from, -1);
    }
    names[count] = NULL;
    const char *nearest = text_suggest(key, names);
    int line = line_of(call, key, true);
    const char *noun = examined->contract->noun;
    const char *in = strcmp(examined->name, noun) == 0 ? lua_pushfstring(R, "the %s", noun) : examined->name;
    if (nearest != NULL)
        return fault(R, call, line, "unknown key '%s' in %s; did you mean '%s'?", key, in, nearest);
    return fault(R, call, line, "unknown key '%s' in %s", key, in);
}

/* The value on top of R against the one that came. */
static bool is_unchanged(lua_State *R, const struct rule_call *call, const char *key)
{
    size_t length, other_length;
    int type = push_original(call, key);
    bool same = type == lua_type(R, -1);
    if (same && type == LUA_TSTRING) {
        const char *text = lua_tolstring(call->from, -1, &length),
                   *other = lua_tolstring(R, -1, &other_length);
        same = length == other_length && memcmp(text, other, length) == 0;
    } else if (same && type == LUA_TNUMBER) {
        same = lua_tonumber(call->from, -1) == lua_tonumber(R, -1);
    }
    lua_pop(call->from, 1);
    return same;
}

/* The message is on top. */
static void check_keys(lua_State *R, const struct examined *examined)
{
    const struct rule_call *call = examined->call;
    for (lua_pushnil(R); lua_next(R, -2); lua_pop(R, 1)) {
        if (lua_type(R, -2) != LUA_TSTRING)
            fault(R, call, entry_of(call)->line, "the %s has a key that is no name",
                  examined->contract->noun);
        const char *key = lua_tostring(R, -2);
        if (find_field(examined->contract, key) != NULL)
            continue;
        if (!came_with(call, key))
            refuse_key(R, examined, key);
        else if (!examined->contract->others && !is_unchanged(R, call, key))
            fault(R, call, line_of(call, key, false),
                  "%s.%s cannot be changed; of a report only status and error can", examined->name, key);
    }
}

/* ---- types; the value is on top ---- */

static void check_texts(lua_State *R, const struct examined *examined, const char *key)
{
    static const char expected[] = "a list of texts";
    if (!lua_istable(R, -1))
        wrong_type(R, examined, key, expected);
    lua_Integer length = (lua_Integer)lua_rawlen(R, -1), pairs = 0;
    for (lua_pushnil(R); lua_next(R, -2); lua_pop(R, 1)) {
        if (lua_type(R, -1) != LUA_TSTRING || !lua_isinteger(R, -2) || ++pairs > length)
            fault(R, examined->call, line_of(examined->call, key, false), "%s.%s must be %s", examined->name,
                  key, expected);
    }
    json_mark_array(R); /* an empty one stays a list */
}

static void check_status(lua_State *R, const struct examined *examined, const char *key)
{
    const char *status = lua_type(R, -1) == LUA_TSTRING ? lua_tostring(R, -1) : NULL;
    for (size_t i = 0; status != NULL && statuses[i] != NULL; i++) {
        if (strcmp(status, statuses[i]) == 0)
            return;
    }
    const char *nearest = status == NULL ? NULL : text_suggest(status, statuses);
    if (status == NULL)
        wrong_type(R, examined, key, "a text");
    fault(R, examined->call, line_of(examined->call, key, false), "%s.%s cannot be \"%s\"; %s%s%s",
          examined->name, key, status, nearest != NULL ? "did you mean \"" : "there are ",
          nearest != NULL ? nearest : "\"pending\", \"delivered\", \"failed\" and \"read\"",
          nearest != NULL ? "\"?" : "");
}

static void check_error(lua_State *R, const struct examined *examined, const char *key)
{
    const struct rule_call *call = examined->call;
    if (!lua_istable(R, -1))
        wrong_type(R, examined, key, "a table { code, type, message }");
    for (lua_pushnil(R); lua_next(R, -2); lua_pop(R, 1)) {
        const char *name = lua_type(R, -2) == LUA_TSTRING ? lua_tostring(R, -2) : NULL;
        bool known = false;
        for (size_t i = 0; name != NULL && error_keys[i] != NULL; i++)
            known = known || strcmp(name, error_keys[i]) == 0;
        const char *nearest = known || name == NULL ? NULL : text_suggest(name, error_keys);
        if (!known)
            fault(R, call, line_of(call, name, true), "unknown key '%s' in %s.%s%s%s%s",
                  name == NULL ? luaL_tolstring(R, -2, NULL) : name, examined->name, key,
                  nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                  nearest != NULL ? "'?" : "");
        if (lua_type(R, -1) != LUA_TSTRING)
            fault(R, call, line_of(call, name, false), "%s.%s.%s must be a text, not %s", examined->name, key,
                  name, luaL_typename(R, -1));
    }
}

/* The message is on top. */
static void check_field(lua_State *R, const struct examined *examined, const struct field *field)
{
    lua_pushstring(R, field->name);
    int type = lua_rawget(R, -2);
    if (type == LUA_TNIL) {
        if (field->needed && came_with(examined->call, field->name))
            wrong_type(R, examined, field->name, "a text");
    } else if (field->type == FIELD_TEXTS) {
        check_texts(R, examined, field->name);
    } else if (field->type == FIELD_STATUS) {
        check_status(R, examined, field->name);
    } else if (field->type == FIELD_ERROR) {
        check_error(R, examined, field->name);
    } else if (type != LUA_TSTRING) {
        wrong_type(R, examined, field->name, "a text");
    }
    lua_pop(R, 1);
}

/* The message is on top; `part` 0: the only one. */
static void check_message(lua_State *R, const struct rule_call *call, lua_Integer part)
{
    struct examined examined = {.call = call, .contract = &contracts[call->function]};
    if (part == 0)
        snprintf(examined.name, sizeof examined.name, "%s", examined.contract->noun);
    else
        snprintf(examined.name, sizeof examined.name, "part %lld", (long long)part);
    luaL_checkstack(R, LUA_MINSTACK, NULL);
    check_keys(R, &examined);
    for (const struct field *field = examined.contract->fields; field->name != NULL; field++)
        check_field(R, &examined, field);
}

/* ---- answers ---- */

/* Pushes the message at 2 with another body, the text on top, which it replaces. Of several texts only the
 * last has the message's attachments: they are sent once. */
static void make_part(lua_State *R, bool last)
{
    int text = lua_gettop(R);
    lua_createtable(R, 0, 16);
    for (lua_pushnil(R); lua_next(R, 2);) {
        lua_pushvalue(R, -2);
        lua_insert(R, -2);
        lua_rawset(R, text + 1);
    }
    lua_pushliteral(R, "body");
    lua_pushvalue(R, text);
    lua_rawset(R, text + 1);
    lua_pushliteral(R, "attachments");
    if (!last && lua_rawget(R, 2) != LUA_TNIL) {
        lua_pushliteral(R, "attachments");
        lua_newtable(R);
        json_mark_array(R);
        lua_rawset(R, text + 1);
    }
    lua_settop(R, text + 1);
    lua_remove(R, text);
}

/* Of the list at `index`; 0 where there is none. */
static lua_Integer last_text(lua_State *R, int index)
{
    lua_Integer at = (lua_Integer)lua_rawlen(R, index);
    while (at > 0 && lua_rawgeti(R, index, at) != LUA_TSTRING) {
        lua_pop(R, 1);
        at--;
    }
    lua_settop(R, index);
    return at;
}

/* Pushes the list of the messages of context.split, the result at 3. */
static void push_parts(lua_State *R, const struct rule_call *call)
{
    lua_pushliteral(R, "parts");
    if (lua_rawget(R, 3) != LUA_TTABLE)
        fault(R, call, entry_of(call)->line, "the result's parts were overwritten");
    int given = lua_gettop(R);
    lua_Integer last = last_text(R, given);
    lua_createtable(R, (int)lua_rawlen(R, given), 0);
    for (lua_Integer i = 1; lua_rawgeti(R, given, i) != LUA_TNIL; i++) {
        if (i > (lua_Integer)call->state->limits.parts)
            fault(R, call, entry_of(call)->line, "the result's parts were overwritten");
        if (lua_type(R, -1) == LUA_TSTRING)
            make_part(R, i == last);
        if (!lua_istable(R, -1))
            fault(R, call, entry_of(call)->line, "the result's parts were overwritten");
        check_message(R, call, i);
        lua_rawseti(R, given + 1, i);
    }
    if (lua_rawlen(R, given + 1) == 0)
        fault(R, call, entry_of(call)->line, "the result's parts were overwritten");
    lua_pop(R, 1);
    lua_remove(R, given);
}

static void refuse_answer(lua_State *R, const struct rule_call *call)
{
    fault(R, call, entry_of(call)->line, "%s returned %s; %s", rule_function_names[call->function],
          lua_isnil(R, 3) ? "nothing" : luaL_typename(R, 3), contracts[call->function].advice);
}

/* Of context.route, the result at 3. */
static void check_providers(lua_State *R, const struct rule_call *call)
{
    lua_pushliteral(R, "providers");
    bool texts = lua_rawget(R, 3) == LUA_TTABLE;
    for (lua_Integer i = 1; texts && lua_rawgeti(R, 4, i) != LUA_TNIL; i++) {
        texts = lua_type(R, -1) == LUA_TSTRING;
        lua_pop(R, 1);
    }
    if (!texts)
        fault(R, call, entry_of(call)->line, "the result's providers were overwritten");
    lua_settop(R, 3);
}

void rule_answer_check(lua_State *R, const struct rule_call *call)
{
    enum rule_action action;
    bool result = rule_result_is(R, 3, &action);
    if (!result && !lua_istable(R, 3))
        refuse_answer(R, call);
    if (result) /* it may have been kept from a call of another function */
        rule_result_check(R, action);
    if (result && action == RULE_SEND)
        check_providers(R, call);
    if (action == RULE_SPLIT)
        push_parts(R, call);
    else if (action == RULE_SEND)
        lua_pushvalue(R, result ? 2 : 3);
    else
        lua_pushnil(R);
    if (action == RULE_SEND)
        check_message(R, call, 0);
    if (result)
        lua_pushvalue(R, 3);
    else
        lua_pushnil(R);
}

/* ---- decisions ---- */

static int fail(const struct rule_call *call, struct error *error, const char *what, const char *why)
{
    return error_set(error, ERROR_PERMANENT, "%s:%d: %s%s", call->state->unit->path, entry_of(call)->line,
                     what, why);
}

/* The value at `index` of R becomes a field of the decision on top of call->from. */
static int take_value(const struct rule_call *call, lua_State *R, int index, const char *field,
                      const char *what, struct error *error)
{
    char reason[240];
    const struct copy_limits limits = {COPY_MOST.values, COPY_MOST.bytes, true, call->state->limits.ms};
    if (!copy_within(R, index, call->from, &limits, reason, sizeof reason))
        return fail(call, error, what, reason);
    lua_setfield(call->from, -2, field);
    return 0;
}

/* The field of the result at `result` of R. A number is an integer. */
static int take_field(const struct rule_call *call, lua_State *R, int result, const char *field, int type,
                      bool needed, struct error *error)
{
    char what[40];
    int status = 0;
    lua_pushstring(R, field);
    int found = lua_rawget(R, result);
    snprintf(what, sizeof what, "the result's %s", field);
    if (found == type && (type != LUA_TNUMBER || lua_isinteger(R, -1)))
        status = take_value(call, R, lua_gettop(R), field, what, error);
    else if (found != LUA_TNIL || needed)
        status = fail(call, error, what, " was overwritten");
    lua_settop(R, result);
    return status;
}

int rule_answer_take(const struct rule_call *call, lua_State *R, struct error *error)
{
    static const char *const action_names[] = {"send", "reject", "defer", "split"};
    int result = lua_gettop(R), sent = result - 1, status = 0;
    enum rule_action action;
    bool has_result = rule_result_is(R, result, &action), split;
    lua_createtable(call->from, 0, 8);
    lua_pushstring(call->from, action_names[action]);
    lua_setfield(call->from, -2, "action");
    split = action == RULE_SPLIT;
    if (!lua_isnil(R, sent))
        status = take_value(call, R, sent, split ? "parts" : "message",
                            split ? "the messages of context.split" : contracts[call->function].noun, error);
    if (status == 0 && has_result)
        status = take_field(call, R, result, "reason", LUA_TSTRING, action == RULE_REJECT, error);
    if (status == 0 && action == RULE_DEFER)
        status = take_field(call, R, result, "until_ms", LUA_TNUMBER, true, error);
    if (status == 0 && action == RULE_SEND && has_result)
        status = take_field(call, R, result, "providers", LUA_TTABLE, true, error);
    /* Who is asked again says it again; what is not sent leaves no mark, but for a reply that is dropped. */
    bool kept = action != RULE_DEFER && (action != RULE_REJECT || call->function == RULE_INBOUND);
    if (status == 0)
        rule_effects_take(R, call->from, kept);
    return status;
}
