#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>

#include "queue/gates.h"

static const struct gates_options options = {
    .failures_to_open = 3, .open_ms = 1000, .open_most_ms = 3000, .most_gates = 4};

static int setup(void **state)
{
    *state = gates_new(&options);
    return 0;
}

static int teardown(void **state)
{
    gates_free(*state);
    return 0;
}

/* 0 where the gate lets through. */
static int64_t wait_at(struct gates *gates, const char *key, int64_t now_ms)
{
    int64_t wait_ms = -1;
    bool through = gates_enter(gates, key, now_ms, &wait_ms);
    assert_int_equal(through, wait_ms == 0);
    return wait_ms;
}

static void fail_times(struct gates *gates, const char *key, unsigned times, int64_t now_ms)
{
    for (unsigned i = 0; i < times; i++)
        gates_leave(gates, key, GATE_FAILED, 0, now_ms);
}

static void opens_after_consecutive_failures(void **state)
{
    fail_times(*state, "cast", 2, 100);
    assert_int_equal(wait_at(*state, "cast", 100), 0);
    fail_times(*state, "cast", 1, 100);
    assert_int_equal(wait_at(*state, "cast", 100), 1000);
    assert_int_equal(wait_at(*state, "cast", 1099), 1);
    assert_int_equal(wait_at(*state, "twilio", 100), 0);
}

static void an_answer_starts_the_count_again(void **state)
{
    fail_times(*state, "cast", 2, 100);
    gates_leave(*state, "cast", GATE_ANSWERED, 0, 100);
    fail_times(*state, "cast", 2, 100);
    assert_int_equal(wait_at(*state, "cast", 100), 0);
}

static void one_probe_goes_through_and_its_success_closes(void **state)
{
    fail_times(*state, "cast", 3, 0);
    assert_int_equal(wait_at(*state, "cast", 1000), 0);
    int64_t wait_ms = wait_at(*state, "cast", 1000);
    assert_in_range(wait_ms, 1, 1000);
    gates_leave(*state, "cast", GATE_ANSWERED, 0, 1050);
    assert_int_equal(wait_at(*state, "cast", 1050), 0);
    assert_int_equal(wait_at(*state, "cast", 1050), 0);
}

static void failing_probes_double_the_wait_up_to_a_limit(void **state)
{
    const int64_t expected[] = {2000, 3000, 3000};
    int64_t now_ms = 1000;
    fail_times(*state, "cast", 3, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_at(*state, "cast", now_ms), 0);
        fail_times(*state, "cast", 1, now_ms);
        assert_int_equal(wait_at(*state, "cast", now_ms), expected[i]);
        now_ms += expected[i];
    }
    assert_int_equal(wait_at(*state, "cast", now_ms), 0);
    gates_leave(*state, "cast", GATE_ANSWERED, 0, now_ms);
    fail_times(*state, "cast", 3, now_ms);
    assert_int_equal(wait_at(*state, "cast", now_ms), 1000);
}

static void failures_of_calls_that_were_already_in_change_nothing(void **state)
{
    fail_times(*state, "cast", 3, 0);
    fail_times(*state, "cast", 50, 10);
    assert_int_equal(wait_at(*state, "cast", 10), 990);
    assert_int_equal(wait_at(*state, "cast", 1000), 0);
}

static void a_probe_that_never_reports_is_replaced(void **state)
{
    fail_times(*state, "cast", 3, 0);
    assert_int_equal(wait_at(*state, "cast", 1000), 0);
    assert_true(wait_at(*state, "cast", 60999) > 0);
    assert_int_equal(wait_at(*state, "cast", 61000), 0);
    assert_true(wait_at(*state, "cast", 61000) > 0);
}

static void a_pause_holds_for_its_time(void **state)
{
    gates_leave(*state, "ghl:location", GATE_PAUSED, 500, 100);
    assert_int_equal(wait_at(*state, "ghl:location", 100), 500);
    gates_leave(*state, "ghl:location", GATE_PAUSED, 10, 100); /* a shorter one does not cut it */
    assert_int_equal(wait_at(*state, "ghl:location", 100), 500);
    gates_leave(*state, "ghl:location", GATE_ANSWERED, 0, 200); /* nor does an answer that was under way */
    assert_int_equal(wait_at(*state, "ghl:location", 200), 400);
    assert_int_equal(wait_at(*state, "ghl:location", 600), 0);
}

static void a_pause_is_no_failure(void **state)
{
    fail_times(*state, "cast", 2, 0);
    gates_leave(*state, "cast", GATE_PAUSED, 100, 0);
    assert_int_equal(wait_at(*state, "cast", 100), 0);
    fail_times(*state, "cast", 1, 100);
    assert_int_equal(wait_at(*state, "cast", 100), 1000);
}

static void a_probe_that_is_paused_is_followed_by_another(void **state)
{
    fail_times(*state, "cast", 3, 0);
    assert_int_equal(wait_at(*state, "cast", 1000), 0);
    gates_leave(*state, "cast", GATE_PAUSED, 5000, 1000);
    assert_int_equal(wait_at(*state, "cast", 1000), 5000);
    assert_int_equal(wait_at(*state, "cast", 6000), 0);
    assert_true(wait_at(*state, "cast", 6000) > 0);
}

/* Else all that waited would go at once, and nearly all of them be told again to wait. */
static void after_a_pause_few_go_at_a_time(void **state)
{
    gates_leave(*state, "cast", GATE_PAUSED, 100, 0);
    assert_int_equal(wait_at(*state, "cast", 100), 0);
    assert_int_equal(wait_at(*state, "cast", 100), 1000);
    for (int64_t at = 101; at <= 102; at++) { /* each round of answers makes room for one more */
        gates_leave(*state, "cast", GATE_ANSWERED, 0, at);
        assert_int_equal(wait_at(*state, "cast", at), 0);
    }
    assert_int_equal(wait_at(*state, "cast", 102), 0);
    assert_int_equal(wait_at(*state, "cast", 102), 1000);
    gates_leave(*state, "cast", GATE_PAUSED, 100, 103);
    gates_leave(*state, "cast", GATE_PAUSED, 100, 104);
    assert_int_equal(wait_at(*state, "cast", 204), 0);
    assert_int_equal(wait_at(*state, "cast", 204), 1000);
    /* Those who are never heard of again do not keep it narrow. */
    assert_int_equal(wait_at(*state, "cast", 60204), 0);
}

static void many_answers_after_a_pause_open_the_gate_wide(void **state)
{
    gates_leave(*state, "cast", GATE_PAUSED, 100, 0);
    for (int i = 0; i < 600; i++) {
        assert_int_equal(wait_at(*state, "cast", 100 + i), 0);
        gates_leave(*state, "cast", GATE_ANSWERED, 0, 100 + i);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(wait_at(*state, "cast", 1000), 0);
}

static void a_pause_of_no_length_still_waits(void **state)
{
    gates_leave(*state, "cast", GATE_PAUSED, 0, 100);
    assert_int_equal(wait_at(*state, "cast", 100), 1);
}

static void the_gate_that_was_longest_untouched_is_forgotten(void **state)
{
    char key[16];
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "gate-%d", i);
        fail_times(*state, key, 3, 0);
    }
    assert_true(wait_at(*state, "gate-0", 1) > 0);
    fail_times(*state, "gate-4", 3, 1);
    assert_int_equal(wait_at(*state, "gate-1", 1), 0);
    assert_true(wait_at(*state, "gate-0", 1) > 0);
    assert_true(wait_at(*state, "gate-4", 1) > 0);
}

static void *use_gates(void *argument)
{
    struct gates *gates = argument;
    char key[16];
    int64_t wait_ms;
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "gate-%d", i % 7);
        if (gates_enter(gates, key, i, &wait_ms))
            gates_leave(gates, key, (enum gate_outcome)(i % 3), i % 5, i);
    }
    return NULL;
}

static void threads_share_gates(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_gates, *state), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(wait_at(*state, "another", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_after_consecutive_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_starts_the_count_again, setup, teardown),
        cmocka_unit_test_setup_teardown(one_probe_goes_through_and_its_success_closes, setup, teardown),
        cmocka_unit_test_setup_teardown(failing_probes_double_the_wait_up_to_a_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_of_calls_that_were_already_in_change_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_probe_that_never_reports_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pause_holds_for_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pause_is_no_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(a_probe_that_is_paused_is_followed_by_another, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_pause_few_go_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(many_answers_after_a_pause_open_the_gate_wide, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pause_of_no_length_still_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(the_gate_that_was_longest_untouched_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_gates, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
