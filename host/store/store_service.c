#include "store/store_service.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "store/backend.h"

/* A larger group would not cost less a row, and holds its first job's answer back by as much. */
#define GROUP_MOST 512

/* Where groups come small one after the other, a short pause makes them larger: at 20,000 messages a second
 * it took the CPU time of a commit from 20 to 15 us a message. A lone job never waits, and large groups need
 * no help. */
#define PAUSE_NS (500 * 1000)
#define PAUSE_FROM 4
#define PAUSE_UP_TO 64

/* ---- queues ---- */

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct mail *head;
    struct mail **tail;
    bool closed;
};

static void queue_init(struct queue *queue)
{
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->filled, NULL);
    queue->tail = &queue->head;
}

static void queue_deinit(struct queue *queue)
{
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->mutex);
}

static void queue_put(struct queue *queue, struct mail *mail)
{
    mail->next = NULL;
    pthread_mutex_lock(&queue->mutex);
    *queue->tail = mail;
    queue->tail = &mail->next;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->mutex);
}

/* Waits, then takes the oldest jobs, at most `most`. Returns 0 once the queue is closed and empty. */
static size_t queue_take(struct queue *queue, struct store_job **jobs, size_t most)
{
    size_t count = 0;
    pthread_mutex_lock(&queue->mutex);
    while (queue->head == NULL && !queue->closed)
        pthread_cond_wait(&queue->filled, &queue->mutex);
    for (; queue->head != NULL && count < most; queue->head = queue->head->next)
        jobs[count++] = (struct store_job *)queue->head; /* its first member */
    if (queue->head == NULL)
        queue->tail = &queue->head;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

static void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->filled);
    pthread_mutex_unlock(&queue->mutex);
}

/* ---- the service ---- */

/* A thread with a session of its own. */
struct worker {
    struct store_service *service;
    struct store_session *session;
    pthread_t thread;
};

/* The keeper does the housekeeping beside the writer; what came in meanwhile is left for the writer to
 * finish, which is quick, because only while nobody writes can the log start over. */
enum keeper_phase { KEEPER_IDLE, KEEPER_ASKED, KEEPER_DONE, KEEPER_ENDS };

struct store_service {
    struct queue writes, reads;
    struct store_session *keeper_session;
    pthread_t keeper;
    bool keeper_runs;
    struct worker *writers, *readers;
    unsigned writer_count, reader_count; /* that run */
    pthread_mutex_t keeper_mutex;
    pthread_cond_t keeper_asked;
    enum keeper_phase keeper_phase;
};

static void finish(struct store_job *job)
{
    mailbox_post(job->reply, &job->mail); /* from here on the job is its owner's */
}

static void fail(struct store_job *job, enum store_status status, const struct store_session *session)
{
    job->status = status;
    if (job->reason[0] == '\0')
        snprintf(job->reason, sizeof job->reason, "%s", store_session_error(session));
}

/* ---- writing ---- */

/* Runs the jobs in one batch. An error is the whole batch's, and nothing of it happened. */
static enum store_status run_batch(struct store_session *session, struct store_job **jobs, size_t count)
{
    enum store_status status = store_batch_begin(session);
    if (status != STORE_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        jobs[i]->reason[0] = '\0';
        jobs[i]->status = jobs[i]->run(jobs[i], session);
        if (store_status_is_error(jobs[i]->status)) {
            store_batch_abort(session);
            return jobs[i]->status;
        }
    }
    return store_batch_commit(session);
}

static void run_alone(struct store_session *session, struct store_job *job)
{
    enum store_status status = run_batch(session, &job, 1);
    if (status != STORE_OK)
        fail(job, status, session);
    finish(job);
}

/* A lock or a full disk is everybody's; any other failure may be one job's own, so each gets a batch of its
 * own. */
static void run_group(struct store_session *session, struct store_job **jobs, size_t count)
{
    enum store_status status = run_batch(session, jobs, count);
    for (size_t i = 0; i < count; i++) {
        if (status == STORE_FAILED && count > 1) {
            run_alone(session, jobs[i]);
            continue;
        }
        if (status != STORE_OK)
            fail(jobs[i], status, session);
        finish(jobs[i]);
    }
}

/* Between groups, when their answers are out: never in the way of one. */
static void tend(struct worker *writer)
{
    struct store_service *service = writer->service;
    if (!service->keeper_runs || !store_session_tend_due(writer->session))
        return;
    pthread_mutex_lock(&service->keeper_mutex);
    bool done = service->keeper_phase == KEEPER_DONE;
    if (done)
        service->keeper_phase = KEEPER_IDLE;
    else if (service->keeper_phase == KEEPER_IDLE)
        service->keeper_phase = KEEPER_ASKED;
    pthread_cond_signal(&service->keeper_asked);
    pthread_mutex_unlock(&service->keeper_mutex);
    if (done)
        store_session_tend(writer->session);
}

static void *writer_main(void *argument)
{
    struct worker *writer = argument;
    struct store_job *jobs[GROUP_MOST];
    size_t count;
    while ((count = queue_take(&writer->service->writes, jobs, GROUP_MOST)) > 0) {
        run_group(writer->session, jobs, count);
        tend(writer);
        if (count >= PAUSE_FROM && count < PAUSE_UP_TO)
            nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return NULL;
}

/* ---- keeping ---- */

static bool keeper_wait(struct store_service *service)
{
    pthread_mutex_lock(&service->keeper_mutex);
    while (service->keeper_phase != KEEPER_ASKED && service->keeper_phase != KEEPER_ENDS)
        pthread_cond_wait(&service->keeper_asked, &service->keeper_mutex);
    bool asked = service->keeper_phase == KEEPER_ASKED;
    pthread_mutex_unlock(&service->keeper_mutex);
    return asked;
}

static void *keeper_main(void *argument)
{
    struct store_service *service = argument;
    while (keeper_wait(service)) {
        /* Twice: the second time is for what was written during the first, and is so much shorter. */
        enum store_status status = store_session_tend(service->keeper_session);
        if (status == STORE_OK)
            status = store_session_tend(service->keeper_session);
        if (status == STORE_FAILED)
            LOG_EVENT(LOG_ERROR, "store_housekeeping_failed",
                      LOG_FIELD_TEXT("message", store_session_error(service->keeper_session)));
        pthread_mutex_lock(&service->keeper_mutex);
        if (service->keeper_phase == KEEPER_ASKED)
            service->keeper_phase = KEEPER_DONE;
        pthread_mutex_unlock(&service->keeper_mutex);
    }
    return NULL;
}

static void keeper_stop(struct store_service *service)
{
    pthread_mutex_lock(&service->keeper_mutex);
    service->keeper_phase = KEEPER_ENDS;
    pthread_cond_signal(&service->keeper_asked);
    pthread_mutex_unlock(&service->keeper_mutex);
    pthread_join(service->keeper, NULL);
}

/* ---- reading ---- */

/* Also a write's, where each call is a commit of its own. */
static void run_one(struct store_session *session, struct store_job *job)
{
    job->reason[0] = '\0';
    job->status = job->run(job, session);
    if (store_status_is_error(job->status))
        fail(job, job->status, session);
    finish(job);
}

static void *reader_main(void *argument)
{
    struct worker *reader = argument;
    struct store_job *job;
    while (queue_take(&reader->service->reads, &job, 1) > 0)
        run_one(reader->session, job);
    return NULL;
}

static void *one_of_several_writers(void *argument)
{
    struct worker *writer = argument;
    struct store_job *job;
    while (queue_take(&writer->service->writes, &job, 1) > 0)
        run_one(writer->session, job);
    return NULL;
}

/* ---- starting and stopping ---- */

static int start_thread(pthread_t *thread, void *(*run)(void *), void *argument, struct error *error)
{
    int why = pthread_create(thread, NULL, run, argument);
    return why == 0
               ? 0
               : error_set(error, ERROR_RETRYABLE, "cannot start a thread of the store: %s", strerror(why));
}

static int start_worker(struct store_service *service, struct worker *worker, struct store *store,
                        void *(*run)(void *), struct error *error)
{
    worker->service = service;
    if (store_session_open(store, &worker->session, error) != 0)
        return -1;
    if (service->keeper_runs)
        store_session_tend_later(worker->session);
    if (start_thread(&worker->thread, run, worker, error) == 0)
        return 0;
    store_session_close(worker->session);
    return -1;
}

static int start_workers(struct store_service *service, struct worker *workers, unsigned *count,
                         unsigned most, struct store *store, void *(*run)(void *), struct error *error)
{
    for (; *count < most; ++*count)
        if (start_worker(service, &workers[*count], store, run, error) != 0)
            return -1;
    return 0;
}

static void stop_workers(struct worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        store_session_close(workers[i].session);
    }
    free(workers);
}

static int start_keeper(struct store_service *service, struct store *store, struct error *error)
{
    if (store_session_open(store, &service->keeper_session, error) != 0 ||
        start_thread(&service->keeper, keeper_main, service, error) != 0)
        return -1;
    service->keeper_runs = true;
    return 0;
}

static int start_all(struct store_service *service, struct store *store, unsigned writers, unsigned readers,
                     struct error *error)
{
    bool batches = store_batches_are_atomic(store);
    if (batches && readers > 0 && start_keeper(service, store, error) != 0)
        return -1;
    if (start_workers(service, service->writers, &service->writer_count, writers, store,
                      batches ? writer_main : one_of_several_writers, error) != 0)
        return -1;
    return start_workers(service, service->readers, &service->reader_count, readers, store, reader_main,
                         error);
}

struct store_service *store_service_start(struct store *store, unsigned writers, unsigned readers,
                                          struct error *error)
{
    struct store_service *service = memory_allocate(sizeof *service);
    queue_init(&service->writes);
    queue_init(&service->reads);
    pthread_mutex_init(&service->keeper_mutex, NULL);
    pthread_cond_init(&service->keeper_asked, NULL);
    if (store_batches_are_atomic(store))
        writers = 1;
    service->writers = memory_allocate(writers * sizeof *service->writers);
    service->readers = memory_allocate(readers * sizeof *service->readers);
    if (start_all(service, store, writers, readers, error) == 0)
        return service;
    store_service_stop(service);
    return NULL;
}

void store_service_stop(struct store_service *service)
{
    if (service == NULL)
        return;
    queue_close(&service->writes);
    queue_close(&service->reads);
    stop_workers(service->writers, service->writer_count);
    if (service->keeper_runs)
        keeper_stop(service);
    stop_workers(service->readers, service->reader_count);
    store_session_close(service->keeper_session);
    pthread_cond_destroy(&service->keeper_asked);
    pthread_mutex_destroy(&service->keeper_mutex);
    queue_deinit(&service->reads);
    queue_deinit(&service->writes);
    free(service);
}

void store_service_write(struct store_service *service, struct store_job *job)
{
    job->reason[0] = '\0';
    queue_put(&service->writes, &job->mail);
}

void store_service_read(struct store_service *service, struct store_job *job)
{
    job->reason[0] = '\0';
    queue_put(service->reader_count > 0 ? &service->reads : &service->writes, &job->mail);
}

static void deliver_nothing(struct mail *mail)
{
    (void)mail; /* who waits looks at the job itself */
}

void store_service_wait(struct store_service *service, struct store_job *job, bool writes)
{
    job->mail.deliver = deliver_nothing;
    job->reply = mailbox_new(NULL, NULL);
    if (writes)
        store_service_write(service, job);
    else
        store_service_read(service, job);
    while (mailbox_drain(job->reply) == 0)
        mailbox_wait(job->reply, -1);
    mailbox_free(job->reply);
}
