/* Reloads while threads work: the watch, and that every coroutine sees one generation from start to end. */
#include "script_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 3
#define RELOADS 150

static struct fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&fixture, fixture_no_environment());
    fixture.host.timers = timers_start();
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&fixture);
    timers_stop(fixture.host.timers);
    return 0;
}

/* Every file of a generation says the same number: two trusted modules, the library, and two agencies. */
static void write_number(int number)
{
    char text[512];
    snprintf(text, sizeof text, "return %d", number);
    fixture_write(&fixture, "lua/bascule/left.lua", text);
    fixture_write(&fixture, "lua/bascule/right.lua", text);
    snprintf(text, sizeof text, "return { number = '%d' }", number);
    fixture_write(&fixture, "lua/bascule/rules/text.lua", text);
    for (int agency = 0; agency < 2; agency++) {
        char path[64];
        snprintf(path, sizeof path, "agencies/a%d/rules.lua", agency);
        snprintf(text, sizeof text,
                 "local text = require 'bascule.text'\n"
                 "return { locations = { 'l%d' }, outbound = function(m)\n"
                 "  m.body = '%d ' .. text.number return m end }",
                 agency, number);
        fixture_write(&fixture, path, text);
    }
}

static const char server[] =
    "local left, right = require 'bascule.left', require 'bascule.right'\n"
    "local rules, scripts, time = require 'host.rules', require 'host.scripts', require 'host.time'\n"
    "local M = {}\n"
    "local function seen()\n"
    "  local d0 = assert(rules.outbound('l0', nil, { to = '1', body = '' }, {}))\n"
    "  local d1 = assert(rules.outbound('l1', nil, { to = '1', body = '' }, {}))\n"
    "  assert(d0.generation == scripts.generation() and d1.generation == scripts.generation())\n"
    "  return table.concat({ left, right, d0.message.body, d1.message.body }, ' ')\n"
    "end\n"
    "function M.run()\n"
    "  local before = seen()\n"
    "  time.sleep(3)\n"
    "  local after = seen()\n"
    "  local number = tostring(left)\n"
    "  local whole = (number .. ' '):rep(6):sub(1, -2)\n"
    "  assert(before == whole, before)\n"
    "  assert(after == whole, after)\n"
    "  return number\n"
    "end\n"
    "return M\n";

struct worker {
    pthread_t thread;
    atomic_bool *stop;
    unsigned runs, failures;
    char failure[512];
    long last;
};

static void worker_done(lua_State *L, bool ok, const char *message, const char *generation, void *argument)
{
    struct worker *worker = argument;
    (void)generation;
    worker->runs++;
    if (ok) {
        worker->last = strtol(lua_tostring(L, 1), NULL, 10);
    } else {
        worker->failures++;
        snprintf(worker->failure, sizeof worker->failure, "%s", message);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct script_thread *thread = script_thread_new(&fixture.host, mailbox);
    while (!atomic_load(worker->stop) || script_thread_active(thread) > 0) {
        while (!atomic_load(worker->stop) && script_thread_active(thread) < 8)
            script_start(thread, "bascule.server", "run", NULL, worker_done, worker);
        mailbox_wait(mailbox, 100);
        mailbox_drain(mailbox);
    }
    script_start(thread, "bascule.server", "run", NULL, worker_done, worker); /* on the last generation */
    while (script_thread_active(thread) > 0) {
        mailbox_wait(mailbox, 100);
        mailbox_drain(mailbox);
    }
    script_thread_free(thread);
    mailbox_free(mailbox);
    return NULL;
}

static void test_one_generation_from_start_to_end(void **state)
{
    (void)state;
    struct error error = {0};
    struct worker workers[THREADS] = {0};
    atomic_bool stop = false;
    fixture_write(&fixture, "lua/bascule/server.lua", server);
    write_number(0);
    fixture_load(&fixture);
    for (int i = 0; i < THREADS; i++) {
        workers[i].stop = &stop;
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    }
    for (int number = 1; number <= RELOADS; number++) {
        if (number % 5 == 0) {
            fixture_write(&fixture, "lua/bascule/left.lua", "return (");
            fixture_write(&fixture, "agencies/a0/rules.lua", "return {");
            assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
        }
        if (number % 7 == 0)
            assert_int_equal(generations_rollback(fixture.host.generations, NULL, &error), 0);
        write_number(number);
        if (generations_reload(fixture.host.generations, &error) != 1)
            fail_msg("reload %d: %s", number, error.message);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].failures > 0)
            fail_msg("%u of %u saw a mixture, such as: %s", workers[i].failures, workers[i].runs,
                     workers[i].failure);
        assert_true(workers[i].runs > 8);
        assert_int_equal(workers[i].last, RELOADS);
    }
}

/* ---- the watch ---- */

static void wait_for(const char *expected)
{
    struct call call;
    int64_t until_ms = clock_monotonic_ms() + 5000;
    do {
        usleep(2000);
        call_start(&fixture, &call, "bascule.server", "run");
        call_wait(&fixture, &call);
    } while (strcmp(call.text, expected) != 0 && clock_monotonic_ms() < until_ms);
    assert_string_equal(call.text, expected);
}

static const char watched[] =
    "local rules = require 'host.rules'\n"
    "return { run = function() local d, e = rules.outbound('l0', nil, { to = '1', body = 'plain' }, {})\n"
    "  return require 'bascule.word' .. ' ' .. (d and d.message.body or e) end }";

static void write_body(const char *path, const char *body)
{
    char text[200];
    snprintf(text, sizeof text,
             "return { locations = { 'l0' }, outbound = function(m) m.body = '%s' return m end }", body);
    fixture_write(&fixture, path, text);
}

static void start_watched(void)
{
    struct error error;
    fixture_write(&fixture, "lua/bascule/server.lua", watched);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'one'");
    fixture_load(&fixture);
    assert_int_equal(generations_watch(fixture.host.generations, &error), 0);
    wait_for("one plain");
}

static void rename_in_fixture(const char *from, const char *to)
{
    char old_path[200], new_path[200];
    snprintf(old_path, sizeof old_path, "%s/%s", fixture.folder, from);
    snprintf(new_path, sizeof new_path, "%s/%s", fixture.folder, to);
    assert_int_equal(rename(old_path, new_path), 0);
}

static void test_changes_are_noticed(void **state)
{
    (void)state;
    start_watched(); /* without a folder of agencies */
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    wait_for("two plain");
    write_body("agencies/acme/rules.lua", "first"); /* the folders appear */
    wait_for("two first");
    write_body("agencies/acme/rules.lua", "second");
    wait_for("two second");
    write_body("agencies/acme/.rules.new", "third"); /* as editors save */
    rename_in_fixture("agencies/acme/.rules.new", "agencies/acme/rules.lua");
    wait_for("two third");
    fixture_write(&fixture, "agencies/acme/rules.lua", "return {");
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'three'");
    wait_for("three third");
    rename_in_fixture("agencies/acme", "agencies/.gone");
    wait_for("three plain");
    write_body("elsewhere/rules.lua", "fourth");
    rename_in_fixture("elsewhere", "agencies/acme");
    wait_for("three fourth");
    fixture_remove(&fixture, "agencies");
    wait_for("three plain");
    write_body("agencies/acme/rules.lua", "fifth");
    wait_for("three fifth");
}

static void test_links_are_followed(void **state)
{
    (void)state;
    char link[200];
    start_watched();
    write_body("real/one/rules.lua", "one");
    write_body("real/two/rules.lua", "two");
    fixture_write(&fixture, "agencies/keep", "");
    snprintf(link, sizeof link, "%s/agencies/acme", fixture.folder);
    assert_int_equal(symlink("../real/one", link), 0);
    wait_for("one one");
    snprintf(link, sizeof link, "%s/agencies/.acme", fixture.folder);
    assert_int_equal(symlink("../real/two", link), 0);
    rename_in_fixture("agencies/.acme", "agencies/acme");
    wait_for("one two");
}

static void test_watch_ends_and_begins_again(void **state)
{
    (void)state;
    struct error error;
    start_watched();
    generations_unwatch(fixture.host.generations);
    fixture_write(&fixture, "lua/bascule/word.lua", "return 'two'");
    usleep(50000);
    assert_call(&fixture, "bascule.server", "one plain");
    assert_int_equal(generations_watch(fixture.host.generations, &error), 0);
    wait_for("two plain");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_one_generation_from_start_to_end),
        WITH_FIXTURE(test_changes_are_noticed),
        WITH_FIXTURE(test_links_are_followed),
        WITH_FIXTURE(test_watch_ends_and_begins_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
