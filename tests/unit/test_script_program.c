/* `bascule lua`: programs over the bindings. */
#include "script_fixture.h"

#include <sys/wait.h>

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
    timers_stop(fixture.host.timers);
    fixture_close(&fixture);
    return 0;
}

/* Runs a program; its standard output goes to `out`. */
static int run(int argc, char **argv, char out[4096])
{
    char path[128];
    fflush(stdout);
    snprintf(path, sizeof path, "%s/out", fixture.folder);
    int saved = dup(STDOUT_FILENO), saved_error = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stdout));
    dup2(STDOUT_FILENO, STDERR_FILENO);
    int status = script_run_program(&fixture.host, fixture.lua_path, argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    dup2(saved_error, STDERR_FILENO);
    close(saved);
    close(saved_error);
    FILE *file = fopen(path, "r");
    size_t length = fread(out, 1, 4095, file);
    out[length] = '\0';
    fclose(file);
    return status;
}

static int run_text(const char *text, char out[4096])
{
    char path[128];
    fixture_write(&fixture, "program.lua", text);
    snprintf(path, sizeof path, "%s/program.lua", fixture.folder);
    char *argv[] = {path, "one", "two", NULL};
    return run(3, argv, out);
}

static void test_arguments_and_libraries(void **state)
{
    (void)state;
    char out[4096];
    assert_int_equal(
        run_text("#!/usr/bin/env bascule\nprint(#arg, io ~= nil, os.getenv ~= nil, arg[1], ...)\n", out), 0);
    assert_string_equal(out, "2\ttrue\ttrue\tone\tone\ttwo\n");
}

static void test_the_main_chunk_waits(void **state)
{
    (void)state;
    char out[4096];
    assert_int_equal(run_text("local time = require 'host.time'\n"
                              "local before = time.monotonic_ms()\n"
                              "print(pcall(function() time.sleep(30) return 'slept' end))\n"
                              "print(time.monotonic_ms() - before >= 29)\n"
                              "print(select(3, require 'host.store'.probe()))\n",
                              out),
                     0);
    assert_string_equal(out, "true\tslept\ntrue\nUNAVAILABLE\n");
}

static void test_errors(void **state)
{
    (void)state;
    char out[4096];
    assert_int_equal(run_text("local x = nil\nprint(x.y)", out), 1);
    assert_contains(out, "program.lua:2: attempt to index a nil value (local 'x')");
    assert_contains(out, "stack traceback:");
    assert_int_equal(run_text("x = = 1", out), 1);
    assert_contains(out, "program.lua:1: unexpected symbol near '='");
    char *argv[] = {"/nowhere/program.lua", NULL};
    assert_int_equal(run(1, argv, out), 1);
    assert_contains(out, "cannot open");
    assert_int_equal(run(0, argv, out), 2);
}

static void test_modules_from_the_lua_folder(void **state)
{
    (void)state;
    char out[4096];
    fixture_write(&fixture, "lua/bascule/thing.lua", "return { name = 'thing' }");
    fixture_write(&fixture, "lua/bascule/things/init.lua", "return { name = 'things' }");
    assert_int_equal(run_text("print(require 'bascule.thing'.name, require 'bascule.things'.name)", out), 0);
    assert_string_equal(out, "thing\tthings\n");
}

/* os.exit ends the process, also from within the coroutine, with and without closing the state. */
static void test_exit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {{"os.exit(7)", 7}, {"os.exit(8, true)", 8}, {"os.exit(true, true)", 0}};
    for (size_t i = 0; i < 3; i++) {
        char out[4096];
        int status;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            run_text(cases[i].text, out);
            _exit(99);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), cases[i].status);
    }
}

static void test_rules_in_programs(void **state)
{
    (void)state;
    char out[4096];
    struct error error = {0};
    fixture_write(&fixture, "agencies/one/rules.lua",
                  "return { locations = { 'a' }, outbound = function(m) m.body = 'ruled' return m end }");
    fixture_start_rules(&fixture);
    fixture.host.generations = fixture_generations(&fixture, &error);
    assert_non_null(fixture.host.generations);
    assert_int_equal(run_text("local rules = require 'host.rules'\n"
                              "print(rules.outbound('a', nil, { to = '1', body = 'x' }, {}).message.body)\n"
                              "print(#require 'host.scripts'.generation())\n",
                              out),
                     0);
    assert_string_equal(out, "ruled\n12\n");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_arguments_and_libraries),
        WITH_FIXTURE(test_the_main_chunk_waits),
        WITH_FIXTURE(test_errors),
        WITH_FIXTURE(test_modules_from_the_lua_folder),
        WITH_FIXTURE(test_exit),
        WITH_FIXTURE(test_rules_in_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
