/* The table that a rules file returns: its keys and their types. */
#include <ctype.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_state.h"
#include "script/state.h"

static const char *const rule_keys[] = {"locations", "companies", "outbound", "inbound", "report",
                                        "settings",  "tests",     "name",     NULL};

struct loading {
    struct rule_state *state;
    struct slice source;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The line where `key =` first stands, or 0. */
static int line_of_key(struct slice source, const char *key)
{
    size_t length = strlen(key);
    int line = 1;
    for (size_t i = 0; i + length <= source.length; i++) {
        if (source.data[i] == '\n')
            line++;
        if (memcmp(source.data + i, key, length) != 0 || (i > 0 && is_word(source.data[i - 1])))
            continue;
        size_t after = i + length;
        while (after < source.length && (source.data[after] == ' ' || source.data[after] == '\t'))
            after++;
        if (after < source.length && source.data[after] == '=')
            return line;
    }
    return 0;
}

static int refuse_key(lua_State *L, const struct loading *loading, const char *key, const char *what)
{
    int line = key == NULL ? 0 : line_of_key(loading->source, key);
    if (line > 0)
        lua_pushfstring(L, "%s:%d: %s", loading->state->unit->path, line, what);
    else
        lua_pushfstring(L, "%s: %s", loading->state->unit->path, what);
    return lua_error(L);
}

static void check_names(lua_State *L, const struct loading *loading, int rules)
{
    lua_pushnil(L);
    while (lua_next(L, rules)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        bool known = false;
        for (const char *const *name = rule_keys; *name != NULL && key != NULL; name++)
            known = known || strcmp(*name, key) == 0;
        if (key == NULL)
            refuse_key(L, loading, NULL, "the rules' keys must be names");
        const char *nearest = known ? NULL : text_suggest(key, rule_keys);
        if (nearest != NULL)
            refuse_key(L, loading, key,
                       lua_pushfstring(L, "unknown key '%s'; did you mean '%s'?", key, nearest));
        if (!known)
            refuse_key(L, loading, key, lua_pushfstring(L, "unknown key '%s'", key));
        lua_pop(L, 1);
    }
}

static void check_function(lua_State *L, const struct loading *loading, int rules, const char *key)
{
    int type = lua_getfield(L, rules, key);
    if (type != LUA_TNIL && type != LUA_TFUNCTION)
        refuse_key(L, loading, key,
                   lua_pushfstring(L, "'%s' must be a function, not a %s", key, lua_typename(L, type)));
    lua_pop(L, 1);
}

static void check_list(lua_State *L, const struct loading *loading, int rules, const char *key)
{
    int type = lua_getfield(L, rules, key);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        refuse_key(L, loading, key, lua_pushfstring(L, "'%s' must be a list of ids", key));
    lua_Integer length = type == LUA_TTABLE ? (lua_Integer)lua_rawlen(L, -1) : 0;
    lua_Integer pairs = 0;
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -1) != LUA_TSTRING || !lua_isinteger(L, -2) || ++pairs > length)
            refuse_key(L, loading, key, lua_pushfstring(L, "'%s' must be a list of ids in quotes", key));
    }
    lua_settop(L, rules);
}

static void check_tests(lua_State *L, const struct loading *loading, int rules)
{
    int type = lua_getfield(L, rules, "tests");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        refuse_key(L, loading, "tests",
                   lua_pushfstring(L, "'tests' must be a table of functions by name, not a %s",
                                   lua_typename(L, type)));
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        /* a name with a NUL would be cut where C reads it */
        if (lua_type(L, -2) != LUA_TSTRING || strlen(lua_tostring(L, -2)) != lua_rawlen(L, -2))
            refuse_key(L, loading, "tests", "'tests' must be a table of functions by name: every key a text");
        if (!lua_isfunction(L, -1))
            refuse_key(L, loading, "tests",
                       lua_pushfstring(L, "test \"%s\" must be a function, not a %s", lua_tostring(L, -2),
                                       luaL_typename(L, -1)));
    }
    lua_settop(L, rules);
}

void rule_shape_check(lua_State *L, struct rule_state *state, struct slice source)
{
    const struct loading shape = {state, source}, *loading = &shape;
    if (!lua_istable(L, -1))
        refuse_key(L, loading, NULL,
                   lua_pushfstring(L, "must return a table of rules, not %s", luaL_typename(L, -1)));
    int rules = lua_gettop(L);
    lua_pushnil(L);
    lua_setmetatable(L, rules);
    check_names(L, loading, rules);
    check_list(L, loading, rules, "locations");
    check_list(L, loading, rules, "companies");
    check_function(L, loading, rules, "outbound");
    check_function(L, loading, rules, "inbound");
    check_function(L, loading, rules, "report");
    check_tests(L, loading, rules);
}
