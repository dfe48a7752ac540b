/* What rules get of Lua's library: no function of it works past the budget, and none tells what is different
 * each time. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "script/rule_state.h"

static const struct rule_limits limits = {
    .memory_bytes = (size_t)8 << 20, .ms = 200, .instructions = 2000000};

static struct unit_set *library;
static lua_State *host;

static int open_host(void **state)
{
    (void)state;
    library = unit_set_new(NULL, 0);
    host = luaL_newstate();
    return 0;
}

static int close_host(void **state)
{
    (void)state;
    unit_set_unref(library);
    lua_close(host);
    return 0;
}

static struct rule_state *load_text(const char *text)
{
    struct error error = {0};
    struct unit *unit = unit_compile("one", "agencies/one/rules.lua", slice_from(text), &error);
    if (unit == NULL)
        fail_msg("%s", error.message);
    struct rule_state *rules = rule_state_new(unit, library, &limits, &error);
    unit_unref(unit);
    if (rules == NULL)
        fail_msg("%s", error.message);
    return rules;
}

static struct rule_state *load(const char *body)
{
    char text[1000];
    snprintf(text, sizeof text,
             "return { locations = { 'a' }, outbound = function(message, context)\n%s\nend }", body);
    return load_text(text);
}

/* Calls outbound with a message; the decision is on top of `host`, or the reason is in `error`. */
static int call(struct rule_state *rules, struct error *error)
{
    lua_settop(host, 0);
    luaL_checkstack(host, 10, NULL);
    lua_newtable(host);
    lua_pushliteral(host, "+639171234567");
    lua_setfield(host, 1, "to");
    lua_pushliteral(host, "hello");
    lua_setfield(host, 1, "body");
    lua_newtable(host);
    return rule_call(rules, RULE_OUTBOUND, host, 1, 2, error);
}

static void assert_rejects(const char *body, const char *reason)
{
    struct error error = {0};
    struct rule_state *rules = load(body);
    if (call(rules, &error) != 0)
        fail_msg("%s: %s", body, error.message);
    lua_getfield(host, -1, "reason");
    assert_string_equal(lua_tostring(host, -1), reason);
    rule_state_free(rules);
}

#define BACKTRACKING "('a'):rep(300), '.-.-.-.-b'"
#define LIAR \
    "setmetatable({}, { __len = function() return 1 << 40 end, __index = rawlen, __newindex = rawequal })"

/* Each keeps Lua's own functions busy for seconds to ages, where no hook of Lua's sees it. */
static const char *const attacks[] = {
    "string.find(" BACKTRACKING ")",
    "string.match(" BACKTRACKING ")",
    "for _ in string.gmatch(" BACKTRACKING ") do end",
    "string.gsub(" BACKTRACKING ", '')",
    "return (('a'):rep(300)):find('.-.-.-.-b')",
    "while true do pcall(string.find, " BACKTRACKING ") end",
    "coroutine.wrap(string.find)(" BACKTRACKING ")",
    "string.find(('a'):rep(40), ('a?'):rep(40) .. ('a'):rep(40) .. 'b')",
    "string.find(('('):rep(100000), '%b()')",
    "string.find(('a'):rep(20000), '(a*)%1b')",
    "string.find(('a'):rep(100000), '[' .. ('b'):rep(100000) .. ']')",
    "local a, b = ('a'):rep(1e6), ('a'):rep(5e5) .. 'b' while true do a:find(b, 1, true) end",
    "string.rep('x', 1 << 40)",
    "string.rep('', 1e9, 'x')",
    "while true do pcall(string.rep, 'x', 5e6) end",
    "while true do pcall(string.pack, 'c2000000000', '') end",
    "local s = ('x'):rep(1e6) while true do s:upper() s:reverse() s:byte(1, 1000) end",
    "while true do ('%99.99f%99.99f%99.99f'):format(1e308, 1e308, 1e308) end",
    "local s = ('0'):rep(1e6) while true do tonumber(s) end",
    "local s = ('0'):rep(1e6) while true do local _ = s + 0 end",
    "local s = ('x'):rep(1e6) while true do utf8.len(s) utf8.offset(s, -1000) end",
    "local s = 'x' .. ('\\x80'):rep(1e6) while true do utf8.offset(s, 0, #s) end",
    "local f, s = utf8.codes('x' .. ('\\x80'):rep(1e6)) while true do f(s, 1) end",
    "table.move({}, 1, 1e9, 2)",
    "table.move({}, 1, math.maxinteger - 1, 2)",
    "table.insert(" LIAR ", 1, 5)",
    "table.remove(" LIAR ", 1)",
    "table.concat(" LIAR ")",
    "table.concat(setmetatable({}, { __index = function() return '' end }), '', 1, 1e9)",
    "table.sort(setmetatable({}, { __len = function() return 1 << 30 end, __index = rawlen, __newindex = "
    "rawequal }))",
    "local t = {} for i = 1, 1000 do t[i] = i end while true do table.sort(t, rawequal) end",
    "table.sort({ 1, 2, 3 }, function() while true do end end)",
    "while true do pcall(table.unpack, {}, 1, 2e5) end",
    "while true do pcall(table.unpack, {}, 1, 9e5) end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.pack(table.unpack(t)) end",
    "local t = {} for i = 1, 1e5 do t[i] = 65 end while true do string.char(table.unpack(t)) end",
    "local t = {} for i = 1, 1e5 do t[i] = 65 end while true do utf8.char(table.unpack(t)) end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do select(2, table.unpack(t)) end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do math.max(table.unpack(t)) end",
    "local t = {} for i = 1, 1e5 do t[i] = 1 end for i = 1, 1e5 do t[i] = nil end while true do next(t) end",
    "local t = {} for i = 1, 1e4 do t['k' .. i] = i end while true do pairs(t) end",
    "local a, b = ('a'):rep(1e6), ('a'):rep(1e6) while true do local _ = a == b or a < b end",
};

static void test_attacks_end_with_the_budget(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        struct error error = {0};
        struct rule_state *rules = load(attacks[i]);
        if (call(rules, &error) == 0)
            fail_msg("%s: it came to an end", attacks[i]);
        if (rules->meter.fault == RULE_WITHIN)
            fail_msg("%s: %s", attacks[i], error.message);
        if (getenv("TEST_TIMES") != NULL)
            print_message("%8lld us  %s\n", (long long)rules->meter.usage.us, attacks[i]);
        /* ten times the budget is where a watchdog would have to help */
        if (rules->meter.usage.us > limits.ms * 10000)
            fail_msg("%s: stopped after %lld us", attacks[i], (long long)rules->meter.usage.us);
        rule_state_free(rules);
    }
}

/* Reading a text of a megabyte as a number takes milliseconds: so much for sixty in a row, with no hook. */
static void test_large_values_are_watched_closely(void **state)
{
    (void)state;
    struct error error = {0};
    struct rule_state *rules =
        load_text("local digits = '0x' .. ('1'):rep(900000) .. '.5'\n"
                  "return { locations = { 'a' }, limits = { ms = 1 }, outbound = function(message)\n"
                  "for _ = 1, 60 do local _ = digits + 0 end return message end }");
    assert_int_equal(call(rules, &error), -1);
    assert_int_equal(rules->meter.fault, RULE_OVER_TIME);
    rule_state_free(rules);
}

/* One instruction, which takes time by the square of the stack's size: 20 s where memory alone ends it. */
static void test_a_call_that_calls_itself(void **state)
{
    (void)state;
    struct error error = {0};
    struct rule_state *rules =
        load_text("return { locations = { 'a' }, limits = { ms = 1 }, outbound = function(message)\n"
                  "local t = setmetatable({}, {}) getmetatable(t).__call = t pcall(t) return message end }");
    assert_int_equal(call(rules, &error), -1);
    assert_int_equal(rules->meter.fault, RULE_OVER_TIME);
    assert_true(rules->meter.usage.memory_bytes < limits.memory_bytes / 4);
    rule_state_free(rules);
}

static void test_nothing_is_made_in_no_time(void **state)
{
    (void)state;
    assert_rejects("return context.reject('[' .. string.rep('', 1 << 62) .. ']')", "[]");
    assert_rejects("return context.reject('[' .. ('x'):rep(-1) .. ']')", "[]");
}

static void test_addresses_are_not_told(void **state)
{
    (void)state;
    assert_rejects("return context.reject(tostring({}) .. ' ' .. tostring(print or next))", "table function");
    assert_rejects("return context.reject(('%s %s %5s'):format({}, next, 'x'))", "table function     x");
    assert_rejects("return context.reject(select(2, pcall(string.format, '%5p', {})))",
                   "invalid conversion '%p' to 'format'");
    assert_rejects(
        "return context.reject(tostring(setmetatable({}, { __tostring = function() return 'mine' end })))",
        "mine");
}

static void test_equals_stay_in_order(void **state)
{
    (void)state;
    assert_rejects(
        "local t, out = {}, {}\n"
        "for i = 1, 300 do t[i] = { i % 3, i } end\n"
        "table.sort(t, function(a, b) return a[1] < b[1] end)\n"
        "for i = 2, 300 do\n"
        "  if t[i][1] == t[i - 1][1] and t[i][2] < t[i - 1][2] then return context.reject 'no' end\n"
        "end\n"
        "return context.reject(t[1][2] .. ' ' .. t[300][2])",
        "3 299");
    assert_rejects("local t = { 3, 1, {}, 2 }\n"
                   "pcall(table.sort, t)\n"
                   "return context.reject(t[1] .. t[2] .. t[4])",
                   "312");
}

static void test_pairs_has_an_order(void **state)
{
    (void)state;
    assert_rejects(
        "local t, out = { 'one', 'two' }, {}\n"
        "for i = 1, 12 do t['k' .. i * 7 % 12] = i t[i * 5] = i end\n"
        "t[true], t[false], t[1.5], t[-3] = 1, 1, 1, 1\n"
        "for k, v in pairs(t) do\n"
        "  if v ~= t[k] then return context.reject 'another value' end\n"
        "  out[#out + 1] = tostring(k)\n"
        "end\n"
        "return context.reject(table.concat(out, ' '))",
        "-3 1 1.5 2 5 10 15 20 25 30 35 40 45 50 55 60 k0 k1 k10 k11 k2 k3 k4 k5 k6 k7 k8 k9 false true");
    assert_rejects("local t, out = { a = 1, b = 2, c = 3, 4 }, {}\n"
                   "for k in pairs(t) do t[k], t.b = nil, nil out[#out + 1] = k end\n"
                   "return context.reject(table.concat(out, ' ') .. tostring(next(t)))",
                   "1 a cnil");
    assert_rejects(
        "local t, out = setmetatable({}, { __pairs = function(t) return next, { 7 }, nil end }), {}\n"
        "for k, v in pairs(t) do out[#out + 1] = v end\n"
        "return context.reject(table.concat(out, ' '))",
        "7");
    assert_rejects("return context.reject(select(2, pcall(pairs, 5)))",
                   "bad argument #1 to '?' (table expected, got number)");
}

/* ---- every C function that a rule reaches, and what bounds it ---- */

#define ONCE "does one thing"
#define READS "reads its arguments once, which the hook's interval is made for (rule_limits.c)"
#define CALLS "calls what it is given, which is counted"
#define CHARGES "charges its steps"
#define BYTES "charges its bytes or values"

static const struct {
    const char *name, *bound;
} reachable[] = {
    {"assert", READS},
    {"coroutine.close", CALLS},
    {"coroutine.create", CHARGES},
    {"coroutine.isyieldable", ONCE},
    {"coroutine.resume", CALLS},
    {"coroutine.running", ONCE},
    {"coroutine.status", ONCE},
    {"coroutine.wrap", CHARGES},
    {"coroutine.yield", ONCE},
    {"error", ONCE},
    {"getmetatable", ONCE},
    {"ipairs", ONCE},
    {"math.abs", ONCE},
    {"math.acos", ONCE},
    {"math.asin", ONCE},
    {"math.atan", ONCE},
    {"math.atan2", ONCE},
    {"math.ceil", ONCE},
    {"math.cos", ONCE},
    {"math.cosh", ONCE}, /* this one, and others like it, only where Lua was built with what it had before */
    {"math.deg", ONCE},
    {"math.exp", ONCE},
    {"math.frexp", ONCE},
    {"math.floor", ONCE},
    {"math.fmod", ONCE},
    {"math.ldexp", ONCE},
    {"math.log", ONCE},
    {"math.log10", ONCE},
    {"math.max", READS},
    {"math.min", READS},
    {"math.modf", ONCE},
    {"math.pow", ONCE},
    {"math.rad", ONCE},
    {"math.sin", ONCE},
    {"math.sinh", ONCE},
    {"math.sqrt", ONCE},
    {"math.tan", ONCE},
    {"math.tanh", ONCE},
    {"math.tointeger", READS},
    {"math.type", ONCE},
    {"math.ult", ONCE},
    {"next", "goes over the places of a table once at most, as READS"},
    {"pairs", CHARGES},
    {"pcall", CALLS},
    {"rawequal", READS},
    {"rawget", ONCE},
    {"rawlen", ONCE},
    {"require", "loads each file of the library once"},
    {"select", BYTES},
    {"setmetatable", ONCE},
    {"string.byte", BYTES},
    {"string.char", BYTES},
    {"string.find", CHARGES},
    {"string.format", BYTES},
    {"string.gmatch", CHARGES},
    {"string.gsub", CHARGES},
    {"string.len", ONCE},
    {"string.lower", BYTES},
    {"string.match", CHARGES},
    {"string.pack", BYTES},
    {"string.packsize", BYTES},
    {"string.rep", BYTES},
    {"string.reverse", BYTES},
    {"string.sub", BYTES},
    {"string.unpack", BYTES},
    {"string.upper", BYTES},
    {"table.concat", CHARGES},
    {"table.insert", CHARGES},
    {"table.move", CHARGES},
    {"table.pack", READS},
    {"table.remove", CHARGES},
    {"table.sort", CHARGES},
    {"table.unpack", BYTES},
    {"tonumber", BYTES},
    {"tostring", "calls __tostring, which is counted, or makes some bytes"},
    {"type", ONCE},
    {"utf8.char", BYTES},
    {"utf8.codepoint", BYTES},
    {"utf8.codes", "its iterator reads its text once, as READS"},
    {"utf8.len", BYTES},
    {"utf8.offset", BYTES},
};

static unsigned check_functions(lua_State *L, const char *prefix)
{
    unsigned found = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        char name[80];
        size_t i = 0;
        snprintf(name, sizeof name, "%s%s", prefix, lua_tostring(L, -2));
        if (lua_istable(L, -1) && prefix[0] == '\0' && strcmp(name, "_G") != 0) {
            strcat(name, ".");
            found += check_functions(L, name);
        }
        if (!lua_isfunction(L, -1))
            continue;
        while (i < sizeof reachable / sizeof *reachable && strcmp(reachable[i].name, name) != 0)
            i++;
        if (i == sizeof reachable / sizeof *reachable)
            fail_msg("nothing says what bounds %s", name);
        found++;
    }
    return found;
}

static void test_every_function_is_known(void **state)
{
    (void)state;
    struct rule_state *rules = load("return message");
    lua_rawgeti(rules->L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    assert_true(check_functions(rules->L, "") > 60);
    rule_state_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attacks_end_with_the_budget),
        cmocka_unit_test(test_large_values_are_watched_closely),
        cmocka_unit_test(test_a_call_that_calls_itself),
        cmocka_unit_test(test_nothing_is_made_in_no_time),
        cmocka_unit_test(test_addresses_are_not_told),
        cmocka_unit_test(test_equals_stay_in_order),
        cmocka_unit_test(test_pairs_has_an_order),
        cmocka_unit_test(test_every_function_is_known),
    };
    return cmocka_run_group_tests(tests, open_host, close_host);
}
