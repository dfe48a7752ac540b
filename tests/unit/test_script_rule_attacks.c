/* What rules may try against the host, one attack a test: each fails its own message with the reason, the
 * next message of the same agency works, and so do other agencies'. */
#include "script_fixture.h"

#include "base/metrics.h"

static struct fixture fixture;

/* Time enough for sanitizers on a busy machine: the other limits strike first. */
static char *limits[] = {"BASCULE_RULE_MS=2000", "BASCULE_RULE_INSTRUCTIONS=50000",
                         "BASCULE_RULE_MEMORY_BYTES=2097152", NULL};

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture, limits);
    fixture_write(
        &fixture, "lua/bascule/server.lua",
        "local rules = require 'host.rules'\n"
        "local function ask(location, body)\n"
        "  local message = { to = '1', body = body, attachments = {}, extra = {} }\n"
        "  local decision, text = rules.outbound(location, nil, message, { now = 1, settings = {} })\n"
        "  return decision and decision.message.body or text\n"
        "end\n"
        "return { attack = function() return ask('a', 'attack') end,\n"
        "  good = function() return ask('a', 'good') end,\n"
        "  other = function() return ask('b', 'other') end }\n");
    fixture_write(&fixture, "agencies/two/rules.lua",
                  "return { locations = { 'b' }, outbound = function(m) return m end }");
    fixture_load(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static void call_function(const char *function, struct call *call)
{
    call_start(&fixture, call, "bascule.server", function);
    call_wait(&fixture, call);
}

static void load_attack(const char *body)
{
    char text[3000];
    struct error error = {0};
    snprintf(text, sizeof text,
             "return { locations = { 'a' }, outbound = function(message, context)\n"
             "if message.body == 'good' then return message end\n%s\nend }",
             body);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    if (generations_reload(fixture.host.generations, &error) < 0)
        fail_msg("%s", error.message);
}

/* Twice, because the second may find what the first left. */
static void assert_attack(const char *body, const char *reason)
{
    struct call call;
    load_attack(body);
    for (int round = 0; round < 2; round++) {
        call_function("attack", &call);
        if (strstr(call.text, reason) == NULL)
            fail_msg("%s\ngives \"%s\", not \"%s\"", body, call.text, reason);
        call_function("good", &call);
        assert_string_equal(call.text, "good");
        call_function("other", &call);
        assert_string_equal(call.text, "other");
    }
    assert_int_equal(metrics_value("bascule_rules_abandoned_total", NULL), 0);
}

#define INSTRUCTIONS "ran more than 50000 instructions"
#define MEMORY "used more than 2097152 bytes of memory"

static void test_plain_loops(void **state)
{
    (void)state;
    assert_attack("while true do end", "agencies/one/rules.lua:3: " INSTRUCTIONS);
    assert_attack("repeat until false", INSTRUCTIONS);
    assert_attack("::again:: goto again", INSTRUCTIONS);
    assert_attack("local function f() return f() end return f()", INSTRUCTIONS);
    assert_attack("for _ = 1, math.huge do end", INSTRUCTIONS);
}

/* Lua refuses such a range, but only once it was charged: 2^64 - 1000 steps, by which the count would go past
 * its end, and have 1000 less than before. */
static void test_charges_that_would_overflow_the_count(void **state)
{
    (void)state;
    assert_attack("for _ = 1, 20000 do end\n"
                  "for _ = 1, 100 do\n"
                  "  for _ = 1, 1000 do end\n"
                  "  pcall(table.move, {}, math.mininteger, math.maxinteger - 999, 1)\n"
                  "end return message",
                  INSTRUCTIONS);
}

static void test_loops_under_pcall(void **state)
{
    (void)state;
    assert_attack("while true do pcall(function() while true do end end) end", INSTRUCTIONS);
    assert_attack("local function f() pcall(f) f() end f()", "agencies/one/rules.lua");
    assert_attack("while true do pcall(error, {}) end", INSTRUCTIONS);
    assert_attack("for _ = 1, 3 do pcall(function() while true do end end) end return message", INSTRUCTIONS);
    assert_attack("local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end })\n"
                  "while true do pcall(function() return t[1] end) end",
                  "agencies/one/rules.lua");
}

static void test_loops_in_coroutines(void **state)
{
    (void)state;
    assert_attack("coroutine.wrap(function() while true do end end)()", INSTRUCTIONS);
    assert_attack("while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
                  INSTRUCTIONS);
    assert_attack("while true do coroutine.wrap(function() coroutine.yield() end)() end", INSTRUCTIONS);
    assert_attack("local turn = coroutine.wrap(function() while true do coroutine.yield() end end)\n"
                  "while true do turn() end",
                  INSTRUCTIONS);
    assert_attack("local function nest(n) while true do pcall(coroutine.wrap(nest), n + 1) end end nest(1)",
                  "agencies/one/rules.lua");
}

/* Each of many coroutines has a count of its own: none may go on once one was stopped. */
static void test_coroutines_that_wait_for_the_stop(void **state)
{
    (void)state;
    assert_attack("local all = {}\n"
                  "for i = 1, 200 do\n"
                  "  all[i] = coroutine.create(function() coroutine.yield()\n"
                  "    for n = 1, 200 do coroutine.resume(all[n]) end while true do end end)\n"
                  "  coroutine.resume(all[i])\n"
                  "end\n"
                  "for i = 1, 200 do pcall(coroutine.resume, all[i]) end return message",
                  INSTRUCTIONS);
}

/* Lua leaves the hooks of a coroutine off in which one of them raised. */
static void test_loops_as_variables_close(void **state)
{
    (void)state;
    static const char forever[] =
        "local forever = setmetatable({}, { __close = function() while true do end end })\n";
    static const char *const endings[] = {
        "local x <close> = forever while true do end",
        "local x <close> = forever error 'x'",
        "coroutine.wrap(function() local x <close> = forever while true do end end)()",
        "coroutine.wrap(function() local x <close> = forever error 'x' end)()",
        "local c = coroutine.create(function() local x <close> = forever while true do end end)\n"
        "pcall(coroutine.resume, c) pcall(coroutine.close, c) return message",
        "local c = coroutine.create(function() local x <close> = forever coroutine.yield() end)\n"
        "coroutine.resume(c) coroutine.close(c) return message",
        "for _ in next, {}, nil, forever do end return message",
    };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        char body[600];
        snprintf(body, sizeof body, "%s%s", forever, endings[i]);
        assert_attack(body, INSTRUCTIONS);
    }
}

/* Lua does not count how deep coroutine.close stands on the C stack. */
static void test_coroutines_that_close_each_other(void **state)
{
    (void)state;
    assert_attack("local function chain(next)\n"
                  "  local c = coroutine.create(function()\n"
                  "    local x <close> = setmetatable({}, { __close = function()\n"
                  "      local ok, e = true if next then ok, e = coroutine.close(next) end\n"
                  "      if not ok then error(e, 0) end end })\n"
                  "    coroutine.yield() end)\n"
                  "  coroutine.resume(c) return c\n"
                  "end\n"
                  "local last for _ = 1, 170 do last = chain(last) end\n"
                  "assert(coroutine.close(last)) return message",
                  "coroutines stand too deep within each other");
}

static void test_metamethods_that_loop(void **state)
{
    (void)state;
    static const char *const uses[] = {"tostring(t)",
                                       "return t .. t",
                                       "return #t",
                                       "return t < t",
                                       "return t.x",
                                       "t.x = 1",
                                       "return t == setmetatable({}, m)",
                                       "t()"};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        char body[500];
        snprintf(
            body, sizeof body,
            "local function f() while true do end end\n"
            "local m = { __tostring = f, __concat = f, __len = f, __lt = f, __index = f, __newindex = f,\n"
            "  __call = f, __eq = f }\n"
            "local t = setmetatable({}, m) %s",
            uses[i]);
        assert_attack(body, INSTRUCTIONS);
    }
}

static void test_memory_bombs(void **state)
{
    (void)state;
    assert_attack("local t, s = {}, ('x'):rep(1000) for i = 1, math.huge do t[i] = s .. i end", MEMORY);
    assert_attack("local s = 'x' while true do s = s .. s end", MEMORY);
    assert_attack("return { to = '1', body = string.rep('x', 1 << 30) }", "agencies/one/rules.lua");
    assert_attack("local t = {} while true do t = { t } end", "agencies/one/rules.lua");
    assert_attack("local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
                  "agencies/one/rules.lua");
}

/* Whoever swallows the errors goes on until another limit strikes. */
static void test_memory_bombs_under_pcall(void **state)
{
    (void)state;
    assert_attack("while true do pcall(string.rep, 'x', 1 << 30) end", "agencies/one/rules.lua");
    assert_attack("local t = {} while true do pcall(function() for i = 1, 1e9 do t[i] = {} end end) end",
                  "agencies/one/rules.lua");
}

/* Instructions that work on all that the state holds. */
static void test_large_operands(void **state)
{
    (void)state;
    assert_attack("local a, b = ('x'):rep(400000) .. 'a', ('x'):rep(400000) .. 'a'\n"
                  "local n = 0 while a == b and not (a < b) do n = n + 1 end",
                  "agencies/one/rules.lua");
    assert_attack("local a = ('x'):rep(300000) while true do local b = a .. 'y' end",
                  "agencies/one/rules.lua");
    assert_attack("local t = {} for i = 1, 20000 do t[i .. ''] = i end for k in pairs(t) do t[k] = nil end\n"
                  "while true do next(t) end",
                  "agencies/one/rules.lua");
}

static void test_deep_recursion(void **state)
{
    (void)state;
    assert_attack("local function f() return f() + 1 end return f()", "agencies/one/rules.lua");
    assert_attack("local function f() local ok, e = pcall(f) return e .. f() end return f()",
                  "agencies/one/rules.lua");
    assert_attack("local t = {} setmetatable(t, { __index = t }) return t.x", "'__index' chain too long");
}

static void test_errors_that_are_no_texts(void **state)
{
    (void)state;
    assert_attack("error({ a = 1 })", "rules.lua:3: the error is no text but a table");
    assert_attack("error(nil)", "the error is no text but a nil");
    assert_attack("error(print)", "the error is no text but a nil");
    assert_attack("error(pcall)", "the error is no text but a function");
    assert_attack("error(coroutine.create(pcall))", "the error is no text but a thread");
    assert_attack("error(setmetatable({}, { __tostring = function() while true do end end }))",
                  "the error is no text but a table");
    assert_attack("error(setmetatable({}, { __name = 'x', __tostring = function() error 'y' end }))",
                  "the error is no text but a table");
}

static void test_finalizers(void **state)
{
    (void)state;
    assert_attack("setmetatable({}, { __gc = function() while true do end end })",
                  "rules.lua:3: __gc has no place in rules");
    assert_attack("local m = {} local t = setmetatable({}, m) m.__gc = function() while true do end end\n"
                  "setmetatable({}, m)",
                  "rules.lua:4: __gc has no place in rules");
}

static void test_weak_tables(void **state)
{
    (void)state;
    assert_attack("setmetatable({}, { __mode = 'k' })", "rules.lua:3: __mode has no place in rules");
}

static void test_metatables_are_protected(void **state)
{
    (void)state;
    assert_attack("getmetatable('').__index = {}", "attempt to index a string value");
    assert_attack("setmetatable(_G, nil)", "cannot change a protected metatable");
    assert_attack("getmetatable(context.reject 'x').action = 0", "agencies/one/rules.lua:3: ");
}

static void test_nothing_leads_out(void **state)
{
    (void)state;
    static const char *const names[] = {"os",         "io",     "debug",    "package",        "load",
                                        "loadstring", "dofile", "loadfile", "collectgarbage", "xpcall",
                                        "print",      "warn"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char body[100], reason[100];
        snprintf(body, sizeof body, "return %s.x", names[i]);
        snprintf(reason, sizeof reason, "attempt to index a nil value (global '%s')", names[i]);
        assert_attack(body, reason);
    }
    assert_attack("return string.dump(pcall)", "attempt to call a nil value (field 'dump')");
    assert_attack("return math.random()", "attempt to call a nil value (field 'random')");
    assert_attack("return require 'host.http'", "module 'host.http' is not there");
    assert_attack("kept = 1", "would be a global");
    assert_attack("_G[{}] = 1", "a table cannot be the name of a global");
}

/* The library is made of modules of the host, which rules do not reach past it. */
static void test_the_library_leads_nowhere(void **state)
{
    (void)state;
    fixture_write(&fixture, "lua/bascule/rules/ways.lua", "return { phone = require 'host.phone' }");
    assert_attack("assert(require 'bascule.ways'.phone) return require 'host.phone'",
                  "module 'host.phone' is not there");
}

static void test_what_cannot_be_returned(void **state)
{
    (void)state;
    assert_attack("message.extra.loop = message.extra return message", "(does a table contain itself?)");
    assert_attack("local t = { to = '1', body = 'x' } t.attachments = { t } return t",
                  "agencies/one/rules.lua");
}

/* limits = {...} of an agency's table; `uses` runs into one of them. */
static void assert_lowered(const char *lowered, const char *uses, const char *reason)
{
    char text[500];
    struct call call;
    struct error error = {0};
    snprintf(text, sizeof text,
             "return { locations = { 'a' }, limits = { %s }, outbound = function(message)\n%s\nreturn "
             "message end }",
             lowered, uses);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    if (generations_reload(fixture.host.generations, &error) < 0)
        fail_msg("%s", error.message);
    call_function("attack", &call);
    assert_contains(call.text, reason);
}

static void test_agencies_lower_their_limits(void **state)
{
    (void)state;
    assert_lowered("instructions = 5000", "for i = 1, 4000 do local x = i end",
                   "ran more than 5000 instructions");
    assert_lowered("memory_bytes = 1000000", "local s = 'x' while true do s = s .. s end",
                   "used more than 1000000 bytes of memory");
    assert_lowered("ms = 1",
                   "local a = 'x' for _ = 1, 18 do a = a .. a end\n"
                   "local b = a .. 'y' a = a .. 'y' while a == b do end",
                   "took longer than 1 ms");
}

/* The operator's stand: who asks for more gets what all get. */
static void test_agencies_cannot_raise_their_limits(void **state)
{
    (void)state;
    assert_lowered("instructions = 1000000000", "while true do end", INSTRUCTIONS);
    assert_lowered("memory_bytes = 1000000000", "local s = 'x' while true do s = s .. s end", MEMORY);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_plain_loops),
        WITH_FIXTURE(test_charges_that_would_overflow_the_count),
        WITH_FIXTURE(test_loops_under_pcall),
        WITH_FIXTURE(test_loops_in_coroutines),
        WITH_FIXTURE(test_coroutines_that_wait_for_the_stop),
        WITH_FIXTURE(test_loops_as_variables_close),
        WITH_FIXTURE(test_coroutines_that_close_each_other),
        WITH_FIXTURE(test_metamethods_that_loop),
        WITH_FIXTURE(test_memory_bombs),
        WITH_FIXTURE(test_memory_bombs_under_pcall),
        WITH_FIXTURE(test_large_operands),
        WITH_FIXTURE(test_deep_recursion),
        WITH_FIXTURE(test_errors_that_are_no_texts),
        WITH_FIXTURE(test_finalizers),
        WITH_FIXTURE(test_weak_tables),
        WITH_FIXTURE(test_metatables_are_protected),
        WITH_FIXTURE(test_nothing_leads_out),
        WITH_FIXTURE(test_the_library_leads_nowhere),
        WITH_FIXTURE(test_what_cannot_be_returned),
        WITH_FIXTURE(test_agencies_lower_their_limits),
        WITH_FIXTURE(test_agencies_cannot_raise_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
