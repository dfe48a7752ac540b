#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mailbox.h"

struct letter {
    struct mail mail; /* first, so that a mail is its letter */
    int poster;
    int number;
};

static struct letter delivered[16];
static size_t delivered_count;

static void note(struct mail *mail)
{
    delivered[delivered_count++] = *(struct letter *)mail;
}

static void count_wake(void *argument)
{
    atomic_fetch_add((atomic_int *)argument, 1);
}

static void test_drain_delivers_in_order_and_wakes_once(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    struct mailbox *mailbox = mailbox_new(count_wake, &wakes);
    struct letter letters[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    delivered_count = 0;
    for (size_t i = 0; i < 3; i++) {
        letters[i].mail.deliver = note;
        mailbox_post(mailbox, &letters[i].mail);
    }
    assert_int_equal(wakes, 1);
    assert_int_equal(mailbox_drain(mailbox), 3);
    assert_int_equal(delivered_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(delivered[i].number, (int)i + 1);
    assert_int_equal(mailbox_drain(mailbox), 0);
    mailbox_post(mailbox, &letters[0].mail);
    assert_int_equal(wakes, 2);
    mailbox_drain(mailbox);
    mailbox_free(mailbox);
}

static struct mailbox *echo;

static void post_again(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    if (letter->number-- > 0)
        mailbox_post(echo, mail);
}

/* What is posted while mail is delivered waits for the next drain, so that a loop cannot be kept from its
 * other work. */
static void test_drain_delivers_what_was_there_at_the_call(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    echo = mailbox_new(count_wake, &wakes);
    struct letter letter = {.mail.deliver = post_again, .number = 2};
    mailbox_post(echo, &letter.mail);
    assert_int_equal(mailbox_drain(echo), 1);
    assert_int_equal(wakes, 2);
    assert_int_equal(mailbox_drain(echo), 1);
    assert_int_equal(mailbox_drain(echo), 1);
    assert_int_equal(mailbox_drain(echo), 0);
    mailbox_free(echo);
}

static void test_take_leaves_the_delivery_to_the_taker(void **state)
{
    (void)state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct letter letters[2] = {0};
    assert_null(mailbox_take(mailbox));
    mailbox_post(mailbox, &letters[0].mail);
    mailbox_post(mailbox, &letters[1].mail);
    assert_ptr_equal(mailbox_take(mailbox), &letters[0].mail);
    assert_ptr_equal(mailbox_take(mailbox), &letters[1].mail);
    assert_null(mailbox_take(mailbox));
    mailbox_post(mailbox, &letters[0].mail); /* the tail is right again after the last was taken */
    assert_ptr_equal(mailbox_take(mailbox), &letters[0].mail);
    mailbox_free(mailbox);
    mailbox_free(NULL);
}

static void test_wait_ends_in_time(void **state)
{
    (void)state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    int64_t start = clock_monotonic_ms();
    assert_false(mailbox_wait(mailbox, 0));
    assert_false(mailbox_wait(mailbox, 30));
    assert_in_range(clock_monotonic_ms() - start, 30, 5000);
    struct letter letter = {0};
    mailbox_post(mailbox, &letter.mail);
    assert_true(mailbox_wait(mailbox, 0));
    assert_true(mailbox_wait(mailbox, -1));
    mailbox_take(mailbox);
    mailbox_free(mailbox);
}

#define POSTERS 4
#define LETTERS 5000

struct poster {
    struct mailbox *mailbox;
    int number;
};

static void *post_many(void *argument)
{
    const struct poster *poster = argument;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = memory_allocate(sizeof *letter);
        letter->poster = poster->number;
        letter->number = i;
        mailbox_post(poster->mailbox, &letter->mail);
    }
    return NULL;
}

static void test_many_threads_post_and_one_takes(void **state)
{
    (void)state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){mailbox, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    int next[POSTERS] = {0};
    for (int received = 0; received < POSTERS * LETTERS;) {
        assert_true(mailbox_wait(mailbox, 10000));
        for (struct mail *mail; (mail = mailbox_take(mailbox)) != NULL; received++) {
            struct letter *letter = (struct letter *)mail;
            assert_int_equal(letter->number, next[letter->poster]);
            next[letter->poster]++;
            free(letter);
        }
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    assert_null(mailbox_take(mailbox));
    mailbox_free(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_delivers_in_order_and_wakes_once),
        cmocka_unit_test(test_drain_delivers_what_was_there_at_the_call),
        cmocka_unit_test(test_take_leaves_the_delivery_to_the_taker),
        cmocka_unit_test(test_wait_ends_in_time),
        cmocka_unit_test(test_many_threads_post_and_one_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
