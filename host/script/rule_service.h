/* The threads that run rules, away from whoever waits for them.
 *
 * A *work* is what a rule thread does: a function with its own references to all that it touches, because a
 * thread that never comes back keeps it for ever. A *job* is the waiting caller's side of it: it always comes
 * home, by mail.
 *
 * Each thread has a cache of rule states of its own. Jobs are queued by agency (rule_queue.h). A watchdog
 * looks at the processor time of running jobs: one that overran its limit RULE_OVERRUN times, in something
 * that no hook stops, is given up. Its caller gets an error; its file is quarantined, by its hash, until the
 * process ends, and whoever submits it again is answered at once; its thread is left behind at the lowest
 * priority, and a new one takes its place. Should it come back after all, it frees what it holds and ends. */
#ifndef SCRIPT_RULE_SERVICE_H
#define SCRIPT_RULE_SERVICE_H

#include "base/config.h"
#include "base/error.h"
#include "base/mailbox.h"
#include "script/rule_cache.h"

#define RULE_OVERRUN 10
#define RULE_LOAD_PATIENCE_MS (2 * RULE_LOAD_MS)
#define RULE_TESTS_PATIENCE_MS (2 * RULE_TESTS_MS)

struct rule_service;
struct rule_thread;

struct rule_work {
    /* On a rule thread; what it finds goes into what embeds the work. */
    void (*run)(struct rule_work *work, struct rule_thread *thread);
    void (*release)(struct rule_work *work); /* frees it; on any thread */
    /* Whose file; borrowed from what the work holds. */
    const char *agency, *path, *hash;
};

enum rule_result {
    RULE_RAN,         /* `work` has the outcome */
    RULE_ABANDONED,   /* `work` is NULL, as in the following; `error` says what happened */
    RULE_QUARANTINED, /* was not begun */
    RULE_STOPPED,     /* was not begun: the service ends */
};

struct rule_job {
    struct mail mail; /* comes home with the answer */
    struct mailbox *reply;
    struct rule_work *work; /* the service's until the mail is home */
    enum rule_result result;
    struct error error;
    struct rule_job *next; /* the queue's */
};

struct rule_service_options {
    unsigned threads;
    unsigned abandoned_most; /* threads left behind; while there are as many, an agency that was quarantined
                                once stays so, whatever its file says */
    unsigned states_kept;    /* in each thread's cache */
    struct rule_limits limits;
};
struct rule_service_options rule_service_options_read(const struct config *config);

struct rule_service *rule_service_start(const struct rule_service_options *options);
/* Answers what waits with RULE_STOPPED, waits for what runs (the watchdog bounds it), ends the threads. Later
 * jobs are answered with RULE_STOPPED. NULL is fine, as for the next. */
void rule_service_stop(struct rule_service *service);
/* After the last submit. What a thread left behind holds stays until it comes back. */
void rule_service_free(struct rule_service *service);

/* Any thread. The job's mail is posted exactly once. */
void rule_service_submit(struct rule_service *service, struct rule_job *job);
/* The same, and waits: for threads that may block. Not for rule threads. */
void rule_service_run(struct rule_service *service, struct rule_job *job);

/* Why the file is quarantined, into `reason`; false where it is not. Any thread. */
bool rule_service_quarantined(struct rule_service *service, const char *agency, const char *hash,
                              struct error *reason);

/* ---- for works, on the thread that runs them ---- */

/* The watchdog's patience from now on, in processor time. It begins as RULE_OVERRUN times a rule's limit. */
void rule_thread_watch(struct rule_thread *thread, int64_t patience_ms);

/* The state of the unit on this thread, borrowed until the next call; NULL with the reason. Watches the
 * loading. */
struct rule_state *rule_thread_state(struct rule_thread *thread, struct unit *unit, struct unit_set *library,
                                     struct error *error);
void rule_thread_return(struct rule_thread *thread,
                        struct rule_state *state); /* closes it where it was spoiled */

#endif
