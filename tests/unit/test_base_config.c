#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/config.h"

#define ENVIRONMENT(...) ((char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((char *const[]){NULL})

static struct config *read_well(char *const environment[])
{
    struct buffer faults = {0};
    struct config *config = config_read(environment, &faults);
    if (config == NULL)
        fail_msg("%s", faults.data);
    assert_int_equal(faults.length, 0);
    buffer_deinit(&faults);
    return config;
}

static void expect_faults(char *const environment[], const char *expected)
{
    struct buffer faults = {0};
    assert_null(config_read(environment, &faults));
    assert_string_equal(faults.data, expected);
    buffer_deinit(&faults);
}

static void expect_kept(const char *name, const char *value, const char *kept)
{
    struct buffer variable = {0};
    buffer_append_format(&variable, "%s=%s", name, value);
    struct config *config = read_well(ENVIRONMENT(variable.data));
    assert_string_equal(config_text(config, name), kept);
    config_free(config);
    buffer_deinit(&variable);
}

static void expect_fault(const char *name, const char *value, const char *sentence)
{
    struct buffer variable = {0}, line = {0};
    buffer_append_format(&variable, "%s=%s", name, value);
    buffer_append_format(&line, "%s: %s\n", name, sentence);
    expect_faults(ENVIRONMENT(variable.data), line.data);
    buffer_deinit(&variable);
    buffer_deinit(&line);
}

/* A file with these bytes; the caller unlinks and frees the path. */
static char *file_with(const void *bytes, size_t length)
{
    char *path = text_duplicate("/tmp/test_base_config.XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, length), (ssize_t)length);
    close(file);
    return path;
}

static char *variable_of_file(const char *name, const char *path)
{
    struct buffer variable = {0};
    buffer_append_format(&variable, "%s=%s", name, path);
    return variable.data;
}

static void test_the_table_is_sound(void **state)
{
    (void)state;
    for (const struct setting *a = config_settings; a->name != NULL; a++) {
        assert_non_null(a->meaning);
        assert_null(strchr(a->meaning, '\n'));
        assert_true(strlen(a->name) < 64); /* what suggestions can measure */
        assert_int_equal(a->type == SETTING_CHOICE, a->choices != NULL);
        if (a->type == SETTING_INTEGER)
            assert_true(a->minimum < a->maximum);
        for (const struct setting *b = a + 1; b->name != NULL; b++)
            assert_string_not_equal(a->name, b->name);
    }
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = read_well(NOTHING);
    assert_string_equal(config_text(config, "BASCULE_LISTEN"), "127.0.0.1:8080");
    assert_string_equal(config_text(config, "BASCULE_STORE"), "sqlite:var/bascule.db");
    assert_string_equal(config_text(config, "GHL_API_BASE"), "https://services.leadconnectorhq.com");
    assert_string_equal(config_text(config, "BASCULE_HTTP2"), "on");
    assert_true(config_switch(config, "BASCULE_HTTP2"));
    assert_false(config_switch(config, "GHL_RECONNECT"));
    assert_int_equal(config_integer(config, "BASCULE_QUEUE_LIMIT"), 1000000);
    assert_null(config_text(config, "BASCULE_ADMIN_TOKEN"));
    assert_null(config_text(config, "BASCULE_DEFAULT_REGION"));
    assert_null(config_text(config, "GHL_APP_ID"));
    assert_false(config_is_set(config, "BASCULE_LISTEN"));
    config_free(config);
}

static void test_what_is_given_counts(void **state)
{
    (void)state;
    struct config *config = read_well(ENVIRONMENT("PATH=/bin", "BASCULE_WORKERS=3", "GHL_RECONNECT=yes",
                                                  "BASCULE_UNKNOWN_OUTCOME=fail", "NOTHING", "HOME="));
    assert_int_equal(config_integer(config, "BASCULE_WORKERS"), 3);
    assert_string_equal(config_text(config, "BASCULE_WORKERS"), "3");
    assert_true(config_switch(config, "GHL_RECONNECT"));
    assert_string_equal(config_text(config, "BASCULE_UNKNOWN_OUTCOME"), "fail");
    assert_true(config_is_set(config, "BASCULE_WORKERS"));
    config_free(config);
}

static void test_an_empty_value_is_none(void **state)
{
    (void)state;
    struct config *config = read_well(ENVIRONMENT("BASCULE_LISTEN=", "CAST_API_KEY=", "BASE_URL="));
    assert_string_equal(config_text(config, "BASCULE_LISTEN"), "127.0.0.1:8080");
    assert_null(config_text(config, "CAST_API_KEY"));
    assert_false(config_is_set(config, "BASCULE_LISTEN"));
    config_free(config);
    config = read_well(ENVIRONMENT("BASCULE_BASE_URL=", "BASE_URL=https://a.example"));
    assert_string_equal(config_text(config, "BASCULE_BASE_URL"), "https://a.example");
    config_free(config);
}

static void test_aliases(void **state)
{
    (void)state;
    struct config *config =
        read_well(ENVIRONMENT("BASE_URL=https://sms.example/", "MONGODB_URI=mongodb://db/bascule",
                              "GHL_TOKEN_ENCRYPTION_KEY=k1:key"));
    assert_string_equal(config_text(config, "BASCULE_BASE_URL"), "https://sms.example");
    assert_string_equal(config_text(config, "BASCULE_STORE"), "mongodb://db/bascule");
    assert_string_equal(config_text(config, "BASCULE_SEAL_KEYS"), "k1:key");
    assert_true(config_is_set(config, "BASCULE_SEAL_KEYS"));
    config_free(config);
    expect_faults(ENVIRONMENT("BASE_URL=https://a.example", "BASCULE_BASE_URL=https://a.example"),
                  "BASE_URL: set together with BASCULE_BASE_URL, which is the same setting; keep one\n");
    expect_faults(ENVIRONMENT("BASE_URL=sms.example"),
                  "BASE_URL: \"sms.example\" is not a URL that begins with http:// or https://\n");
}

static void test_values_from_files(void **state)
{
    (void)state;
    char *path = file_with("from a file\r\n", 13);
    char *own = variable_of_file("BASCULE_ADMIN_TOKEN_FILE", path);
    char *alias = variable_of_file("GHL_TOKEN_ENCRYPTION_KEY_FILE", path);
    struct config *config = read_well(ENVIRONMENT(own, alias));
    assert_string_equal(config_text(config, "BASCULE_ADMIN_TOKEN"), "from a file");
    assert_string_equal(config_text(config, "BASCULE_SEAL_KEYS"), "from a file");
    assert_true(config_is_set(config, "BASCULE_ADMIN_TOKEN"));
    config_free(config);
    expect_faults(ENVIRONMENT(own, "BASCULE_ADMIN_TOKEN=x"),
                  "BASCULE_ADMIN_TOKEN_FILE: set together with "
                  "BASCULE_ADMIN_TOKEN, which is the same setting; keep one\n");
    unlink(path);
    /* The path is not shown: it may be the secret itself. */
    expect_faults(ENVIRONMENT(own),
                  "BASCULE_ADMIN_TOKEN_FILE: its file cannot be opened: No such file or directory\n");
    free(path);
    free(own);
    free(alias);
    expect_faults(ENVIRONMENT("BASCULE_ADMIN_TOKEN_FILE=/"),
                  "BASCULE_ADMIN_TOKEN_FILE: its file cannot be read: Is a directory\n");
}

static void expect_file_fault(const void *bytes, size_t length, const char *fault)
{
    char *path = file_with(bytes, length);
    char *variable = variable_of_file("GHL_CLIENT_SECRET_FILE", path);
    expect_faults(ENVIRONMENT(variable), fault);
    unlink(path);
    free(path);
    free(variable);
}

static void test_files_that_hold_no_value(void **state)
{
    (void)state;
    expect_file_fault("", 0, "GHL_CLIENT_SECRET_FILE: its file cannot be read: it is empty\n");
    expect_file_fault("\n", 1, "GHL_CLIENT_SECRET_FILE: its file cannot be read: it is empty\n");
    expect_file_fault("a\0b", 3, "GHL_CLIENT_SECRET_FILE: its file cannot be read: it holds a NUL byte\n");
    expect_file_fault("a\nb\n", 4, "GHL_CLIENT_SECRET_FILE: holds a control character or a line break\n");
    char *large = memory_allocate(65537);
    memset(large, 'x', 65537);
    expect_file_fault(large, 65537,
                      "GHL_CLIENT_SECRET_FILE: its file cannot be read: it is larger than 64 KiB\n");
    free(large);
}

static void test_near_misses_are_told(void **state)
{
    (void)state;
    expect_faults(ENVIRONMENT("BASCULE_LISTN=127.0.0.1:1"),
                  "BASCULE_LISTN: unknown setting; did you mean BASCULE_LISTEN?\n");
    expect_faults(ENVIRONMENT("BASCUEL_WORKERS=1"),
                  "BASCUEL_WORKERS: unknown setting; did you mean BASCULE_WORKERS?\n");
    expect_faults(ENVIRONMENT("BASCULE_ADMIN_TOKEN_FLIE=/x"),
                  "BASCULE_ADMIN_TOKEN_FLIE: unknown setting; did you mean BASCULE_ADMIN_TOKEN_FILE?\n");
    expect_faults(ENVIRONMENT("GHL_WEBHOOK_PUBLIC_KEY=x"),
                  "GHL_WEBHOOK_PUBLIC_KEY: unknown setting; did you mean GHL_WEBHOOK_PUBLIC_KEYS?\n");
    expect_faults(ENVIRONMENT("CAST_SENDERID=x"),
                  "CAST_SENDERID: unknown setting; did you mean CAST_SENDER_ID?\n");
    expect_faults(ENVIRONMENT("BASCULE_COLOUR_OF_THE_SKY=blue"),
                  "BASCULE_COLOUR_OF_THE_SKY: unknown setting\n");
    expect_faults(ENVIRONMENT("BASCULE_COLOUR\nOF_THE_SKY=x"),
                  "BASCULE_COLOUR?OF_THE_SKY: unknown setting\n");
}

static void test_other_programs_names_are_left_alone(void **state)
{
    (void)state;
    config_free(read_well(ENVIRONMENT("GHL_SOMETHING_ELSE_ENTIRELY=1", "CAST_IRON=1", "BASH_FUNC_x=1",
                                      "BASE_URI=1", "MONGO_URI=1", "BASCULE", "LISTEN=1")));
}

static void test_every_fault_is_told_at_once(void **state)
{
    (void)state;
    expect_faults(
        ENVIRONMENT("BASCULE_WORKERS=many", "BASCULE_LISTN=x", "GHL_CLIENT_IDD=x", "BASCULE_HTTP2=perhaps"),
        "BASCULE_WORKERS: \"many\" is not a whole number\n"
        "BASCULE_HTTP2: \"perhaps\" is not on or off\n"
        "BASCULE_LISTN: unknown setting; did you mean BASCULE_LISTEN?\n"
        "GHL_CLIENT_IDD: unknown setting; did you mean GHL_CLIENT_ID?\n");
}

static void test_integers(void **state)
{
    (void)state;
    expect_kept("BASCULE_ATTEMPTS", "1", "1");
    expect_kept("BASCULE_ATTEMPTS", "1000", "1000");
    expect_fault("BASCULE_ATTEMPTS", "0", "0 is not within 1..1000");
    expect_fault("BASCULE_ATTEMPTS", "1001", "1001 is not within 1..1000");
    expect_fault("BASCULE_ATTEMPTS", "-1", "\"-1\" is not a whole number");
    expect_fault("BASCULE_ATTEMPTS", " 5", "\" 5\" is not a whole number");
    expect_fault("BASCULE_ATTEMPTS", "5s", "\"5s\" is not a whole number");
    expect_fault("BASCULE_ATTEMPTS", "0x10", "\"0x10\" is not a whole number");
    expect_fault("BASCULE_ATTEMPTS", "99999999999999999999",
                 "\"99999999999999999999\" is not a whole number");
}

static void test_switches(void **state)
{
    (void)state;
    static const char *const words[][2] = {
        {"on", "off"}, {"true", "false"}, {"yes", "no"}, {"1", "0"}, {"ON", "Off"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        expect_kept("GHL_RECONNECT", words[i][0], "on");
        expect_kept("BASCULE_HTTP2", words[i][1], "off");
    }
    expect_fault("GHL_RECONNECT", "2", "\"2\" is not on or off");
}

static void test_choices(void **state)
{
    (void)state;
    expect_kept("CAST_NUMBER_FORMAT", "e164", "e164");
    expect_kept("BASCULE_LOG_LEVEL", "debug", "debug");
    expect_fault("BASCULE_LOG_LEVEL", "loud", "\"loud\" is none of debug|info|warn|error");
    expect_fault("BASCULE_LOG_LEVEL", "info|warn", "\"info|warn\" is none of debug|info|warn|error");
    expect_fault("BASCULE_INSTALL_STATE_POLICY", "Require", "\"Require\" is none of accept|require");
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:0", "0.0.0.0:80", "[::1]:8080", "[::]:65535",
                                       "localhost:8080"};
    static const char *const bad[] = {
        "8080",  ":8080", "localhost", "localhost:", "localhost:65536", "localhost:-1", "::1:8080",
        "[::1]", "[::1",  "[x]:80",    "a b:80",     "localhost:80x",   "[::1]x:80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        expect_kept("BASCULE_LISTEN", good[i], good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buffer sentence = {0};
        buffer_append_format(&sentence, "\"%s\" is not HOST:PORT or [IPv6]:PORT", bad[i]);
        expect_fault("BASCULE_LISTEN", bad[i], sentence.data);
        buffer_deinit(&sentence);
    }
}

static void test_urls(void **state)
{
    (void)state;
    expect_kept("GHL_API_BASE", "http://127.0.0.1:9", "http://127.0.0.1:9");
    expect_kept("GHL_API_BASE", "HTTPS://api.example//", "https://api.example");
    expect_kept("GHL_API_BASE", "http://[::1]:80/base/", "http://[::1]:80/base");
    expect_kept("BASCULE_INSTALL_SUCCESS_URL", "https://a.example/?next=/", "https://a.example/?next=/");
    static const char *const bad[] = {
        "ftp://a.example", "a.example",          "https://",     "https:///path",
        "http://a b",      "http://a.example#x", "http://a:b:c", "http://a.example:99999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buffer sentence = {0};
        buffer_append_format(&sentence, "\"%s\" is not a URL that begins with http:// or https://", bad[i]);
        expect_fault("GHL_API_BASE", bad[i], sentence.data);
        buffer_deinit(&sentence);
    }
    expect_fault("GHL_API_BASE", "https://user:password@a.example",
                 "a URL with a user or a password is not taken");
}

static void test_paths_and_regions(void **state)
{
    (void)state;
    expect_kept("CAST_PATH_PREFIX", "/api/", "/api");
    expect_kept("CAST_PATH_PREFIX", "/", "");
    expect_fault("CAST_PATH_PREFIX", "api", "\"api\" is not a path that begins with /");
    expect_kept("BASCULE_DEFAULT_REGION", "ph", "PH");
    expect_fault("BASCULE_DEFAULT_REGION", "PHL", "\"PHL\" is not a country's code of two letters");
    expect_fault("BASCULE_DEFAULT_REGION", "63", "\"63\" is not a country's code of two letters");
}

static void test_only_pem_has_lines(void **state)
{
    (void)state;
    expect_kept("GHL_WEBHOOK_PUBLIC_KEYS", "-----BEGIN\r\nx\n", "-----BEGIN\r\nx\n");
    expect_fault("GHL_WEBHOOK_PUBLIC_KEYS", "a\x01", "holds a control character or a line break");
    expect_fault("CAST_API_KEY", "key\r\nX-Header: 1", "holds a control character or a line break");
    expect_fault("GHL_CLIENT_ID", "\xC3\x28", "is not UTF-8");
}

static void test_faults_of_secrets_show_no_value(void **state)
{
    (void)state;
    expect_fault("BASCULE_WEBHOOK_PATH_SECRET", "hush", "is shorter than 24 characters");
    expect_kept("BASCULE_WEBHOOK_PATH_SECRET", "123456789012345678901234", "123456789012345678901234");
    expect_fault("BASCULE_STORE", "postgres://user:hush@db",
                 "neither sqlite:PATH nor mongodb://... nor mongodb+srv://...");
    expect_fault("BASCULE_STORE", "sqlite:", "neither sqlite:PATH nor mongodb://... nor mongodb+srv://...");
}

static void test_a_long_value_is_cut_in_its_fault(void **state)
{
    (void)state;
    struct buffer variable = {0}, faults = {0};
    buffer_append_text(&variable, "BASCULE_WORKERS=");
    for (int i = 0; i < 5000; i++)
        buffer_append_text(&variable, "x");
    assert_null(config_read(ENVIRONMENT(variable.data), &faults));
    assert_in_range(faults.length, 1, 200);
    buffer_deinit(&variable);
    buffer_deinit(&faults);
}

static void test_tls_needs_its_files(void **state)
{
    (void)state;
    expect_faults(ENVIRONMENT("BASCULE_LISTEN_TLS=0.0.0.0:443", "BASCULE_TLS_CERT=/c"),
                  "BASCULE_TLS_KEY: needed by BASCULE_LISTEN_TLS\n");
}

static void expect_base_url(char *const environment[], const char *url)
{
    struct config *config = read_well(environment);
    assert_string_equal(config_text(config, "BASCULE_BASE_URL"), url);
    config_free(config);
}

static void test_what_follows_from_other_settings(void **state)
{
    (void)state;
    expect_base_url(NOTHING, "http://127.0.0.1:8080");
    expect_base_url(ENVIRONMENT("BASCULE_LISTEN=0.0.0.0:90"), "http://localhost:90");
    expect_base_url(ENVIRONMENT("BASCULE_LISTEN=[::]:90"), "http://localhost:90");
    expect_base_url(ENVIRONMENT("BASCULE_LISTEN=[::1]:90"), "http://[::1]:90");
    expect_base_url(
        ENVIRONMENT("BASCULE_LISTEN_TLS=a.example:443", "BASCULE_TLS_CERT=/c", "BASCULE_TLS_KEY=/k"),
        "https://a.example:443");
    struct config *config = read_well(ENVIRONMENT("GHL_CLIENT_ID=66f0-abc-def"));
    assert_string_equal(config_text(config, "GHL_APP_ID"), "66f0");
    assert_false(config_is_set(config, "GHL_APP_ID"));
    config_free(config);
    config = read_well(ENVIRONMENT("GHL_CLIENT_ID=66f0-abc", "GHL_APP_ID=other"));
    assert_string_equal(config_text(config, "GHL_APP_ID"), "other");
    config_free(config);
}

static void expect_shown(const char *variable, const char *name, const char *shown)
{
    struct config *config = read_well(ENVIRONMENT((char *)variable));
    struct buffer out = {0};
    buffer_append_text(&out, "");
    config_show(config, name, &out);
    assert_string_equal(out.data, shown);
    buffer_deinit(&out);
    config_free(config);
}

static void test_what_people_see(void **state)
{
    (void)state;
    expect_shown("CAST_API_KEY=hush", "CAST_API_KEY", "(set)");
    expect_shown("HOME=/", "CAST_API_KEY", "");
    expect_shown("HOME=/", "BASCULE_HTTP2", "on");
    expect_shown("HOME=/", "BASCULE_STORE", "sqlite:var/bascule.db");
    expect_shown("MONGODB_URI=mongodb://user:hu@sh@db:27017/x", "BASCULE_STORE", "mongodb://***@db:27017/x");
    expect_shown("MONGODB_URI=mongodb+srv://db/x", "BASCULE_STORE", "mongodb+srv://db/x");
}

static void test_a_name_that_is_no_setting_is_a_bug(void **state)
{
    (void)state;
    struct config *config = read_well(NOTHING);
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        config_text(config, "BASCULE_NONE");
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_sound),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_what_is_given_counts),
        cmocka_unit_test(test_an_empty_value_is_none),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_values_from_files),
        cmocka_unit_test(test_files_that_hold_no_value),
        cmocka_unit_test(test_near_misses_are_told),
        cmocka_unit_test(test_other_programs_names_are_left_alone),
        cmocka_unit_test(test_every_fault_is_told_at_once),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_paths_and_regions),
        cmocka_unit_test(test_only_pem_has_lines),
        cmocka_unit_test(test_faults_of_secrets_show_no_value),
        cmocka_unit_test(test_a_long_value_is_cut_in_its_fault),
        cmocka_unit_test(test_tls_needs_its_files),
        cmocka_unit_test(test_what_follows_from_other_settings),
        cmocka_unit_test(test_what_people_see),
        cmocka_unit_test(test_a_name_that_is_no_setting_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
