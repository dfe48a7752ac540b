#include "script/rule_shape.h"

#include <stdarg.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_excerpt.h"

static const char *const rule_keys[] = {"locations", "companies", "outbound", "inbound", "report", "limits",
                                        "memory",    "needs",     "settings", "tests",   "name",   NULL};

/* Pushes the text; lua_error is for the caller. */
static void push_fault(lua_State *L, const char *const *keys, const char *what)
{
    const struct unit *unit = rule_state_of(L)->unit;
    int line = excerpt_line_of_keys(unit_source(unit), keys);
    if (line > 0)
        lua_pushfstring(L, "%s:%d: %s", unit->path, line, what);
    else
        lua_pushfstring(L, "%s: %s", unit->path, what);
}

int rule_shape_refuse(lua_State *L, const char *const *keys, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    push_fault(L, keys, lua_pushvfstring(L, format, arguments));
    va_end(arguments);
    return lua_error(L);
}

static int refuse_key(lua_State *L, const char *key, const char *what)
{
    const char *const keys[] = {key, NULL};
    push_fault(L, keys, what);
    return lua_error(L);
}

static bool is_among(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

#define KEYS_DEEPEST 4

static int refuse_unknown(lua_State *L, const char *const *keys, const char *what, const char *key,
                          const char *const *names)
{
    const char *path[KEYS_DEEPEST + 2] = {NULL};
    for (size_t i = 0; i < KEYS_DEEPEST && keys[i] != NULL; i++) {
        path[i] = keys[i];
        path[i + 1] = key;
    }
    if (keys[0] == NULL)
        path[0] = key;
    const char *nearest = text_suggest(key, names);
    const char *of = *what == '\0' ? "" : " of ";
    if (nearest != NULL)
        return rule_shape_refuse(L, path, "unknown key '%s'%s%s; did you mean '%s'?", key, of, what, nearest);
    return rule_shape_refuse(L, path, "unknown key '%s'%s%s", key, of, what);
}

void rule_shape_check_keys(lua_State *L, const char *const *keys, const char *what, const char *const *names)
{
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        if (key == NULL)
            rule_shape_refuse(L, keys, "the keys of %s must be names", *what == '\0' ? "the rules" : what);
        else if (!is_among(key, names))
            refuse_unknown(L, keys, what, key, names);
    }
}

static void check_function(lua_State *L, int rules, const char *key)
{
    int type = lua_getfield(L, rules, key);
    if (type != LUA_TNIL && type != LUA_TFUNCTION)
        refuse_key(L, key,
                   lua_pushfstring(L, "'%s' must be a function, not a %s", key, lua_typename(L, type)));
    lua_pop(L, 1);
}

#define IDS_MOST 10000 /* each is kept outside of the memory that limits the rules */
#define ID_LONGEST 100 /* bytes; GHL's have some twenty */

static void check_id(lua_State *L, const char *key)
{
    size_t length;
    const char *id = lua_tolstring(L, -1, &length);
    if (length > ID_LONGEST || strlen(id) != length)
        refuse_key(L, key,
                   lua_pushfstring(L, "'%s' has an id that is none: it is longer than %d bytes, or has a NUL",
                                   key, ID_LONGEST));
}

static void check_list(lua_State *L, int rules, const char *key)
{
    int type = lua_getfield(L, rules, key);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        refuse_key(L, key, lua_pushfstring(L, "'%s' must be a list of ids", key));
    lua_Integer length = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
    lua_Integer pairs = 0;
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -1) != LUA_TSTRING || !lua_isinteger(L, -2) || ++pairs > length)
            refuse_key(L, key, lua_pushfstring(L, "'%s' must be a list of ids in quotes", key));
        if (pairs > IDS_MOST)
            refuse_key(L, key, lua_pushfstring(L, "'%s' has more than %d ids", key, IDS_MOST));
        check_id(L, key);
    }
    lua_settop(L, rules);
}

static void check_tests(lua_State *L, int rules)
{
    int type = lua_getfield(L, rules, "tests");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        refuse_key(L, "tests",
                   lua_pushfstring(L, "'tests' must be a table of functions by name, not a %s",
                                   lua_typename(L, type)));
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        /* a name with a NUL would be cut where C reads it */
        if (lua_type(L, -2) != LUA_TSTRING || strlen(lua_tostring(L, -2)) != lua_rawlen(L, -2))
            refuse_key(L, "tests", "'tests' must be a table of functions by name: every key a text");
        if (!lua_isfunction(L, -1))
            refuse_key(L, "tests",
                       lua_pushfstring(L, "test \"%s\" must be a function, not a %s", lua_tostring(L, -2),
                                       luaL_typename(L, -1)));
    }
    lua_settop(L, rules);
}

void rule_shape_check(lua_State *L, struct rule_state *state)
{
    static const char *const nothing[] = {NULL};
    if (!lua_istable(L, -1))
        rule_shape_refuse(L, nothing, "must return a table of rules, not %s", luaL_typename(L, -1));
    int rules = lua_gettop(L);
    lua_pushnil(L);
    lua_setmetatable(L, rules);
    rule_shape_check_keys(L, nothing, "", rule_keys);
    check_list(L, rules, "locations");
    check_list(L, rules, "companies");
    for (const char *const *name = rule_function_names; *name != NULL; name++)
        check_function(L, rules, *name);
    check_tests(L, rules);
    rule_declarations_read(L, state);
}
