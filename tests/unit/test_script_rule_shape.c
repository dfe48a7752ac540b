/* The table that a rules file returns: what is taken, what is refused and with which words, and what
 * host.rules.needs tells of it. */
#include "script_fixture.h"

static struct fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture, fixture_no_environment());
    fixture_write(&fixture, "lua/bascule/server.lua",
                  "local rules, json = require 'host.rules', require 'host.json'\n"
                  "return { run = function() return json.encode(rules.needs('a', 'c')) end,\n"
                  "  company = function() return json.encode(rules.needs('x', 'c')) end,\n"
                  "  nobody = function() return json.encode(rules.needs('x')) end }\n");
    fixture_load(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

/* The fields stand from line 2 on; returns the fault, "" where the file was taken. */
static const char *fault_of(const char *fields)
{
    static struct error error;
    char text[2000];
    error = (struct error){0};
    snprintf(text, sizeof text, "return { locations = { 'a' }, companies = { 'c' },\n%s\n}", fields);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    generations_reload(fixture.host.generations, &error);
    return error.message;
}

struct refusal {
    const char *fields, *fault;
};

static void assert_refused(const struct refusal *refusals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(fault_of(refusals[i].fields), refusals[i].fault);
}

#define ASSERT_REFUSED(refusals) assert_refused(refusals, sizeof refusals / sizeof *refusals)
#define AT(line) "agencies/one/rules.lua:" line ": "

static void test_unknown_keys(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"outbond = type", AT("2") "unknown key 'outbond'; did you mean 'outbound'?"},
        {"-- colour = 1\ncolour = 1", AT("3") "unknown key 'colour'"},
        {"'text'", "agencies/one/rules.lua: the keys of the rules must be names"},
        {"inbound = {}", AT("2") "'inbound' must be a function, not a table"},
        {"limits = { ms = 5,\nmemory_byte = 1 }",
         AT("3") "unknown key 'memory_byte' of limits; did you mean 'memory_bytes'?"},
        {"memory = { old = { kind = 'value', per = 'agency', ttl = '1d' },\n"
         "seen = { kind = 'value', per = 'agency',\ntll = '1d' } }",
         AT("4") "unknown key 'tll' of memory.seen; did you mean 'ttl'?"},
    };
    ASSERT_REFUSED(refusals);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"\nlimits = 5", AT("3") "'limits' must be a table such as { ms = 5 }, not a number"},
        {"limits = {\nms = 0 }", AT("3") "limits.ms must be a whole number from 1 up, not 0"},
        {"limits = { ms = 1.5 }", AT("2") "limits.ms must be a whole number from 1 up, not 1.5"},
        {"limits = { instructions = 'many' }",
         AT("2") "limits.instructions must be a whole number from 1 up, not many"},
        {"limits = { ms = 5, instructions = 20000, memory_bytes = 2000000 }", ""},
    };
    ASSERT_REFUSED(refusals);
}

static void test_needs(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"needs = 'contact'", AT("2") "'needs' must be a list such as { \"contact\" }, not a string"},
        {"needs = { contact = true }", AT("2") "'needs' must be a list of names in quotes: { \"contact\" }"},
        {"needs = { 'contakt' }", AT("2") "nothing called 'contakt' can be needed; there is 'contact'"},
        {"needs = { 'contact' }", ""},
    };
    ASSERT_REFUSED(refusals);
}

#define KINDLESS "memory = { seen = {\nper = 'agency' } }"

static void test_memory(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"memory = 1", AT("2") "'memory' must be a table of declarations by name, not a number"},
        {"memory = { Seen = {} }",
         AT("2") "a name of memory must be lower case letters, digits and '_', not 'Seen'"},
        {"memory = { [1] = {} }",
         AT("2") "a name of memory must be lower case letters, digits and '_', not '1'"},
        {"memory = {\nseen = true }", AT("3") "memory.seen must be a table such as { kind = \"value\", per = "
                                              "\"contact\", ttl = \"12h\" }, not a boolean"},
        {KINDLESS, AT("2") "memory.seen needs kind = \"counter\" or \"value\""},
        {"memory = { seen = {\nkind = 'countr' } }",
         AT("3") "memory.seen's kind cannot be \"countr\"; did you mean \"counter\"?"},
        {"memory = { seen = { kind = 'value',\nper = 'phone' } }",
         AT("3") "memory.seen's per must be \"contact\", \"number\", \"location\" or \"agency\", not "
                 "\"phone\""},
        {"memory = { n = { kind = 'counter', per = 'agency' } }",
         AT("2") "memory.n needs window = \"hour\", \"day\", \"week\" or \"month\""},
        {"memory = { n = { kind = 'counter', per = 'agency', window = 'days' } }",
         AT("2") "memory.n's window cannot be \"days\"; did you mean \"day\"?"},
        {"memory = { n = { kind = 'counter', per = 'agency', window = 'day',\nttl = '1d' } }",
         AT("3") "memory.n's ttl is for values; a counter has a window"},
        {"memory = { n = { kind = 'counter', per = 'agency', window = 'day',\nzone = 'Asia/Manilla' } }",
         AT("3") "memory.n's zone: the zone Asia/Manilla is not known; did you mean Asia/Manila?"},
        {"memory = { v = { kind = 'value', per = 'number', ttl = '1d', window = 'day' } }",
         AT("2") "memory.v's window is for counters; a value has a ttl"},
        {"memory = { v = { kind = 'value', per = 'number', ttl = '1d', zone = 'UTC' } }",
         AT("2") "memory.v's zone is for counters; a value has a ttl"},
        {"memory = { v = { kind = 'value', per = 'number' } }",
         AT("2") "memory.v needs a ttl: for how long a value is kept, such as \"12h\""},
        {"memory = { v = { kind = 'value', per = 'number', ttl = 5 } }",
         AT("2") "memory.v's ttl must be a text, not a number"},
    };
    ASSERT_REFUSED(refusals);
}

static void test_times_to_live(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "", "12", "h", "0h", "-1h", "1.5h", "1 h", "1w", "401d", "12h ", "99999999999999999999s"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char fields[160], fault[200];
        snprintf(fields, sizeof fields, "memory = { v = { kind = 'value', per = 'number', ttl = '%s' } }",
                 wrong[i]);
        snprintf(fault, sizeof fault,
                 AT("2") "memory.v's ttl must be a time such as \"90s\", \"15m\", \"12h\" or \"30d\" (400 "
                         "days at most), not \"%s\"",
                 wrong[i]);
        assert_string_equal(fault_of(fields), fault);
    }
}

static void test_names_are_bounded(void **state)
{
    (void)state;
    char fields[2000] = "memory = { ";
    for (int i = 0; i < 17; i++)
        snprintf(fields + strlen(fields), sizeof fields - strlen(fields),
                 "n%d = { kind = 'value', per = 'agency', ttl = '1d' }, ", i);
    strcat(fields, "}");
    assert_string_equal(fault_of(fields), AT("2") "'memory' has more than 16 names");
}

static void assert_needs(const char *function, const char *expected)
{
    struct call call;
    call_start(&fixture, &call, "bascule.server", function);
    call_wait(&fixture, &call);
    assert_string_equal(call.text, expected);
}

static void test_needs_are_told(void **state)
{
    (void)state;
    static const char declared[] =
        "{\"agency\":\"one\",\"contact\":true,\"memory\":{"
        "\"lock\":{\"kind\":\"value\",\"per\":\"contact\",\"ttl_ms\":43200000},"
        "\"month\":{\"kind\":\"counter\",\"per\":\"location\",\"window\":\"month\",\"zone\":\"UTC\"},"
        "\"today\":{\"kind\":\"counter\",\"per\":\"number\",\"window\":\"day\",\"zone\":\"Asia/"
        "Manila\"}},\"report\":true}";
    assert_string_equal(
        fault_of("report = function(r) return r end, needs = { 'contact' }, memory = {\n"
                 "today = { kind = 'counter', per = 'number', window = 'day', zone = 'Asia/Manila' },\n"
                 "month = { kind = 'counter', per = 'location', window = 'month' },\n"
                 "lock = { kind = 'value', per = 'contact', ttl = '12h' } }"),
        "");
    assert_needs("run", declared);
    assert_needs("company", declared);
    assert_needs("nobody", "{\"agency\":\"default\",\"contact\":false,\"memory\":{},\"report\":false}");
}

/* A unit that runs keeps what it declared when its library changes and it is loaded again. */
static void test_needs_outlive_a_new_library(void **state)
{
    (void)state;
    assert_string_equal(fault_of("needs = { 'contact' }"), "");
    fixture_write(&fixture, "lua/bascule/rules/text.lua", "return {}");
    assert_int_equal(generations_reload(fixture.host.generations, NULL), 1);
    assert_needs("run", "{\"agency\":\"one\",\"contact\":true,\"memory\":{},\"report\":false}");
}

static void test_errors_of_compilation(void **state)
{
    (void)state;
    assert_string_equal(fault_of("tests = { it = function(t)\nreturn context.defer { until = 5 } end }"),
                        AT("3") "unexpected symbol near 'until' ('until' is a word of Lua's own; write "
                                "'until_')");
    fixture_write(&fixture, "agencies/one/rules.lua", "\x1bLuaT");
    struct error error = {0};
    assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
    assert_string_equal(error.message,
                        "agencies/one/rules.lua: attempt to load a binary chunk (mode is 't')");
}

/* What is claimed is kept outside of the memory that limits the rules. */
static void test_claims_are_bounded(void **state)
{
    (void)state;
    static const char no_id[] =
        "'locations' has an id that is none: it is longer than 100 bytes, or has a NUL";
    static const struct {
        const char *locations, *fault;
    } cases[] = {
        {"{ ('x'):rep(100) }", ""},
        {"{ ('x'):rep(101) }", no_id},
        {"{ 'a\\0b' }", no_id},
        {"(function() local t = {} for i = 1, 10001 do t[i] = 'a' end return t end)()",
         "'locations' has more than 10000 ids"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300], fault[200];
        struct error error = {0};
        snprintf(text, sizeof text, "return {\nlocations = %s\n}", cases[i].locations);
        snprintf(fault, sizeof fault, "%s%s", *cases[i].fault == '\0' ? "" : AT("2"), cases[i].fault);
        fixture_write(&fixture, "agencies/one/rules.lua", text);
        generations_reload(fixture.host.generations, &error);
        assert_string_equal(error.message, fault);
    }
}

/* Lua's compiler takes time by the square of a condition's length: this text would take hours. */
static void test_texts_that_are_long_to_compile(void **state)
{
    (void)state;
    struct error error = {0};
    struct buffer text = {0};
    buffer_append_text(&text, "return { outbound = function(m) return a");
    for (int i = 0; i < 500000; i++)
        buffer_append_text(&text, " and a");
    buffer_append_text(&text, " end }");
    fixture_write(&fixture, "agencies/one/rules.lua", text.data);
    assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
    assert_string_equal(error.message, "agencies/one/rules.lua: takes longer than 1000 ms to compile");
    buffer_deinit(&text);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_unknown_keys),
        WITH_FIXTURE(test_limits),
        WITH_FIXTURE(test_needs),
        WITH_FIXTURE(test_memory),
        WITH_FIXTURE(test_times_to_live),
        WITH_FIXTURE(test_names_are_bounded),
        WITH_FIXTURE(test_needs_are_told),
        WITH_FIXTURE(test_needs_outlive_a_new_library),
        WITH_FIXTURE(test_errors_of_compilation),
        WITH_FIXTURE(test_claims_are_bounded),
        WITH_FIXTURE(test_texts_that_are_long_to_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
