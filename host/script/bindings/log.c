/* host.log */
#include <lauxlib.h>

#include "base/log.h"
#include "script/bindings/bindings.h"
#include "script/thread.h"

#define FIELDS_MOST 24 /* of the script's own; three more are the host's */

static struct log_field field_of(lua_State *L, const char *name, int index)
{
    struct log_field field = {.name = name};
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        field.type = LOG_BOOLEAN;
        field.number = lua_toboolean(L, index);
        return field;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            field.type = LOG_NUMBER;
            field.number = lua_tointeger(L, index);
            return field;
        }
        break;
    case LUA_TSTRING:
        break;
    default:
        luaL_error(L, "field '%s' must be a string, a number or a boolean, not a %s", name,
                   luaL_typename(L, index));
    }
    field.type = LOG_TEXT;
    field.text.data = luaL_tolstring(L, index, &field.text.length); /* stays on the stack until the write */
    return field;
}

static size_t gather_fields(lua_State *L, int table, struct log_field *fields)
{
    size_t count = 0;
    luaL_checkstack(L, 3 * FIELDS_MOST + 8, NULL);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "the fields' keys must be names");
        if (count == FIELDS_MOST)
            luaL_error(L, "more than %d fields", FIELDS_MOST);
        int value = lua_gettop(L);
        fields[count] = field_of(L, lua_tostring(L, value - 1), value);
        count++;
        /* The key goes on top again for the next round; texts stay below it. */
        lua_pushvalue(L, value - 1);
    }
    return count;
}

static size_t add_origin(lua_State *L, struct log_field *fields, size_t count)
{
    const struct script_coroutine *coroutine = coroutine_running(L);
    if (coroutine == NULL)
        return count;
    if (coroutine->subject_field[0] != '\0')
        fields[count++] = LOG_FIELD_TEXT(coroutine->subject_field, coroutine->subject);
    if (coroutine->generation != NULL)
        fields[count++] = LOG_FIELD_TEXT("generation", coroutine->generation->id);
    return count;
}

static int write_line(lua_State *L, enum log_level level)
{
    struct log_field fields[FIELDS_MOST + 2];
    size_t count = 0;
    const char *event = luaL_checkstring(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    if (!log_enabled(level))
        return 0;
    lua_settop(L, 2);
    if (lua_istable(L, 2))
        count = gather_fields(L, 2, fields);
    count = add_origin(L, fields, count);
    log_write(level, event, fields, count);
    return 0;
}

static int debug(lua_State *L)
{
    return write_line(L, LOG_DEBUG);
}

static int info(lua_State *L)
{
    return write_line(L, LOG_INFO);
}

static int warn(lua_State *L)
{
    return write_line(L, LOG_WARN);
}

static int error(lua_State *L)
{
    return write_line(L, LOG_ERROR);
}

int binding_open_log(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"debug", debug}, {"error", error}, {"info", info}, {"warn", warn}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
