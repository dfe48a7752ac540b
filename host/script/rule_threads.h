/* The rooms of struct rule_service, for the files that share them: rule_service.c (threads and jobs),
 * rule_watchdog.c (giving up), rule_quarantine.c (what must not run again). */
#ifndef SCRIPT_RULE_THREADS_H
#define SCRIPT_RULE_THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "script/rule_queue.h"
#include "script/rule_service.h"

/* Files that were given up, the newest first, and no more than a process can meet by accident. */
struct quarantine {
    struct quarantined *newest;
    size_t count;
};
void quarantine_add(struct quarantine *quarantine, const struct rule_work *work, const char *reason);
/* Why the file must not run, or NULL. `agency_whole`: any file of an agency that was quarantined before. */
const char *quarantine_find(const struct quarantine *quarantine, const char *agency, const char *hash,
                            bool agency_whole);
void quarantine_deinit(struct quarantine *quarantine);

struct rule_thread {
    struct rule_service *service;
    pthread_t id;
    struct rule_cache *cache; /* its own */

    /* Under the service's mutex: */
    pid_t tid; /* the kernel's, 0 until it runs */
    clockid_t clock;
    struct rule_job *job; /* under way, or NULL */
    struct rule_line *line;
    int64_t began_us;    /* the thread's processor time when the job began */
    int64_t watched_us;  /* by the watchdog's first look at this budget; -1 before it */
    int64_t patience_us; /* how much may pass from then on */
    bool abandoned;
    struct rule_thread *next;
};

struct rule_service {
    struct rule_service_options options;
    atomic_uint references; /* the owner's, and those of threads */
    pthread_mutex_t mutex;  /* guards what follows */
    pthread_cond_t filled, watch;
    struct rule_queue *queue;
    struct rule_thread *threads; /* without those left behind */
    unsigned resting, busy, left_behind;
    bool stopping, stopped;
    bool watchdog_rests;
    pthread_t watchdog;
    struct quarantine quarantine;
};

/* Adds a thread; under the mutex. */
void rule_service_add_thread(struct rule_service *service);

void *rule_watchdog_run(void *service);

#endif
