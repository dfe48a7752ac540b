#include "script/copy.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/json.h"
#include "script/rule_state.h"

#define KEY_LONGEST 40 /* bytes of a key that a reason shows */
/* Places made in advance. A table of 17 values can say that it is 65,536 long (1, 2, 4, 8, ... are set): who
 * is given it many times over must not make room for that each time. */
#define PLACES_IN_ADVANCE 64
#define CLOCK_TABLES 16 /* between two looks at the clock */

struct copy {
    lua_State *from, *to;
    struct copy_limits left;
    unsigned tables;
    int64_t until_us;
    bool whole; /* the fault is of a value as a whole: its outermost key says enough */
    char fault[80];
    char path[64]; /* to what is at fault, as Lua would write it */
};

static bool copy_value(struct copy *copy, int index, unsigned depth);

static bool refuse(struct copy *copy, const char *fault)
{
    snprintf(copy->fault, sizeof copy->fault, "%s", fault);
    return false;
}

static bool refuse_whole(struct copy *copy, const char *fault)
{
    copy->whole = true;
    return refuse(copy, fault);
}

static bool refuse_type(struct copy *copy, int index)
{
    snprintf(copy->fault, sizeof copy->fault, "a %s cannot be kept",
             lua_typename(copy->from, lua_type(copy->from, index)));
    return false;
}

/* The key is put in front: the path grows while the copy is given up, from the inside. */
static bool lead_path(struct copy *copy, int key)
{
    char whole[sizeof copy->path + KEY_LONGEST + 8], shown[KEY_LONGEST + 1] = "";
    size_t length = 0;
    if (copy->whole)
        copy->path[0] = '\0';
    if (lua_isinteger(copy->from, key)) {
        snprintf(whole, sizeof whole, "[%lld]%s", (long long)lua_tointeger(copy->from, key), copy->path);
    } else {
        const char *text = lua_tolstring(copy->from, key, &length);
        length = utf8_valid_prefix(text, length < KEY_LONGEST ? length : KEY_LONGEST);
        for (size_t i = 0; i < length; i++)
            shown[i] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
        snprintf(whole, sizeof whole, ".%s%s", shown, copy->path);
    }
    static const char ellipsis[] = "...";
    size_t room = sizeof copy->path - sizeof ellipsis;
    length = strlen(whole);
    bool cut = length > room;
    length = cut ? utf8_valid_prefix(whole, room) : length;
    snprintf(copy->path, sizeof copy->path, "%.*s%s", (int)length, whole, cut ? ellipsis : "");
    return false;
}

static bool copy_text(struct copy *copy, int index)
{
    size_t length;
    const char *text = lua_tolstring(copy->from, index, &length);
    if (length > copy->left.bytes)
        return refuse_whole(copy, "it is too large");
    copy->left.bytes -= length;
    if (copy->left.utf8 && utf8_valid_prefix(text, length) != length)
        return refuse(copy, "it is not valid UTF-8 (was it cut in the middle of a character?)");
    lua_pushlstring(copy->to, text, length);
    return true;
}

/* The pair on top of `from` into the table on top of `to`. */
static bool copy_pair(struct copy *copy, unsigned depth)
{
    int value = lua_gettop(copy->from), key = value - 1;
    if (lua_isinteger(copy->from, key)) {
        if (!copy_value(copy, value, depth))
            return lead_path(copy, key);
        lua_rawseti(copy->to, -2, lua_tointeger(copy->from, key));
        return true;
    }
    if (lua_type(copy->from, key) != LUA_TSTRING)
        return refuse(copy, "it has a key that is neither a text nor an integer");
    if (!copy_text(copy, key))
        return false;
    if (!copy_value(copy, value, depth)) {
        lua_pop(copy->to, 1);
        return lead_path(copy, key);
    }
    lua_rawset(copy->to, -3);
    return true;
}

/* Of few tables it does not ask the clock, which is a call of the kernel. */
static bool is_late(struct copy *copy)
{
    if (copy->left.ms == 0 || ++copy->tables % CLOCK_TABLES != 0)
        return false;
    int64_t now_us = rule_state_processor_us();
    if (copy->until_us == 0)
        copy->until_us = now_us + copy->left.ms * 1000;
    return now_us > copy->until_us;
}

static bool copy_table(struct copy *copy, int index, unsigned depth)
{
    if (depth == COPY_DEEPEST)
        return refuse_whole(copy, "it is nested too deeply (does a table contain itself?)");
    if (is_late(copy))
        return refuse_whole(copy, "it takes too long to read");
    size_t length = lua_rawlen(copy->from, index);
    lua_createtable(copy->to, (int)(length < PLACES_IN_ADVANCE ? length : PLACES_IN_ADVANCE),
                    length == 0 && depth < 2 ? 8 : 0);
    if (json_is_marked_array(copy->from, index))
        json_mark_array(copy->to);
    lua_pushnil(copy->from);
    while (lua_next(copy->from, index)) {
        if (!copy_pair(copy, depth + 1)) {
            lua_pop(copy->to, 1);
            return false;
        }
        lua_pop(copy->from, 1);
    }
    return true;
}

static bool copy_number(struct copy *copy, int index)
{
    if (lua_isinteger(copy->from, index))
        lua_pushinteger(copy->to, lua_tointeger(copy->from, index));
    else
        lua_pushnumber(copy->to, lua_tonumber(copy->from, index));
    return true;
}

static bool copy_value(struct copy *copy, int index, unsigned depth)
{
    if (copy->left.values-- == 0)
        return refuse_whole(copy, "it holds too many values");
    switch (lua_type(copy->from, index)) {
    case LUA_TNIL:
        lua_pushnil(copy->to);
        return true;
    case LUA_TBOOLEAN:
        lua_pushboolean(copy->to, lua_toboolean(copy->from, index));
        return true;
    case LUA_TNUMBER:
        return copy_number(copy, index);
    case LUA_TSTRING:
        return copy_text(copy, index);
    case LUA_TTABLE:
        return copy_table(copy, index, depth);
    case LUA_TLIGHTUSERDATA:
        lua_pushlightuserdata(copy->to, lua_touserdata(copy->from, index)); /* JSON's null: the only one */
        return true;
    default:
        return refuse_type(copy, index);
    }
}

bool copy_within(lua_State *from, int index, lua_State *to, const struct copy_limits *limits, char *reason,
                 size_t reason_size)
{
    struct copy copy = {.from = from, .to = to, .left = *limits};
    if (!lua_checkstack(from, 4 * COPY_DEEPEST) || !lua_checkstack(to, 4 * COPY_DEEPEST)) {
        snprintf(reason, reason_size, ": it is too large");
        return false;
    }
    if (copy_value(&copy, lua_absindex(from, index), 0))
        return true;
    snprintf(reason, reason_size, "%s: %s", copy.path, copy.fault);
    return false;
}

bool copy_plain(lua_State *from, int index, lua_State *to, char *reason, size_t reason_size)
{
    return copy_within(from, index, to, &COPY_MOST, reason, reason_size);
}
