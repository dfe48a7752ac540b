/* Patterns: what find, match and gsub of rules answer within a budget, results and errors, is what Lua's own
 * do. The input is a pattern, a replacement and a subject, on lines of their own; the subject may have more.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/rule_library.h"
#include "script/rule_state.h"

#define MOST_STEPS \
    20000 /* where ours ends within these, Lua's own does too: it tries the same, in the same order */

static struct rule_state rules;
static const struct rule_limits limits = {.memory_bytes = 1 << 30, .ms = 60000, .instructions = MOST_STEPS};

enum { OURS = 1, PLAIN, PATTERN, REPLACEMENT, SUBJECT };

static lua_State *open_libraries(void)
{
    lua_State *L = luaL_newstate();
    *(struct rule_state **)lua_getextraspace(L) = &rules;
    for (int i = OURS; i <= PLAIN; i++) {
        lua_pushcfunction(L, luaopen_string);
        lua_call(L, 0, 1);
    }
    lua_pushvalue(L, OURS);
    rule_matching_open(L);
    lua_pop(L, 1);
    return L;
}

static void push_part(lua_State *L, const char **at, const char *end, bool last)
{
    const char *part_end = last ? NULL : memchr(*at, '\n', (size_t)(end - *at));
    if (part_end == NULL)
        part_end = end;
    lua_pushlstring(L, *at, (size_t)(part_end - *at));
    *at = part_end < end ? part_end + 1 : end;
}

/* Leaves the results, or the error, above `base`; returns their number and whether it went well in one. */
static int call(lua_State *L, int library, const char *name, int third)
{
    int base = lua_gettop(L);
    lua_getfield(L, library, name);
    lua_pushvalue(L, SUBJECT);
    lua_pushvalue(L, PATTERN);
    lua_pushvalue(L, third);
    bool ok = lua_pcall(L, 3, LUA_MULTRET, 0) == LUA_OK;
    int count = lua_gettop(L) - base;
    return ok ? count : -count;
}

static void compare(lua_State *L, const char *name, int third)
{
    int top = lua_gettop(L);
    rule_meter_begin(&rules.meter, L, &limits);
    int ours = call(L, OURS, name, third);
    rule_meter_end(&rules.meter);
    if (rules.meter.fault == RULE_WITHIN) {
        int plain = call(L, PLAIN, name, third), count = abs(ours);
        bool equal = ours == plain;
        for (int i = 1; i <= count && equal; i++)
            equal = lua_rawequal(L, top + i, top + count + i);
        if (!equal) {
            fprintf(stderr, "%s: %d results, Lua's %d; first %s and %s\n", name, ours, plain,
                    luaL_tolstring(L, top + 1, NULL), luaL_tolstring(L, top + count + 1, NULL));
            abort();
        }
    }
    lua_settop(L, top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    const char *at = (const char *)data, *end = at + size;
    if (size == 0)
        return 0;
    if (L == NULL)
        L = open_libraries();
    push_part(L, &at, end, false);
    push_part(L, &at, end, false);
    push_part(L, &at, end, true);
    lua_pushinteger(L, (lua_Integer)(size % 5) - 2);
    compare(L, "find", SUBJECT + 1);
    compare(L, "match", SUBJECT + 1);
    compare(L, "gsub", REPLACEMENT);
    lua_settop(L, PLAIN);
    return 0;
}
