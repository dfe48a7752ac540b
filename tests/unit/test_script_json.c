/* JSON as scripts see it. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/json.h"
#include "script/script.h"

static lua_State *L;

static int open_state(void **state)
{
    (void)state;
    L = luaL_newstate();
    luaL_openlibs(L);
    return 0;
}

static int close_state(void **state)
{
    (void)state;
    lua_close(L);
    return 0;
}

/* Decodes and encodes again. */
static void assert_round_trip(const char *text, const char *expected)
{
    char reason[256] = "";
    struct buffer out = {0};
    lua_settop(L, 0);
    if (!script_json_decode(L, slice_from(text), reason, sizeof reason))
        fail_msg("%s: %s", text, reason);
    if (!script_json_encode(L, 1, &out, reason, sizeof reason))
        fail_msg("%s: %s", text, reason);
    assert_int_equal(lua_gettop(L), 1);
    assert_string_equal(out.data, expected);
    buffer_deinit(&out);
}

static void assert_refused(struct slice text, const char *expected)
{
    char reason[256] = "";
    lua_settop(L, 0);
    assert_false(script_json_decode(L, text, reason, sizeof reason));
    assert_string_equal(reason, expected);
    assert_int_equal(lua_gettop(L), 0);
}

static void test_values_survive(void **state)
{
    (void)state;
    assert_round_trip("null", "null");
    assert_round_trip(" [ ] ", "[]");
    assert_round_trip("{}", "{}");
    assert_round_trip("[[],{},[{}]]", "[[],{},[{}]]");
    assert_round_trip("9007199254740993", "9007199254740993");
    assert_round_trip("-9223372036854775808", "-9223372036854775808");
    assert_round_trip("9223372036854775807", "9223372036854775807");
    assert_round_trip("[1,null,true,false]", "[1,null,true,false]");
    assert_round_trip("{\"b\":1,\"a\":{\"d\":[],\"c\":null}}", "{\"a\":{\"c\":null,\"d\":[]},\"b\":1}");
    assert_round_trip("\"a/b\\/c\\u0000\\u001f\\n\\\"\\\\\"", "\"a/b/c\\u0000\\u001f\\n\\\"\\\\\"");
    assert_round_trip("\"\\u00e9\\ud83d\\ude00 \xe2\x82\xb1\"", "\"\xc3\xa9\xf0\x9f\x98\x80 \xe2\x82\xb1\"");
}

static void test_floats_stay_floats(void **state)
{
    (void)state;
    assert_round_trip("1.0", "1.0");
    assert_round_trip("0.1", "0.1");
    assert_round_trip("-0.0", "-0.0");
    assert_round_trip("1e2", "100.0");
    assert_round_trip("1E300", "1e+300");
    assert_round_trip("0.30000000000000004", "0.30000000000000004");
    assert_round_trip("5e-324", "4.94065645841247e-324");
}

static void test_strictness(void **state)
{
    (void)state;
    assert_refused(SLICE_LITERAL(""), "line 1, column 0: unexpected token");
    char reason[256];
    static const char *const bad[] = {
        "{\"a\":1,\"a\":2}",
        "[1,]",
        "{\"a\":}",
        "nul",
        "NaN",
        "[Infinity]",
        "01",
        "+1",
        "1.",
        ".5",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "[1] x",
        "'a'",
        "{a:1}",
        "/*c*/1",
        "18446744073709551616",
        "1e999",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "{\"\\u0000\":1}",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lua_settop(L, 0);
        if (script_json_decode(L, slice_from(bad[i]), reason, sizeof reason))
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(lua_gettop(L), 0);
    }
}

static void test_place_of_a_fault_without_its_text(void **state)
{
    (void)state;
    assert_refused(SLICE_LITERAL("{\n  \"body\": secret\n}"), "line 2, column 16: invalid token");
    assert_refused(SLICE_LITERAL("{\"a\":1,\"a\":2}"), "line 1, column 10: duplicate object key");
}

static void test_depth(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (int i = 0; i < 64; i++)
        buffer_append_text(&text, "[");
    for (int i = 0; i < 64; i++)
        buffer_append_text(&text, "]");
    assert_round_trip(text.data, text.data);
    buffer_clear(&text);
    buffer_append_text(&text, "\n");
    for (int i = 0; i < 100000; i++)
        buffer_append_text(&text, i % 2 ? "{\"a\":" : "[");
    assert_refused((struct slice){text.data, text.length},
                   "line 2, column 193: nested more than 64 levels deep");
    buffer_deinit(&text);
    assert_round_trip("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"",
                      "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"");
}

static void assert_encodes(const char *lua, const char *expected)
{
    char reason[256] = "";
    struct buffer out = {0};
    lua_settop(L, 0);
    if (luaL_dostring(L, lua) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    bool encoded = script_json_encode(L, 1, &out, reason, sizeof reason);
    assert_string_equal(encoded ? out.data : reason, expected);
    buffer_deinit(&out);
}

static void test_encoding_lua_values(void **state)
{
    (void)state;
    assert_encodes("return { 1, 2, { x = 1.5 } }", "[1,2,{\"x\":1.5}]");
    assert_encodes("return {}", "{}");
    assert_encodes(
        "local t = {} for i = 1, 40 do t['k' .. (100 - i)] = i end t = { n = #t, t = t.k99 } return t",
        "{\"n\":0,\"t\":1}");
    assert_encodes("return { 1, nil, 3 }", "the value is a table whose keys are neither 1..n nor all texts");
    assert_encodes("return { a = { 1, x = 2 } }",
                   "the value at .a is a table whose keys are neither 1..n nor all texts");
    assert_encodes("return { a = { 1, { b = 0/0 } } }", "the value at .a[2].b is not a number (NaN)");
    assert_encodes("return { 1/0 }", "the value at [1] is infinite");
    assert_encodes("return { f = print }", "the value at .f is neither text, number, boolean nor table");
    assert_encodes("return { '\\xff' }", "the value at [1] is not valid UTF-8");
    assert_encodes("return { ['\\xff'] = 1 }", "the value is not valid UTF-8");
    assert_encodes("return nil", "the value is nil (json.null stands for null)");
    assert_encodes("return io.stdout", "the value is neither text, number, boolean nor table");
    char reason[256];
    struct buffer out = {0};
    lua_settop(L, 0);
    assert_int_equal(luaL_dostring(L, "local t = {} t.t = t return t"), LUA_OK);
    assert_false(script_json_encode(L, 1, &out, reason, sizeof reason));
    assert_non_null(strstr(reason, "is nested too deeply (does a table contain itself?)"));
    buffer_deinit(&out);
}

static void test_many_keys_are_sorted(void **state)
{
    (void)state;
    char reason[256];
    struct buffer out = {0};
    lua_settop(L, 0);
    assert_int_equal(luaL_dostring(L, "local t = {} for i = 199, 100, -1 do t['k' .. i] = i end return t"),
                     0);
    assert_true(script_json_encode(L, 1, &out, reason, sizeof reason));
    const char *at = out.data;
    for (int i = 100; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "\"k%d\":%d", i, i);
        at = strstr(at, key);
        assert_non_null(at);
    }
    buffer_deinit(&out);
}

static void test_marked_arrays(void **state)
{
    (void)state;
    char reason[256];
    struct buffer out = {0};
    lua_settop(L, 0);
    lua_newtable(L);
    json_mark_array(L);
    assert_true(json_is_marked_array(L, 1));
    assert_true(script_json_encode(L, 1, &out, reason, sizeof reason));
    assert_string_equal(out.data, "[]");
    buffer_clear(&out);
    lua_pushinteger(L, 1);
    lua_setfield(L, 1, "x");
    assert_false(script_json_encode(L, 1, &out, reason, sizeof reason));
    assert_string_equal(reason, "the value is marked as an array and has keys other than 1..n");
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_survive),
        cmocka_unit_test(test_floats_stay_floats),
        cmocka_unit_test(test_strictness),
        cmocka_unit_test(test_place_of_a_fault_without_its_text),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_encoding_lua_values),
        cmocka_unit_test(test_many_keys_are_sorted),
        cmocka_unit_test(test_marked_arrays),
    };
    return cmocka_run_group_tests(tests, open_state, close_state);
}
