#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "base/metrics.h"

/* The series are the process's, so each test uses names of its own. */

static void test_counters_and_gauges(void **state)
{
    (void)state;
    metrics_add("test_counter", NULL, 2);
    metrics_add("test_counter", NULL, 3);
    metrics_set("test_gauge", "kind=\"a\"", 7);
    metrics_set("test_gauge", "kind=\"a\"", 5);
    assert_int_equal(metrics_value("test_counter", NULL), 5);
    assert_int_equal(metrics_value("test_gauge", "kind=\"a\""), 5);
    assert_int_equal(metrics_value("test_gauge", "kind=\"b\""), 0);
    assert_int_equal(metrics_value("test_none", NULL), 0);
}

static void test_label_values_are_made_harmless(void **state)
{
    (void)state;
    metrics_add("test_label", "path=/a b\n{}", 1);
    assert_int_equal(metrics_value("test_label", "path=\"_a_b___\""), 1);
    struct buffer out = {0};
    metrics_write(&out);
    assert_non_null(strstr(out.data, "test_label{path=\"_a_b___\"} 1\n"));
    buffer_deinit(&out);
}

static void test_labels_that_are_too_long_or_none(void **state)
{
    (void)state;
    char label[600] = "name=";
    memset(label + 5, 'x', sizeof label - 6);
    metrics_add("test_long", label, 1);
    assert_int_equal(metrics_value("test_long", label), 1);
    memset(label, 'n', 590);
    strcpy(label + 590, "=v");
    metrics_add("test_long_name", label, 1);
    metrics_add("test_no_equals", "value", 4);
    assert_int_equal(metrics_value("test_no_equals", NULL), 4);
    char name[600] = {0};
    memset(name, 'm', sizeof name - 1);
    metrics_add(name, "a=b", 1);
    assert_int_equal(metrics_value(name, "a=b"), 1);
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

/* The format wants all lines of a name together, below one TYPE line. */
static void test_exposition_keeps_a_name_together(void **state)
{
    (void)state;
    metrics_add("order", NULL, 1);
    metrics_add("order_total", NULL, 2);
    metrics_add("order", "kind=b", 3);
    metrics_add("order", "kind=a", 4);
    struct buffer out = {0};
    metrics_write(&out);
    assert_non_null(strstr(out.data,
                           "# TYPE order counter\norder 1\norder{kind=\"a\"} 4\norder{kind=\"b\"} 3\n"
                           "# TYPE order_total counter\norder_total 2\n"));
    assert_int_equal(occurrences(out.data, "# TYPE order counter\n"), 1);
    buffer_deinit(&out);
}

#define THREADS 4
#define ROUNDS 2000

static void *count_up(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        metrics_add("test_threads", i % 2 == 0 ? "half=even" : "half=odd", 1);
        metrics_set("test_threads_gauge", NULL, i);
    }
    return NULL;
}

static void test_threads_lose_nothing(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_value("test_threads", "half=even"), THREADS * ROUNDS / 2);
    assert_int_equal(metrics_value("test_threads", "half=odd"), THREADS * ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters_and_gauges),
        cmocka_unit_test(test_label_values_are_made_harmless),
        cmocka_unit_test(test_labels_that_are_too_long_or_none),
        cmocka_unit_test(test_exposition_keeps_a_name_together),
        cmocka_unit_test(test_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
