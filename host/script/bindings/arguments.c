/* host.arguments: how the rules' library refuses wrong arguments; also for rule states, so it uses nothing of
 * the host. Errors point at the line that called the library. */
#include <string.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"

#define CALLER_OF_LIBRARY 2 /* level 1 is the function of the library that asks */

#define NAMES_MOST 64 /* of a table that a hint is made of; of more there is none */

struct names {
    const char *items[NAMES_MOST + 1]; /* ends with NULL */
};

static void insert(struct names *names, size_t count, const char *name)
{
    size_t i = count;
    for (; i > 0 && strcmp(names->items[i - 1], name) > 0; i--)
        names->items[i] = names->items[i - 1];
    names->items[i] = name;
}

/* The keys of the table at `index` that are texts, sorted; borrowed while the table holds them. None where
 * the table has more than NAMES_MOST keys. */
static void gather(lua_State *L, int index, struct names *names)
{
    size_t count = 0, keys = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (keys++ == NAMES_MOST) {
            lua_pop(L, 1);
            count = 0;
            break;
        }
        if (lua_type(L, -1) == LUA_TSTRING)
            insert(names, count++, lua_tostring(L, -1));
    }
    names->items[count] = NULL;
}

/* "; did you mean 'x'?", or what there is. */
static void push_hint(lua_State *L, const char *word, const char *const *names)
{
    const char *nearest = text_suggest(word, names);
    luaL_Buffer text;
    if (nearest != NULL) {
        lua_pushfstring(L, "; did you mean '%s'?", nearest);
        return;
    }
    luaL_buffinit(L, &text);
    for (size_t i = 0; names[i] != NULL; i++) {
        luaL_addstring(&text, i == 0 ? "; there is " : ", ");
        luaL_addstring(&text, names[i]);
    }
    luaL_pushresult(&text);
}

static int fail(lua_State *L, const char *function, const char *what)
{
    luaL_where(L, CALLER_OF_LIBRARY);
    lua_pushfstring(L, "%s%s: %s", lua_tostring(L, -1), function, what);
    return lua_error(L);
}

static bool has_type(lua_State *L, int index, struct slice type)
{
    if (slice_equal(type, slice_from("integer")))
        return lua_isinteger(L, index);
    return slice_equal(type, slice_from(luaL_typename(L, index)));
}

/* The field's value is on top; `expected` is "integer", or "integer!" where it is needed. */
static void check_field(lua_State *L, const char *function, const char *name, const char *expected)
{
    size_t length = strlen(expected);
    bool needed = length > 0 && expected[length - 1] == '!';
    struct slice type = {expected, length - needed};
    if (lua_isnil(L, -1)) {
        if (needed)
            fail(L, function, lua_pushfstring(L, "option '%s' is missing", name));
    } else if (!has_type(L, -1, type)) {
        lua_pushlstring(L, type.data, type.length);
        fail(L, function,
             lua_pushfstring(L, "option '%s' must be of type %s, not %s", name, lua_tostring(L, -1),
                             lua_isnumber(L, -2) && !lua_isinteger(L, -2) ? "float" : luaL_typename(L, -2)));
    }
}

static void refuse_unknown(lua_State *L, const char *function, int options, const char *const *names)
{
    for (lua_pushnil(L); lua_next(L, options); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            fail(L, function,
                 lua_pushfstring(L, "option keys must be names, not a %s", luaL_typename(L, -2)));
        const char *name = lua_tostring(L, -2);
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0)
            i++;
        if (names[i] != NULL)
            continue;
        push_hint(L, name, names);
        fail(L, function, lua_pushfstring(L, "unknown option '%s'%s", name, lua_tostring(L, -1)));
    }
}

static int options(lua_State *L)
{
    const char *function = luaL_checkstring(L, 1);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    } else if (!lua_istable(L, 2)) {
        return fail(L, function, lua_pushfstring(L, "options are a table, not a %s", luaL_typename(L, 2)));
    }
    struct names names;
    gather(L, 3, &names);
    refuse_unknown(L, function, 2, names.items);
    for (const char *const *name = names.items; *name != NULL; name++) {
        lua_getfield(L, 3, *name);
        const char *expected = lua_tostring(L, -1);
        lua_getfield(L, 2, *name);
        check_field(L, function, *name, expected == NULL ? "" : expected);
        lua_pop(L, 2);
    }
    lua_pushvalue(L, 2);
    return 1;
}

static int hint(lua_State *L)
{
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct names names;
    gather(L, 2, &names);
    push_hint(L, word, names.items);
    return 1;
}

int binding_open_arguments(lua_State *L)
{
    static const luaL_Reg functions[] = {{"options", options}, {"hint", hint}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
