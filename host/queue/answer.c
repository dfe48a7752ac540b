#include "queue/answer.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* One table on its way from Lua: the first thing wrong with it is kept. */
struct reading {
    lua_State *L;
    int index;
    char *reason;
    size_t reason_size;
    bool sound;
};

static void refuse(struct reading *reading, const char *name, const char *expected)
{
    if (reading->sound)
        snprintf(reading->reason, reading->reason_size, "the answer's '%s' is %s, expected %s", name,
                 luaL_typename(reading->L, -1), expected);
    reading->sound = false;
}

static bool begin(struct reading *reading)
{
    reading->sound = lua_checkstack(reading->L, LUA_MINSTACK) && lua_istable(reading->L, reading->index);
    if (!reading->sound)
        snprintf(reading->reason, reading->reason_size, "the answer is %s, expected a table",
                 luaL_typename(reading->L, reading->index));
    return reading->sound;
}

static const char *read_text(struct reading *reading, const char *name)
{
    const char *text = NULL;
    int type = lua_getfield(reading->L, reading->index, name);
    if (type == LUA_TSTRING)
        text = lua_tostring(reading->L, -1);
    else if (type != LUA_TNIL)
        refuse(reading, name, "a string");
    lua_pop(reading->L, 1);
    return text;
}

static int64_t read_integer(struct reading *reading, const char *name)
{
    int64_t value = 0;
    int exact = 1;
    int type = lua_getfield(reading->L, reading->index, name);
    if (type == LUA_TNUMBER)
        value = lua_tointegerx(reading->L, -1, &exact);
    if (!exact)
        value = (int64_t)lua_tonumber(reading->L, -1); /* seconds times 1000 may leave a fraction */
    if (type != LUA_TNUMBER && type != LUA_TNIL)
        refuse(reading, name, "a number");
    lua_pop(reading->L, 1);
    return value;
}

static bool read_switch(struct reading *reading, const char *name, bool fallback)
{
    int type = lua_getfield(reading->L, reading->index, name);
    bool value = type == LUA_TNIL ? fallback : lua_toboolean(reading->L, -1);
    lua_pop(reading->L, 1);
    return value;
}

/* The place of the text `name` in `names`. */
static unsigned read_name(struct reading *reading, const char *name, const char *const *names)
{
    const char *text = read_text(reading, name);
    for (unsigned i = 0; text != NULL && names[i] != NULL; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    if (reading->sound)
        snprintf(reading->reason, reading->reason_size,
                 "the answer's '%s' is '%s', which is none of its values", name, text != NULL ? text : "nil");
    reading->sound = false;
    return 0;
}

/* The queue writes these itself: from the answer's own fields, or from the message. */
static bool is_own_member(const char *name, const char *const *more)
{
    static const char *const names[] = {"n",     "outcome",  "receipt",    "provider", "provider_message_id",
                                        "code",  "kind",     "reason",     "retry_at", "generation",
                                        "until", "given_up", "elapsed_ms", "polls",    NULL};
    for (const char *const *own = names; *own != NULL; own++)
        if (strcmp(name, *own) == 0)
            return true;
    for (; more != NULL && *more != NULL; more++)
        if (strcmp(name, *more) == 0)
            return true;
    return false;
}

/* Pushes a copy of the table on top without the queue's own members. */
static void push_foreign_members(lua_State *L, const char *const *own)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, -3) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING || is_own_member(lua_tostring(L, -2), own)) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
}

static struct slice read_event(struct reading *reading, struct buffer *more, const char *const *own)
{
    lua_State *L = reading->L;
    struct slice members = {NULL, 0};
    int type = lua_getfield(L, reading->index, "event");
    if (type == LUA_TTABLE) {
        push_foreign_members(L, own);
        char why[128] = "";
        if (!script_json_encode(L, lua_gettop(L), more, why, sizeof why))
            refuse(reading, "event", "what JSON can tell");
        else if (more->length > 2 && more->data[0] == '{') /* an empty table may be told as [] */
            members = (struct slice){more->data + 1, more->length - 2};
        lua_pop(L, 1);
    } else if (type != LUA_TNIL) {
        refuse(reading, "event", "a table");
    }
    lua_pop(L, 1);
    return members;
}

/* What the destination took to answer, where the event tells it. */
static int64_t read_elapsed(struct reading *reading)
{
    int64_t elapsed_ms = 0;
    if (lua_getfield(reading->L, reading->index, "event") == LUA_TTABLE) {
        struct reading event = {reading->L, lua_gettop(reading->L), reading->reason, reading->reason_size,
                                true};
        elapsed_ms = read_integer(&event, "elapsed_ms");
        reading->sound = reading->sound && event.sound;
    }
    lua_pop(reading->L, 1);
    return elapsed_ms;
}

bool answer_read_outcome(lua_State *L, int index, struct outcome *outcome, struct buffer *more, char *reason,
                         size_t reason_size)
{
    struct reading reading = {L, index, reason, reason_size, true};
    if (!begin(&reading))
        return false;
    memset(outcome, 0, sizeof *outcome);
    outcome->name = read_name(&reading, "outcome", outcome_names);
    if (outcome->name == OUTCOME_REFUSED)
        outcome->kind = read_name(&reading, "kind", refusal_names);
    outcome->reason = read_text(&reading, "reason");
    outcome->code = read_text(&reading, "code");
    outcome->provider = read_text(&reading, "provider");
    outcome->provider_message_id = read_text(&reading, "provider_message_id");
    outcome->told = read_text(&reading, "told");
    outcome->sent = read_text(&reading, "sent");
    outcome->more_parts = read_switch(&reading, "more", false);
    outcome->retry_after_ms = read_integer(&reading, "retry_after_ms");
    outcome->until_ms = read_integer(&reading, "until_ms");
    outcome->wait_ms = read_integer(&reading, "wait_ms");
    outcome->idempotent = read_switch(&reading, "idempotent", false);
    outcome->receipt = read_switch(&reading, "receipt", false);
    bool by_rule = outcome->code != NULL && strcmp(outcome->code, RULE_ERROR_CODE) == 0;
    outcome->attempted = read_switch(&reading, "attempted", !by_rule);
    outcome->elapsed_ms = read_elapsed(&reading);
    outcome->more = read_event(&reading, more, NULL);
    return reading.sound;
}

bool answer_read_receipt(lua_State *L, int index, struct receipt *receipt, struct buffer *more, char *reason,
                         size_t reason_size)
{
    struct reading reading = {L, index, reason, reason_size, true};
    if (!begin(&reading))
        return false;
    memset(receipt, 0, sizeof *receipt);
    receipt->name = read_name(&reading, "receipt", receipt_names);
    receipt->reason = read_text(&reading, "reason");
    receipt->code = read_text(&reading, "code");
    receipt->sent = read_text(&reading, "sent");
    receipt->wait_ms = read_integer(&reading, "wait_ms");
    receipt->more = read_event(&reading, more, NULL);
    return reading.sound;
}

bool answer_read_report(lua_State *L, int index, struct report *report, struct buffer *more, char *reason,
                        size_t reason_size)
{
    struct reading reading = {L, index, reason, reason_size, true};
    if (!begin(&reading))
        return false;
    memset(report, 0, sizeof *report);
    report->name = read_name(&reading, "outcome", report_names);
    report->reason = read_text(&reading, "reason");
    report->retry_after_ms = read_integer(&reading, "retry_after_ms");
    report->uncounted = read_switch(&reading, "uncounted", false);
    static const char *const own[] = {"status", NULL};
    report->elapsed_ms = read_elapsed(&reading);
    report->more = read_event(&reading, more, own);
    return reading.sound;
}
