#include "script/copy.h"

#include <stdio.h>

#include <lauxlib.h>

#include "base/utf8.h"
#include "script/json.h"

#define COPY_DEEPEST 32
/* A value can be larger than the memory that holds it, where tables are shared. */
#define COPY_MOST_VALUES 100000
#define COPY_MOST_BYTES ((size_t)8 << 20)

struct copy {
    lua_State *from, *to;
    unsigned values;
    size_t bytes;
    const char *fault;
    const char *key; /* the outermost key under which the fault is; or NULL */
};

static bool copy_value(struct copy *copy, int index, unsigned depth);

static bool refuse(struct copy *copy, const char *fault)
{
    copy->fault = fault;
    return false;
}

static bool copy_text(struct copy *copy, int index)
{
    size_t length;
    const char *text = lua_tolstring(copy->from, index, &length);
    copy->bytes += length;
    if (copy->bytes > COPY_MOST_BYTES)
        return refuse(copy, "is too large");
    if (utf8_valid_prefix(text, length) != length)
        return refuse(copy, "is not valid UTF-8 (was it cut in the middle of a character?)");
    lua_pushlstring(copy->to, text, length);
    return true;
}

/* The pair on top of `from` into the table on top of `to`. */
static bool copy_pair(struct copy *copy, unsigned depth)
{
    int value = lua_gettop(copy->from), key = value - 1;
    if (lua_isinteger(copy->from, key)) {
        if (!copy_value(copy, value, depth))
            return false;
        lua_rawseti(copy->to, -2, lua_tointeger(copy->from, key));
        return true;
    }
    if (lua_type(copy->from, key) != LUA_TSTRING)
        return refuse(copy, "has a key that is neither a text nor an integer");
    if (!copy_text(copy, key))
        return false;
    if (!copy_value(copy, value, depth)) {
        lua_pop(copy->to, 1);
        copy->key = lua_tostring(copy->from, key);
        return false;
    }
    lua_rawset(copy->to, -3);
    return true;
}

static bool copy_table(struct copy *copy, int index, unsigned depth)
{
    if (depth == COPY_DEEPEST)
        return refuse(copy, "is nested too deeply (does a table contain itself?)");
    size_t length = lua_rawlen(copy->from, index);
    lua_createtable(copy->to, (int)(length < COPY_MOST_VALUES ? length : 0), length == 0 ? 8 : 0);
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
    if (++copy->values > COPY_MOST_VALUES)
        return refuse(copy, "holds too many values");
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
    case LUA_TFUNCTION:
        return refuse(copy, "is a function");
    default:
        return refuse(copy, "is neither text, number, boolean nor table");
    }
}

bool copy_plain(lua_State *from, int index, lua_State *to, char *reason, size_t reason_size)
{
    struct copy copy = {.from = from, .to = to};
    if (!lua_checkstack(from, 4 * COPY_DEEPEST) || !lua_checkstack(to, 4 * COPY_DEEPEST)) {
        snprintf(reason, reason_size, "is too large");
        return false;
    }
    if (copy_value(&copy, lua_absindex(from, index), 0))
        return true;
    if (copy.key != NULL)
        snprintf(reason, reason_size, ".%s %s", copy.key, copy.fault);
    else
        snprintf(reason, reason_size, " %s", copy.fault);
    return false;
}
