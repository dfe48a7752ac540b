#include "script/rule_service.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "script/rule_threads.h"

#define NICE 10 /* a tenth of the share of what takes webhooks, where they compete */

struct rule_service_options rule_service_options_read(const struct config *config)
{
    return (struct rule_service_options){
        .threads = (unsigned)config_integer(config, "BASCULE_RULE_THREADS"),
        .abandoned_most = (unsigned)config_integer(config, "BASCULE_RULE_ABANDONED"),
        .states_kept = (unsigned)config_integer(config, "BASCULE_RULE_STATES"),
        .limits = rule_limits_read(config),
    };
}

static void unref(struct rule_service *service)
{
    if (atomic_fetch_sub_explicit(&service->references, 1, memory_order_acq_rel) != 1)
        return;
    rule_queue_free(service->queue);
    quarantine_deinit(&service->quarantine);
    pthread_cond_destroy(&service->filled);
    pthread_cond_destroy(&service->watch);
    pthread_mutex_destroy(&service->mutex);
    free(service);
}

/* ---- a thread ---- */

static int64_t call_patience_ms(const struct rule_service *service)
{
    return RULE_OVERRUN * service->options.limits.ms;
}

static void watch(struct rule_thread *thread, int64_t patience_ms)
{
    thread->watched_us = -1;
    thread->patience_us = patience_ms * 1000;
}

void rule_thread_watch(struct rule_thread *thread, int64_t patience_ms)
{
    pthread_mutex_lock(&thread->service->mutex);
    watch(thread, patience_ms);
    pthread_mutex_unlock(&thread->service->mutex);
}

struct rule_state *rule_thread_state(struct rule_thread *thread, struct unit *unit, struct unit_set *library,
                                     struct error *error)
{
    struct rule_state *state = rule_cache_find(thread->cache, unit, library);
    if (state != NULL)
        return state;
    rule_thread_watch(thread, RULE_LOAD_PATIENCE_MS);
    state = rule_cache_load(thread->cache, unit, library, error);
    rule_thread_watch(thread, call_patience_ms(thread->service));
    return state;
}

void rule_thread_return(struct rule_thread *thread, struct rule_state *state)
{
    rule_cache_return(thread->cache, state);
}

static void begin(struct rule_thread *thread)
{
    struct rule_service *service = thread->service;
    watch(thread, call_patience_ms(service));
    thread->began_us = rule_state_processor_us();
    service->busy++;
    if (service->watchdog_rests)
        pthread_cond_signal(&service->watch);
}

static void finish(struct rule_thread *thread)
{
    struct rule_service *service = thread->service;
    struct rule_job *job = thread->job;
    rule_queue_done(service->queue, thread->line, rule_state_processor_us() - thread->began_us);
    thread->job = NULL;
    service->busy--;
    job->result = RULE_RAN;
    mailbox_post(job->reply, &job->mail);
}

static struct rule_job *next_job(struct rule_thread *thread)
{
    struct rule_service *service = thread->service;
    while (!service->stopping) {
        thread->job = rule_queue_take(service->queue, &thread->line);
        if (thread->job != NULL)
            return thread->job;
        service->resting++;
        pthread_cond_wait(&service->filled, &service->mutex);
        service->resting--;
    }
    return NULL;
}

/* False where the watchdog gave it up meanwhile. */
static bool run_job(struct rule_thread *thread, struct rule_work *work)
{
    struct rule_service *service = thread->service;
    begin(thread);
    pthread_mutex_unlock(&service->mutex);
    work->run(work, thread);
    pthread_mutex_lock(&service->mutex);
    if (!thread->abandoned) {
        finish(thread);
        return true;
    }
    service->left_behind--;
    metrics_set("bascule_rule_threads_left_behind", NULL, service->left_behind);
    LOG_EVENT(LOG_WARN, "rule_thread_came_back", LOG_FIELD_TEXT("agency", work->agency));
    work->release(work);
    return false;
}

static void *run_thread(void *argument)
{
    struct rule_thread *thread = argument;
    struct rule_service *service = thread->service;
    thread->cache = rule_cache_new(&service->options.limits, service->options.states_kept);
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
    pthread_mutex_lock(&service->mutex);
    thread->tid = gettid();
    pthread_getcpuclockid(pthread_self(), &thread->clock);
    struct rule_job *job;
    while ((job = next_job(thread)) != NULL && run_job(thread, job->work))
        ;
    bool abandoned = thread->abandoned;
    pthread_mutex_unlock(&service->mutex);
    rule_cache_free(thread->cache);
    if (abandoned)
        free(thread);
    unref(service);
    return NULL;
}

void rule_service_add_thread(struct rule_service *service)
{
    if (service->stopping)
        return;
    struct rule_thread *thread = memory_allocate(sizeof *thread);
    thread->service = service;
    thread->next = service->threads;
    atomic_fetch_add_explicit(&service->references, 1, memory_order_relaxed);
    if (pthread_create(&thread->id, NULL, run_thread, thread) == 0) {
        service->threads = thread;
        return;
    }
    LOG_EVENT(LOG_ERROR, "rule_thread_failed", LOG_FIELD_TEXT("message", "cannot start a thread for rules"));
    atomic_fetch_sub_explicit(&service->references, 1, memory_order_relaxed);
    free(thread);
}

/* ---- jobs ---- */

static const char *why_quarantined(const struct rule_service *service, const char *agency, const char *hash)
{
    bool full = service->left_behind >= service->options.abandoned_most;
    return quarantine_find(&service->quarantine, agency, hash, full);
}

bool rule_service_quarantined(struct rule_service *service, const char *agency, const char *hash,
                              struct error *reason)
{
    pthread_mutex_lock(&service->mutex);
    const char *why = why_quarantined(service, agency, hash);
    if (why != NULL)
        error_set(reason, ERROR_PERMANENT, "%s", why);
    pthread_mutex_unlock(&service->mutex);
    return why != NULL;
}

static void refuse(struct rule_job *job, enum rule_result result, const char *why)
{
    job->work->release(job->work);
    job->work = NULL;
    job->result = result;
    error_set(&job->error, ERROR_PERMANENT, "%s", why);
    mailbox_post(job->reply, &job->mail);
}

static void refuse_stopping(struct rule_job *job)
{
    refuse(job, RULE_STOPPED, "the process is stopping");
}

void rule_service_submit(struct rule_service *service, struct rule_job *job)
{
    pthread_mutex_lock(&service->mutex);
    const char *why = why_quarantined(service, job->work->agency, job->work->hash);
    if (service->stopping) {
        refuse_stopping(job);
    } else if (why != NULL) {
        refuse(job, RULE_QUARANTINED, why);
    } else {
        rule_queue_put(service->queue, job->work->agency, job);
        if (service->resting > 0)
            pthread_cond_signal(&service->filled);
    }
    pthread_mutex_unlock(&service->mutex);
}

static void deliver_nothing(struct mail *mail)
{
    (void)mail;
}

void rule_service_run(struct rule_service *service, struct rule_job *job)
{
    job->reply = mailbox_new(NULL, NULL);
    job->mail.deliver = deliver_nothing;
    rule_service_submit(service, job);
    while (mailbox_drain(job->reply) == 0)
        mailbox_wait(job->reply, -1);
    pthread_mutex_lock(&service->mutex); /* who posted, under it, is done with the mailbox then */
    pthread_mutex_unlock(&service->mutex);
    mailbox_free(job->reply);
}

/* ---- beginning and end ---- */

struct rule_service *rule_service_start(const struct rule_service_options *options)
{
    struct rule_service *service = memory_allocate(sizeof *service);
    pthread_condattr_t monotonic;
    service->options = *options;
    service->queue = rule_queue_new(options->threads);
    atomic_init(&service->references, 1);
    pthread_mutex_init(&service->mutex, NULL);
    pthread_cond_init(&service->filled, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&service->watch, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_create(&service->watchdog, NULL, rule_watchdog_run, service);
    pthread_mutex_lock(&service->mutex);
    for (unsigned i = 0; i < options->threads; i++)
        rule_service_add_thread(service);
    pthread_mutex_unlock(&service->mutex);
    return service;
}

static void refuse_waiting(struct rule_service *service)
{
    for (struct rule_job *job; (job = rule_queue_drop(service->queue)) != NULL;)
        refuse_stopping(job);
}

/* The watchdog ends when nothing runs any more, so what is left then ends by itself. */
void rule_service_stop(struct rule_service *service)
{
    if (service == NULL || service->stopped)
        return;
    pthread_mutex_lock(&service->mutex);
    service->stopping = service->stopped = true;
    refuse_waiting(service);
    pthread_cond_broadcast(&service->filled);
    pthread_cond_broadcast(&service->watch);
    pthread_mutex_unlock(&service->mutex);
    pthread_join(service->watchdog, NULL);
    while (service->threads != NULL) {
        struct rule_thread *thread = service->threads;
        service->threads = thread->next;
        pthread_join(thread->id, NULL);
        free(thread);
    }
}

void rule_service_free(struct rule_service *service)
{
    rule_service_stop(service);
    if (service != NULL)
        unref(service);
}
