/* Generations: what is loaded, what is refused, what stays, what a reload reads again. */
#include "script_fixture.h"

#include "script/generation.h"

static struct fixture fixture;

static void write_agency(const char *slug, const char *claims, const char *tag)
{
    char path[80], text[400];
    snprintf(path, sizeof path, "agencies/%s/rules.lua", slug);
    snprintf(text, sizeof text,
             "return {\n  %s,\n  outbound = function(message)\n    message.body = message.body .. '%s'\n"
             "    return message\n  end,\n}\n",
             claims, tag);
    fixture_write(&fixture, path, text);
}

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture, fixture_no_environment());
    fixture_write(&fixture, "lua/bascule/server.lua",
                  "local word = require 'bascule.word'\n"
                  "local rules = require 'host.rules'\n"
                  "local scripts = require 'host.scripts'\n"
                  "local M = {}\n"
                  "function M.run() return word end\n"
                  "function M.generation() return scripts.generation() end\n"
                  "local function body(location, company)\n"
                  "  local decision, text = rules.outbound(location, company, { to = '1', body = 'b' }, {})\n"
                  "  return decision and decision.agency .. ' ' .. decision.message.body or text\n"
                  "end\n"
                  "function M.a() return body 'a' end\n"
                  "function M.b() return body 'b' end\n"
                  "function M.other() return body('x', 'company') end\n"
                  "function M.reload() return scripts.reload() end\n"
                  "function M.rollback() return scripts.rollback() end\n"
                  "function M.kept() return #scripts.describe().kept end\n"
                  "return M\n");
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'one'");
    fixture_load(&fixture);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

static void assert_result(const char *function, const char *expected)
{
    struct call call;
    call_start(&fixture, &call, "bascule.server", function);
    call_wait(&fixture, &call);
    assert_string_equal(call.text, expected);
}

static void assert_reload(int expected, const char *message)
{
    struct error error = {0};
    int result = generations_reload(fixture.host.generations, &error);
    if (message != NULL)
        assert_contains(error.message, message);
    if (result != expected)
        fail_msg("reload gave %d (%s)", result, error.message);
}

static void assert_describes(const char *part)
{
    struct buffer json = {0};
    generations_describe(fixture.host.generations, &json);
    assert_contains(json.data, part);
    buffer_deinit(&json);
}

static void test_trusted_change(void **state)
{
    (void)state;
    assert_result("run", "one");
    assert_reload(0, NULL);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    assert_result("run", "one");
    assert_reload(1, NULL);
    assert_result("run", "two");
    assert_reload(0, NULL);
}

static void test_broken_trusted_keeps_what_runs(void **state)
{
    (void)state;
    fixture_write(&fixture, "lua/bascule/word.lua", "return\n  'two");
    assert_reload(-1, "lua/bascule/word.lua:2: unfinished string");
    assert_result("run", "one");
    assert_describes("lua/bascule/word.lua:2: unfinished string");
    assert_describes("\"excerpt\":\"  1 | return\\n> 2 |   'two\\n\"");
    assert_reload(-1, "lua/bascule/word.lua:2");
    fixture_write(&fixture, "lua/bascule/word.lua", "local x = nil\nreturn x.y");
    assert_reload(-1, "lua/bascule/word.lua:2: attempt to index a nil value");
    assert_describes("{\"path\":\"lua/bascule/word.lua\"");
    assert_describes("\"excerpt\":\"  1 | local x = nil\\n> 2 | return x.y\\n\"");
    assert_result("run", "one");
    fixture_remove(&fixture, "lua/bascule/word.lua");
    assert_reload(-1, "module 'bascule.word' not found");
    assert_result("run", "one");
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'three'");
    assert_reload(1, NULL);
    assert_result("run", "three");
    assert_describes("\"last_error\":null");
}

static void test_faults_of_agencies_have_an_excerpt(void **state)
{
    (void)state;
    fixture_write(&fixture, "agencies/one/rules.lua", "return {\n  locatons = { 'a' }\n}");
    assert_reload(-1, "agencies/one/rules.lua:2: unknown key 'locatons'");
    static const char shown[] = "\"excerpt\":\"  1 | return {\\n> 2 |   locatons = { 'a' }\\n  3 | }\\n\"";
    assert_describes(shown);
    assert_reload(-1, "agencies/one/rules.lua:2"); /* the file is not read again */
    assert_describes(shown);
    fixture_write(&fixture, "agencies/one/rules.lua", "return { locations = { 'a' } }");
    assert_reload(1, NULL);
    assert_describes("\"last_error\":null");
}

static void test_first_generation_must_load(void **state)
{
    (void)state;
    struct error error = {0};
    fixture_write(&fixture, "lua/bascule/word.lua", "return (");
    assert_null(fixture_generations(&fixture, &error));
    assert_contains(error.message, "lua/bascule/word.lua:1:");
    fixture_write(&fixture, "lua/bascule/word.lua", "return require 'bascule.none'");
    assert_null(fixture_generations(&fixture, &error));
    assert_contains(error.message, "module 'bascule.none' not found");
}

static void test_bytecode_is_refused(void **state)
{
    (void)state;
    fixture_write(&fixture, "lua/bascule/word.lua", "\033Lua");
    assert_reload(-1, "attempt to load a binary chunk");
}

static void test_delivery_is_tried_too(void **state)
{
    (void)state;
    fixture_write(&fixture, "lua/bascule/delivery.lua", "error 'not today'");
    assert_reload(-1, "lua/bascule/delivery.lua:1: not today");
}

static void test_agency_by_location_and_company(void **state)
{
    (void)state;
    assert_result("a", "default b");
    write_agency("one", "locations = { 'a', 'c' }", "1");
    write_agency("two", "companies = { 'company' }", "2");
    assert_reload(1, NULL);
    assert_result("a", "one b1");
    assert_result("b", "default b");
    assert_result("other", "two b2");
    write_agency("one", "locations = { 'b' }", "3");
    assert_reload(1, NULL);
    assert_result("a", "default b");
    assert_result("b", "one b3");
    fixture_remove(&fixture, "agencies/one");
    assert_reload(1, NULL);
    assert_result("b", "default b");
    assert_result("other", "two b2");
}

static void test_broken_agency_keeps_its_good_rules(void **state)
{
    (void)state;
    write_agency("one", "locations = { 'a' }", "1");
    write_agency("two", "locations = { 'b' }", "2");
    assert_reload(1, NULL);
    write_agency("one", "locations = { 'a' }, outbond = 1", "1");
    write_agency("two", "locations = { 'b' }", "22");
    assert_reload(-1, "agencies/one/rules.lua:2: unknown key 'outbond'; did you mean 'outbound'?");
    assert_result("a", "one b1");
    assert_result("b", "two b22");
    assert_describes("unknown key 'outbond'");
    assert_reload(-1, "outbond");
    write_agency("one", "locations = { 'a' }", "11");
    assert_reload(1, NULL);
    assert_result("a", "one b11");
}

static void test_agency_that_never_was_good(void **state)
{
    (void)state;
    fixture_write(&fixture, "agencies/one/rules.lua",
                  "return {\n  locations = { \"a\" , 'c' },\n  outbound = \n}");
    assert_reload(-1, "agencies/one/rules.lua:4:");
    assert_result("a", "BROKEN: agencies/one/rules.lua:4: unexpected symbol near '}'");
    assert_result("b", "default b");
    write_agency("one", "locations = { 'a' }", "1");
    assert_reload(1, NULL);
    assert_result("a", "one b1");
}

static void test_faults_of_shape(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "agencies/one/rules.lua: must return a table of rules, not nil"},
        {"return 5", "agencies/one/rules.lua: must return a table of rules, not number"},
        {"return { outbound = function() end }", "names neither locations nor companies"},
        {"return { locations = 'a' }", "rules.lua:1: 'locations' must be a list of ids"},
        {"return { locations = { 5 } }", "'locations' must be a list of ids in quotes"},
        {"return { locations = { x = 'a' } }", "'locations' must be a list of ids in quotes"},
        {"return { locations = { 'a' },\n outbound = {} }",
         "rules.lua:2: 'outbound' must be a function, not a table"},
        {"return { locations = { 'a' }, 1 }", "the keys of the rules must be names"},
        {"return { locations = { 'a' }, colour = 1 }", "rules.lua:1: unknown key 'colour'"},
        {"local x = 1\nhelper = x", "rules.lua:2: 'helper' would be a global"},
        {"return require 'bascule.server'", "module 'bascule.server' is not there; rules may require "},
        {"while true do end", "rules.lua:1: "}, /* of its limits, whichever a slow machine meets first */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_write(&fixture, "agencies/one/rules.lua", cases[i].text);
        assert_reload(-1, cases[i].fault);
    }
}

static void test_one_owner_a_location(void **state)
{
    (void)state;
    write_agency("two", "locations = { 'a', 'b' }", "2");
    assert_reload(1, NULL);
    write_agency("one", "locations = { 'a' }", "1");
    assert_reload(-1, "agencies/two/rules.lua: location \"a\" belongs to agency 'one' already");
    assert_result("a", "one b1");
    assert_result("b", "two b2");
    fixture_remove(&fixture, "agencies/one");
    assert_reload(1, NULL);
    assert_result("a", "two b2");
    write_agency("zoo", "locations = { 'b' }", "z");
    assert_reload(-1, "agencies/zoo/rules.lua: location \"b\" belongs to agency 'two' already");
    assert_result("b", "two b2");
}

static void test_library_reaches_rules(void **state)
{
    (void)state;
    fixture_write(&fixture, "lua/bascule/rules/text.lua", "return { tag = function() return 'L1' end }");
    fixture_write(&fixture, "lua/bascule/rules/default.lua",
                  "return { outbound = function(m) m.body = m.body .. 'D' return m end }");
    fixture_write(
        &fixture, "agencies/one/rules.lua",
        "local text = require 'bascule.text'\nreturn { locations = { 'a' }, outbound = function(m)\n"
        "m.body = text.tag() return m end }");
    assert_reload(1, NULL);
    assert_result("a", "one L1");
    assert_result("b", "default bD");
    fixture_write(&fixture, "lua/bascule/rules/text.lua", "return { tag = function() return 'L2' end }");
    assert_reload(1, NULL);
    assert_result("a", "one L2");
    fixture_remove(&fixture, "lua/bascule/rules/text.lua");
    assert_reload(-1, "module 'bascule.text' is not there");
}

static void test_rollback(void **state)
{
    (void)state;
    struct error error = {0};
    char first[16], second[16];
    assert_int_equal(generations_rollback(fixture.host.generations, NULL, &error), -1);
    generations_current_id(fixture.host.generations, first);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    assert_reload(1, NULL);
    generations_current_id(fixture.host.generations, second);
    assert_string_not_equal(first, second);
    assert_int_equal(generations_rollback(fixture.host.generations, NULL, &error), 0);
    assert_result("run", "one");
    assert_describes("\"rolled_back\":true");
    assert_reload(0, NULL); /* it stays until a file changes */
    assert_result("run", "one");
    assert_int_equal(generations_rollback(fixture.host.generations, second, &error), 0);
    assert_result("run", "two");
    assert_int_equal(generations_rollback(fixture.host.generations, first, &error), 0);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'three'");
    assert_reload(1, NULL);
    assert_result("run", "three");
    assert_describes("\"rolled_back\":false");
    assert_int_equal(generations_rollback(fixture.host.generations, "000000000000", &error), -1);
    assert_contains(error.message, "no generation '000000000000' is kept");
}

static void test_some_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof text, "return 'word %d'", i);
        fixture_write(&fixture, "lua/bascule/word.lua", text);
        assert_reload(1, NULL);
    }
    assert_result("kept", "4");
    assert_result("run", "word 9");
}

static void test_the_same_bytes_are_the_same_generation(void **state)
{
    (void)state;
    char before[16], after[16];
    generations_current_id(fixture.host.generations, before);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    assert_reload(1, NULL);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'one'");
    assert_reload(1, NULL);
    generations_current_id(fixture.host.generations, after);
    assert_string_equal(before, after);
    usleep(150000); /* stamps are trusted once a file has been left alone for a while */
    assert_reload(0, NULL);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'one'");
    assert_reload(0, NULL);
}

static void test_units_are_shared(void **state)
{
    (void)state;
    write_agency("one", "locations = { 'a' }", "1");
    write_agency("two", "locations = { 'b' }", "2");
    assert_reload(1, NULL);
    struct generation *before = generations_acquire(fixture.host.generations);
    write_agency("two", "locations = { 'b' }", "22");
    assert_reload(1, NULL);
    struct generation *after = generations_acquire(fixture.host.generations);
    assert_ptr_equal(before->agencies[0].unit, after->agencies[0].unit);
    assert_ptr_not_equal(before->agencies[1].unit, after->agencies[1].unit);
    assert_ptr_equal(before->library, after->library);
    assert_string_equal(after->parent, before->id);
    generation_unref(before);
    generation_unref(after);
}

static void test_from_lua(void **state)
{
    (void)state;
    assert_result("reload", "false");
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    assert_result("reload", "true");
    assert_result("run", "two");
    assert_result("rollback", "true");
    assert_result("run", "one");
    fixture_write(&fixture, "lua/bascule/word.lua", "return ,");
    struct call call;
    call_start(&fixture, &call, "bascule.server", "reload");
    call_wait(&fixture, &call);
    assert_contains(call.text, "nil REFUSED: lua/bascule/word.lua:1:");
}

static void test_coroutine_knows_its_generation(void **state)
{
    (void)state;
    struct call call;
    char id[16];
    call_start(&fixture, &call, "bascule.server", "generation");
    generations_current_id(fixture.host.generations, id);
    assert_string_equal(call.text, id);
    assert_string_equal(call.generation, id);
}

/* No agencies may be taken for gone because their folder cannot be listed; the good half is not forgotten. */
static void test_what_could_not_be_listed_is_taken_with_the_next_reload(void **state)
{
    (void)state;
    write_agency("a", "locations = { 'a' }", "1");
    assert_reload(1, NULL);
    char command[240];
    snprintf(command, sizeof command, "mv '%s' '%s.away'", fixture.agencies_path, fixture.agencies_path);
    assert_int_equal(system(command), 0);
    fixture_write(&fixture, "agencies", "no folder");
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    assert_reload(-1, "agencies");
    assert_result("run", "one");
    assert_result("a", "a b1");
    fixture_remove(&fixture, "agencies");
    snprintf(command, sizeof command, "mv '%s.away' '%s'", fixture.agencies_path, fixture.agencies_path);
    assert_int_equal(system(command), 0);
    assert_reload(1, NULL);
    assert_result("run", "two");
    assert_result("a", "a b1");
    assert_reload(0, NULL);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_trusted_change),
        WITH_FIXTURE(test_broken_trusted_keeps_what_runs),
        WITH_FIXTURE(test_faults_of_agencies_have_an_excerpt),
        WITH_FIXTURE(test_first_generation_must_load),
        WITH_FIXTURE(test_bytecode_is_refused),
        WITH_FIXTURE(test_delivery_is_tried_too),
        WITH_FIXTURE(test_agency_by_location_and_company),
        WITH_FIXTURE(test_broken_agency_keeps_its_good_rules),
        WITH_FIXTURE(test_agency_that_never_was_good),
        WITH_FIXTURE(test_faults_of_shape),
        WITH_FIXTURE(test_one_owner_a_location),
        WITH_FIXTURE(test_library_reaches_rules),
        WITH_FIXTURE(test_rollback),
        WITH_FIXTURE(test_some_are_kept),
        WITH_FIXTURE(test_the_same_bytes_are_the_same_generation),
        WITH_FIXTURE(test_units_are_shared),
        WITH_FIXTURE(test_from_lua),
        WITH_FIXTURE(test_coroutine_knows_its_generation),
        WITH_FIXTURE(test_what_could_not_be_listed_is_taken_with_the_next_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
