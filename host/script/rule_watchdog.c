/* Looks at what rule threads spend, and gives up what no hook stops. */
#include <sched.h>

#include "base/log.h"
#include "base/metrics.h"
#include "script/rule_threads.h"

#define LOOK_MS 20

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void unlink_thread(struct rule_service *service, struct rule_thread *thread)
{
    struct rule_thread **link = &service->threads;
    while (*link != thread)
        link = &(*link)->next;
    *link = thread->next;
}

static void alert(const struct rule_service *service, const struct rule_work *work, const char *reason)
{
    metrics_add("bascule_rules_abandoned_total", NULL, 1);
    metrics_set("bascule_rules_quarantined", NULL, (int64_t)service->quarantine.count);
    metrics_set("bascule_rule_threads_left_behind", NULL, service->left_behind);
    LOG_EVENT(LOG_ERROR, "rules_quarantined", LOG_FIELD_TEXT("agency", work->agency),
              LOG_FIELD_TEXT("file", work->path), LOG_FIELD_TEXT("hash", work->hash),
              LOG_FIELD_TEXT("message", reason));
}

/* The job goes home without its work, which the thread keeps. */
static void give_up(struct rule_service *service, struct rule_thread *thread)
{
    struct rule_job *job = thread->job;
    const struct rule_work *work = job->work;
    error_set(
        &job->error, ERROR_PERMANENT,
        "%s: did not come back within %lld ms of processor time; these rules are quarantined until the file "
        "changes",
        work->path, (long long)(thread->patience_us / 1000));
    job->result = RULE_ABANDONED;
    job->work = NULL;
    thread->abandoned = true;
    unlink_thread(service, thread);
    pthread_detach(thread->id);
    sched_setscheduler(thread->tid, SCHED_IDLE, &(struct sched_param){0});
    rule_queue_done(service->queue, thread->line, thread->patience_us);
    service->busy--;
    service->left_behind++;
    quarantine_add(&service->quarantine, work, job->error.message);
    alert(service, work, job->error.message);
    mailbox_post(job->reply, &job->mail);
    rule_service_add_thread(service);
}

/* Both readings are the watchdog's own: a step of the clock that one call sees and another does not (as in
 * programs that test with a shifted clock) must not look like time that was spent. */
static bool is_stuck(struct rule_thread *thread)
{
    int64_t now_us = clock_us(thread->clock);
    if (thread->watched_us < 0 || thread->watched_us > now_us)
        thread->watched_us = now_us;
    return now_us - thread->watched_us > thread->patience_us;
}

static struct rule_thread *find_stuck(const struct rule_service *service)
{
    for (struct rule_thread *thread = service->threads; thread != NULL; thread = thread->next) {
        if (thread->job != NULL && is_stuck(thread))
            return thread;
    }
    return NULL;
}

static void rest(struct rule_service *service)
{
    if (service->busy == 0) {
        service->watchdog_rests = true;
        pthread_cond_wait(&service->watch, &service->mutex);
        service->watchdog_rests = false;
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&service->watch, &service->mutex, &until);
}

void *rule_watchdog_run(void *argument)
{
    struct rule_service *service = argument;
    pthread_mutex_lock(&service->mutex);
    while (!service->stopping || service->busy > 0) {
        rest(service);
        for (struct rule_thread *stuck; (stuck = find_stuck(service)) != NULL;)
            give_up(service, stuck);
    }
    pthread_mutex_unlock(&service->mutex);
    return NULL;
}
