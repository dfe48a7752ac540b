/* The matcher of rules: what matches, what it charges, and that it, and the rest of the library of rules,
 * answer as Lua's own do. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/pattern.h"
#include "script/rule_library.h"
#include "script/rule_state.h"

static uint64_t charged;
static uint64_t most;
static jmp_buf enough;

static void charge(void *argument, uint64_t steps)
{
    (void)argument;
    charged += steps;
    if (charged > most)
        longjmp(enough, 1);
}

static struct pattern pattern_of(const char *subject, const char *items)
{
    charged = 0;
    most = UINT64_MAX;
    return (struct pattern){.subject = slice_from(subject), .items = slice_from(items), .charge = charge};
}

static const struct {
    const char *subject, *items;
    int start, end;    /* -1: no match; the fault is in `first` where end is -2 */
    const char *first; /* capture */
} cases[] = {
    {"hello world", "wor", 6, 9, "wor"},
    {"hello world", "o wx?", 4, 7, "o w"},
    {"hello", "l*", 0, 0, ""},
    {"hello", "l+", 2, 4, "ll"},
    {"hello", "l-o", 2, 5, "llo"},
    {"hello", "(h)(.)%2", -1, -1, NULL},
    {"hello", "(l)%1", 2, 4, "l"},
    {"hello", "()ll()", 2, 4, NULL},
    {"hello", "lo$", 3, 5, "lo"},
    {"lo$lo", "lo$", 3, 5, "lo"},
    {"a$b", "a$b", 0, 3, "a$b"},
    {"key = value", "(%w+)%s*=%s*(%w+)", 0, 11, "key"},
    {"f(a(b)c)d", "%b()", 1, 8, "(a(b)c)"},
    {"f(a(b", "%b()", -1, -1, NULL},
    {"THE (quick) fox", "%f[%a]%a+%f[%A]", 0, 3, "THE"},
    {"the fox", "%f[%z]", 7, 7, ""},
    {"2024-05-17", "^(%d%d%d%d)-(%d%d)-(%d%d)$", -1, -1, NULL}, /* the anchor is the caller's */
    {"a]b", "[]]", 1, 2, "]"},
    {"a-b", "[a-]+", 0, 2, "a-"},
    {"xyz", "[^x-y]", 2, 3, "z"},
    {"", "", 0, 0, ""},
    {"", ".", -1, -1, NULL},
    {"ab", "a?ab", 0, 2, "ab"},
    {"ab", "[a", -2, -2, "malformed pattern (missing ']')"},
    {"ab", "a%", -2, -2, "malformed pattern (ends with '%')"},
    {"ab", "%ba", -2, -2, "malformed pattern (missing arguments to '%b')"},
    {"ab", "%fa", -2, -2, "missing '[' after '%f' in pattern"},
    {"ab", "a)", -2, -2, "invalid pattern capture"},
    {"ab", "(a%1)", -2, -2, "invalid capture index %1"},
    {"ab", "%0", -2, -2, "invalid capture index %0"},
    {"ab", "x[", -1, -1, NULL}, /* it is never read so far */
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t start = 0, end = 0;
        struct pattern pattern = pattern_of(cases[i].subject, cases[i].items);
        enum pattern_result result = pattern_search(&pattern, 0, &start, &end);
        struct pattern_capture capture;
        if (result == PATTERN_FAULT) {
            assert_int_equal(cases[i].end, -2);
            assert_string_equal(pattern.fault, cases[i].first);
        } else if (result == PATTERN_NONE) {
            if (cases[i].end != -1)
                fail_msg("\"%s\" did not match \"%s\"", cases[i].items, cases[i].subject);
        } else {
            if ((int)start != cases[i].start || (int)end != cases[i].end)
                fail_msg("\"%s\" in \"%s\": %zu to %zu", cases[i].items, cases[i].subject, start, end);
            assert_true(pattern_capture(&pattern, 0, start, end, &capture));
            if (cases[i].first == NULL)
                assert_int_equal(capture.length, PATTERN_POSITION);
            else if ((size_t)capture.length != strlen(cases[i].first) ||
                     memcmp(capture.start, cases[i].first, (size_t)capture.length) != 0)
                fail_msg("\"%s\" took \"%.*s\"", cases[i].items, (int)capture.length, capture.start);
        }
    }
}

static void test_captures_that_are_not_there(void **state)
{
    (void)state;
    size_t start, end;
    struct pattern_capture capture;
    struct pattern pattern = pattern_of("abc", "(a)(b");
    assert_int_equal(pattern_search(&pattern, 0, &start, &end), PATTERN_FOUND);
    assert_false(pattern_capture(&pattern, 1, start, end, &capture));
    assert_string_equal(pattern.fault, "unfinished capture");
    assert_false(pattern_capture(&pattern, 2, start, end, &capture));
    assert_string_equal(pattern.fault, "invalid capture index %3");
}

/* Whether it ends within so many steps. */
static bool ends_within(const char *subject, const char *items, uint64_t steps)
{
    size_t start, end;
    struct pattern pattern = pattern_of(subject, items);
    most = steps;
    if (setjmp(enough) != 0)
        return false;
    pattern_search(&pattern, 0, &start, &end);
    return true;
}

static void test_every_loop_is_charged(void **state)
{
    (void)state;
    static char long_text[100001], pairs[100001];
    static char set[10004];
    memset(long_text, 'a', sizeof long_text - 1);
    for (size_t i = 0; i < sizeof pairs - 1; i++)
        pairs[i] = '(';
    memset(set, 'b', sizeof set - 1);
    set[0] = '[';
    set[sizeof set - 3] = ']';
    set[sizeof set - 2] = '\0';
    assert_true(ends_within(long_text, "a*", 200000));
    assert_false(ends_within(long_text, ".-.-.-.-b", 1000000));
    assert_false(ends_within(long_text, ".*.*.*b", 1000000));
    assert_false(ends_within(long_text, "a-b", 1000000));
    assert_false(ends_within(long_text, "(a*)%1b", 1000000));
    assert_false(ends_within(pairs, "%b()", 1000000));
    assert_false(ends_within(long_text, set, 1000000));
    assert_false(ends_within(long_text + sizeof long_text - 31,
                             "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?b", 1000000));
}

/* ---- beside Lua's own ---- */

static void push_library(lua_State *L, const char *name, lua_CFunction open,
                         void (*const bound[])(lua_State *))
{
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    for (; *bound != NULL; bound++)
        (*bound)(L);
    lua_setfield(L, -2, name);
}

static void push_ours(lua_State *L)
{
    lua_newtable(L);
    push_library(L, "string", luaopen_string,
                 (void (*const[])(lua_State *)){rule_matching_open, rule_strings_open, NULL});
    push_library(L, "table", luaopen_table, (void (*const[])(lua_State *)){rule_tables_open, NULL});
    push_library(L, "utf8", luaopen_utf8, (void (*const[])(lua_State *)){rule_utf8_open, NULL});
}

static void push_plain(lua_State *L)
{
    static void (*const nothing[])(lua_State *) = {NULL};
    lua_newtable(L);
    push_library(L, "string", luaopen_string, nothing);
    push_library(L, "table", luaopen_table, nothing);
    push_library(L, "utf8", luaopen_utf8, nothing);
}

#ifdef __SANITIZE_THREAD__ /* each error that Lua raises makes its stacks longer, and all that follows \
                              slower */
#define ROUNDS 300
#else
#define ROUNDS 4000
#endif

static void test_agrees_with_lua(void **state)
{
    (void)state;
    static struct rule_state rules; /* outside of a call: nothing is counted */
    lua_State *L = luaL_newstate();
    *(struct rule_state **)lua_getextraspace(L) = &rules;
    luaL_openlibs(L);
    if (luaL_loadfile(L, TEST_SOURCE_DIR "/tests/unit/script_library.lua") != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    push_ours(L);
    push_plain(L);
    lua_pushinteger(L, ROUNDS);
    if (lua_pcall(L, 3, 1, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    assert_true(lua_tointeger(L, -1) > ROUNDS * 10);
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_captures_that_are_not_there),
        cmocka_unit_test(test_every_loop_is_charged),
        cmocka_unit_test(test_agrees_with_lua),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
