/* Coroutines: start, wait, end, errors, what becomes of those whose thread ends. */
#include "script_fixture.h"

static struct fixture fixture;

/* host.test: what a higher floor may add. wait(value) waits for the mail that the test delivers. */
struct waiter {
    struct mail mail;
    struct script_wait wait;
    lua_Integer value;
};

static struct waiter *waiters[16];
static unsigned waiter_count, released;

static struct waiter *waiter_of(struct script_wait *wait)
{
    return (struct waiter *)((char *)wait - offsetof(struct waiter, wait));
}

static int waiter_push(lua_State *L, struct script_wait *wait)
{
    lua_pushinteger(L, waiter_of(wait)->value * 2);
    lua_pushliteral(L, "answered");
    return 2;
}

static void waiter_release(struct script_wait *wait)
{
    released++;
    free(waiter_of(wait));
}

static void waiter_deliver(struct mail *mail)
{
    script_wait_finish(&((struct waiter *)mail)->wait);
}

static int test_wait(lua_State *L)
{
    lua_Integer value = luaL_checkinteger(L, 1);
    if (!script_may_wait(L))
        return luaL_error(L, "cannot wait here");
    struct waiter *waiter = memory_allocate(sizeof *waiter);
    waiter->mail.deliver = waiter_deliver;
    waiter->wait.push = waiter_push;
    waiter->wait.release = waiter_release;
    waiter->value = value;
    waiters[waiter_count++] = waiter;
    return script_wait(L, &waiter->wait);
}

static int open_test(lua_State *L)
{
    static const luaL_Reg functions[] = {{"wait", test_wait}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static const struct script_module modules[] = {{"host.test", open_test}, {NULL, NULL}};

static void answer(unsigned index)
{
    mailbox_post(fixture.mailbox, &waiters[index]->mail);
    mailbox_drain(fixture.mailbox);
}

static int open_fixture(void **state)
{
    (void)state;
    waiter_count = released = 0;
    fixture_open(&fixture, fixture_no_environment());
    fixture.host.modules = modules;
    fixture_write(
        &fixture, "lua/bascule/waiting.lua",
        "local test = require 'host.test'\n"
        "local M = {}\n"
        "function M.at_once() return 1, 'two' end\n"
        "function M.once() return test.wait(21) end\n"
        "function M.twice() return test.wait(1) + test.wait(2) end\n"
        "function M.caught() return pcall(function() test.wait(3) error('inside', 0) end) end\n"
        "function M.fails() local x = nil; return x.field end\n"
        "function M.fails_later() test.wait(1) error({}) end\n"
        "function M.odd_error() error(setmetatable({}, {__tostring = function() error 'no' end})) end\n"
        "function M.yields() coroutine.yield(1) end\n"
        "function M.wrapped() return coroutine.wrap(function() return test.wait(1) end)() end\n"
        "function M.sorts() table.sort({1, 2}, function() test.wait(1) end) end\n"
        "function M.own() local f = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)\n"
        "  return f(), test.wait(1), f() end\n"
        "function M.closes() local x <close> = setmetatable({}, {__close = function() closed = true end})\n"
        "  test.wait(1) end\n"
        "return M\n");
    fixture_load(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static void start(struct call *call, const char *function)
{
    call_start(&fixture, call, "bascule.waiting", function);
}

static void test_ends_at_once(void **state)
{
    (void)state;
    struct call call;
    start(&call, "at_once");
    assert_true(call.ended);
    assert_string_equal(call.text, "1 two");
    assert_int_equal(strlen(call.generation), 12);
    assert_int_equal(script_thread_active(fixture.thread), 0);
}

static void test_waits_and_goes_on(void **state)
{
    (void)state;
    struct call call;
    start(&call, "once");
    assert_false(call.ended);
    assert_int_equal(script_thread_active(fixture.thread), 1);
    answer(0);
    assert_true(call.ended);
    assert_string_equal(call.text, "42 answered");
    assert_int_equal(released, 1);
    assert_int_equal(script_thread_active(fixture.thread), 0);
}

static void test_many_wait_at_once(void **state)
{
    (void)state;
    struct call first, second, third;
    start(&first, "twice");
    start(&second, "once");
    start(&third, "caught");
    assert_int_equal(script_thread_active(fixture.thread), 3);
    answer(1);
    assert_string_equal(second.text, "42 answered");
    assert_false(first.ended);
    answer(2);
    assert_string_equal(third.text, "false inside");
    answer(0);
    assert_false(first.ended);
    answer(3);
    assert_string_equal(first.text, "6");
}

static void test_errors_have_a_traceback(void **state)
{
    (void)state;
    struct call call;
    start(&call, "fails");
    assert_false(call.ok);
    assert_contains(call.text, "lua/bascule/waiting.lua:7: attempt to index a nil value (local 'x')");
    assert_contains(call.text, "stack traceback:");
    start(&call, "fails_later");
    answer(0);
    assert_false(call.ok);
    assert_contains(call.text, "table: ");
    start(&call, "odd_error");
    assert_string_equal(call.text, "an error object that cannot be shown");
    start(&call, "at_once");
    assert_string_equal(call.text, "1 two");
}

static void test_missing_things(void **state)
{
    (void)state;
    struct call call;
    start(&call, "nothing");
    assert_contains(call.text, "module 'bascule.waiting' has no function 'nothing'");
    call_start(&fixture, &call, "bascule.nowhere", "run");
    assert_contains(call.text, "module 'bascule.nowhere' not found");
}

static void test_where_nothing_can_wait(void **state)
{
    (void)state;
    struct call call;
    start(&call, "wrapped");
    assert_contains(call.text, "cannot wait here");
    start(&call, "sorts");
    assert_contains(call.text, "cannot wait here");
    start(&call, "yields");
    assert_contains(call.text, "coroutine.yield outside of coroutine.wrap");
    start(&call, "own");
    answer(0);
    assert_string_equal(call.text, "1 2 2");
    assert_int_equal(waiter_count, 1);
}

static void test_abandoned_with_the_thread(void **state)
{
    (void)state;
    struct call first, second;
    start(&first, "once");
    start(&second, "closes");
    script_thread_free(fixture.thread);
    fixture.thread = NULL;
    assert_true(first.ended && second.ended);
    assert_false(first.ok || second.ok);
    assert_contains(first.text, "abandoned");
    assert_int_equal(released, 0);
    answer(0); /* the answers come all the same, and free what was waited for */
    answer(1);
    assert_int_equal(released, 2);
}

static void test_coroutines_are_used_again(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct call calls[8];
        waiter_count = 0;
        for (int i = 0; i < 8; i++)
            start(&calls[i], round % 3 == 0 ? "fails_later" : "once");
        for (unsigned i = 8; i > 0; i--)
            answer(i - 1);
        for (int i = 0; i < 8; i++)
            assert_int_equal(calls[i].ok, round % 3 != 0);
    }
    assert_int_equal(released, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ends_at_once, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_waits_and_goes_on, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_many_wait_at_once, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_errors_have_a_traceback, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_missing_things, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_where_nothing_can_wait, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_abandoned_with_the_thread, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(test_coroutines_are_used_again, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
