#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define LOGGED_MOST 65536

static int real_stderr;
static FILE *captured;

static void capture(void)
{
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    captured = tmpfile();
    dup2(fileno(captured), STDERR_FILENO);
}

/* What was logged since `capture`, in `out`. */
static void release(char out[LOGGED_MOST])
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    rewind(captured);
    out[fread(out, 1, LOGGED_MOST - 1, captured)] = '\0';
    fclose(captured);
}

static void test_a_line_is_json_whatever_is_in_it(void **state)
{
    (void)state;
    static char out[LOGGED_MOST];
    static const char hostile[] = "quote\" back\\ line\nnull\xFF bell\x07 \xF0\x9F\x99\x82";
    capture();
    LOG_EVENT(LOG_WARN, "test_event", LOG_FIELD_TEXT("text", hostile), LOG_FIELD_TEXT("na\"me", "v"),
              LOG_FIELD_NUMBER("number", INT64_MIN), {"bool", LOG_BOOLEAN, {NULL, 0}, 1},
              LOG_FIELD_TEXT("none", NULL));
    release(out);
    assert_int_equal(strchr(out, '\n') - out, strlen(out) - 1); /* one line */
    json_t *line = json_loads(out, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "event")), "test_event");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
    assert_string_equal(json_string_value(json_object_get(line, "text")),
                        "quote\" back\\ line\nnull\xEF\xBF\xBD bell\x07 \xF0\x9F\x99\x82");
    assert_string_equal(json_string_value(json_object_get(line, "na\"me")), "v");
    assert_int_equal(json_integer_value(json_object_get(line, "number")), INT64_MIN);
    assert_true(json_is_true(json_object_get(line, "bool")));
    assert_string_equal(json_string_value(json_object_get(line, "none")), "");
    int64_t at = 0;
    assert_int_equal(clock_parse_iso(json_string_value(json_object_get(line, "at")), &at), 0);
    assert_in_range(clock_wall_ms() - at, 0, 10000);
    json_decref(line);
}

static void test_levels_below_the_least_are_silent(void **state)
{
    (void)state;
    static char out[LOGGED_MOST];
    log_set_level(LOG_WARN);
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
    capture();
    log_write(LOG_INFO, "quiet", NULL, 0);
    log_write(LOG_ERROR, "loud", NULL, 0);
    release(out);
    log_set_level(LOG_INFO);
    assert_null(strstr(out, "quiet"));
    assert_non_null(strstr(out, "\"event\":\"loud\"}"));
}

static void test_level_names(void **state)
{
    (void)state;
    enum log_level level = LOG_DEBUG;
    assert_int_equal(log_parse_level("error", &level), 0);
    assert_int_equal(level, LOG_ERROR);
    assert_int_equal(log_parse_level("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_parse_level("INFO", &level), -1);
    assert_int_equal(log_parse_level("", &level), -1);
}

#define THREADS 4
#define LINES 50

static void *log_often(void *argument)
{
    (void)argument;
    for (int i = 0; i < LINES; i++)
        LOG_EVENT(LOG_INFO, "thread", LOG_FIELD_TEXT("text", "some text that makes the line a little longer"),
                  LOG_FIELD_NUMBER("i", i));
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static char out[LOGGED_MOST];
    pthread_t threads[THREADS];
    capture();
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, log_often, NULL);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    release(out);
    int lines = 0;
    for (char *line = strtok(out, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        json_t *object = json_loads(line, 0, NULL);
        assert_non_null(object);
        json_decref(object);
    }
    assert_int_equal(lines, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_json_whatever_is_in_it),
        cmocka_unit_test(test_levels_below_the_least_are_silent),
        cmocka_unit_test(test_level_names),
        cmocka_unit_test(test_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
