/* Rules: what outbound() gets, what it may return, and what stops it. */
#include "script_fixture.h"

static struct fixture fixture;

static char *small_limits[] = {"BASCULE_RULE_MS=5000", "BASCULE_RULE_MEMORY_BYTES=2097152",
                               "BASCULE_RULE_STATES=100", NULL};

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture, small_limits);
    fixture_write(
        &fixture, "lua/bascule/server.lua",
        "local rules, json = require 'host.rules', require 'host.json'\n"
        "local M = {}\n"
        "function M.run()\n"
        "  local message = { to = '+639171234567', body = 'hello', attachments = json.array {},\n"
        "    kind = 'SMS', extra = { n = 9007199254740993, f = 1.5, yes = true, none = json.null } }\n"
        "  local context = { now = 1000, location = 'a', company = 'c', settings = { sender = 'ACME' } }\n"
        "  local decision, text, name = rules.outbound('a', 'c', message, context)\n"
        "  if not decision then return text end\n"
        "  decision.generation, decision.usage = nil, nil\n"
        "  M.same = decision.message == message\n"
        "  return json.encode(decision)\n"
        "end\n"
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

/* Puts the rule's body on line 3 of agencies/one/rules.lua. */
static void write_rule(const char *before, const char *body)
{
    char text[2000];
    snprintf(text, sizeof text,
             "%s\nreturn { locations = { 'a' }, outbound = function(message, context)\n%s\nend }", before,
             body);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    struct error error = {0};
    if (generations_reload(fixture.host.generations, &error) < 0)
        fail_msg("%s", error.message);
}

static void assert_rule(const char *body, const char *expected)
{
    write_rule("", body);
    assert_call(&fixture, "bascule.server", expected);
}

#define EXTRA "\"extra\":{\"f\":1.5,\"n\":9007199254740993,\"none\":null,\"yes\":true},\"kind\":\"SMS\""

static void test_message_is_sent(void **state)
{
    (void)state;
    assert_call(&fixture, "bascule.server",
                "{\"action\":\"send\",\"agency\":\"default\",\"message\":{\"attachments\":[],\"body\":"
                "\"hello\"," EXTRA ",\"to\":\"+639171234567\"}}");
    assert_rule(
        "message.body = message.body .. ' ' .. context.settings.sender .. context.now .. context.location"
        " .. context.company message.sender = 'X' return message",
        "{\"action\":\"send\",\"agency\":\"one\",\"message\":{\"attachments\":[],\"body\":\"hello "
        "ACME1000ac\"," EXTRA ",\"sender\":\"X\",\"to\":\"+639171234567\"}}");
    assert_rule("return { to = '1', body = 'new' }",
                "{\"action\":\"send\",\"agency\":\"one\",\"message\":{\"body\":\"new\",\"to\":\"1\"}}");
}

static void test_results_of_the_context(void **state)
{
    (void)state;
    assert_rule("return context.reject 'not today'",
                "{\"action\":\"reject\",\"agency\":\"one\",\"reason\":\"not today\"}");
    assert_rule("return context.defer { until_ = context.now + 0.5, reason = 'quiet hours' }",
                "{\"action\":\"defer\",\"agency\":\"one\",\"reason\":\"quiet hours\",\"until_ms\":1000}");
    assert_rule("return context.defer { until_ = 5 }",
                "{\"action\":\"defer\",\"agency\":\"one\",\"until_ms\":5}");
    assert_rule(
        "message.extra = nil return context.route { 'cast', 'twilio' }",
        "{\"action\":\"send\",\"agency\":\"one\",\"message\":{\"attachments\":[],\"body\":\"hello\",\"kind\":"
        "\"SMS\",\"to\":\"+639171234567\"},\"providers\":[\"cast\",\"twilio\"]}");
}

static void test_wrong_use_of_the_context(void **state)
{
    (void)state;
    assert_rule("return context.reject()",
                "RULE: agencies/one/rules.lua:3: context.reject's reason must be a text, not nil");
    assert_rule("return context.defer { untill_ = 5 }",
                "RULE: agencies/one/rules.lua:3: unknown option 'untill_'; did you mean 'until_'?");
    assert_rule("return context.defer { untl = 5 }",
                "RULE: agencies/one/rules.lua:3: unknown option 'untl'; did you mean 'until_'?");
    assert_rule(
        "return context.defer { until_ = 1/0 }",
        "RULE: agencies/one/rules.lua:3: context.defer's until_ must be a time in milliseconds, not number");
    assert_rule(
        "return context.defer { until_ = math.maxinteger }",
        "RULE: agencies/one/rules.lua:3: context.defer's until_ must be a time in milliseconds, not number");
    assert_rule("return context.route {}", "RULE: agencies/one/rules.lua:3: context.route needs at least one "
                                           "provider: context.route { \"cast\" }");
    assert_rule("local r = context.reject 'x' r.reason = {} return r",
                "RULE: agencies/one/rules.lua:2: the result's reason was overwritten");
}

static void test_wrong_returns(void **state)
{
    (void)state;
    assert_rule("", "RULE: agencies/one/rules.lua:2: outbound returned nothing; return message, or "
                    "context.reject(\"why\")");
    assert_rule("return true",
                "RULE: agencies/one/rules.lua:2: outbound returned boolean; return message, or "
                "context.reject(\"why\")");
    assert_rule("message.bdy = 'x' return message",
                "RULE: agencies/one/rules.lua:3: unknown key 'bdy' in the message; did you mean 'body'?");
    assert_rule("message.knd = 'x' return message",
                "RULE: agencies/one/rules.lua:3: unknown key 'knd' in the message; did you mean 'kind'?");
    assert_rule("message.colour = 'x' return message",
                "RULE: agencies/one/rules.lua:3: unknown key 'colour' in the message");
    assert_rule("message[1] = 'x' return message",
                "RULE: agencies/one/rules.lua:2: the message has a key that is no name");
    assert_rule("message.to = nil return message",
                "RULE: agencies/one/rules.lua:3: message.to must be a text, not nil");
    assert_rule("message.body = 5 return message",
                "RULE: agencies/one/rules.lua:3: message.body must be a text, not number");
    assert_rule(
        "message.body = '\\xe2\\x82' return message",
        "RULE: agencies/one/rules.lua:2: message.body: it is not valid UTF-8 (was it cut in the middle of a "
        "character?)");
    assert_rule("message.extra = print or type return message",
                "RULE: agencies/one/rules.lua:2: message.extra: a function cannot be kept");
    assert_rule("message.extra = {} message.extra.x = message return message",
                "RULE: agencies/one/rules.lua:2: "
                "message.extra: it is nested too "
                "deeply (does a table contain itself?)");
    assert_rule("local t = {} for _ = 1, 30 do t = { t, t } end message.extra = t return message",
                "RULE: agencies/one/rules.lua:2: message.extra: it holds too many values");
}

static void test_errors_name_file_and_line(void **state)
{
    (void)state;
    assert_rule("return message.missing.field",
                "RULE: agencies/one/rules.lua:3: attempt to index a nil value (field 'missing')");
    assert_rule("error('plain', 0)", "RULE: agencies/one/rules.lua:3: plain");
    assert_rule("error({ a = 1 })", "RULE: agencies/one/rules.lua:3: the error is no text but a table");
    assert_rule("error(setmetatable({}, { __tostring = function() while true do end end }))",
                "RULE: agencies/one/rules.lua:3: the error is no text but a table");
    fixture_write(&fixture, "lua/bascule/rules/text.lua",
                  "return { fail = function()\n error 'inside' end }");
    write_rule("local text = require 'bascule.text'", "text.fail() return message");
    assert_call(&fixture, "bascule.server",
                "RULE: agencies/one/rules.lua:3: lua/bascule/rules/text.lua:2: inside");
}

static void test_endless_loops_are_stopped(void **state)
{
    (void)state;
    static const char *const loops[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do pcall(coroutine.wrap(function() while true do pcall(error) end end)) end",
        "for _ = 1, 3 do pcall(function() while true do end end) end return message",
        "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) while true do "
        "pcall(function() return t[1] end) end",
        "local x <close> = setmetatable({}, { __close = function() while true do end end }) while true do "
        "end",
    };
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        struct call call;
        int64_t started_ms = clock_monotonic_ms();
        write_rule("", loops[i]);
        call_start(&fixture, &call, "bascule.server", "run");
        call_wait(&fixture, &call);
        assert_contains(call.text, "RULE: agencies/one/rules.lua");
        assert_true(clock_monotonic_ms() - started_ms < 5000);
    }
    assert_rule("return context.reject 'alive'",
                "{\"action\":\"reject\",\"agency\":\"one\",\"reason\":\"alive\"}");
}

static void test_memory_is_limited(void **state)
{
    (void)state;
    static const char *const bombs[] = {
        "return { to = string.rep('x', 1 << 30) }",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do pcall(function() for i = 1, 1e9 do t[i] = {} end end) end",
    };
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct call call;
        write_rule("", bombs[i]);
        call_start(&fixture, &call, "bascule.server", "run");
        call_wait(&fixture, &call);
        assert_contains(call.text, "RULE: agencies/one/rules.lua");
    }
    assert_rule("local function f() return f() + 1 end return f()",
                "RULE: agencies/one/rules.lua: used more than 2097152 bytes of memory");
}

static void test_nothing_reaches_out(void **state)
{
    (void)state;
    assert_rule("local names = {}\n"
                "for _, name in ipairs { 'os', 'io', 'debug', 'package', 'load', 'loadstring', 'dofile', "
                "'loadfile',\n"
                "  'collectgarbage', 'xpcall', 'print', 'rawset' } do\n"
                "  if _G[name] ~= nil then names[#names + 1] = name end\n"
                "end\n"
                "if string.dump or math.random or math.randomseed then names[#names + 1] = 'more' end\n"
                "return context.reject('found: ' .. table.concat(names, ' '))",
                "{\"action\":\"reject\",\"agency\":\"one\",\"reason\":\"found: \"}");
    assert_rule("x = 1",
                "RULE: agencies/one/rules.lua:3: 'x' would be a global, and rules keep nothing between "
                "messages; write 'local x'");
    assert_rule("setmetatable({}, { __gc = function() end })",
                "RULE: agencies/one/rules.lua:3: __gc has no place in rules");
    assert_rule("getmetatable('').__index = {}",
                "RULE: agencies/one/rules.lua:3: attempt to index a string value");
}

static void test_tampering_stays_inside(void **state)
{
    (void)state;
    assert_rule("getmetatable('')['x'] = 1 return message",
                "RULE: agencies/one/rules.lua:3: attempt to index a string value");
    assert_rule("setmetatable(_G, {})",
                "RULE: agencies/one/rules.lua:3: cannot change a protected metatable");
    assert_rule("return require 'host.phone'",
                "RULE: agencies/one/rules.lua:3: module 'host.phone' is not there; rules may require ");
    assert_rule("return require 'bascule.default'",
                "RULE: agencies/one/rules.lua:3: module 'bascule.default' is not there; rules may require ");
    assert_rule(
        "return setmetatable(message, { __index = error, __pairs = error, __len = error })",
        "{\"action\":\"send\",\"agency\":\"one\",\"message\":{\"attachments\":[],\"body\":\"hello\"," EXTRA
        ",\"to\":\"+639171234567\"}}");
}

static void test_agencies_share_nothing(void **state)
{
    (void)state;
    write_rule("string.upper = function() return 'tampered' end",
               "message.body = message.body:upper() return message");
    fixture_write(
        &fixture, "agencies/two/rules.lua",
        "return { locations = { 'b' }, outbound = function(m) m.body = m.body:upper() return m end }");
    assert_int_equal(generations_reload(fixture.host.generations, NULL), 1);
    fixture_write(&fixture, "lua/bascule/two.lua",
                  "local rules = require 'host.rules'\n"
                  "return { run = function() return\n"
                  "  rules.outbound('a', nil, { to = '1', body = 'x' }, {}).message.body,\n"
                  "  rules.outbound('b', nil, { to = '1', body = 'x' }, {}).message.body end }");
    assert_int_equal(generations_reload(fixture.host.generations, NULL), 1);
    assert_call(&fixture, "bascule.two", "tampered X");
}

static void test_library_reads_numbers(void **state)
{
    (void)state;
    fixture_write(&fixture, "lua/bascule/rules/phone.lua",
                  "local phone = require 'host.phone'\n"
                  "return { national = function(t, r) return phone.parse(t, r).national end }");
    write_rule("local phone = require 'bascule.phone'",
               "message.to = phone.national(message.to, 'PH') return message");
    struct call call;
    call_start(&fixture, &call, "bascule.server", "run");
    call_wait(&fixture, &call);
    assert_contains(call.text, "\"to\":\"09171234567\"");
}

static void test_more_agencies_than_states(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        char path[64], text[160];
        snprintf(path, sizeof path, "agencies/many%d/rules.lua", i);
        snprintf(text, sizeof text,
                 "return { locations = { 'l%d' }, outbound = function(m) m.body = '%d' return m end }", i, i);
        fixture_write(&fixture, path, text);
    }
    fixture_write(&fixture, "lua/bascule/many.lua",
                  "local rules = require 'host.rules'\n"
                  "return { run = function()\n"
                  "  for round = 1, 2 do for i = 0, 299 do\n"
                  "    local d = assert(rules.outbound('l' .. i, nil, { to = '1', body = '' }, {}))\n"
                  "    assert(d.message.body == tostring(i) and d.agency == 'many' .. i)\n"
                  "  end end\n"
                  "  return 'done' end }");
    assert_int_equal(generations_reload(fixture.host.generations, NULL), 1);
    assert_call(&fixture, "bascule.many", "done");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_message_is_sent),           WITH_FIXTURE(test_results_of_the_context),
        WITH_FIXTURE(test_wrong_use_of_the_context),  WITH_FIXTURE(test_wrong_returns),
        WITH_FIXTURE(test_errors_name_file_and_line), WITH_FIXTURE(test_endless_loops_are_stopped),
        WITH_FIXTURE(test_memory_is_limited),         WITH_FIXTURE(test_nothing_reaches_out),
        WITH_FIXTURE(test_tampering_stays_inside),    WITH_FIXTURE(test_agencies_share_nothing),
        WITH_FIXTURE(test_library_reads_numbers),     WITH_FIXTURE(test_more_agencies_than_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
