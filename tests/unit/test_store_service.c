/* Store threads: group commit, answers by mail, batches with a job that fails. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/mailbox.h"
#include "store/sqlite.h"
#include "store/store_service.h"

#define WRITERS 4 /* where the store takes several */

struct accept_job {
    struct store_job job; /* first: a job is its accept_job */
    char external_id[24];
    struct id id;
    int runs;
    enum store_status fails_with; /* STORE_OK: it does not */
    atomic_int *answered;
};

static void count_answer(struct mail *mail)
{
    struct accept_job *job = (struct accept_job *)mail;
    if (job->answered != NULL)
        atomic_fetch_add(job->answered, 1);
}

/* A job that fails does so after it has written: what it wrote must go too. */
static enum store_status run_accept(struct store_job *job, struct store_session *session)
{
    struct accept_job *accept_job = (struct accept_job *)job;
    struct store_message_new message = new_message("loc", accept_job->external_id, accept_job->external_id);
    accept_job->runs++;
    enum store_status status = store_message_accept(session, &message, accept_job->id.text);
    return accept_job->fails_with != STORE_OK ? accept_job->fails_with : status;
}

static void prepare(struct accept_job *job, struct mailbox *reply, int number)
{
    *job = (struct accept_job){.job = {.mail = {.deliver = count_answer}, .reply = reply, .run = run_accept}};
    snprintf(job->external_id, sizeof job->external_id, "x%d", number);
}

static struct store_service *start(struct fixture *fixture, unsigned readers)
{
    struct error error;
    struct store_service *service = store_service_start(fixture->store, WRITERS, readers, &error);
    if (service == NULL)
        fail_msg("%s", error.message);
    return service;
}

static void wait_for(struct mailbox *mailbox, size_t count)
{
    for (size_t got = 0; got < count; got += mailbox_drain(mailbox))
        assert_true(mailbox_wait(mailbox, 20000));
}

/* Holds the file's write lock, so that what is submitted meanwhile gathers into one group. */
static void gather(struct fixture *fixture, struct store_service *service, struct accept_job *jobs,
                   size_t count)
{
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    for (size_t i = 0; i < count; i++)
        store_service_write(service, &jobs[i].job);
    store_batch_abort(fixture->session);
}

/* ---- answers ---- */

static void answers_come_after_the_commit(void **state)
{
    struct fixture *fixture = *state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_service *service = start(fixture, 1);
    struct accept_job jobs[20];
    for (int i = 0; i < 20; i++)
        prepare(&jobs[i], mailbox, i / 2); /* each one twice */
    gather(fixture, service, jobs, 20);
    wait_for(mailbox, 20);
    /* With several writers the second may be the first. */
    for (int i = 0; i < 20; i += 2) {
        enum store_status first = jobs[i].job.status, second = jobs[i + 1].job.status;
        assert_true((first == STORE_OK && second == STORE_DUPLICATE) ||
                    (first == STORE_DUPLICATE && second == STORE_OK));
        assert_string_equal(jobs[i].id.text, jobs[i + 1].id.text);
        assert_int_equal(state_of(fixture->other, jobs[i].id.text), MESSAGE_QUEUED);
    }
    store_service_stop(service);
    mailbox_free(mailbox);
}

struct get_job {
    struct store_job job;
    const char *id;
    struct store_message message;
};

static enum store_status run_get(struct store_job *job, struct store_session *session)
{
    struct get_job *get_job = (struct get_job *)job;
    return store_message_get(session, get_job->id, &get_job->message);
}

static void readers_see_what_was_answered(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned readers = 0; readers <= 2; readers++) {
        struct mailbox *mailbox = mailbox_new(NULL, NULL);
        struct store_service *service = start(fixture, readers);
        struct accept_job job;
        prepare(&job, mailbox, (int)readers);
        store_service_write(service, &job.job);
        wait_for(mailbox, 1);
        struct get_job get_job = {.job = {.reply = mailbox, .run = run_get}, .id = job.id.text};
        store_service_read(service, &get_job.job);
        assert_true(mailbox_wait(mailbox, 20000));
        assert_ptr_equal(mailbox_take(mailbox), &get_job.job.mail);
        assert_int_equal(get_job.job.status, STORE_OK);
        assert_string_equal(get_job.message.external_id, job.external_id);
        store_message_deinit(&get_job.message);
        store_service_stop(service);
        mailbox_free(mailbox);
    }
}

static void works_on_a_store_in_memory(void **state)
{
    (void)state;
    struct fixture memory = {.store = open_store("sqlite::memory:")};
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct error error;
    assert_null(store_service_start(memory.store, WRITERS, 1, &error));
    store_close(memory.store);
    memory.store = open_store("sqlite::memory:");
    struct store_service *service = start(&memory, 0);
    struct accept_job job;
    prepare(&job, mailbox, 1);
    store_service_write(service, &job.job);
    wait_for(mailbox, 1);
    assert_int_equal(job.job.status, STORE_OK);
    store_service_stop(service);
    mailbox_free(mailbox);
    store_close(memory.store);
}

static void stopping_finishes_what_was_submitted(void **state)
{
    struct fixture *fixture = *state;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_service *service = start(fixture, 1);
    struct accept_job *jobs = memory_allocate(2000 * sizeof *jobs);
    for (int i = 0; i < 2000; i++) {
        prepare(&jobs[i], mailbox, i);
        store_service_write(service, &jobs[i].job);
    }
    store_service_stop(service);
    assert_int_equal(mailbox_drain(mailbox), 2000);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(jobs[i].job.status, STORE_OK);
    free(jobs);
    mailbox_free(mailbox);
}

/* ---- failures ---- */

static void one_failing_job_does_not_fail_its_neighbours(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_service *service = start(fixture, 1);
    struct accept_job jobs[9];
    for (int i = 0; i < 9; i++)
        prepare(&jobs[i], mailbox, i);
    jobs[4].fails_with = STORE_FAILED;
    gather(fixture, service, jobs, 9);
    wait_for(mailbox, 9);
    for (int i = 0; i < 9; i++)
        assert_int_equal(jobs[i].job.status, i == 4 ? STORE_FAILED : STORE_OK);
    int64_t waiting;
    assert_int_equal(store_message_count(fixture->other, &waiting), STORE_OK);
    assert_int_equal(waiting, 8);
    store_service_stop(service);
    mailbox_free(mailbox);
}

static void a_full_store_is_everybodys(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_service *service = start(fixture, 1);
    struct accept_job jobs[5];
    int64_t waiting;
    for (int i = 0; i < 5; i++)
        prepare(&jobs[i], mailbox, i);
    jobs[3].fails_with = STORE_FULL;
    /* They are one group or, if the writer was quicker, two: then the first ones are in. */
    gather(fixture, service, jobs, 5);
    wait_for(mailbox, 5);
    assert_int_equal(jobs[3].job.status, STORE_FULL);
    int accepted = 0;
    for (int i = 0; i < 5; i++) {
        assert_true(jobs[i].job.status == STORE_OK || jobs[i].job.status == STORE_FULL);
        assert_int_equal(jobs[i].runs <= 1, 1);
        accepted += jobs[i].job.status == STORE_OK;
    }
    assert_int_equal(store_message_count(fixture->other, &waiting), STORE_OK);
    assert_int_equal(waiting, accepted);
    store_service_stop(service);
    mailbox_free(mailbox);
}

static void a_locked_store_says_so_and_recovers(void **state)
{
    struct fixture *fixture = *state;
    SKIP_WITHOUT_ATOMIC_BATCHES(fixture);
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct fixture impatient = *fixture;
    struct error error;
    assert_int_equal(store_open(&(struct store_options){fixture->url, 30}, &impatient.store, &error), 0);
    struct store_service *service = start(&impatient, 1);
    struct accept_job job;
    prepare(&job, mailbox, 1);
    assert_int_equal(store_batch_begin(fixture->session), STORE_OK);
    store_service_write(service, &job.job);
    wait_for(mailbox, 1);
    assert_int_equal(job.job.status, STORE_BUSY);
    assert_true(strlen(job.job.reason) > 0);
    store_batch_abort(fixture->session);
    store_service_write(service, &job.job);
    wait_for(mailbox, 1);
    assert_int_equal(job.job.status, STORE_OK);
    assert_string_equal(job.job.reason, "");
    store_service_stop(service);
    store_close(impatient.store);
    mailbox_free(mailbox);
}

/* ---- many threads ---- */

#define POSTERS 4
#define EACH 3000
#define IN_FLIGHT 64

struct poster {
    struct store_service *service;
    int number;
    pthread_t thread;
    int failed;
};

static void *post_many(void *argument)
{
    struct poster *poster = argument;
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct accept_job *jobs = memory_allocate(IN_FLIGHT * sizeof *jobs);
    for (int first = 0; first < EACH; first += IN_FLIGHT) {
        atomic_int answered = 0;
        for (int i = 0; i < IN_FLIGHT; i++) {
            prepare(&jobs[i], mailbox, poster->number * 1000000 + first + i);
            jobs[i].answered = &answered;
            store_service_write(poster->service, &jobs[i].job);
        }
        while (answered < IN_FLIGHT && mailbox_wait(mailbox, 20000))
            mailbox_drain(mailbox);
        for (int i = 0; i < IN_FLIGHT; i++)
            poster->failed += jobs[i].job.status != STORE_OK;
    }
    free(jobs);
    mailbox_free(mailbox);
    return NULL;
}

static void many_threads_share_the_writer(void **state)
{
    struct fixture *fixture = *state;
    struct poster posters[POSTERS];
    struct store_service *service = start(fixture, 2);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.service = service, .number = i};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++) {
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
        assert_int_equal(posters[i].failed, 0);
    }
    store_service_stop(service);
    int64_t waiting;
    assert_int_equal(store_message_count(fixture->session, &waiting), STORE_OK);
    assert_int_equal(waiting, POSTERS * ((EACH + IN_FLIGHT - 1) / IN_FLIGHT) * IN_FLIGHT);
}

/* Enough for the log to be moved into the file several times, by the keeper and the writer in turn. */
static void the_log_does_not_grow_without_end(void **state)
{
    struct fixture *fixture = *state;
    if (strncmp(fixture->url, "sqlite:", 7) != 0)
        skip();
    struct mailbox *mailbox = mailbox_new(NULL, NULL);
    struct store_service *service = start(fixture, 1);
    enum { GROUP = 512, GROUPS_MOST = 1000 };
    struct accept_job *jobs = memory_allocate(GROUP * sizeof *jobs);
    int most = 0, before = 0, starts = 0; /* how often the log began anew */
    for (int group = 0; group < GROUPS_MOST && starts < 2; group++) {
        for (int i = 0; i < GROUP; i++) {
            prepare(&jobs[i], mailbox, group * GROUP + i);
            store_service_write(service, &jobs[i].job);
        }
        wait_for(mailbox, GROUP);
        int pages = atomic_load(&((struct sqlite_store *)fixture->store)->log_pages);
        most = pages > most ? pages : most;
        starts += pages < before;
        before = pages;
    }
    store_service_stop(service);
    print_message("longest log: %d pages\n", most);
    assert_int_equal(starts, 2);
    assert_true(most >= SQLITE_LOG_PAGES);
    assert_true(most < 4 * SQLITE_LOG_PAGES);
    free(jobs);
    mailbox_free(mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(answers_come_after_the_commit),
        STORE_TEST(readers_see_what_was_answered),
        STORE_TEST(works_on_a_store_in_memory),
        STORE_TEST(stopping_finishes_what_was_submitted),
        STORE_TEST(one_failing_job_does_not_fail_its_neighbours),
        STORE_TEST(a_full_store_is_everybodys),
        STORE_TEST(a_locked_store_says_so_and_recovers),
        STORE_TEST(many_threads_share_the_writer),
        STORE_TEST(the_log_does_not_grow_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
