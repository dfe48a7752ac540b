/* What a rules file declares: `limits`, `memory`, `needs`. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/zone.h"
#include "script/rule_shape.h"

#define NAME_LONGEST 40 /* of a name of memory, bytes: it is part of keys in the store */
#define TTL_LONGEST_DAYS 400

/* ---- limits ---- */

static int64_t read_limit(lua_State *L, const char *name)
{
    const char *const keys[] = {"limits", name, NULL};
    int type = lua_getfield(L, -1, name);
    lua_Integer limit = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (type != LUA_TNIL && limit < 1)
        rule_shape_refuse(L, keys, "limits.%s must be a whole number from 1 up, not %s", name,
                          luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return limit;
}

static void read_limits(lua_State *L, struct own_limits *limits)
{
    static const char *const keys[] = {"limits", NULL};
    static const char *const names[] = {"ms", "instructions", "memory_bytes", NULL};
    int type = lua_getfield(L, -1, "limits");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        rule_shape_refuse(L, keys, "'limits' must be a table such as { ms = 5 }, not a %s",
                          lua_typename(L, type));
    if (type == LUA_TTABLE) {
        rule_shape_check_keys(L, keys, "limits", names);
        limits->ms = read_limit(L, "ms");
        limits->instructions = read_limit(L, "instructions");
        limits->memory_bytes = read_limit(L, "memory_bytes");
    }
    lua_pop(L, 1);
}

/* ---- needs ---- */

static void read_needs(lua_State *L, struct declarations *declarations)
{
    static const char *const keys[] = {"needs", NULL};
    static const char *const names[] = {"contact", NULL};
    int rules = lua_gettop(L), type = lua_getfield(L, -1, "needs");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        rule_shape_refuse(L, keys, "'needs' must be a list such as { \"contact\" }, not a %s",
                          lua_typename(L, type));
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        const char *need = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
        if (need == NULL || !lua_isinteger(L, -2))
            rule_shape_refuse(L, keys, "'needs' must be a list of names in quotes: { \"contact\" }");
        else if (strcmp(need, names[0]) != 0)
            rule_shape_refuse(L, keys, "nothing called '%s' can be needed; there is 'contact'", need);
        declarations->contact = true;
    }
    lua_settop(L, rules);
}

/* ---- memory ---- */

/* One name of `memory`, its table being on top. */
struct reading {
    lua_State *L;
    const char *name;
};

static int refuse(const struct reading *reading, const char *key, const char *what)
{
    const char *const keys[] = {"memory", reading->name, key, NULL};
    return rule_shape_refuse(reading->L, keys, "memory.%s%s", reading->name, what);
}

/* The text at `key`, left on the stack; NULL where it is absent. */
static const char *push_text(const struct reading *reading, const char *key)
{
    lua_State *L = reading->L;
    int type = lua_getfield(L, -1, key);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        refuse(reading, key,
               lua_pushfstring(L, "'s %s must be a text, not a %s", key, lua_typename(L, type)));
    return type == LUA_TNIL ? NULL : lua_tostring(L, -1);
}

static const char *list_names(lua_State *L, const char *const *names)
{
    luaL_Buffer list;
    luaL_buffinit(L, &list);
    for (size_t i = 0; names[i] != NULL; i++) {
        luaL_addstring(&list, i == 0 ? "\"" : names[i + 1] == NULL ? " or \"" : ", \"");
        luaL_addstring(&list, names[i]);
        luaL_addstring(&list, "\"");
    }
    luaL_pushresult(&list);
    return lua_tostring(L, -1);
}

/* The one of `names` that is written at `key`. */
static const char *read_choice(const struct reading *reading, const char *key, const char *const *names)
{
    lua_State *L = reading->L;
    int top = lua_gettop(L);
    const char *text = push_text(reading, key);
    for (size_t i = 0; text != NULL && names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0) {
            lua_settop(L, top);
            return names[i];
        }
    }
    const char *nearest = text == NULL ? NULL : text_suggest(text, names);
    const char *expected = list_names(L, names);
    if (text == NULL)
        refuse(reading, key, lua_pushfstring(L, " needs %s = %s", key, expected));
    else if (nearest != NULL)
        refuse(reading, key,
               lua_pushfstring(L, "'s %s cannot be \"%s\"; did you mean \"%s\"?", key, text, nearest));
    else
        refuse(reading, key, lua_pushfstring(L, "'s %s must be %s, not \"%s\"", key, expected, text));
    return NULL;
}

static void refuse_where_given(const struct reading *reading, const char *key, const char *why)
{
    if (lua_getfield(reading->L, -1, key) != LUA_TNIL)
        refuse(reading, key, why);
    lua_pop(reading->L, 1);
}

/* "90s", "15m", "12h", "30d" in ms, or 0. */
static int64_t parse_ttl(const char *text)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    if (*text < '1' || *text > '9')
        return 0;
    long long count = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*end == units[i].unit && end[1] == '\0' && count <= TTL_LONGEST_DAYS * units[3].ms / units[i].ms)
            return count * units[i].ms;
    }
    return 0;
}

static int64_t read_ttl(const struct reading *reading)
{
    lua_State *L = reading->L;
    const char *text = push_text(reading, "ttl");
    if (text == NULL)
        refuse(reading, "ttl", " needs a ttl: for how long a value is kept, such as \"12h\"");
    int64_t ms = text == NULL ? 0 : parse_ttl(text);
    if (ms == 0)
        refuse(reading, "ttl",
               lua_pushfstring(L,
                               "'s ttl must be a time such as \"90s\", \"15m\", \"12h\" or \"30d\" (%d days "
                               "at most), not \"%s\"",
                               TTL_LONGEST_DAYS, text));
    lua_pop(L, 1);
    return ms;
}

static char *read_zone(const struct reading *reading)
{
    struct zone_civil civil;
    const char *zone = push_text(reading, "zone"), *why;
    if (zone != NULL && zone_civil_at(zone, 0, &civil, &why) != 0)
        refuse(reading, "zone", lua_pushfstring(reading->L, "'s zone: %s", why));
    char *kept = text_duplicate(zone == NULL ? "UTC" : zone);
    lua_pop(reading->L, 1);
    return kept;
}

static void read_counter(const struct reading *reading, struct memory_declaration *memory)
{
    static const char *const windows[] = {"hour", "day", "week", "month", NULL};
    refuse_where_given(reading, "ttl", "'s ttl is for values; a counter has a window");
    memory->window = read_choice(reading, "window", windows);
    memory->zone = read_zone(reading);
}

static void read_value(const struct reading *reading, struct memory_declaration *memory)
{
    refuse_where_given(reading, "window", "'s window is for counters; a value has a ttl");
    refuse_where_given(reading, "zone", "'s zone is for counters; a value has a ttl");
    memory->ttl_ms = read_ttl(reading);
}

static bool is_name(const char *text, size_t length)
{
    bool good = length > 0 && length <= NAME_LONGEST && *text >= 'a' && *text <= 'z';
    for (size_t i = 0; good && i < length; i++)
        good = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '_';
    return good;
}

/* The key and its table are on top. */
static void read_memory(lua_State *L, struct declarations *declarations)
{
    static const char *const kinds[] = {"counter", "value", NULL};
    static const char *const owners[] = {"contact", "number", "location", "agency", NULL};
    static const char *const names[] = {"kind", "per", "window", "zone", "ttl", NULL};
    static const char *const all[] = {"memory", NULL};
    size_t length = 0;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &length) : NULL;
    if (name == NULL || !is_name(name, length))
        rule_shape_refuse(L, all, "a name of memory must be lower case letters, digits and '_', not '%s'",
                          luaL_tolstring(L, -2, NULL));
    const struct reading reading = {L, name};
    const char *const keys[] = {"memory", name, NULL};
    if (!lua_istable(L, -1))
        refuse(&reading, NULL,
               lua_pushfstring(L,
                               " must be a table such as { kind = \"value\", per = \"contact\", ttl = "
                               "\"12h\" }, not a %s",
                               luaL_typename(L, -1)));
    const char *what = lua_pushfstring(L, "memory.%s", name);
    lua_insert(L, -2); /* below its table */
    rule_shape_check_keys(L, keys, what, names);
    lua_remove(L, -2);
    struct memory_declaration *memory = &declarations->memory[declarations->memory_count++];
    *memory = (struct memory_declaration){.name = text_duplicate(name)};
    memory->counter = read_choice(&reading, "kind", kinds) == kinds[0];
    memory->per = read_choice(&reading, "per", owners);
    if (memory->counter)
        read_counter(&reading, memory);
    else
        read_value(&reading, memory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct memory_declaration *)a)->name, ((const struct memory_declaration *)b)->name);
}

static void read_memories(lua_State *L, struct declarations *declarations, size_t most)
{
    static const char *const keys[] = {"memory", NULL};
    int rules = lua_gettop(L), type = lua_getfield(L, -1, "memory");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        rule_shape_refuse(L, keys, "'memory' must be a table of declarations by name, not a %s",
                          lua_typename(L, type));
    if (type == LUA_TTABLE)
        declarations->memory = memory_allocate(most * sizeof *declarations->memory);
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        if (declarations->memory_count == most)
            rule_shape_refuse(L, keys, "'memory' has more than %d names", (int)most);
        read_memory(L, declarations);
    }
    if (declarations->memory_count > 0)
        qsort(declarations->memory, declarations->memory_count, sizeof *declarations->memory, by_name);
    lua_settop(L, rules);
}

void rule_declarations_read(lua_State *L, struct rule_state *state)
{
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    read_limits(L, &state->declarations.limits);
    read_needs(L, &state->declarations);
    state->declarations.report = lua_getfield(L, -1, "report") == LUA_TFUNCTION;
    lua_pop(L, 1);
    read_memories(L, &state->declarations, state->limits.names);
}
