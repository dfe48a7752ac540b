/* The threads that run rules: who comes next, what is given up, and how it all ends. */
#include "script_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "script/generation.h"
#include "script/rule_queue.h"

/* ---- the queue ---- */

/* Runs what waits on one thread until there is nothing left; an 'a' or 'b' a job, in their order. */
static void run_all(struct rule_queue *queue, const struct rule_job *jobs_of_a, size_t count, int64_t us_of_a,
                    int64_t us_of_b, char *order)
{
    struct rule_line *line;
    for (struct rule_job *job; (job = rule_queue_take(queue, &line)) != NULL;) {
        bool a = job >= jobs_of_a && job < jobs_of_a + count;
        *order++ = a ? 'a' : 'b';
        rule_queue_done(queue, line, a ? us_of_a : us_of_b);
    }
    *order = '\0';
}

static void test_the_agency_that_used_least_is_next(void **state)
{
    (void)state;
    struct rule_queue *queue = rule_queue_new(1);
    struct rule_job a[4] = {0}, b[8] = {0};
    char order[20];
    for (size_t i = 0; i < 4; i++)
        rule_queue_put(queue, "a", &a[i]);
    for (size_t i = 0; i < 8; i++)
        rule_queue_put(queue, "b", &b[i]);
    run_all(queue, a, 4, 10000, 1000, order);
    /* One of each, then b until it has used as much as a's one. */
    assert_true(strcmp(order, "abbbbbbbbaaa") == 0 || strcmp(order, "babbbbbbbaaa") == 0);
    rule_queue_free(queue);
}

static void test_who_comes_anew_starts_at_the_present(void **state)
{
    (void)state;
    struct rule_queue *queue = rule_queue_new(1);
    struct rule_job a[40] = {0}, b[8] = {0};
    char order[50];
    for (size_t i = 0; i < 36; i++)
        rule_queue_put(queue, "a", &a[i]);
    run_all(queue, a, 40, 1000, 1000, order);
    for (size_t i = 36; i < 40; i++)
        rule_queue_put(queue, "a", &a[i]);
    for (size_t i = 0; i < 8; i++)
        rule_queue_put(queue, "b", &b[i]);
    run_all(queue, a, 40, 1000, 1000, order);
    assert_int_equal(strlen(order), 12);
    assert_non_null(memchr(order, 'a', 4)); /* b does not go first until it has used as much as a ever did */
    rule_queue_free(queue);
}

static void test_one_thread_is_left_to_others(void **state)
{
    (void)state;
    struct rule_queue *queue = rule_queue_new(2);
    struct rule_job a[2] = {0}, b = {0};
    struct rule_line *first, *second;
    rule_queue_put(queue, "a", &a[0]);
    rule_queue_put(queue, "a", &a[1]);
    assert_ptr_equal(rule_queue_take(queue, &first), &a[0]);
    assert_null(rule_queue_take(queue, &second));
    rule_queue_put(queue, "b", &b);
    assert_ptr_equal(rule_queue_take(queue, &second), &b);
    rule_queue_done(queue, first, 1);
    rule_queue_done(queue, second, 1);
    assert_ptr_equal(rule_queue_take(queue, &first), &a[1]);
    rule_queue_done(queue, first, 1);
    rule_queue_free(queue);
}

/* ---- the service ---- */

/* A work that spins, on the processor, until it is told to end. */
struct task {
    struct rule_work work;
    struct rule_job job;
    atomic_bool told, begun;
    atomic_uint released;
    bool home;
};

static void spin(struct rule_work *work, struct rule_thread *thread)
{
    (void)thread;
    struct task *task = (struct task *)work;
    atomic_store(&task->begun, true);
    while (!atomic_load(&task->told))
        ;
}

static void released(struct rule_work *work)
{
    atomic_fetch_add(&((struct task *)work)->released, 1);
}

static void come_home(struct mail *mail)
{
    struct rule_job *job = (struct rule_job *)mail;
    ((struct task *)((char *)job - offsetof(struct task, job)))->home = true;
}

static struct mailbox *mailbox;
static struct rule_service *service;

static int start(unsigned threads, unsigned abandoned_most, int64_t ms)
{
    struct rule_service_options options = {
        .threads = threads,
        .abandoned_most = abandoned_most,
        .states_kept = 4,
        .limits = {.memory_bytes = 1 << 20, .ms = ms, .instructions = 100000},
    };
    mailbox = mailbox_new(NULL, NULL);
    service = rule_service_start(&options);
    log_set_level(LOG_ERROR + 1);
    return 0;
}

static void finish(void)
{
    rule_service_free(service);
    mailbox_free(mailbox);
}

static void submit(struct task *task, const char *agency, const char *hash, bool told)
{
    *task = (struct task){.work = {spin, released, agency, "agencies/it/rules.lua", hash}};
    atomic_init(&task->told, told);
    task->job.mail.deliver = come_home;
    task->job.reply = mailbox;
    task->job.work = &task->work;
    rule_service_submit(service, &task->job);
}

/* How a job that has come home went. */
static enum rule_result wait_home(struct task *task)
{
    int64_t until_ms = clock_monotonic_ms() + 60000;
    while (!task->home && clock_monotonic_ms() < until_ms) {
        mailbox_wait(mailbox, 100);
        mailbox_drain(mailbox);
    }
    assert_true(task->home);
    return task->job.result;
}

static enum rule_result run_task(const char *agency, const char *hash)
{
    struct task task;
    submit(&task, agency, hash, true);
    return wait_home(&task);
}

/* The thread that was left behind ends what it does. */
static void let_come_back(struct task *task)
{
    int64_t until_ms = clock_monotonic_ms() + 60000;
    atomic_store(&task->told, true);
    while (atomic_load(&task->released) == 0 && clock_monotonic_ms() < until_ms)
        usleep(1000);
    assert_int_equal(atomic_load(&task->released), 1);
}

static void test_others_go_on_beside_one_that_spins(void **state)
{
    (void)state;
    start(2, 4, 10000);
    struct task spinning[3];
    for (int i = 0; i < 3; i++)
        submit(&spinning[i], "a", "1", false);
    for (int i = 0; i < 20; i++)
        assert_int_equal(run_task("b", "1"), RULE_RAN);
    for (int i = 0; i < 3; i++)
        assert_false(spinning[i].home);
    for (int i = 0; i < 3; i++) {
        atomic_store(&spinning[i].told, true);
        assert_int_equal(wait_home(&spinning[i]), RULE_RAN);
    }
    finish();
}

static void test_what_never_ends_is_given_up(void **state)
{
    (void)state;
    int64_t before = metrics_value("bascule_rules_abandoned_total", NULL);
    start(1, 4, 1);
    struct task stuck;
    submit(&stuck, "a", "1", false);
    assert_int_equal(wait_home(&stuck), RULE_ABANDONED);
    assert_null(stuck.job.work);
    assert_string_equal(
        stuck.job.error.message,
        "agencies/it/rules.lua: did not come back within 10 ms of processor time; these rules are "
        "quarantined until the file changes");
    assert_int_equal(metrics_value("bascule_rules_abandoned_total", NULL), before + 1);
    assert_int_equal(metrics_value("bascule_rule_threads_left_behind", NULL), 1);
    assert_int_equal(run_task("b", "1"), RULE_RAN); /* on the thread that took its place */
    let_come_back(&stuck);
    finish();
}

static void test_quarantine_is_of_a_file(void **state)
{
    (void)state;
    start(1, 4, 1);
    struct task stuck, again;
    struct error why;
    submit(&stuck, "a", "1", false);
    assert_int_equal(wait_home(&stuck), RULE_ABANDONED);
    submit(&again, "a", "1", true);
    assert_int_equal(wait_home(&again), RULE_QUARANTINED);
    assert_string_equal(again.job.error.message, stuck.job.error.message);
    assert_int_equal(atomic_load(&again.released), 1);
    assert_true(rule_service_quarantined(service, "a", "1", &why));
    assert_false(rule_service_quarantined(service, "a", "2", &why));
    assert_int_equal(run_task("a", "2"), RULE_RAN); /* the file has changed */
    let_come_back(&stuck);
    assert_int_equal(run_task("a", "1"), RULE_QUARANTINED);
    finish();
}

static void test_no_more_threads_than_allowed_are_left_behind(void **state)
{
    (void)state;
    start(1, 1, 1);
    struct task stuck;
    submit(&stuck, "a", "1", false);
    assert_int_equal(wait_home(&stuck), RULE_ABANDONED);
    assert_int_equal(run_task("a", "2"), RULE_QUARANTINED);
    assert_int_equal(run_task("b", "1"), RULE_RAN);
    let_come_back(&stuck);
    assert_int_equal(run_task("a", "2"), RULE_RAN);
    finish();
}

static void *stop(void *argument)
{
    rule_service_stop(argument);
    return NULL;
}

static void test_stopping_with_jobs_under_way(void **state)
{
    (void)state;
    start(1, 4, 10000);
    pthread_t stopping;
    struct task running, waiting;
    submit(&running, "a", "1", false);
    while (!atomic_load(&running.begun))
        sched_yield();
    submit(&waiting, "a", "1", false);
    pthread_create(&stopping, NULL, stop, service);
    assert_int_equal(wait_home(&waiting), RULE_STOPPED);
    assert_int_equal(atomic_load(&waiting.released), 1);
    assert_int_equal(run_task("b", "1"), RULE_STOPPED);
    atomic_store(&running.told, true);
    assert_int_equal(wait_home(&running), RULE_RAN);
    pthread_join(stopping, NULL);
    finish();
}

static void test_stopping_does_not_wait_for_what_never_ends(void **state)
{
    (void)state;
    start(2, 4, 1);
    struct task stuck;
    submit(&stuck, "a", "1", false);
    while (!atomic_load(&stuck.begun))
        sched_yield();
    rule_service_stop(service);
    assert_int_equal(wait_home(&stuck), RULE_ABANDONED);
    finish(); /* while the thread still spins */
    let_come_back(&stuck);
}

/* ---- through the binding ---- */

static struct fixture fixture;
static char *short_limits[] = {"BASCULE_RULE_MS=50", "BASCULE_RULE_INSTRUCTIONS=100000", NULL};

static void write_rules(const char *body)
{
    char text[300];
    struct error error = {0};
    snprintf(text, sizeof text,
             "return { locations = { 'a' }, outbound = function(m) m.body = '%s' return m end }", body);
    fixture_write(&fixture, "agencies/one/rules.lua", text);
    assert_int_equal(generations_reload(fixture.host.generations, &error), 1);
}

static const char server[] =
    "local rules = require 'host.rules'\n"
    "return { run = function()\n"
    "  local d, text, name = rules.outbound('a', nil, { to = '1', body = '' }, { now = 1, settings = {} })\n"
    "  if not d then return name .. ' ' .. text end\n"
    "  return d.message.body .. ' ' .. math.type(d.usage.us) .. ' ' .. tostring(d.usage.instructions < "
    "100000)\n"
    "    .. ' ' .. tostring(d.usage.memory_bytes > 10000)\n"
    "end }";

static void test_a_quarantined_agency_is_told_so(void **state)
{
    (void)state;
    fixture_open(&fixture, short_limits);
    fixture_write(&fixture, "lua/bascule/server.lua", server);
    fixture_load(&fixture);
    write_rules("first");
    assert_call(&fixture, "bascule.server", "first integer true true");
    struct generation *generation = generations_acquire(fixture.host.generations);
    struct task stuck;
    mailbox = fixture.mailbox;
    service = fixture.host.rules;
    submit(&stuck, "one", generation_find_agency(generation, "a", NULL)->unit->hash, false);
    assert_int_equal(wait_home(&stuck), RULE_ABANDONED);
    assert_call(
        &fixture, "bascule.server",
        "QUARANTINED QUARANTINED: agencies/it/rules.lua: did not come back within 500 ms of processor time; "
        "these rules are quarantined until the file changes");
    struct buffer json = {0};
    generations_describe(fixture.host.generations, &json);
    assert_contains(json.data, "\"quarantined\":\"agencies/it/rules.lua: did not come back");
    buffer_deinit(&json);
    write_rules("second");
    assert_call(&fixture, "bascule.server", "second integer true true");
    let_come_back(&stuck);
    generation_unref(generation);
    fixture_close(&fixture);
}

/* The coroutine is gone when the answer comes. */
static void test_the_caller_ends_before_the_answer(void **state)
{
    (void)state;
    fixture_open(&fixture, short_limits);
    fixture_write(&fixture, "lua/bascule/server.lua", server);
    fixture_load(&fixture);
    write_rules("first");
    for (int i = 0; i < 20; i++) {
        struct call call;
        call_start(&fixture, &call, "bascule.server", "run");
        script_thread_free(fixture.thread);
        assert_true(call.ended && !call.ok);
        fixture.thread = script_thread_new(&fixture.host, fixture.mailbox);
    }
    assert_call(&fixture, "bascule.server", "first integer true true");
    fixture_close(&fixture);
}

static void test_loading_that_never_ends_is_refused(void **state)
{
    (void)state;
    struct error error = {0};
    fixture_open(&fixture, short_limits);
    fixture_write(&fixture, "lua/bascule/server.lua", server);
    fixture_load(&fixture);
    write_rules("first");
    fixture_write(&fixture, "agencies/one/rules.lua", "while true do end");
    fixture_write(&fixture, "agencies/two/rules.lua", "return { locations = { 'b' } }");
    assert_int_equal(generations_reload(fixture.host.generations, &error), -1);
    assert_contains(error.message, "agencies/one/rules.lua:1: ");
    assert_call(&fixture, "bascule.server", "first integer true true");
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_agency_that_used_least_is_next),
        cmocka_unit_test(test_who_comes_anew_starts_at_the_present),
        cmocka_unit_test(test_one_thread_is_left_to_others),
        cmocka_unit_test(test_others_go_on_beside_one_that_spins),
        cmocka_unit_test(test_what_never_ends_is_given_up),
        cmocka_unit_test(test_quarantine_is_of_a_file),
        cmocka_unit_test(test_no_more_threads_than_allowed_are_left_behind),
        cmocka_unit_test(test_stopping_with_jobs_under_way),
        cmocka_unit_test(test_stopping_does_not_wait_for_what_never_ends),
        cmocka_unit_test(test_a_quarantined_agency_is_told_so),
        cmocka_unit_test(test_the_caller_ends_before_the_answer),
        cmocka_unit_test(test_loading_that_never_ends_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
