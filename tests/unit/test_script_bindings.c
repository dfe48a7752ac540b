/* The bindings over real services: runs the tests of script_bindings.lua. */
#include "script_fixture.h"

#include "store/store_service.h"

static struct fixture fixture;
static struct store *store;

static char *environment[] = {"BASCULE_RULE_MS=500", NULL};

static const unsigned char seed[] = "ssssssssssssssssssssssssssssssss";

static void copy_tests(void)
{
    struct buffer text = {0};
    char piece[4096];
    size_t length;
    FILE *file = fopen(TEST_SOURCE_DIR "/tests/unit/script_bindings.lua", "r");
    assert_non_null(file);
    while ((length = fread(piece, 1, sizeof piece, file)) > 0)
        buffer_append(&text, piece, length);
    fclose(file);
    fixture_write(&fixture, "lua/bascule/bindings.lua", text.data);
    buffer_deinit(&text);
}

static void open_store(void)
{
    struct error error;
    char url[128];
    snprintf(url, sizeof url, "sqlite:%s/store/bascule.db", fixture.folder);
    if (store_open(&(struct store_options){url, 5000}, &store, &error) != 0)
        fail_msg("%s", error.message);
    fixture.host.store = store_service_start(store, 1, 1, &error);
    assert_non_null(fixture.host.store);
}

static void open_keys(void)
{
    struct error error;
    char *pem = signature_ed25519_public_pem(seed);
    fixture.host.webhook_keys = signature_keys_new(pem, NULL, &error);
    assert_non_null(fixture.host.webhook_keys);
    free(pem);
    fixture.host.seal_keys = seal_keys_random();
}

static int open_services(void **state)
{
    (void)state;
    struct error error;
    fixture_open(&fixture, environment);
    log_set_level(LOG_ERROR);
    copy_tests();
    open_store();
    open_keys();
    fixture.host.timers = timers_start();
    fixture.host.client =
        http_client_start(&(struct http_client_options){.egress_allow = "127.0.0.0/8"}, &error);
    assert_non_null(fixture.host.client);
    fixture_load(&fixture);
    return 0;
}

static int close_services(void **state)
{
    (void)state;
    http_client_stop(fixture.host.client);
    timers_stop(fixture.host.timers);
    store_service_stop(fixture.host.store);
    store_close(store);
    signature_keys_free((struct signature_keys *)(uintptr_t)fixture.host.webhook_keys);
    seal_keys_free((struct seal_keys *)(uintptr_t)fixture.host.seal_keys);
    fixture_close(&fixture);
    return 0;
}

static void run_lua_test(void **state)
{
    struct call call;
    call_start(&fixture, &call, "bascule.bindings", *state);
    call_wait(&fixture, &call);
    if (!call.ok)
        fail_msg("%s", call.text);
    assert_string_equal(call.text, "passed");
}

/* What a program without services answers. */
static void test_without_services(void **state)
{
    (void)state;
    fixture_open(&fixture, environment);
    fixture_write(&fixture, "lua/bascule/bare.lua",
                  "local M = {}\n"
                  "function M.run() local _, text = require 'host.store'.probe() return text end\n"
                  "function M.http() local _, text = require 'host.http'.request { url = 'http://a/' } "
                  "return text end\n"
                  "function M.sleep() local _, text = require 'host.time'.sleep(1) return text end\n"
                  "function M.stamp() local _, text = require 'host.crypto'.stamp 'a' return text end\n"
                  "return M\n");
    fixture_load(&fixture);
    static const char *const functions[] = {"run", "http", "sleep", "stamp"};
    static const char *const answers[] = {
        "UNAVAILABLE: this program has no store", "UNAVAILABLE: this program has no HTTP client",
        "UNAVAILABLE: this program has no timers", "UNAVAILABLE: this program has no seal keys"};
    for (size_t i = 0; i < 4; i++) {
        struct call call;
        call_start(&fixture, &call, "bascule.bare", functions[i]);
        assert_true(call.ended);
        assert_string_equal(call.text, answers[i]);
    }
    fixture_close(&fixture);
}

/* Tokens are sealed for their place: the same text in another row does not open. */
static void test_tokens_are_sealed(void **state)
{
    (void)state;
    open_services(state);
    struct store_session *session;
    struct store_installation installation = {0};
    struct error error;
    struct call call;
    call_start(&fixture, &call, "bascule.bindings", "test_installations_plain");
    call_wait(&fixture, &call);
    assert_true(call.ok);
    assert_int_equal(store_session_open(store, &session, &error), 0);
    assert_int_equal(store_installation_get(session, "C1", "L1", &installation), STORE_OK);
    assert_null(strstr(installation.access_token, "secret"));
    struct buffer context = {0}, token = {0};
    script_token_context(&context, "C1", "L1", "access");
    assert_string_equal(context.data, "token:C1/L1/access");
    assert_int_equal(
        seal_open(fixture.host.seal_keys, context.data, installation.access_token, &token, &error), 0);
    assert_string_equal(token.data, "access secret");
    buffer_clear(&context);
    script_token_context(&context, "C1", "L1", "refresh");
    assert_int_equal(
        seal_open(fixture.host.seal_keys, context.data, installation.access_token, &token, &error), -1);
    buffer_deinit(&context);
    buffer_deinit(&token);
    store_installation_deinit(&installation);
    store_session_close(session);
    close_services(state);
}

static char *list_names(void)
{
    struct call call;
    open_services(NULL);
    call_start(&fixture, &call, "bascule.bindings", "names");
    char *names = call.ok ? text_duplicate(call.text) : NULL;
    if (names == NULL)
        fprintf(stderr, "%s\n", call.text);
    close_services(NULL);
    return names;
}

int main(void)
{
    static struct CMUnitTest tests[100];
    size_t count = 0;
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_without_services);
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_tokens_are_sealed);
    char *names = list_names();
    if (names == NULL)
        return 1;
    for (char *rest = names, *name; count < 100 && (name = strtok_r(NULL, " ", &rest)) != NULL; count++)
        tests[count] = (struct CMUnitTest){name, run_lua_test, open_services, close_services, name};
    int failed = _cmocka_run_group_tests("bindings", tests, count, NULL, NULL);
    free(names);
    return failed;
}
