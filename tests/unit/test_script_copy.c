/* Copies between states: what a rule made may be longer to read than it is large. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "script/copy.h"

/* Copies what the text returns; the copy is on top of `to` where the reason is empty. */
static void copy(const char *text, lua_State *to, const struct copy_limits *limits, char reason[240])
{
    lua_State *from = luaL_newstate();
    luaL_openlibs(from);
    if (luaL_dostring(from, text) != LUA_OK)
        fail_msg("%s", lua_tostring(from, -1));
    reason[0] = '\0';
    copy_within(from, -1, to, limits, reason, 240);
    lua_close(from);
}

static void test_tables_that_are_long_to_read(void **state)
{
    (void)state;
    lua_State *to = luaL_newstate();
    char reason[240];
    const struct copy_limits limits = {COPY_MOST.values, COPY_MOST.bytes, true, 1};
    copy("local t = {} for i = 1, 200000 do t[i + 0.5] = true end for k in next, t do t[k] = nil end\n"
         "local list = {} for i = 1, 50000 do list[i] = t end return list",
         to, &limits, reason);
    assert_non_null(strstr(reason, "it takes too long to read"));
    lua_close(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_that_are_long_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
