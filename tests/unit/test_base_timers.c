#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/timers.h"

static struct mail *wait_for_one(struct mailbox *mailbox)
{
    assert_true(mailbox_wait(mailbox, 10000));
    return mailbox_take(mailbox);
}

static void test_mail_comes_when_it_is_due_and_in_order(void **state)
{
    (void)state;
    struct timers *timers = timers_start();
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct mail late, soon, at_once;
    int64_t start = clock_monotonic_ms();
    timers_after(timers, 400, mailbox, &late);
    timers_after(timers, 40, mailbox, &soon);
    timers_after(timers, 0, mailbox, &at_once);
    assert_ptr_equal(mailbox_take(mailbox), &at_once);
    assert_ptr_equal(wait_for_one(mailbox), &soon);
    assert_in_range(clock_monotonic_ms() - start, 40, 10000);
    assert_ptr_equal(wait_for_one(mailbox), &late);
    assert_in_range(clock_monotonic_ms() - start, 400, 10000);
    timers_stop(timers);
    mailbox_free(mailbox);
}

#define MANY 500

/* Delays in no order: 37 and MANY have no common factor, so each of 0..MANY-1 comes once. */
static void test_many_timers_come_by_due_time(void **state)
{
    (void)state;
    static struct mail mails[MANY];
    int64_t earliest[MANY], latest[MANY]; /* between which the due time of each lies */
    struct timers *timers = timers_start();
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    for (size_t i = 0; i < MANY; i++) {
        int64_t delay = 1 + (int64_t)(i * 37 % MANY) / 5;
        earliest[i] = clock_monotonic_ms() + delay;
        timers_after(timers, delay, mailbox, &mails[i]);
        latest[i] = clock_monotonic_ms() + delay;
    }
    int64_t passed = 0;
    for (size_t i = 0; i < MANY; i++) {
        size_t index = (size_t)(wait_for_one(mailbox) - mails);
        assert_true(clock_monotonic_ms() >= earliest[index]);
        assert_true(latest[index] >= passed);
        passed = earliest[index] > passed ? earliest[index] : passed;
    }
    timers_stop(timers);
    mailbox_free(mailbox);
}

static void test_stop_posts_what_is_not_due(void **state)
{
    (void)state;
    struct timers *timers = timers_start();
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct mail hours, days;
    timers_after(timers, 3600 * 1000, mailbox, &hours);
    timers_after(timers, 24LL * 3600 * 1000, mailbox, &days);
    assert_null(mailbox_take(mailbox));
    timers_stop(timers);
    assert_ptr_equal(mailbox_take(mailbox), &hours);
    assert_ptr_equal(mailbox_take(mailbox), &days);
    mailbox_free(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_comes_when_it_is_due_and_in_order),
        cmocka_unit_test(test_many_timers_come_by_due_time),
        cmocka_unit_test(test_stop_posts_what_is_not_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
