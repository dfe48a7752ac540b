/* Rules from the store beside those from files: what runs, what is refused, and candidates in the shadow and
 * as canaries. */
#include "script_fixture.h"

#include "base/metrics.h"
#include "script/candidate.h"
#include "script/generations.h"
#include "store/store_rules.h"

static struct fixture fixture;
static struct store *store;

/* asks(seed) and its kin tell what came of one call. */
static const char server[] =
    "local rules, M = require 'host.rules', {}\n"
    "local function ask(seed)\n"
    "  local d, why, name = rules.outbound('l1', nil, { to = '1', body = 'as it was', message_id = 'm1' },\n"
    "    { now = 0, location = 'l1', settings = {}, seed = seed })\n"
    "  if not d then return name .. ' ' .. why end\n"
    "  local shadow = d.shadow\n"
    "  return table.concat({ d.action, d.message and d.message.body or d.reason, tostring(d.version),\n"
    "    shadow and table.concat({ 'shadow', shadow.version, tostring(shadow.same),\n"
    "      table.concat(shadow.differs or {}, '+'), shadow.error or '' }, ' ') or '',\n"
    "    d.canary and 'canary ' .. d.canary or '', d.canary_error or '' }, '|')\n"
    "end\n"
    "function M.run() return ask(10) end\n"
    "function M.late() return ask(99) end\n"
    "function M.needs()\n"
    "  local needs, names = rules.needs('l1'), {}\n"
    "  for name, memory in pairs(needs.memory) do names[#names + 1] = name .. '=' .. memory.kind end\n"
    "  table.sort(names)\n"
    "  return tostring(needs.contact) .. ' ' .. table.concat(names, ' ')\n"
    "end\n"
    "return M\n";

static int open_fixture(void **state)
{
    (void)state;
    static char *const environment[] = {"BASCULE_RULE_MS=2000", "BASCULE_CANARY_MIN_CALLS=3", NULL};
    struct error error;
    struct store_options options = {.url = "sqlite::memory:", .busy_timeout_ms = 1000};
    fixture_open(&fixture, environment);
    assert_int_equal(store_open(&options, &store, &error), 0);
    fixture.host.store = store_service_start(store, 1, 0, &error);
    assert_non_null(fixture.host.store);
    fixture_write(&fixture, "lua/bascule/server.lua", server);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    if (fixture.host.generations != NULL)
        generations_stop(fixture.host.generations);
    store_service_stop(fixture.host.store);
    fixture_close(&fixture);
    store_close(store);
    return 0;
}

/* ---- the store ---- */

struct write {
    struct store_job job;
    struct store_rules_new rules;
    struct store_rules_change change;
    uint64_t version;
    struct store_rules_list list;
};

static enum store_status run_add(struct store_job *job, struct store_session *session)
{
    struct write *write = (struct write *)job;
    return store_rules_add(session, &write->rules, &write->version);
}

static enum store_status run_change(struct store_job *job, struct store_session *session)
{
    return store_rules_set_mode(session, &((struct write *)job)->change);
}

static enum store_status run_list(struct store_job *job, struct store_session *session)
{
    return store_rules_list(session, "acme", 0, 100, &((struct write *)job)->list);
}

static int64_t add(const char *source, enum store_rules_mode mode, unsigned percent)
{
    char hash[UNIT_HASH_SIZE];
    unit_hash(slice_from(source), hash);
    struct write write = {.job = {.run = run_add},
                          .rules = {.agency = "acme",
                                    .source = slice_from(source),
                                    .hash = hash,
                                    .mode = mode,
                                    .percent = percent,
                                    .now_ms = 1,
                                    .kept = 100}};
    store_service_wait(fixture.host.store, &write.job, true);
    assert_int_equal(write.job.status, STORE_OK);
    return (int64_t)write.version;
}

static void withdraw(int64_t version, enum store_rules_mode expected)
{
    struct write write = {.job = {.run = run_change},
                          .change = {.agency = "acme",
                                     .version = (uint64_t)version,
                                     .expected = expected,
                                     .mode = RULES_WITHDRAWN,
                                     .now_ms = 1}};
    store_service_wait(fixture.host.store, &write.job, true);
    assert_int_equal(write.job.status, STORE_OK);
}

static struct store_rules_list history(void)
{
    struct write write = {.job = {.run = run_list}};
    store_service_wait(fixture.host.store, &write.job, false);
    assert_int_equal(write.job.status, STORE_OK);
    return write.list;
}

static void reload(void)
{
    struct error error;
    if (generations_reload(fixture.host.generations, &error) < 0)
        fail_msg("%s", error.message);
}

/* ---- texts ---- */

#define RULE(code) "return { locations = { 'l1' }, outbound = function(m, c) " code " return m end }"
#define SAYS(text) RULE("m.body = '" text "'")

static void write_file(const char *source)
{
    fixture_write(&fixture, "agencies/acme/rules.lua", source);
}

static void assert_says(const char *function, const char *expected)
{
    struct call call;
    call_start(&fixture, &call, "bascule.server", function);
    call_wait(&fixture, &call);
    assert_string_equal(call.text, expected);
}

static struct candidate_tally tally(void)
{
    struct generation *generation = generations_acquire(fixture.host.generations);
    const struct agency *agency = generation_find_agency(generation, "l1", NULL);
    assert_non_null(agency->candidate);
    struct candidate_tally found = candidate_tally_of(agency->candidate);
    generation_unref(generation);
    return found;
}

/* ---- what runs ---- */

static void test_published_rules_run_instead_of_the_file(void **state)
{
    (void)state;
    write_file(SAYS("file"));
    fixture_load(&fixture);
    assert_says("run", "send|file|nil|||");
    int64_t version = add(SAYS("published"), RULES_LIVE, 0);
    assert_says("run", "send|file|nil|||");
    reload();
    assert_says("run", "send|published|2|||"); /* the file's is the first in the history */
    write_file(SAYS("changed file"));
    reload();
    assert_says("run", "send|published|2|||");
    withdraw(version, RULES_LIVE);
    reload();
    assert_says("run", "send|changed file|nil|||");
}

static void test_published_rules_that_are_broken_keep_what_runs(void **state)
{
    (void)state;
    struct error error;
    write_file(SAYS("file"));
    fixture_load(&fixture);
    add("return { locations = { 'l1' }, outbond = 5 }", RULES_LIVE, 0);
    assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
    assert_contains(error.message, "acme/rules.lua@2:1: ");
    assert_says("run", "send|file|nil|||");
    add(SAYS("good"), RULES_LIVE, 0);
    reload();
    assert_says("run", "send|good|3|||");
}

static void test_broken_published_rules_are_not_replaced_by_the_file_at_the_start(void **state)
{
    (void)state;
    struct call call;
    write_file(SAYS("file"));
    add("return { locations = { 'l1' }, outbond = 5 }", RULES_LIVE, 0);
    fixture_load(&fixture);
    call_start(&fixture, &call, "bascule.server", "run");
    call_wait(&fixture, &call);
    assert_contains(call.text, "BROKEN");
    assert_contains(call.text, "acme/rules.lua@1:1: ");
}

static void test_the_same_text_again_is_a_generation_of_its_own(void **state)
{
    (void)state;
    char first[16], second[16];
    add(SAYS("same"), RULES_LIVE, 0);
    fixture_load(&fixture);
    generations_current_id(fixture.host.generations, first);
    add(SAYS("same"), RULES_LIVE, 0);
    reload();
    generations_current_id(fixture.host.generations, second);
    assert_string_not_equal(first, second);
    assert_says("run", "send|same|2|||");
}

static void test_files_that_come_to_run_are_recorded_once(void **state)
{
    (void)state;
    write_file(SAYS("first"));
    fixture_load(&fixture);
    write_file("return {");
    assert_int_equal(generations_reload(fixture.host.generations, NULL), -1);
    write_file(SAYS("second"));
    reload();
    reload();
    struct store_rules_list list = history();
    assert_int_equal(list.count, 2);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].origin, RULES_FILE);
        assert_string_equal(list.items[i].by, "file");
    }
    store_rules_list_deinit(&list);
}

static void test_a_text_is_checked_without_being_taken(void **state)
{
    (void)state;
    struct error error;
    struct buffer excerpt = {0};
    long line;
    write_file(SAYS("file"));
    fixture_load(&fixture);
    struct generations *generations = fixture.host.generations;
    assert_int_equal(generations_check(generations, "acme", slice_from(SAYS("x")), &error, &line, &excerpt),
                     0);
    const char *broken = "return {\n  locations = { 'l2' },\n  outbond = 5,\n}";
    assert_int_equal(generations_check(generations, "acme", slice_from(broken), &error, &line, &excerpt), -1);
    assert_contains(error.message, "acme/rules.lua:3: ");
    assert_int_equal(line, 3);
    assert_contains(excerpt.data, "outbond = 5");
    buffer_clear(&excerpt);
    assert_int_equal(generations_check(generations, "bravo", slice_from(SAYS("x")), &error, &line, &excerpt),
                     -1);
    assert_contains(error.message, "location \"l1\" belongs to agency 'acme' already");
    buffer_deinit(&excerpt);
    assert_says("run", "send|file|nil|||");
}

/* ---- shadows ---- */

static void test_a_shadow_is_compared_and_decides_nothing(void **state)
{
    (void)state;
    add(SAYS("live"), RULES_LIVE, 0);
    fixture_load(&fixture);
    add(RULE("m.body = 'other' m.sender = 'S'"), RULES_SHADOW, 0);
    reload();
    assert_says("run", "send|live|1|shadow 2 false body+sender ||");
    add(RULE("m.body = 'live'"), RULES_SHADOW, 0);
    reload();
    assert_says("run", "send|live|1|shadow 3 true  ||");
    add(RULE("m = c.reject 'no'"), RULES_SHADOW, 0);
    reload();
    assert_says("run", "send|live|1|shadow 4 false action+reason ||");
    struct candidate_tally counted = tally();
    assert_int_equal(counted.calls, 1);
    assert_int_equal(counted.different, 1);
    assert_string_equal(counted.examples[0].message, "m1");
    assert_string_equal(counted.examples[0].what, "action, reason");
}

static void test_a_shadow_that_fails_costs_nothing(void **state)
{
    (void)state;
    add(SAYS("live"), RULES_LIVE, 0);
    add(RULE("error 'oh'"), RULES_SHADOW, 0);
    fixture_load(&fixture);
    assert_says("run", "send|live|1|shadow 2 false  acme/rules.lua@2:1: oh||");
    assert_int_equal(tally().errors, 1);
    add("return { locations = { 'l1' }, limits = { ms = 5 }, outbound = function(m) while true do end end }",
        RULES_SHADOW, 0);
    reload();
    struct call call;
    call_start(&fixture, &call, "bascule.server", "run");
    call_wait(&fixture, &call);
    assert_contains(call.text, "send|live|1|shadow 3 false  acme/rules.lua@3:1: ");
}

static void test_a_shadow_beside_live_rules_that_fail(void **state)
{
    (void)state;
    struct call call;
    add(RULE("error 'oh'"), RULES_LIVE, 0);
    add(SAYS("mended"), RULES_SHADOW, 0);
    fixture_load(&fixture);
    call_start(&fixture, &call, "bascule.server", "run");
    call_wait(&fixture, &call);
    assert_contains(call.text, "RULE ");
    assert_int_equal(tally().different, 1);
    assert_string_equal(tally().examples[0].what, "failure");
}

static void test_needs_are_those_of_both(void **state)
{
    (void)state;
    add("return { locations = { 'l1' }, memory = { a = { kind = 'value', per = 'contact', ttl = '1d' } } }",
        RULES_LIVE, 0);
    add("return { locations = { 'l1' }, needs = { 'contact' }, memory = {\n"
        "  a = { kind = 'counter', per = 'contact', window = 'day' },\n"
        "  b = { kind = 'counter', per = 'location', window = 'day' } } }",
        RULES_SHADOW, 0);
    fixture_load(&fixture);
    assert_says("needs", "true a=value b=counter");
}

/* ---- canaries ---- */

static void test_a_canary_decides_for_its_share(void **state)
{
    (void)state;
    add(SAYS("live"), RULES_LIVE, 0);
    add(SAYS("canary"), RULES_CANARY, 50);
    fixture_load(&fixture);
    assert_says("run", "send|canary|2||canary 2|");
    assert_says("late", "send|live|1|||");
    assert_int_equal(tally().calls, 1);
    assert_int_equal(tally().live_calls, 1);
}

static void test_a_canary_that_fails_costs_no_message_and_is_taken_back(void **state)
{
    (void)state;
    int64_t before = metrics_value("bascule_rule_canaries_withdrawn_total", NULL);
    add(SAYS("live"), RULES_LIVE, 0);
    int64_t version = add(RULE("error 'oh'"), RULES_CANARY, 50);
    fixture_load(&fixture);
    assert_says("run", "send|live|1||canary 2|acme/rules.lua@2:1: oh");
    assert_says("run", "send|live|1||canary 2|acme/rules.lua@2:1: oh");
    assert_int_equal(tally().errors, 2);
    assert_int_equal(tally().live_calls, 2);
    assert_says("run", "send|live|1||canary 2|acme/rules.lua@2:1: oh");
    assert_says("run", "send|live|1|||"); /* spoiled, and soon taken back */
    generations_stop(fixture.host.generations);
    assert_int_equal(metrics_value("bascule_rule_canaries_withdrawn_total", NULL) - before, 1);
    struct store_rules_list list = history();
    assert_int_equal(list.items[0].version, version);
    assert_int_equal(list.items[0].mode, RULES_WITHDRAWN);
    assert_string_equal(list.items[0].reason, "3 of its 3 calls failed, and 0 of 2 calls of the live rules");
    store_rules_list_deinit(&list);
}

/* ---- tallies ---- */

static struct candidate *new_canary(void)
{
    struct error error;
    struct unit *unit = unit_compile("acme", "acme/rules.lua@1", slice_from("return {}"), &error);
    struct candidate *candidate = candidate_new(unit, CANDIDATE_CANARY, 10);
    unit_unref(unit);
    return candidate;
}

static void count(struct candidate *candidate, bool own, int calls, int errors)
{
    static const struct candidate_policy patient = {.min_calls = 1000000, .error_percent = 5};
    for (int i = 0; i < calls; i++)
        candidate_count_canary(candidate, &patient, own, i < errors ? "oh" : NULL, "m1");
}

/* Whether one more good call spoils it. */
static bool is_spoiled(struct candidate *candidate, int min_calls, int percent)
{
    struct candidate_policy policy = {.min_calls = min_calls, .error_percent = percent};
    return candidate_count_canary(candidate, &policy, true, NULL, "m1");
}

static void test_a_canary_is_judged_by_rate_and_number(void **state)
{
    (void)state;
    struct candidate *candidate = new_canary();
    count(candidate, true, 99, 10);
    count(candidate, false, 100, 5);
    assert_false(is_spoiled(candidate, 101, 4)); /* too few calls */
    assert_false(is_spoiled(candidate, 10, 5));  /* 10 of 101 against 5 of 100: within 5 more */
    assert_true(is_spoiled(candidate, 10, 4));
    assert_false(is_spoiled(candidate, 10, 4)); /* told once */
    candidate_unref(candidate);
}

static void test_a_canary_without_live_calls_is_judged_against_none(void **state)
{
    (void)state;
    struct candidate *candidate = new_canary();
    count(candidate, true, 19, 1);
    assert_false(is_spoiled(candidate, 20, 5));
    count(candidate, true, 1, 1);
    assert_true(is_spoiled(candidate, 20, 5));
    candidate_unref(candidate);
}

static void test_a_share_is_of_the_seeds(void **state)
{
    (void)state;
    struct candidate *candidate = new_canary();
    int taken = 0;
    for (int64_t seed = 0; seed < 1000; seed++)
        taken += candidate_takes(candidate, seed);
    assert_int_equal(taken, 100);
    candidate_unref(candidate);
}

static void test_the_newest_examples_are_kept(void **state)
{
    (void)state;
    char id[16];
    struct candidate *candidate = new_canary();
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "m%d", i);
        candidate_count_shadow(candidate, COMPARISON_DIFFERENT, id, "body");
    }
    struct candidate_tally counted = candidate_tally_of(candidate);
    assert_int_equal(counted.example_count, CANDIDATE_EXAMPLES);
    assert_string_equal(counted.examples[0].message, "m7");
    assert_string_equal(counted.examples[CANDIDATE_EXAMPLES - 1].message, "m3");
    candidate_unref(candidate);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_published_rules_run_instead_of_the_file),
        WITH_FIXTURE(test_published_rules_that_are_broken_keep_what_runs),
        WITH_FIXTURE(test_broken_published_rules_are_not_replaced_by_the_file_at_the_start),
        WITH_FIXTURE(test_the_same_text_again_is_a_generation_of_its_own),
        WITH_FIXTURE(test_files_that_come_to_run_are_recorded_once),
        WITH_FIXTURE(test_a_text_is_checked_without_being_taken),
        WITH_FIXTURE(test_a_shadow_is_compared_and_decides_nothing),
        WITH_FIXTURE(test_a_shadow_that_fails_costs_nothing),
        WITH_FIXTURE(test_a_shadow_beside_live_rules_that_fail),
        WITH_FIXTURE(test_needs_are_those_of_both),
        WITH_FIXTURE(test_a_canary_decides_for_its_share),
        WITH_FIXTURE(test_a_canary_that_fails_costs_no_message_and_is_taken_back),
        cmocka_unit_test(test_a_canary_is_judged_by_rate_and_number),
        cmocka_unit_test(test_a_canary_without_live_calls_is_judged_against_none),
        cmocka_unit_test(test_a_share_is_of_the_seeds),
        cmocka_unit_test(test_the_newest_examples_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
