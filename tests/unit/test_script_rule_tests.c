/* The tests that an agency writes into its rules: what they see, how they fail, and what their failing keeps.
 */
#include "script_fixture.h"

static struct fixture fixture;

static char *small_limits[] = {"BASCULE_RULE_MS=5000", "BASCULE_RULE_MEMORY_BYTES=2097152", NULL};

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture, small_limits);
    fixture_write(&fixture, "lua/bascule/server.lua",
                  "local rules = require 'host.rules'\n"
                  "return { run = function()\n"
                  "  return rules.outbound('a', nil, { to = '1', body = 'plain' }, {}).message.body end }\n");
    fixture_load(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

/* Puts the body of the test "it" on line 6 of agencies/one/rules.lua; returns the fault, "" where it passed.
 */
static const char *fault_of_test(const char *outbound, const char *body)
{
    static struct error error;
    char text[2000];
    error = (struct error){0};
    snprintf(
        text, sizeof text,
        "local rules rules = {\nlocations = { 'a', 'b' }, companies = { 'c' },\noutbound = function(message, "
        "context) "
        "%s end,\ntests = {\nit = function(t)\n%s\nend } }\nreturn rules",
        outbound, body);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    generations_reload(fixture.host.generations, &error);
    return error.message;
}

static void assert_test(const char *body, const char *expected)
{
    static const char outbound[] =
        "if message.body == 'late' then return context.defer { until_ = context.now + 1, reason = 'night' } "
        "end "
        "if message.body == 'bad' then return context.reject('no ' .. message.to) end "
        "if message.body == 'both' then return context.route { 'cast', 'x' } end "
        "if message.body == 'none' then return end "
        "if message.body == 'fault' then return context.fault.x end "
        "message.sender = context.settings.sender return message";
    assert_string_equal(fault_of_test(outbound, body), expected);
}

#define FAILED(line) "agencies/one/rules.lua:" line ": test \"it\": "

static void test_decisions_are_seen(void **state)
{
    (void)state;
    assert_test("t.equal(t.outbound({ body = 'late' }, { now = 5 }),\n"
                "  { action = 'defer', until_ = 6, reason = 'night' })",
                "");
    assert_test("t.equal(t.outbound { body = 'bad', to = '1' }, { action = 'reject', reason = 'no 1' })", "");
    assert_test("local d = t.outbound({ to = '1' }, { settings = { sender = 'X' } })\n"
                "t.equal(d.action, 'send') t.equal(d.message.to, '1') t.equal(d.message.sender, 'X')\n"
                "t.equal(d.message.attachments, {}) t.equal(d.message.type, 'SMS')",
                "");
    assert_test("local d = t.outbound { body = 'both' } t.equal(d.providers, { 'cast', 'x' })\n"
                "t.equal(d.message.body, 'both')",
                "");
    assert_test(
        "local m = { body = 'x' } local d = t.outbound(m) d.message.body = 'y' t.equal(m, { body = 'x' })\n"
        "t.equal(coroutine.wrap(t.outbound)(m).message.body, 'x')",
        "");
}

static void test_the_context_is_filled(void **state)
{
    (void)state;
    static const char outbound[] =
        "return context.reject(table.concat({ context.now, context.location, context.company }, ' '))";
    static const struct {
        const char *arguments, *reason;
    } cases[] = {
        {"", "1767326400000 a c"},
        {"nil, { location = 'b', company = 'd', now = 7 }", "7 b d"},
        {"{}, { now = '2026-01-02T23:00:00+08:00' }", "1767366000000 a c"},
        {"{}, { now = '2026-01-02T10:30:00.5-04:30' }", "1767366000500 a c"},
        {"{}, { now = '2026-01-02T15:00:00Z' }", "1767366000000 a c"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[200];
        snprintf(body, sizeof body, "t.equal(t.outbound(%s).reason, '%s')", cases[i].arguments,
                 cases[i].reason);
        assert_string_equal(fault_of_test(outbound, body), "");
    }
    static const char *const no_times[] = {"2026-01-02",
                                           "2026-01-02T15:00:00",
                                           "2026-02-30T15:00:00+08:00",
                                           "2026-01-02T15:00:00+8:00",
                                           "2026-01-02T15:00:00+24:00",
                                           "+08:00"};
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++) {
        char body[200];
        snprintf(body, sizeof body, "t.outbound({}, { now = '%s' })", no_times[i]);
        assert_string_equal(fault_of_test(outbound, body),
                            FAILED("6") "the context's now must be in ms, or a time such as "
                                        "\"2026-01-02T23:00:00+08:00\"");
    }
}

static void test_equal_says_where_values_part(void **state)
{
    (void)state;
    assert_test(
        "t.equal(1, 1.0) t.equal(nil, nil) t.equal({ a = { 1, { b = 'x' } } }, { a = { 1, { b = 'x' } } })",
        "");
    assert_test("t.equal('b', 'a')", FAILED("6") "expected \"a\", got \"b\"");
    assert_test("t.equal('1', 1, 'the count')", FAILED("6") "the count: expected 1, got \"1\"");
    assert_test("t.equal({ m = { l = { 1, 2 } } }, { m = { l = { 1, 3 } } }, 'all')",
                FAILED("6") "all: m.l[2]: expected 3, got 2");
    assert_test("t.equal({ a = 1 }, { a = 1, b = true })", FAILED("6") "b: expected true, got nil");
    assert_test("t.equal({ { x = false } }, { {} })", FAILED("6") "[1].x: expected nil, got false");
    assert_test("t.equal({ 1, k = { 2 } }, 'a\\n\\xff')",
                FAILED("6") "expected \"a\\x0a\\xff\", got { 1, k = { 2 } }");
    assert_test("t.equal(print, {})", FAILED("6") "expected {}, got nil");
    assert_test(
        "t.equal(('x'):rep(200), type)",
        FAILED(
            "6") "expected function, got \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...");
    assert_test("local a, b = {}, {} a[1], b[1] = a, b t.equal(a, b)",
                FAILED("6") "too large to compare, or a table contains itself");
    assert_test("local a, b = {}, {} for _ = 1, 30 do a, b = { a, a }, { b, b } end t.equal(a, b)",
                FAILED("6") "too large to compare, or a table contains itself");
    assert_test(
        "local a = {} a[1] = a t.equal(a, 1)",
        FAILED(
            "6") "expected 1, got { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { { "
                 "{ { { { { { { { { { { { { { { { { { { { { { { { { ...");
    assert_test("t.equal(1)", FAILED("6") "bad argument #2 to 'equal' (value expected)");
}

/* A table that was emptied takes as long to compare as a full one. */
static void test_comparing_is_charged(void **state)
{
    (void)state;
    assert_test("local a, b, x, y, all, others = {}, {}, {}, {}, {}, {}\n"
                "for i = 1, 300 do x[i], y[i], all[i], others[i] = a, b, x, y end\n"
                "t.equal(all, others) t.equal(all, others)",
                FAILED("8") "ran more than 1000000 instructions");
}

static void test_giving_is_bounded(void **state)
{
    (void)state;
    struct error error = {0};
    fixture_write(
        &fixture, "agencies/one/rules.lua",
        "local emptied, list, lists = {}, {}, {}\n"
        "for i = 1, 16000 do emptied[i + 0.5] = true end for k in next, emptied do emptied[k] = nil end\n"
        "for i = 1, 300 do list[i], lists[i] = emptied, list end\n"
        "return { locations = { 'a' }, limits = { ms = 5 }, outbound = function(m) return m end,\n"
        "tests = { it = function(t) t.outbound { payload = lists } end } }");
    assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
    assert_non_null(strstr(error.message, "it takes too long to read"));
}

static void test_failures_name_their_place(void **state)
{
    (void)state;
    assert_test("assert(1 == 2, 'not one')", FAILED("6") "not one");
    assert_test("\nerror 'plain'", FAILED("7") "plain");
    assert_test("return t.equal(1, 2)", FAILED("6") "expected 2, got 1");
    assert_test("t.outbound { body = 'fault' }", FAILED("3") "attempt to index a nil value (field 'fault')");
    assert_test("t.outbound { body = 'none' }",
                FAILED("3") "outbound returned nothing; return message, or context.reject(\"why\")");
    assert_test("t.outbound { bdy = 'x' }", FAILED("6") "unknown option 'bdy'; did you mean 'body'?");
    assert_test("t.outbound({}, { setings = {} })",
                FAILED("6") "unknown option 'setings'; did you mean 'settings'?");
    assert_test("t.outbound({ body = print or type })",
                FAILED("6") "the message.body: a function cannot be kept");
    assert_test("t.outbound 'x'", FAILED("6") "bad argument #1 to 'outbound' (table expected, got string)");
    assert_test("setmetatable(rules, { __index = error }) rules.locations, rules.tests = nil", "");
}

static void test_limits_are_kept(void **state)
{
    (void)state;
    assert_test("while true do end", FAILED("6") "ran more than 1000000 instructions");
    assert_test("pcall(function() while true do end end)", FAILED("7") "ran more than 1000000 instructions");
    assert_test("local s = 'x' while true do s = s .. s end",
                FAILED("5") "used more than 2097152 bytes of memory");
    assert_test("local l = {} while true do l[#l + 1] = t.outbound({}) end",
                FAILED("5") "used more than 2097152 bytes of memory");
    assert_test("local l, m = {}, { payload = {} } for i = 1, 5000 do m.payload[i] = {} end\n"
                "local d <const> = coroutine.wrap(function() for i = 1, 9 do l[i] = t.outbound(m) end end)()",
                FAILED("5") "used more than 2097152 bytes of memory");
    assert_test("t.equal(1, 1)", "");
}

static void assert_file(const char *tests, const char *expected)
{
    struct error error = {0};
    char text[1000];
    snprintf(text, sizeof text, "return { locations = { 'a' },\ntests = %s }", tests);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    generations_reload(fixture.host.generations, &error);
    assert_string_equal(error.message, expected);
}

static void test_tests_are_functions_by_name(void **state)
{
    (void)state;
    assert_file("5", "agencies/one/rules.lua:2: 'tests' must be a table of functions by name, not a number");
    assert_file("{ function() end }",
                "agencies/one/rules.lua:2: 'tests' must be a table of functions by name: every key a text");
    assert_file("{ ['a\\0b'] = function() end }",
                "agencies/one/rules.lua:2: 'tests' must be a table of functions by name: every key a text");
    assert_file("{ it = 'works' }", "agencies/one/rules.lua:2: test \"it\" must be a function, not a string");
    assert_file("{ it = function(t) t.outbound {} end }",
                "agencies/one/rules.lua:2: test \"it\": the rules have no outbound");
    assert_file("{ b = function() error 'second' end, a = function() error 'first' end }",
                "agencies/one/rules.lua:2: test \"a\": first");
    assert_file("setmetatable({}, { __index = error, __pairs = error })", "");
    assert_file("{}", "");
}

/* ---- what a reload makes of them ---- */

static void assert_reload(int expected, const char *message)
{
    struct error error = {0};
    int result = generations_reload(fixture.host.generations, &error);
    assert_string_equal(error.message, message);
    assert_int_equal(result, expected);
}

/* Rules whose one test, on line 2, asks that the library says `expected`. */
static void write_tagged(const char *body, const char *expected)
{
    char text[600];
    snprintf(text, sizeof text,
             "local tag = require 'bascule.text'.tag\n"
             "return { tests = { tag = function(t) t.equal(tag, '%s') end },\n"
             "locations = { 'a' }, outbound = function(m) m.body = '%s ' .. tag return m end }",
             expected, body);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
}

static void write_library(const char *tag)
{
    char text[100];
    snprintf(text, sizeof text, "return { tag = '%s' }", tag);
    fixture_write(&fixture, "lua/bascule/rules/text.lua", text);
}

static void test_a_failing_test_keeps_what_runs(void **state)
{
    (void)state;
    struct buffer json = {0};
    write_library("x");
    write_tagged("first", "x");
    assert_reload(1, "");
    assert_call(&fixture, "bascule.server", "first x");
    write_tagged("second", "y");
    assert_reload(-1, "agencies/one/rules.lua:2: test \"tag\": expected \"y\", got \"x\"");
    assert_call(&fixture, "bascule.server", "first x");
    generations_describe(fixture.host.generations, &json);
    assert_contains(json.data,
                    "agencies/one/rules.lua:2: test \\\"tag\\\": expected \\\"y\\\", got \\\"x\\\"");
    buffer_deinit(&json);
    write_tagged("third", "x");
    assert_reload(1, "");
    assert_call(&fixture, "bascule.server", "third x");
}

static void test_a_file_that_never_passed_holds_its_messages(void **state)
{
    (void)state;
    struct call call;
    write_library("x");
    write_tagged("first", "y");
    assert_reload(-1, "agencies/one/rules.lua:2: test \"tag\": expected \"y\", got \"x\"");
    call_start(&fixture, &call, "bascule.server", "run");
    call_wait(&fixture, &call);
    assert_false(call.ok); /* the script reads a decision that is not there */
}

/* The library is the host's: a new one replaces what runs with it, whatever agencies expect of it. But a file
 * that was refused comes in only where its tests pass. */
static void test_a_new_library_runs_tests_of_refused_files_alone(void **state)
{
    (void)state;
    write_library("x");
    write_tagged("first", "x");
    assert_reload(1, "");
    write_library("y");
    assert_reload(1, "");
    assert_call(&fixture, "bascule.server", "first y");
    write_tagged("second", "z");
    assert_reload(-1, "agencies/one/rules.lua:2: test \"tag\": expected \"z\", got \"y\"");
    write_library("w");
    assert_reload(-1, "agencies/one/rules.lua:2: test \"tag\": expected \"z\", got \"w\"");
    assert_call(&fixture, "bascule.server", "first w");
    write_library("z");
    assert_reload(1, "");
    assert_call(&fixture, "bascule.server", "second z");
}

static void test_all_tests_together_are_limited(void **state)
{
    (void)state;
    struct error error = {0};
    fixture_write(&fixture, "agencies/one/rules.lua",
                  "local tests, slow = {}, function() for _ = 1, 100000 do end end\n"
                  "for i = 1, 8000 do tests['t' .. i] = slow end\n"
                  "return { locations = { 'a' }, tests = tests }");
    assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
    assert_contains(error.message, "the tests before it took longer than 1000 ms");
}

/* What a reload logs. */
static void read_log_of_reload(char *text, size_t size)
{
    fflush(stderr);
    int standard_error = dup(STDERR_FILENO);
    FILE *captured = tmpfile();
    dup2(fileno(captured), STDERR_FILENO);
    log_set_level(LOG_WARN);
    generations_reload(fixture.host.generations, NULL);
    log_set_level(LOG_ERROR + 1);
    fflush(stderr);
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
    rewind(captured);
    text[fread(text, 1, size - 1, captured)] = '\0';
    fclose(captured);
}

static void test_a_function_that_nothing_calls_is_told(void **state)
{
    (void)state;
    char logged[2000];
    fixture_write(&fixture, "agencies/one/rules.lua",
                  "return { locations = { 'a' }, inbound = function() end, report = function() end }");
    read_log_of_reload(logged, sizeof logged);
    assert_contains(logged, "\"event\":\"rules_function_unused\",\"agency\":\"one\",\"key\":\"inbound\"");
    assert_null(strstr(logged, "report"));
    read_log_of_reload(logged, sizeof logged);
    assert_string_equal(logged, "");
    fixture_write(&fixture, "agencies/one/rules.lua", "return { locations = { 'a' } }");
    read_log_of_reload(logged, sizeof logged);
    assert_string_equal(logged, "");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_decisions_are_seen),
        WITH_FIXTURE(test_the_context_is_filled),
        WITH_FIXTURE(test_equal_says_where_values_part),
        WITH_FIXTURE(test_comparing_is_charged),
        WITH_FIXTURE(test_giving_is_bounded),
        WITH_FIXTURE(test_failures_name_their_place),
        WITH_FIXTURE(test_limits_are_kept),
        WITH_FIXTURE(test_tests_are_functions_by_name),
        WITH_FIXTURE(test_a_failing_test_keeps_what_runs),
        WITH_FIXTURE(test_a_file_that_never_passed_holds_its_messages),
        WITH_FIXTURE(test_a_new_library_runs_tests_of_refused_files_alone),
        WITH_FIXTURE(test_all_tests_together_are_limited),
        WITH_FIXTURE(test_a_function_that_nothing_calls_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
