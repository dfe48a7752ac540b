/* string.find, match, gmatch and gsub for rules: script/pattern.h between Lua's stack and its budget. */
#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

#include "script/pattern.h"
#include "script/rule_library.h"
#include "script/rule_state.h"

static void charge(void *L, uint64_t steps)
{
    rule_state_charge(L, steps);
}

static struct slice check_text(lua_State *L, int argument)
{
    struct slice text;
    text.data = luaL_checklstring(L, argument, &text.length);
    return text;
}

/* Where to begin, from 0 on; past the end where `init` is. */
static size_t check_init(lua_State *L, int argument, size_t length)
{
    lua_Integer init = luaL_optinteger(L, argument, 1);
    if (init > 0)
        return (size_t)init - 1;
    return init == 0 || init < -(lua_Integer)length ? 0 : length - (size_t)(-init);
}

static void begin(struct pattern *pattern, lua_State *L, struct slice subject, struct slice items)
{
    pattern->subject = subject;
    pattern->items = items;
    pattern->charge = charge;
    pattern->argument = L;
    pattern->steps = 0;
    pattern->count = 0;
}

static bool take_anchor(struct slice *items)
{
    bool anchored = items->length > 0 && items->data[0] == '^';
    items->data += anchored;
    items->length -= anchored;
    return anchored;
}

static bool found(lua_State *L, struct pattern *pattern, enum pattern_result result)
{
    if (result == PATTERN_FAULT)
        luaL_error(L, "%s", pattern->fault);
    return result == PATTERN_FOUND;
}

static void push_capture(lua_State *L, struct pattern *pattern, unsigned index, size_t start, size_t end)
{
    struct pattern_capture capture;
    if (!pattern_capture(pattern, index, start, end, &capture))
        luaL_error(L, "%s", pattern->fault);
    if (capture.length == PATTERN_POSITION) {
        lua_pushinteger(L, capture.start - pattern->subject.data + 1);
        return;
    }
    rule_charge_bytes(L, (size_t)capture.length);
    lua_pushlstring(L, capture.start, (size_t)capture.length);
}

/* All captures, or else `whole` of the match. */
static int push_captures(lua_State *L, struct pattern *pattern, size_t start, size_t end, bool whole)
{
    unsigned count = pattern->count == 0 && whole ? 1 : pattern->count;
    luaL_checkstack(L, (int)count, "too many captures");
    for (unsigned i = 0; i < count; i++)
        push_capture(L, pattern, i, start, end);
    return (int)count;
}

static int find_plain(lua_State *L, struct slice subject, struct slice text, size_t init)
{
    /* memmem takes time by the sum of both lengths, not by their product */
    rule_charge_bytes(L, subject.length - init + text.length);
    const char *at = memmem(subject.data + init, subject.length - init, text.data, text.length);
    if (at == NULL) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, at - subject.data + 1);
    lua_pushinteger(L, at - subject.data + (lua_Integer)text.length);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    struct pattern pattern;
    struct slice subject = check_text(L, 1), items = check_text(L, 2);
    size_t start = check_init(L, 3, subject.length), end;
    if (start > subject.length) {
        luaL_pushfail(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || pattern_is_plain(items)))
        return find_plain(L, subject, items, start);
    bool anchored = take_anchor(&items);
    begin(&pattern, L, subject, items);
    enum pattern_result result =
        anchored ? pattern_match(&pattern, start, &end) : pattern_search(&pattern, start, &start, &end);
    rule_state_charge(L, pattern.steps);
    if (!found(L, &pattern, result)) {
        luaL_pushfail(L);
        return 1;
    }
    if (!find)
        return push_captures(L, &pattern, start, end, true);
    lua_pushinteger(L, (lua_Integer)start + 1);
    lua_pushinteger(L, (lua_Integer)end);
    return 2 + push_captures(L, &pattern, start, end, false);
}

static int find(lua_State *L)
{
    return find_or_match(L, true);
}

static int match(lua_State *L)
{
    return find_or_match(L, false);
}

/* The next match at or after `*at` that does not end where the last one did, so that empty matches get on. */
static bool next_match(lua_State *L, struct pattern *pattern, size_t *at, lua_Integer last_end, size_t *end)
{
    for (; *at <= pattern->subject.length; ++*at) {
        if (found(L, pattern, pattern_match(pattern, *at, end)) && (lua_Integer)*end != last_end)
            return true;
    }
    return false;
}

/* Upvalues: the subject, the pattern, where to go on, where the last match ended (-1: none yet). */
static int gmatch_next(lua_State *L)
{
    struct pattern pattern;
    begin(&pattern, L, check_text(L, lua_upvalueindex(1)), check_text(L, lua_upvalueindex(2)));
    size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3)), end;
    bool more = next_match(L, &pattern, &at, lua_tointeger(L, lua_upvalueindex(4)), &end);
    rule_state_charge(L, pattern.steps);
    if (!more)
        return 0;
    lua_pushinteger(L, (lua_Integer)end);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return push_captures(L, &pattern, at, end, true);
}

static int gmatch(lua_State *L)
{
    size_t length = check_text(L, 1).length;
    check_text(L, 2);
    size_t init = check_init(L, 3, length);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(init > length ? length + 1 : init));
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* ---- gsub ---- */

struct replacing {
    struct pattern pattern;
    luaL_Buffer result;
    int type; /* of the replacement, the third argument */
    struct slice text;
};

static void add_capture(lua_State *L, struct replacing *replacing, unsigned index, size_t start, size_t end)
{
    struct pattern_capture capture;
    if (!pattern_capture(&replacing->pattern, index, start, end, &capture))
        luaL_error(L, "%s", replacing->pattern.fault);
    if (capture.length == PATTERN_POSITION) {
        lua_pushinteger(L, capture.start - replacing->pattern.subject.data + 1);
        luaL_addvalue(&replacing->result);
        return;
    }
    rule_charge_bytes(L, (size_t)capture.length);
    luaL_addlstring(&replacing->result, capture.start, (size_t)capture.length);
}

/* The replacement text, with %0 to %9 as the match has them. */
static void add_text(lua_State *L, struct replacing *replacing, size_t start, size_t end)
{
    const char *at = replacing->text.data, *text_end = at + replacing->text.length;
    rule_charge_bytes(L, replacing->text.length);
    while (at < text_end) {
        const char *escape = memchr(at, '%', (size_t)(text_end - at));
        luaL_addlstring(&replacing->result, at, (size_t)((escape == NULL ? text_end : escape) - at));
        if (escape == NULL)
            return;
        char letter = escape + 1 < text_end ? escape[1] : '\0';
        if (letter == '%')
            luaL_addchar(&replacing->result, '%');
        else if (letter == '0')
            luaL_addlstring(&replacing->result, replacing->pattern.subject.data + start, end - start);
        else if (isdigit((unsigned char)letter))
            add_capture(L, replacing, (unsigned)(letter - '1'), start, end);
        else
            luaL_error(L, "invalid use of '%%' in replacement string");
        at = escape + 2;
    }
}

static void add_replacement(lua_State *L, struct replacing *replacing, size_t start, size_t end)
{
    if (replacing->type == LUA_TSTRING) {
        rule_charge_bytes(L, end - start);
        add_text(L, replacing, start, end);
        return;
    }
    if (replacing->type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, &replacing->pattern, start, end, true), 1);
    } else {
        push_capture(L, &replacing->pattern, 0, start, end);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(&replacing->result, replacing->pattern.subject.data + start, end - start);
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    rule_charge_bytes(L, lua_rawlen(L, -1));
    luaL_addvalue(&replacing->result);
}

static int check_replacement(lua_State *L, struct slice *text)
{
    int type = lua_type(L, 3);
    luaL_argexpected(L, lua_isstring(L, 3) || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                     "string/function/table");
    if (!lua_isstring(L, 3))
        return type;
    *text = check_text(L, 3);
    return LUA_TSTRING;
}

/* Goes through the subject, and replaces up to `most` matches. */
static lua_Integer replace(lua_State *L, struct replacing *replacing, lua_Integer most, bool anchored)
{
    struct slice subject = replacing->pattern.subject;
    lua_Integer count = 0, last_end = -1;
    size_t at = 0, end;
    while (count < most) {
        if (found(L, &replacing->pattern, pattern_match(&replacing->pattern, at, &end)) &&
            (lua_Integer)end != last_end) {
            count++;
            add_replacement(L, replacing, at, end);
            at = end;
            last_end = (lua_Integer)end;
        } else if (at < subject.length) {
            luaL_addchar(&replacing->result, subject.data[at++]);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    rule_state_charge(L, replacing->pattern.steps);
    rule_charge_bytes(L, subject.length);
    luaL_addlstring(&replacing->result, subject.data + at, subject.length - at);
    return count;
}

static int gsub(lua_State *L)
{
    struct replacing replacing;
    struct slice subject = check_text(L, 1), items = check_text(L, 2);
    replacing.type = check_replacement(L, &replacing.text);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.length + 1);
    bool anchored = take_anchor(&items);
    begin(&replacing.pattern, L, subject, items);
    luaL_buffinit(L, &replacing.result);
    lua_Integer count = replace(L, &replacing, most, anchored);
    luaL_pushresult(&replacing.result);
    lua_pushinteger(L, count);
    return 2;
}

void rule_matching_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", find}, {"gmatch", gmatch}, {"gsub", gsub}, {"match", match}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
